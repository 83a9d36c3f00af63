package main

import (
	"context"
	"crypto/ed25519"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"foxchain/builder"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/p2p"
	"foxchain/p2p/vote"
)

// simVotes are the votes of one simulated node, and what it heard and made final. They
// outlive the node, as its storage does.
type simVotes struct {
	all      *simFinals
	liar     bool // it takes no notice of what its own key signed elsewhere
	echo     bool // it signs all that it hears, and what excludes it
	record   *finality.Record
	restored bool // the next start is that of an old directory
	last     *finality.Certificate

	voter *builder.Voter
	chain *chain.Chain
	p2p   atomic.Pointer[p2p.Node]
	key   ed25519.PrivateKey

	mu     sync.Mutex
	heard  map[uint64][]finality.Vote // of the liar, by view, since the start
	proven bool                       // two of them exclude each other
}

// simFinals are all final blocks that any honest node ever saw.
type simFinals struct {
	committee *committee.Committee
	liar      int // builder, -1 if none

	mu     sync.Mutex
	blocks map[ledger.BlockRef]bool
}

// start makes the voter of a node that starts.
func (v *simVotes) start(n *simNode, c *chain.Chain) vote.Voter {
	v.chain, v.key = c, n.signer()
	v.heard, v.proven = make(map[uint64][]finality.Vote), false
	v.p2p.Store(nil)
	v.voter = builder.NewVoter(builder.VoterConfig{
		Chain: c, Key: v.key, Record: v.record, Restored: v.restored,
		Save: func(r *finality.Record) error { v.record = r; return nil },
		Publish: func(o finality.Vote) {
			if node := v.p2p.Load(); node != nil {
				node.PublishVote(o)
			}
		},
		Away: func(k ledger.PublicKey) bool {
			node := v.p2p.Load()
			return node != nil && node.Away(k)
		},
	})
	v.restored = false
	return &simEar{v.voter, v}
}

// run runs the voter, and watches what becomes final.
func (v *simVotes) run(g *errgroup.Group, ctx context.Context, node *p2p.Node) {
	v.p2p.Store(node)
	g.Go(func() error { return v.voter.Run(ctx) })
	if !v.liar {
		g.Go(func() error { return v.watch(ctx) })
	}
}

// watch notes each final block, and checks that the one before is still on the chain.
func (v *simVotes) watch(ctx context.Context) error {
	for {
		changed := v.chain.Changed()
		if v.last != nil && !v.holds(v.last.Block) {
			return errTakenBack
		}
		if f := v.chain.Status().Final; f != nil {
			if v.last != nil && f.Block.Height < v.last.Block.Height {
				return errTakenBack
			}
			v.last = f
			v.all.add(f.Block)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// holds reports whether the chain has a block.
func (v *simVotes) holds(ref ledger.BlockRef) bool {
	view, err := v.chain.View()
	if err != nil {
		return v.chain.Err() == nil // it ends
	}
	defer view.Close()
	h, err := view.Hash(ref.Height)
	return err == nil && h == ref.Hash
}

func (f *simFinals) add(b ledger.BlockRef) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocks[b] = true
}

// A simEar is a voter that notes what it takes, and lies if it is to.
type simEar struct {
	*builder.Voter
	v *simVotes
}

// Take passes votes to the voter, and notes those of the liar.
func (e *simEar) Take(ctx context.Context, votes []finality.Vote, certs []*finality.Certificate) {
	var pass []finality.Vote
	for _, o := range votes {
		if own := o.Builder == e.v.all.liar; own && e.v.liar {
			continue
		} else if own {
			e.v.hear(o)
		} else if e.v.echo {
			e.v.sign(o.Statement)
		}
		pass = append(pass, o)
	}
	for _, c := range certs {
		if c.Kind == finality.Finalize && !e.v.liar {
			e.v.all.add(c.Block)
		}
	}
	e.Voter.Take(ctx, pass, certs)
}

// sign signs a statement of others, and what excludes it.
func (v *simVotes) sign(s finality.Statement) {
	list := []finality.Statement{s, {Kind: finality.Nullify, View: s.View}}
	if s.Kind == finality.Notarize {
		s.Kind = finality.Finalize
		list = append(list, s)
	}
	node := v.p2p.Load()
	for _, s := range list {
		if node != nil {
			node.PublishVote(v.all.committee.Sign(s, v.all.liar, v.key))
		}
	}
}

// hear notes a vote of the liar, and whether it proves a lie. Only what is near the
// current view counts, since votes are not kept for ever.
func (v *simVotes) hear(o finality.Vote) {
	view := v.voter.View()
	if o.View+finality.ViewsBack/2 < view || o.View > view+finality.ViewsAhead/2 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, other := range v.heard[o.View] {
		v.proven = v.proven || other.Excludes(o.Statement)
	}
	v.heard[o.View] = append(v.heard[o.View], o)
}

func (v *simVotes) isFinal() bool {
	st := v.chain.Status()
	return st.Tip.Blocks == 0 || st.Final != nil && st.Final.Block.Hash == st.Tip.Hash
}
