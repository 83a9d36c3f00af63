// Package chain owns the ledger of one node: it takes transactions and blocks,
// chooses between branches, and answers queries about the chain. The rules are in
// package ledger, the order of the pool in pool, the records in store.
//
// [Open] returns a [Chain]. It is safe for concurrent use. One lock covers tip and
// pool, and is held until a change is on disk, so what a reader finds in the
// pool is durable. Readers of the chain take no lock: [Chain.View] is a snapshot
// of the last published tip.
//
//   - [Chain.Submit] takes transactions into the [Pool]. When it returns they are
//     on disk; calls at the same time share one fsync. A transaction that cannot
//     be paid yet waits, and holds up no other.
//   - [Chain.AddHeaders], [Chain.AddBlock] and [Chain.AddBlocks], which writes a
//     run of blocks with one fsync, take what peers send. The chain switches to
//     the valid branch with the most work, then the lower hash
//     ([ledger.CompareTips]): whatever the order of arrival, nodes that hold the
//     same blocks hold the same chain. All of a branch is tried over an overlay
//     in memory before any of it is written.
//   - [Chain.MergeBlocks] takes what clients send, also blocks in the original's
//     form, which this node's builder seals.
//   - [Chain.Changed] returns a channel that is closed at the next change, and a
//     [Cursor] follows the chain across reorgs. [Chain.Template] packs what is
//     payable for a builder.
//   - [Chain.Run] keeps the running time and lets waiting transactions expire. It
//     also fills the filter of known keys, without which each new transaction
//     asks all of LevelDB's tables for an ID that is not there.
//
// Inside, the chain has four parts. The pool decides what is taken (pool.go,
// submit.go). The forks find blocks on and beside the chain (forks.go). A reorg
// writes the steps of one change of the tip (reorg.go). What readers see is
// published after each commit, under a lock of its own (published.go).
//
// # A transaction's way to the disk
//
// Submit checks fields and signatures outside the lock (ledger), and queues the
// transactions. The first call in the queue takes the lock and decides on all
// that wait: known, in the chain, refused, or new (submit.go). The new ones go
// into the pool's order (pool) and into one record of the batch (poolrecords.go),
// and the batch is written and synced (store). Then every call in it returns.
//
// # A block's way into the chain
//
// AddBlocks checks headers and bodies outside the lock, links each header to its
// parent (forks.go), and asks whether its branch wins. A block on the tip, and a
// branch that wins, take the same way: every block is applied to an overlay
// (ledger), and when all hold, each step is one batch that moves the tip by one
// block, and its transactions from the pool to the chain or back (reorg.go). So
// a crash at any point leaves a valid tip and every accepted transaction once.
//
// # Failure
//
// A write that fails stops the chain for good ([Chain.Failed]): the node must end,
// and open the store again. So does a read that meets damage. [Verify] derives
// everything again and reports what is wrong; [Repair] makes a new store from
// what is whole. What was accepted does not disappear silently: it is in the
// pool, in a block, or [Chain.Receipts] returns the reason why it is gone.
//
// # Limits
//
// The pool holds at most [MaxPool] transactions, of which [MaxWaiting] may be
// waiting; beyond that new ones are refused, and what a reorg returns to the pool is not.
// Memory holds the pool, up to 100,000 side headers and 10,000 marks of failed
// blocks, the state of the last branch that turned out to be bad (up to 2,000,000
// transactions), and what store and ledger keep: nothing that grows with the chain.
package chain
