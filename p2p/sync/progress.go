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
	best := uint64(0)
	for _, r := range s.peers.all() {
		st := r.latest()
		if !r.penalisedAt(now) && s.Chain.FailedBlock(st.Tip) == nil {
			best = max(best, st.Blocks)
		}
	}
	return best
}
