package p2p

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/rpc/api"
)

// replacedTime is how long a replaced node is shown before it is forgotten.
const replacedTime = time.Minute

// A former is a node that was a peer and is forgotten. Its blocks stay, and people know
// their builder by its name.
type former struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Seen int64 // Unix seconds: when it was last there
}

// formerNodes holds at most maxFormer. The one that was away the longest is dropped
// first.
type formerNodes map[peer.ID]former

const maxFormer = 256

func (m formerNodes) keep(id peer.ID, f former) {
	m[id] = f
	if len(m) <= maxFormer {
		return
	}
	for other := range m {
		if m[other].Seen < m[id].Seen {
			id = other
		}
	}
	delete(m, id)
}

// drop deletes an entry without a session, and the status lines of its node. The caller
// holds table.mu.
func (o *roster) drop(e *knownPeer) {
	o.table.forget(e)
	o.statuses.table.forget(e.id)
}

// Former returns the nodes that were peers and are forgotten, in a stable order.
func (o *roster) Former() (all []api.Former) {
	o.table.mu.Lock()
	defer o.table.mu.Unlock()
	for id, f := range o.table.former {
		if key, err := keyOf(id); err == nil && o.table.known[id] == nil {
			all = append(all, api.Former{Key: key.String(), Name: f.Name, Seen: float64(f.Seen)})
		}
	}
	slices.SortFunc(all, func(a, b api.Former) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// forget drops a node that is not connected, or the former entry of one that was
// forgotten.
func (o *roster) forget(node string) error {
	found := slices.DeleteFunc(o.Nodes(), func(p api.Peer) bool { return !named(&p, node) })
	o.table.mu.Lock()
	defer o.table.mu.Unlock()
	if len(found) == 0 {
		for id, f := range o.table.former {
			if p := (api.Peer{ID: id.String(), Name: f.Name}); named(&p, node) {
				found = append(found, p)
			}
		}
	}
	switch {
	case len(found) == 0:
		return fmt.Errorf("no node is known by %q: give its peer ID as peers lists it, its name, or its registered address", clean(node, maxNameBytes))
	case len(found) > 1:
		return fmt.Errorf("%d nodes are known by %q: give the peer ID of one", len(found), clean(node, maxNameBytes))
	}
	p := found[0]
	id, err := peer.Decode(p.ID)
	if err != nil { // a URL or stranger has no ID
		id = ""
	}
	if p.State == "" { // a former node
		delete(o.table.former, id)
		return nil
	}
	e := o.table.known[id]
	if e != nil && e.session != nil {
		return fmt.Errorf("%q is connected: a node that is there would be added again at once; stop it first", clean(node, maxNameBytes))
	}
	for url, u := range o.urls.urls {
		if id != "" && u.id == id || u.id == "" && slices.Contains(p.Registered, withoutToken(url)) {
			delete(o.urls.urls, url)
		}
	}
	if e != nil {
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

// named reports whether node is a name, ID or address of p.
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
