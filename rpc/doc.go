// Package rpc is the interface of a node to programs and people: JSON ops over a
// WebSocket at /ws, the node's page at /, and /healthz, /readyz and /metrics, all on one
// port. It answers from the chain (package chain) and from two small interfaces, Peers
// and Sealer, that the program fills in. It does not gossip. The p2p side watches the
// chain itself. The page is in package web.
//
// Package rest has the reading ops, submitting, and blocks as server-sent events over
// plain HTTP, under /v1/. The same methods answer (http.go).
//
// # Messages
//
// A request is one text or binary message that holds a JSON object (RFC 7493: UTF-8, no
// key twice). As in RFC 6455, text that is not UTF-8 ends the connection with 1007, and
// any other violation of that RFC with 1002:
//
//	{"op": "blocks", "args": {"start": -1}, "id": 7}
//	{"status":200,"error":"OK","response":{"blocks":[…]},"id":7}
//
// Replies come in the order of the requests. "id" is optional, any JSON value of at most
// 1 KiB, and is echoed last. Unknown keys of the message and of args are ignored. In args
// null is the same as absent. JSON that is no object has no op, and neither has an object
// whose op is null. An op that is not text is not supported, and the error shows it as it
// was written. Args that are not an object are an error.
//
// README.md lists the ops with their arguments, ops.go has the method of each, and package
// api a type for each response but those of branches, {"headers":[…]}, and of proof
// (package ledger/proof). The first six ops are the original's, and their replies have all
// of its keys, and some more. A 202 is {"status":202,"error":"Accepted"} without a
// response, except that of submit, which has an api.BlockRef.
//
// If some transactions of a merge were refused, the reply also has
// "refused":[{index,id,reason}…], and "refused_left_out", a count, for those that do not fit.
// If all were refused the status is 500, with the same keys. With carried true a client
// carries transactions that another node accepted. They are treated as a peer's: what is gone
// here for good stays gone, and the node does not gossip them.
//
// The hash of block, the id of tx, told and proof, and the account of account and statement may be
// short: the first digits, at least 4, or both ends with "…" between them. If several match, the
// error names up to 4. A look-up costs a seek for each key that begins alike, at most 1,000, and
// for tx and account one pass over the pool.
//
// While balances change, pages of accounts by balance may repeat an account or miss one. The
// next of a statement has the hash of its block, and is refused as from once that block has
// left the chain. So all pages together are the account as of the first page's tip.
//
// certificates returns those that a node needs to go on: of the last final block, and of
// the votes after it. certify takes certificates from a file, as package p2p/vote does
// from a peer. Each is verified, and what it makes final is never taken back. The reply
// comes when the node obeys them, or after 5 s if the blocks are not here. A certificate
// that contradicts a final block of this chain is an error, and changes nothing. On a
// network without finality both ops return errors.
//
// # Events
//
// A connection has one subscription. A new one replaces it, and an empty list ends it. Its
// events follow the reply, with n rising by one. README.md has their kinds, where they begin,
// and how a client goes on after a break. Their costs and bounds are:
//
//   - status and peers are sent again when something in them changed, at most once a second.
//     When nodes were last seen is checked every 4 s.
//   - pool has the changes of its first 1,000 transactions.
//   - Certificates, and so the events final, are kept of the last 10,000 heights, and below
//     these of one in 64 heights. A client that follows blocks receives a block before its
//     final event.
//   - told costs, each second for each subscription with an id, one search of at most 1,024
//     messages of gossip and 50,000 keys of pools.
//
// # A transaction's way to the disk
//
// The doc of package chain has it, from the connection that reads the message to the
// reply.
//
// # An event's way to a subscriber
//
// The op subscribe replaces the connection's subscription (subscribe.go), which runs on
// a goroutine of its own (conn.go). It waits for a change of the chain, the peers or the
// refusals, or for a time. For blocks it moves a chain.Cursor toward the tip of one
// view, some steps at a time, and closes the view before it sends anything. For
// certificates and evidence it reads what the client lacks (final.go). It hands each
// event to the connection's writer (write.go). An event that waits there for 10 s ends
// the connection. Over HTTP a subscription runs as long as its request (Follow in
// http.go), and writes server-sent events (rest/stream.go).
//
// # Bounds
//
//   - A message has at most 16 MiB, above which the connection ends with close code 1009.
//     Bytes that come after this close frame, or the one for text that is not UTF-8, are
//     thrown away until the client closes, for 30 s and four messages' bytes at most. A
//     message must arrive whole within 30 s. Of those over 64 KiB, 7 are read or answered
//     at a time, and the next ones wait unread. With 256 x 64 KiB that is 128 MiB.
//     Messages are read and answered while a reply is written, until over 64 KiB of
//     replies, or 1,024, wait after it. So at most one large reply waits.
//   - A reply ends at a whole item before 8 MiB, or at limit, and then has "next", the
//     start of the rest. Only branches has none, and ends at 1,000 headers.
//   - A page of accounts by balance takes one pass over all accounts that begin with prefix,
//     some 1.5 µs for each, one pass at a time. An index would cost each block a write for
//     each of its accounts. With over 1,000,000 accounts it is an error. A page by account
//     costs what it holds.
//   - A certify has at most 1,000 certificates, and as much evidence.
//   - 1,024 TCP connections on all addresses of the port. The next ones wait in the
//     kernel. If the process may open few files it is half of what the ledger leaves
//     ([store.Sockets]): 378 of 1,024, 42 of 256.
//   - 256 WebSocket connections, and at most three quarters of the TCP connections. One
//     more closes the one that was silent the longest (1013). Silence of 1 h closes a
//     connection (1000). One that has subscribed must answer pings within 75 s instead.
//   - An event that waits for 10 s closes its connection (1013), with the reason that the
//     client is too slow. A message that cannot be written within 20 s, and 1 s more for
//     each 256 KiB, ends it without a close frame. The log has each connection that the
//     node ends because of its client, with the reason.
//
// # Backup
//
// GET /backup streams the whole ledger as of one moment, pool included, to a client with all
// scopes. Config.Backup writes it. It does not have the node's secret key, but it has the URLs of
// other nodes with their tokens, which the command backup leaves out. It reads a snapshot of the
// database, holds no lock, keeps 256 KiB in memory, and rests as long as it works, 100 ms at most,
// so that the node goes on. It takes a place of a WebSocket connection. One runs at a time, and
// another is a 503. It ends if the client reads nothing for 20 s. While it lasts the disk keeps
// what compaction would free. A backup that fails ends its connection without the last chunk.
//
// # Access
//
// The guard checks Host, Origin and token on every route, by the rules in access.go. Only
// /healthz and /readyz answer a request without a Host, since old health checks send none.
// The page is served to all, since it holds nothing of the node. A missing or wrong token
// is a 401 with WWW-Authenticate (RFC 6750), a foreign origin a 403, a wrong Host a 421.
//
// The node's own token admits to all. Other tokens have a scope (scope.go): read is for the ops
// that only read, subscribe and /metrics; submit is for merge of transactions; all has the rest
// too. The table in ops.go has the scope that each op needs. time needs none. An op beyond the
// token's scope is a 403 that names the scope. A token is looked up for each message, and each
// second while its client is connected, which does not count as a use. When it is revoked, its
// connections are closed (1008), and its streams of events and backups end. Of the tokens in one
// request four are looked up. A refusal tells the client how it may be admitted. It is logged, the
// same one at most every 10 s, and 16 different ones in that time. The last one is in info.
//
// # Files
//
// listen.go opens the port and accepts clients while there is room. server.go has the
// Server, its routes, the guard, /healthz and /readyz, and the places of connections.
// access.go has the rules of admission, scope.go what a token admits to. conn.go reads
// and answers the messages of a connection, message.go parses them, ops.go finds their
// ops, reply.go makes the JSON, and write.go writes it. The ops are in the files
// ops_*.go by subject: ops_chain.go (pool and blocks), ops_tx.go, ops_accounts.go,
// ops_merge.go, ops_build.go (template, submit) and ops_node.go (info, peers). final.go
// has the ops and events about final blocks and votes, samples.go the op samples, and
// short.go finds what shortened IDs mean. http.go answers HTTP with the ops, metrics.go
// has /metrics, and backup.go has /backup.
package rpc
