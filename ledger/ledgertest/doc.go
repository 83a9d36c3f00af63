// Package ledgertest makes test data: networks, keys, accounts, transactions and sealed
// blocks (ledgertest.go). It knows package ledger alone, so that the tests of pool,
// store and chain can use it from inside. Package chaintest opens chains.
//
// Everything but [Minted] is numbered, so that a test runs alike each time. [Bubble],
// for the tests of all packages, runs a test with a simulated clock (bubble.go). Under
// the race detector it uses one processor (bubble_race.go).
package ledgertest
