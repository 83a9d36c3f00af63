package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// signed measures one load of signed transactions, until all nodes have it in blocks. Its
// raw part is how many signatures all cores of this machine verify, and nothing else.
func (r *run) signed(ctx context.Context, all net) error {
	rules := all[0].Chain.Network()
	funds, messages, err := signedLoad(rules, r.Txs)
	if err != nil {
		return err
	}
	// The senders' accounts are filled before the clock starts.
	if err := r.spread(ctx, all, funds); err != nil {
		return err
	}
	var took time.Duration
	raw, err := r.beside(func() (float64, error) { return r.rawVerify(rules) }, func() error {
		begin := time.Now()
		err := r.spread(ctx, all, messages)
		took = time.Since(begin)
		return err
	})
	if err != nil {
		return err
	}
	return r.rate(Row{
		Row: "signed", What: fmt.Sprintf("signed, in a block and indexed on all nodes (%d)", len(all)),
		Note: notes("beside: signatures verified on all cores, once", r.waited(took)),
	}, r.Txs, took, raw)
}

// spread sends a load to the first node and waits until all nodes have it in blocks.
func (r *run) spread(ctx context.Context, all net, messages [][]api.Tx) error {
	if _, err := r.load(ctx, all[0], messages); err != nil {
		return err
	}
	if err := r.awaitBuilt(ctx, all[0]); err != nil {
		return err
	}
	return awaitTip(ctx, all)
}

// signedLoad makes messages of signed transactions, each of a sender of its own, and those
// that fill the senders' accounts.
func signedLoad(rules *ledger.Network, txs int) (funds, messages [][]api.Tx, err error) {
	var mints []api.Tx
	for ; txs > 0; txs -= batchTxs {
		public, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		mints = append(mints, api.Tx{ID: uuid.New(), Receiver: ledger.AccountOf(ledger.PublicKey(public)), Amount: batchTxs})
		var message []api.Tx
		for _, tx := range signedTxs(rules, key, min(txs, batchTxs)) {
			message = append(message, api.NewTx(tx, nil))
		}
		messages = append(messages, message)
	}
	return [][]api.Tx{mints}, messages, nil
}

func signedTxs(rules *ledger.Network, key ed25519.PrivateKey, n int) []*ledger.Transaction {
	txs := make([]*ledger.Transaction, n)
	for i := range txs {
		txs[i] = &ledger.Transaction{ID: uuid.New(), Receiver: uuid.New(), Amount: 1, T: ledger.UnixSeconds(time.Now())}
		txs[i].Sign(rules, key)
	}
	return txs
}

// rawVerify returns how many signatures a second all cores verify for the first time.
func (r *run) rawVerify(rules *ledger.Network) (float64, error) {
	r.Say("signatures alone")
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	txs := signedTxs(rules, key, min(r.Txs, 20*batchTxs))
	begin := time.Now()
	for i, err := range rules.CheckAll(txs) {
		if err != nil {
			return 0, fmt.Errorf("verify signature %d: %w", i, err)
		}
	}
	return float64(len(txs)) / time.Since(begin).Seconds(), nil
}
