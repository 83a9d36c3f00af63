package lab

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"

	"foxchain/builder"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/rpc/api"
)

// Lies of a node, each done when its turn to build comes.
const (
	twoBlocks = "two-blocks" // seals two blocks on one parent, and votes for both
	withhold  = "withhold"   // announces a block, and gives its transactions to no peer
	invalid   = "invalid"    // changes an amount in a block that it sealed
)

// A liar is between a node and its builder, and between its votes and the network. It is
// honest unless lie is set. The rest of the node does not know of it.
type liar struct {
	builder.Node // the node's own, set by build
	m            *labNode

	mu       sync.Mutex
	on       bool // it builds
	lie      string
	changed  chan struct{}      // closed when on or lie changes
	template api.Template       // the last one returned
	lied     ledger.Hash        // the parent of the last block that the node itself does not have
	twins    [2]ledger.BlockRef // the last two blocks on one parent
}

func newLiar(m *labNode) *liar {
	return &liar{m: m, on: true, changed: make(chan struct{})}
}

// set changes its orders.
func (y *liar) set(change func(*liar)) {
	y.mu.Lock()
	defer y.mu.Unlock()
	change(y)
	y.lied = ledger.Hash{}
	close(y.changed)
	y.changed = make(chan struct{})
}

// told returns its orders, and a channel that is closed when they change.
func (y *liar) told() (on bool, lie string, changed <-chan struct{}) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.on, y.lie, y.changed
}

// build is node.Hooks.Build. It builds while on is set.
func (y *liar) build(ctx context.Context, cfg builder.Config) error {
	y.Node, cfg.Node = cfg.Node, y
	for ctx.Err() == nil {
		on, _, changed := y.told()
		if run := y.m.running(); run != nil {
			run.SetBuilds(on)
		}
		run, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-changed:
			case <-run.Done():
			}
			cancel()
		}()
		var err error
		if on {
			err = builder.Run(run, cfg)
		} else {
			<-run.Done()
		}
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// State is builder.Node's. It reports nothing to build on the parent of the last lie.
func (y *liar) State(ctx context.Context) (api.BuildState, error) {
	s, err := y.Node.State(ctx)
	y.mu.Lock()
	defer y.mu.Unlock()
	if s.Tip == y.lied {
		s.Payable = 0
	}
	return s, err
}

// Template is builder.Node's.
func (y *liar) Template(ctx context.Context, max int) (api.Template, error) {
	t, err := y.Node.Template(ctx, max)
	y.mu.Lock()
	defer y.mu.Unlock()
	y.template = t
	return t, err
}

// Submit is builder.Node's. It does the lies.
func (y *liar) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error) {
	y.mu.Lock()
	t, lie := y.template, y.lie
	y.mu.Unlock()
	run := y.m.running()
	if lie == "" || t.Number != number || run == nil {
		return y.Node.Submit(ctx, number, nonce)
	}
	key, err := node.ReadKey(filepath.Join(y.m.dir, "node.key"), nil)
	if err != nil {
		return ledger.BlockRef{}, err
	}
	net := run.Chain.Network()
	seal := func(h ledger.Header) *ledger.Block { return &ledger.Block{SealedHeader: h.Sign(net, key), Txs: t.Txs} }
	honest := t.Header
	honest.Nonce = nonce
	block := seal(honest)
	ref := ledger.BlockRef{Height: honest.Height, Hash: block.Hash()}
	switch lie {
	case twoBlocks:
		other := t.Header
		other.Time++
		other.Search(rand.Uint64(), func() bool { return ctx.Err() != nil })
		twin := seal(other)
		y.mu.Lock()
		y.twins = [2]ledger.BlockRef{ref, {Height: other.Height, Hash: twin.Hash()}}
		y.mu.Unlock()
		run.P2P.Announce(twin)
		if _, err := y.Node.Submit(ctx, number, nonce); err != nil {
			return ref, err
		}
		_, err := run.Chain.AddBlock(ctx, twin)
		return ref, err
	case withhold:
		run.P2P.Announce(&ledger.Block{SealedHeader: block.SealedHeader})
	case invalid:
		forged := *t.Txs[0]
		forged.Amount *= 10
		block.Txs = append([]*ledger.Transaction{&forged}, t.Txs[1:]...)
		run.P2P.Announce(block)
	}
	y.mu.Lock()
	y.lied = honest.Parent
	y.mu.Unlock()
	y.m.lan.lab.Say("block", lieText(lie, y.m.id, honest.Height))
	return ref, nil
}

// vote is node.Hooks.Vote. A liar with two blocks votes for both.
func (y *liar) vote(v finality.Vote) []finality.Vote {
	y.mu.Lock()
	twins, at := y.twins, slices.Index(y.twins[:], v.Block)
	lies := at >= 0 && y.lie == twoBlocks && v.Kind == finality.Notarize
	y.mu.Unlock()
	run := y.m.running()
	if !lies || run == nil {
		return []finality.Vote{v}
	}
	key, err := node.ReadKey(filepath.Join(y.m.dir, "node.key"), nil)
	if err != nil {
		return []finality.Vote{v}
	}
	s := v.Statement
	s.Block = twins[1-at]
	return []finality.Vote{v, committee.New(run.Chain.Network()).Sign(s, v.Builder, key)}
}
