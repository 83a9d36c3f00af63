package chaintest

import (
	"context"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/pool"
)

// Open opens a chain that is closed when the test ends. It is in memory unless
// cfg names a place.
func Open(tb testing.TB, cfg chain.Config) *chain.Chain {
	tb.Helper()
	if cfg.Dir == "" && cfg.Storage == nil {
		cfg.Storage = storage.NewMemStorage()
	}
	c, err := chain.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Submit adds transactions to the pool, all of which must be taken.
func Submit(tb testing.TB, c *chain.Chain, from pool.Origin, txs ...*ledger.Transaction) {
	tb.Helper()
	outcomes, err := c.Submit(context.Background(), txs, from)
	if err != nil {
		tb.Fatal(err)
	}
	for i, o := range outcomes {
		if !o.Taken {
			tb.Fatalf("transaction %d: %+v", i, o)
		}
	}
}
