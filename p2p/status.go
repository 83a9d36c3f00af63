package p2p

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
)

const (
	maxStatusPeers = 64
	maxPeerID      = 64              // bytes
	maxUptime      = uint64(1) << 40 // milliseconds, 34 years
)

// A statusLine is what a node publishes of itself to the whole network.
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
	Peers      [][]byte // IDs of connected peers, at most maxStatusPeers, none if as in the line before
}

func (l *statusLine) uptime() time.Duration {
	return time.Duration(min(l.Uptime, maxUptime)) * time.Millisecond
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

// decodeStatus reads a message of the status topic, cheap checks first. It returns
// an error for what no honest node sends.
func decodeStatus(net *ledger.Network, data []byte) (*statusLine, error) {
	if len(data) > gossip.MaxStatus {
		return nil, fmt.Errorf("over the limit of %d bytes", gossip.MaxStatus)
	}
	signed, line := new(signedStatus), new(statusLine)
	if err := errors.Join(ledger.Unmarshal(data, signed), ledger.Unmarshal(signed.Line, line)); err != nil {
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

// keyOf returns the Ed25519 key that a peer ID is made of.
func keyOf(p peer.ID) (ledger.PublicKey, error) {
	pub, err := p.ExtractPublicKey()
	if err != nil || pub.Type() != crypto.Ed25519 {
		return ledger.PublicKey{}, errors.Join(fmt.Errorf("%s is not made of an Ed25519 key", p), err)
	}
	raw, err := pub.Raw()
	return ledger.PublicKey(raw), err
}

// IDOf returns the peer ID of a node with this key.
func IDOf(key ed25519.PrivateKey) (string, error) {
	id, err := peerOf(ledger.PublicKey(key.Public().(ed25519.PublicKey)))
	return id.String(), err
}

// peerOf returns the peer ID of an Ed25519 key.
func peerOf(key ledger.PublicKey) (peer.ID, error) {
	pub, err := crypto.UnmarshalEd25519PublicKey(key[:])
	if err != nil {
		return "", err
	}
	return peer.IDFromPublicKey(pub)
}
