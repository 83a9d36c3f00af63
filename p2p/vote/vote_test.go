package vote_test

import (
	"context"
	"crypto/ed25519"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"foxchain/builder"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/wait"
	"foxchain/p2p/vote"
)

// A node has the vote side of a node, on a real host: chain, voter, gossip and exchange.
type node struct {
	host.Host
	chain *chain.Chain
	voter *builder.Voter
	bans  chan string
}

// office returns a network of four builders, their keys in the builders' order, and its
// first block.
func office(t *testing.T) (*ledger.Network, []ed25519.PrivateKey, *ledger.Block) {
	t.Helper()
	var keys []ed25519.PrivateKey
	rules := ledger.Network{Name: "office"}
	for i := range 4 {
		keys = append(keys, ledgertest.Key(i+1))
		rules.Builders = append(rules.Builders, ledgertest.Public(keys[i]))
	}
	slices.SortFunc(keys, func(a, b ed25519.PrivateKey) int {
		x, y := ledgertest.Public(a), ledgertest.Public(b)
		return slices.Compare(x[:], y[:])
	})
	net := ledgertest.Network(t, rules)
	txs := ledgertest.Minted(1)
	return net, keys, ledgertest.Seal(net, keys[0], ledger.Header{Version: 1, Parent: net.ID(), Time: 1}, txs)
}

func newHost(t *testing.T, key ed25519.PrivateKey) host.Host {
	t.Helper()
	id, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	// A dial may take as long as its test, and not five seconds, which a busy machine exceeds.
	const limit = time.Hour
	h, err := libp2p.New(libp2p.Identity(id), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics(),
		libp2p.Transport(tcp.NewTCPTransport, tcp.WithConnectionTimeout(limit)), libp2p.SwarmOpts(swarm.WithDialTimeoutLocal(limit)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// start starts a node that has the blocks.
func start(t *testing.T, net *ledger.Network, key ed25519.PrivateKey, blocks ...*ledger.Block) *node {
	t.Helper()
	n := &node{Host: newHost(t, key), chain: chaintest.Open(t, chain.Config{Network: net}), bans: make(chan string, 16)}
	for _, b := range blocks {
		if _, err := n.chain.AddBlock(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var x *vote.Exchange
	n.voter = builder.NewVoter(builder.VoterConfig{
		Chain: n.chain, Key: key, Record: &finality.Record{}, Save: func(*finality.Record) error { return nil },
		Publish: func(v finality.Vote) { _ = x.Publish(ctx, v) },
		Away:    func(ledger.PublicKey) bool { return false },
	})
	ban := func(_ peer.ID, reason string) {
		select {
		case n.bans <- reason:
		default:
		}
	}
	ps, err := gossip.New(ctx, n.Host, net, gossip.BanList(func(peer.ID) bool { return false }), new(gossip.Counters))
	if err != nil {
		t.Fatal(err)
	}
	if x, err = vote.New(ctx, ps, vote.Config{Net: net, Host: n.Host, Voter: n.voter, Ban: ban, Key: keyOf}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- x.Run(ctx) }()
	go func() { ended <- n.voter.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return n
}

func keyOf(p peer.ID) (key ledger.PublicKey, err error) {
	pub, err := p.ExtractPublicKey()
	if err != nil {
		return key, err
	}
	raw, err := pub.Raw()
	return ledger.PublicKey(raw), err
}

func connect(t *testing.T, a, b host.Host) {
	t.Helper()
	if err := a.Connect(t.Context(), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}); err != nil {
		t.Fatal(err)
	}
}

// awaitFinal waits until the tip of a node is final.
func (n *node) awaitFinal(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		changed := n.chain.Changed()
		if st := n.chain.Status(); st.Final != nil && st.Final.Block.Hash == st.Tip.Hash {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the tip is not final: %+v, %+v", n.chain.Status(), n.voter.State())
		}
	}
}

// TestCatchUp makes a block final among three builders. A node that comes when votes are
// no longer gossiped learns of it.
func TestCatchUp(t *testing.T) {
	net, keys, block := office(t)
	var nodes []*node
	for _, k := range keys[:3] {
		n := start(t, net, k, block)
		for _, other := range nodes {
			connect(t, n, other)
		}
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.awaitFinal(t)
	}
	late := start(t, net, ledgertest.Key(9), block)
	connect(t, late, nodes[0])
	late.awaitFinal(t)
}

// A slowVoter answers when it is let go.
type slowVoter struct {
	vote.Voter
	asked, let chan struct{}
}

func (s *slowVoter) Since(ctx context.Context, view uint64) ([]*finality.Certificate, []finality.Vote) {
	s.asked <- struct{}{}
	<-s.let
	return s.Voter.Since(ctx, view)
}

// TestServedAtOnce asks more at once than one peer may. One stream is reset, and the
// others are answered.
func TestServedAtOnce(t *testing.T) {
	const most = 4 // as the package doc has it
	net, keys, block := office(t)
	slow := &slowVoter{start(t, net, keys[0], block).voter, make(chan struct{}, most+1), make(chan struct{})}
	n, asker := newHost(t, ledgertest.Key(8)), newHost(t, ledgertest.Key(9))
	ps, err := gossip.New(t.Context(), n, net, gossip.BanList(func(peer.ID) bool { return false }), new(gossip.Counters))
	if err == nil {
		_, err = vote.New(t.Context(), ps, vote.Config{Net: net, Host: n, Voter: slow, Ban: func(peer.ID, string) {}, Key: keyOf})
	}
	if err != nil {
		t.Fatal(err)
	}
	connect(t, asker, n)
	answers := make(chan error, most+1)
	for range most + 1 {
		str, err := asker.NewStream(t.Context(), n.ID(), gossip.ProtocolID(net, "vote"))
		if err == nil {
			_, err = str.Write([]byte{0}) // view 0
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = str.CloseWrite() // fails where it is reset already
		go func() {
			_, err := io.ReadAll(str)
			answers <- err
		}()
	}
	for range most {
		<-slow.asked
	}
	select {
	case <-slow.asked:
		t.Error("one more is answered at once")
	case err := <-answers:
		if err == nil {
			t.Error("one was answered before it was let go")
		}
	}
	close(slow.let)
	for range most {
		if err := <-answers; err != nil {
			t.Errorf("a question within the bound: %v", err)
		}
	}
}

// TestSilentPeerHoldsUpNoOther asks a peer that never answers, and learns of the final
// block from another while it waits.
func TestSilentPeerHoldsUpNoOther(t *testing.T) {
	net, keys, block := office(t)
	asked, given := make(chan struct{}, 1), make(chan struct{})
	silent := newHost(t, ledgertest.Key(8))
	silent.SetStreamHandler(gossip.ProtocolID(net, "vote"), func(str network.Stream) {
		_, _ = io.ReadAll(str)
		wait.Signal(asked) // it is asked again
		<-given
		_ = str.Reset()
	})
	t.Cleanup(func() { close(given) })
	late := start(t, net, ledgertest.Key(9), block)
	connect(t, late, silent)
	<-asked
	began := time.Now()
	var nodes []*node
	for _, k := range keys[:3] {
		n := start(t, net, k, block)
		for _, other := range append(nodes, late) {
			connect(t, n, other)
		}
		nodes = append(nodes, n)
	}
	late.awaitFinal(t)
	t.Log("final after", time.Since(began))
}

// TestForgedAnswers checks that a peer is banned for an answer that no honest node sends.
func TestForgedAnswers(t *testing.T) {
	net, keys, block := office(t)
	committee := committee.New(net)
	statement := finality.Statement{Kind: finality.Finalize, View: 1, Block: ledger.BlockRef{Hash: block.Hash()}}
	certificate := func() *finality.Certificate {
		c := &finality.Certificate{Statement: statement, Signers: []byte{0b0111}}
		for i, k := range keys[:3] {
			sig := committee.Sign(statement, i, k).Signature
			c.Signatures = append(c.Signatures, sig[:]...)
		}
		return c
	}
	wrong, twice, few, outside := certificate(), certificate(), certificate(), certificate()
	wrong.Signatures[70] ^= 1
	copy(twice.Signatures[64:], twice.Signatures[:64])
	few.Signers, few.Signatures = []byte{0b0011}, few.Signatures[:128]
	outside.Signers = []byte{0b1000_0011}
	forged := committee.Sign(statement, 3, keys[2])
	many := make([][]byte, 65)
	for i := range many {
		many[i] = certificate().Encode()
	}
	answer := func(certs, votes [][]byte) []byte {
		b, err := ledger.Marshal([][][]byte{certs, votes})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	none := [][]byte{}
	for name, bytes := range map[string][]byte{
		"no CBOR":                answer(none, none)[1:],
		"a wrong signature":      answer([][]byte{wrong.Encode()}, none),
		"a signature twice":      answer([][]byte{twice.Encode()}, none),
		"too few":                answer([][]byte{few.Encode()}, none),
		"a builder that is none": answer([][]byte{outside.Encode()}, none),
		"too many":               answer(many, none),
		"a vote of another":      answer(none, [][]byte{forged.Encode()}),
	} {
		t.Run(name, func(t *testing.T) {
			liar := newHost(t, ledgertest.Key(8))
			liar.SetStreamHandler(gossip.ProtocolID(net, "vote"), func(str network.Stream) {
				_, _ = io.ReadAll(str)
				_, _ = str.Write(bytes)
				_ = str.Close()
			})
			n := start(t, net, ledgertest.Key(9), block)
			connect(t, n, liar)
			if reason := <-n.bans; !strings.Contains(reason, "invalid vote") {
				t.Error("banned since it", reason)
			}
			if n.chain.Status().Final != nil {
				t.Error("a block is final")
			}
		})
	}
}

// answering returns a peer that answers each question for votes with certificates, and a
// channel of the first view that each question asked for.
func answering(t *testing.T, net *ledger.Network, certificates func(from uint64) [][]byte) (host.Host, <-chan uint64) {
	t.Helper()
	h, asked := newHost(t, ledgertest.Key(8)), make(chan uint64, 64)
	h.SetStreamHandler(gossip.ProtocolID(net, "vote"), func(str network.Stream) {
		var from uint64
		q, err := io.ReadAll(str)
		if err == nil {
			err = ledger.Unmarshal(q, &from)
		}
		answer, bad := ledger.Marshal([][][]byte{certificates(from), {}})
		if err != nil || bad != nil {
			_ = str.Reset()
			return
		}
		_, _ = str.Write(answer)
		_ = str.Close()
		asked <- from
	})
	return h, asked
}

// next returns the first view that the next question asks for.
func next(t *testing.T, asked <-chan uint64) uint64 {
	t.Helper()
	select {
	case from := <-asked:
		return from
	case <-time.After(time.Minute):
		t.Fatal("nothing is asked any more")
		return 0
	}
}

// TestAsksForAllPages checks that a peer is asked when it connects, though no block
// waits, and page after page.
func TestAsksForAllPages(t *testing.T) {
	net, keys, _ := office(t)
	committee := committee.New(net)
	other, asked := answering(t, net, func(from uint64) (list [][]byte) {
		for v := max(from, 1); v <= 150 && len(list) < 64; v++ {
			c := &finality.Certificate{Statement: finality.Statement{Kind: finality.Nullify, View: v}, Signers: []byte{0b0111}}
			for i, k := range keys[:3] {
				sig := committee.Sign(c.Statement, i, k).Signature
				c.Signatures = append(c.Signatures, sig[:]...)
			}
			list = append(list, c.Encode())
		}
		return list
	})
	connect(t, start(t, net, ledgertest.Key(9)), other)
	for next(t, asked) != 129 { // one page may be asked for twice
	}
}

// TestAsksAgain checks that a peer with nothing new is asked again and again while a
// block waits.
func TestAsksAgain(t *testing.T) {
	net, _, block := office(t)
	other, asked := answering(t, net, func(uint64) [][]byte { return [][]byte{} })
	connect(t, start(t, net, ledgertest.Key(9), block), other)
	for range 3 {
		next(t, asked)
	}
}

// TestVoteFits checks that gossip cuts no vote of an honest builder.
func TestVoteFits(t *testing.T) {
	v := finality.Vote{Statement: finality.Statement{Kind: finality.Finalize, View: 1<<53 - 1, Parent: 1<<53 - 2,
		Block: ledger.BlockRef{Height: 1<<53 - 1, Hash: ledger.Hash{1}}}, Builder: 255}
	if n := len(v.Encode()); n > gossip.MaxVote {
		t.Errorf("a vote has %d bytes, over the limit of %d", n, gossip.MaxVote)
	}
	t.Logf("%d bytes", len(v.Encode()))
}
