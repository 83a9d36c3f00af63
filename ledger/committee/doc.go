// Package committee knows the builders of a network that vote, signs for one of them, and verifies
// what they signed. What votes mean is package finality's.
//
// A vote is signed with Ed25519 over [Label], the network's ID, and the statement in CBOR. So one of
// another network, or of a builder that is none, is worth nothing.
package committee
