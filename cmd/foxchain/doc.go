// Foxchain is a small distributed ledger for a local network.
//
// Start several nodes and they find each other: no tracker, no coordinator, no
// configuration. Every node accepts transactions on a local WebSocket as JSON
// ops, gossips them, packs them into blocks, and holds the same chain as every
// other node.
//
//	foxchain node                   # a node: data in ./9000.db, page at http://localhost:9000/
//	foxchain send --from issuer --to 00000000-0000-0000-0000-000000000003 --amount 5
//	foxchain blocks                 # ask the node, as tables; --json for programs
//
// # How the program is made
//
// main runs a command and turns its error into words and an exit code. This package has
// the commands that keep running (node, builder, devnet, lab), those that set up a
// network (network, psk, token), and doctor, bench and version. The rest is in packages:
//
//	internal/ask    asks a running node; the flags, hints and tables of all that do
//	internal/pay    keys, names of accounts, sign, send and submit
//	internal/files  verify, repair, backup, restore, export, import, statement
//	internal/names  the file with a person's names of accounts
//	internal/node   wires a node; its data directory, identity, settings and banner
//	internal/tokens the tokens of a node beside its own
//	internal/term   tables, colours, errors with hints
//	internal/doctor finds out why nodes do not reach each other
//	internal/bench  measures throwaway nodes
//	internal/lab    a network to teach with, its faults, liars, lessons and page
//
// Commands that ask a node use the same WebSocket ops as every other client, and so does
// a builder in a process of its own.
//
// # Exit codes
//
//	0    done, or a node was ended by Ctrl-C or SIGTERM
//	1    failed; stderr has the reason and what to do
//	2    wrong flags or arguments
//	3    the node does not know what was asked for
//	141  the reader of the output has ended, as with "| head"
package main
