package p2p

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
)

const (
	// twinMemory is how long a copy of this node is believed to run after the
	// last sign of it. A copy that two nodes see in turn shows only now and then.
	twinMemory = 5 * time.Minute
	// twinDoubt: copies whose starts seem to differ by less began together, and
	// the one with the higher instance number counts as the later.
	twinDoubt = 2 * time.Second
	// maxPast is how many earlier runs of this node are remembered.
	maxPast   = 64
	bookRuns  = "runs"
	maxShown  = 4                                   // identities that run twice, in one message
	maxUptime = uint64(1) << 40                     // milliseconds, 34 years: more is nonsense
	maxAge    = uint64(liveTime / time.Millisecond) // older ones are not passed on
)

func (n *Node) presence() presence {
	p := presence{Key: n.pub, Instance: n.instance, Uptime: uint64(time.Since(n.started).Milliseconds())}
	p.sign(n.net, n.key)
	return p
}

// A copyState is what this node knows of another run of its identity:
// somebody copied the data directory. Node.mu guards it.
type copyState struct {
	last     time.Time // when it last showed; zero: never
	instance uint64
	began    time.Time // not after this; what is on its way makes a run look younger
	later    bool      // this node is the later of the two
}

// rememberRun stores this run's instance number, and loads those of earlier
// runs: messages of theirs that still go round are no copies.
func (n *Node) rememberRun() error {
	book := n.cfg.Chain.Book()
	all, err := book.All()
	if err != nil {
		return fmt.Errorf("read the address book: %w", err)
	}
	var past []uint64
	if ledger.Unmarshal(all[bookRuns], &past) != nil {
		past = nil // none yet
	}
	n.past = past
	past = append(slices.Clone(past), n.instance)
	b, err := ledger.Marshal(past[max(0, len(past)-maxPast):])
	if err != nil {
		return err
	}
	return book.Put(bookRuns, b)
}

// heard takes a status line.
func (n *Node) heard(line *statusLine, own bool) {
	line.Name, line.Version = clean(line.Name, maxNameBytes), clean(line.Version, maxNameBytes)
	now := time.Now()
	changed := n.directory.add(line, now)
	n.runs.note(presence{Key: line.Key, Instance: line.Instance, Uptime: line.Uptime, Signature: line.Presence}, now)
	if !own {
		n.hearTwins(line.Twins)
	}
	n.hearTwins(n.runs.of(n.pub))
	n.nameCopies()
	if changed {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.notify()
	}
}

// nameCopies logs each other key that begins to run twice, once.
func (n *Node) nameCopies() {
	twins := n.runs.twins(maxHeard)
	n.mu.Lock()
	defer n.mu.Unlock()
	copied := make(map[ledger.PublicKey]bool)
	for _, t := range twins {
		key := t.Presence.Key
		if id, err := peerOf(key); err == nil && key != n.pub && !n.copied[key] && !copied[key] {
			n.log.Warn("a node runs twice: its data directory was copied, and the copy needs a key of its own", "peer", id)
			n.notify()
		}
		copied[key] = true
	}
	n.copied = copied
}

// hearTwins takes what somebody saw of identities that run twice. What is not
// about ours, or not proven, is passed over.
func (n *Node) hearTwins(twins []twin) {
	for _, t := range twins {
		p := &t.Presence
		ours := p.Key == n.pub && p.Instance != n.instance && !slices.Contains(n.past, p.Instance)
		if ours && p.verify(n.net) {
			n.hearCopy(p.Instance, t.uptime())
		}
	}
}

// hearCopy takes that another run of this identity, of that instance number, has
// been up for so long or longer.
func (n *Node) hearCopy(instance uint64, uptime time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	fresh := n.copyText() == ""
	if began := now.Add(-uptime); n.copy.instance != instance || began.Before(n.copy.began) {
		n.copy.instance, n.copy.began = instance, began
	}
	n.copy.last = now
	lead := n.copy.began.Sub(n.started)
	n.copy.later = lead < -twinDoubt || lead < twinDoubt && n.instance > instance
	if fresh {
		n.log.Error("this node's identity runs twice", "reason", n.copyText())
		n.notify()
	}
}

// Copied says, in words for people, that this node's data directory is also in
// use elsewhere; it is empty when that is not so.
func (n *Node) Copied() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.copyText()
}

func (n *Node) copyText() string {
	if n.copy.last.IsZero() || time.Since(n.copy.last) > twinMemory {
		return ""
	}
	does := "goes on building: it was started first"
	if n.copy.later {
		does = "does not build: it was started later"
	}
	return fmt.Sprintf("another node with this node's key is running, its data directory was copied; this one %s. "+
		"Stop one of the two, and remove node.key from its directory before it is started again", does)
}

// Duplicate reports whether this node is the later one of two with one key. It
// must not build then.
func (n *Node) Duplicate() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.copy.later && time.Since(n.copy.last) <= twinMemory
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
