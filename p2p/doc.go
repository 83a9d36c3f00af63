// Package p2p connects a node with the others of its network, without tracker,
// coordinator or configuration, and keeps their chains and pools equal.
//
// This package finds nodes and stays connected. Package gossip has the topics, and
// package sync exchanges transactions and blocks over them and over streams. None
// of them knows a rule of the ledger.
//
// # Parts
//
//	peerTable     the known nodes, who is refused or banned, and the dials
//	urlTable      the registered WebSocket URLs, whose nodes are asked for addresses
//	book          both tables in the ledger's database
//	sessions      one session with each connected peer: hello, addresses, and what
//	              closes duplicate, silent and deaf connections
//	statusTopic   publishes this node's status line; its statusTable has the last
//	              line of every node
//	discovery     mDNS, and the addresses of this machine
//	connGater     keeps banned peers out, and bounds inbound handshakes
//
// A node that becomes a peer passes through them in this order: discovery, a
// registration or another peer's addresses put it into the table; a round dials
// it when it is due; the next round finds the connection and begins a session;
// after the hello package sync follows it. Locks are taken in the order book,
// peerTable, then one of the Syncer, the statusTable, statusTopic or connGater;
// shared comes last.
//
// # Protocols
//
// The network's ID stands in every topic and protocol, but for the hello:
//
//	/foxchain/hello/2          name, network, status line, once on each connection
//	/foxchain/2/<id>/sync      requests and answers, see package sync
//	/foxchain/2/<id>/tx        gossip: a CBOR list of transactions
//	/foxchain/2/<id>/block     gossip: a sealed header
//	/foxchain/2/<id>/status    gossip: a signed status line
//
// A node of another network or version is refused with the reason, on both sides.
// A status line is published every 4 s, and within a second of a new tip or peer.
// It has the peers when they changed, and every 32 s. Its validator rejects a line
// over 8 KiB, one that is not the one encoding or breaks a limit, and a wrong
// signature; it ignores a line that is not newer than the last of its instance.
//
// # Staying connected
//
// Known nodes are dialed until all are connected, or 32; registered ones always.
// Of two nodes the one with the lower peer ID dials first, the other 2 s later,
// and the lower one closes a second connection. A node seen in the last 15
// minutes is dialed again at most 6 s apart, one that was connected in the last
// 12 hours 12 s, others up to 6 minutes. A node that was registered or met lately
// is dialed before those that did not answer. A silent peer is disconnected within
// 13 s, one that gossip does not reach after 10 s. Peers exchange the addresses of
// their own peers on connecting, and every minute.
//
// # Two nodes with one key
//
// A copied machine runs with the key of its original. The two cannot connect with
// each other, but each receives the other's status lines from third nodes, by
// gossip or with the answer to a hello. A node that receives a line which its own
// key signed in another run reports that for five minutes ([Node.Copied]). Nothing
// else follows: both go on, and fork choice settles their blocks. A line that was
// recorded in an earlier run and is sent again has the same effect.
//
// # Limits
//
// 1,024 known nodes (the book holds the same), 16 addresses each, 256 registered
// URLs, 1,024 status lines. Over them, the least useful entry is evicted.
// 16 dials at once, of which at most 8 to nodes that were connected once and did
// not answer since, and 4 to ones that are known only from peers.
// Connections are bounded by peer and in all; by address only outside local
// networks, so that a class behind one address gets in. 128 inbound handshakes
// of 10 s at most: one more closes the oldest of the address that has the most.
//
// # Life
//
// [New] listens and reads the book; [Node.Run] does everything else until its
// context ends, and closes the host. An error of Run ends the node: the ledger
// has stopped. All trouble of the network is logged, shown by [Node.Peers] with
// its reason, and tried again. All methods may be called from any goroutine.
package p2p
