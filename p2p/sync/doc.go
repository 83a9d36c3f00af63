// Package sync keeps the chain and the pool of this node equal to those of its
// peers. Gossip is the fast path and may lose; comparing status with every peer and
// fetching what is missing is the guarantee. The package knows no rule of the
// ledger: it asks [chain.Chain].
//
// # Parts
//
// A [Syncer] is made of parts that own their state and lock it: peers (peer.go),
// the fetchers of headers, bodies and pools, the publisher, the receiver and the
// server. The blocks that were fetched lately and those that are on their way
// (relay.go) are shared by them.
//
// # A block's way to another node's disk
//
// The builder announces a header before it has written the block
// ([Syncer.Announce], publish.go). Gossip passes it on, and a node that receives it
// notes that the block is on its way, so that its builder holds back
// ([Syncer.Coming], relay.go). It asks the peer that announced the header for the
// transactions' short IDs, fills the block from its pool, and asks for what it
// lacks (relay.go). The body goes to the chain, which applies and writes it
// (bodies.go, then package chain). A peer that is asked while it still fetches the
// body itself answers as soon as it has it, within 2 s, and before it applies it. So
// a hop costs one round trip and no disk.
//
// Only the peer that announced a header is asked for short IDs. It saw the header
// before the asker did, so waits cannot form a cycle. Other peers that may have the
// block are asked for the whole body, which waits for nothing.
//
// # Comparing
//
// Every 4 s each peer is asked for its status, which is also its sign of life: two
// silences in a row end the connection (peer.go). When the answer shows more blocks,
// headers are fetched after a locator (headers.go), then bodies of branches that
// would win, from several peers at once (bodies.go). When it shows more of the pool,
// keys are compared and transactions fetched (pool.go). A cursor moves only past IDs
// that are held, in the chain, or refused for good.
//
// # Validators
//
//	topic   condition                                     answer
//	tx      over 64,000 bytes, 1,000 transactions or      Reject
//	        128 signed ones; none; not the one encoding
//	tx      a field or a signature breaks a rule          Reject
//	tx      known, in conflict, expired, cannot be paid   Accept: the pool decides, each node for itself
//	block   not a sealed header, or over its limit        Reject
//	block   wrong version, bits, proof of work, builder   Reject
//	        or signature
//	block   known, parent unknown, on a losing branch     Accept: it has work and a signature
//
// # The sync protocol
//
// A stream carries one request and its answer, each a length-prefixed CBOR message
// (stream.go, wire.go) with a limit of its own, 2 MiB at most. An answer that no
// honest node sends gets its peer banned. A peer that is silent when asked for
// headers or bodies is not asked for 5 s, then twice as long each time, up to 5
// minutes; one that delivers is forgiven.
//
// # Limits
//
// 64 requests are answered at once, 12 for one peer. 50,000 transactions wait to be
// submitted. 4 bodies are asked of one peer at once, 64 blocks are remembered as on
// their way. What is over a bound is dropped and counted ([Counters]); comparing
// brings it later.
package sync
