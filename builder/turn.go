package builder

import (
	"bytes"
	"crypto/sha256"
	"time"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// Slot is how long a builder waits for each builder whose turn is before its own. It is
// enough for a block to cross a local network.
const Slot = 150 * time.Millisecond

// patience is the longest that a builder waits for others' turns or for an announced
// block. So a node cannot delay blocks longer by withholding announced ones, or by using
// many keys.
const patience = 5 * time.Second

// Rank is how many of the live builders come before self in the order of
// SHA-256(tip || key), lowest first. self may be among them or not. A key
// that is there twice counts twice.
func Rank(tip ledger.Hash, self ledger.PublicKey, live []ledger.PublicKey) int {
	ours := place(tip, self)
	rank := 0
	for _, k := range live {
		if p := place(tip, k); bytes.Compare(p[:], ours[:]) < 0 {
			rank++
		}
	}
	return rank
}

func place(tip ledger.Hash, key ledger.PublicKey) [sha256.Size]byte {
	var b [len(tip) + len(key)]byte
	copy(b[:], tip[:])
	copy(b[len(tip):], key[:])
	return sha256.Sum256(b[:])
}

// Never as the second result of Config.Ready means that only a change makes a block due.
const Never time.Duration = -1

// Ready reports whether a block is due in the state s, which is when
//
//   - MinTxs payable transactions are there, and LeastTime has passed since the last
//     block or there is none, or
//   - a full block's worth is there, or
//   - the oldest payable one has waited MaxWait.
//
// If not, it returns after how long it will be due if nothing changes, or Never.
func (c *Config) Ready(s api.BuildState) (bool, time.Duration) {
	if s.Payable == 0 || !s.Allowed {
		return false, Never
	}
	if s.Payable >= ledger.MaxBlockTxs {
		return true, 0
	}
	wait := Never
	if s.Payable >= c.MinTxs {
		wait = 0
		if s.Blocks > 0 {
			wait = max(0, c.LeastTime-api.Duration(s.SinceTip))
		}
	}
	if c.MaxWait > 0 {
		if left := max(0, c.MaxWait-api.Duration(s.Oldest)); wait == Never || left < wait {
			wait = left
		}
	}
	return wait == 0, wait
}
