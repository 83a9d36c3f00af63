package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// retry is how long Run pauses after the node has refused something.
const retry = time.Second

// A Node is the node that a builder works for.
type Node interface {
	// State returns what a builder decides by. It is called at every change. An
	// error ends Run.
	State(context.Context) (api.BuildState, error)
	// Changed returns a channel that is closed when State may have changed by more
	// than the passing of time.
	Changed() <-chan struct{}
	// Template returns a block of at most max transactions to be built. Its number is 0
	// if none is payable.
	Template(ctx context.Context, max int) (api.Template, error)
	// Submit hands in the nonce of a numbered template.
	Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error)
}

// Config configures Run.
type Config struct {
	Node      Node
	MinTxs    int           // payable transactions that make a block, 1 or more
	LeastTime time.Duration // between two blocks that are not full; 0 for none
	MaxWait   time.Duration // after which one payable transaction is enough; 0 if one never is
	Log       *slog.Logger  // nil to log nothing
}

func (c *Config) validate() error {
	switch {
	case c.Node == nil:
		return errors.New("builder: Config.Node is missing")
	case c.MinTxs < 1:
		return fmt.Errorf("builder: a block is made of %d transactions: must be 1 or more", c.MinTxs)
	case c.LeastTime < 0 || c.MaxWait < 0:
		return fmt.Errorf("builder: the least time %s and the longest wait %s must not be negative", c.LeastTime, c.MaxWait)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Run builds blocks until ctx ends, when it returns nil, or the node fails.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	err := (&loop{Config: cfg}).run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// errNewTip is the cause that ends a search whose block would come too late.
var errNewTip = errors.New("the tip has changed")

// A turn is the wait for this node's place in the order of builders.
type turn struct {
	tip   ledger.Hash
	since time.Time // when a block became due on this tip
}

type loop struct {
	Config
	turn *turn // nil if no block is due
	mute bool  // noteAllowed has logged
}

// run looks at the node whenever it changes or a deadline passes.
func (l *loop) run(ctx context.Context) error {
	for {
		changed := l.Node.Changed()
		s, err := l.Node.State(ctx)
		if err != nil {
			return fmt.Errorf("builder: %w", err)
		}
		l.noteAllowed(s)
		wait := l.wait(s, time.Now())
		if wait == 0 {
			if err := l.build(ctx); errors.Is(err, ledger.ErrStopped) {
				return fmt.Errorf("builder: %w", err)
			} else if err != nil && ctx.Err() == nil {
				l.Log.Warn("could not build a block", "error", err)
				changed, wait = nil, retry
			}
		}
		if !sleep(ctx, changed, wait) {
			return ctx.Err()
		}
	}
}

// wait returns the time until this node's turn, 0 if it has come. The wait begins when a
// block becomes due, and again on each new tip.
func (l *loop) wait(s api.BuildState, now time.Time) time.Duration {
	ready, wait := l.Ready(s)
	if !ready {
		l.turn = nil
		return wait
	}
	if l.turn == nil || l.turn.tip != s.Tip {
		l.turn = &turn{tip: s.Tip, since: now}
	}
	left := max(0, l.turn.wait(s.Rank)-now.Sub(l.turn.since))
	if l.turn.givesWay(s, now) {
		return max(left, Slot)
	}
	return left
}

// wait is how long a builder of a rank waits.
func (t *turn) wait(rank int) time.Duration {
	return min(time.Duration(min(rank, 1000))*Slot, patience)
}

// givesWay reports whether to wait for an announced block.
func (t *turn) givesWay(s api.BuildState, now time.Time) bool {
	return s.Coming && now.Sub(t.since) < patience
}

// sleep waits for a change, or until d has passed unless it is Never, and reports false
// if ctx ended.
func sleep(ctx context.Context, changed <-chan struct{}, d time.Duration) bool {
	var passed <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-passed:
	}
	return ctx.Err() == nil
}

// build makes the block that is due. To lose the race to another builder is no error.
func (l *loop) build(ctx context.Context) error {
	tip, began := l.turn.tip, time.Now()
	template, err := l.Node.Template(ctx, ledger.MaxBlockTxs)
	switch {
	case err != nil:
		return l.lostRace(ctx, tip, err)
	case template.Number == 0:
		return l.lostRace(ctx, tip, errors.New("no transaction of the pool can be put into a block now"))
	case template.Header.Parent != tip:
		return nil // the tip is new, with a new order of turns
	}
	nonce, err := l.search(ctx, &template)
	switch {
	case errors.Is(err, errNewTip):
		l.Log.Debug("another builder was faster", "height", template.Header.Height, "after", time.Since(began))
		return nil
	case err != nil:
		return err
	}
	if s, err := l.Node.State(ctx); err != nil {
		return err
	} else if l.turn.givesWay(s, time.Now()) {
		l.Log.Debug("another builder's block is on its way", "height", template.Header.Height, "after", time.Since(began))
		return nil
	}
	ref, err := l.Node.Submit(ctx, template.Number, nonce)
	if err != nil {
		return l.lostRace(ctx, tip, err)
	}
	l.Log.Debug("found a block", "height", ref.Height, "hash", ref.Hash.Short(), "took", time.Since(began))
	return nil
}

// lostRace returns nil if the tip has changed or nothing is left to build, since then
// another builder was faster, else err.
func (l *loop) lostRace(ctx context.Context, tip ledger.Hash, err error) error {
	if errors.Is(err, ledger.ErrStopped) {
		return err
	}
	s, stateErr := l.Node.State(ctx)
	switch {
	case stateErr != nil:
		return stateErr
	case s.Tip != tip || s.Payable == 0:
		l.Log.Debug("another builder was faster", "reason", err)
		return nil
	}
	return err
}

// search looks for the template's nonce until the tip changes.
func (l *loop) search(ctx context.Context, template *api.Template) (ledger.Nonce, error) {
	looked := make(chan struct{})
	close(looked) // so that the first try looks at the tip
	changed := (<-chan struct{})(looked)
	return search(ctx, template.Header, func() error {
		select {
		case <-changed:
		default:
			return nil
		}
		changed = l.Node.Changed()
		s, err := l.Node.State(ctx)
		if err == nil && s.Tip != template.Header.Parent {
			err = errNewTip
		}
		return err
	})
}

// noteAllowed logs, once, that the node must not build.
func (l *loop) noteAllowed(s api.BuildState) {
	if !s.Allowed && !l.mute {
		l.mute = true
		l.Log.Warn("this node does not build", "reason", ErrNotAllowed)
	}
}

// search looks for a nonce until ctx ends, or stop returns an error. No two builders have the
// same header, so each begins anywhere.
func search(ctx context.Context, h ledger.Header, stop func() error) (ledger.Nonce, error) {
	var err error
	h.Search(rand.Uint64(), func() bool {
		err = cmp.Or(context.Cause(ctx), stop())
		return err != nil
	})
	return h.Nonce, err
}
