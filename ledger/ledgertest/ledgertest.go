package ledgertest

import (
	"crypto/ed25519"
	"encoding/binary"
	"testing"

	"github.com/google/uuid"

	"foxchain/ledger"
)

// Network returns the network with these rules, which must be valid.
func Network(tb testing.TB, rules ledger.Network) *ledger.Network {
	tb.Helper()
	net, err := ledger.NewNetwork(rules)
	if err != nil {
		tb.Fatal(err)
	}
	return net
}

// Key returns key number n.
func Key(n int) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed[ed25519.SeedSize-8:], uint64(n))
	return ed25519.NewKeyFromSeed(seed)
}

// Public returns the public half of a key.
func Public(key ed25519.PrivateKey) ledger.PublicKey {
	return ledger.PublicKey(key.Public().(ed25519.PublicKey))
}

// Account returns open account number n. Number 0 is the issuer of networks that
// name none.
func Account(n int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// Mint makes n transactions of the issuer to account 7. Their IDs count from
// first, and so do their times.
func Mint(first uint64, n int) []*ledger.Transaction {
	txs := make([]*ledger.Transaction, n)
	for i := range txs {
		number := first + uint64(i)
		tx := &ledger.Transaction{Receiver: Account(7), Amount: 5, T: float64(number)}
		binary.BigEndian.PutUint64(tx.ID[8:], number)
		txs[i] = tx
	}
	return txs
}

// Minted makes n transactions of the issuer with random IDs, each to a random
// account: what a benchmark needs, whose keys must not come in order.
func Minted(n int) []*ledger.Transaction {
	txs := make([]*ledger.Transaction, n)
	for i := range txs {
		txs[i] = &ledger.Transaction{ID: uuid.New(), Receiver: uuid.New(), Amount: 1, T: 1620811762.5}
	}
	return txs
}

// Seal makes the block of a header and transactions that key builds, with proof
// of work. It sets the header's builder, count and root.
func Seal(net *ledger.Network, key ed25519.PrivateKey, h ledger.Header, txs []*ledger.Transaction) *ledger.Block {
	h.Builder, h.Count, h.Root = Public(key), uint32(len(txs)), ledger.Root(txs)
	h.Search(0, func() bool { return false })
	return &ledger.Block{SealedHeader: h.Sign(net, key), Txs: txs}
}
