package builder

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
)

// maxQueued is how many calls are queued for a Voter. Further callers wait.
const maxQueued = 64

// maxOld is how many certificates of forgotten views an answer has at most.
const maxOld = 64

// maxStep is the longest time that a Voter waits at once. No more counts as waited, since
// the computer may have slept.
const maxStep = time.Second

// watchersTime is how long a builder that hears no other one waits for the votes that watching
// nodes hold, before its first vote. The only builder of a network waits as long if it lost its
// record.
const watchersTime = 10 * time.Second

// VoterConfig configures a Voter.
type VoterConfig struct {
	Chain *chain.Chain
	Key   ed25519.PrivateKey // the node's; a node that is no builder only watches
	// Record is that of the key's own votes, nil if it was lost, and empty if the key never
	// voted. Restored reports that it may be old. Save returns when a new record is durable.
	// A nil record is lost for every later start.
	Record   *finality.Record
	Restored bool
	Save     func(*finality.Record) error
	// VoteAgain lets a builder that lost its record vote once all others have answered,
	// see finality.Machine.VoteAgain.
	VoteAgain bool
	Publish   func(finality.Vote)         // own votes; must be short
	Away      func(ledger.PublicKey) bool // reports whether a builder is known to be gone
	Log       *slog.Logger                // nil to log nothing
}

// A Voter drives a finality machine for a node. It makes own votes durable before they
// are published, and applies certificates to the chain. Its methods may be called
// from any goroutine; those that need the machine wait for Run.
type Voter struct {
	cfg       VoterConfig
	committee *committee.Committee
	self      int
	calls     chan func(*finality.Machine)
	began     time.Time           // used by Run's goroutine, as the next two
	quiet     bool                // no other builder has sent what it holds
	proofs    []finality.Evidence // one of each liar

	mu    sync.Mutex
	state VoterState
}

// VoterState is the state of a Voter for other packages.
type VoterState struct {
	View    uint64
	Lacks   uint64    // the lowest view of which something must be asked for
	Settled bool      // nothing waits to become final
	Mute    bool      // this builder lost the record of its votes, and must not vote yet
	Copied  bool      // another node votes with this node's key, so this one does not
	Liars   []int     // builders that are proven to have broken the rules, lowest first
	Votes   [3]uint64 // votes seen by kind, own ones included
}

// NewVoter returns a voter, nil for a network without finality. It starts nothing.
func NewVoter(cfg VoterConfig) *Voter {
	committee := committee.New(cfg.Chain.Network())
	if committee == nil {
		return nil
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	v := &Voter{
		cfg:       cfg,
		committee: committee,
		self:      committee.Index(ledger.PublicKey(cfg.Key.Public().(ed25519.PublicKey))),
		calls:     make(chan func(*finality.Machine), maxQueued),
	}
	v.state.Mute = v.self >= 0 && (cfg.Record == nil || cfg.Restored) // for State before Run
	return v
}

// Committee returns the builders that vote.
func (v *Voter) Committee() *committee.Committee { return v.committee }

// State returns the current state.
func (v *Voter) State() VoterState {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state
}

// View is the current view.
func (v *Voter) View() uint64 { return v.State().View }

// Lacks is the lowest view of which this node lacks something that it needs to vote.
func (v *Voter) Lacks() uint64 { return v.State().Lacks }

// Settled reports that nothing waits to become final.
func (v *Voter) Settled() bool { return v.State().Settled }

// Take takes votes and certificates that were verified, from other nodes.
func (v *Voter) Take(ctx context.Context, votes []finality.Vote, certs []*finality.Certificate) {
	v.call(ctx, func(m *finality.Machine) {
		for _, c := range certs {
			m.Certify(c)
		}
		for i, vote := range votes {
			if m.Step(vote) {
				v.count(vote.Kind)
			}
			if i > 0 { // the two may be a proof, also of an old view
				m.Accuse(vote, votes[i-1])
			}
		}
	})
}

// Told is called when a node has sent what it holds. others is how many other builders have.
func (v *Voter) Told(ctx context.Context, others int) {
	v.call(ctx, func(m *finality.Machine) {
		v.quiet = v.quiet && others == 0 && time.Since(v.began) < watchersTime
		all := v.committee.Size() - 1
		if others >= min(finality.Quorum(v.committee.Size()), all) {
			m.Told()
		}
		if others >= all && v.cfg.VoteAgain && m.Mute() {
			v.cfg.Log.Warn("this builder votes again without the record of its votes, as its operator said")
			m.VoteAgain()
		}
	})
}

// Since returns the certificates and votes that a node in a view lacks, and after these the
// two votes of each proof that a builder lied. It returns none if ctx ends.
func (v *Voter) Since(ctx context.Context, view uint64) ([]*finality.Certificate, []finality.Vote) {
	type held struct {
		certs []*finality.Certificate
		votes []finality.Vote
	}
	answer := make(chan held, 1) // buffered, since the voter may answer after ctx has ended
	v.call(ctx, func(m *finality.Machine) {
		h := held{certs: m.Certificates(view)}
		if view+finality.MaxOpen < m.View() { // the machine has forgotten some
			if old, err := v.cfg.Chain.Votes().From(view, maxOld); err == nil { // an error stops the chain
				h.certs = append(h.certs, old...)
				slices.SortStableFunc(h.certs, func(a, b *finality.Certificate) int { return cmp.Compare(a.View, b.View) })
			}
		}
		for w := max(m.View(), 2) - 1; w <= m.View(); w++ {
			h.votes = append(h.votes, m.Votes(w)...)
		}
		for _, e := range v.proofs {
			h.votes = append(h.votes, e.A, e.B)
		}
		answer <- h
	})
	select {
	case h := <-answer:
		return h.certs, h.votes
	case <-ctx.Done():
		return nil, nil
	}
}

func (v *Voter) call(ctx context.Context, f func(*finality.Machine)) {
	select {
	case v.calls <- f:
	case <-ctx.Done():
	}
}

func (v *Voter) count(k finality.Kind) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state.Votes[k]++
}

// Run votes until ctx ends, or the chain stops.
func (v *Voter) Run(ctx context.Context) error {
	record := v.cfg.Record
	certs, err := v.cfg.Chain.Votes().Certificates()
	if err != nil {
		return fmt.Errorf("read the votes: %w", err)
	}
	switch {
	case v.self < 0: // a watching node has no votes
		record = nil
	case v.cfg.Restored: // saved, in case this run ends before it votes
		record = nil
		if err := v.cfg.Save(nil); err != nil {
			return fmt.Errorf("forget old votes: %w", err)
		}
	}
	// If the others hold a vote that the record lacks, the directory is old, or the key is from an
	// old one. So the first vote waits until another builder has answered. Without one nothing
	// becomes final anyway. If only watching nodes are connected, it waits for an answer of one of
	// these after watchersTime.
	v.quiet, v.began = record != nil && v.committee.Size() > 1, time.Now()
	blocks := &chainBlocks{Votes: v.cfg.Chain.Votes(), chain: v.cfg.Chain}
	blocks.refresh(v.quiet)
	m := finality.New(finality.Config{
		Builders: v.committee.Size(),
		Self:     v.self,
		Sign:     func(s finality.Statement) finality.Vote { return v.committee.Sign(s, v.self, v.cfg.Key) },
		Blocks:   blocks,
		Away:     func(b int) bool { return v.cfg.Away(v.committee.Key(b)) },
	}, record, certs)
	if v.committee.Size() == 1 { // watching nodes may hold what it signed
		told := time.AfterFunc(watchersTime, func() { v.call(ctx, (*finality.Machine).Told) })
		defer told.Stop()
	}
	evidence, err := v.cfg.Chain.Votes().Evidence()
	if err != nil {
		return fmt.Errorf("read the evidence: %w", err)
	}
	for _, e := range evidence {
		v.noteLiar(e)
	}
	for last := time.Now(); ; {
		changed := v.cfg.Chain.Changed()
		now := time.Now()
		m.Tick(min(now.Sub(last), maxStep))
		last = now
		blocks.refresh(v.quiet) // after Tick, since the time passed with the old tip
		m.Tick(0)
		if err := v.act(m); err != nil {
			return fmt.Errorf("finality: %w", err)
		}
		if !v.wait(ctx, m, changed) {
			return nil
		}
	}
}

// wait waits until something changes or the machine's timer fires, and runs queued calls.
// It reports false if ctx ended.
func (v *Voter) wait(ctx context.Context, m *finality.Machine, changed <-chan struct{}) bool {
	var due <-chan time.Time
	if d, ok := m.Timer(); ok {
		timer := time.NewTimer(min(d, maxStep))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-due:
	case f := <-v.calls:
		f(m)
		for range len(v.calls) {
			f := <-v.calls
			f(m)
		}
	}
	return ctx.Err() == nil
}

// act does what the machine asks for, in order.
func (v *Voter) act(m *finality.Machine) error {
	r := m.Ready()
	if r.Record != nil {
		if err := v.cfg.Save(r.Record); err != nil {
			return err
		}
	}
	for _, vote := range r.Votes {
		v.count(vote.Kind)
		v.cfg.Publish(vote)
	}
	for _, e := range r.Evidence {
		if !v.noteLiar(e) {
			continue // known from before this start
		}
		v.cfg.Publish(e.A) // others may have only one of the two
		v.cfg.Publish(e.B)
		v.cfg.Log.Error("a builder broke the rules of voting, which both votes prove", "builder", v.committee.Key(e.A.Builder).String(),
			"view", e.A.View, "first", e.A.Kind.String(), "second", e.B.Kind.String())
	}
	before := v.cfg.Chain.Status().Final
	if len(r.Certificates)+len(r.Evidence) > 0 {
		if err := v.cfg.Chain.Votes().Apply(m.Final(), m.Notarized(), r.Certificates, r.Evidence); err != nil {
			return err
		}
	}
	if f := v.cfg.Chain.Status().Final; f != nil && f != before {
		v.cfg.Log.Info("blocks are final", "upTo", f.Block.Height, "hash", f.Block.Hash.Short(), "signers", len(f.Builders()), "of", v.committee.Size())
	}
	v.note(m)
	return nil
}

// noteLiar reports whether a liar is new.
func (v *Voter) noteLiar(e finality.Evidence) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	at, known := slices.BinarySearch(v.state.Liars, e.A.Builder)
	if !known {
		v.state.Liars = slices.Insert(slices.Clone(v.state.Liars), at, e.A.Builder)
		v.proofs = append(v.proofs, e)
	}
	return !known
}

func (v *Voter) note(m *finality.Machine) {
	tip, f := v.cfg.Chain.Tip(), m.Final()
	v.mu.Lock()
	defer v.mu.Unlock()
	if m.Copied() != nil && !v.state.Copied {
		v.cfg.Log.Error("this node does not vote until it is restarted: there are votes of its key that it did not cast. If another node uses the key, stop that one first. If not, this directory is an old one, or the key was put into a new one: then start once with --keep-identity")
	}
	v.state.View, v.state.Lacks = m.View(), m.Lacks()
	v.state.Mute, v.state.Copied = m.Mute(), m.Copied() != nil
	v.state.Settled = tip.Blocks == 0 || f != nil && f.Block.Hash == tip.Hash
}

// chainBlocks answers a machine from the chain. Its tip changes only by refresh, and is
// none while the machine must be quiet.
type chainBlocks struct {
	*chain.Votes
	chain *chain.Chain
	tip   ledger.BlockRef
}

func (b *chainBlocks) refresh(quiet bool) {
	b.tip = ledger.BlockRef{}
	if tip := b.chain.Tip(); tip.Blocks > 0 && !quiet {
		b.tip = ledger.BlockRef{Height: tip.Blocks - 1, Hash: tip.Hash}
	}
}

// Tip is the tip as of the last refresh.
func (b *chainBlocks) Tip() ledger.BlockRef { return b.tip }

var _ finality.Blocks = (*chainBlocks)(nil)
