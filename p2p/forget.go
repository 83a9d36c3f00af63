package p2p

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/rpc/api"
)

// replacedTime is how long a replaced node is shown before it is forgotten.
const replacedTime = time.Minute

// failDial notes why a dial to e failed. A node that answered in its place is met at
// that address. The caller holds mu.
func (t *peerTable) failDial(e *knownPeer, err error) {
	now := time.Now()
	e.fail(now, explain(err, t.cfg.PSK != nil))
	id, at := answeredBy(err)
	if id == "" || id == t.host.ID() || t.known[e.id] != e {
		return
	}
	if e.other == "" {
		e.otherAt = now
		t.log.Info("another identity answers at a node's address", "node", e.name, "peer", e.id, "by", t.labelOf(id))
	}
	e.other = id
	if o := t.add(id); o != nil && o.session == nil {
		t.meet(o, []ma.Multiaddr{at}, true, 0)
	}
}

// answeredBy returns which other node a dial has met, and where.
func answeredBy(err error) (peer.ID, ma.Multiaddr) {
	var tried *swarm.DialError
	if !errors.As(err, &tried) {
		return "", nil
	}
	for _, d := range tried.DialErrors {
		var other sec.ErrPeerIDMismatch
		if errors.As(d.Cause, &other) {
			return other.Actual, zoneForm(d.Address)
		}
	}
	return "", nil
}

// drop deletes an entry, the status lines of its node, and both from the book. The
// caller holds table.mu.
func (o *roster) drop(e *knownPeer) {
	o.table.forget(e)
	o.statuses.table.forget(e.id)
}

// A former is a node that was a peer and is forgotten. Its blocks stay, and people know
// their builder by its name.
type former struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Seen int64 // Unix seconds: when it was last there
}

// maxFormer bounds them. The one that was away the longest makes room.
const maxFormer = 256

// remember keeps the name of a node. The caller holds mu.
func (t *peerTable) remember(id peer.ID, f former) {
	t.former[id] = f
	if len(t.former) <= maxFormer {
		return
	}
	for other := range t.former {
		if t.former[other].Seen < t.former[id].Seen {
			id = other
		}
	}
	delete(t.former, id)
}

// Former returns the nodes that were peers and are forgotten, in a stable order.
func (n *Node) Former() (all []api.Former) {
	n.table.mu.Lock()
	defer n.table.mu.Unlock()
	for id, f := range n.table.former {
		if key, err := keyOf(id); err == nil && n.table.known[id] == nil {
			all = append(all, api.Former{Key: key.String(), Name: f.Name, Seen: float64(f.Seen)})
		}
	}
	slices.SortFunc(all, func(a, b api.Former) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// Forget drops a node that is not connected, with its registered addresses, from
// the table and the book. It is given by its peer ID or the end of it, its name, a
// registered address, or the IP address of a stranger. A node that is still there
// is met again. Its name and when it was last seen stay, for the blocks that it built,
// until it is forgotten a second time.
func (n *Node) Forget(node string) error {
	if err := n.roster.forget(node); err != nil {
		return err
	}
	n.notify()
	return n.book.save()
}

func (o *roster) forget(node string) error {
	var found []api.Peer
	for _, p := range o.nodes() {
		if named(&p, node) {
			found = append(found, p)
		}
	}
	switch {
	case len(found) == 0:
		return o.table.forgetName(node)
	case len(found) > 1:
		return manyKnown(len(found), node)
	case found[0].Connected:
		return fmt.Errorf("%q is connected: a node that is there would be met again at once; stop it first", clean(node, maxNameBytes))
	}
	o.table.mu.Lock()
	defer o.table.mu.Unlock()
	p := found[0]
	id, err := peer.Decode(p.ID)
	if err != nil { // it has none
		id = ""
	}
	for url, u := range o.urls.urls {
		if id != "" && u.id == id || u.id == "" && slices.Contains(p.Registered, withoutToken(url)) {
			delete(o.urls.urls, url)
		}
	}
	if e := o.table.known[id]; e != nil {
		o.drop(e)
	} else if id != "" {
		o.statuses.table.forget(id)
	}
	if p.State == FailedHandshake {
		if ip, err := netip.ParseAddr(node); err == nil {
			o.gater.forget(ip)
		}
	}
	o.log.Info("forgot a node", "node", p.Name, "peer", p.ID)
	return nil
}

// forgetName drops what is kept of a node that was forgotten before.
func (t *peerTable) forgetName(node string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []peer.ID
	for id, f := range t.former {
		if named(&api.Peer{ID: id.String(), Name: f.Name}, node) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return fmt.Errorf("no node is known by %q: give its peer ID as peers lists it, its name, or its registered address", clean(node, maxNameBytes))
	case 1:
		delete(t.former, found[0])
		return nil
	}
	return manyKnown(len(found), node)
}

func manyKnown(n int, node string) error {
	return fmt.Errorf("%d nodes are known by %q: give the peer ID of one", n, clean(node, maxNameBytes))
}

// named reports whether people may call p so.
func named(p *api.Peer, node string) bool {
	end := strings.TrimPrefix(node, "…")
	return node != "" && (p.ID == node || p.ID != "" && len(end) >= 6 && strings.HasSuffix(p.ID, end) || p.Name == node ||
		slices.Contains(p.Registered, node) || p.State == FailedHandshake && slices.Contains(p.Addrs, node))
}

// forget drops what the status lines of a node hold.
func (d *statusTable) forget(id peer.ID) {
	key, err := keyOf(id)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.nodes, key)
}

// forget drops what is known of failed handshakes of an address.
func (g *connGater) forget(ip netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.failed, ip)
}
