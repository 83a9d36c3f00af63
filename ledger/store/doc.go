// Package store keeps a ledger in LevelDB: blocks, balances, pool, receipts and
// the address book. It knows no rule and has no lock. Package chain is its only
// writer; readers use a [View], which is a snapshot of one tip.
//
// schema.go has the table of keys. Everything that one step changes is in one
// [Batch]: before [Batch.Write] returns none of it exists, after it all of it
// does. Each batch carries a commit counter, so that a hole in LevelDB's journal
// shows at the next start.
//
// # Power cuts
//
// A power cut takes only what was not synced, and from the end: files.go closes
// the gaps that LevelDB leaves open there. [Open] opens strictly. Where that
// fails over the end of a journal or of the manifest, it opens without that end
// and reports it as [Opened]. All other damage is [ErrDamaged], at once or when a
// read meets it.
//
// # Limits
//
// Memory holds LevelDB's buffers and caches (some 40 MiB), the filter of known
// keys (8 MiB) and the accounts that were used last (17 MiB), and nothing that
// grows with the chain.
package store
