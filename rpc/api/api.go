package api

import (
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/proof"
)

// A Reply is a node's whole answer to one op.
type Reply struct {
	Status   int            `json:"status"` // 200 and 202 are good
	Error    string         `json:"error"`  // "OK", "Accepted", or what is wrong
	Response jsontext.Value `json:"response"`
	Reason   string         `json:"reason"`           // why a block was refused, with the field
	Refused  []Refused      `json:"refused"`          // transactions of a merge that were not taken
	LeftOut  int            `json:"refused_left_out"` // how many more were refused than a reply can hold
}

// A Refused is one transaction of a merge that the node did not take.
type Refused struct {
	Index  int    `json:"index"` // in what was sent
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Certificates are the answer to "certificates", and the arguments of "certify". Each is
// hex of the CBOR that builders signed.
type Certificates struct {
	Certificates []string    `json:"certificates"`
	Evidence     [][2]string `json:"evidence,omitempty"` // two votes each that exclude each other; on the last page
	Next         *uint64     `json:"next,omitempty"`     // the view at which the next page begins; nil if this is the last
}

// A Tx is a transaction as nodes show and take it. If a client leaves out T, the node
// stamps it.
type Tx struct {
	ID        uuid.UUID         `json:"id"`
	Sender    uuid.UUID         `json:"sender"`
	Receiver  uuid.UUID         `json:"receiver"`
	Amount    uint64            `json:"amount"`
	T         *Seconds          `json:"t,omitzero"` // Unix
	PrevHash  *string           `json:"prev_hash"`
	PublicKey *ledger.PublicKey `json:"public_key,omitzero"` // of keyed senders, as Signature
	Signature *ledger.Signature `json:"signature,omitzero"`
}

// NewTx returns tx as nodes show it, with the link to the transaction before it in its
// block. prev is nil for the first, and outside blocks.
func NewTx(tx *ledger.Transaction, prev *ledger.Link) Tx {
	t := Seconds(tx.T)
	out := Tx{ID: tx.ID, Sender: tx.Sender, Receiver: tx.Receiver, Amount: tx.Amount, T: &t}
	if prev != nil {
		link := prev.String()
		out.PrevHash = &link
	}
	if tx.Auth != nil {
		out.PublicKey, out.Signature = &tx.Auth.PublicKey, &tx.Auth.Signature
	}
	return out
}

// A Block is a block as nodes show it.
type Block struct {
	Items        []Tx `json:"items,omitempty"` // none in block events, unless asked for
	proof.Header      // with Count only if there are no items
}

// An Event is one message of a subscription.
type Event struct {
	Kind string         `json:"event"` // one of EventKinds
	N    uint64         `json:"n"`     // number of the event in its subscription, from 1
	Data jsontext.Value `json:"data"`  // depends on the kind, see rpc/README.md
}

// EventKinds returns the kinds of events.
func EventKinds() []string {
	return []string{"status", "peers", "block", "pool", "final", "evidence", "told"}
}

// A Subscription is the arguments of "subscribe".
type Subscription struct {
	Events []string  `json:"events,omitempty"` // kinds; none for all of them
	From   *int64    `json:"from,omitempty"`   // height at which block events begin, from the end if negative; nil for the next block
	After  *BlockRef `json:"after,omitempty"`  // the last block seen, after which block events go on; wins over From
	Items  bool      `json:"items,omitzero"`   // blocks with their transactions, not only headers
	// FromFinal is the height at which final events begin, from the end if negative. nil
	// is for the next block that becomes final. A client that was dropped gives the
	// height above the last one that it saw.
	FromFinal *int64 `json:"from_final,omitempty"`
	ID        string `json:"id,omitempty"` // of the transaction of told events, which need it
}

// Subscribed is the answer to "subscribe".
type Subscribed struct {
	Events []string `json:"events"`
	From   uint64   `json:"from"` // height at which block events begin
	// FromFinal is the height at which final events begin, nil on a network without
	// finality.
	FromFinal *uint64 `json:"from_final,omitzero"`
}

// A BlockEvent is the data of a block event.
type BlockEvent struct {
	Change string `json:"change"` // "in" if the block joined the chain, "out" if it left
	Block  Block  `json:"block"`
}

// A BlockRef is a block by its height and hash, the last one that a client saw, or the one
// that "submit" made.
type BlockRef struct {
	Height int64        `json:"height"` // -1 for no block
	Hash   *ledger.Hash `json:"hash"`   // nil for no block
}

// A BuildState is what a builder decides by. Times are durations in seconds, so that they
// are right also for a program whose clock is wrong.
type BuildState struct {
	Blocks   uint64      `json:"blocks"`         // of the chain
	Tip      ledger.Hash `json:"tip"`            // the last block's hash, the network's ID if there is none
	Payable  int         `json:"payable"`        // transactions that a block could hold now
	Oldest   float64     `json:"oldest_payable"` // how long the oldest of them has been here
	SinceTip float64     `json:"since_tip"`      // since the tip changed here, or the node started
	Rank     int         `json:"rank"`           // builders whose turn on this tip is before this node's
	Allowed  bool        `json:"allowed"`        // this node may build
	Coming   bool        `json:"coming"`         // another builder's block is being fetched, and would be the next tip
}

// A Template is a block to be built, without its nonce and signature. Txs is read-only.
type Template struct {
	Number uint64 // for Submit, from 1; 0 if nothing can be built
	Header ledger.Header
	Txs    []*ledger.Transaction
}

// A TemplateReply is the response of "template".
type TemplateReply struct {
	State         BuildState `json:"state"`
	*TemplateJSON            // nil if only the state was asked for
}

// A TemplateJSON is a Template in a TemplateReply.
type TemplateJSON struct {
	Number uint64  `json:"number"`      // 0 if nothing can be built, and what follows is null or empty
	Header *Header `json:"header"`      // for people; CBOR is what is hashed
	CBOR   *string `json:"header_cbor"` // hex; its last eight bytes are the nonce to be found
	Items  []Tx    `json:"items"`
}

// A Header is the header of a block that is not sealed yet.
type Header struct {
	Version  uint8            `json:"version"`
	Height   uint64           `json:"height"`
	PrevHash *ledger.Hash     `json:"prev_hash"` // nil for the first block
	Root     ledger.Hash      `json:"root"`
	Count    uint32           `json:"count"`
	Time     uint64           `json:"time"` // Unix milliseconds
	Bits     uint8            `json:"bits"`
	Builder  ledger.PublicKey `json:"builder"`
}

// Last returns the last block of the chain after the events up to e. A later
// Subscription continues After it.
func (e *BlockEvent) Last() BlockRef {
	if e.Change == "out" {
		return BlockRef{Height: int64(e.Block.Height) - 1, Hash: e.Block.PrevHash}
	}
	return BlockRef{Height: int64(e.Block.Height), Hash: &e.Block.Hash}
}

// A BlockReplyOf is the answer to "block".
type BlockReplyOf[T any] struct {
	Block T `json:"block"`
	Standing
}

// A Standing is a block's standing in the chain.
type Standing struct {
	OnChain       bool   `json:"on_chain"`
	Confirmations uint64 `json:"confirmations"`
	Settled
}

// A Travel is the answer to "told": when each peer of a node was sent a transaction and
// had it, as far as the node remembers.
type Travel struct {
	ID    uuid.UUID `json:"id"`    // of the transaction
	Here  *float64  `json:"here"`  // when the node first had it, Unix seconds; nil if it does not remember
	Peers []Told    `json:"peers"` // of which anything is known, earliest first
}

// A Told is a peer that was sent a transaction, or had it. Times are Unix seconds of the
// clock of the node that answers.
type Told struct {
	ID   string   `json:"id"`           // peer ID
	Name string   `json:"name"`         // its own
	Told *float64 `json:"told"`         // when the node sent it; nil if it did not, or does not remember
	Had  *float64 `json:"had"`          // when it first showed that it had it; nil if it did not
	By   string   `json:"by,omitempty"` // by what it showed that: gossip, pool, block
}

// First returns the earlier of the two times.
func (t *Told) First() float64 {
	first := math.Inf(1)
	for _, at := range []*float64{t.Told, t.Had} {
		if at != nil {
			first = min(first, *at)
		}
	}
	return first
}

// Words returns t in words for people. here is when the node first had the transaction.
func (t *Told) Words(here *float64) string {
	after := func(at float64) string {
		if here == nil {
			return "at " + time.UnixMilli(int64(at*1000)).Format("15:04:05.000")
		}
		if d := Duration(at - *here).Round(time.Millisecond); d < 0 {
			return "before it was here"
		} else if d < 10*time.Second {
			return fmt.Sprintf("%d ms after", d.Milliseconds())
		} else {
			return fmt.Sprintf("%.0f s after", d.Seconds())
		}
	}
	source := map[string]string{"gossip": "it sent or announced it", "pool": "it was in its pool", "block": "its chain has the block"}
	switch {
	case t.Had == nil:
		return "told " + after(*t.Told) + "; whether it has it is not known yet"
	case t.Told == nil:
		return "had it " + after(*t.Had) + " at the latest (" + source[t.By] + "); not told from here"
	}
	return "told " + after(*t.Told) + "; had it " + after(*t.Had) + " at the latest (" + source[t.By] + ")"
}

// A TxPlace is the place of a transaction in the chain.
type TxPlace struct {
	Height uint64      `json:"height"`
	Hash   ledger.Hash `json:"hash,omitzero"`
	Index  uint32      `json:"index"`
}

// A Receipt is the answer to "tx", the state of a transaction. An ID is unique among open
// senders and for each keyed sender, so several transactions may have it.
type Receipt struct {
	State         string    `json:"state"` // waiting, pooled, confirmed, gone
	Tx            Tx        `json:"tx"`
	Reason        string    `json:"reason,omitzero"`        // of waiting and gone
	Arrival       *uint64   `json:"arrival,omitzero"`       // of waiting and pooled: its number in the pool
	Age           *Seconds  `json:"age,omitzero"`           // of waiting and pooled: since the node first saw it
	Block         *TxPlace  `json:"block,omitzero"`         // of confirmed, as Confirmations
	Confirmations uint64    `json:"confirmations,omitzero"` // blocks from its own to the tip
	Settled                 // of confirmed
	Time          Seconds   `json:"time,omitzero"`    // of gone: since when
	Others        []Receipt `json:"others,omitempty"` // of other transactions with the same ID
}

// The states of a Receipt.
const (
	StateWaiting   = "waiting"
	StatePooled    = "pooled"
	StateConfirmed = "confirmed"
	StateGone      = "gone"
)

// A PoolEvent is the data of a pool event, the changes of the pool's first 1,000
// transactions. The first event has all of these. Size and Waiting count the whole pool.
type PoolEvent struct {
	Size    int         `json:"size"`
	Waiting int         `json:"waiting"`
	Added   []PoolEntry `json:"added"`
	Changed []PoolEntry `json:"changed"` // without their transactions
	Removed []uint64    `json:"removed"` // by arrival
}

// A PoolEntry is a transaction of the pool in a PoolEvent.
type PoolEntry struct {
	Arrival uint64  `json:"arrival"`
	Waiting *string `json:"waiting"` // why it cannot be paid yet; nil if it can
	Tx      *Tx     `json:"tx,omitzero"`
}

// A Holding is what an account holds.
type Holding struct {
	Account  string `json:"account"`
	Kind     string `json:"kind"`             // issuer, open, keyed
	Balance  *int64 `json:"balance"`          // negative if it owes; nil for an issuer
	MayOwe   uint64 `json:"may_owe,omitzero"` // how far below 0 it may go
	Minted   string `json:"minted,omitzero"`
	Redeemed string `json:"redeemed,omitzero"` // of issuers, as Minted; text, since it may exceed a JSON number
}

// An Account is the answer to "account".
type Account struct {
	Holding
	History []HistoryEntry `json:"history"`       // newest first
	Next    *TxPlace       `json:"next,omitzero"` // the argument from of the next page; nil if there is none
}

// AccountsOf is the answer to "accounts".
type AccountsOf[T any] struct {
	Accounts []T    `json:"accounts"`
	Next     string `json:"next,omitzero"` // the argument from of the next page; empty if there is none
}

// A Statement is the answer to "statement".
type Statement struct {
	Holding
	Blocks uint64          `json:"blocks"`         // of the chain
	Tip    ledger.Hash     `json:"tip"`            // of the chain, as of which the statement is
	Final  *uint64         `json:"final,omitzero"` // height of the last final block; nil if none is, or the network has no finality
	Lines  []StatementLine `json:"lines"`          // newest first
	Next   *TxPlace        `json:"next,omitzero"`  // the argument from of the next page; nil if there is none
}

// A StatementLine is a transaction in a Statement.
type StatementLine struct {
	Height    uint64    `json:"height"`
	Index     uint32    `json:"index"`
	T         Seconds   `json:"t"` // as in the transaction, Unix
	ID        uuid.UUID `json:"id"`
	With      uuid.UUID `json:"with"`      // the other account
	Direction string    `json:"direction"` // in, out, self
	Amount    uint64    `json:"amount"`
}

// Held returns the balance, or for an issuer redeemed less minted.
func (h *Holding) Held() *big.Int {
	n := new(big.Int)
	if h.Balance != nil {
		return n.SetInt64(*h.Balance)
	}
	minted, _ := new(big.Int).SetString(h.Minted, 10)
	if redeemed, ok := n.SetString(h.Redeemed, 10); ok && minted != nil {
		return n.Sub(redeemed, minted)
	}
	return new(big.Int)
}

// Undo turns the balance after a transaction into the one before it.
func Undo(balance *big.Int, direction string, amount uint64) {
	moved := new(big.Int).SetUint64(amount)
	switch direction {
	case "in":
		balance.Sub(balance, moved)
	case "out":
		balance.Add(balance, moved)
	}
}

// A HistoryEntry is a transaction in an account's history.
type HistoryEntry struct {
	Direction     string  `json:"direction"` // in, out, self
	Tx            Tx      `json:"tx"`
	Block         TxPlace `json:"block"`
	Confirmations uint64  `json:"confirmations"`
	Final         *bool   `json:"final,omitzero"` // it is never taken back; nil if the network has no finality
}

// A Clock is the answer to "time".
type Clock struct {
	Time Seconds `json:"time"` // Unix
	Zone string  `json:"time_zone"`
}

// Seconds are always written with a fraction, as in Python.
type Seconds float64

// MarshalJSONTo implements json.MarshalerTo.
func (s Seconds) MarshalJSONTo(e *jsontext.Encoder) error {
	return e.WriteValue(ledger.AppendFloat(e.AvailableBuffer(), float64(s)))
}

// SecondsOf returns d in seconds, to the millisecond.
func SecondsOf(d time.Duration) float64 { return math.Round(d.Seconds()*1e3) / 1e3 }

// Shown returns t, a reading of time.Now, by the clock that shows now at this moment, in
// Unix seconds to the millisecond. So ten seconds ago is shown as such, even if the clock
// was set since or differs from the system's.
func Shown(t, now time.Time) float64 {
	system := time.Now()
	off := now.Sub(system).Round(time.Second)
	return float64(system.Add(t.Sub(system)+off).UnixMilli()) / 1e3
}

// Duration returns seconds as a duration.
func Duration[T ~float64](seconds T) time.Duration {
	return time.Duration(float64(seconds) * float64(time.Second))
}
