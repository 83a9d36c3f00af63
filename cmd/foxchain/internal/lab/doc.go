// Package lab runs a network to teach with: some real nodes in one process, and a page
// that shows them all and makes faults between them.
//
// # What is real
//
// Each node is one of package node, as foxchain node runs it, with a directory, a page
// and a log of its own. The nodes are connected by libp2p over TCP on loopback. QUIC and
// mDNS are off. What differs are four hooks of node.Config, which no flag of foxchain
// node sets: how the node connects to others, its clock, what builds its blocks, and
// what leaves as its vote. All that the page shows is read from the nodes.
//
// The network's file is network.json in the directory of the lab, so that another node
// may join: foxchain node --network …/network.json --peer …. With voters it names the
// keys of all nodes as builders, so that blocks become final and lies are proven. A node
// that is added later only watches there.
//
// # Faults
//
// Each connection between two nodes goes through the link of the two (link.go), whichever
// of them dialed.
//
//	cut    Nothing passes, and nothing is lost: TCP sends it again when the cable is
//	       whole. A new connection waits, as a system does that gets no answer. Both
//	       nodes take each other for gone after 13 s at most, as with a real cable.
//	slow   Each packet takes so long, each way.
//	loss   A packet that is lost comes 200 ms later, or 400 and 800 ms more if it is lost again.
//	       Programs on TCP see loss as waits only, and so do nodes.
//	stop   The node ends as with Ctrl-C, and says goodbye to its peers.
//	kill   Its cables are dead from one moment to the next, as if its plug was pulled. No
//	       peer hears a goodbye. Inside the process the node then ends in order, since
//	       nothing else can end it: its directory is closed, and not torn as a power cut
//	       may leave it. The tests of the program kill real processes for that.
//	clock  The node's own clock is wrong: what it shows, stamps and tells. Time that
//	       passes is measured by a clock that nobody sets, as in any node. On the node's
//	       page all stands by the node's clock.
//
// # Lies
//
// A liar is a real node behind whose back blocks and votes are changed (liar.go).
// two-blocks seals two blocks on one parent, and votes for both where nodes vote. withhold
// announces a block and gives its transactions to nobody. The others build on without it.
// invalid changes an amount in a block after it was sealed. Nodes that fetch it cut the
// liar off for ten minutes.
//
// # Commands and scenarios
//
// A command is one line of text, whether it comes from a click on the page (POST /do) or
// stands in a scenario. The log shows it. command.go has all of them, and each error names
// the form. A scenario is a text file:
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
// Title, nodes (3 to 20, 4 by default) and voters stand before the first step, and the text
// of a step before its commands. wait goes on when its condition holds, and fails
// after 20 s or what within says; expect fails at once. The conditions are about running
// nodes:
//
//	one tip, tips 2                all have the same last block; there are two last blocks
//	height >= 5, height = 5        of the last block of each; the first block has height 0
//	final >= 5, final = 5          of the last final block of each
//	tx pool A B, tx block all      the last transaction is in the pools or the chains of these
//	txs pool all, txs block A B    the same for all transactions that were sent
//	tx once                        of the last one and the one it conflicts with the same one
//	                               is in the chain of each
//	linked A B                     both report that they are connected
//	evidence B, refused B          all others can prove that B lied; one of them has cut it off
//	not …                          any of these does not hold
//
// An account is a UUID, or a word: each word has an account of its own. issuer is the
// zero account, which mints.
//
// The six lessons are scenarios in the folder scenarios. On the page a lesson goes on by
// next, on a new network of its own. [Check] runs one without a page, at four times the
// pace of blocks, and fails at the first line that does not hold.
//
// # Bounds
//
//	3 to 20 nodes                         add fails
//	a delay of 10 s, a loss of 90 %       the command fails
//	a clock 100 years wrong               the command fails
//	64 packets of 16 KiB on their way     the sender waits
//	over a connection, each way
//	500 lines of the log                  the oldest is forgotten
//	two blocks of a lie                   the next two take their place
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
// page of its own origin. It has no token: whoever uses this machine may use the lab.
//
// # Life
//
// [New] makes directories, and [Lab.Start] starts the nodes. [Lab.Serve] serves the page
// until its context ends. [Lab.Close] ends all nodes. A lesson ends the nodes that there
// are, removes their directory, and starts new ones in another. So one network's
// directories are on the disk at a time. They stay where a directory was given, and else
// go with the lab. What goes wrong at the end of a network is logged, and the lesson
// begins. A node whose ledger stops is shown as stopped, and the log has the reason.
//
// The page draws one part in an animation frame, and changes what has changed: with 20
// nodes a block, a cut or a split takes some 100 ms of the processor over ten frames.
package lab
