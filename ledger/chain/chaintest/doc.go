// Package chaintest opens chains for the tests of the packages above chain. Tests
// inside package chain cannot import it, since it imports chain. They use package ledgertest
// alone.
package chaintest
