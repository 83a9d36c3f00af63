// Package proof makes and checks files that prove something about a ledger to people
// without a node, who trust none. A proof shows that a payment is in a block and the
// block final, or that a builder voted twice.
//
// # A proof of a payment
//
// A proof of a payment is a JSON object in UTF-8. [Make] makes it and [Check] checks it.
// Its formats are those of ledger/README.md. Hashes, keys and signatures are lower-case
// hex digits.
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
//	certificate  the votes that make the last header's block final, and so all below it:
//	             kind "finalize", view, parent, height, hash; signers, the builders' keys in
//	             the network's order; signatures, one of each, over "foxchain vote 1" ||
//	             network ID || the CBOR array of 2, view, parent, height, hash
//	tip          in place of certificate if the block is not final: height and hash of the
//	             last header, the end of the chain when the proof was made
//
// A header is right if its hash is SHA-256 of its CBOR and begins with the network's zero
// bits, if one of the network's builders signed it (any key, if it names none), and if its
// prev_hash is the hash before it and its height one more. A certificate needs the votes
// of a quorum, n - floor((n-1)/3) of n builders.
//
// # A proof of a lie
//
// A proof of a lie is the response of the op evidence, {"evidence":[…]}, or one element of
// it. An element has builder, name, kind, view and two votes. A vote has kind (in CBOR
// notarize is 0, nullify 1, finalize 2), view, parent, height, hash, and as hex what the
// builder signed, and its signature. Both votes are for one network and view. They are
// different and of one kind, or nullify and finalize. The name is a node's name for the
// builder, and the only field that is not proven.
//
// # Strict
//
// A file has one form. It must have each key and no other, and each value must be written
// as Make writes it, except for space, the order of keys and the form of numbers. So
// every change is found. The error is a *ledger.FieldError with the field
// ("headers[2].root") and the rule that it breaks.
//
// A [Finding] has, in words, what a valid file proves and what it does not. The words are
// in words.json, which the page /verify uses too, also in Chinese.
//
// # Bounds
//
// A file has at most MaxSize bytes and MaxHeaders headers. If the next final block is
// further above the payment, after a long time without a quorum, [Above] returns an error.
// Without a final block a proof has at most MaxAbove headers above the block, and may end
// below the tip. A header takes some 75 µs to check, and 550 bytes.
//
// # Files
//
// proof.go has the form of a proof of a payment, and makes it. check.go checks it,
// evidence.go has the proof of a lie with its check. form.go compares a file with its
// one form, and words.go finds the sentences in words.json.
package proof
