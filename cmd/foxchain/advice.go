package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"foxchain/rpc/client"
)

// An advised error says on a line of its own what to try next.
type advised struct {
	err error
	try string
}

func (e *advised) Error() string { return e.err.Error() + "\n" + e.try }
func (e *advised) Unwrap() error { return e.err }

// advise adds what to try next to an error. Advice that is there already is
// nearer to the cause and stays alone; a wrong flag or argument has the
// command's help.
func advise(err error, format string, args ...any) error {
	var already *advised
	var usage *usageError
	if err == nil || errors.As(err, &already) || errors.As(err, &usage) {
		return err
	}
	return &advised{err, fmt.Sprintf(format, args...)}
}

// adviseDial says what to try when at cannot be spoken to.
func adviseDial(err error, at endpoint) error {
	shown := withoutToken(at.URL)
	switch {
	case errors.Is(err, client.ErrNoNode) && at.dir != "":
		return advise(fmt.Errorf("the node of %s does not answer at %s: %w", at.dir, shown, err),
			"It ended without a goodbye. Start it again with: foxchain node -r %s", shellWord(at.dir))
	case errors.Is(err, client.ErrNoNode):
		return advise(fmt.Errorf("cannot reach a node at %s: %w", shown, err),
			"Start one with: foxchain node, or name another with --node ws://host:port/ws or -r DIRECTORY")
	case errors.Is(err, client.ErrRefused):
		return advise(fmt.Errorf("cannot use the node at %s: %w", shown, err),
			"Here: --token TOKEN, or -r DIRECTORY for a node on this machine")
	}
	return advise(fmt.Errorf("cannot use what is at %s: %w", shown, err),
		"A node prints the URL of its WebSocket when it starts, such as ws://localhost:9000/ws: give that one as --node")
}

// adviseAnswer says what to try when a node did not do what it was asked for.
func adviseAnswer(err error) error {
	var refused *client.ReplyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return advise(err, "%s", afterRefusal(refused))
	case errors.Is(err, context.DeadlineExceeded):
		return advise(fmt.Errorf("the node did not answer within %s: %w", askTimeout, err),
			"It may be busy: try again. Its log says what it does")
	case errors.Is(err, client.ErrEnded):
		return advise(err, "Its log says why. Whether it runs again shows: foxchain info")
	case errors.Is(err, client.ErrStrange):
		return advise(err, "Its version shows: foxchain info --json; this program's: foxchain version")
	}
	return err
}

// afterRefusal is what to try when the node answers with an error.
func afterRefusal(e *client.ReplyError) string {
	notFound := e.Reply.Status == http.StatusNotFound
	switch {
	case e.Op == "block" && notFound:
		return "Which there are shows: foxchain blocks. Another node, with --node, may know more"
	case e.Op == "tx" && notFound:
		return "What waits shows: foxchain pool. A transaction sent to another node is here a moment later, unless that is on another network"
	case e.Op == "subscribe" && notFound:
		return "Leave the begin out, or begin with a height: --from HEIGHT"
	case notFound:
		return "The node is of another version than this program: foxchain info shows its, foxchain version this one's"
	case e.Op == "merge":
		return "What an account holds shows: foxchain account UUID; what is known of a transaction: foxchain tx ID"
	case e.Op == "register":
		return "The other node prints its addresses when it starts, and so does: foxchain info --node PORT"
	}
	return "How the node is shows: foxchain info. Its log says more"
}
