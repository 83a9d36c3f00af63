// Package term is what people see of the program: tables that are aligned by
// terminal cells, colours, a line that is drawn over again, and errors with a hint.
//
// Colours appear on a terminal alone. Equal hashes have equal colours. Text of other
// nodes never moves a cursor: what is not printable is replaced. An error has its
// reason, and on a line of its own what to try ([Hint]).
//
// # Output is a courtesy
//
// What a program that runs writes for people never blocks it, ends it or fails its
// start or end, and is never written under a lock. An [Output] has one goroutine that
// writes, and a queue of 1 MiB and 5,000 lines. Lines beyond that, and lines that could
// not be written (the disk is full, their reader is gone), are dropped and
// counted; the count is reported once the output flows again. At the end a program
// waits 500 ms for its output, and so does a command that is told to end ([Until]).
package term
