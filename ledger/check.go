package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
)

// CheckBlock checks what can be checked of a block alone: CheckHeader, then CheckBody.
func (n *Network) CheckBlock(b *Block) error {
	if err := n.CheckHeader(&b.SealedHeader); err != nil {
		return err
	}
	return n.CheckBody(&b.Header, b.Txs)
}

// CheckHeader checks what needs neither the parent nor the body of a header:
// version, height, count, time, bits, builder, proof of work (FaultBlock) and
// signature (FaultSender). The error is a *BlockError with a Field named as in JSON.
func (n *Network) CheckHeader(h *SealedHeader) error {
	hash := h.Hash()
	fault := func(f Fault, field, rule string, args ...any) error {
		return &BlockError{Fault: f, Height: h.Height, Hash: hash, Field: field, Rule: fmt.Sprintf(rule, args...)}
	}
	switch {
	case h.Version != blockVersion:
		return fault(FaultBlock, "version", ruleVersion+", not %d", h.Version)
	case h.Height > maxJSONInteger:
		return fault(FaultBlock, "height", ruleInteger)
	case (h.Height == 0) != (h.Parent == n.id):
		return fault(FaultBlock, "prev_hash", "must be the network's ID at height 0, and only there")
	case h.Count < 1 || h.Count > MaxBlockTxs:
		return fault(FaultBlock, "count", ruleItems+", not %d", h.Count)
	case h.Time > maxJSONInteger:
		return fault(FaultBlock, "time", ruleInteger)
	case h.Bits != n.Bits:
		return fault(FaultBlock, "bits", "must be %d on this network, not %d", n.Bits, h.Bits)
	case !n.MayBuild(h.Builder):
		return fault(FaultBlock, "builder", "must be one of this network's builders, which %s is not", h.Builder)
	case hash.ZeroBits() < int(n.Bits):
		return fault(FaultBlock, "hash", "must begin with %d zero bits, not %d", n.Bits, hash.ZeroBits())
	}
	sealed := Hash(sha256.Sum256(EncodeHeader(h)))
	if n.signed.Contains(sealed) {
		return nil
	}
	if !ed25519.Verify(h.Builder[:], signedByBuilder(n, hash), h.Signature[:]) {
		return fault(FaultSender, "signature", "must be the builder's, made for this network and this block")
	}
	n.signed.Add(sealed, struct{}{})
	return nil
}

// CheckBody checks that txs are what the header commits to (count and root,
// FaultSender). Then it checks that each is well formed and signed, and that none is
// there twice (FaultBlock). It needs no state and costs the most of all checks, so
// callers run it outside every lock. The error is a *BlockError about the first bad
// item.
func (n *Network) CheckBody(h *Header, txs []*Transaction) error {
	fault := func(f Fault, field, rule string) error {
		return &BlockError{Fault: f, Height: h.Height, Hash: h.Hash(), Field: field, Rule: rule}
	}
	if len(txs) != int(h.Count) {
		return fault(FaultSender, "count", fmt.Sprintf("the header counts %d transactions, the body holds %d", h.Count, len(txs)))
	}
	if root := Root(txs); root != h.Root {
		return fault(FaultSender, "root", fmt.Sprintf("must be the Merkle root of the transactions, which is %s", root))
	}
	seen := make(map[TxKey]int, len(txs))
	for i, tx := range txs {
		if first, twice := seen[tx.Key()]; twice {
			return fault(FaultBlock, fmt.Sprintf("items[%d].id", i), fmt.Sprintf("is the ID of items[%d] already", first))
		}
		seen[tx.Key()] = i
	}
	for i, err := range n.CheckAll(txs) {
		if err != nil {
			return fault(FaultBlock, fmt.Sprintf("items[%d].%s", i, err.Field), err.Rule)
		}
	}
	return nil
}

// CheckAll returns the error of each transaction. It uses all cores when any is
// keyed, since a signature costs as much as hundreds of the other checks.
func (n *Network) CheckAll(txs []*Transaction) []*FieldError {
	workers := 1
	for _, tx := range txs {
		if tx.Auth != nil {
			workers = min(runtime.GOMAXPROCS(0), len(txs))
			break
		}
	}
	errs := make([]*FieldError, len(txs))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			// Interleaved, so that the workers share a run of keyed transactions.
			for i := w; i < len(txs); i += workers {
				errs[i] = txs[i].checkFields(n)
			}
		})
	}
	wg.Wait()
	return errs
}

// cachedSignatures is how many valid signatures a Network remembers. A transaction
// is checked when it is submitted and again in its block, and a header alone and
// again with its body. Verifying a signature costs as much as all other work on
// them, so each is verified once. The key is the SHA-256 of the encoding, which
// includes the signature.
const cachedSignatures = 100_000
