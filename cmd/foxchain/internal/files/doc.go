// Package files has the commands for a whole ledger. verify and repair work on the data
// directory of a node that does not run, export, import, statement and backup on a
// running node. restore makes a directory from a backup, whose format is in package node
// (backup.go).
//
// Memory does not grow with the ledger. An export holds the certificates, some 13 kB for
// each view since the last final block on a network of 100 builders, and the pool, some
// 25 MB at the limit of 100,000 transactions (chain.MaxPool). An import holds 100 blocks or
// one message, and a line of at most 12 MiB. A statement has its lines in a temporary file.
package files
