package p2p

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
)

const (
	sayEvery       = 4 * time.Second  // status lines are published
	saySoonest     = time.Second      // and after a change, not more often than this
	sayPeersEvery  = 32 * time.Second // with the peers, if these did not change
	maxStatusBytes = 8 << 10
	maxStatusPeers = 64
	maxPeerID      = 64              // bytes
	maxUptime      = uint64(1) << 40 // milliseconds, 34 years: more is nonsense
)

// A statusLine is what a node says of itself to the whole network.
type statusLine struct {
	_          struct{} `cbor:",toarray"`
	Key        ledger.PublicKey
	Name       string
	Version    string
	Instance   uint64 // drawn at start
	Counter    uint64 // rises by one with each line of an instance
	Uptime     uint64 // milliseconds
	Blocks     uint64
	Tip        ledger.Hash
	Pool       uint64
	Builds     bool
	WSPort     uint16
	WSLoopback bool
	Peers      [][]byte // IDs of connected peers, at most maxStatusPeers; none: as in the line before
}

// A signedStatus is a message of the status topic.
type signedStatus struct {
	_         struct{} `cbor:",toarray"`
	Line      []byte   // CBOR of a statusLine
	Signature ledger.Signature
}

func statusMessage(net *ledger.Network, line []byte) []byte {
	id := net.ID()
	return slices.Concat([]byte("foxchain status 1"), id[:], line)
}

// encodeStatus signs a line with the node's key.
func encodeStatus(net *ledger.Network, line *statusLine, key ed25519.PrivateKey) ([]byte, error) {
	b, err := ledger.Marshal(line)
	if err != nil {
		return nil, err
	}
	sig := ed25519.Sign(key, statusMessage(net, b))
	return ledger.Marshal(&signedStatus{Line: b, Signature: ledger.Signature(sig)})
}

// decodeStatus reads a message of the status topic, cheap checks first. An
// error says what no honest node sends.
func decodeStatus(net *ledger.Network, data []byte) (*statusLine, error) {
	if len(data) > maxStatusBytes {
		return nil, fmt.Errorf("%d bytes, over the limit of %d", len(data), maxStatusBytes)
	}
	signed, line := new(signedStatus), new(statusLine)
	if err := errors.Join(decodeExact(data, signed), decodeExact(signed.Line, line)); err != nil {
		return nil, err
	}
	if len(line.Name) > maxNameBytes || len(line.Version) > maxNameBytes || len(line.Peers) > maxStatusPeers {
		return nil, errors.New("a field is over its limit")
	}
	for _, p := range line.Peers {
		if len(p) > maxPeerID {
			return nil, errors.New("a peer ID is over its limit")
		}
	}
	if !ed25519.Verify(line.Key[:], statusMessage(net, signed.Line), signed.Signature[:]) {
		return nil, errors.New("the signature is wrong")
	}
	return line, nil
}

// decodeExact reads v from b and accepts only the one encoding of it.
func decodeExact(b []byte, v any) error {
	if err := ledger.Unmarshal(b, v); err != nil {
		return err
	}
	again, err := ledger.Marshal(v)
	if err == nil && !bytes.Equal(again, b) {
		err = errors.New("the encoding is not the deterministic one")
	}
	return err
}

// validateStatus is the validator of the status topic: Reject what no honest
// node sends, Ignore a line older than one that we have of its instance (it
// need never come again), Accept all else.
func (n *Node) validateStatus(_ context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	line, err := decodeStatus(n.net, msg.GetData())
	if err != nil {
		n.stats.StatusesRejected.Add(1)
		n.cut(from, fmt.Sprintf("gossiped an invalid status line: %v", err))
		return pubsub.ValidationReject
	}
	if n.directory.stale(line) {
		return pubsub.ValidationIgnore
	}
	msg.ValidatorData = line
	return pubsub.ValidationAccept
}

// readStatuses takes what the status topic brings.
func (n *Node) readStatuses(ctx context.Context) error {
	for {
		msg, err := n.status.sub.Next(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		line := msg.ValidatorData.(*statusLine)
		if msg.ReceivedFrom == n.host.ID() {
			line.Peers = n.peerIDs()
		}
		n.takeStatus(line, msg.GetData())
	}
}

// takeStatus takes a status line, which data encodes, into the directory.
func (n *Node) takeStatus(line *statusLine, data []byte) {
	line.Name, line.Version = clean(line.Name, maxNameBytes), clean(line.Version, maxNameBytes)
	now := time.Now()
	changed := n.directory.add(line, data, now)
	if line.Key == n.pub && line.Instance != n.instance {
		n.noteOtherRun(now)
	}
	if changed {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.notify()
	}
}

// sayStatuses publishes our line every sayEvery, and soon after a change of
// the chain or of our peers.
func (n *Node) sayStatuses(ctx context.Context) error {
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	tip := n.cfg.Chain.Tip().Hash
	var told toldPeers
	for {
		changed := n.cfg.Chain.Changed()
		if err := n.publishStatus(ctx, &told); err != nil {
			return ended(ctx, err)
		}
		if !n.waitToSay(ctx, tick.C, changed, &tip) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(saySoonest):
		}
	}
}

// waitToSay waits for the next reason to say a status: the tick, a call of
// sayStatus, a new tip. A change of the pool alone is none.
func (n *Node) waitToSay(ctx context.Context, tick <-chan time.Time, changed <-chan struct{}, tip *ledger.Hash) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick:
			*tip = n.cfg.Chain.Tip().Hash
			return true
		case <-n.say:
			return true
		case <-changed:
			changed = n.cfg.Chain.Changed()
			if now := n.cfg.Chain.Tip().Hash; now != *tip {
				*tip = now
				return true
			}
		}
	}
}

// sayStatus has our status published soon.
func (n *Node) sayStatus() { signal(n.say) }

// toldPeers is which peers a line had that was published, and when. They are
// most of a line: 40 bytes each, which every node hears several times of every
// other. A line that was not published has told nobody.
type toldPeers struct {
	peers [][]byte
	at    time.Time
}

// due reports whether the next line has to have the peers.
func (p *toldPeers) due(peers [][]byte, now time.Time) bool {
	return now.Sub(p.at) >= sayPeersEvery || !slices.EqualFunc(p.peers, peers, bytes.Equal)
}

func (n *Node) publishStatus(ctx context.Context, told *toldPeers) error {
	line, now := n.ownLine(), time.Now()
	next := toldPeers{line.Peers, now}
	if !told.due(line.Peers, now) {
		next, line.Peers = *told, nil
	}
	b, err := encodeStatus(n.net, line, n.key)
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	if err := n.status.topic.Publish(ctx, b); err == nil {
		*told = next
	} else if ctx.Err() == nil {
		n.log.Warn("the status was not published, the next one will be", "err", err)
	}
	return nil
}

func (n *Node) ownLine() *statusLine {
	st := n.cfg.Chain.Status()
	return &statusLine{
		Key:        n.pub,
		Name:       n.cfg.Name,
		Version:    n.cfg.Version,
		Instance:   n.instance,
		Counter:    n.counter.Add(1),
		Uptime:     uint64(time.Since(n.started).Milliseconds()),
		Blocks:     st.Tip.Blocks,
		Tip:        st.Tip.Hash,
		Pool:       uint64(st.Pool),
		Builds:     n.Builds(),
		WSPort:     uint16(n.cfg.WS.Port),
		WSLoopback: n.cfg.WS.Loopback,
		Peers:      n.peerIDs(),
	}
}

// peerIDs gives the connected peers, in the order of their IDs: the first
// maxStatusPeers of them.
func (n *Node) peerIDs() [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ids [][]byte
	for _, e := range n.known {
		if e.session != nil && e.session.greeted {
			ids = append(ids, []byte(e.id))
		}
	}
	slices.SortFunc(ids, bytes.Compare)
	return ids[:min(len(ids), maxStatusPeers)]
}

// Builds reports whether this node takes turns as a builder now: Config.Builds
// reports so, and its blocks count on this network.
func (n *Node) Builds() bool {
	return n.cfg.Builds != nil && n.cfg.Builds() && n.net.MayBuild(n.pub)
}

// keyOf gives the Ed25519 key that a peer ID is made of.
func keyOf(p peer.ID) (ledger.PublicKey, error) {
	pub, err := p.ExtractPublicKey()
	if err != nil {
		return ledger.PublicKey{}, err
	}
	raw, err := pub.Raw()
	if err != nil {
		return ledger.PublicKey{}, err
	}
	if len(raw) != ed25519.PublicKeySize {
		return ledger.PublicKey{}, fmt.Errorf("%s is not made of an Ed25519 key", p)
	}
	return ledger.PublicKey(raw), nil
}

// peerOf gives the peer ID of an Ed25519 key.
func peerOf(key ledger.PublicKey) (peer.ID, error) {
	pub, err := crypto.UnmarshalEd25519PublicKey(key[:])
	if err != nil {
		return "", err
	}
	return peer.IDFromPublicKey(pub)
}
