// Package openfiles divides the files and sockets that the process may have open
// (RLIMIT_NOFILE) among those that need some. Nobody who connects may take what the
// ledger needs:
//
//	the ledger and the program itself   160: 64 tables, journals, compaction, logs
//	the port of WebSocket and page      half of the rest, 1,024 at most
//	the port for other nodes            the other half
//
// Where the process may open very little, each port still has 16.
package openfiles

import (
	"errors"
	"syscall"
	"time"
)

const (
	reserved = 160
	least    = 16
)

// Sockets returns how many sockets each of the two ports may hold.
func Sockets() int { return share(limit()) }

func share(limit int) int { return max(least, (limit-reserved)/2) }

// patience is how long Retry waits for a file.
const patience = 10 * time.Second

// Retry calls open until it fails by something else than a lack of files, for
// 10 s at most: what lacks one file for a moment is not damaged.
func Retry(open func() error) error {
	end := time.Now().Add(patience)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := open()
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) || time.Now().After(end) {
			return err
		}
		time.Sleep(wait)
	}
}
