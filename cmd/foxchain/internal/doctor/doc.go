// Package doctor looks for the reasons why the nodes of a network do not connect, and
// reports in words what is wrong and what to do. `foxchain doctor` runs it.
//
// # What is looked at
//
// The checks run in this order, each a [Check]. They work with a running node, which is
// asked over its WebSocket, and without one.
//
//	node        it runs, on which network; its port answers and is a node's
//	disk        free space for the data directory: under 128 MiB fails, under 1 GiB is noted
//	files       how many files the process may open: under 192 fails, under 512 is noted
//	interface   for each one, whether it is up, has an address, and carries a multicast probe
//	discovery   whether the announcements of the node and of others are received
//	port        whether the WebSocket's and the nodes' port are free, a node's, or another
//	            program's, and whether the node answers at its addresses on the LAN
//	firewall    what this system has, whether it seems to close the ports, and what to type
//	peers       how many nodes are connected
//	clock       this machine's against those of the other nodes; over a minute off fails
//	peer        an address given by --peer, step by step
//	other       the same for nodes that are discovered or known and not connected
//
// A check is ok, a note (worth knowing, but no failure) or fail. If one fails the exit
// code is 1.
//
// # Step by step
//
// An address is tried as a node would try it: its form, a route, the connection (TCP), the
// handshake (Noise, inside the pre-shared key if there is one), the hello (the version of
// the protocols), the network. The first step that fails is reported, with the reason and
// what to do. The later steps are not known. The trial uses a new identity for each try and
// is never a peer, so other nodes do not count it.
//
// On Linux, the machine's table of neighbours shows what a silent address means:
//
//	the machine answers for its address (ARP), and not at the port     its firewall
//	it does not, and of all machines only the gateway does             the Wi-Fi isolates devices
//	it does not, and others do                                         it is off, or has another address
//
// # What is sent
//
// With multicast on (--mdns, the default) a question is sent by mDNS on each interface, as a
// node does, and one for the probe. It announces nothing. With --mdns=false packets go only
// to the local node, to the addresses given, and to those of the nodes that it knows.
//
// # Bounds
//
// Answers by mDNS are awaited for 2.5 s, and twice more while an expected one is missing. An
// address takes 18 s at most. 16 are tried at once. At most 8 of the nodes that are not
// connected are tried. The local node, and programs that are asked about the firewall, have
// 5 s to answer.
//
// --json prints a [Report] as one object. Keys may be added, but do not change.
package doctor
