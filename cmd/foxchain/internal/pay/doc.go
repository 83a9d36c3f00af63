// Package pay has the commands for making a transaction. keygen makes a key, names gives
// names to accounts, sign signs without a node, submit sends a signed transaction, and
// send does both.
//
// send asks the node for the rules of its network, and sign reads them from the network
// file. Both check a transaction against the rules of package ledger before they sign it,
// and their errors name the flag. A key never leaves the machine, since no message holds
// it.
package pay
