// Package sync keeps the chain and the pool of this node equal to those of its peers.
// Gossip is the fast path and may lose messages. Comparing status with every peer and
// fetching what is missing is the guarantee. The package knows no rule of the ledger. It
// leaves them to [chain.Chain].
//
// # A block's way to another node's disk
//
// The builder's node seals a block (package builder) and announces its header before it has written
// the block (syncer.go, publish.go). Gossip passes the header on. Another node checks it, notes the
// block as incoming, so that its own builder holds back, and gives the header to its chain
// (receive.go). If the parent is unknown, the headers between are fetched first (headers.go). The
// peer that sent the header is now a source of the body (peer.go). The body fetcher finds that the
// branch would win (bodies.go), and chooses a source for each of its bodies (branch.go). It asks
// for the short IDs of the transactions, 6 bytes each, fills the block from its pool, and asks for
// the transactions that it lacks (relay.go). These are few, since pools are kept equal too
// (pool.go). Each question is a stream (stream.go) with one message each way (wire.go). The peer
// answers from its chain or, as soon as it has the body, from memory (serve.go). The chain applies
// and writes the block (package chain). Each part owns and locks its state, and syncer.go runs them
// all.
//
// So a hop costs one round trip and no disk. Only a peer that announced a header is asked
// for short IDs. It saw the header before the asker did, so waits cannot form a cycle.
// Other peers that may have the block are asked for the whole body, and answer at once.
//
// # Comparing
//
// A peer is asked for its status every 4 s. The answer is also its sign of life. Of more
// than three peers about three are asked in that time, and also each peer
//   - from which nothing, or no status line, came for 4.25 s
//   - whose line shows another tip or pool size than its last answer or this node has
//   - whose last answer showed another pool of the same size
//
// Two silences in a row end the connection. A peer that sends anything meanwhile is busy
// and not silent, since on a slow line its answer waits behind other bytes. When the
// status shows more blocks, the headers after a locator are fetched, then bodies of
// branches that would win, from several peers at once. When it shows more of the pool,
// keys are compared and transactions fetched. A cursor passes only transactions that are
// held, in the chain, or refused for good. An empty pool is not compared, nor for a minute
// one with the digest of this pool, since transactions can be made so that two pools have
// one digest.
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
// A peer that was asked is quiet when it has sent nothing for a second. Gossip does not count,
// so a peer that gossips and answers nothing is quiet. For a body another is asked then, a
// second later two more, then four.
//
// Headers and pools are asked of two peers at once, and of two more for each that is quiet, or
// slow since it sends less than 16 KiB a second. So thirty silent or slow peers cost some
// seconds. Peers that share a line with less than that for each all count as slow, so the node
// asks more of them at once than the line can carry.
//
// The pace of a peer is known once it has sent 10 transactions of a body at once, or 117 short
// IDs within 0.3 s. It is then also quiet when a body takes a second more than four times what
// its pace gives, whatever else it sends. So a source that stops delays a block by less than 2
// s. If its pace is not known, it is given the pace of 16 KiB a second, 5 s for 1,000
// transactions. The time begins when the peer has a free place for the body.
//
// A peer is asked for page after page of headers, or of its pool, until it repeats headers or
// has none of the transactions that it named.
//
// Peers that announced a block, or the tip of its branch, are asked for it first, and of these
// those that deliver. One that was quiet while another sent the body within a second is asked
// after its equals, and one that sent nothing for 3 s counts as silent.
//
// A peer is banned for an answer that no honest node sends. It is penalised when it does
// not answer about headers, pools or bodies, or when it lacks headers or bodies of the chain
// in its own status 8 times in a row. Then it is asked for none of these for 5 s, and
// twice as long each further time, up to 5 minutes, until it delivers. It may lack the
// body of a header that it only passed on. A body that no peer delivered is asked for
// again after up to 5 s, or when a peer announces it or the tip of its branch. Branches
// of peers that deliver come first, so that no number of headers without bodies hides
// them.
//
//	each message has its own limit, 1 MiB and 16      the sender is banned
//	bytes at most
//	1 MiB of transactions in an answer                the rest is asked for again
//	10 s for a message, and 1 s more for each 64 KiB  the exchange failed, the peer was silent
//	of it that came
//	64 requests answered at once, without those for   the next waits up to 10 s, then its stream is
//	the status                                        reset. The peer with the most may lose its oldest,
//	                                                  if that is 5 s old, to a peer that has none or at
//	                                                  least two fewer
//	12 requests answered at once for one peer         the next is reset
//	2 s that a question for short IDs waits           "unknown", and the asker asks another peer
//	50,000 gossiped transactions wait for the disk    dropped and counted; comparing fetches them
//	1,024 gossiped headers wait for the chain         the topic's own queue fills, see package gossip
//	4 bodies asked of one peer, one over a slow line  the next waits
//	512 transactions of a body asked for at once,     the rest is asked for next; twice as many when
//	16 to all of it                                   they came within 0.3 s, half when it took over 1 s
//	8 partly fetched bodies kept                      the oldest is fetched from its beginning
//	2 minutes in which a busy peer sends no status    two silences more end the connection
//	8 branches fetched at once, 512 blocks of each,   the rest waits for the fork choice
//	6 where no peer that delivers has the tip
//	64 small blocks or 2 of the largest of a branch   the next is asked for when the chain has taken
//	wait for the chain                                one
//	20,000 headers without bodies                     the rest is fetched when bodies are here
//	2 peers asked for headers, 2 for pools, for 30    the next waits
//	s; two more for each that is quiet or slow
//	64 headers of a peer whose last were not new      the rest is asked for when they have come
//	4 blocks held that the chain may lack             the oldest is forgotten, "unknown" if asked for
//	64 incoming blocks                                the oldest is forgotten, and a rival may be built
//	64 blocks that a peer announced                   the oldest is forgotten
//	100,000 bodies that no peer delivered             the oldest is asked for at once
//	50,000 keys of pools, 64 tips of each of 256      the oldest are forgotten; at the next peer,
//	peers, remembered with the time                   the tips of all
//
// An answer with transactions of a block reads only the records that hold them, 128
// transactions each, and not the whole block.
//
// [Counters] counts what is dropped.
//
// # Files
//
// The block's way names the files of its steps. turns.go decides which peers are asked
// for headers and pools at a time, and when one is quiet or slow. sightings.go remembers
// when peers showed a transaction or a tip, for [Syncer.Passage].
package sync
