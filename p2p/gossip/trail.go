package gossip

import (
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
	trailPeers    = 128     // of one message, each way
)

// A Sighting is a peer and a time of this node's clock.
type Sighting struct {
	Peer peer.ID
	At   time.Time
}

// First adds a sighting of p unless there is one, or there are too many.
func First(list []Sighting, p peer.ID, at time.Time) []Sighting {
	for i := range list {
		if list[i].Peer == p {
			return list
		}
	}
	if len(list) >= trailPeers {
		return list
	}
	return append(list, Sighting{p, at})
}

// A Passage is what is known of a transaction's way by gossip. Peers that this node sent
// it to do not send it back, so that of most peers only one of the two is known.
type Passage struct {
	Here time.Time  // when this node first had it by gossip or sent it; zero: not remembered
	Told []Sighting // when it was sent to each peer
	Had  []Sighting // when each peer sent or announced it here, or showed it in its pool

	Blocks []Sighting // when each peer showed a chain with its block
}

// A Trail remembers the last messages of transactions, by message and not by transaction,
// so that one of 1,000 transactions costs what one of one does. The oldest is forgotten
// when there are over 1,024, or over 2 MiB of them.
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
	txs  []*ledger.Transaction // nil: this node sent it, and nobody decoded it yet
}

// note takes a message of another node that was found valid.
func (t *Trail) note(m *pubsub.Message) {
	if txs, ok := m.ValidatorData.([]*ledger.Transaction); ok {
		now := time.Now()
		p := &passage{id: m.ID, body: m.Message, txs: txs}
		p.Here, p.Had = now, First(nil, m.ReceivedFrom, now)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.add(p)
	}
}

// sending takes what is about to be sent. Of this node's own messages it is the first that
// the trail hears.
func (t *Trail) sending(rpc *pubsub.RPC) {
	for _, m := range rpc.GetPublish() {
		if !strings.HasSuffix(m.GetTopic(), "/tx") {
			continue
		}
		t.mu.Lock()
		if t.byBody[m] == nil {
			p := &passage{id: messageID(m), body: m}
			p.Here = time.Now()
			t.add(p)
		}
		t.mu.Unlock()
	}
}

// add remembers a message, and forgets the oldest ones over the bounds. The caller holds mu.
func (t *Trail) add(p *passage) {
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
}

// sent notes what was handed over to a peer's connection.
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

// Of returns what is remembered of a transaction.
func (t *Trail) Of(key ledger.TxKey) (whole Passage) {
	found := t.with(key)
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

// with returns the messages that a transaction is in, oldest first. It searches them
// without the lock, which gossip takes for each message.
func (t *Trail) with(key ledger.TxKey) (found []*passage) {
	t.mu.Lock()
	all, txs := slices.Clone(t.all), make([][]*ledger.Transaction, len(t.all))
	for i, p := range all {
		txs[i] = p.txs
	}
	t.mu.Unlock()
	for i, p := range all {
		if txs[i] == nil { // decoded once: a subscription asks each second
			txs[i], _ = ledger.DecodeTransactions(p.body.GetData(), len(p.body.GetData())) // valid, since it was sent
			t.mu.Lock()
			p.txs = txs[i]
			t.mu.Unlock()
		}
		if slices.ContainsFunc(txs[i], func(tx *ledger.Transaction) bool { return tx.Key() == key }) {
			found = append(found, p)
		}
	}
	return found
}
