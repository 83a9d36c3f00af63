package builder

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/rpc/api"
)

func TestRunConfig(t *testing.T) {
	sealer := newLab(t, newNetwork(t, 0), ledgertest.Key(1)).sealer
	for name, cfg := range map[string]Config{
		"no node":         {MinTxs: 1},
		"no transactions": {Node: sealer},
		"negative time":   {Node: sealer, MinTxs: 1, LeastTime: -1},
		"negative wait":   {Node: sealer, MinTxs: 1, MaxWait: -1},
	} {
		if err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Blocks come when enough transactions are there, but no sooner than LeastTime after the
// last one. A single transaction gets its block after MaxWait.
func TestRunWhen(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
		l.start(Config{MinTxs: 4, LeastTime: 10 * time.Second, MaxWait: time.Minute})

		l.submit(mint(3)...)
		time.Sleep(5 * time.Second)
		l.expectBlocks(0)
		l.submit(mint(1)...)
		synctest.Wait()
		l.expectBlocks(1)

		l.submit(mint(4)...)
		time.Sleep(10*time.Second - time.Millisecond)
		l.expectBlocks(1)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		l.expectBlocks(2)

		l.submit(mint(1)...)
		time.Sleep(time.Minute - time.Millisecond)
		l.expectBlocks(2)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		l.expectBlocks(3)
	})
}

func TestRunNeverBuildsFewWithoutMaxWait(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
		l.start(Config{MinTxs: 4})
		l.submit(mint(3)...)
		time.Sleep(20 * time.Hour)
		l.expectBlocks(0)
	})
}

func TestRunFullBlockAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 10,001 transactions")
	}
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
		l.submit(mint(1)...)
		l.build(0)
		l.start(Config{MinTxs: 1, LeastTime: time.Hour})
		l.submit(mint(ledger.MaxBlockTxs + 1)...)
		synctest.Wait()
		l.expectBlocks(2)
		if got := len(l.block(l.chain.Tip().Hash).Txs); got != ledger.MaxBlockTxs {
			t.Errorf("the block holds %d", got)
		}
	})
}

// A transaction whose sender cannot pay counts for nothing and holds up no other. It is
// built as soon as it can be paid.
func TestRunWaitingTransaction(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
		l.start(Config{MinTxs: 2, MaxWait: time.Minute})
		poor := pay(1, 2, 50)
		l.submit(poor, pay(3, 4, 1))
		time.Sleep(time.Hour)
		l.expectBlocks(0)

		l.submit(pay(0, 5, 10), pay(0, 6, 10))
		synctest.Wait()
		l.expectBlocks(1)

		l.submit(pay(0, 1, 50))
		synctest.Wait()
		l.expectBlocks(2)
		if txs := l.block(l.chain.Tip().Hash).Txs; len(txs) != 2 || txs[1].ID != poor.ID {
			t.Errorf("the block holds %d, the last is %s, want %s", len(txs), txs[len(txs)-1].ID, poor.ID)
		}
		if st := l.chain.Status(); st.Pool != 1 || st.Waiting != 1 {
			t.Errorf("the pool holds %d, of which %d wait", st.Pool, st.Waiting)
		}
	})
}

// class makes n nodes on one network whose builders know of each other. Their blocks
// reach the other nodes after delay.
func class(t *testing.T, n int, delay time.Duration) []*lab {
	t.Helper()
	net := newNetwork(t, 0)
	var live []ledger.PublicKey
	for i := range n {
		live = append(live, ledgertest.Public(ledgertest.Key(i+1)))
	}
	labs := make([]*lab, n)
	for i := range labs {
		labs[i] = newLab(t, net, ledgertest.Key(i+1), live...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	for _, from := range labs {
		go func() {
			defer func() { ended <- struct{}{} }()
			share(ctx, t, from, labs, delay)
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range labs {
			<-ended
		}
	})
	return labs
}

// share sends every new tip of a node to the others.
func share(ctx context.Context, t *testing.T, from *lab, to []*lab, delay time.Duration) {
	for {
		changed := from.chain.Changed()
		if tip := from.chain.Tip(); tip.Blocks > 0 {
			if !sleep(ctx, nil, delay) {
				return
			}
			b, err := from.chain.BlockByHash(tip.Hash)
			if err != nil {
				t.Errorf("share: %v", err)
				return
			}
			for _, l := range to {
				// A node that lacks the parent gets it from the node that built it.
				if _, err := l.chain.AddBlock(ctx, b); err != nil && !errors.Is(err, ledger.ErrUnknownParent) && ctx.Err() == nil {
					t.Errorf("share: %v", err)
				}
			}
		}
		if !sleep(ctx, changed, Never) {
			return
		}
	}
}

// Of three builders that are ready at the same moment, only the one whose turn it is
// builds. So no two blocks ever compete.
func TestRunTurns(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		labs := class(t, 3, 50*time.Millisecond)
		for _, l := range labs {
			l.start(Config{MinTxs: 2})
		}
		for range 10 {
			tip := labs[0].chain.Tip()
			txs := mint(2)
			for _, l := range labs {
				l.submit(txs...)
			}
			time.Sleep(time.Second)
			for _, l := range labs {
				l.expectBlocks(tip.Blocks + 1)
				b := l.block(l.chain.Tip().Hash)
				if Rank(tip.Hash, b.Builder, live(labs)) != 0 {
					t.Fatalf("block %d was built out of turn", tip.Blocks)
				}
				if st := l.chain.Status(); st.Rivals != 0 || st.Pool != 0 {
					t.Fatalf("%d rivals, %d in the pool", st.Rivals, st.Pool)
				}
			}
		}
	})
}

// A block comes after patience, however many builders come first that build nothing.
func TestRunTurnIsBounded(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		var others []ledger.PublicKey
		for i := range 1000 {
			others = append(others, ledgertest.Public(ledgertest.Key(100+i)))
		}
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1), others...)
		if rank := Rank(l.chain.Tip().Hash, l.self, others); time.Duration(rank)*Slot <= patience {
			t.Fatalf("rank %d is too low for this test", rank)
		}
		l.start(Config{MinTxs: 1})
		l.submit(mint(1)...)
		time.Sleep(patience - time.Millisecond)
		l.expectBlocks(0)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		l.expectBlocks(1)
	})
}

// When the builder whose turn it is has gone, the next one builds a slot later.
func TestRunTurnOfOneThatIsGone(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		labs := class(t, 3, 50*time.Millisecond)
		tip := labs[0].chain.Tip().Hash
		slices.SortFunc(labs, func(a, b *lab) int {
			return Rank(tip, a.self, live(labs)) - Rank(tip, b.self, live(labs))
		})
		for _, l := range labs[1:] {
			l.start(Config{MinTxs: 1})
		}
		txs := mint(1)
		for _, l := range labs {
			l.submit(txs...)
		}
		time.Sleep(Slot - time.Millisecond)
		synctest.Wait()
		labs[1].expectBlocks(0)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		labs[1].expectBlocks(1)
		time.Sleep(time.Second)
		for _, l := range labs {
			if b := l.block(l.chain.Tip().Hash); b.Builder != labs[1].self || b.Height != 0 {
				t.Errorf("block %d is of another builder", b.Height)
			}
		}
	})
}

// A builder gives way to a block that is on its way, also to one announced during its
// search. It builds when that block does not come, and when its patience ends.
func TestRunGivesWay(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
		var coming atomic.Bool
		l.sealer.cfg.Coming = coming.Load
		node := &slowNode{Sealer: l.sealer, templates: make(chan api.Template)}
		l.start(Config{Node: node, MinTxs: 1})

		coming.Store(true)
		l.submit(mint(1)...)
		time.Sleep(patience / 2)
		l.expectBlocks(0)
		coming.Store(false)
		<-node.templates // within a slot it searches, and never finds

		coming.Store(true)
		other := newLab(t, newNetwork(t, 0), ledgertest.Key(2))
		other.submit(mint(1)...)
		if _, err := l.chain.AddBlock(t.Context(), other.build(0)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		<-node.templates // what the other's block left
		if waited := time.Since(begin); waited < patience || waited > patience+Slot {
			t.Errorf("built after %s, want after some %s", waited, patience)
		}
		synctest.Wait()
		l.expectBlocks(2)
	})
}

// No block is made that competes with one announced during the search.
func TestRunGivesWayAfterSearch(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
		var coming atomic.Bool
		l.sealer.cfg.Coming = coming.Load
		node := &hookedNode{Sealer: l.sealer, given: func() { coming.Store(true) }}
		l.start(Config{Node: node, MinTxs: 1})
		l.submit(mint(1)...)
		time.Sleep(patience - time.Millisecond)
		l.expectBlocks(0)
	})
}

// A node that announces a block at the end of each search, and never delivers it, delays
// a block for patience and no longer.
func TestRunGivesWayForPatience(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
		var coming atomic.Bool
		l.sealer.cfg.Coming = coming.Load
		node := &hookedNode{Sealer: l.sealer, given: func() {
			coming.Store(true)
			time.AfterFunc(time.Second, func() { coming.Store(false) })
		}}
		l.start(Config{Node: node, MinTxs: 1})
		l.submit(mint(1)...)
		time.Sleep(patience + 2*Slot)
		l.expectBlocks(1)
		time.Sleep(time.Second)
	})
}

// A hookedNode calls given after each template.
type hookedNode struct {
	*Sealer
	given func()
}

func (n *hookedNode) Template(ctx context.Context, max int) (api.Template, error) {
	defer n.given()
	return n.Sealer.Template(ctx, max)
}

func live(labs []*lab) []ledger.PublicKey {
	var keys []ledger.PublicKey
	for _, l := range labs {
		keys = append(keys, l.self)
	}
	return keys
}

// A slowNode is a sealer whose first template asks for so much work that its
// search never ends.
type slowNode struct {
	*Sealer
	templates chan api.Template // every template that was given
}

func (n *slowNode) Template(ctx context.Context, max int) (api.Template, error) {
	template, err := n.Sealer.Template(ctx, max)
	if err != nil {
		return template, err
	}
	if template.Number == 1 {
		template.Header.Bits = ledger.MaxBits
	}
	n.templates <- template
	return template, nil
}

// A new tip ends a search. The transactions that it left are built on it.
func TestRunNewTipEndsSearch(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		net := newNetwork(t, 0)
		l, other := newLab(t, net, ledgertest.Key(1)), newLab(t, net, ledgertest.Key(2))
		node := &slowNode{Sealer: l.sealer, templates: make(chan api.Template)}
		l.start(Config{Node: node, MinTxs: 2})

		txs := mint(4)
		l.submit(txs...)
		<-node.templates // it searches now, and never finds
		other.submit(txs[:2]...)
		rival := other.build(0)
		if _, err := l.chain.AddBlock(t.Context(), rival); err != nil {
			t.Fatal(err)
		}
		template := <-node.templates
		if template.Header.Parent != rival.Hash() || len(template.Txs) != 2 {
			t.Errorf("then it builds %d transactions on %s", len(template.Txs), template.Header.Parent.Short())
		}
		synctest.Wait()
		l.expectBlocks(2)
	})
}

// A refusingNode refuses the first submissions, with the tip unchanged.
type refusingNode struct {
	*Sealer
	left    int
	refused []time.Time
}

func (n *refusingNode) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error) {
	if n.left > 0 {
		n.left--
		n.refused = append(n.refused, time.Now())
		return ledger.BlockRef{}, ErrOldTemplate
	}
	return n.Sealer.Submit(ctx, number, nonce)
}

// What the node refuses is tried again after a pause.
func TestRunRefused(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
		node := &refusingNode{Sealer: l.sealer, left: 2}
		l.start(Config{Node: node, MinTxs: 1})
		l.submit(mint(1)...)
		time.Sleep(2*retry + time.Millisecond)
		synctest.Wait()
		l.expectBlocks(1)
		if n := len(node.refused); n != 2 || node.refused[1].Sub(node.refused[0]) != retry {
			t.Errorf("refused at %v", node.refused)
		}
	})
}

// A node whose key is not among the network's builders builds nothing.
func TestRunNotAllowed(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		outlive(t)
		l := newLab(t, newNetwork(t, 0, ledgertest.Public(ledgertest.Key(2))), ledgertest.Key(1))
		l.start(Config{MinTxs: 1})
		l.submit(mint(1)...)
		time.Sleep(time.Hour)
		synctest.Wait()
		l.expectBlocks(0)
	})
}

// A brokenNode returns an error in place of its state.
type brokenNode struct{ *Sealer }

var errBroken = errors.New("the disk is full")

func (brokenNode) State(context.Context) (api.BuildState, error) { return api.BuildState{}, errBroken }

func TestRunEndsWithItsNode(t *testing.T) {
	l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
	if err := Run(t.Context(), Config{Node: brokenNode{l.sealer}, MinTxs: 1}); !errors.Is(err, errBroken) {
		t.Errorf("Run: %v, want the node's error", err)
	}
}
