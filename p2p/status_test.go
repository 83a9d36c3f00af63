package p2p

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
)

func testLine(key ed25519.PrivateKey, instance, counter uint64) *statusLine {
	return &statusLine{
		Key: ledger.PublicKey(key.Public().(ed25519.PublicKey)), Name: "fox", Version: "1", Instance: instance, Counter: counter,
		Uptime: 1000 * counter, Blocks: 3, Peers: [][]byte{[]byte("a peer's ID")},
	}
}

// TestDecodeStatus checks that a status line is refused unless it is as its signer sent it.
func TestDecodeStatus(t *testing.T) {
	net, err := ledger.NamedNetwork("foxchain")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ledger.NamedNetwork("other")
	if err != nil {
		t.Fatal(err)
	}
	encode := func(change func(*statusLine), on *ledger.Network, key ed25519.PrivateKey) []byte {
		line := testLine(ledgertest.Key(0), 1, 1)
		if change != nil {
			change(line)
		}
		b, err := encodeStatus(on, line, key)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := encode(nil, net, ledgertest.Key(0))
	line, err := decodeStatus(net, good)
	if err != nil || line.Name != "fox" || line.Blocks != 3 {
		t.Fatalf("a good line: %+v, %v", line, err)
	}
	tampered := bytes.Replace(good, []byte("fox"), []byte("fix"), 1)
	for name, data := range map[string][]byte{
		"another's signature": encode(nil, net, ledgertest.Key(1)),
		"another network":     encode(nil, other, ledgertest.Key(0)),
		"tampered with":       tampered,
		"cut short":           good[:len(good)-1],
		"something after it":  append(bytes.Clone(good), 0),
		"empty":               nil,
		"name too long":       encode(func(l *statusLine) { l.Name = strings.Repeat("x", maxNameBytes+1) }, net, ledgertest.Key(0)),
		"too many peers":      encode(func(l *statusLine) { l.Peers = make([][]byte, maxStatusPeers+1) }, net, ledgertest.Key(0)),
		"a peer ID too long":  encode(func(l *statusLine) { l.Peers = [][]byte{make([]byte, maxPeerID+1)} }, net, ledgertest.Key(0)),
		"over the size limit": make([]byte, gossip.MaxStatus+1),
	} {
		if _, err := decodeStatus(net, data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// At every bound, a line still fits.
	full := encode(func(l *statusLine) {
		l.Name, l.Version = strings.Repeat("x", maxNameBytes), strings.Repeat("x", maxNameBytes)
		l.Instance, l.Counter, l.Uptime, l.Blocks, l.Pool = math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64
		l.Peers = nil
		for range maxStatusPeers {
			l.Peers = append(l.Peers, make([]byte, maxPeerID))
		}
	}, net, ledgertest.Key(0))
	if _, err := decodeStatus(net, full); err != nil {
		t.Errorf("a full line of %d bytes: %v", len(full), err)
	}
}

// TestForgedStatusIsBanned checks that a peer that forwards a forged line is banned, and
// that an old line is ignored.
func TestForgedStatusIsBanned(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 1 })
		validate := func(line *statusLine, key ed25519.PrivateKey) pubsub.ValidationResult {
			data, err := encodeStatus(l.net, line, key)
			if err != nil {
				t.Fatal(err)
			}
			msg := &pubsub.Message{Message: &pb.Message{Data: data}}
			return a.statuses.validate(context.Background(), b.host.ID(), msg)
		}
		key := ledgertest.Key(7)
		for i, c := range []struct {
			instance, counter uint64
			want              pubsub.ValidationResult
		}{
			{1, 5, pubsub.ValidationAccept},
			{1, 5, pubsub.ValidationIgnore},
			{1, 4, pubsub.ValidationIgnore},
			{1, 6, pubsub.ValidationAccept},
			{2, 1, pubsub.ValidationAccept}, // restarted
			{1, 6, pubsub.ValidationIgnore},
			{2, 2, pubsub.ValidationAccept},
		} {
			if got := validate(testLine(key, c.instance, c.counter), key); got != c.want {
				t.Errorf("line %d: %d, want %d", i, got, c.want)
			}
		}
		if a.connectedTo() != 1 {
			t.Fatal("an honest peer was banned")
		}
		if got := validate(testLine(key, 2, 3), ledgertest.Key(8)); got != pubsub.ValidationReject {
			t.Errorf("a forged line: %d", got)
		}
		l.until(time.Second, "the forger is banned", func() bool { return a.peer(b).State == Banned && a.connectedTo() == 0 })
		if reason := a.peer(b).Reason; !strings.Contains(reason, "signature") {
			t.Errorf("the reason is %q", reason)
		}
	})
}

// TestBuilders checks that the builders are the live nodes that may build, this one included.
func TestBuilders(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		yes := func() bool { return true }
		a := l.start(0, func(c *Config) { c.Builds = yes })
		b := l.start(1, func(c *Config) { c.Peers, c.Builds = a.Addrs(), yes })
		follower := l.start(2, func(c *Config) { c.Peers = a.Addrs() })
		both := func(n *labNode) bool { return fmt.Sprint(n.Builders()) == fmt.Sprint(sortedKeys(a.pub, b.pub)) }
		l.until(10*time.Second, "all know both builders", func() bool { return both(a) && both(b) && both(follower) })
		b.stop()
		l.until(13*time.Second, "the stopped one is gone", func() bool {
			return fmt.Sprint(follower.Builders()) == fmt.Sprint([]ledger.PublicKey{a.pub})
		})
	})
}

func sortedKeys(keys ...ledger.PublicKey) []ledger.PublicKey {
	slices.SortFunc(keys, func(a, b ledger.PublicKey) int { return bytes.Compare(a[:], b[:]) })
	return keys
}

// TestStatusWithoutPeers checks that a line without peers has those of the line before,
// of the same run. The peers are published again when they change, and after a while.
func TestStatusWithoutPeers(t *testing.T) {
	d, now := newStatusTable(), time.Now()
	peersAfter := func(instance, counter uint64, peers [][]byte) int {
		line := testLine(ledgertest.Key(0), instance, counter)
		line.Peers = peers
		d.add(line, nil, now, nil)
		return len(d.nodes[line.Key].line.Peers)
	}
	one := [][]byte{[]byte("a")}
	for i, c := range []struct {
		instance uint64
		peers    [][]byte
		want     int
	}{{1, one, 1}, {1, nil, 1}, {1, append(one, []byte("b")), 2}, {1, nil, 2}, {2, nil, 0}} {
		if got := peersAfter(c.instance, uint64(i+1), c.peers); got != c.want {
			t.Errorf("line %d: %d peers, want %d", i, got, c.want)
		}
	}
	var last publishedPeers
	for i, c := range []struct {
		peers [][]byte
		after time.Duration
		want  bool
	}{
		{nil, 0, true}, {nil, publishEvery, false}, {one, publishEvery, true}, {one, publishEvery, false},
		{nil, publishEvery, true}, {nil, peersEvery, true},
	} {
		now = now.Add(c.after)
		got := last.due(c.peers, now)
		if got != c.want || got != last.due(c.peers, now) { // it is due until it was published
			t.Errorf("line %d: due is %v", i, got)
		}
		if got {
			last = publishedPeers{c.peers, now}
		}
	}
}

// TestPeersInNextLine checks that the peers are not published by a line that gossip did
// not take.
func TestPeersInNextLine(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 1 })
		var last publishedPeers
		publish := func(take pubsub.ValidationResult) {
			t.Helper()
			name := gossip.TopicName(l.net, "status")
			if err := a.ps.UnregisterTopicValidator(name); err != nil {
				t.Fatal(err)
			}
			validate := func(ctx context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
				if result := a.statuses.validate(ctx, from, msg); result != pubsub.ValidationAccept {
					return result
				}
				return take
			}
			if err := a.ps.RegisterTopicValidator(name, validate); err != nil {
				t.Fatal(err)
			}
			if err := a.statuses.publish(t.Context(), &last); err != nil {
				t.Fatal(err)
			}
		}
		publish(pubsub.ValidationReject)
		if !last.due(a.table.connectedIDs(), time.Now()) {
			t.Error("a rejected line counts as published")
		}
		publish(pubsub.ValidationAccept)
		if last.due(a.table.connectedIDs(), time.Now()) {
			t.Error("what was published is due again")
		}
	})
}

// TestLinesWait checks that a line waits before it is passed on, with no more than
// maxWaiting at once, and no longer than the node runs.
func TestLinesWait(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 1 })
		sender, counter := b.host.ID(), uint64(0)
		key := ledgertest.Key(7)
		validate := func(ctx context.Context, lines int) (took []time.Duration) {
			t.Helper()
			done := make(chan time.Duration, lines)
			for range lines {
				counter++
				data, err := encodeStatus(l.net, testLine(key, counter, 1), key)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					begin := time.Now()
					if got := a.statuses.validate(ctx, sender, &pubsub.Message{Message: &pb.Message{Data: data}}); got != pubsub.ValidationAccept {
						t.Errorf("the answer is %d", got)
					}
					done <- time.Since(begin)
				}()
			}
			for range lines {
				took = append(took, <-done)
			}
			slices.Sort(took)
			return took
		}
		took := validate(t.Context(), maxWaiting+3)
		if took[2] != 0 || took[3] < passOnAfter || took[len(took)-1] > 2*passOnAfter {
			t.Errorf("lines are passed on after %s", took)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if took := validate(ended, 1); took[0] != 0 {
			t.Errorf("a line waits for %s in a node that ends", took[0])
		}
		if sender = a.host.ID(); validate(t.Context(), 1)[0] != 0 {
			t.Error("a line of the node itself waits")
		}
	})
}

// TestLinesOnce checks, by what they send, that nodes that are all connected pass on no line.
func TestLinesOnce(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.startMesh(6)
		if each := l.idle(); each > 1500 { // about 1,200, and 1,900 when they are passed on
			t.Errorf("each sends %.0f bytes a second", each)
		}
	})
}

// TestStatusTableIsBounded checks that the node with the oldest line is evicted over the bound.
func TestStatusTableIsBounded(t *testing.T) {
	d, now := newStatusTable(), time.Now()
	first := testLine(ledgertest.Key(0), 1, 1)
	d.add(first, nil, now, nil)
	for i := range maxStatuses {
		line := testLine(ledgertest.Key(0), 1, 1)
		line.Key[0], line.Key[1], line.Key[2] = byte(i), byte(i>>8), 77
		d.add(line, nil, now.Add(time.Second), nil)
	}
	if len(d.nodes) != maxStatuses {
		t.Errorf("%d nodes, want %d", len(d.nodes), maxStatuses)
	}
	if d.nodes[first.Key] != nil {
		t.Error("the oldest is still there")
	}
}

// TestLateLinesOfEarlierRun checks a machine that was suspended. When it goes on, it
// reads lines of a run that ended meanwhile, and does not take them for a copy of the
// present run. A copy that goes on sending is one.
func TestLateLinesOfEarlierRun(t *testing.T) {
	table, begin := newStatusTable(), time.Unix(1e9, 0)
	key := ledgertest.Public(ledgertest.Key(1))
	line := func(instance, counter uint64, up time.Duration) *statusLine {
		return &statusLine{Key: key, Instance: instance, Counter: counter, Uptime: uint64(up.Milliseconds())}
	}
	add := func(at time.Duration, l *statusLine) { table.add(l, []byte("line"), begin.Add(at), nil) }
	other := func(at, up time.Duration) bool { return table.otherRun(line(2, 0, up), begin.Add(at)) != nil }
	for i := range uint64(10) {
		add(time.Duration(i)*publishEvery, line(1, i, time.Duration(i)*publishEvery))
	}
	const away = 5 * time.Minute
	for i := uint64(10); i < 14; i++ { // all at once, from before it ended
		add(away, line(1, i, time.Duration(i)*publishEvery))
	}
	add(away, line(2, 1, away-time.Minute))
	if other(away+time.Second, away-time.Minute) {
		t.Error("lines that came late are taken for a copy's")
	}
	for at := away; at <= away+earlierRun; at += publishEvery {
		add(at, line(1, 20+uint64(at/publishEvery), at))
		if got, want := other(at, at), at >= away+earlierRun; got != want {
			t.Errorf("%s after it woke up: another run %v, want %v", at-away, got, want)
		}
	}
}
