// Package node wires a node together from packages ledger, p2p, rpc and builder,
// which know nothing of each other. It is the one place that knows them all.
//
// [New] opens everything that a node needs, in this order: the port of the
// WebSocket, the ledger (whose lock keeps every other process off the directory),
// the identity, the network side, the builder's sealer, the server. Then it writes
// the endpoint file. It serves no client before [Node.Run], which runs all parts and
// stops them in order: first the server, so that no client is accepted that would
// not be answered, then the builder, the network, and the ledger last, each waited
// for before the next (stages.go). All of it takes 5 s at most.
//
// # Data directory
//
// Everything that a node keeps is in one directory ([DataDir]):
//
//	node.key       the node's Ed25519 key, PKCS#8 in PEM, 0600: made once
//	node.key.mark  what marks that very file, so that a copied directory shows
//	node.key.old   the key that a copied directory had
//	token          admits other web pages and machines, 0600
//	tokens/        a file for each token of foxchain token: name, scope, SHA-256 (package tokens)
//	endpoint       {"url", "token"} while the node runs, 0600
//	port           the port for other nodes, chosen once
//	votes          the record of a builder's own votes, of the key that voted last
//	voted          the keys that have voted here. One without a record must not vote yet
//	chain/         LevelDB: blocks, balances, pool, address book
//
// In a copied or restored directory the key file is another file than the one that
// was marked. The node then makes itself a new identity, token and port, keeps the
// old key and reports the way back, --keep-identity (identity.go). In doubt the
// directory is the same.
//
// # Files that people hand in
//
// Keys, --psk, --network, exports and the small files of the directory are read as
// UTF-8 or UTF-16, with or without a byte-order mark, with lines that end in LF or CRLF
// (textfile.go). A key has at most 64 KiB, a network's file 4 MiB, a line of an export
// 12 MiB; a pipe may bring nothing for 10 s. What is larger, endless or a directory is
// refused by name.
//
// # Backup
//
// A backup (backup.go) has a head of at most 4 MiB, and records with keys of 4 KiB and values
// of 64 MiB at most. One that is killed leaves a *.tmp beside its file. A restore works in the
// data directory itself, which may be the root of a disk or a container's volume. Meanwhile it
// locks DIR/restoring, beside which no node starts. One that was killed is run again.
// Without the node's key a backup has no tokens either: they are cut off the address book's
// URLs of other nodes.
//
// A restore takes nothing on trust: blocks are derived again up to the tip that the head
// names, the signatures of certificates and evidence verified, and what is final compared
// with the chain. Own votes are neither written nor restored. It needs room for the whole
// file: a backup that never ends is read until the disk is full, and then removed.
//
// # Settings
//
// A flag is also read from the environment, as FOXCHAIN_ and its long name: --max-wait is
// FOXCHAIN_MAX_WAIT (env.go). The command line wins. Only --help, --version and the flags
// that say where a list begins have no variable. What Kubernetes and Docker set for a
// service of that name (FOXCHAIN_PORT=tcp://…) is no setting, and is passed over with one
// warning.
package node
