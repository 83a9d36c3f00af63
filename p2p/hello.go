package p2p

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	multistream "github.com/multiformats/go-multistream"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
	"foxchain/rpc/api"
)

const (
	// helloProtocol is the same on every network, so that nodes of two networks
	// learn why they part. Its version is that of all protocols of foxchain.
	helloProtocol protocol.ID = helloPrefix + "2"
	helloPrefix               = "/foxchain/hello/"
	helloTime                 = 10 * time.Second
	maxHello                  = 3<<10 + gossip.MaxStatus // bytes of one message
	maxReason                 = 300                      // bytes of a refusal
)

// A hello is the first message of each side of a connection.
type hello struct {
	_           struct{} `cbor:",toarray"`
	Network     ledger.Hash
	NetworkName string
	Name        string // of the node
	Status      []byte // its signed status line, without peers
}

// A helloReply answers a hello.
type helloReply struct {
	_       struct{} `cbor:",toarray"`
	Hello   hello
	Refused string // why the greeter cannot be a peer, empty if it can
	Copy    []byte // a status line that another run of the greeter's key signed lately, or nil
}

// A refusal is why one of two nodes does not want the other.
type refusal struct {
	reason   api.Reason
	starting bool // the other node may only be starting, and is tried again
}

func (r *refusal) Error() string { return r.reason.String() }

func (s *sessions) ownHello() (hello, error) {
	line := s.statuses.ownLine()
	line.Peers = nil
	status, err := encodeStatus(s.net, line, s.key)
	return hello{Network: s.net.ID(), NetworkName: s.net.Name, Name: s.cfg.Name, Status: status}, err
}

// check returns why the node that sent other cannot be a peer of the one that sends h, or
// none.
func (h *hello) check(other *hello) api.Reason {
	if other.Network != h.Network {
		return api.Why("network", "theirs", strconv.Quote(other.NetworkName), "their_id", other.Network.Short(),
			"ours", strconv.Quote(h.NetworkName), "our_id", h.Network.Short())
	}
	return api.Reason{}
}

// greet sends a hello to p, and returns the name and status line that p answers
// with. The error is a *refusal when one of the two does not want the other.
func (s *sessions) greet(ctx context.Context, p peer.ID) (name string, line *statusLine, err error) {
	own, err := s.ownHello()
	if err != nil {
		return "", nil, err
	}
	reply, err := exchangeHello(ctx, s.host, p, &own)
	name = reply.Hello.Name
	if err != nil {
		return name, nil, err
	}
	if line, err = s.takeHello(p, &reply.Hello); err != nil {
		return name, nil, fmt.Errorf("its hello is malformed: %w", err)
	}
	if other, err := decodeStatus(s.net, reply.Copy); err == nil && other.Key == s.pub && other.Instance != s.instance {
		s.statuses.noteOtherRun() // the peer has checked how long it lasts
	}
	return name, line, nil
}

// exchangeHello sends a hello to p, and returns its answer. The error is a *refusal when
// one of the two does not want the other.
func exchangeHello(ctx context.Context, h host.Host, p peer.ID, own *hello) (reply helloReply, err error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "hello"), helloTime)
	defer cancel()
	str, err := h.NewStream(ctx, p, helloProtocol)
	if err != nil {
		return reply, noHello(h, p, err)
	}
	defer context.AfterFunc(ctx, func() { _ = str.Reset() })()
	if err := errors.Join(writeHello(str, own), str.CloseWrite(), readHello(str, &reply)); err != nil {
		_ = str.Reset() // the error above is the one that matters
		return reply, noHello(h, p, err)
	}
	_ = str.Close() // all was read
	reply.Hello.clean()
	switch reason := own.check(&reply.Hello); {
	case reason.Code != "":
		return reply, &refusal{reason: reason}
	case reply.Refused != "":
		return reply, &refusal{reason: api.Why("refuses", "why", clean(reply.Refused, maxReason))}
	}
	return reply, nil
}

// takeHello takes the status line that p sent with its hello. The error is that p
// has not signed it for this network.
func (s *sessions) takeHello(p peer.ID, h *hello) (*statusLine, error) {
	line, err := decodeStatus(s.net, h.Status)
	if err != nil {
		return nil, err
	}
	if key, err := keyOf(p); err != nil || key != line.Key {
		return nil, errors.Join(errors.New("its status line is another node's"), err)
	}
	s.statuses.take(line, h.Status)
	return line, nil
}

// noHello explains why p sent no hello. Its protocols, as identify listed them, show
// whether it speaks another version.
func noHello(h host.Host, p peer.ID, err error) error {
	var unsupported multistream.ErrNotSupported[protocol.ID]
	if !errors.As(err, &unsupported) {
		return &trouble{api.Why("busy"), err}
	}
	listed, _ := h.Peerstore().GetProtocols(p) // an error lists none
	for _, id := range listed {
		if version, ok := strings.CutPrefix(string(id), helloPrefix); ok && id != helloProtocol {
			return &refusal{reason: api.Why("version", "theirs", clean(version, maxNameBytes), "ours", strings.TrimPrefix(string(helloProtocol), helloPrefix))}
		}
	}
	return &refusal{reason: api.Why("program", "protocol", string(helloProtocol)), starting: true}
}

// handleHello answers a hello, with the reason if it refuses the greeter. Then the
// greeter closes the connection, or the next round does.
func (s *sessions) handleHello(str network.Stream) {
	p := str.Conn().RemotePeer()
	_ = str.SetDeadline(time.Now().Add(helloTime)) // fails on a dead stream, where reading does too
	h := new(hello)
	if err := readHello(str, h); err != nil {
		s.stats.HellosFailed.Add(1)
		_ = str.Reset()
		return
	}
	h.clean()
	own, err := s.ownHello()
	refused := own.check(h)
	reply := helloReply{Hello: own, Refused: refused.String()}
	if line, err := s.takeHello(p, h); err == nil {
		reply.Copy = s.statuses.table.otherRun(line, time.Now())
	}
	if err := errors.Join(err, writeHello(str, &reply)); err != nil {
		_ = str.Reset()
		return
	}
	_ = str.Close()
	if refused.Code != "" {
		s.table.refuse(p, h.Name, refused)
	}
}

// writeHello writes a message, which is its length as two bytes, big-endian, and
// its CBOR.
func writeHello(w io.Writer, m any) error {
	b, err := ledger.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

func readHello(r io.Reader, m any) error {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > maxHello {
		return fmt.Errorf("a hello of %d bytes is over the limit of %d", n, maxHello)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	return ledger.Unmarshal(b, m)
}

// clean makes the texts of another node fit to be shown.
func (h *hello) clean() {
	h.NetworkName = clean(h.NetworkName, maxNameBytes)
	h.Name = clean(h.Name, maxNameBytes)
}

// clean returns s without what is not printable, cut to limit bytes.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	for len(s) > limit {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
