package gossip

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
)

// Bounds of a Trail.
const (
	trailMessages = 1024
	trailBytes    = 2 << 20 // of their contents, some 20,000 transactions
	trailPeers    = 128     // in each list of a Passage
)

// A Sighting is a peer and a time of this node's clock.
type Sighting struct {
	Peer peer.ID
	At   time.Time
}

// First adds a sighting of p unless p has one, or there are too many.
func First(list []Sighting, p peer.ID, at time.Time) []Sighting {
	if len(list) >= trailPeers || slices.ContainsFunc(list, func(s Sighting) bool { return s.Peer == p }) {
		return list
	}
	return append(list, Sighting{p, at})
}

// A Passage is what is known of a transaction's way between nodes. A peer that this node
// sent it to does not send it back, so most peers are in only one of Told and Had.
type Passage struct {
	Here time.Time  // when this node first had it by gossip or sent it, zero if not remembered
	Told []Sighting // when it was sent to each peer
	Had  []Sighting // when each peer sent or announced it, or showed it in its pool

	Blocks []Sighting // when each peer showed a chain with its block
}

// A Trail remembers the last messages of the tx topic, by message, so that one of 1,000
// transactions costs no more than one of one. The oldest is forgotten when there are over
// 1,024 messages or 2 MiB.
type Trail struct {
	mu     sync.Mutex
	all    []*passage // oldest first
	bytes  int
	byID   map[string]*passage
	byBody map[*pb.Message]*passage
}

type passage struct {
	Passage
	id   string
	body *pb.Message
}

// holds reports whether a transaction is in the message. Few messages without it contain the
// bytes of its ID, so few are decoded.
func (p *passage) holds(key ledger.TxKey) bool {
	data := p.body.GetData()
	if !bytes.Contains(data, key.ID[:]) {
		return false
	}
	txs, _ := ledger.DecodeTransactions(data, len(data)) // no error, since data was validated or sent
	return slices.ContainsFunc(txs, func(tx *ledger.Transaction) bool { return tx.Key() == key })
}

// note takes a valid message of another node.
func (t *Trail) note(m *pubsub.Message) {
	if _, ok := m.ValidatorData.([]*ledger.Transaction); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		p := t.add(m.ID, m.Message)
		p.Had = First(p.Had, m.ReceivedFrom, p.Here)
	}
}

// sending takes messages that are about to be sent. Own messages are first seen here.
func (t *Trail) sending(rpc *pubsub.RPC) {
	for _, m := range rpc.GetPublish() {
		if !strings.HasSuffix(m.GetTopic(), "/tx") {
			continue
		}
		t.mu.Lock()
		if t.byBody[m] == nil {
			t.add(messageID(m), m)
		}
		t.mu.Unlock()
	}
}

// add remembers a message, and forgets the oldest ones over the bounds. The caller holds mu.
func (t *Trail) add(id string, body *pb.Message) *passage {
	p := &passage{Passage: Passage{Here: time.Now()}, id: id, body: body}
	if t.byID == nil {
		t.byID, t.byBody = make(map[string]*passage), make(map[*pb.Message]*passage)
	}
	t.all, t.bytes = append(t.all, p), t.bytes+len(p.body.GetData())
	t.byID[p.id], t.byBody[p.body] = p, p
	for len(t.all) > trailMessages || t.bytes > trailBytes {
		old := t.all[0]
		t.all[0] = nil
		t.all, t.bytes = t.all[1:], t.bytes-len(old.body.GetData())
		delete(t.byID, old.id)
		delete(t.byBody, old.body)
	}
	return p
}

// sent notes messages that were written to a peer's connection.
func (t *Trail) sent(rpc *pubsub.RPC, to peer.ID) {
	if len(rpc.GetPublish()) == 0 {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range rpc.GetPublish() {
		if p := t.byBody[m]; p != nil {
			p.Told = First(p.Told, to, now)
		}
	}
}

// seen notes that a peer has messages with these IDs.
func (t *Trail) seen(from peer.ID, ids ...string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		if p := t.byID[id]; p != nil {
			p.Had = First(p.Had, from, now)
		}
	}
}

// Of returns what is remembered of a transaction. It searches the messages without the lock,
// which gossip takes for each message.
func (t *Trail) Of(key ledger.TxKey) (whole Passage) {
	t.mu.Lock()
	found := slices.Clone(t.all)
	t.mu.Unlock()
	found = slices.DeleteFunc(found, func(p *passage) bool { return !p.holds(key) })
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range found {
		if whole.Here.IsZero() {
			whole.Here = p.Here
		}
		for _, s := range p.Told {
			whole.Told = First(whole.Told, s.Peer, s.At)
		}
		for _, s := range p.Had {
			whole.Had = First(whole.Had, s.Peer, s.At)
		}
	}
	return whole
}
