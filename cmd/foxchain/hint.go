package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/client"
)

// hintDial adds what to try when a node does not answer at at.
func hintDial(err error, at node.Endpoint) error {
	shown := withoutToken(at.URL)
	switch {
	case errors.Is(err, client.ErrNoNode) && at.Dir != "":
		return term.Hint(fmt.Errorf("the node of %s does not answer at %s: %w", at.Dir, shown, err),
			"It ended without removing its endpoint file. Start it again with: foxchain node -r %s", term.ShellWord(at.Dir))
	case errors.Is(err, client.ErrNoNode):
		return term.Hint(fmt.Errorf("cannot reach a node at %s: %w", shown, err),
			"Start one with: foxchain node, or name another with --node ws://host:port/ws or -r DIRECTORY")
	case errors.Is(err, client.ErrRefused):
		return term.Hint(fmt.Errorf("cannot use the node at %s: %w", shown, err),
			"Here: --token TOKEN, or -r DIRECTORY for a node on this machine")
	}
	return term.Hint(fmt.Errorf("cannot use what is at %s: %w", shown, err),
		"A node prints the URL of its WebSocket when it starts, such as ws://localhost:9000/ws: give that one as --node")
}

// hintAnswer adds what to try when a node did not do what it was asked for.
func hintAnswer(err error) error {
	var refused *client.ReplyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return term.Hint(err, "%s", afterRefusal(refused))
	case errors.Is(err, context.DeadlineExceeded):
		return term.Hint(fmt.Errorf("the node did not answer within %s: %w", askTimeout, err),
			"It may be busy: try again. Its log has more")
	case errors.Is(err, client.ErrEnded):
		return term.Hint(err, "Its log has the reason. To see whether it runs again: foxchain info")
	case errors.Is(err, client.ErrStrange):
		return term.Hint(err, "To see its version: foxchain info --json; this program's: foxchain version")
	}
	return err
}

// afterRefusal is what to try when the node answers with an error.
func afterRefusal(e *client.ReplyError) string {
	notFound := e.Reply.Status == http.StatusNotFound
	switch {
	case e.Op == "block" && notFound:
		return "To list the blocks: foxchain blocks. Another node, with --node, may have more"
	case e.Op == "tx" && notFound:
		return "To list waiting transactions: foxchain pool. A transaction sent to another node is here a moment later, unless that is on another network"
	case e.Op == "subscribe" && notFound:
		return "Leave --from out, or begin at a height: --from HEIGHT"
	case notFound:
		return "The node has another version than this program. To compare: foxchain info, foxchain version"
	case e.Op == "merge":
		return "To see what an account holds: foxchain account UUID; what became of a transaction: foxchain tx ID"
	case e.Op == "register":
		return "The other node prints its addresses when it starts, and so does: foxchain info --node PORT"
	}
	return "To see how the node is: foxchain info. Its log has more"
}
