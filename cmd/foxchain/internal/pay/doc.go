// Package pay has the commands that make a transaction: keygen makes the key, names the
// words for accounts, sign signs without a node, submit hands over what was signed, and
// send does both.
//
// send asks the node for the rules of its network, and sign reads them from the network
// file. Both check a transaction against the rules of package ledger before they sign it,
// and their errors name the flag. A key never leaves the machine: no message holds it.
package pay
