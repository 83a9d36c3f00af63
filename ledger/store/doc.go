// Package store keeps a ledger in LevelDB: blocks, balances, pool, receipts and the
// address book. It knows no rule and has no lock. Package chain is its only
// writer; readers use a [View], which is a snapshot of one tip.
//
// # Layout
//
// The table at the top of schema.go has every key and its value. A [Reader] reads
// these records, of the database or of a snapshot of it. A [Store] reads as of the
// last commit, and answers from memory what it can. A [Batch] writes: before
// [Batch.Write] returns nothing of the step exists, after it all of it does. Each
// batch carries a commit counter, so that a hole in LevelDB's journal shows at the
// next start.
//
// records.go has the encoding of the values, receipts.go the receipts, filter.go
// the filter that knows most absent keys without a disk read, leveldb.go and files.go
// how the database is opened and kept durable.
//
// # Power cuts
//
// A power cut takes only what was not synced, and from the end. LevelDB leaves two
// gaps in that, which files.go closes. [Open] opens strictly. Where that fails over
// the end of a journal or of the manifest, it opens without that end and reports it
// as [Opened]. All other damage is [ErrDamaged], at once or when a read meets it.
//
// # Limits
//
// Memory holds LevelDB's buffers and caches (some 40 MiB), the filter of known
// keys (8 MiB) and the accounts that were used last (17 MiB), and nothing that
// grows with the chain.
package store
