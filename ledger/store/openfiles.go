package store

import (
	"errors"
	"syscall"
	"time"
)

const (
	OwnFiles     = 160 // the least for the ledger and the program: 64 tables, journals, compaction, logs
	leastTables  = 64
	mostTables   = 256 // 512 MiB, some 4 million transactions; opening one costs as much as reading from three
	leastSockets = 16  // of a port, if the process may open very few files
	filePatience = 10 * time.Second
)

// Sockets returns how many sockets each of a node's two ports may hold: half of the files
// that the process may have open (RLIMIT_NOFILE) and the ledger does not need. So
// connections, however many, leave the ledger its files.
func Sockets() int { return socketsOf(FileLimit()) }

func socketsOf(limit int) int {
	return max(leastSockets, (limit-OwnFiles-(tablesOf(limit)-leastTables))/2)
}

// tablesOf returns how many tables LevelDB may hold open, which is the least and an
// eighth of the files that the ledger does not need. Several ledgers of one process, as
// in a lab, share nothing: ten large ones hold 2,560 tables. The limit is the hard one,
// mostly ten thousand and more, since Go raises the soft one (256 on macOS) at the start.
func tablesOf(limit int) int {
	return min(mostTables, leastTables+max(0, limit-OwnFiles)/8)
}

// waitForFile calls open again while the process may open no more files, for filePatience
// at most. Such an error is no damage.
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
