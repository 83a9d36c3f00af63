// Package pool orders the transactions that are in no block yet, and knows which
// of them can be paid. It has no disk, no lock and no clock: package chain owns
// one [Pool], calls it under its lock, and decides caps, expiry and persistence.
//
// Each transaction is payable or waiting. The payable ones have an order in which
// all of them can be applied to the balances at the tip. A waiting one could not
// be appended to them: its sender cannot pay, or its receiver would hold too
// much. It counts for nothing and holds up no other. Both hold after every
// operation.
//
// [Pool.Insert] tries a new transaction behind all payable ones, and then every
// waiting one that it pays for. [Pool.TipChanged] follows the chain to a new tip.
// In the usual case a block took the first of the payable ones, and that costs
// what it changes, times the logarithm of the pool. Where an account's balance is
// not what the pool foresaw, all payable transactions are checked again, in order.
//
// # Files
//
// pool.go has the entries and their lists, balances.go the balance that each
// account has behind the payable transactions, ordered.go the list that keeps
// entries in order and removes them cheaply.
package pool
