// Package chaintest opens chains for the tests of the packages above chain. Those of
// chain itself use package ledgertest alone, since from inside they cannot import what
// imports chain.
package chaintest
