// Package gossip has the topics tx, block and status, by which nodes pass on what is
// new. It joins them, bounds them, and counts what is lost. What a message means is
// decided by the validator that the owner of a topic passes to [Join].
//
// # Options
//
// A message's ID is the hash of its topic and contents, so that the same
// transaction from two nodes is one message. Messages carry no signature of their
// own, since transactions, headers and status lines have theirs. A node publishes
// to all its peers (flood publishing). There is no scoring and no peer exchange.
// On a LAN, where all nodes share few addresses, both do harm. A node tells its mesh of
// each message of 128 bytes or more that it has it (IDONTWANT). That spares most copies of
// status lines, whose validator waits until that was told.
//
// # Validators
//
// A validator decides by the message alone, so that what one node rejects every
// node rejects, and the peer that forwarded it may be banned. It never ignores what
// may be wanted again, since gossip drops what it has seen for two minutes, and an
// ignored message could not come back. The tables of conditions and answers are in
// the docs of packages p2p (status) and sync (tx, block).
//
// # Limits
//
//	512 messages wait for the validators, 512    dropped, counted as MessagesUnvalidated
//	are in them
//	256 KiB a second and 4 MiB at once of new    what is over it comes from a share of all peers
//	messages of a topic from a peer              together, of 8 MiB a second and 32 MiB at once
//	that share                                   ignored, counted as MessagesUnvalidated
//	2,048 messages wait for each peer            dropped, counted as RPCsDropped
//	1,024 messages of a topic wait for a reader  dropped, counted as MessagesUndelivered
//	1 MiB in an RPC                              the stream is reset
//	16 subscriptions in an RPC                   ignored
//	1,024 messages of transactions, and 2 MiB    the oldest is forgotten ([Trail])
//	of them, of which it is remembered to which
//	128 peers each went and which had it
//
// A message has 64,000 bytes at most, and queues share what is in several. So gossip
// holds some 64 MiB before the validators, 128 MiB for peers that do not read, 64 MiB
// for the reader, and 5 s of what the budgets let in as history. Package sync brings
// what was dropped.
package gossip
