package vote_test

import (
	"context"
	"crypto/ed25519"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
)

// A liar is a host that has the key of builder 1, which leads view 1, and gossips any votes.
type liar struct {
	host.Host
	committee *committee.Committee
	key       ed25519.PrivateKey
	topic     *pubsub.Topic
}

func newLiar(t *testing.T, net *ledger.Network, key ed25519.PrivateKey) *liar {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &liar{Host: newHost(t, key), committee: committee.New(net), key: key}
	t.Cleanup(cancel)
	ps, err := gossip.New(ctx, l.Host, net, gossip.BanList(func(peer.ID) bool { return false }), new(gossip.Counters))
	if err != nil {
		t.Fatal(err)
	}
	if l.topic, err = ps.Join(gossip.TopicName(net, "vote")); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *liar) sign(s finality.Statement) finality.Vote { return l.committee.Sign(s, 1, l.key) }

func (l *liar) gossip(t *testing.T, votes ...finality.Vote) {
	t.Helper()
	for _, v := range votes {
		if err := l.topic.Publish(t.Context(), v.Encode()); err != nil {
			t.Fatal(err)
		}
	}
}

// meets waits until gossip reaches n nodes.
func (l *liar) meets(t *testing.T, n int) {
	t.Helper()
	for len(l.topic.ListPeers()) < n {
		if t.Context().Err() != nil {
			t.FailNow()
		}
		time.Sleep(time.Millisecond) // pubsub does not notify
	}
}

// besideLiar starts three of four builders, and joins them with a liar that is the fourth.
// They do not have the first block.
func besideLiar(t *testing.T) (l *liar, nodes []*node, net *ledger.Network, first *ledger.Block) {
	t.Helper()
	net, keys, first := office(t)
	l = newLiar(t, net, keys[1])
	for _, k := range []ed25519.PrivateKey{keys[0], keys[2], keys[3]} {
		n := start(t, net, k)
		for _, other := range nodes {
			connect(t, n, other)
		}
		connect(t, n, l)
		nodes = append(nodes, n)
	}
	l.meets(t, 3)
	return l, nodes, net, first
}

// honest returns the builders beside a liar. They get the first block only when they know
// the liar's votes.
func honest(t *testing.T, lies func(net *ledger.Network, first *ledger.Block) []finality.Statement) []*node {
	t.Helper()
	l, nodes, net, first := besideLiar(t)
	var votes []finality.Vote
	for _, s := range lies(net, first) {
		votes = append(votes, l.sign(s))
	}
	l.gossip(t, votes...)
	for _, n := range nodes {
		n.awaitVotes(t, uint64(len(votes)))
	}
	for _, n := range nodes {
		if _, err := n.chain.AddBlock(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		n.awaitFinal(t)
		if f := n.chain.Status().Final; f.Block.Hash != first.Hash() {
			t.Errorf("%s is final", f.Block.Hash)
		}
		if len(n.bans) > 0 {
			t.Errorf("an honest node, or one that proves nothing by one vote, was banned: %s", <-n.bans)
		}
	}
	return nodes
}

func (n *node) awaitVotes(t *testing.T, count uint64) {
	t.Helper()
	for {
		st := n.voter.State()
		if st.Votes[0]+st.Votes[1]+st.Votes[2] >= count {
			return
		}
		if t.Context().Err() != nil {
			t.FailNow()
		}
		time.Sleep(time.Millisecond)
	}
}

// TestLyingLeader checks that, whatever the leader of the first view proposes, the honest
// builders make final the block that they have. A leader that signed two is named a liar
// by all.
func TestLyingLeader(t *testing.T) {
	other := func(b byte) ledger.BlockRef { return ledger.BlockRef{Hash: ledger.Hash{b}} }
	propose := func(b ledger.BlockRef) finality.Statement {
		return finality.Statement{Kind: finality.Notarize, View: 1, Block: b}
	}
	for _, tt := range []struct {
		name string
		lies func(net *ledger.Network, first *ledger.Block) []finality.Statement
		liar bool
	}{
		{"withholds the body", func(*ledger.Network, *ledger.Block) []finality.Statement {
			return []finality.Statement{propose(other(7))}
		}, false},
		{"proposes an invalid block", func(net *ledger.Network, first *ledger.Block) []finality.Statement {
			bad := first.Header // its transactions are of another root
			bad.Root = ledger.Hash{1}
			return []finality.Statement{propose(ledger.BlockRef{Hash: bad.Hash()})}
		}, false},
		{"proposes a wrong height", func(_ *ledger.Network, first *ledger.Block) []finality.Statement {
			return []finality.Statement{propose(ledger.BlockRef{Height: 5, Hash: first.Hash()})}
		}, false},
		{"proposes two blocks", func(_ *ledger.Network, first *ledger.Block) []finality.Statement {
			return []finality.Statement{propose(ledger.BlockRef{Hash: first.Hash()}), propose(other(7))}
		}, true},
		{"finalizes two blocks", func(_ *ledger.Network, first *ledger.Block) []finality.Statement {
			a, b := propose(ledger.BlockRef{Hash: first.Hash()}), propose(other(7))
			a.Kind, b.Kind = finality.Finalize, finality.Finalize
			return []finality.Statement{a, b}
		}, true},
		{"nullifies and finalizes", func(_ *ledger.Network, first *ledger.Block) []finality.Statement {
			b := propose(ledger.BlockRef{Hash: first.Hash()})
			b.Kind = finality.Finalize
			return []finality.Statement{{Kind: finality.Nullify, View: 1}, b}
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range honest(t, tt.lies) {
				proofs, err := n.chain.Votes().Evidence()
				if err != nil {
					t.Fatal(err)
				}
				if named := slices.Contains(n.voter.State().Liars, 1); named != tt.liar || (len(proofs) > 0) != tt.liar {
					t.Errorf("liars %v, %d proofs", n.voter.State().Liars, len(proofs))
				}
			}
		})
	}
}

// TestForeignVotes checks that gossiping a vote of a key that is no builder's, or of a
// builder that does not exist, leads to a ban.
func TestForeignVotes(t *testing.T) {
	net, keys, first := office(t)
	s := finality.Statement{Kind: finality.Nullify, View: 1}
	for name, vote := range map[string]finality.Vote{
		"a removed key":       committee.New(net).Sign(s, 2, ledgertest.Key(9)),
		"one builder too far": committee.New(net).Sign(s, 4, keys[3]),
		"of another network":  committee.New(&ledger.Network{Name: "other", Builders: net.Builders}).Sign(s, 2, keys[2]),
	} {
		t.Run(name, func(t *testing.T) {
			n, l := start(t, net, keys[0], first), newLiar(t, net, ledgertest.Key(9))
			connect(t, n, l)
			l.meets(t, 1)
			l.gossip(t, vote)
			if reason := <-n.bans; !strings.Contains(reason, "invalid vote") {
				t.Error("banned since it", reason)
			}
			if st := n.voter.State(); st.Votes[0]+st.Votes[1]-uint64(len(st.Liars)) > 1 { // its own nullify may be there
				t.Errorf("counted %v", st.Votes)
			}
		})
	}
}

// TestVoteFlood has a builder sign thousands of different votes of present and future
// views. A node verifies few of them, and they hold up no block. What they still cost is
// that of any message of gossip.
func TestVoteFlood(t *testing.T) {
	l, nodes, _, first := besideLiar(t)
	const flood = 2_000
	var votes []finality.Vote
	for i := range uint64(flood) {
		view := 1 + i%80
		if i%2 == 0 {
			view = 1000 + i // of the future
		}
		votes = append(votes, l.sign(finality.Statement{Kind: finality.Notarize, View: view,
			Block: ledger.BlockRef{Height: i, Hash: ledger.Hash{1, byte(i), byte(i >> 8)}}}))
	}
	heap, cpu := used()
	began, sent := time.Now(), make(chan struct{})
	go func() {
		defer close(sent)
		for _, v := range votes {
			_ = l.topic.Publish(t.Context(), v.Encode())
		}
	}()
	for _, n := range nodes {
		if _, err := n.chain.AddBlock(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		n.awaitFinal(t)
	}
	final := time.Since(began)
	<-sent
	time.Sleep(time.Until(began.Add(time.Second)))
	heap2, cpu2 := used()
	t.Logf("final after %v; %d votes to three nodes took %.2f s of CPU with the liar's own, and %d KiB of memory", final, flood, cpu2-cpu, (int64(heap2)-int64(heap))/1024)
	for _, n := range nodes {
		st := n.voter.State()
		if got := st.Votes[0]; got > 500 {
			t.Errorf("%d votes went to the voter", got)
		}
		if len(n.bans) > 0 {
			t.Error("banned since it", <-n.bans)
		}
	}
}

// used returns the bytes of the heap, and the seconds of CPU that Go code took.
func used() (heap uint64, cpu float64) {
	runtime.GC()
	list := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/cpu/classes/user:cpu-seconds"}}
	metrics.Read(list)
	return list[0].Value.Uint64(), list[1].Value.Float64()
}
