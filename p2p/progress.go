package p2p

import (
	"sync"
	"time"
)

// A Progress is how far a node is that catches up with its peers.
type Progress struct {
	Blocks uint64        // of its chain
	Best   uint64        // of the longest chain that a connected peer tells of: its claim
	Rate   float64       // transactions a second that came in blocks during the last paceWindow
	Left   time.Duration // until all blocks are here at that pace; 0: none came lately, or it is beyond years
}

// Progress reports how far the node has caught up. It is not catching up, false,
// while at most maxNewHeaders blocks are missing: so many come by gossip.
func (n *Node) Progress() (Progress, bool) {
	s := n.sync.Load()
	if s == nil { // Run has not begun
		return Progress{}, false
	}
	return s.progress(time.Now())
}

func (s *syncer) progress(now time.Time) (Progress, bool) {
	p := Progress{Blocks: s.chain.Tip().Blocks, Best: s.bestBlocks(now)}
	if p.Best <= p.Blocks || p.Best-p.Blocks <= maxNewHeaders {
		return Progress{}, false
	}
	var blocks float64
	blocks, p.Rate = s.fetched.rates(now)
	const years = 1e9 // seconds: 30 of them
	if left := float64(p.Best-p.Blocks) / blocks; blocks > 0 && left < years {
		p.Left = time.Duration(left * float64(time.Second))
	}
	return p, true
}

// bestBlocks is the length of the longest chain that a peer tells of. One that
// told of blocks and did not deliver them is not believed.
func (s *syncer) bestBlocks(now time.Time) uint64 {
	var told []syncStatus
	s.mu.Lock()
	for _, r := range s.remotes {
		if !now.Before(r.benched) {
			told = append(told, r.status)
		}
	}
	s.mu.Unlock()
	best := uint64(0)
	for _, st := range told {
		if s.chain.FailedBlock(st.Tip) == nil {
			best = max(best, st.Blocks)
		}
	}
	return best
}

// paceWindow is over how many seconds a pace is measured.
const paceWindow = 10

// A pacer counts what came in each of the last seconds.
type pacer struct {
	mu      sync.Mutex
	seconds [paceWindow]struct {
		at          int64 // Unix time
		blocks, txs int
	}
}

// add counts blocks, and their transactions.
func (p *pacer) add(now time.Time, blocks, txs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.seconds[now.Unix()%paceWindow]
	if s.at != now.Unix() {
		s.at, s.blocks, s.txs = now.Unix(), 0, 0
	}
	s.blocks += blocks
	s.txs += txs
}

// rates gives blocks and transactions a second: since the first one of the
// window, and over a second at least.
func (p *pacer) rates(now time.Time) (blocks, txs float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	span := 1.0
	for _, s := range p.seconds {
		if s.at > now.Unix()-paceWindow && s.at <= now.Unix() {
			blocks += float64(s.blocks)
			txs += float64(s.txs)
			span = max(span, now.Sub(time.Unix(s.at, 0)).Seconds())
		}
	}
	return blocks / span, txs / span
}
