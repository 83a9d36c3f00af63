// Package rpc is the interface of a node to programs and people: JSON ops over a
// WebSocket at /ws, the node's page at /, and /healthz, /readyz and /metrics,
// all on one port. It answers from the chain (package chain) and from two
// small interfaces, Peers and Sealer, that the program fills in. It never
// gossips: the p2p side watches the chain itself. The JSON shapes are in package
// api, the page in web.
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
// The original's ops, whose replies are exact:
//
//	pool      start (arrival number, 0), limit      {"pool":[tx…]}
//	blocks    start (negative: from the end), limit {"blocks":[block…]}
//	peers                                           {"peers":[url…],"nodes":[Node…],"former":[…]}
//	register  addr: one or a list                   202
//	merge     pool or blocks: a list                202
//	time                                            {"time":…,"time_zone":…}
//
// A 202 is {"status":202,"error":"Accepted"} without a response. A merge of
// which some transactions were refused has "refused":[{index,id,reason}…]
// beside it (and "refused_left_out", a count, where they would not fit). If all were
// refused the status is 500, with the same. With carried true they are such as another
// node accepted, and a client carries them: what expired here stays gone, and the node
// gives them to others as it does what it got from a peer.
//
// And ours:
//
//	info                                 the node, see below
//	forget    node                       202: a node that is not connected is dropped
//	tx        id, sender                 {"state","tx",…,"others":[…]}
//	told      id, sender                 {"id","here","peers":[{"id","name","told","had","by"}…]}
//	block     hash or height             {"block","on_chain","confirmations","final",…}
//	branches  start, limit (1000)        {"headers":[block…]}
//	samples                              {"time","blocks","txs","pool","peers","bytes"}
//	account   account, limit, from       {"account","kind","balance","history":[…],"next"}
//	accounts  by, prefix, limit, from    {"accounts":[…],"next"}
//	statement account, limit, from       {"account",…,"blocks","tip","lines":[…],"next"}
//	template  max, items, only_state     {"state","number","header","header_cbor","items"}
//	submit    number, nonce              202 with response {"height","hash"}
//	proof     id, sender                 a proof of a transaction, see package proof
//	evidence                             {"evidence":[Evidence…]}
//	certificates start (a view, 0)       {"certificates":[hex…],"evidence":[[hex,hex]…],"next"}
//	certify   certificates, evidence     202
//	subscribe events, from, after, items, from_final, id, sender
//	                                     {"events","from","from_final"}, then events
//
// blocks with items false returns headers, with count in place of the items.
// branches returns the headers known here that are not on the chain, from the
// height start on (negative: from the end), lowest first: what lost, and what is
// still being fetched. samples is the last hour, a list for each thing, one
// sample each 10 s: time in Unix seconds, blocks of the chain, transactions and
// bytes between nodes counted since the start.
//
// A node whose status line is over 5 s old, where one is due each 4 s, is late, and its
// connections are in no links. A reason of a node or of last_refusal is a sentence in English. Beside it are
// reason_code (one of api.Reasons) and reason_args, from which a page makes the sentence
// in another language.
//
// former are at most 256 nodes that were once connected and are forgotten since, {node_key,
// name, seen}, so that builders of old blocks keep their names, until forget is asked for
// them once more. It is absent where there are none.
//
// info: name, version, network {name, id, bits, issuers, issuer (the first of
// them, which the commands call so), builders, keyed_only,
// and where they are set no_self_pay, credit, credit_default, max_unfinal};
// node_key (what its blocks name as builder), peer_id, multiaddrs, ws (its URL
// as the asker reaches it); blocks, tip (its hash, the network's ID while there
// is none), tip_built (the builder's claim, or null; tip_time is the same in Unix
// milliseconds, as blocks have it),
// tip_since (when it became the tip here), work (decimal text); pool, payable,
// waiting, expired, next_arrival, oldest_payable (or null); peers (connected),
// nodes (all it knows of), missing (null, or {count, of, since, nodes: [{id, name,
// since}…]}: how many of how many nodes, this one among them, have not answered
// lately, since when all of them, and the first 8, see package p2p), builds, block_txs
// and max_wait (when the node's own builder builds, absent where it has none); sync (null, or how far it has caught up: best
// (blocks of the longest chain that a peer claims) and behind); reorgs, deep_reorgs,
// rivals (since start); side_headers (as branches lists them); connections,
// refusals, last_refusal {time, remote, origin, reason, reason_code,
// reason_args} or null; disk_free (bytes
// left for the data directory, in whole 16 MiB, or null); copied (in words, that
// another node runs with this one's key, or empty); started, uptime, time. Times are Unix seconds unless
// noted.
//
// On a network with finality (package finality) info has final too (null, or the last
// final block: height, hash, view, time, signers, names (of the signers), need and
// builders) and voting (view, need,
// builders, away: those not heard of for 12 s, members: all with their names and of those
// away since when, evidence: those that are proven to have broken the rules, mute, twice,
// and votes seen by kind). blocks has final too, the height of the last final block or
// null. block, a confirmed tx and each entry of a history have final, a boolean. The first
// two have also final_by, the certificate that made the block final, as the event final has
// it, or not_final {need, builders, away}, who is needed. A block that is final is never
// taken back. A name is what the builder's node calls itself, with the first digits of the
// key where two do so alike, or these digits alone where no status came. The times are of
// this node: when a certificate came here, 0 where an older program took it, and when a
// builder was last heard of.
//
// certificates are those from which a node goes on: of the last final block, and of the
// votes after it. certify takes them from a file, as from a peer (package p2p/vote): each
// is verified, and what is final then is never taken back. The reply comes when the node
// obeys them, or after 5 s where the blocks are not here. A certificate that contradicts
// a final block of this chain is an error, and changes nothing. Both are errors on a
// network without finality.
//
// On other networks these are absent. block and a confirmed tx have seen_on {on, of,
// unknown} there: of how many nodes that are connected or heard of, this one included, the
// last reported tip is the block or descends from it, and of how many that is not known,
// since their tip is not here, or over 100 blocks beside the chain.
//
// The hash of block, the id of tx and the account of account may be short: the first
// digits, 4 at least, or both ends with "…" between them, where only one fits. Else
// the error names up to 4 that do. It costs a seek for each that begins alike, at most
// 1,000, and for tx and account one pass over the pool.
//
// tx: state is "waiting" (with reason, arrival and age in seconds), "pooled"
// (arrival, age), "confirmed" (block {height, hash, index}, confirmations), or
// "gone" (reason, time). An ID is unique among open senders and for each keyed
// one; where more than one transaction has it, "others" has the rest. account:
// kind is issuer (balance null; minted and redeemed as decimal text), keyed or
// open; where an account may owe, may_owe is how far below 0 the balance may go;
// history has {direction: in, out or self, tx, block, confirmations},
// newest first, and next is the from of the rest.
//
// accounts: what each account of the chain holds, as the op account has it, at most 1,000
// in a reply, of all or of those that begin with the hex digits prefix. By account they
// are in that order. By balance the richest come first, after the issuers, and where two
// hold the same the lower account. next is the from of the rest. While balances change,
// a page by balance may repeat an account of another, or miss one.
//
// statement: what the account holds as of blocks and tip, and lines {height, index, t, id,
// with, direction, amount}, newest first, at most 10,000. next has the hash of its block,
// and as from it is refused once that block left the chain. So all pages together are the
// account as of the first page's tip. final is the height of the last final block, on a
// network with finality.
//
// template: state has blocks, tip, payable, oldest_payable and since_tip
// (seconds), rank, allowed and coming (another builder's block is on its way, and a
// block built now would compete with it). header_cbor is what is hashed, in hex: its last
// 8 bytes are the nonce to be found. number 0: nothing is payable.
//
// # Events
//
// A connection has one subscription. A new one replaces it, and an empty list ends
// it. Its events follow the reply, with n rising by one:
//
//	{"event":"block","n":17,"data":{"change":"in","block":{…}}}
//
// block: "out" for each block that left the chain, highest first, then "in"
// for each that joined it; headers with count, or whole with items. It begins
// at the height from (negative: from the end), or with the next new block; the
// reply's from is that height. Or behind the block after, {"height","hash"}, which
// takes precedence over from: so a client that was dropped continues, at this node or
// another. After is the last block of the chain as events showed it: of "in" the block
// itself (other keys in after are ignored), of "out" the one below, {"height": height
// - 1, "hash": prev_hash}, -1 and null below the first. If it left the chain meanwhile,
// the events begin with "out". A 404 means that the node does not know it. Then give
// the one before it, or from.
//
// status: as info. peers: as peers, and links, which nodes are connected: pairs of
// places, 0 this node, n nodes[n-1], each once, at most 1225, and only those that
// both ends report now. Both at once, and again when something in them changed, at
// most once a second. When a node was last seen, of which each node tells every few
// seconds, is looked at every 4 s.
// pool: {size, waiting, added:[{arrival,waiting,tx}], changed:[{arrival,waiting}],
// removed:[arrival…]}: added has the pool at once, and follows its first
// 1,000 transactions; size and waiting count all; an entry's waiting is why it
// cannot be paid yet, or null.
//
// final: a block that became final, and with it all below it, as final of info has it.
// They begin at the height from_final (negative: from the end), or with the next block that
// becomes final. Either height is in the reply. A client that was dropped gives the height
// above its last one, at this node or another, and receives what it missed, lowest first.
// Certificates are kept of the last 10,000 heights, and below these of one in 64 heights. So
// one that was away for longer gets fewer events, and each covers the blocks below it. A
// client of block events has each block before it hears that it is final.
//
// evidence: that a builder signed two votes of which an honest one signs one at most:
// {builder, name, kind, view, votes}. Each of the two votes has what was signed in hex, and
// the builder's Ed25519 signature of it, so that anybody can verify it. The first of each
// builder is kept. These come at once, and then new ones. The op evidence lists them too. A
// network without finality has no events of these two kinds.
//
// told: how the transaction id (of sender) came to the peers, as the op told has it, at
// once and again when something of its peers changed, at most once a second, and nothing
// while it is not known. A subscription follows one, and has these events only where id is
// given. Each second of each costs one search of what is remembered: 1,024 messages of
// gossip and 50,000 keys of pools at most.
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
//     leaves ([store.Sockets]): 432 of 1,024, 48 of 256.
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
// See access: Host and Origin are checked on every route (only /healthz and /readyz
// answer a request without a Host, as old health checks send it), and off loopback
// all but the page's own files need the node's token, as ?token= or as
// "Authorization: Bearer". So does a request with a header that proxies set
// (Forwarded, X-Forwarded-…, X-Real-IP, Via and the like), wherever it comes
// from. The page is served to all, since it holds nothing of the node. It asks for the
// token, or takes it from "#token=…", which a browser does not send. A token that is
// missing or wrong is a 401 with WWW-Authenticate (RFC 6750), a foreign origin a 403, a
// wrong Host a 421. A client that gives a token must give a right one, wherever it is.
//
// The node's own token admits to all. Others have a scope (scope.go): read is all that
// asks, subscribe and /metrics; submit is merge of transactions; all has the rest too. The
// table in ops.go has what each op needs, and time needs none. An op without its scope is a
// 403 that names it. A token is looked up for each message, and each second (which is no use
// of it) while its client is connected: when it was revoked, its connections are closed (1008), its
// streams of events end, and so does a backup that it takes. Of the tokens that one request
// gives, four are looked at. A refusal has the way in, is logged (the same one at most every
// 10 s, and 16 different ones), and is in info.
package rpc
