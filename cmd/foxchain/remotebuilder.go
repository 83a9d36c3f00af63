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

// remoteAsk is the time after which a builder asks its node for the state even if
// nothing changes. It shows that the builder lives.
const remoteAsk = 5 * time.Second

// A remoteNode is the node of a builder in a process of its own. It implements
// builder.Node over the node's WebSocket. It reconnects for as long as it takes, so
// that a builder outlives its node's restarts. Calls wait for the connection.
type remoteNode struct {
	find func() (node.Endpoint, error) // called before each connection: a node may come back elsewhere
	log  *slog.Logger

	mu      sync.Mutex
	client  *client.Client // nil while there is no connection
	changed chan struct{}  // closed at the next change of the node or of client
}

func newRemoteNode(find func() (node.Endpoint, error), log *slog.Logger) *remoteNode {
	return &remoteNode{find: find, log: log, changed: make(chan struct{})}
}

// run keeps the connection until ctx ends. A node that cannot be reached the first
// time is an error: most likely its address is wrong.
func (r *remoteNode) run(ctx context.Context) error {
	var events <-chan api.Event
	session := client.Session{
		Dial: func(ctx context.Context) (c *client.Client, err error) {
			c, events, err = r.connect(ctx)
			if err != nil {
				r.log.Debug("the node cannot be reached", "reason", err)
			}
			return c, err
		},
		Use:  func(ctx context.Context, c *client.Client) error { return r.follow(ctx, c, events) },
		Lost: func(reason error) { r.log.Warn("lost the node, connecting again", "reason", reason) },
	}
	return session.Run(ctx)
}

// connect makes one connection and subscribes.
func (r *remoteNode) connect(ctx context.Context) (*client.Client, <-chan api.Event, error) {
	at, err := r.find()
	if err != nil {
		return nil, nil, err
	}
	c, err := dialNode(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	events, err := c.Subscribe(ctx, api.Subscription{Events: []string{"block", "pool"}})
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	r.log.Info("building for the node", "url", at.URL)
	return c, events, nil
}

// follow passes on the events of one connection until it ends.
func (r *remoteNode) follow(ctx context.Context, c *client.Client, events <-chan api.Event) error {
	r.set(c)
	defer r.set(nil)
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

func (r *remoteNode) set(c *client.Client) {
	r.mu.Lock()
	r.client = c
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

// connected waits for a connection other than the lost one.
func (r *remoteNode) connected(ctx context.Context, lost *client.Client) (*client.Client, error) {
	for {
		r.mu.Lock()
		c, changed := r.client, r.changed
		r.mu.Unlock()
		if c != nil && c != lost {
			return c, nil
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
	var lost *client.Client
	for {
		c, err := r.connected(ctx, lost)
		if err != nil {
			return err
		}
		err = func() error {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return f(ctx, c)
		}()
		var refused *client.ReplyError
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		_ = c.Close() // it is broken; its events end, and the session dials again
		lost = c
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
func (r *remoteNode) Template(ctx context.Context, limit int) (job builder.Template, err error) {
	err = r.with(ctx, func(ctx context.Context, c *client.Client) error {
		t, err := c.Template(ctx, limit)
		job = builder.Template(t)
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
