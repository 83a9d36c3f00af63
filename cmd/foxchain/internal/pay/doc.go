// Package pay has the commands that make a transaction: keygen makes the key, names the
// words for accounts, sign signs without a node, submit hands over what was signed, and
// send does both.
//
// What a transaction must be is asked once: of a running node (send), or of a network
// file (sign). Both check before they sign, with the rules of package ledger, and their
// errors name the flag. A key is used where it lies: no message to a node has it.
package pay
