package p2p

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
	"foxchain/rpc/api"
)

// Told returns when each peer was sent a transaction, and when it first showed that it had
// it: by gossip, in its pool, or by a block of the chain that holds it, if that is at
// height, or above. nil: it is in no block. Here is zero where that is not remembered.
func (n *Node) Told(key ledger.TxKey, height *uint64) api.Travel {
	way, synced := n.stats.Gossip.Trail.Of(key), gossip.Passage{}
	if s := n.sync.Load(); s != nil {
		synced = s.Passage(key, func(tip ledger.Hash) bool { return height != nil && n.reaches(tip, *height) })
	}
	return n.travel(&way, &synced)
}

// reaches reports whether a block is on the chain, at a height or above.
func (n *Node) reaches(tip ledger.Hash, height uint64) bool {
	v, err := n.cfg.Chain.View()
	if err != nil {
		return false
	}
	defer v.Close()
	at, err := v.Height(tip)
	return err == nil && at >= height
}

func (n *Node) travel(way, synced *gossip.Passage) api.Travel {
	now, byPeer := n.cfg.Now(), make(map[peer.ID]*api.Told)
	of := func(p peer.ID) *api.Told {
		if byPeer[p] == nil {
			byPeer[p] = &api.Told{ID: p.String()}
		}
		return byPeer[p]
	}
	shown := func(t time.Time) *float64 { return new(api.Shown(t, now)) }
	for _, s := range slices.Concat(way.Told, synced.Told) {
		if t, at := of(s.Peer), shown(s.At); t.Told == nil || *at < *t.Told {
			t.Told = at
		}
	}
	for _, source := range []struct {
		by   string
		list []gossip.Sighting
	}{{"gossip", way.Had}, {"pool", synced.Had}, {"block", synced.Blocks}} {
		for _, s := range source.list {
			if t, at := of(s.Peer), shown(s.At); t.Had == nil || *at < *t.Had {
				t.Had, t.By = at, source.by
			}
		}
	}
	out := api.Travel{Peers: []api.Told{}}
	if !way.Here.IsZero() {
		out.Here = shown(way.Here)
	}
	for p, t := range byPeer {
		if p != n.host.ID() {
			out.Peers = append(out.Peers, *t)
		}
	}
	slices.SortFunc(out.Peers, func(x, y api.Told) int { return cmp.Or(cmp.Compare(x.First(), y.First()), cmp.Compare(x.ID, y.ID)) })
	return out
}
