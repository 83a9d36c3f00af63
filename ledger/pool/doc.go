// Package pool orders the transactions that are in no block yet, and knows which
// of them can be paid. It has no disk, no lock and no clock. Package chain owns one
// [Pool], calls it under its lock, and decides caps, expiry and persistence.
//
// # Order
//
// Each transaction is payable or waiting. The payable ones are numbered by seq. All of
// them can be applied in that order to the balances at the tip, and a block takes the
// first ones. A waiting one could not be appended to them, since its sender cannot pay or
// its receiver would hold too much. It changes no balance and holds up no other.
//
// # Balances
//
// For each account of its transactions the pool keeps two balances, at the tip and after
// all payable transactions. A new transaction is tried against the second. If it passes,
// its receiver holds more and its sender has more room, so [Pool.Insert] then tries the
// transactions that wait on these two accounts. If some pass, it goes on with their
// accounts, until no balance changes any more.
//
// [Pool.TipChanged] follows the chain to a new tip. Usually a block took the first
// payable ones of each account. The cost is then the number of transactions that leave,
// times the logarithm of the pool's size. If an account's balance is not the expected
// one, all payable transactions are checked again, in order.
//
// # Files
//
// pool.go has the entries and their lists, balances.go the accounts and the transactions
// that wait on them, ordered.go the list that keeps entries in order and removes them
// cheaply.
package pool
