// Package doctor looks for what keeps the nodes of a network apart, and reports in words
// what is wrong and what to do. It is what `foxchain doctor` runs.
//
// # What is looked at
//
// Each thing is a [Check], in this order. It works with a node that runs, which is asked
// over its WebSocket, and without one.
//
//	node        it runs, on which network; its port answers and is a node's
//	disk        free space for the data directory: under 128 MiB fails, under 1 GiB is noted
//	files       how many files the process may open: under 192 fails, under 512 is noted
//	interface   one each: it is up, has an address, and carries multicast, which a probe shows
//	discovery   whether the node's own announcement is heard, and those of others
//	port        the WebSocket's and the nodes' port: free, a node's, or another program's, and
//	            whether the node answers at its addresses on the LAN
//	firewall    what this system has, whether it seems to close the ports, and what to type
//	peers       how many nodes are connected
//	clock       this machine's against those of the others, over a minute off fails
//	peer        an address given by --peer, step by step
//	other       the same for nodes that are heard or known and not connected
//
// A check is ok, a note (worth knowing, and nothing fails by it) or fail. One that fails
// makes the exit code 1.
//
// # Step by step
//
// An address is tried as a node would: its form, a route, the connection (TCP), the
// handshake (Noise, behind the pre-shared key if there is one), the hello (the version of
// the protocols), the network. The first step that fails is named, with the reason and what
// to do. What lies behind it is not known. The trial has an identity of its own for each
// try and is never a peer, so other nodes do not count it.
//
// What a silent address means is read from the neighbours of this machine, on Linux:
//
//	the machine answers for its address (ARP), and not at the port     its firewall
//	it does not, and of all only the gateway does                      the Wi-Fi keeps devices apart
//	it does not, and others do                                         it is off, or has another address
//
// # What is sent
//
// With multicast on (--mdns, the default) a question is sent by mDNS on each interface, as a
// node does, and one for the probe. It announces nothing. With --mdns=false nothing is sent
// but to the node here, to the addresses given, and to those of the nodes that it knows.
//
// # Bounds
//
// Answers by mDNS are listened for 2.5 s, and twice more while something that should be heard
// is not. An address takes 18 s at most, 16 are tried at once, and of the nodes that are not
// connected 8. The node here, and a program that is asked about the firewall, have 5 s.
//
// --json prints a [Report] as one object. Its keys stay, and new ones may come.
package doctor
