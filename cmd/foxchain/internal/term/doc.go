// Package term is what people see of the program: tables that are aligned by
// terminal cells, colours, a line that is drawn over again, and errors with a hint.
//
// Colours appear on a terminal alone. Equal hashes have equal colours. Text of other
// nodes never moves a cursor: what is not printable is replaced. An error has its
// reason, and on a line of its own what to try ([Hint]).
package term
