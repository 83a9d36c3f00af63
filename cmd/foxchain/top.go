package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"foxchain/rpc"
)

// topRedraw is how often ages are drawn again when nothing happens.
const topRedraw = time.Second

// printWall prints the wall once.
func (a *ask) printWall(cmd *cobra.Command) error {
	return a.withNode(cmd, func(ctx context.Context, c *rpc.Client) error {
		w := &wall{url: withoutToken(c.URL())}
		var in rpc.Info
		if err := question(ctx, c, "info", nil, &in); err != nil {
			return err
		}
		w.setInfo(&in, time.Now())
		if err := question(ctx, c, "peers", nil, &w.peers); err != nil {
			return err
		}
		_, err := io.WriteString(cmd.OutOrStdout(), w.text(time.Now(), a.ink, 0))
		return err
	})
}

// runTop draws the wall until q, Ctrl-C or the end of the context. A lost
// connection is made again.
func (a *ask) runTop(cmd *cobra.Command) error {
	client, err := a.dial(cmd) // before the screen changes: an error must be readable
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	out := cmd.OutOrStdout().(*os.File) // isTerminal: it is one
	restore, err := openScreen(out, os.Stdin, stop)
	if err != nil {
		return errors.Join(err, client.Close())
	}
	changes, k, url := make(chan func(*wall)), a.ink, withoutToken(client.URL())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.feedWall(ctx, cmd, client, changes) })
	g.Go(func() error { return drawWall(ctx, out, k, url, changes) })
	err = errors.Join(g.Wait(), restore())
	if isCanceled(err) {
		return nil
	}
	return err
}

// feedWall sends what the node tells, as changes of the wall, until ctx ends.
func (a *ask) feedWall(ctx context.Context, cmd *cobra.Command, client *rpc.Client, changes chan<- func(*wall)) error {
	send := func(change func(*wall)) error {
		select {
		case changes <- change:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		err := feedFrom(ctx, client, send)
		_ = client.Close() // it is lost already, or the program ends
		for err != nil {
			lost := err.Error()
			if sendErr := send(func(w *wall) { w.lost = lost + "; connecting again" }); sendErr != nil {
				return sendErr
			}
			select {
			case <-time.After(followRetry):
			case <-ctx.Done():
				return ctx.Err()
			}
			client, err = a.dial(cmd)
		}
		if err := send(func(w *wall) { w.lost = "" }); err != nil {
			return errors.Join(err, client.Close())
		}
	}
}

// feedFrom sends what one connection tells until it ends.
func feedFrom(ctx context.Context, c *rpc.Client, send func(func(*wall)) error) error {
	events, err := subscribeWithin(ctx, c, rpc.Subscription{Events: []string{"status", "peers"}})
	if err != nil {
		return err
	}
	for {
		var e rpc.Event
		var ok bool
		select {
		case e, ok = <-events:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !ok {
			return c.Err()
		}
		change, err := wallChange(e)
		if err != nil {
			return strangeEvent(e.Kind, err)
		}
		if err := send(change); err != nil {
			return err
		}
	}
}

func wallChange(e rpc.Event) (func(*wall), error) {
	if e.Kind == "peers" {
		var peers rpc.Peers
		err := json.Unmarshal(e.Data, &peers)
		return func(w *wall) { w.peers = &peers }, err
	}
	var in rpc.Info
	err := json.Unmarshal(e.Data, &in)
	return func(w *wall) { w.setInfo(&in, time.Now()) }, err
}

// drawWall draws at every change, and once a second.
func drawWall(ctx context.Context, out *os.File, k ink, url string, changes <-chan func(*wall)) error {
	w := &wall{url: url}
	tick := time.NewTicker(topRedraw)
	defer tick.Stop()
	for {
		width, height := screenSize(out)
		if _, err := io.WriteString(out, frame(w.text(time.Now(), k, height), width, height)); err != nil {
			return fmt.Errorf("cannot draw on the terminal: %w", err)
		}
		select {
		case change := <-changes:
			change(w)
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// frame makes text take the place of what the screen shows, without flicker:
// each line is written over and its rest cleared. Lines are cut to the screen.
func frame(text string, width, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	lines = lines[:min(len(lines), height)]
	for i, line := range lines {
		lines[i] = fitInked(line, width) + "\x1b[K"
	}
	return "\x1b[H" + strings.Join(lines, "\r\n") + "\x1b[J"
}

// fitInked cuts a line to so many cells; the sequences of inks take none.
func fitInked(line string, width int) string {
	var b strings.Builder
	used, inked := 0, false
	for rest := line; rest != ""; {
		if seq := sequence(rest); seq != "" {
			b.WriteString(seq)
			inked, rest = seq != "\x1b[0m", rest[len(seq):]
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		if used += cells(string(r)); used > width {
			break
		}
		b.WriteRune(r)
		rest = rest[size:]
	}
	if inked {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// sequence is the SGR sequence that s begins with, or nothing.
func sequence(s string) string {
	if !strings.HasPrefix(s, "\x1b[") {
		return ""
	}
	return s[:strings.IndexByte(s, 'm')+1]
}

// openScreen gives the wall a screen of its own, and has keys come at once
// where keys are typed: q and Ctrl-C call stop. restore undoes it.
func openScreen(out, in *os.File, stop func()) (restore func() error, _ error) {
	const open, shut = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l" // alternate screen, hidden cursor
	if _, err := io.WriteString(out, open); err != nil {
		return nil, err
	}
	leave := func() error {
		_, err := io.WriteString(out, shut)
		return err
	}
	if !term.IsTerminal(int(in.Fd())) {
		return leave, nil
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, errors.Join(err, leave())
	}
	// A read of the terminal cannot be called off: it ends with the program.
	go readKeys(in, stop)
	return func() error {
		return errors.Join(term.Restore(int(in.Fd()), before), leave())
	}, nil
}

func readKeys(in io.Reader, stop func()) {
	key := make([]byte, 1)
	for {
		if _, err := in.Read(key); err != nil {
			return
		}
		switch key[0] {
		case 'q', 'Q', 0x03, 0x04: // Ctrl-C and Ctrl-D: in raw mode they are keys
			stop()
			return
		}
	}
}
