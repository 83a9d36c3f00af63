// Package lab runs a network to teach with. It has some real nodes in one process, and a
// page that shows them all and makes faults between them.
//
// # What is real
//
// Each node is one of package node, as foxchain node runs it, with a directory, a page
// and a log of its own. The nodes are connected by libp2p over TCP on loopback. QUIC and
// mDNS are off. Only four hooks of node.Config differ, which no flag of foxchain node
// sets: the dialer, the clock, the builder, and a filter of its votes. All that the page
// shows is read from the nodes.
//
// The network's file is network.json in the directory of the lab, so that another node
// may join: foxchain node --network …/network.json --peer …. With voters it names the
// keys of all nodes as builders, so that blocks become final and lies are proven. A node
// that is added later only watches.
//
// # Faults
//
// Each connection between two nodes, in either direction, goes through their link
// (link.go).
//
//	cut    Nothing passes, and nothing is lost, since TCP sends it again when the cable
//	       is whole. A new connection waits, as without an answer. Both nodes take each
//	       other for gone after 13 s at most, as with a real cable.
//	slow   Each packet takes so long, each way.
//	loss   A lost packet comes 200 ms later, or 400 and 800 ms more if it is lost again.
//	       Programs on TCP see loss only as delay, and so do nodes.
//	stop   The node ends as with Ctrl-C, and its connections are closed.
//	kill   The node's cables are dead at once, as if its plug was pulled. No peer sees
//	       its connection closed. Inside the process the node then ends in order, since
//	       nothing else can end it. So its directory is not torn as after a power cut.
//	       The tests of the program kill real processes for that.
//	clock  The node's clock is wrong in what it shows, stamps and sends. Elapsed time is
//	       measured by the system's monotonic clock, as in any node. The node's page
//	       shows all times by the node's clock.
//
// # Lies
//
// A liar is a real node whose blocks and votes are changed outside of it (liar.go).
// two-blocks seals two blocks on one parent, and votes for both if nodes vote. withhold
// announces a block and gives its transactions to no peer. The others build on without it.
// invalid changes an amount in a block after it was sealed. Nodes that fetch it cut the
// liar off for ten minutes.
//
// # Commands and scenarios
//
// A command is one line of text, from a click on the page (POST /do) or in a scenario. The
// log shows it. command.go has all commands, and an error shows the form. A scenario is a
// text file:
//
//	# a comment
//	title en Split and heal
//	title zh 分裂与恢复
//	nodes 4
//	voters on
//
//	step
//	en What to look at.
//	zh 看什么。
//	split A B | C D
//	wait height >= 1 within 20s
//	expect tips 2
//
// Title, nodes (3 to 20, 4 by default) and voters come before the first step, and the text
// of a step before its commands. wait goes on when its condition holds, and fails after 20
// s or the time after within. expect fails at once. The conditions are about running nodes:
//
//	one tip, tips 2                all have the same last block; there are two last blocks
//	height >= 5, height = 5        of the last block of each; the first block has height 0
//	final >= 5, final = 5          of the last final block of each
//	tx pool A B, tx block all      the last transaction is in the pools or the chains of these
//	txs pool all, txs block A B    the same for all transactions that were sent
//	tx once                        of the last transaction and the one in conflict with it,
//	                               the same one is in the chain of each
//	linked A B                     both report that they are connected
//	evidence B, refused B          all others can prove that B lied; one of them has cut it off
//	not …                          any of these does not hold
//
// An account is a UUID or a word. Each word has an account of its own. issuer is the zero
// account, which mints.
//
// The six lessons are scenarios in the folder scenarios. On the page a lesson has a new
// network of its own, and goes on by next. [Check] runs one without a page, with blocks
// four times as fast, and fails at the first line that does not hold.
//
// # Bounds
//
//	3 to 20 nodes                         add fails
//	a delay of 10 s, a loss of 90 %       the command fails
//	a clock 100 years wrong               the command fails
//	64 packets of 16 KiB on their way     the sender waits
//	over a connection, each way
//	500 lines of the log                  the oldest is forgotten
//	two blocks of a lie                   the next two replace them
//	200 lines and 20 transactions on      older ones are not shown
//	the page, 30 columns of blocks, 60
//	dots that travel
//	blocks of the last 30 heights, and    older ones are not shown, and a node that goes
//	50 transactions sent in the lab       over to a branch that deep may show
//	                                      transactions in blocks that it left
//	10 states a second to a page          those between are left out; a page that takes none
//	                                      for 10 s is disconnected
//	a command of 4 KiB, a scenario of     it is refused
//	64 KiB, a wait of 2 minutes
//
// The page is served on 127.0.0.1, to requests for a loopback host, and POST only from a
// page of its own origin. It has no token, so every user of this machine may use the lab.
//
// # Life
//
// [New] makes directories, and [Lab.Start] starts the nodes. [Lab.Serve] serves the page
// until its context ends. [Lab.Close] ends all nodes. A lesson ends the running nodes,
// removes their directory, and starts new ones in another. So the disk holds the
// directories of one network at a time. [Lab.Close] removes them unless Config.Dir was
// given. Errors at the end of a network are logged, and the lesson begins. A node whose
// ledger stops is shown as stopped, and the log has the reason.
//
// The page draws one part in an animation frame, and only changed elements. With 20 nodes
// a block, a cut or a split takes some 100 ms of the processor over ten frames.
package lab
