// Package proof makes and checks files that prove something of a ledger to people who
// have no node, and who trust none: that a payment is in a block and the block final, or
// that a builder voted twice.
//
// # A proof of a payment
//
// A JSON object in UTF-8, which [Make] makes and [Check] checks. Its formats are those of
// ledger/README.md. Hashes, keys and signatures are lower-case hex digits.
//
//	version      1
//	network      the network's file, without the rules at their defaults, and with lists
//	             in ascending order
//	network_id   the network's ID: SHA-256 of these rules in CBOR
//	transaction  id, sender, receiver, amount, t, and of a keyed sender public_key and
//	             signature: its CBOR is the leaf of the Merkle tree
//	index        its place in the block, from 0
//	path         its audit path (RFC 6962 section 2.1.1), the leaf's sibling first
//	headers      the header of its block, then those above it, each with count, prev_hash
//	             (null at height 0), hash, version, height, time, bits, nonce, builder, root
//	             and signature
//	certificate  what makes the last header's block final, and so all below it: kind
//	             "finalize", view, parent, height, hash; signers, the builders' keys in the
//	             order of the network's; signatures, one of each, over "foxchain vote 1" ||
//	             network ID || the CBOR array of 2, view, parent, height, hash
//	tip          in place of certificate while nothing makes the block final: height and
//	             hash of the last header, the end of the chain when the proof was made
//
// A header is right where its hash is SHA-256 of its CBOR and begins with the network's
// zero bits, where one of the network's builders (anybody, where it names none) signed it,
// and where its prev_hash is the hash before it and its height one more. A certificate
// takes the votes of a quorum: n - floor((n-1)/3) of n builders.
//
// # A proof of a lie
//
// What the op evidence gives: {"evidence":[…]}, or one element of it, with builder, name,
// kind, view and two votes, each with kind (notarize is 0 in CBOR, nullify 1, finalize 2),
// view, parent, height, hash, and as hex what the builder signed, and its signature. Both
// are for one network and view, and different ones of one kind, or nullify and finalize.
// The name is what a node calls the builder: it is the one field that nothing proves.
//
// # Strict
//
// A file has one form. Each key must be there, no other may, and each value must be
// written as Make writes it, but for space, the order of keys and the form of numbers. So
// whatever is changed is found. The error is a *ledger.FieldError with the field
// ("headers[2].root") and the rule that it breaks.
//
// What a right file proves, and what it does not, is a [Finding], in words. The words are
// in words.json, for the page /verify too, and in Chinese for it.
//
// # Bounds
//
// A file has at most MaxSize bytes and MaxHeaders headers. Where the next final block is
// further above the payment, which takes long times without a quorum, there is no proof,
// and [Above] says so. Without a final block a proof has at most MaxAbove headers above the
// block, and then ends below the tip. A header takes some 75 µs to check, and 550 bytes.
package proof
