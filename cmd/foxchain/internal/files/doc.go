// Package files has the commands that work on a ledger as a whole: verify and repair on
// the data directory of a node that does not run, export, import, statement and
// backup on a running one. restore makes a directory of a backup, whose format is in
// package node (backup.go).
package files
