package p2p

import (
	"context"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/store"
	chainsync "foxchain/p2p/sync"
)

// headers makes a branch of n headers on the honest tip, with proof of work and
// signatures, whose bodies nobody has. salt tells branches apart.
func (a *attack) headers(n int, salt uint64) []*ledger.SealedHeader {
	h := a.next()
	var hs []*ledger.SealedHeader
	for range n {
		h.Time = salt
		b := a.seal(a.bad, h, a.mint(1))
		hs = append(hs, &b.SealedHeader)
		h.Height, h.Parent = h.Height+1, b.Hash()
	}
	return hs
}

// offers has the hostile node answer questions about its status and headers with
// a branch that it does not have.
func (a *attack) offers(hs []*ledger.SealedHeader, body func(ctx context.Context) (chainsync.Message, error)) {
	last := hs[len(hs)-1]
	a.answers(func(ctx context.Context, _ peer.ID, req chainsync.Request) (chainsync.Message, error) {
		switch req.(type) {
		case *chainsync.StatusRequest:
			return &chainsync.StatusAnswer{Blocks: last.Height + 1, Tip: last.Hash()}, nil
		case *chainsync.HeadersRequest:
			ans := new(chainsync.HeadersAnswer)
			for _, h := range hs {
				ans.Headers = append(ans.Headers, ledger.EncodeHeader(h))
			}
			return ans, nil
		case *chainsync.BodyRequest, *chainsync.ShortIDsRequest, *chainsync.BlockTxsRequest:
			return body(ctx)
		}
		return nil, nil
	})
}

// TestAttackHeadersWithoutBodies: a branch of headers with more work than the
// chain, whose bodies never come, holds up nobody.
func TestAttackHeadersWithoutBodies(t *testing.T) {
	unknown := func(context.Context) (chainsync.Message, error) { return nil, errUnknown }
	stall := func(ctx context.Context) (chainsync.Message, error) { <-ctx.Done(); return nil, ctx.Err() }
	for name, body := range map[string]func(context.Context) (chainsync.Message, error){"unknown": unknown, "silence": stall} {
		t.Run(name, func(t *testing.T) {
			inAttack(t, func(t *testing.T, a *attack) {
				a.offers(a.headers(200, 7), body)
				a.strike()
				a.until(15*time.Second, "the headers are known", func() bool { return a.honest[1].chain.Status().SideHeaders == 200 })
				a.goesOn()
				a.notCut()
				if benched := a.honest[0].Stats()["peers_benched"] > 0; benched != (name == "silence") {
					t.Errorf("the hostile node lost its turn: %v", benched)
				}
			})
		})
	}
}

// TestAttackManyBranches: many branches of headers, each with more work
// than what the honest ones build, must not hide the honest one.
func TestAttackManyBranches(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		trunk := a.headers(3, 0)
		var all []*ledger.SealedHeader
		for salt := range uint64(40) { // branches from the tip on
			all = append(all, a.headers(4, salt+1)...)
		}
		for salt := range uint64(40) { // branches of one trunk
			h := trunk[2].Header
			h.Height, h.Parent, h.Time = h.Height+1, trunk[2].Hash(), salt+1
			b := a.seal(a.bad, h, a.mint(1))
			trunk = append(trunk, &b.SealedHeader)
		}
		a.answers(func(_ context.Context, _ peer.ID, req chainsync.Request) (chainsync.Message, error) {
			switch req.(type) {
			case *chainsync.BodyRequest, *chainsync.ShortIDsRequest, *chainsync.BlockTxsRequest:
				return nil, errUnknown
			}
			return nil, nil
		})
		a.strike()
		for _, h := range append(all, trunk...) {
			a.gossip("block", ledger.EncodeHeader(h))
			time.Sleep(5 * time.Millisecond)
		}
		a.until(15*time.Second, "the headers are known", func() bool { return a.honest[1].chain.Status().SideHeaders > 160 })
		a.goesOn()
		a.notCut()
		a.bad.stop() // what it left behind holds up nobody either
		a.goesOn()
	})
}

// TestAttackClaims: a peer that claims work it has not is asked and believed in
// nothing.
func TestAttackClaims(t *testing.T) {
	for _, blocks := range []uint64{1000, math.MaxUint64} {
		inAttack(t, func(t *testing.T, a *attack) {
			a.answers(func(_ context.Context, _ peer.ID, req chainsync.Request) (chainsync.Message, error) {
				if _, ok := req.(*chainsync.StatusRequest); ok {
					return &chainsync.StatusAnswer{Blocks: blocks, Tip: ledger.Hash{1}, Pool: math.MaxUint32, Instance: 1, Next: math.MaxUint64}, nil
				}
				return nil, nil
			})
			a.strike()
			time.Sleep(3 * chainsync.StatusEvery)
			a.goesOn()
		})
	}
}

// TestAttackSilence: a peer that answers nothing of the sync protocol any more
// holds up nobody, and is not cut off: a node under load may look like that.
func TestAttackSilence(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.answers(func(ctx context.Context, _ peer.ID, _ chainsync.Request) (chainsync.Message, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		a.strike()
		time.Sleep(3 * chainsync.StatusEvery)
		a.goesOn()
		a.notCut()
	})
}

// TestAttackOrphans: headers whose parents nobody knows, by the thousand, take no
// memory and hold up nobody. They have proof of work, so nobody is cut off.
func TestAttackOrphans(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		h := a.next()
		for i := range uint64(3000) {
			h.Height, h.Parent = 50+i, ledger.Hash{1, byte(i), byte(i >> 8)}
			b := a.seal(a.bad, h, a.mint(1))
			a.gossip("block", ledger.EncodeHeader(&b.SealedHeader))
			if i%200 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		a.goesOn()
		for _, n := range a.honest {
			if got := n.chain.Status().SideHeaders; got > 0 {
				t.Errorf("%s keeps %d headers without a parent", n.cfg.Name, got)
			}
			if got := n.Stats()["headers_orphaned"]; got == 0 {
				t.Errorf("%s counted no orphan", n.cfg.Name)
			}
		}
		a.notCut()
	})
}

// TestAttackDeepReorg: a stronger chain that takes back more than ten blocks is
// taken, with a loud warning and a counter, and what it took back waits in the
// pool to be built again.
func TestAttackDeepReorg(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		logged := func(c *Config) {
			var err error
			if c.Chain, err = chain.Open(chain.Config{Network: l.net, Storage: storage.NewMemStorage(), Log: slog.New(c.Log.Handler())}); err != nil {
				t.Fatal(err)
			}
		}
		victim, strong := l.start(0, logged), l.start(1, logged)
		a := &attack{lab: l, honest: [2]*labNode{victim, victim}}
		const lost = chain.DeepReorg + 2
		for range lost {
			a.build(victim)
		}
		for range lost + 3 {
			a.build(strong)
		}
		if err := strong.Register(victim.Addrs()[:1]); err != nil {
			t.Fatal(err)
		}
		l.until(15*time.Second, "the stronger chain is taken", func() bool { return victim.chain.Tip() == tipAt(victim, strong.chain.Tip()) })
		st := victim.chain.Status()
		if st.DeepReorgs != 1 || st.Reorgs != 1 || st.Pool != lost {
			t.Errorf("after it: %+v", st)
		}
		if got := victim.logs.count("DEEP REORG: 12 blocks"); got != 1 {
			t.Errorf("%d lines of log about it:\n%s", got, victim.logs)
		}
	})
}

// tipAt is tip, since when it is the node's.
func tipAt(n *labNode, tip store.Tip) store.Tip {
	tip.Since = n.chain.Tip().Since
	return tip
}
