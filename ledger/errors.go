package ledger

import (
	"errors"
	"fmt"
)

// Sentinels. Match them with errors.Is.
var (
	// ErrUnknownParent reports that a block or header extends one that this node
	// does not have. It may still be valid, once the headers between are fetched.
	ErrUnknownParent = errors.New("the parent is not known here")
	// ErrUnknown reports that there is no such block, transaction or account here.
	ErrUnknown = errors.New("not known here")
	// ErrStopped reports that the chain was closed, or stopped after a failed write.
	ErrStopped = errors.New("the ledger is stopped")
)

// Rules that several places quote.
const (
	ruleAmount = "must be an integer from 1 to 9007199254740991"
	ruleT      = "must be a number of seconds, 0 <= t < 10^11"
	ruleGiven  = "must be given"
	ruleItems  = "must be 1 to 10000 transactions"
	ruleBits   = "must be an integer from 0 to 40"

	ruleVersion = "must be 1"
	ruleInteger = "must be an integer from 0 to 9007199254740991"
)

// A FieldError names a field of one item and the rule that it breaks. Item is the
// path to it as the sender wrote it ("pool[2]"), empty where there is only one.
type FieldError struct {
	Item  string
	Field string
	Rule  string
}

func (e *FieldError) Error() string {
	switch {
	case e.Item == "":
		return e.Field + ": " + e.Rule
	case e.Field == "":
		return e.Item + ": " + e.Rule
	}
	return e.Item + "." + e.Field + ": " + e.Rule
}

// A Fault is the party to blame for a block that breaks a rule.
type Fault uint8

const (
	// FaultBlock means that the block's own hash commits to the fault, so that the
	// block is invalid on every node and for ever. Its hash is marked as failed.
	FaultBlock Fault = iota + 1
	// FaultSender is a wrong signature, root, count or encoding. The hash does not
	// commit to it, so the true block may come from another peer.
	FaultSender
)

// A BlockError is the rule that a block or header breaks. An error of this node's
// own (a disk, a cancelled context) is never a BlockError.
type BlockError struct {
	Fault  Fault
	Height uint64
	Hash   Hash
	Field  string // the header field, "signature", or "items[17].amount"
	Rule   string
	Err    error // the typed cause, such as a *DuplicateError; nil: none
}

// Unwrap returns the typed cause, if any.
func (e *BlockError) Unwrap() error { return e.Err }

func (e *BlockError) Error() string {
	return fmt.Sprintf("block %d (%s): %s: %s", e.Height, e.Hash.Short(), e.Field, e.Rule)
}

// A DuplicateError reports that a block holds a transaction that the chain it
// extends has already. It is the cause (errors.As) of a BlockError.
type DuplicateError struct{ Tx *Transaction }

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("transaction %s is already in the chain", e.Tx.ID)
}
