// Package api has every JSON shape of the WebSocket API once, with its tags. The server
// writes them, and the client and the commands read them. What the server writes by hand
// is pools and blocks (package ledger), which are most of the traffic, and the envelopes
// of replies and events (package rpc).
//
// Times are Unix seconds and durations seconds, both as JSON numbers, unless a
// field has a note. Hashes, keys and signatures are lower-case hex.
//
// # Files
//
// api.go has the replies and events about transactions, blocks and accounts, info.go
// those about the node, peer.go those about the nodes that it knows, final.go those
// about final blocks and their votes. http.go has the lists of pool and blocks, a transaction
// as clients send it, and what only HTTP has: bodies and problems. reason.go has the
// reasons that people read, each with a code, by which the page translates them.
package api
