package p2p

import (
	"fmt"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

// The address book is the part of the table that outlives the node, in the
// ledger's database:
//
//	peer/<peer ID>  bookEntry
//	url/<ws URL>    bookURL
//
// It holds what the table holds, at most maxKnown nodes and maxURLs URLs; what
// the table drops (see evict), the book drops. What cannot be read is passed
// over: the LAN tells it again.
const (
	bookPeer = "peer/"
	bookURLs = "url/"
)

type bookEntry struct {
	_       struct{} `cbor:",toarray"`
	Addrs   [][]byte // binary multiaddrs, best first
	Given   []string // multiaddrs as they were registered
	Name    string
	Reached bool
	Seen    int64 // Unix seconds, by this node's clock; 0: never
}

type bookURL struct {
	_    struct{} `cbor:",toarray"`
	Peer []byte   // the node behind it; empty: not known yet
}

// loadBook fills the table. It is called before anything else reads it.
func (n *Node) loadBook() error {
	all, err := n.cfg.Chain.Book().All()
	if err != nil {
		return fmt.Errorf("read the address book: %w", err)
	}
	for name, value := range all {
		switch {
		case strings.HasPrefix(name, bookPeer):
			n.loadPeer(name[len(bookPeer):], value)
		case strings.HasPrefix(name, bookURLs):
			n.loadURL(name[len(bookURLs):], value)
		}
	}
	return nil
}

func (n *Node) loadPeer(id string, value []byte) {
	p, err := peer.Decode(id)
	rec := new(bookEntry)
	if err != nil || p == n.host.ID() || ledger.Unmarshal(value, rec) != nil {
		return
	}
	e := n.add(p)
	if e == nil {
		return
	}
	for _, b := range rec.Addrs {
		if a, err := ma.NewMultiaddrBytes(b); err == nil {
			e.addrs = append(e.addrs, a)
		}
	}
	e.addrs = n.near.sort(e.addrs, true)
	e.given, e.name, e.reached, e.stored = rec.Given, clean(rec.Name, maxNameBytes), rec.Reached, true
	if rec.Seen != 0 {
		e.seen = time.Unix(rec.Seen, 0)
	}
}

func (n *Node) loadURL(url string, value []byte) {
	rec := new(bookURL)
	if len(n.urls) >= maxURLs || checkURL(url) != nil || ledger.Unmarshal(value, rec) != nil {
		return
	}
	u := &wsURL{url: url}
	if p, err := peer.IDFromBytes(rec.Peer); err == nil {
		u.id = p
	}
	n.urls[url] = u
}

// A bookWrite is one change of the book.
type bookWrite struct {
	name  string
	value any // nil: delete
}

// saveBook writes what changed since it was last called. When it returns, all
// that had changed when it was called is written: two at a time would each
// return while the other still writes, and could write an older record last.
func (n *Node) saveBook() error {
	n.saving.Lock()
	defer n.saving.Unlock()
	book := n.cfg.Chain.Book()
	for _, w := range n.takeWrites() {
		var b []byte
		if w.value != nil {
			var err error
			if b, err = ledger.Marshal(w.value); err != nil {
				return fmt.Errorf("encode the address book: %w", err)
			}
		}
		if err := book.Put(w.name, b); err != nil {
			return fmt.Errorf("write the address book: %w", err)
		}
	}
	return nil
}

func (n *Node) takeWrites() []bookWrite {
	n.mu.Lock()
	defer n.mu.Unlock()
	var writes []bookWrite
	for _, p := range n.forgotten {
		writes = append(writes, bookWrite{name: bookPeer + p.String()})
	}
	n.forgotten = nil
	for _, e := range n.known {
		if e.stored && e.dirty {
			e.dirty = false
			writes = append(writes, bookWrite{bookPeer + e.id.String(), e.record()})
		}
	}
	for _, u := range n.urls {
		if u.dirty {
			u.dirty = false
			writes = append(writes, bookWrite{bookURLs + u.url, &bookURL{Peer: []byte(u.id)}})
		}
	}
	return writes
}

func (e *entry) record() *bookEntry {
	rec := &bookEntry{Given: e.given, Name: e.name, Reached: e.reached}
	for _, a := range e.addrs {
		rec.Addrs = append(rec.Addrs, a.Bytes())
	}
	if !e.seen.IsZero() {
		rec.Seen = e.seen.Unix()
	}
	return rec
}
