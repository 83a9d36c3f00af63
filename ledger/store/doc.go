// Package store keeps a ledger in LevelDB: blocks, balances, pool, receipts and the
// address book. It knows no rule and has no lock. Package chain is its only
// writer; readers use a [View], which is a snapshot of one tip.
//
// # Layout
//
// The table at the top of schema.go has every key and its value. A [Reader] reads these
// records, of the database or of a snapshot of it. A [Store] reads as of the last commit,
// from memory if it can. A [Batch] collects the writes of one step. [Batch.Write] writes
// all of them or none. Each batch has a commit counter, so that a gap in LevelDB's
// journal shows at the next start.
//
// # Files
//
// store.go has the Store and its batches, reader.go the reads of database and snapshot,
// view.go those of a View, and locator.go how a peer finds the fork with a chain.
// records.go has the encoding of the values, receipts.go the receipts, and votes.go the
// builders' certificates and evidence. filter.go has the filter that recognises most
// absent keys without a disk read. copy.go reads the whole store for a backup, and loads
// one. leveldb.go and files.go open the database and keep it durable, within the files
// that the process may open (openfiles.go, openfiles_unix.go, openfiles_other.go).
// salvage.go opens the whole files of a damaged one.
//
// # Power cuts
//
// A power cut may lose only what was not synced, and only from the end. LevelDB does not
// guarantee that in two cases, which files.go handles. [Open] opens strictly. If the end
// of a journal or of the manifest is torn, it opens without that end and reports it in
// [Opened]. Any other damage is [ErrDamaged], at once or when a read meets it.
//
// # Limits
//
// Memory holds LevelDB's buffers and caches (some 40 MiB), the accounts used last (17 MiB)
// and the filter of known keys. Only the filter grows with the chain: 8 MiB for up to 3.3
// million accounts and transactions, 24 MiB for up to 10 million, and so on.
package store
