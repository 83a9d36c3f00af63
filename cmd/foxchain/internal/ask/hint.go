package ask

import (
	"errors"
	"fmt"
	"net/http"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/client"
)

// HintDial adds a hint to the error of a connection to at.
func HintDial(err error, at node.Endpoint) error {
	shown := node.WithoutToken(at.URL)
	switch {
	case errors.Is(err, client.ErrNoNode) && at.Dir != "" && node.InUse(at.Dir):
		return term.Hint(fmt.Errorf("the node of %s runs, but does not answer at %s: %w", at.Dir, shown, err),
			"It may be starting or ending: try again. Its log shows what it does")
	case errors.Is(err, client.ErrNoNode) && at.Dir != "":
		return term.Hint(fmt.Errorf("the node of %s does not answer at %s: %w", at.Dir, shown, err),
			"The node did not end cleanly. To start it again: foxchain node -r %s", term.ShellWord(at.Dir))
	case errors.Is(err, client.ErrNoNode):
		return term.Hint(fmt.Errorf("cannot reach a node at %s: %w", shown, err),
			"To start one: foxchain node. To use another: --node ws://host:port/ws or -r DIRECTORY")
	case errors.Is(err, client.ErrRefused):
		return term.Hint(fmt.Errorf("cannot use the node at %s: %w", shown, err),
			"Give its token with --token TOKEN, or use -r DIRECTORY for a node on this machine")
	}
	return term.Hint(fmt.Errorf("cannot use what is at %s: %w", shown, err),
		"A node prints the URL of its WebSocket when it starts. Use that with --node, such as --node ws://localhost:9000/ws")
}

// hintAnswer adds a hint to the error of a node's answer. same are the flags that name the
// node, with a blank before.
func hintAnswer(err error, same string) error {
	var refused *client.ReplyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return term.Hint(err, "%s", afterRefusal(refused, same))
	case errors.Is(err, client.ErrSlow):
		return term.Hint(err, "It may be busy: try again. Its log shows what it does")
	case errors.Is(err, client.ErrEnded):
		return term.Hint(err, "Its log has the reason. To check whether it runs again: foxchain info%s", same)
	case errors.Is(err, client.ErrStrange):
		return term.Hint(err, "To compare the versions of the node and this program: foxchain info --json%s, foxchain version", same)
	}
	return err
}

// IsUnknown reports whether a node does not know what it was asked for.
func IsUnknown(err error) bool {
	var e *client.ReplyError
	return errors.As(err, &e) && e.Reply.Status == http.StatusNotFound
}

// afterRefusal returns what to try when the node answers with an error.
func afterRefusal(e *client.ReplyError, same string) string {
	notFound := e.Reply.Status == http.StatusNotFound
	switch {
	case e.Reply.Status == http.StatusForbidden:
		return "To list the tokens and what each may do: foxchain token list -r DIRECTORY"
	case e.Op == "block" && notFound:
		return "To list blocks: foxchain blocks" + same + ". To ask another node: --node"
	case e.Op == "proof":
		return "To see what became of the transaction: foxchain tx ID" + same + ". To wait until one is final: foxchain send --wait=final" + same
	case e.Op == "tx" && notFound:
		return "To list the transactions that are in no block yet: foxchain pool" + same + ". A transaction sent to another node of the network arrives a moment later"
	case e.Op == "block", e.Op == "tx", e.Op == "account":
		return "To list whole hashes and accounts: foxchain blocks --full" + same + ", foxchain pool --full" + same
	case e.Op == "subscribe" && notFound:
		return "Leave --from out, or give it a height: --from HEIGHT"
	case notFound:
		return "The node has another version than this program. To compare: foxchain info" + same + ", foxchain version"
	case e.Op == "merge":
		return "To show an account's balance: foxchain account UUID" + same + ". To show a transaction: foxchain tx ID" + same
	case e.Op == "forget":
		return "To list the nodes: foxchain peers --full" + same
	case e.Op == "register":
		return "A node prints its addresses when it starts. To show them later: foxchain info --node PORT"
	}
	return "To check the node: foxchain info" + same + ". Its log has more"
}
