package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"foxchain/builder"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

const (
	// remoteAsk is the time after which a builder asks its node for the state even
	// if nothing changes. It shows that the builder lives.
	remoteAsk = 5 * time.Second
	// remoteRetry is the time before it connects again.
	remoteRetry = time.Second
)

// A remoteNode is the node of a builder in a process of its own. It implements
// builder.Node over the node's WebSocket. It reconnects for as long as it takes, so
// that a builder outlives its node's restarts. Calls wait for the connection.
type remoteNode struct {
	find func() (node.Endpoint, error) // called before each connection: a node may come back elsewhere
	log  *slog.Logger

	mu      sync.Mutex
	link    *link         // nil while there is none
	changed chan struct{} // closed at the next change of the node or of link
}

// A link is one connection.
type link struct {
	client *client.Client
	ended  chan struct{} // closed when the connection is lost
}

func newRemoteNode(find func() (node.Endpoint, error), log *slog.Logger) *remoteNode {
	return &remoteNode{find: find, log: log, changed: make(chan struct{})}
}

// run keeps the connection until ctx ends. A node that cannot be reached the first
// time is an error: most likely its address is wrong.
func (r *remoteNode) run(ctx context.Context) error {
	for first := true; ; first = false {
		err := r.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case first && !errors.Is(err, client.ErrEnded):
			return err
		case errors.Is(err, client.ErrEnded):
			r.log.Warn("lost the node, connecting again", "reason", err)
		default:
			r.log.Debug("the node cannot be reached yet", "reason", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(remoteRetry):
		}
	}
}

// follow makes one connection and passes on its events until it ends.
func (r *remoteNode) follow(ctx context.Context) error {
	at, err := r.find()
	if err != nil {
		return err
	}
	c, err := dialNode(ctx, at)
	if err != nil {
		return err
	}
	defer c.Close()
	events, err := c.Subscribe(ctx, api.Subscription{Events: []string{"block", "pool"}})
	if err != nil {
		return err
	}
	l := &link{client: c, ended: make(chan struct{})}
	r.set(l)
	defer func() {
		close(l.ended)
		r.set(nil)
	}()
	r.log.Info("building for the node", "url", at.URL)
	tick := time.NewTicker(remoteAsk)
	defer tick.Stop()
	for {
		select {
		case _, ok := <-events:
			if !ok {
				return c.Err()
			}
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		r.notify()
	}
}

func (r *remoteNode) set(l *link) {
	r.mu.Lock()
	r.link = l
	r.mu.Unlock()
	r.notify()
}

func (r *remoteNode) notify() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change of the node.
func (r *remoteNode) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// connected waits for a connection.
func (r *remoteNode) connected(ctx context.Context) (*link, error) {
	for {
		r.mu.Lock()
		l, changed := r.link, r.changed
		r.mu.Unlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// with calls f with the connection, and again with the next one if it breaks. A
// refusal of the node is an error.
func (r *remoteNode) with(ctx context.Context, f func(context.Context, *client.Client) error) error {
	for {
		l, err := r.connected(ctx)
		if err != nil {
			return err
		}
		err = func() error {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return f(ctx, l.client)
		}()
		var refused *client.ReplyError
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		// Its events end, and follow connects again. The connection is broken, so
		// its close has no interesting error.
		_ = l.client.Close()
		select {
		case <-l.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// State returns what a builder decides by.
func (r *remoteNode) State(ctx context.Context) (state builder.State, err error) {
	err = r.with(ctx, func(ctx context.Context, c *client.Client) error {
		s, err := c.BuildState(ctx)
		state = builder.State(s)
		return err
	})
	return state, err
}

// Tip returns the hash of State alone.
func (r *remoteNode) Tip(ctx context.Context) (ledger.Hash, error) {
	state, err := r.State(ctx)
	return state.Tip, err
}

// Template requests a block to build. Its transactions stay with the node, because
// the header commits to them.
func (r *remoteNode) Template(ctx context.Context, limit int) (job builder.Job, err error) {
	err = r.with(ctx, func(ctx context.Context, c *client.Client) error {
		t, err := c.Template(ctx, limit)
		job = builder.Job(t)
		return err
	})
	if err == nil && job.Number == 0 {
		err = builder.ErrNothing
	}
	return job, err
}

// Submit submits a nonce. A restarted node answers that it does not know the number.
func (r *remoteNode) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ref ledger.BlockRef, err error) {
	err = r.with(ctx, func(ctx context.Context, c *client.Client) error {
		ref, err = c.Submit(ctx, number, nonce)
		return err
	})
	return ref, err
}
