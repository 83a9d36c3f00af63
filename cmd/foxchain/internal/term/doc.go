// Package term writes to terminals: tables aligned by terminal cells, colours, a line
// that is redrawn, and errors with a hint.
//
// Colours appear only on a terminal. Equal hashes have equal colours. Text from other
// nodes cannot move the cursor, since characters that are not printable are replaced. An
// error has its reason, and on a line of its own what to try ([Hint]).
//
// # Output is a courtesy
//
// The output of a running program for people never blocks it, ends it or fails its start
// or end, and is never written under a lock. An [Output] has one goroutine that writes,
// and a queue of 1 MiB and 5,000 lines. Lines beyond that, and lines that could not be
// written (the disk is full, the reader has ended), are dropped and counted. The count is
// reported once writing succeeds again. At the end a program waits 500 ms for its output,
// and so does a command that is interrupted ([Until]).
package term
