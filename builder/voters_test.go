package builder

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
)

// votes are four builders with a chain and a voter each, connected in memory. Only
// messages to a node that is down are lost.
type votes struct {
	t     *testing.T
	nodes []*votingNode
	known []*ledger.Block
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu     sync.Mutex
	signed []finality.Vote                    // all votes, of whatever builder
	crash  func(n *votingNode) bool           // before a vote is published
	ran    map[*votingNode]context.CancelFunc // the nodes that are up
}

type votingNode struct {
	*lab
	key     ed25519.PrivateKey
	index   int
	current atomic.Pointer[Voter]
	record  atomic.Pointer[finality.Record] // as its file has it
	ended   chan struct{}
}

// withVotes calls f in a bubble, with four builders that do not vote yet, and checks at
// the end that all were honest.
func withVotes(t *testing.T, f func(*testing.T, *votes)) {
	ledgertest.Bubble(t, func(t *testing.T) {
		v := newVotes(t, ledgertest.Key(1), ledgertest.Key(2), ledgertest.Key(3), ledgertest.Key(4))
		defer v.close()
		f(t, v)
	})
}

func newVotes(t *testing.T, keys ...ed25519.PrivateKey) *votes {
	outlive(t)
	slices.SortFunc(keys, func(a, b ed25519.PrivateKey) int {
		return slices.Compare(a.Public().(ed25519.PublicKey), b.Public().(ed25519.PublicKey))
	})
	var builders []ledger.PublicKey
	for _, k := range keys {
		builders = append(builders, ledgertest.Public(k))
	}
	v := &votes{t: t, ran: make(map[*votingNode]context.CancelFunc)}
	for i, k := range keys {
		v.nodes = append(v.nodes, &votingNode{lab: newLab(t, newNetwork(t, 0, builders...), k), key: k, index: i})
		v.nodes[i].record.Store(&finality.Record{})
	}
	ctx, stop := context.WithCancel(context.Background())
	v.stop = stop
	v.done.Go(func() { v.ask(ctx) })
	return v
}

func (n *votingNode) voter() *Voter { return n.current.Load() }

// start starts the voter of a node.
func (v *votes) start(n *votingNode, change ...func(*VoterConfig)) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg := VoterConfig{
		Chain: n.chain, Key: n.key, Record: n.record.Load(),
		Save:    func(r *finality.Record) error { n.record.Store(r); return nil },
		Publish: func(vote finality.Vote) { v.publish(ctx, cancel, n, vote) },
		Away:    func(ledger.PublicKey) bool { return false },
	}
	for _, c := range change {
		c(&cfg)
	}
	voter := NewVoter(cfg)
	n.current.Store(voter)
	ended := make(chan struct{})
	n.ended = ended
	v.mu.Lock()
	v.ran[n] = cancel
	v.mu.Unlock()
	go func() {
		defer close(ended)
		if err := voter.Run(ctx); err != nil {
			v.t.Errorf("voter %d: %v", n.index, err)
		}
	}()
}

func (v *votes) startAll() {
	for _, n := range v.nodes {
		v.start(n)
	}
}

// end ends the voter of a node.
func (v *votes) end(n *votingNode) {
	v.mu.Lock()
	v.ran[n]()
	delete(v.ran, n)
	v.mu.Unlock()
	<-n.ended
}

func (v *votes) close() {
	v.stop()
	v.done.Wait()
	for _, n := range v.up() {
		v.end(n)
	}
	v.expectHonest()
}

func (v *votes) up() (list []*votingNode) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.nodes {
		if v.ran[n] != nil {
			list = append(list, n)
		}
	}
	return list
}

func (v *votes) publish(ctx context.Context, cancel context.CancelFunc, n *votingNode, vote finality.Vote) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.signed = append(v.signed, vote)
	if v.crash != nil && v.crash(n) {
		cancel()
	}
	if ctx.Err() != nil {
		return
	}
	for o := range v.ran {
		if voter := o.voter(); o != n {
			v.done.Go(func() { v.take(voter, []finality.Vote{vote}, nil) })
		}
	}
}

func (v *votes) take(voter *Voter, votes []finality.Vote, certs []*finality.Certificate) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // it may have ended
	defer cancel()
	voter.Take(ctx, votes, certs)
}

// ask brings each node what it lacks, once a second. It asks the voters of one moment. A
// voter that started since is not credited with answers of nodes that have ended.
func (v *votes) ask(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(time.Second) {
		var up []*Voter
		v.mu.Lock()
		for _, n := range v.nodes {
			if v.ran[n] != nil {
				up = append(up, n.voter())
			}
		}
		v.mu.Unlock()
		for _, n := range up {
			for _, o := range up {
				if o != n && ctx.Err() == nil {
					ask, cancel := context.WithTimeout(ctx, time.Second)
					certs, votes := o.Since(ask, n.Lacks())
					n.Take(ask, votes, certs)
					cancel()
				}
			}
			told, cancel := context.WithTimeout(ctx, time.Second)
			n.Told(told, len(up)-1)
			cancel()
		}
	}
}

// build makes a block at a node, unless its tip changes meanwhile, and spread gives all
// nodes all blocks.
func (v *votes) build(n *votingNode) {
	ctx := context.Background()
	n.sealer.cfg.Announce = func(b *ledger.Block) { v.known = append(v.known, b) }
	n.submit(mint(1)...)
	template, err := n.sealer.Template(ctx, 1)
	if err != nil {
		v.t.Fatal(err)
	}
	if _, err := n.sealer.Submit(ctx, template.Number, ledger.Nonce{}); err != nil && !errors.Is(err, ErrStale) {
		v.t.Fatal(err)
	}
}

func (v *votes) spread() {
	for _, n := range v.nodes {
		for _, b := range v.known {
			_, _ = n.chain.AddBlock(context.Background(), b)
		}
	}
}

func isFinal(n *votingNode) bool {
	tip, f := n.chain.Tip(), n.chain.Status().Final
	return f != nil && f.Block.Hash == tip.Hash
}

// expectFinal waits until the tips of nodes are final, and the same.
func (v *votes) expectFinal(nodes ...*votingNode) {
	v.t.Helper()
	for range 1200 {
		v.spread()
		ok := true
		for _, n := range nodes {
			ok = ok && isFinal(n) && n.chain.Tip().Hash == nodes[0].chain.Tip().Hash
		}
		if ok {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, n := range nodes {
		v.t.Errorf("node %d: tip %+v, final %+v, %+v", n.index, n.chain.Tip(), n.chain.Status().Final, n.voter().State())
	}
	v.t.FailNow()
}

// expectHonest checks that no key signed two votes of which an honest builder signs one.
func (v *votes) expectHonest() {
	v.t.Helper()
	type place struct {
		builder int
		view    uint64
	}
	byPlace := make(map[place][]finality.Vote)
	for _, a := range v.signed {
		at := place{a.Builder, a.View}
		for _, b := range byPlace[at] {
			if a.Excludes(b.Statement) {
				v.t.Fatalf("builder %d signed %+v and %+v", a.Builder, a.Statement, b.Statement)
			}
		}
		if !slices.Contains(byPlace[at], a) {
			byPlace[at] = append(byPlace[at], a)
		}
	}
}

func (v *votes) signedBy(builder int) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, vote := range v.signed {
		if vote.Builder == builder {
			n++
		}
	}
	return n
}

// Blocks become final with one of four builders away, and not with two. The chain goes on
// then, and all of it is final when they are back.
func TestVoters(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		v.startAll()
		for i := range 3 {
			v.build(v.nodes[i])
			v.expectFinal(v.nodes...)
		}
		v.end(v.nodes[3])
		for range 4 { // each leads once
			v.build(v.nodes[0])
			v.expectFinal(v.nodes[:3]...)
		}
		v.end(v.nodes[2])
		for range 5 {
			v.build(v.nodes[0])
			v.spread()
			time.Sleep(20 * time.Second)
		}
		if f := v.nodes[0].chain.Status().Final; f.Block.Height != 6 || v.nodes[1].chain.Tip().Blocks != 12 {
			t.Fatalf("with two of four, final is %d", f.Block.Height)
		}
		v.start(v.nodes[2])
		v.expectFinal(v.nodes[:3]...)
		v.start(v.nodes[3])
		v.expectFinal(v.nodes...)
		time.Sleep(time.Minute)
		silent := len(v.signed)
		time.Sleep(time.Hour)
		if len(v.signed) != silent || !v.nodes[0].voter().Settled() {
			t.Errorf("%d votes with nothing to finalize", len(v.signed)-silent)
		}
	})
}

// A view lasts for its Δ also when nothing else happens in it and Δ is long.
func TestVotersWaitLong(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		v.stop()
		n := v.nodes[0]
		v.build(n)
		v.start(n)
		n.voter().Told(t.Context(), 1)
		for view := uint64(1); view <= 6; view++ { // 0 leads 4 and 8
			s := finality.Statement{Kind: finality.Nullify, View: view}
			for i, o := range v.nodes[1:] {
				v.take(n.voter(), []finality.Vote{n.voter().Committee().Sign(s, i+1, o.key)}, nil)
			}
		}
		again := finality.Statement{Kind: finality.Nullify, View: 6}
		v.take(n.voter(), []finality.Vote{n.voter().Committee().Sign(again, 1, v.nodes[1].key)}, nil)
		synctest.Wait()
		v.mu.Lock()
		own := slices.DeleteFunc(slices.Clone(v.signed), func(o finality.Vote) bool { return o.Builder != 0 || o.Kind != finality.Nullify })
		v.mu.Unlock() // it gives up what a leader gave up, unless the view was over before
		if seen := int(n.voter().State().Votes[finality.Nullify]) - len(own); seen != 18 {
			t.Errorf("%d votes of others were seen, want 18", seen)
		}
		cast, began := v.signedBy(0), time.Now()
		if view := n.voter().View(); view != 7 {
			t.Fatalf("it is in view %d, want 7", view)
		}
		for v.signedBy(0) == cast {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took < 16*time.Second || took > 17*time.Second {
			t.Errorf("it gave up a silent leader after %v, want 2 Δ of 8 s", took)
		}
	})
}

// A voter that ends between Save and Publish, over and over, never signs what
// excludes what it signed before.
func TestVotersCrash(t *testing.T) {
	const crashes = 100
	withVotes(t, func(t *testing.T, v *votes) {
		r := rand.New(rand.NewPCG(7, 7))
		v.startAll()
		left, fallen := crashes, make(chan *votingNode, crashes)
		luck := rand.New(rand.NewPCG(7, 8)) // under the lock of votes, as left
		v.crash = func(n *votingNode) bool {
			if left == 0 || luck.IntN(5) > 0 {
				return false
			}
			left--
			fallen <- n
			return true
		}
		for step := 0; step < 1000; step++ {
			v.mu.Lock()
			over := left == 0
			v.mu.Unlock()
			if over {
				break
			}
			v.build(v.nodes[r.IntN(4)]) // on the tip that it has, so branches come
			if r.IntN(2) == 0 {
				v.spread()
			}
			time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
			for len(fallen) > 0 {
				n := <-fallen
				if v.mu.Lock(); v.ran[n] == nil {
					v.mu.Unlock()
					continue
				}
				v.mu.Unlock()
				v.end(n)
				v.start(n)
			}
		}
		v.mu.Lock()
		v.crash = nil
		v.mu.Unlock()
		if left > 0 {
			t.Fatalf("%d crashes did not come", left)
		}
		for _, n := range v.up() {
			v.end(n)
			v.start(n)
		}
		v.expectFinal(v.nodes...)
	})
}

// A builder that has voted and lost the record of it is mute until a view became final
// without it.
func TestVoterWithoutRecord(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		lost := v.nodes[3]
		lost.record.Store(nil)
		v.startAll()
		v.build(lost)
		v.expectFinal(v.nodes...)
		if n := v.signedBy(3); n > 0 {
			t.Fatalf("%d votes without a record", n)
		}
		for range 20 {
			if !lost.voter().State().Mute {
				break
			}
			if v.signedBy(3) > 0 {
				t.Fatal("it votes while it is mute")
			}
			v.build(v.nodes[0])
			v.expectFinal(v.nodes...)
		}
		if lost.voter().State().Mute {
			t.Fatal("it stays mute for ever")
		}
		v.end(v.nodes[0]) // now it is needed
		v.build(lost)
		v.expectFinal(v.nodes[1:]...)
	})
}

// A vote of its own key from elsewhere stops a voter until it is restarted.
func TestVoterCopied(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		v.startAll()
		v.build(v.nodes[0])
		v.expectFinal(v.nodes...)
		copied := v.nodes[2]
		s := finality.Statement{Kind: finality.Nullify, View: copied.voter().View()}
		v.take(copied.voter(), []finality.Vote{copied.voter().Committee().Sign(s, 2, copied.key)}, nil)
		synctest.Wait()
		if !copied.voter().State().Copied {
			t.Fatal("it does not notice")
		}
		cast := v.signedBy(2)
		v.build(v.nodes[0])
		v.expectFinal(v.nodes...)
		time.Sleep(time.Minute)
		if n := v.signedBy(2); n != cast {
			t.Errorf("it cast %d votes more", n-cast)
		}
	})
}

// When more builders have lost the record of their votes than may be away, nothing
// becomes final until their operators allow them to vote again and all are here.
func TestVotersWithoutRecords(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		v.startAll()
		v.build(v.nodes[0])
		v.expectFinal(v.nodes...)
		for _, n := range v.nodes[1:] {
			v.end(n)
			v.start(n, func(c *VoterConfig) { c.Restored = true })
		}
		v.build(v.nodes[0])
		v.spread()
		time.Sleep(10 * time.Minute)
		if isFinal(v.nodes[0]) {
			t.Fatal("a block is final with one record of four")
		}
		for _, n := range v.nodes[1:] {
			v.end(n)
		}
		again := func(c *VoterConfig) { c.VoteAgain = true }
		v.start(v.nodes[1], again)
		v.start(v.nodes[2], again)
		time.Sleep(10 * time.Minute)
		if isFinal(v.nodes[0]) || !v.nodes[1].voter().State().Mute {
			t.Fatal("it votes again before all are here")
		}
		v.start(v.nodes[3], again)
		v.expectFinal(v.nodes...)
		v.end(v.nodes[0])
		v.build(v.nodes[1])
		v.expectFinal(v.nodes[1:]...)
	})
}

// A voter with an old record that was put back notices it before it votes, from what the
// others hold. So does one with a new directory and a key that voted.
func TestVoterWithOldRecord(t *testing.T) {
	for _, voted := range []bool{true, false} {
		voterWithOldRecord(t, voted)
	}
}

func voterWithOldRecord(t *testing.T, voted bool) {
	withVotes(t, func(t *testing.T, v *votes) {
		v.startAll()
		old := v.nodes[3]
		for v.signedBy(3) == 0 {
			v.build(old)
			v.expectFinal(v.nodes...)
		}
		record := old.record.Load()
		if !voted {
			record = &finality.Record{}
		}
		for old.voter().View()%4 != uint64(old.index) { // until it leads
			v.build(v.nodes[0])
			v.expectFinal(v.nodes...)
		}
		v.end(v.nodes[0])
		v.end(v.nodes[1])
		cast := v.signedBy(3)
		v.build(old)
		time.Sleep(100 * time.Millisecond)
		if v.signedBy(3) == cast {
			t.Fatal("it does not propose its block")
		}
		v.end(old)
		old.record.Store(record)
		v.build(old) // which it would propose in the same view
		cast = v.signedBy(3)
		v.start(old)
		time.Sleep(time.Minute)
		if n := v.signedBy(3) - cast; n > 0 || !old.voter().State().Copied {
			t.Errorf("it cast %d votes, and noticed: %v", n, old.voter().State().Copied)
		}
	})
}

// A builder that reaches the others only through watching nodes votes a while after the
// first answer of one of these, and not before any.
func TestVoterBehindWatchers(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		v.stop()
		n := v.nodes[1] // it leads view 1
		v.build(n)
		v.start(n)
		for range 20 {
			if v.signedBy(1) > 0 {
				t.Fatal("it votes before anybody told it what there is")
			}
			time.Sleep(time.Second)
		}
		n.voter().Told(t.Context(), 0)
		synctest.Wait()
		if v.signedBy(1) == 0 {
			t.Error("it does not vote")
		}
	})
}

// The only builder, restored from a backup, learns from watching nodes what it made final
// since, before it votes beside that.
func TestOnlyBuilderRestored(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		v := newVotes(t, ledgertest.Key(1))
		defer v.close()
		v.stop()
		n := v.nodes[0]
		first := finality.Statement{Kind: finality.Notarize, View: 1, Block: ledger.BlockRef{Height: 1, Hash: ledger.Hash{1}}}
		v.build(n)
		v.start(n, func(c *VoterConfig) { c.Restored = true })
		time.Sleep(5 * time.Second)
		v.take(n.voter(), []finality.Vote{n.voter().Committee().Sign(first, 0, n.key)}, nil)
		time.Sleep(time.Minute)
		if n.voter().State().Mute || v.signedBy(0) == 0 {
			t.Error("it is mute for ever")
		}
		v.signed = append(v.signed, n.voter().Committee().Sign(first, 0, n.key)) // close looks at it
	})
}
