// Package p2p connects a node with the others of its network, without tracker,
// coordinator or configuration, and keeps their chains and pools equal.
//
// This package finds nodes and stays connected. Package gossip has the topics, and
// package sync exchanges transactions and blocks over them and over streams. None
// of them knows a rule of the ledger.
//
// # A node becomes a peer
//
// mDNS (discovery.go), a registered URL (urls.go), another peer, or the address
// book (book.go) puts a node into the table of known nodes (table.go), with
// addresses sorted by how near they are (local_net.go). A round, at least every
// half second (node.go), dials it when it is due (dialer.go). The libp2p host
// (host.go) makes the connection within its limits (limits.go), past the gater that
// keeps banned peers out (conn_gater.go). The next round finds the connection and
// begins a session (session.go). The two exchange hellos (hello.go), each with a
// signed status line (status.go). From then on package sync follows the peer, both
// exchange addresses, and a connection that does not work is closed. The node
// publishes its own line (status_topic.go) and keeps the last line of every other
// (status_table.go), which shows the nodes that build. What it knows of the others is
// shown in peers.go, and what may be wrong in diagnosis.go.
//
// # States
//
// A node is in one state, which has one name everywhere: in the op peers, on the
// page, in the commands and in the log.
//
//	connected    it is a peer
//	connecting   a connection is there, and the hello is not yet done
//	dialing      being dialed for the first time, or gone for less than 30 s
//	missing      it was there in the last 12 hours, by a session or a status line,
//	             and has been gone for 30 s
//	not reached  dialed in vain, and not there in the last 12 hours
//	replaced     another identity answers at its address. It is forgotten after a
//	             minute, unless its multiaddr was registered
//	refused      it is on another network, or of another version
//	cut off      it sent what no honest node sends
//	unresolved   a registered URL whose node is not known yet
//	itself       a registered URL or address that leads to this node
//	stranger     an IP address from which two handshakes failed in 10 minutes, and where
//	             no node is that was ever connected
//	heard of     its status line comes through others
//
// A dial that is repeated changes no state, so a node that is gone stays in one. A
// node that comes back, or that [Node.Forget] drops, is no longer missing. Only a
// node with a private network's key, or one that gets bytes which look like such a
// network, names --psk as a reason.
//
// Locks are taken in the order book, peerTable, then one of the Syncer, the
// statusTable or connGater. The lock of shared comes last (shared.go).
//
// # Protocols
//
// The network's ID stands in every topic and protocol, but for the hello:
//
//	/foxchain/hello/2          name, network, status line, once on each connection
//	/foxchain/2/<id>/sync      requests and answers, see package sync
//	/foxchain/2/<id>/tx        gossip, a CBOR list of transactions
//	/foxchain/2/<id>/block     gossip, a sealed header
//	/foxchain/2/<id>/status    gossip, a signed status line
//
// A node of another network or version is refused with the reason, on both sides.
// A status line is published every 4 s, and within a second of a new tip or peer.
// It has the peers when they changed, and every 32 s.
//
// # Validators
//
// Those of tx and block are in package sync.
//
//	topic    condition                                   answer
//	status   over 8 KiB, not the one encoding, a name    Reject, and the peer is banned
//	         or version over 64 bytes, over 64 peers,
//	         or a wrong signature
//	status   not newer than the last line of its run     Ignore, it need not come again
//	status   all else                                    Accept
//
// # Staying connected
//
// Known nodes are dialed until this node has dialed 32 that are connected, of which 8
// are places for those that it was connected with before, and 8 of one address.
// Registered ones are dialed always. Nodes that dialed this one do not count, since
// they may be one machine under many keys. A node that is only seen by mDNS or told by
// a peer may be made up. It is dialed beside the others, one at once of an address,
// evicts none of them, and comes into the book when it was connected. Of two
// nodes the one with the lower peer ID dials first, the other 2 s later, and the
// lower one closes a second connection. A node that was seen in the last 15 minutes
// is dialed again at most 6 s apart, one that was connected in the last 12 hours
// 12 s, others up to 6 minutes. A node that was registered or met lately is dialed
// before those that did not answer. A silent peer is disconnected within 13 s, one
// that gossip does not reach after 10 s. Peers exchange the addresses of their own
// peers on connecting, and every minute.
//
// # Addresses of one machine or one cable
//
// Loopback addresses are announced on the loopback interface only, and only by a node
// that has no others. Link-local addresses of IPv6 (fe80::…) are announced where there
// are no others but loopback. They are dialed with each zone of this machine, by TCP,
// and not passed on (zone.go).
//
// # Clocks
//
// No clock of any node keeps a node out. Elapsed time is monotonic. Connections are
// secured by Noise, which knows no times, or by QUIC with certificates that are valid
// at any time. A peer sends its clock behind each answer about its status. One that is over
// a minute off is shown (clock in the op peers).
//
// # Two nodes with one key
//
// A copied machine runs with the key of its original. The two cannot connect with
// each other, but each receives the other's status lines from third nodes, by
// gossip or with the answer to a hello. A node that receives a line which its own
// key signed in another run reports that for five minutes ([Node.Copied]). Nothing
// else follows. Both go on, and fork choice settles their blocks. A line that was
// recorded in an earlier run and is sent again has the same effect.
//
// # Limits
//
//	1,024 known nodes, in memory and in the book    the least useful is evicted, or Register fails
//	4,096 answers of one start of mDNS              it ends, and starts anew within 10 s
//	16 addresses of a node                          the farthest are dropped, never the one it was
//	                                                reached by; of equally near ones each subnet keeps some
//	256 registered URLs, 8 multiaddrs of a node     Register fails
//	1,024 status lines                              the oldest is evicted, of nodes that are neither
//	                                                connected nor built one of the last 64 blocks
//	a hello of 11 KiB within 10 s                   the stream is reset
//	64 nodes in an exchange of addresses            the rest is left out
//	16 dials to registered nodes and those that     the rest waits for a later round
//	were met lately, 8 to those once connected, 4
//	each to those only seen and only told
//	512 nodes only seen or told                     one of the address that has the most is evicted
//	32 nodes of one address that dialed this one    the connection is closed, but for this machine's
//	                                                and registered ones
//	16 URLs asked at once                           the rest waits for a later round
//	128 inbound handshakes of 10 s                  the oldest of the address that has the most is closed
//	32 addresses of failed handshakes               further ones are not shown
//	connections of a peer, and in all               refused by libp2p
//	8 connections of an address outside local       refused by libp2p; a class behind one local
//	networks                                        address gets in
//
// # Life
//
// [New] listens and reads the book. [Node.Run] does everything else until its
// context ends, and closes the host. An error of Run ends the node, since the ledger
// has stopped. All trouble of the network is logged, shown by [Node.Nodes] with its
// reason, and tried again. All methods may be called from any goroutine.
package p2p
