// Package ledger holds transactions, blocks and the chain of them: what they
// are, how they are written down, which of them are valid, and the state that
// they lead to. It knows no network and no user: packages p2p and rpc bring it
// what others say, and it decides.
//
// # Formats
//
// A transaction has three encodings, each with one purpose:
//
//   - CBOR ([Transaction.Encode]) is what is hashed, stored and sent between
//     nodes: RFC 8949 core deterministic, floats always nine bytes. Its SHA-256
//     is the digest, and digests are the leaves of a block's Merkle tree
//     (RFC 6962). Every value has exactly one encoding, and the decoders take no
//     other, so nobody can give one transaction a second digest.
//   - JSON ([Transaction.AppendJSON], [ParsePool], [ParseBlocks]) is what clients
//     read and write. It is read strictly: no unknown key, no key twice, no
//     number that another client would read as something else. The errors name
//     item, field and rule.
//   - The text that Python prints for the transaction's dictionary, whose SHA-1
//     ([LegacyHash]) links the items of a block, so that tools written for the
//     original program can check our blocks. It carries no trust.
//
// A header commits to everything else in a block, and to the [Network]: the
// first block's parent is the network's ID, which is the hash of its rules.
// Signatures are over a label, the network's ID and the hash or the fields, so
// that none can be used for another purpose or on another network.
//
// testdata/vectors.json has examples of all of these, computed from the
// specification by testdata/vectors.py without code of this package.
//
// # Who is at fault
//
// [Transaction.CheckFields], [Network.CheckHeader] and [Network.CheckBody] check
// what needs no state. They cost the most of all checks, so callers run them
// outside every lock, and the network remembers the signatures that it found
// good (signatures.go): each is verified once. What they find is a
// [FieldError], or a [BlockError] whose [Fault] says whom to blame:
//
//   - FaultBlock: the block's own hash commits to what is wrong, so it is invalid
//     on every node and for ever. The hash may be remembered as failed.
//   - FaultSender: signature, root, count or encoding do not fit the hash. The
//     hash says nothing of it, and the true block may come from somebody else:
//     only who sent it is to blame.
//
// Trouble of our own (a disk, a cancelled context) is neither.
//
// # The chain
//
// [Open] gives a [Chain]: blocks, balances and pool on LevelDB, for one node.
// schema.go has the table of its keys. It is safe for concurrent use, and one
// lock covers tip and pool:
//
//   - [Chain.Submit] takes transactions into the pool. When it returns they are
//     on disk; calls at the same time share one fsync. A transaction that cannot
//     be paid yet waits, and holds up nobody.
//   - [Chain.AddHeaders], [Chain.AddBlock] and [Chain.AddBlocks], which writes a
//     run of blocks with one fsync, take what peers send. The chain switches to
//     the valid branch with the most work, then the lower hash (compareTips):
//     whatever the order of arrival, nodes that hold the same blocks hold the
//     same chain. All of a branch is tried over an overlay in memory before any
//     of it is written.
//   - [Chain.MergeBlocks] takes what clients send, also blocks in the original's
//     form, which this node's builder seals.
//   - [Chain.View] reads the chain as of one moment; [Chain.Pool] the pool;
//     [Chain.Changed] tells when there is something new. [Chain.Template] packs
//     what is payable for a builder.
//   - [Chain.Run] keeps the running time and lets waiting transactions expire. It
//     also fills the filter of known keys (filter.go), without which each new
//     transaction asks all of LevelDB's tables for an ID that is not there.
//
// Each change of the tip is one atomic batch, which moves the block's
// transactions from the pool to the chain or back, so a crash at any point
// leaves a valid tip and every accepted transaction exactly once. A write that
// fails stops the chain for good ([Chain.Failed]): the node must end, and open
// the store again.
//
// A power cut takes only what was not synced, and from the end: files.go closes
// what LevelDB leaves open there. [Open] mends such a torn end and nothing else:
// a hole in the middle and a damaged or missing file are [ErrDamaged], at once or
// when a read meets them, and stop the chain. [Verify] derives everything again
// and reports what is wrong. [Repair] makes a new store from what is whole.
//
// What was accepted does not disappear silently: it is in the pool, in a block,
// or [Chain.Receipts] says why it is gone (it expired, or another transaction
// with its ID came into a block first).
//
// # Limits
//
// The pool holds at most [MaxPool] transactions, of which [MaxWaiting] may be
// waiting; beyond that new ones are refused, and what a reorg gives back is not.
// Memory holds the pool, up to 100,000 side headers and 10,000 marks of failed
// blocks, LevelDB's buffers and caches (some 40 MiB), the filter of known keys (8
// MiB), the accounts (17 MiB) and signatures (10 MiB) that were used last, and
// nothing that grows with the chain.
//
// An amount, and a balance, is at most 2^53-1; a time is in [0, 10^11) seconds;
// a block holds 1 to 10,000 transactions and takes at most 1.7 MB of CBOR; a
// header takes at most 206 bytes. Decoders allocate a small multiple of their
// input, whatever it announces. Values are immutable once made, and everything
// here that has no lock of its own may be used by many goroutines at once.
//
// The time in a header is its builder's claim and no rule reads it: clocks on a
// local network may be wrong by hours. One confirmation is not final, and on a
// network that names no builders whoever computes the most decides.
package ledger
