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
// Beside them a Voter drives the votes of package finality on a network that names its
// builders, since it holds the key as well. Own votes are on disk before they leave. The
// first leaves when another builder has said what it holds, which may be a vote that this one
// forgot. If none is connected, a node that only watches will do, after 10 s.
// At most 64 calls wait for it, and further ones wait for a place.
//
// # When a block is due
//
// A builder is ready when enough payable transactions are there and the least
// time since the last block has passed, or when a full block's worth is there,
// or when the oldest payable one has waited long enough (Config.Ready).
// Transactions that cannot be paid yet do not count. The chain leaves them out of
// its templates, so they hold up no other.
//
// # Turns
//
// On a network every node builds, and each would seal the same transactions. So a
// builder that is ready orders the live builders by SHA-256(tip || key), and lets Slot
// pass for each that comes before it. A block usually arrives in that time. It changes
// the tip, which ends the wait or the search, and the next wait has a new order. A
// builder that is gone costs one Slot, and all of them patience (5 s) at most.
//
// A large block takes longer than a Slot. Its header goes ahead of it
// (SealerConfig.Announce). Then the others wait until the block is there or is not
// delivered (State.Coming), for patience at most. A turn is courtesy and no rule: a block
// out of turn is as valid as any, and fork choice settles rival blocks.
//
// # Bounds and errors
//
// A Sealer remembers MaxTemplates templates, and refuses older ones with ErrOldTemplate.
// It does one Seal at a time, and further calls wait as long as their context lasts. Run
// has one search at a time, on one goroutine, so that the machine stays usable. Otherwise
// it sleeps until the node changes or a deadline passes. A lost race is no error. What the
// node refuses is logged and tried again after a pause. Run ends with its context, when the
// chain has stopped, or when the node cannot return its State.
package builder
