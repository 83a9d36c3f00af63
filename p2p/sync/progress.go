package sync

import (
	"time"
)

// A Progress is how far a node is that catches up with its peers.
type Progress struct {
	Blocks uint64 // of its chain
	Best   uint64 // of the longest chain that a connected peer claims to have
}

func (s *Syncer) Progress(now time.Time) (Progress, bool) {
	p := Progress{Blocks: s.Chain.Tip().Blocks, Best: s.bestBlocks(now)}
	if p.Best <= p.Blocks || p.Best-p.Blocks <= maxNewHeaders {
		return Progress{}, false
	}
	return p, true
}

// bestBlocks is the length of the longest chain that a peer tells of. One that
// told of blocks and did not deliver them is not believed.
func (s *Syncer) bestBlocks(now time.Time) uint64 {
	var told []Status
	s.mu.Lock()
	for _, r := range s.remotes {
		if !now.Before(r.benched) {
			told = append(told, r.status)
		}
	}
	s.mu.Unlock()
	best := uint64(0)
	for _, st := range told {
		if s.Chain.FailedBlock(st.Tip) == nil {
			best = max(best, st.Blocks)
		}
	}
	return best
}
