package rpc

import (
	"context"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// A Peers is the node's p2p side as the server sees it. Its methods are
// called from many goroutines and return at once.
type Peers interface {
	// ID is the node's own peer ID.
	ID() string
	// Addrs are the node's own multiaddrs, each with /p2p/ and its ID.
	Addrs() []string
	// Nodes are all others: registered, known, connected or on the network, each
	// once, in a stable order.
	Nodes() []api.Peer
	// Register checks all addresses, stores them and dials them in the
	// background. On an error nothing is registered; its text goes to the
	// client and names the address.
	Register(addrs []string) error
	// Forget drops a node that is not connected, given by peer ID, name or
	// address. The text of an error goes to the client.
	Forget(node string) error
	// Changed returns a channel that is closed at the next change of what
	// Nodes or Addrs give.
	Changed() <-chan struct{}
	// Stats are counters that only rise, by name: messages dropped, refused…
	Stats() map[string]uint64
}

// A Sealer makes and seals blocks with the node's key, for builders outside the
// node and for blocks in the original's form.
type Sealer interface {
	// State returns whether it is time to build.
	State(ctx context.Context) (api.BuildState, error)
	// Template gives a block of at most max transactions (0: as many as a
	// block holds) to search a nonce for; its Number is 0 when none is payable.
	Template(ctx context.Context, max int) (api.Template, error)
	// Submit signs the numbered template with the nonce that was found and
	// adds the block. The error goes to the client: stale, wrong nonce, …
	Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error)
	// Seal searches and signs a block that came in the original's form.
	Seal(ctx context.Context, h ledger.Header) (ledger.SealedHeader, error)
}
