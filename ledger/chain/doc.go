// Package chain owns the ledger of one node. It takes transactions and blocks,
// chooses between branches, and answers queries about the chain. The rules are in
// package ledger, the order of the pool in pool, the records in store.
//
// [Open] returns a [Chain]. It is safe for concurrent use. One lock covers tip and
// pool, and is held until a change is on disk, so what a reader finds in the
// pool is durable. Readers of the chain take no lock: [Chain.View] is a snapshot
// of the last published tip.
//
//   - [Chain.Submit] takes transactions into the [Pool]. When it returns they are
//     on disk. Concurrent calls share one fsync. A transaction that cannot be paid
//     yet waits, and holds up no other.
//   - [Chain.AddHeaders], [Chain.AddBlock] and [Chain.AddBlocks] take what peers send.
//     The last writes a run of blocks with one fsync. The valid branch with the most
//     work, then the lower hash, becomes the chain ([ledger.CompareTips]). So nodes with
//     the same blocks have the same chain, in whatever order these arrived.
//   - [Chain.MergeBlocks] takes blocks from clients. This node's builder seals those in
//     the original's form.
//   - [Chain.Changed] returns a channel that is closed at the next change, and a
//     [Cursor] follows the chain across reorgs. [Chain.Template] packs what is
//     payable for a builder.
//   - [Chain.Run] counts the running time and lets waiting transactions expire. It also
//     fills the filter of known keys. Without the filter each new transaction looks for
//     its ID in all of LevelDB's tables.
//
// Each change of tip or pool has a value that lives until the change is on disk: an
// intake of submissions (submit.go), a reorg (reorg.go) or a merge of a client's blocks
// (merge.go). It acts on the parts of the chain: the pool (package pool) with its records
// (poolrecords.go), the blocks beside the chain (forks.go), and the store. The state for
// readers is published after each commit, under a lock of its own (published.go). A
// [Pool] and a [Book] are handles without state of their own. On a network that names
// builders, [Votes] makes the chain obey their votes (votes.go).
//
// # A transaction's way to the disk
//
// A connection of package rpc reads a message (conn.go there), divides it into op and
// args (message.go), and finds the op's method (ops.go). That of merge reads the
// transactions with [ledger.ParsePool] (ops_merge.go) and calls Submit (submit.go).
// Submit checks fields and signatures (package ledger), still outside the lock, and
// queues the transactions. One of the queued calls takes the lock and decides on all of
// them: held already, refused, or new. A new one goes into the pool's order at once
// (package pool), since the next may spend what it brings. All new ones go into records
// of one batch (poolrecords.go). commit (chain.go) writes and syncs it through package
// store. Then publish (chain.go) shows readers the new state (published.go), and all
// queued calls return. The reply becomes JSON (reply.go of rpc), and a second goroutine
// of the connection writes it (write.go).
//
// # A block's way into the chain
//
// AddBlocks (blocks.go) checks headers and bodies outside the lock (package ledger).
// Under the lock it links each header to its parent (forks.go). A block on the tip is
// applied by a reorg of one step. Any other is staged in the store, header and body, and
// stays there until its branch wins, fails or is evicted. Then the fork choice asks
// whether the best branch through it wins. If it wins, a reorg moves the tip to it
// (reorg.go). If the branch begins below the tip, it is first tried as a whole, over an
// overlay in memory (package ledger). One that begins on the tip needs no trial, since
// its valid part may stay. Then each step is one batch, which commit (chain.go) writes.
// It moves the tip by one block, back to the fork and up the branch, and the block's
// transactions from the pool to the chain or back (poolrecords.go). So a crash at any
// point leaves a valid tip and every accepted transaction once. After the last step the
// pool is brought to the new tip (package pool), and publish (chain.go) shows both to
// readers (published.go).
//
// # Failure
//
// A write that fails stops the chain for good ([Chain.Failed]), and so does a read that
// meets damage. The node must end, and open the store again. [Verify] derives everything
// again and reports what is wrong. [Repair] makes a new store from what is whole. Every
// accepted transaction is in the pool or in a block, or [Chain.Receipts] returns why it
// is gone.
//
// # Limits
//
// The pool takes new transactions up to [MaxPool], of which [MaxWaiting] may be waiting.
// Transactions that a reorg returns to the pool are taken beyond these bounds. Memory
// holds the pool, up to 100,000 side headers and 10,000 marks of failed blocks, the state
// of the last invalid branch (up to 1,000,000 transactions), and what store and ledger
// keep. Only the store's filter of keys grows with the chain.
//
// The disk holds up to 1,000,000 transactions of blocks beside the chain. The winning
// branch of which most is here does not count, so that a branch of any length can be
// fetched. At this bound and at that of the side headers the ends of branches are evicted,
// header and body, those with the least work first. Blocks on a block that broke a rule are
// deleted at once. An evicted branch that wins later is fetched again, since peers on it
// send its headers.
//
// # Files
//
// chain.go has the Chain, from Open to Close. open.go checks what the store holds when
// it is opened. pool.go and book.go have the handles Pool and Book, cursor.go the
// Cursor. verify.go has Verify, repair.go has Repair, and rebuild.go fills its new
// store. The other files are named above, where they have their part.
package chain
