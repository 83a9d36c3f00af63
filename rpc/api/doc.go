// Package api has every JSON shape of the WebSocket API once, with its tags. The server
// writes them, and the client and the commands read them. Package ledger writes and reads
// pools and blocks itself, since they are most of the traffic.
//
// Times are Unix seconds and durations seconds, both as JSON numbers, unless a
// field has a note. Hashes, keys and signatures are lower-case hex.
package api
