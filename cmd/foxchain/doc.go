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
// Every command stands in a file of its own, cmd_<name>.go. node.go is the one
// place where a node is wired together from packages ledger, p2p, rpc and
// builder, which know nothing of each other; stages.go stops its parts in
// order. The commands that ask a node (ask.go) speak the same WebSocket ops as
// everybody else, and so does the builder in a process of its own
// (remotebuilder.go). bench (cmd_bench.go, internal/bench) measures nodes that are
// processes of their own: this program again, with a hidden command.
//
// # What people see
//
// Tables (table.go) are aligned by terminal cells and painted on a terminal
// alone (style.go): equal hashes have equal colours. Text of other nodes never
// moves a cursor. watch tells events in lines (teller.go) over as many
// connections as it takes (follow.go);
// a node that catches up shows it in its last line (liveline.go, syncline.go).
// An error has its reason, and on a line of its own what to try (advice.go).
//
// # Settings
//
// Every flag is also read from the environment as FOXCHAIN_ and its long name
// (--max-wait is FOXCHAIN_MAX_WAIT); a flag wins over the environment (env.go).
//
// # Data directory
//
// Everything that a node keeps stands in one directory (datadir.go):
//
//	node.key   the node's Ed25519 key, PKCS#8 in PEM, 0600: made once
//	node.key.mark  what marks that very file, so that a copied directory shows
//	           (identity.go); node.key.old is the key that a copy had
//	token      what lets other web pages and machines speak to the node, 0600
//	endpoint   {"url", "token"} while the node runs, 0600
//	port       the port for other nodes, chosen once
//	chain/     LevelDB: blocks, balances, pool, address book
//
// # Exit codes
//
//	0  done; a node: ended by Ctrl-C or SIGTERM
//	1  failed; the reason and what to do stand on stderr
//	2  wrong flags or arguments
//	3  what was asked for is not known to the node
package main
