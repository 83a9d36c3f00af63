package store

import (
	"errors"
	"syscall"
	"time"
)

const (
	OwnFiles     = 160 // of the ledger and the program, at least: 64 tables, journals, compaction, logs
	leastTables  = 64
	mostTables   = 256 // 512 MiB, some 4 million transactions; to open one costs as much as to read from three
	leastSockets = 16  // of a port, where the process may open very few files
	filePatience = 10 * time.Second
)

// Sockets returns how many sockets each of a node's two ports may hold: half of the
// files that the process may have open (RLIMIT_NOFILE), without those that the ledger
// needs. So no number of connections takes a file from the ledger.
func Sockets() int { return socketsOf(FileLimit()) }

func socketsOf(limit int) int {
	return max(leastSockets, (limit-OwnFiles-(tablesOf(limit)-leastTables))/2)
}

// tablesOf returns how many tables LevelDB may hold open: beyond the least, an eighth of
// the files that the ledger does not need. Several ledgers of one process, as in a lab,
// share nothing: ten large ones hold 2,560 tables. The limit is the hard one, mostly ten
// thousand and more, since Go raises the soft one (256 on macOS) at the start.
func tablesOf(limit int) int {
	return min(mostTables, leastTables+max(0, limit-OwnFiles)/8)
}

// waitForFile calls open again while the process has no file left to open, for
// filePatience at most. A ledger that lacks a file for a moment is not damaged.
func waitForFile(open func() error) error {
	end := time.Now().Add(filePatience)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := open()
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) || time.Now().After(end) {
			return err
		}
		time.Sleep(wait)
	}
}
