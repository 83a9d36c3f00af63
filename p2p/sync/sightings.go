package sync

import (
	"bytes"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
)

// Bounds of sightings.
const (
	keptKeys = 50_000 // keys of transactions in kept pages
	keptTips = 64     // last blocks of one peer
	keptFrom = 256    // peers whose last blocks are kept
)

// sightings remembers what peers showed of their pools and chains, to report when each
// had a transaction. It keeps pages as they came, and a question searches them.
type sightings struct {
	mu    sync.Mutex
	pages []page // oldest first
	keys  int    // in pages
	tips  map[peer.ID][]tipSighting
}

// A page is a list of keys that a peer's pool had, or that it was sent.
type page struct {
	peer peer.ID
	at   time.Time
	sent bool
	keys []byte // packed
}

type tipSighting struct {
	at  time.Time
	tip ledger.Hash
}

func (s *sightings) notePage(p peer.ID, sent bool, keys []byte) {
	if len(keys) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages = append(s.pages, page{p, time.Now(), sent, keys})
	for s.keys += len(keys) / keyBytes; s.keys > keptKeys && len(s.pages) > 1; {
		s.keys -= len(s.pages[0].keys) / keyBytes
		s.pages = s.pages[1:]
	}
}

// noteTip notes the last block of a peer's chain, if it is a new one.
func (s *sightings) noteTip(p peer.ID, tip ledger.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.tips[p]
	if n := len(list); n > 0 && list[n-1].tip == tip {
		return
	}
	if s.tips == nil || len(list) == 0 && len(s.tips) >= keptFrom {
		s.tips = make(map[peer.ID][]tipSighting) // crude, since no network on one LAN reaches it
	}
	s.tips[p] = append(list[max(0, len(list)+1-keptTips):], tipSighting{time.Now(), tip}) // append never changes what readers hold
}

// passage is [Syncer.Passage].
func (s *sightings) passage(key ledger.TxKey, holds func(tip ledger.Hash) bool) (way gossip.Passage) {
	s.mu.Lock()
	pages, chains := slices.Clone(s.pages), maps.Clone(s.tips) // their contents do not change
	s.mu.Unlock()
	packed := packKeys([]ledger.TxKey{key})
	for _, p := range pages {
		switch {
		case !bytes.Contains(p.keys, packed): // 32 bytes do not match by chance
		case p.sent:
			way.Told = gossip.First(way.Told, p.peer, p.at)
		default:
			way.Had = gossip.First(way.Had, p.peer, p.at)
		}
	}
	asked := make(map[ledger.Hash]bool) // since many peers have the same tips
	for p, tips := range chains {
		for _, t := range tips {
			is, known := asked[t.tip]
			if !known {
				is = holds(t.tip)
				asked[t.tip] = is
			}
			if is {
				way.Blocks = gossip.First(way.Blocks, p, t.at)
				break
			}
		}
	}
	return way
}
