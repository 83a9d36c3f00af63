package vote

import (
	"context"
	"slices"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
)

// A still voter stands at one view, and records how many builders have answered.
type still struct {
	Voter
	view      uint64
	committee *committee.Committee
	told      int
}

func (s *still) View() uint64                    { return s.view }
func (s *still) Committee() *committee.Committee { return s.committee }
func (s *still) Told(_ context.Context, n int)   { s.told = n }

// TestVotesThatAreWanted tries votes at exactly the bounds of the package doc.
func TestVotesThatAreWanted(t *testing.T) {
	s := &still{view: 100}
	x := &Exchange{cfg: Config{Voter: s}, seen: make(map[slot][]finality.Statement)}
	vote := func(view uint64, block byte) finality.Vote {
		return finality.Vote{Statement: finality.Statement{Kind: finality.Finalize, View: view, Block: ledger.BlockRef{Hash: ledger.Hash{block}}}}
	}
	for view, want := range map[uint64]bool{
		100 - finality.ViewsBack - 1: false, 100 - finality.ViewsBack: true, 100: true,
		100 + finality.ViewsAhead: true, 100 + finality.ViewsAhead + 1: false,
	} {
		if got := x.wanted(vote(view, 1)); got != want {
			t.Errorf("at view 100, a vote of view %d is wanted: %t", view, got)
		}
	}
	x.note(vote(84, 1))
	x.note(vote(85, 1))
	x.note(vote(100, 1))
	if x.wanted(vote(100, 1)) || !x.wanted(vote(100, 2)) {
		t.Error("one vote twice is wanted, or no second one")
	}
	x.note(vote(100, 2))
	if x.wanted(vote(100, 3)) || !x.wanted(vote(101, 3)) {
		t.Error("a third vote is wanted, or none of another view")
	}
	s.view = 101
	x.note(vote(101, 1))
	if len(x.seen) != 3 {
		t.Errorf("the votes of %d views are kept, want 3: that of view 84 is over", len(x.seen))
	}
}

// A namedHost is a host that has only an ID.
type namedHost struct{ host.Host }

func (namedHost) ID() peer.ID { return "self" }

// TestValidatedOnce checks that a vote that was accepted is ignored when another message
// carries it, and so is a third of the same builder, kind and view.
func TestValidatedOnce(t *testing.T) {
	net := ledgertest.Network(t, ledger.Network{Name: "office", Builders: []ledger.PublicKey{ledgertest.Public(ledgertest.Key(1))}})
	s := &still{view: 1, committee: committee.New(net)}
	x := &Exchange{cfg: Config{Voter: s, Host: namedHost{}}, seen: make(map[slot][]finality.Statement)}
	for i, c := range []struct {
		block byte
		want  pubsub.ValidationResult
	}{{1, pubsub.ValidationAccept}, {1, pubsub.ValidationIgnore}, {2, pubsub.ValidationAccept}, {3, pubsub.ValidationIgnore}} {
		v := s.committee.Sign(finality.Statement{Kind: finality.Notarize, View: 1, Block: ledger.BlockRef{Hash: ledger.Hash{c.block}}}, 0, ledgertest.Key(1))
		msg := &pubsub.Message{Message: &pb.Message{Data: v.Encode()}}
		if got := x.validate(t.Context(), "peer", msg); got != c.want {
			t.Errorf("vote %d: %d, want %d", i, got, c.want)
		}
		if got := x.validate(t.Context(), "self", msg); got != pubsub.ValidationAccept {
			t.Errorf("an own vote: %d", got)
		}
	}
}

// TestToldByBuilders checks that only builders that have answered are counted.
func TestToldByBuilders(t *testing.T) {
	net := ledgertest.Network(t, ledger.Network{Name: "office", Builders: []ledger.PublicKey{ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))}})
	s := &still{committee: committee.New(net)}
	keys := map[peer.ID]ledger.PublicKey{"first": net.Builders[0], "second": net.Builders[1], "follower": ledgertest.Public(ledgertest.Key(3))}
	x := &Exchange{heard: make(map[peer.ID]bool), told: make(map[int]bool), cfg: Config{Voter: s, Key: func(p peer.ID) (ledger.PublicKey, error) { return keys[p], nil }}}
	for _, c := range []struct {
		peer peer.ID
		want int
	}{{"follower", 0}, {"second", 1}, {"second", 1}, {"first", 2}, {"follower", 2}} {
		if x.noteTold(t.Context(), c.peer); s.told != c.want {
			t.Errorf("after an answer of the %s one, %d builders have answered, want %d", c.peer, s.told, c.want)
		}
	}
}

// TestAsked checks that each peer is asked until it has answered. Of the peers that have
// answered only a few are asked, builders first.
func TestAsked(t *testing.T) {
	net := ledgertest.Network(t, ledger.Network{Name: "office", Builders: []ledger.PublicKey{ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))}})
	var peers []peer.ID
	for i := range 30 {
		peers = append(peers, peer.ID(string(rune('a'+i))))
	}
	builders := map[peer.ID]ledger.PublicKey{peers[20]: net.Builders[0], peers[25]: net.Builders[1]}
	x := &Exchange{
		asked: make(map[peer.ID]bool), heard: map[peer.ID]bool{"gone": true},
		cfg: Config{Voter: &still{committee: committee.New(net)}, Key: func(p peer.ID) (ledger.PublicKey, error) { return builders[p], nil }},
	}
	if got := len(x.choose(slices.Clone(peers), 0)); got != 30 || len(x.heard) != 0 {
		t.Fatalf("%d of 30 new peers are asked, and %d that left are remembered, want 30 and 0", got, len(x.heard))
	}
	if got := x.choose(slices.Clone(peers), 4); len(got) != 0 {
		t.Fatalf("%d are asked whose answer is waited for", len(got))
	}
	for _, p := range peers[1:] { // all but one answer
		x.heard[p] = true
	}
	clear(x.asked)
	if got := x.choose(slices.Clone(peers), 0); !slices.Equal(got, peers[:1]) {
		t.Fatalf("%d are asked, want the one that did not answer", len(got))
	}
	clear(x.asked)
	got := x.choose(slices.Clone(peers), askedAgain)
	if len(got) != 1+askedAgain || !slices.Contains(got, peers[0]) || !slices.Contains(got, peers[20]) || !slices.Contains(got, peers[25]) {
		t.Fatalf("%q are asked while a block waits, want the one that did not answer, both builders and %d more", got, askedAgain-2)
	}
	clear(x.asked)
	x.heard[peers[0]] = true
	x.forget(peers[7])
	if got := x.choose(slices.Clone(peers), 0); !slices.Equal(got, peers[7:8]) {
		t.Fatalf("%d are asked, want the one that connected again", len(got))
	}
}
