// Package node wires a node together from packages chain, p2p, rpc and builder. Only this
// package knows all of them.
//
// [New] opens everything that a node needs, in this order: the port of the WebSocket, the
// ledger (whose lock keeps every other process off the directory), the identity, the
// network side, the builder's sealer, the server. Then it writes the endpoint file.
// [Node.Run] runs all parts, and serves clients only then. It stops the parts in order
// and waits for each before the next: the log of events, the server, so that no client is
// accepted without being answered, the network, the builder, the votes, and the ledger
// last (stages.go). Stopping takes some 2 s. If the disk stands still it may take longer:
// after 5 s the log names the parts that still run, and after 35 s the node ends with an error.
//
// # Data directory
//
// Everything that a node keeps is in one directory ([DataDir]):
//
//	node.key       the node's Ed25519 key, PKCS#8 in PEM, 0600, made once
//	node.key.mark  the mark of that very file, by which a copied directory is noticed
//	node.key.old   the key that a copied directory had
//	token          admits other web pages and machines, 0600
//	tokens/        a file for each token of foxchain token: name, scope, SHA-256 (package tokens)
//	endpoint       {"url", "token"} while the node runs, 0600
//	port           the port for other nodes, chosen once
//	votes          the record of a builder's own votes, of the key that voted last
//	voted          the keys that have voted here; one without a record must not vote yet
//	chain/         LevelDB: blocks, balances, pool, address book
//
// In a copied or restored directory the key file is not the one that was marked. The node
// then makes itself a new identity, token and port, keeps the old key and reports the way
// back, --keep-identity (identity.go). In doubt the directory counts as the same.
//
// # Files from people
//
// Keys, --psk, --network, exports and the small files of the directory are read as UTF-8
// or UTF-16, with or without a byte-order mark, with lines that end in LF or CRLF
// (textfile.go). A key has at most 64 KiB, a network's file 4 MiB, a line of an export 12
// MiB. A pipe may be silent for 10 s. A larger or endless file, or a directory, is
// refused by name.
//
// # Backup
//
// A backup (backup.go) has a head of at most 4 MiB, and records with keys of at most 4 KiB and
// values of at most 64 MiB. A backup without the node's key has no tokens either, since they
// are removed from the address book's URLs of other nodes. If a backup is killed, it leaves a
// *.tmp beside its file. A restore works in the data directory itself, which may be the root
// of a disk or a container's volume. Meanwhile it locks DIR/restoring, and no node starts in a
// directory that has it. A killed restore can be run again.
//
// A restore trusts nothing in a backup. Blocks are derived again up to the tip in the
// head, the signatures of certificates and evidence are verified, and final blocks are
// compared with the chain. Own votes are neither written nor restored. A restore needs
// room for the whole file. A backup that never ends is read until the disk is full, and
// then removed.
//
// # Settings
//
// A flag is also read from the environment, as FOXCHAIN_ and its long name: --max-wait is
// FOXCHAIN_MAX_WAIT (env.go). The command line wins. --help, --version, and flags whose
// name means another thing elsewhere, such as --from, have no variable. Variables that
// Kubernetes and Docker set for a service named foxchain (FOXCHAIN_PORT=tcp://…) are
// ignored with one warning.
package node
