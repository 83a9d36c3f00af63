// Package sync keeps the chain and the pool of this node equal to those of its
// peers. Gossip is the fast path and may lose. Comparing status with every peer and
// fetching what is missing is the guarantee. The package knows no rule of the
// ledger and asks [chain.Chain] about them.
//
// # A block's way to another node's disk
//
// The builder announces a header before it has written the block (publish.go), and
// gossip passes it on. Another node checks it, notes the block as incoming, so that
// its own builder holds back, and gives the header to its chain (receive.go). If the
// parent is unknown, the headers between are fetched first (headers.go). The peer
// that sent the header is a source of the body now (peer.go). The body fetcher finds
// that the branch would win (bodies.go), and chooses a source for each of its bodies
// (branch.go). It asks for the short IDs of the transactions, fills the block from its
// pool, and asks for what it lacks (relay.go). That is little, since pools are compared too (pool.go). Each question is a
// stream (stream.go) with one message each way (wire.go). The peer answers from its
// chain or, as soon as it has the body, from memory (serve.go). The chain applies and
// writes the block. Each part owns and locks its state, and syncer.go runs them all.
//
// So a hop costs one round trip and no disk. Only the peer that announced a header
// is asked for short IDs. It saw the header before the asker did, so waits cannot
// form a cycle. Other peers that may have the block are asked for the whole body,
// which waits for nothing.
//
// # Comparing
//
// A peer is asked for its status every 4 s, which is also its sign of life. Of more than
// three peers only three are asked in that time, in turn, and beside them each
//   - of which nothing, or no status line, came for 4.25 s
//   - whose line shows another tip or size of the pool than its last answer or this node has
//   - whose last answer showed another pool of that size
//
// Two silences in a row end the connection. A peer that sends anything meanwhile is not
// silent but busy (bytes that arrive are life): on a slow line its answer waits behind
// that. When the status shows more blocks, the headers after a locator are fetched, then
// bodies of branches that would win, from several peers at once. When it shows more of
// the pool, keys are compared and transactions fetched. A cursor moves only past
// transactions that are held, in the chain, or refused for good. Nothing is asked of an
// empty pool, nor for a minute of one whose digest is this pool's: transactions can be made
// so that two pools have one digest.
//
// # Validators
//
//	topic   condition                                     answer
//	tx      over 64,000 bytes, 1,000 transactions or      Reject, and the peer is banned
//	        128 signed ones; none; not the one encoding
//	tx      a field or a signature breaks a rule          Reject, and the peer is banned
//	tx      known, in conflict, expired, cannot be paid   Accept, since each pool decides for itself
//	block   over 512 bytes, or not a sealed header        Reject, and the peer is banned
//	block   wrong version, bits, proof of work, builder   Reject, and the peer is banned
//	        or signature
//	block   known, parent unknown, on a losing branch     Accept, since it has work and a signature
//
// # Limits
//
// A peer that was asked is quiet when it has sent nothing for a second, or less than
// 16 KiB a second. Then another is asked beside it, a second later two more, then four.
// So thirty silent or slow peers cost some seconds. On a slow line, where bytes arrive,
// no more is asked for than comes through. Gossip does not count here: a peer that
// gossips and answers nothing is quiet. One that has sent parts of bodies, or short IDs of
// at least 120 transactions, is also quiet when a body takes it a second longer than four
// times as long as those, whatever else it sends meanwhile. So a source that stops delays
// a block by less than 2 s where its pace is known, and else as on a line of 16 KiB a
// second, 5 s for 1,000 transactions. A body that waits for a place is not asked for yet.
//
// Peers that deliver are asked first. One that was quiet about a body that another sent
// within a second is asked after others, and one that sent nothing for 3 s counts as silent.
//
// A peer is banned for an answer that no honest node sends. It is penalised when it is
// silent on headers or bodies, or when it lacks bodies of the chain in its own status 8
// times in a row. Then it is not asked for 5 s, and twice as long each further time, up
// to 5 minutes, until it delivers. It need not have the body of a header that it only
// passed on. A body that no peer delivered is asked for again after up to 5 s, or when
// a peer announces it or the tip of its branch. Branches of peers that deliver come
// first, so that no number of headers without bodies hides them.
//
//	each message has its own limit, 2 MiB at most     the sender is banned
//	1 MiB of transactions in an answer                the rest is asked for again
//	10 s of silence, and 1 s for each 64 KiB          the exchange failed, the peer was silent
//	64 requests answered at once                      the next waits 10 s, then its stream is reset
//	12 requests answered at once for one peer         the next is reset
//	2 s that a question for short IDs waits           "unknown", and the asker asks another peer
//	50,000 gossiped transactions wait for the disk    dropped and counted, comparing brings them
//	1,024 gossiped headers wait for the chain         the topic's own queue fills, see package gossip
//	4 bodies asked of one peer, one over a slow line  the next waits
//	512 transactions of a body asked for at once,     the rest is asked for next; twice as many when
//	16 to all of it                                   they came within 0.3 s, half when it took over 1 s
//	8 bodies kept that came in part                   the oldest is fetched from its beginning
//	2 minutes in which a peer sends, and no status    the connection ends
//	8 branches fetched at once, 512 blocks of each,   the rest waits for the fork choice
//	6 where no peer that delivers has the tip
//	64 small blocks or 2 of the largest of a branch   the next is asked for when the chain took one
//	wait for the chain
//	20,000 headers without bodies                     the rest is fetched when bodies are here
//	2 peers asked for headers, 2 for pools, for 30 s, the next waits for its turn
//	quiet ones not counted
//	64 headers of a peer that delivered none yet      the rest is asked for when they are here
//	4 blocks held that the chain may not have         the oldest is forgotten, "unknown" if asked for
//	64 incoming blocks                                the oldest is forgotten, and a rival may be built
//	64 blocks that a peer announced                   the oldest is forgotten
//	100,000 bodies that no peer delivered             the oldest is asked for at once
//	50,000 keys of pools, and 64 last blocks of each   the oldest are forgotten; of 256 peers, all
//	peer, of which it is remembered when they came
//
// An answer with transactions of a block reads only the records that hold them, 128
// transactions each, and not the whole block.
//
// What is dropped is counted ([Counters]).
package sync
