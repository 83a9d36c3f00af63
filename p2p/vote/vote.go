package vote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/wait"
)

const (
	maxCertificates = 64
	maxVotes        = 1000
	maxAnswer       = 1 << 20 // bytes
	answerTime      = 5 * time.Second
	maxAsked        = 256
	askedAgain      = 4 // peers, while a block waits to become final
	maxServedPeer   = 4

	firstAsk = time.Second
	lastAsk  = 8 * time.Second
	settled  = 500 * time.Millisecond // how often a settled node checks whether it still is
)

// A Voter takes and provides the votes.
type Voter interface {
	Committee() *committee.Committee
	Take(ctx context.Context, votes []finality.Vote, certs []*finality.Certificate)
	Since(ctx context.Context, view uint64) ([]*finality.Certificate, []finality.Vote)
	Told(ctx context.Context, others int)
	View() uint64
	Lacks() uint64
	Settled() bool
}

// Config configures an Exchange. All fields are needed.
type Config struct {
	Net   *ledger.Network
	Host  host.Host
	Voter Voter
	Ban   func(p peer.ID, reason string) // must return soon
	Key   func(p peer.ID) (ledger.PublicKey, error)
}

// An Exchange carries votes for a node. Make it with New, then Run it.
type Exchange struct {
	cfg      Config
	protocol protocol.ID
	topic    gossip.Topic
	wake     chan struct{} // signalled when a peer connects

	served wait.Bound

	mu    sync.Mutex       // guards what follows
	asked map[peer.ID]bool // peers that are being asked
	heard map[peer.ID]bool // peers that have answered since they connected
	told  map[int]bool     // builders that have answered
	seen  map[slot][]finality.Statement
	swept uint64 // the view at the last sweep of seen
}

// A slot is for the statements of one builder of one kind in one view.
type slot struct {
	builder int
	view    uint64
	kind    finality.Kind
}

// New joins the topic and answers questions until ctx, which must be Run's, ends.
func New(ctx context.Context, ps *pubsub.PubSub, cfg Config) (*Exchange, error) {
	x := &Exchange{
		cfg: cfg, protocol: gossip.ProtocolID(cfg.Net, "vote"), wake: make(chan struct{}, 1),
		served: wait.Bound{Most: maxServedPeer}, asked: make(map[peer.ID]bool), heard: make(map[peer.ID]bool),
		told: make(map[int]bool), seen: make(map[slot][]finality.Statement),
	}
	var err error
	if x.topic, err = gossip.Join(ps, cfg.Host.ID(), gossip.TopicName(cfg.Net, "vote"), x.validate); err != nil {
		return nil, err
	}
	cfg.Host.SetStreamHandler(x.protocol, func(str network.Stream) { x.serve(ctx, str) })
	return x, nil
}

// Publish gossips an own vote. It does not wait for peers.
func (x *Exchange) Publish(ctx context.Context, v finality.Vote) error {
	return x.topic.Publish(ctx, v.Encode())
}

// validate validates the messages of the topic. The package doc has its table.
func (x *Exchange) validate(_ context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	if from == x.cfg.Host.ID() {
		return pubsub.ValidationAccept
	}
	v, err := finality.DecodeVote(msg.GetData())
	if err == nil {
		if !x.wanted(v) {
			return pubsub.ValidationIgnore
		}
		err = x.cfg.Voter.Committee().VerifyVote(&v)
	}
	if err != nil {
		x.cfg.Ban(from, fmt.Sprintf("gossiped an invalid vote: %v", err))
		return pubsub.ValidationReject
	}
	x.note(v)
	msg.ValidatorData = v
	return pubsub.ValidationAccept
}

// wanted reports whether a vote can be new. It runs before the signature is verified,
// which costs the most.
func (x *Exchange) wanted(v finality.Vote) bool {
	view := x.cfg.Voter.View()
	if v.View+finality.ViewsBack < view || v.View > view+finality.ViewsAhead {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	said := x.seen[slot{v.Builder, v.View, v.Kind}]
	return len(said) < finality.Statements && !slices.Contains(said, v.Statement)
}

// note notes a verified vote, and forgets those of old views.
func (x *Exchange) note(v finality.Vote) {
	view := x.cfg.Voter.View()
	x.mu.Lock()
	defer x.mu.Unlock()
	at := slot{v.Builder, v.View, v.Kind}
	x.seen[at] = append(x.seen[at], v.Statement)
	if view == x.swept {
		return
	}
	x.swept = view
	maps.DeleteFunc(x.seen, func(at slot, _ []finality.Statement) bool { return at.view+finality.ViewsBack < view })
}

// Run takes votes and asks peers until ctx ends.
func (x *Exchange) Run(ctx context.Context) error {
	notified := &network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		x.forget(c.RemotePeer())
		wait.Signal(x.wake)
	}}
	x.cfg.Host.Network().Notify(notified)
	defer x.cfg.Host.Network().StopNotify(notified)
	defer x.cfg.Host.RemoveStreamHandler(x.protocol)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return x.receive(ctx) })
	g.Go(func() error { return x.askAll(ctx, g) })
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (x *Exchange) receive(ctx context.Context) error {
	for {
		msg, err := x.topic.Next(ctx)
		if err != nil {
			return err
		}
		if msg.ReceivedFrom == x.cfg.Host.ID() {
			continue
		}
		x.cfg.Voter.Take(ctx, []finality.Vote{msg.ValidatorData.(finality.Vote)}, nil)
	}
}

// askAll asks each peer once when it connects, and some again while a block waits to become
// final. A new connection does not delay the next time.
func (x *Exchange) askAll(ctx context.Context, g *errgroup.Group) error {
	x.round(ctx, g, 0)             // peers that connected before
	waits, wait := false, firstAsk // waits is whether a block waited at the last check
	timer := time.NewTimer(settled)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-x.wake:
			x.round(ctx, g, 0)
		case <-timer.C:
			before := waits
			if waits = !x.cfg.Voter.Settled(); !before || !waits {
				wait = firstAsk
				timer.Reset(settled)
				continue
			}
			x.round(ctx, g, askedAgain)
			timer.Reset(wait)
			wait = min(2*wait, lastAsk)
		}
	}
}

// round asks the peers that have not answered yet, and so many others. It does not wait for
// them, so that a silent one does not delay others.
func (x *Exchange) round(ctx context.Context, g *errgroup.Group, again int) {
	for _, p := range x.choose(x.cfg.Host.Network().Peers(), again) {
		g.Go(func() error {
			defer x.end(p)
			for lacks := x.cfg.Voter.Lacks(); ; lacks = x.cfg.Voter.Lacks() {
				// A peer that does not answer is asked again in a later round.
				if more, err := x.ask(ctx, p); !more || err != nil || !x.passes(ctx, lacks) {
					return nil
				}
			}
		})
	}
}

// choose returns the connected peers to ask, and adds them to asked. They are the peers
// that have not answered yet, and so many others, drawn by lot, builders first.
func (x *Exchange) choose(peers []peer.ID, others int) (chosen []peer.ID) {
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	slices.SortStableFunc(peers, func(p, q peer.ID) int { return cmp.Compare(x.rank(p), x.rank(q)) })
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.heard, func(p peer.ID, _ bool) bool { return !slices.Contains(peers, p) })
	for _, p := range peers {
		switch {
		case x.asked[p] || len(x.asked) >= maxAsked:
			continue
		case x.heard[p] && others == 0:
			continue
		case x.heard[p]:
			others--
		}
		x.asked[p] = true
		chosen = append(chosen, p)
	}
	return chosen
}

// rank is 0 for a builder, which has votes of its own, and 1 for another node.
func (x *Exchange) rank(p peer.ID) int {
	if key, err := x.cfg.Key(p); err == nil && x.cfg.Voter.Committee().Index(key) >= 0 {
		return 0
	}
	return 1
}

// forget makes the next round ask a peer, since it has connected anew.
func (x *Exchange) forget(p peer.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.heard, p)
}

func (x *Exchange) end(p peer.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.asked, p)
}

type answer struct {
	_            struct{} `cbor:",toarray"`
	Certificates [][]byte
	Votes        [][]byte
}

// passes reports whether this node took, within a second, what it lacked.
func (x *Exchange) passes(ctx context.Context, lacked uint64) bool {
	for range 50 {
		if x.cfg.Voter.Lacks() > lacked {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// ask asks one peer, takes its answer, and reports whether the peer may have more.
func (x *Exchange) ask(ctx context.Context, p peer.ID) (more bool, err error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "votes"), answerTime)
	defer cancel()
	str, err := x.cfg.Host.NewStream(ctx, p, x.protocol)
	if err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { _ = str.Reset() })()
	b, err := x.question(str)
	if err != nil {
		_ = str.Reset()
		return false, err
	}
	_ = str.Close() // the answer has been read
	votes, certs, err := x.read(b)
	if err != nil {
		x.cfg.Ban(p, fmt.Sprintf("answered with an invalid vote: %v", err))
		return false, err
	}
	x.cfg.Voter.Take(ctx, votes, certs)
	if len(certs) == maxCertificates {
		return true, nil
	}
	x.noteTold(ctx, p)
	return false, nil
}

func (x *Exchange) question(str network.Stream) ([]byte, error) {
	q, err := ledger.Marshal(x.cfg.Voter.Lacks())
	if err == nil {
		_, err = str.Write(q)
	}
	if err == nil {
		err = str.CloseWrite()
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(str, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("an answer of more than %d bytes", maxAnswer)
	}
	return b, err
}

// read decodes and verifies an answer.
func (x *Exchange) read(b []byte) (votes []finality.Vote, certs []*finality.Certificate, err error) {
	var a answer
	if err := ledger.Unmarshal(b, &a); err != nil {
		return nil, nil, err
	}
	if len(a.Certificates) > maxCertificates || len(a.Votes) > maxVotes {
		return nil, nil, fmt.Errorf("%d certificates and %d votes", len(a.Certificates), len(a.Votes))
	}
	committee := x.cfg.Voter.Committee()
	if certs, err = verified(a.Certificates, finality.DecodeCertificate, committee.VerifyCertificate); err == nil {
		votes, err = verified(a.Votes, finality.DecodeVote, func(v finality.Vote) error { return committee.VerifyVote(&v) })
	}
	return votes, certs, err
}

// verified decodes and verifies each of a list.
func verified[T any](list [][]byte, decode func([]byte) (T, error), verify func(T) error) (all []T, err error) {
	for _, b := range list {
		one, err := decode(b)
		if err == nil {
			err = verify(one)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// noteTold notes that p has answered, and reports to the voter how many builders have.
func (x *Exchange) noteTold(ctx context.Context, p peer.ID) {
	key, err := x.cfg.Key(p)
	x.mu.Lock()
	x.heard[p] = true
	if i := x.cfg.Voter.Committee().Index(key); err == nil && i >= 0 {
		x.told[i] = true
	}
	others := len(x.told)
	x.mu.Unlock()
	x.cfg.Voter.Told(ctx, others)
}

// serve answers one question.
func (x *Exchange) serve(ctx context.Context, str network.Stream) {
	p := str.Conn().RemotePeer()
	if !x.served.Enter(p) {
		_ = str.Reset()
		return
	}
	defer x.served.Leave(p)
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := x.reply(ctx, str); err != nil {
		_ = str.Reset()
		return
	}
	_ = str.Close()
}

func (x *Exchange) reply(ctx context.Context, str network.Stream) error {
	if err := str.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	const longest = 9 // bytes of a number in CBOR
	q, err := io.ReadAll(io.LimitReader(str, longest+1))
	if err != nil {
		return err
	}
	var view uint64
	if err := ledger.Unmarshal(q, &view); err != nil {
		x.cfg.Ban(str.Conn().RemotePeer(), "sent a malformed question for votes")
		return err
	}
	certs, votes := x.cfg.Voter.Since(ctx, view)
	a := answer{Certificates: [][]byte{}, Votes: [][]byte{}}
	for _, c := range certs[:min(len(certs), maxCertificates)] {
		a.Certificates = append(a.Certificates, c.Encode())
	}
	for _, v := range votes[:min(len(votes), maxVotes)] {
		a.Votes = append(a.Votes, v.Encode())
	}
	b, err := ledger.Marshal(a)
	if err != nil {
		return err
	}
	_, err = str.Write(b)
	return err
}
