// Package tokens keeps the tokens of a node beside its own, each with a name and a
// scope, in the directory "tokens" of its data directory (tokens.go). A file for each is
// called by the token's SHA-256, and the token itself is kept nowhere. A node looks for
// that file whenever a client gives a token ([Index], index.go). So it knows at once
// which were added and revoked, and the commands work without a running node.
package tokens
