// Package gossip has the topics by which nodes pass on what is new: tx, block and
// status. It joins them, bounds them, and counts what is lost. What a message
// means is decided by the validator that the owner of a topic passes to [Join].
//
// # Options
//
// A message's ID is the hash of its topic and contents, so that the same
// transaction from two nodes is one message. Messages carry no signature of their
// own, since transactions, headers and status lines have theirs. A node publishes
// to all its peers (flood publishing). There is no scoring and no peer exchange:
// on a LAN, where all nodes share few addresses, both do harm.
//
// # Validators
//
// A validator decides by the message alone, so that what one node rejects every
// node rejects, and the peer that forwarded it may be banned. It never ignores
// what may be wanted again: gossip drops what it has seen for two minutes, and an
// ignored message could not come back.
//
// # Limits
//
// 8,192 messages of at most 64 kB wait for the validators, as many for each peer,
// and 1,024 of each topic for their reader. Over that they are dropped and counted
// ([Counters]), and package sync brings what they held. An RPC has at most 1 MiB.
package gossip
