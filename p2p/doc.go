// Package p2p connects a node with the others of its network, without tracker,
// coordinator or configuration, and keeps their chains and pools equal.
//
// This package finds nodes and stays connected. Package gossip has the topics, and package
// sync exchanges transactions and blocks over them and over streams. Package vote carries
// the votes of builders. None of them knows a rule of the ledger.
//
// # A node becomes a peer
//
// mDNS (discovery.go), a registered URL (urls.go), another peer, or the address book
// (book.go) puts a node into the table of known nodes (table.go), with addresses sorted by
// how near they are (local_net.go). A round, at least every half second (node.go), dials it
// when it is due (dialer.go). The libp2p host (host.go) makes the connection within its
// limits, and a gater keeps banned peers out (conn_gater.go). The next round finds the
// connection and begins a session (session.go). The two exchange hellos (hello.go), each
// with a signed status line (status.go). From then on package sync follows the peer, the
// two exchange addresses, and a connection that does not work is closed. The node publishes
// its own line (status_topic.go) and keeps the last line of every other (status_table.go),
// which shows the nodes that build. peers.go lists the other nodes with their states, and
// diagnosis.go what may be wrong. A program that is no node tries an address step by step
// (trial.go).
//
// # States
//
// A node is in one state, which has one name everywhere: in the op peers, on the
// page, in the commands and in the log.
//
//	connected    it is a peer
//	connecting   a connection is there, and the hello is not yet done
//	dialing      no dial has failed yet, or gone for less than 12 s
//	missing      a session or a status line showed it in the last 12 hours, and nothing
//	             came from it for 12 s. A silent peer stays connected until it has
//	             failed to answer twice, which takes up to 13 s
//	not reached  dialed in vain, and not seen in the last 12 hours
//	replaced     another identity answers at its address. It is forgotten after a
//	             minute, unless it was registered
//	refused      it is on another network, or of another version
//	cut off      it sent what no honest node sends
//	unresolved   a registered URL whose node is not known yet
//	itself       a registered URL or address that leads to this node
//	stranger     an IP address from which two handshakes failed in 10 minutes, and which
//	             belongs to no node that was ever connected
//	heard of     not connected, and a status line of the last 12 s came through other nodes
//
// Repeated dials do not change the state of a node that is gone. A reason reports only
// what this node saw. It names --psk if this node has such a key, or if the bytes
// received look like a private network's.
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
//	/foxchain/2/<id>/vote      gossip and requests, see package vote
//
// A node of another network or version is refused, which both sides show with the reason,
// and not dialed for a minute. One that is banned has no connections for 10 minutes. A
// status line is published every 4 s, and within a second of a new tip or peer. It lists
// the peers when they have changed, and every 32 s. A node passes on each line that it
// receives after 100 to 200 ms, to the peers that have not announced by then that they have
// it. So two nodes between which only the direct link is cut still receive each other's
// lines.
//
// # Validators
//
// Those of tx and block are in package sync, that of vote in package vote.
//
//	topic    condition                                   answer
//	status   over 8 KiB, not the one encoding, a name    Reject, and the peer is banned
//	         or version over 64 bytes, over 64 peers or
//	         an ID of over 64 bytes, a wrong signature
//	status   not newer than the last line of its run     Ignore, it need not come again
//	status   all else                                    Accept
//
// # Staying connected
//
// A node dials known nodes until 32 that it dialed are connected. The last 8 of these
// places are for nodes that it was connected with before. It dials at most 8 nodes at one
// address, but for its own machine's. Registered nodes are always dialed. Nodes that
// dialed this one do not count, since they may be one machine with many keys.
//
// Nodes that only mDNS or a peer has named may be made up. They have dial slots of their
// own, one for each address, and evict only each other. They enter the book once they
// were connected.
//
// Of two nodes the one with the lower peer ID dials first, and the other 2 s later. The
// lower one closes a second connection. Dials are repeated after 6 s at most to a node that
// was seen in the last 15 minutes, after 12 s to one that was connected in the last 12
// hours, and after 6 minutes to others. Registered nodes and those met lately come before
// those that did not answer. A silent peer is disconnected within 13 s, and one that gossip
// does not reach after 10 to 12 s.
//
// A node asks each peer for the addresses of its peers when they connect, and then every
// minute. With more than four peers it asks about four of them a minute. It also asks when
// a peer's status line names a node with a higher ID whose address it lacks, once between
// two regular exchanges for each such node, and not within 5 s of the last exchange.
//
// # Addresses of one machine or one cable
//
// A node that has only loopback addresses announces them, on the loopback interface alone,
// and its IPv6 link-local addresses (fe80::…). Link-local addresses are dialed by TCP and
// not passed on. If the zone given is none of this machine's, they are dialed through each
// of its interfaces (zone.go). Interfaces are read every 10 s. When one comes, goes, is
// replaced or renamed, mDNS starts anew and all known nodes are dialed.
//
// # Clocks
//
// No clock keeps a node out. Elapsed time is monotonic. Noise has no times, and the
// certificates of QUIC are valid at any time. A peer sends its clock after each answer
// about its status. A clock that is over a minute off is shown.
//
// # Two nodes with one key
//
// A cloned machine runs with the key of its original. The two cannot connect with each
// other, but each receives the other's status lines through third nodes, by gossip or with
// the answer to a hello. A node that receives such lines of its own key for 20 s reports
// that for five minutes ([Node.Copied]). Both nodes go on, and fork choice settles their
// blocks. Late lines do not count, since a machine that slept passes on what it received
// before. A peer that recorded lines of an earlier run can pretend that there is a copy.
//
// # Limits
//
// The sockets, dials, memory and log lines that unknown nodes can cost are bounded. Of a
// node's addresses the proven one comes first, and this machine's own come last, so that
// reported addresses do not push out the proven one.
//
//	1,024 known nodes, in memory and in the book    the least useful is evicted; registered ones
//	                                                go beyond
//	4,096 answers of one start of mDNS              it ends, and starts anew within 10 s
//	16 addresses of a node                          the farthest are dropped, never the one it was
//	                                                reached by
//	256 registered addresses                        Register fails
//	1,024 status lines                              the oldest is evicted, but not those of connected
//	                                                nodes and of builders of the last 64 blocks
//	128 status lines that wait to be passed on      further ones do not wait
//	a hello of 11 KiB within 10 s                   the stream is reset
//	64 nodes in an exchange of addresses            the rest is left out
//	16 dials to registered nodes and those met      the rest waits for a later round
//	lately, 8 to those once connected, 4 each to
//	those only seen by mDNS and only reported
//	512 nodes only seen or reported                 one of the address that has the most is evicted
//	256 names of forgotten peers                    the one that was away the longest is dropped
//	10 s, and 10 minutes after a logged refusal     a node that connected, became no peer and has no
//	                                                address is forgotten
//	32 nodes of one address that dialed this one    the connection is closed, but for this machine's
//	                                                and registered ones
//	16 URLs asked at once                           the rest waits for a later round
//	128 inbound handshakes of 10 s                  the oldest of the address that has the most is closed
//	32 addresses of failed handshakes               further ones are not shown
//	connections of a peer, and in all (host.go)     refused by libp2p
//	8 connections of an address outside local       refused by libp2p, so a class behind one local
//	networks                                        address gets in
//
// # Life
//
// [New] listens and reads the book. [Node.Run] does the rest until its context ends, then
// closes the host. Its only error is that the ledger has stopped. Failures of the network
// are logged, shown by [Node.Nodes] with their reasons, and tried again. All methods may
// be called from any goroutine.
//
// # Files
//
// The sections above name the files of what they describe. config.go has the Config, and
// forget.go how a node is forgotten, and what stays of it. Package internal/wait has
// what the packages of p2p share, and internal/simhost hosts for their tests.
package p2p
