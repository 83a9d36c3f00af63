package sync

import "time"

// A Progress is how far a node has caught up with its peers.
type Progress struct {
	Blocks uint64 // of its chain
	Best   uint64 // of the longest chain that a connected peer claims to have
}

// Progress reports how far this node has caught up. It returns false while at
// most maxNewHeaders blocks are missing, which come by gossip.
func (s *Syncer) Progress(now time.Time) (Progress, bool) {
	p := Progress{Blocks: s.Chain.Tip().Blocks, Best: s.bestBlocks(now)}
	if p.Best <= p.Blocks || p.Best-p.Blocks <= maxNewHeaders {
		return Progress{}, false
	}
	return p, true
}

// bestBlocks returns the length of the longest chain that a peer claims to have.
// A penalised peer, which did not deliver, is not believed.
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
