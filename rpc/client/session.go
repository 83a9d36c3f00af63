package client

import (
	"context"
	"errors"
	"time"
)

// retryTime is the time between two attempts of a session to connect again.
const retryTime = time.Second

// A Session uses a node over as many connections as it takes.
type Session struct {
	Dial func(context.Context) (*Client, error) // called before each connection, since a node may come back elsewhere
	Use  func(context.Context, *Client) error   // called with each connection, returns when that or ctx ends
	Lost func(reason error)                     // called when a connection is lost
}

// Run uses the node until ctx ends. It returns an error of the first Dial, when the
// address is most likely wrong, and an error of Use that is not ErrEnded. After
// ErrEnded it dials again until that succeeds.
func (s *Session) Run(ctx context.Context) error {
	c, err := s.Dial(ctx)
	for err == nil {
		err = s.Use(ctx, c)
		_ = c.Close() // the connection is lost or no longer needed
		if ctx.Err() == nil && errors.Is(err, ErrEnded) {
			s.Lost(err)
			c, err = s.dialAgain(ctx)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// dialAgain dials until it has a connection or ctx ends.
func (s *Session) dialAgain(ctx context.Context) (*Client, error) {
	for {
		select {
		case <-time.After(retryTime):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if c, err := s.Dial(ctx); err == nil {
			return c, nil
		}
	}
}
