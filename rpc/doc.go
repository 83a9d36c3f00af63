// Package rpc is the interface of a node to programs and people: JSON ops over a
// WebSocket at /ws, the node's page at /, and /healthz, /readyz and /metrics,
// all on one port. It answers from the chain (package chain) and from two
// small interfaces, Peers and Sealer, that the program fills in. It never
// gossips: the p2p side watches the chain itself. The page is in package web.
//
// Package rest has the ops that read, submitting, and blocks as server-sent events over
// plain HTTP, under /v1/, and answers by the same methods (http.go).
//
// # Messages
//
// A request is one text or binary message that holds a JSON object (RFC 7493: no
// key twice, UTF-8 only; text that is not UTF-8 ends the connection with 1007, as
// RFC 6455 has it, and what else breaks that RFC with 1002):
//
//	{"op": "blocks", "args": {"start": -1}, "id": 7}
//	{"status":200,"error":"OK","response":{"blocks":[…]},"id":7}
//
// Replies come in the order of the requests. "id" is optional, any JSON value
// of at most 1 KiB, and is echoed last. Unknown keys of the message and of args
// are ignored; in args null is the same as absent. JSON that is no object, and a
// null op, have no op. An op that is not text is not supported, and shown as it was
// written. Args that are not an object are an error.
//
// README.md lists the ops with their arguments, ops.go has the method of each, and the type
// of package api with its name says what each field of a response means. The first six are
// the original's, and their replies are exact. A 202 is {"status":202,"error":"Accepted"}
// without a response, but for submit, which has an api.Place.
//
// A merge of which some transactions were refused has "refused":[{index,id,reason}…]
// beside it (and "refused_left_out", a count, where they would not fit). If all were
// refused the status is 500, with the same. With carried true a client carries transactions
// that another node accepted: what expired here stays gone, and the node gives them to others
// as it does what it got from a peer.
//
// The hash of block, the id of tx and the account of account may be short: the first
// digits, 4 at least, or both ends with "…" between them, where only one fits. Else
// the error names up to 4 that do. It costs a seek for each that begins alike, at most
// 1,000, and for tx and account one pass over the pool.
//
// A page of accounts by balance may repeat an account of another, or miss one, while balances
// change. The next of a statement has the hash of its block, and as from it is refused
// once that block left the chain. So all pages together are the account as of the first
// page's tip.
//
// certificates are those from which a node goes on: of the last final block, and of the
// votes after it. certify takes them from a file, as from a peer (package p2p/vote): each
// is verified, and what is final then is never taken back. The reply comes when the node
// obeys them, or after 5 s where the blocks are not here. A certificate that contradicts
// a final block of this chain is an error, and changes nothing. Both are errors on a
// network without finality.
//
// # Events
//
// A connection has one subscription. A new one replaces it, and an empty list ends
// it. Its events follow the reply, with n rising by one. README.md has their kinds, where they
// begin, and how a client goes on after a break. Of what they cost:
//
//   - status and peers are sent again when something in them changed, at most once a second.
//     When a node was last seen, of which each node tells every few seconds, is looked at
//     every 4 s.
//   - pool has what changed of its first 1,000 transactions.
//   - Certificates, and so events final, are kept of the last 10,000 heights, and below these
//     of one in 64 heights. A client of block events has each block before it hears that it
//     is final.
//   - told costs, each second of each subscription that gives an id, one search of what is
//     remembered: 1,024 messages of gossip and 50,000 keys of pools at most.
//
// # A transaction's way to the disk, and an event's to a subscriber
//
// A listener accepts a client where there is room (listen.go), the guard decides what it
// may do (access.go, scope.go), and the server keeps its connection (server.go). The
// connection reads a message, bounded by what all unread messages may hold (conn.go).
// Its op and args are found (message.go), and a table leads from the op to its method
// (ops.go). The one of merge reads the transactions with package ledger and submits them
// to the chain (ops_merge.go), which returns when they are on disk (see package chain).
// The answer becomes JSON (reply.go). A second goroutine of the connection writes the
// answers, in order (write.go).
//
// A subscription (subscribe.go) waits for the chain, the peers or the clock to
// change. For blocks it moves a chain.Cursor toward the tip of one view, some steps
// at a time, and the view is closed before anything is sent. Each event is handed to
// the connection's writer (write.go); one that waits there for 10 s ends the
// connection.
//
// # Bounds
//
//   - A message: 16 MiB, then the connection ends with close code 1009. What comes
//     behind this close frame, and that for text which is not UTF-8, is thrown away
//     until the client closes, for 30 s and four messages' bytes at most. A message
//     must arrive whole within 30 s. Of those over 64 KiB, 7 are read or answered at
//     a time, the next ones wait unread: with 256 x 64 KiB that is 128 MiB.
//     Messages are read and answered while a reply is written, until over 64 KiB of
//     replies, or 1,024, wait behind it: at most one large reply waits.
//   - A reply stops before 8 MiB at a whole item and then has "next", the start
//     of the rest; it has it too where limit ended it.
//   - A page of accounts by balance is found in one pass over all that begin with prefix,
//     some 1.5 µs for each, one pass at a time, since an index would cost each block a write
//     for each of its accounts. Over 1,000,000 it is an error. By account a page costs what
//     it holds.
//   - A certify has at most 1,000 certificates, and as much evidence.
//   - 1,024 TCP connections on all addresses of the port, the next ones wait outside.
//     Where the process may have few files open it is less, half of what the ledger
//     leaves ([store.Sockets]): 378 of 1,024, 42 of 256.
//   - 256 WebSocket connections, and at most three quarters of the former: one more
//     closes the one that was silent the longest (1013). Silence of 1 h closes a
//     connection (1000), but not one that has subscribed: it must answer pings within
//     75 s instead.
//   - An event that waits for 10 s closes its connection (1013), with the reason:
//     the client is too slow. A message that cannot be written within 20 s, and
//     1 s more for each 256 KiB, ends it without a close frame. Each connection that
//     the node ends for what its client does is in the log, with the reason.
//
// # Backup
//
// GET /backup streams the whole ledger as of one moment, pool included, to a client that
// may do all: see Config.Backup for what it holds. It never has the node's secret key, but the URLs of
// other nodes with their tokens, which the command backup leaves out. It reads a
// snapshot of the database, holds no lock, keeps 256 KiB in memory, and rests as long as
// it works, so that the node goes on. One runs at a time, the next is a 503. A
// client that reads nothing for 20 s ends it, and while it lasts the disk keeps what
// compaction would free. One that is cut off ends its connection without the last chunk.
//
// # Access
//
// The guard (access.go) checks Host, Origin and token on every route, and has the rules.
// Only /healthz and /readyz answer a request without a Host, as old health checks send it.
// The page is served to all, since it holds nothing of the node. A token that is
// missing or wrong is a 401 with WWW-Authenticate (RFC 6750), a foreign origin a 403, a
// wrong Host a 421.
//
// The node's own token admits to all. Others have a scope (scope.go): read is all that
// asks, subscribe and /metrics; submit is merge of transactions; all has the rest too. The
// table in ops.go has what each op needs, and time needs none. An op without its scope is a
// 403 that names it. A token is looked up for each message, and each second (which is no use
// of it) while its client is connected: when it was revoked, its connections are closed (1008), its
// streams of events end, and so does a backup that it takes. Of the tokens that one request
// gives, four are looked at. A refusal tells the client how it may be admitted. It is logged (the
// same one at most every 10 s, and 16 different ones), and the last one is in info.
package rpc
