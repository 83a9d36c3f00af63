package rpc

import (
	"context"
	"time"

	"foxchain/ledger"
)

// A Network is the node's p2p side as the server sees it. Its methods are
// called from many goroutines and return at once.
type Network interface {
	// ID is the node's own peer ID.
	ID() string
	// Addrs are the node's own multiaddrs, each with /p2p/ and its ID.
	Addrs() []string
	// Nodes are all others: registered, known, connected or heard of, each
	// once, in an order that stays.
	Nodes() []Node
	// Register checks all addresses, stores them and dials them in the
	// background. On an error nothing is registered; its text goes to the
	// client and names the address.
	Register(addrs []string) error
	// Changed returns a channel that is closed at the next change of what
	// Nodes or Addrs give.
	Changed() <-chan struct{}
	// Stats are counters that only rise, by name: messages dropped, refused…
	Stats() map[string]uint64
}

// A Node is another node, as "nodes" in the reply of peers shows it.
type Node struct {
	ID         string   `json:"id"`         // peer ID; empty while a registered URL has not answered yet
	Key        string   `json:"node_key"`   // what its blocks name as builder; empty with ID
	Name       string   `json:"name"`       // what it calls itself: chosen by a stranger
	Version    string   `json:"version"`    // its program's
	Addrs      []string `json:"multiaddrs"` // where it was met or says that it listens
	WS         string   `json:"ws"`         // its WebSocket URL when it can be reached from here, else empty
	Registered []string `json:"registered"` // addresses given by register, without the tokens in them
	Connected  bool     `json:"connected"`
	Direction  string   `json:"direction"`  // "in" or "out" when connected
	LatencyMS  float64  `json:"latency_ms"` // round trip; 0: not measured
	State      string   `json:"state"`      // one word: connected, dialing, refused…
	Reason     string   `json:"reason"`     // why it is in that state, in words for people
	Builds     bool     `json:"builds"`     // these and what follows are from its last signed status
	Blocks     uint64   `json:"blocks"`
	Tip        string   `json:"tip"`
	Pool       int      `json:"pool"`
	Peers      int      `json:"peers"` // 0: it has not said yet whom it is connected to
	Seen       float64  `json:"seen"`  // Unix seconds of that status; 0: none yet
	Links      []string `json:"-"`     // peer IDs that it says it is connected to, for Links of the reply
}

// A Desk makes and seals blocks with the node's key, for builders outside the
// node and for blocks in the original's form.
type Desk interface {
	// State says whether it is time to build.
	State(ctx context.Context) (DeskState, error)
	// Template gives a block of at most max transactions (0: as many as a
	// block holds) to search a nonce for; its Number is 0 when none is payable.
	Template(ctx context.Context, max int) (Template, error)
	// Submit signs the numbered template with the nonce that was found and
	// adds the block. The error goes to the client: stale, wrong nonce, …
	Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error)
	// Seal searches and signs a block that came in the original's form.
	Seal(ctx context.Context, h ledger.Header) (ledger.SealedHeader, error)
}

// A DeskState is what a builder decides on. Times are durations, so that they
// mean the same to a program whose clock is wrong.
type DeskState struct {
	Blocks   uint64        // of the chain
	Tip      ledger.Hash   // the last block's, the network's ID when there is none
	Payable  int           // transactions that a block could hold now
	Oldest   time.Duration // how long the oldest of them has been here
	SinceTip time.Duration // since the tip changed here
	Rank     int           // builders whose turn on this tip is before this node's
	Allowed  bool          // false: this node must not build
	Coming   bool          // another builder's block is on its way, and would be the next tip
}

// A Template is a block to be built.
type Template struct {
	Number uint64 // for Submit, from 1; 0: nothing can be built
	Header ledger.Header
	Txs    []*ledger.Transaction
}
