package builder

import (
	"context"
	"crypto/ed25519"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
)

// newNetwork returns a network whose blocks need so many zero bits.
func newNetwork(t testing.TB, bits uint8, builders ...ledger.PublicKey) *ledger.Network {
	t.Helper()
	return ledgertest.Network(t, ledger.Network{Name: "lab", Bits: bits, Builders: builders})
}

// pay makes a transaction with an ID of its own.
func pay(from, to int, amount uint64) *ledger.Transaction {
	return &ledger.Transaction{ID: uuid.New(), Sender: ledgertest.Account(from), Receiver: ledgertest.Account(to), Amount: amount, T: 1}
}

// mint makes n transactions that are always payable.
func mint(n int) []*ledger.Transaction {
	txs := make([]*ledger.Transaction, n)
	for i := range txs {
		txs[i] = pay(0, 1, 1)
	}
	return txs
}

// A lab is one node's chain and sealer.
type lab struct {
	t      testing.TB
	chain  *chain.Chain
	sealer *Sealer
	self   ledger.PublicKey
}

func newLab(t testing.TB, net *ledger.Network, k ed25519.PrivateKey, live ...ledger.PublicKey) *lab {
	t.Helper()
	chain := chaintest.Open(t, chain.Config{Network: net})
	sealer, err := NewSealer(SealerConfig{
		Chain: chain, Key: k, Live: func() []ledger.PublicKey { return live },
		Coming: func() bool { return false }, Announce: func(*ledger.Block) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &lab{t: t, chain: chain, sealer: sealer, self: ledgertest.Public(k)}
}

func (l *lab) submit(txs ...*ledger.Transaction) {
	l.t.Helper()
	chaintest.Submit(l.t, l.chain, pool.FromClient, txs...)
}

// build makes a block on the tip at once, without waiting for a turn.
func (l *lab) build(max int) *ledger.Block {
	l.t.Helper()
	template, err := l.sealer.Template(context.Background(), max)
	if err != nil {
		l.t.Fatal(err)
	}
	nonce, err := search(context.Background(), template.Header, func() error { return nil })
	if err != nil {
		l.t.Fatal(err)
	}
	ref, err := l.sealer.Submit(context.Background(), template.Number, nonce)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.block(ref.Hash)
}

func (l *lab) block(h ledger.Hash) *ledger.Block {
	l.t.Helper()
	b, err := l.chain.BlockByHash(h)
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

func (l *lab) expectBlocks(want uint64) {
	l.t.Helper()
	if got := l.chain.Tip().Blocks; got != want {
		l.t.Fatalf("the chain has %d blocks, want %d", got, want)
	}
}

// start runs a builder until stop is called, which waits for its end.
func (l *lab) start(cfg Config) (stop func()) {
	l.t.Helper()
	if cfg.Node == nil {
		cfg.Node = l.sealer
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("Run: %v", err)
		}
	})
	l.t.Cleanup(stop)
	return stop
}

// outlive waits until LevelDB's own goroutine has ended, as a bubble requires. LevelDB's
// buffer pool checks once a second whether it is closed.
func outlive(t *testing.T) { t.Cleanup(func() { time.Sleep(2 * time.Second) }) }
