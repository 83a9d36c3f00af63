// Package api has every JSON shape of the WebSocket API once, with its tags: the
// server writes them, the client and the commands read them. Pools and blocks are
// written and read by package ledger itself, since they are most of the traffic.
//
// Times are Unix seconds and durations seconds, both as JSON numbers, unless a
// field has a note. Hashes, keys and signatures are lower-case hex.
package api
