// Package gossip has the topics tx, block, status and vote, by which nodes pass on what
// is new. It joins them, bounds them, and counts what is lost. The owner of a topic
// passes a validator to [Join], which knows what a message means.
//
// # Options
//
// A message's ID is the hash of its topic and contents, so that the same transaction from
// two nodes is one message. Messages carry no signature of their own, since transactions,
// headers and status lines have theirs. A node publishes to all its peers (flood
// publishing). There is no scoring and no peer exchange, since both do harm on a LAN,
// where all nodes share few addresses. A node announces to its mesh each message of 128
// bytes or more that it has received (IDONTWANT). That saves most copies of status lines,
// whose validator waits for these announcements.
//
// # Validators
//
// A validator rejects by the message alone. So every node rejects the same messages, and
// the peer that forwarded one may be banned. It ignores a message only if nothing in it
// is wanted, or comes by a stream too, since gossip drops what it has seen for two
// minutes, and an ignored message could not come back. The tables of conditions and
// answers are in the docs of packages p2p (status), sync (tx, block) and vote.
//
// # Limits
//
//	512 messages wait for the validators, 512    dropped, counted as MessagesUnvalidated
//	are in them
//	256 KiB a second, saved up to 4 MiB, of new  the rest counts against a share of all peers
//	messages of a topic from a peer              together, of 8 MiB a second and 32 MiB at once
//	that common share                            ignored; of tx and block counted as
//	                                             MessagesUnvalidated
//	2,048 messages wait for each peer            dropped, counted as RPCsDropped
//	1,024 messages of a topic wait for a reader  dropped, counted as MessagesUndelivered
//	1 MiB in an RPC                              the stream is reset
//	[MaxTxs], [MaxHeader], [MaxStatus], or       cut to a byte more before it waits, so that
//	[MaxVote] bytes in a message                 its validator rejects it
//	16 subscriptions in an RPC                   ignored
//	1,024 messages of transactions, and 2 MiB    the oldest is forgotten ([Trail])
//	of them, remembered with 128 peers that
//	each was sent to and 128 that had it
//
// A message that is in several queues is in memory once. So gossip holds some 64 MiB
// before the validators, 128 MiB for peers that do not read, 64 MiB for each topic's
// reader, and as history 5 s of what the budgets let in. Up to 32 RPCs, and one more of each
// peer, wait before all of these. Package sync fetches what was dropped.
//
// # Files
//
// gossip.go has the topics with their options, the counters, and when bytes last came
// from a peer. budget.go bounds each message and what is taken from each peer. trail.go
// has the [Trail], which remembers how transactions came and went.
package gossip
