// Package ledger defines what a valid ledger is: transactions, blocks, networks,
// their formats and their rules. It has no disk and no connections, and no lock but that
// of a network's cache of verified signatures (network.go). Package chain owns a ledger
// and applies these rules.
//
// # What is valid
//
// A ledger is a chain of blocks that begins on the network's ID. Each block has its
// parent's hash, 1 to 10,000 transactions, the network's proof of work, and the signature
// of a builder that the network allows. A transaction moves an amount from a sender to a
// receiver. The issuer of a network mints what it sends and redeems what it receives. Any
// other sender must hold the amount at that point of the chain, or be allowed to owe what
// is missing (Network.MayOwe). No transaction stands in a chain twice, and no balance
// passes 2^53-1. An account made from a key is keyed: sending from it needs that key's
// signature. All other accounts are open. Of two valid chains the one with more work
// counts.
//
// # Formats
//
// A transaction has three encodings:
//
//   - CBOR ([Transaction.Encode]) is what is hashed, stored and sent between
//     nodes: RFC 8949 core deterministic, floats always nine bytes. Its SHA-256
//     is the digest, and digests are the leaves of a block's Merkle tree
//     (RFC 6962). Every value has exactly one encoding, and the decoders take no
//     other, so a transaction cannot get a second digest.
//   - JSON ([Transaction.AppendJSON], [ParsePool], [ParseBlocks]) is what clients read
//     and write. It is read strictly, without unknown or repeated keys, and without
//     numbers that other clients might read differently. The errors name item, field and
//     rule.
//   - The text that Python prints for the transaction's dictionary. Its SHA-1
//     ([LegacyHash]) links the items of a block, so that tools of the original program
//     can check our blocks. No rule depends on it.
//
// A header commits to everything else in a block, and to the [Network]: the first block's
// parent is the network's ID, which is the hash of its rules. Signatures cover a label,
// the network's ID and the hash or the fields, so that none is valid for another purpose
// or on another network.
//
// testdata/vectors.json has examples of all of these. testdata/vectors.py computes them
// without code of this package.
//
// # Rules
//
// [Transaction.CheckFields], [Network.CheckHeader] and [Network.CheckBody] check what
// needs no state. They cost the most of all checks, so callers run them outside every
// lock. The network remembers valid signatures, so that each is verified once. [Apply]
// and [Revert] move an [Overlay] by one block. An overlay is the state of the store with
// changes in memory on top. [CompareTips] is the fork choice.
//
// A broken rule is a [FieldError], or a [BlockError] with a [Fault]:
//
//   - FaultBlock: the block's hash commits to what is wrong, so the block is invalid on
//     every node and for ever. The hash may be remembered as failed.
//   - FaultSender: signature, root, count or encoding do not match the hash. Only the
//     sender is to blame, since another peer may send the true block.
//
// An error of this node's own (a disk, a cancelled context) is neither.
//
// # Limits
//
// An amount is at most 2^53-1, a balance between that and its negative, and a time in [0,
// 10^11) seconds. A block holds 1 to 10,000 transactions and takes at most 1.7 MB of
// CBOR, a sealed header at most 206 bytes. Decoders allocate at most a small multiple of their
// input. Values are immutable once made, so many goroutines may use them at once.
//
// The time in a header is its builder's claim. No rule reads it, since clocks on a local
// network may be wrong by hours. One confirmation is not final. If a network names its
// builders, their votes make blocks final (package finality).
//
// # Files
//
// tx.go has transactions, headers and blocks, hash.go hashes, keys and the Merkle tree,
// seal.go the proof of work and the builder's signature, network.go a network's rules.
// encode.go and decode.go have the CBOR. json.go writes JSON and reads it strictly,
// pooljson.go and blockjson.go read what clients send, and legacy.go has the text of
// Python. check.go has the checks without state, rules.go Apply, Revert, the Overlay and
// the fork choice, errors.go the errors.
//
// Package chain owns the ledger of a node, with pool for what is in no block yet and
// store for the disk. Package finality decides what is final, committee verifies the
// votes, and proof makes files that prove a payment. Package durable writes small files,
// and ledgertest makes test data.
package ledger
