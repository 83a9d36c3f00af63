// Package files has the commands that work on a ledger as a whole: verify and repair on
// the data directory of a node that does not run, export, import and statement on a
// running one.
package files
