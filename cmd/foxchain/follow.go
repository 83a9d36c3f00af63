package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// maxSeen is the number of blocks that a follower remembers. If the node knows none
// of them any more, the follower continues with the next new block.
const maxSeen = 64

// A follower prints events over as many connections to the node as it takes. After
// a lost one it continues behind the last printed block.
type follower struct {
	*nodeFlags
	cmd     *cobra.Command
	kinds   []string
	from    *int64 // height of the first block; nil: the next new block
	printer *eventPrinter

	seen []api.Place // the last blocks of the chain as printed, newest last, at most maxSeen
}

// run follows until ctx ends. A node that cannot be reached is an error the first
// time; later the follower waits for it.
func (f *follower) run(ctx context.Context) error {
	again := false
	session := client.Session{
		Dial: func(context.Context) (*client.Client, error) { return f.dial(f.cmd) },
		Use: func(ctx context.Context, c *client.Client) error {
			if again {
				f.notice("connected again, continuing %s", f.where())
				f.printer.resume()
			} else if err := f.begin(ctx, c); err != nil {
				return err
			}
			again = true
			return f.follow(ctx, c)
		},
		Lost: func(reason error) { f.notice("%s; connecting again until Ctrl-C", reason) },
	}
	return hintAnswer(session.Run(ctx))
}

// begin notes the tip unless --from was given, so that no block is missed when the
// connection is lost before the first event.
func (f *follower) begin(ctx context.Context, c *client.Client) error {
	if f.from != nil {
		return nil
	}
	var in api.Info
	if err := question(ctx, c, "info", nil, &in); err != nil {
		return err
	}
	tip := api.Place{Height: int64(in.Blocks) - 1}
	if in.Blocks > 0 {
		tip.Hash = &in.Tip
	}
	f.seen = []api.Place{tip}
	return nil
}

// follow subscribes and prints events until the connection ends.
func (f *follower) follow(ctx context.Context, c *client.Client) error {
	events, err := f.subscribe(ctx, c)
	if err != nil {
		return err
	}
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return c.Err()
			}
			if err := f.note(e); err != nil {
				return err
			}
			if err := f.printer.print(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// subscribe begins behind the last seen block that the node knows.
func (f *follower) subscribe(ctx context.Context, c *client.Client) (<-chan api.Event, error) {
	for {
		sub := api.Subscription{Events: f.kinds, From: f.from}
		n := len(f.seen)
		if n > 0 {
			sub.After = &f.seen[n-1]
		}
		events, err := subscribeWithin(ctx, c, sub)
		var refused *client.ReplyError
		switch {
		case err == nil:
			return events, nil
		case errors.As(err, &refused) && refused.Reply.Status == http.StatusNotFound && n > 0:
			f.notice("the node does not know block %d (%s) any more: it has another data directory, or lost its last blocks",
				f.seen[n-1].Height, term.ShortHash(f.seen[n-1].Hash.String()))
			f.seen = f.seen[:n-1]
		default:
			return nil, err
		}
	}
}

func subscribeWithin(ctx context.Context, c *client.Client, sub api.Subscription) (<-chan api.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.Subscribe(ctx, sub)
}

// note remembers the last blocks of the chain from block events.
func (f *follower) note(e api.Event) error {
	if e.Kind != "block" {
		return nil
	}
	var b api.BlockEvent
	if err := json.Unmarshal(e.Data, &b); err != nil {
		return strangeEvent(e.Kind, err)
	}
	last := b.Last()
	for n := len(f.seen); n > 0 && f.seen[n-1].Height >= last.Height; n-- {
		f.seen = f.seen[:n-1]
	}
	f.seen = append(f.seen, last)
	if len(f.seen) > maxSeen {
		f.seen = f.seen[1:]
	}
	return nil
}

// where returns, in words, where the next subscription continues.
func (f *follower) where() string {
	n := len(f.seen)
	switch {
	case n == 0 && f.from != nil:
		return fmt.Sprintf("from height %d", *f.from)
	case n == 0:
		return "with the next block"
	case f.seen[n-1].Hash == nil:
		return "with the first block"
	}
	return fmt.Sprintf("after block %d (%s)", f.seen[n-1].Height, term.ShortHash(f.seen[n-1].Hash.String()))
}

// notice prints what happened to the connection on standard error.
func (f *follower) notice(format string, args ...any) {
	f.cmd.PrintErrf("foxchain: %s\n", term.OneLine(fmt.Sprintf(format, args...)))
}
