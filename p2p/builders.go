package p2p

import (
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
)

// builtLately is how many of the last blocks show which nodes build.
const builtLately = 64

// Builders returns the keys of the nodes that build now. Their status is at most
// 12 s old and has it so, and their blocks count. A key costs nothing, so only those
// count that built one of the last 64 blocks, or that this node is connected to.
// This node is among them when it builds.
func (n *Node) Builders() []ledger.PublicKey {
	now := time.Now()
	known := n.proven.keys()
	var keys []ledger.PublicKey
	for k, r := range n.statuses.table.records() {
		if k != n.pub && known[k] && r.line.Builds && now.Sub(r.at) <= liveTime && n.net.MayBuild(k) {
			keys = append(keys, k)
		}
	}
	if n.Builds() {
		keys = append(keys, n.pub)
	}
	slices.SortFunc(keys, func(a, b ledger.PublicKey) int { return slices.Compare(a[:], b[:]) })
	return keys
}

// Away reports that nothing was heard of the node with a key for 12 s, though this
// node has run for so long.
func (n *Node) Away(key ledger.PublicKey) bool {
	now := time.Now()
	if key == n.pub || now.Sub(n.started) < liveTime {
		return false
	}
	r, ok := n.statuses.table.records()[key]
	return !ok || now.Sub(r.at) > liveTime
}

// provenKeys are the node keys that have more to show than a signature. Their nodes
// are connected, or built one of the last blocks, which is work. It locks the peer
// table, and nothing is locked under mu.
type provenKeys struct {
	*shared
	peers *peerTable

	mu    sync.Mutex
	tip   ledger.Hash // of built
	built []ledger.PublicKey
}

// keys returns them in a map that is the caller's.
func (p *provenKeys) keys() map[ledger.PublicKey]bool {
	keys := p.peers.connectedKeys()
	p.mu.Lock()
	defer p.mu.Unlock()
	if tip := p.cfg.Chain.Tip().Hash; tip != p.tip {
		p.tip, p.built = tip, p.buildersBelow(tip)
	}
	for _, k := range p.built {
		keys[k] = true
	}
	return keys
}

// buildersBelow returns the builders of the last blocks up to tip. What cannot be
// read is left out, since the chain has reported it.
func (p *provenKeys) buildersBelow(tip ledger.Hash) []ledger.PublicKey {
	var keys []ledger.PublicKey
	for range builtLately {
		h, err := p.cfg.Chain.HeaderByHash(tip)
		if err != nil {
			break
		}
		keys, tip = append(keys, h.Builder), h.Parent
	}
	return keys
}
