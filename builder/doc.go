// Package builder packs the pool's payable transactions into blocks.
//
// It has two halves, so that a block can be built inside the node or by a
// process beside it:
//
//   - A Sealer is the node's half. It holds the node's key, reports the state that a
//     builder decides by (State), and hands out numbered blocks to be built
//     (Template). It signs and adds what comes back with a nonce (Submit). It also
//     completes blocks that clients give in the original's form (Seal).
//   - Run is the builder's half. It decides when a block is due, waits for its turn
//     and searches the proof of work. It sees a node only through the small
//     interface Node. A Sealer is one, and so is a client of a remote node's
//     WebSocket.
//
// A Voter, which needs the key too, drives the votes of package finality on a network that
// names its builders. Own votes are on disk before they are published. The first is published
// once another builder has sent the votes that it holds, since these may have one that this
// builder forgot. If no other builder is connected, a node that only watches suffices after
// 10 s. At most 64 calls are queued for the Voter, and further callers wait.
//
// # When a block is due
//
// A builder is ready when enough payable transactions are there and the least time since
// the last block has passed, or when a full block's worth is there, or when the oldest
// payable one has waited long enough (Config.Ready). Transactions that cannot be paid yet
// do not count, and are not in templates, so they hold up no other.
//
// # Turns
//
// Many nodes may build, and each would seal the same transactions. So a builder that is
// ready orders the live builders by SHA-256(tip || key), and waits one Slot for each that
// comes before it. A block usually arrives in that time. It changes the tip, which ends
// the wait or the search, and the next wait has a new order. A builder that is gone costs
// one Slot, and all of them together at most patience (5 s).
//
// A large block takes longer than a Slot. Its header is announced first
// (SealerConfig.Announce). The others then wait until the block is there or no peer
// delivers it (State.Coming), for patience at most. Turns are courtesy and no rule. A
// block out of turn is as valid as any, and fork choice settles rival blocks.
//
// # A block's way to another node
//
// Run finds that a block is due (turn.go), waits for its turn, asks for a template and
// searches its nonce (run.go). Submit completes and signs the header, announces the block
// and gives it to the chain, which writes it (sealer.go). The doc of package p2p/sync has
// the rest of its way, the doc of package ledger/chain how it is written.
//
// # Bounds and errors
//
// A Sealer remembers MaxTemplates templates, and refuses older ones with ErrOldTemplate. It
// does one Seal at a time, and further calls wait until their context ends. Run has one
// search at a time, on one goroutine, so that the machine stays usable. Otherwise it sleeps
// until the node changes or a deadline passes. A lost race is no error. Any other refusal
// is logged and tried again after a pause. Run ends when its context ends, the chain has
// stopped, or the node cannot return its State.
package builder
