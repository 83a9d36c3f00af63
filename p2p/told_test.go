package p2p

import (
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
)

// TestTold checks what a node remembers of a transaction's way: the peers it was sent to,
// the peer that sent it, and the peers whose pool or chain has it.
func TestTold(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		c := l.start(2, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 2 && b.connectedTo() == 2 && c.connectedTo() == 2 })
		time.Sleep(10 * time.Second) // gossip has its peers
		tx := ledgertest.Mint(1, 1)[0]
		chaintest.Submit(t, a.chain, pool.FromClient, tx)
		l.until(time.Second, "it is in all pools", func() bool { return b.chain.Status().Pool == 1 && c.chain.Status().Pool == 1 })
		// ways returns for each peer of a node how it was seen to have the transaction,
		// and whether the node sent it.
		ways := func(n *labNode, height *uint64) map[string]string {
			way, how := n.Told(tx.Key(), height), make(map[string]string)
			if way.Here == nil {
				t.Error("it is not known since when it is here")
			}
			for _, p := range way.Peers {
				if how[p.ID] = p.By; p.Told != nil {
					if how[p.ID] += " told"; *p.Told < *way.Here || *p.Told > *way.Here+0.1 {
						t.Errorf("told at %f, here at %f", *p.Told, *way.Here)
					}
				}
			}
			return how
		}
		if got := ways(a, nil); len(got) != 2 || got[b.ID()] != " told" || got[c.ID()] != " told" {
			t.Errorf("at once: %q", got)
		}
		if got := ways(b, nil); got[a.ID()] != "gossip" {
			t.Errorf("of the sender: %q", got)
		}
		l.until(6*time.Second, "the pools were compared", func() bool {
			got := ways(a, nil)
			return got[b.ID()] == "pool told" && got[c.ID()] == "pool told"
		})
		tmpl := a.chain.Template(ledger.MaxBlockTxs)
		if _, err := a.chain.AddBlock(t.Context(), ledgertest.Seal(l.net, ledgertest.Key(0), tmpl.Header, tmpl.Txs)); err != nil {
			t.Fatal(err)
		}
		// A node that comes later learns of the transaction by the block alone.
		d := l.start(3, func(c *Config) { c.Peers = a.Addrs() })
		l.until(20*time.Second, "the chain of the fourth is known", func() bool { return ways(a, new(uint64(0)))[d.ID()] == "block" })
		if got := d.Told(ledger.TxKey{ID: tx.ID}, nil); got.Here != nil || len(got.Peers) != 0 {
			t.Errorf("without its block: %+v", got)
		}
	})
}
