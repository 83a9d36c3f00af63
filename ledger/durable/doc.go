// Package durable writes files that a power cut does not take back. When [Create],
// [Replace] or [SyncDir] has returned without error, what it wrote is on disk: the
// contents, and the name in its directory. [Slots] holds a value that changes often.
// [SameOwner] gives what an administrator wrote to the user of a node.
//
// # Files
//
// durable.go writes files and syncs directories. place_other.go and place_windows.go put
// a file in its place. On Windows that itself waits for the disk. slots.go has Slots.
// owner_unix.go has SameOwner, which does nothing on Windows (owner_windows.go).
package durable
