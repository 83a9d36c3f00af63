package p2p

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
	"foxchain/ledger/chain"
)

// The address book is the part of the table that outlives the node, in the
// ledger's database:
//
//	peer/<peer ID>  bookEntry
//	url/<ws URL>    bookURL
//
// It holds what the tables hold, at most maxKnown nodes and maxURLs URLs. What the
// table evicts is deleted. A record that cannot be read is passed over, since the
// peers of the LAN bring it again.
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
	Seen    int64 // Unix seconds, by this node's clock, or 0 for never
}

type bookURL struct {
	_    struct{} `cbor:",toarray"`
	Peer []byte   // the node behind it, empty while not known
}

// A book reads and writes the address book.
type book struct {
	table  *peerTable
	urls   *urlTable
	store  *chain.Book
	saving sync.Mutex // held by save, before any other lock
}

// load fills the tables. It is called before anything else reads them.
func (b *book) load() error {
	all, err := b.store.All()
	if err != nil {
		return fmt.Errorf("read the address book: %w", err)
	}
	b.table.mu.Lock()
	defer b.table.mu.Unlock()
	for name, value := range all {
		if id, ok := strings.CutPrefix(name, bookPeer); ok {
			b.table.load(id, value)
		}
	}
	for name, value := range all {
		if url, ok := strings.CutPrefix(name, bookURLs); ok {
			b.urls.load(url, value)
		}
	}
	return nil
}

// load takes one record of the book. The caller holds mu.
func (t *peerTable) load(id string, value []byte) {
	p, err := peer.Decode(id)
	rec := new(bookEntry)
	if err != nil || p == t.host.ID() || ledger.Unmarshal(value, rec) != nil {
		return
	}
	e := t.add(p)
	if e == nil {
		return
	}
	for _, b := range rec.Addrs {
		if a, err := ma.NewMultiaddrBytes(b); err == nil {
			e.addrs = append(e.addrs, a)
		}
	}
	if rec.Reached && len(e.addrs) > 0 {
		e.best = e.addrs[0]
	}
	t.learn(e, nil, true)
	e.setAddrs(e.addrs)
	e.given, e.name, e.reached, e.stored = rec.Given, clean(rec.Name, maxNameBytes), rec.Reached, true
	if rec.Seen != 0 {
		// The clock may have been set back since then.
		e.seen = t.started.Add(-max(1, t.started.Sub(time.Unix(rec.Seen, 0))))
		if e.reached {
			e.left = e.seen
		}
	}
}

func (t *urlTable) load(url string, value []byte) {
	rec := new(bookURL)
	if len(t.urls) >= maxURLs || checkURL(url) != nil || ledger.Unmarshal(value, rec) != nil {
		return
	}
	u := &registeredURL{url: url}
	t.urls[url] = u
	if p, err := peer.IDFromBytes(rec.Peer); err == nil && (p == t.host.ID() || t.table.known[p] != nil) {
		t.lead(u, p)
		u.dirty = false
	}
}

// A bookWrite is one change of the book.
type bookWrite struct {
	name  string
	value any // nil to delete
}

// save writes what changed since it was last called. When it returns, all that
// had changed when it was called is written. Two at a time would each return while
// the other still writes, and could write an older record last.
func (b *book) save() error {
	b.saving.Lock()
	defer b.saving.Unlock()
	for _, w := range b.takeWrites() {
		var value []byte
		if w.value != nil {
			var err error
			if value, err = ledger.Marshal(w.value); err != nil {
				return fmt.Errorf("encode the address book: %w", err)
			}
		}
		if err := b.store.Put(w.name, value); err != nil {
			return fmt.Errorf("write the address book: %w", err)
		}
	}
	return nil
}

// takeWrites returns what changed since the last call.
func (b *book) takeWrites() []bookWrite {
	b.table.mu.Lock()
	defer b.table.mu.Unlock()
	var writes []bookWrite
	for _, p := range b.table.forgotten {
		writes = append(writes, bookWrite{name: bookPeer + p.String()})
	}
	b.table.forgotten = nil
	for _, url := range b.urls.forgotten {
		writes = append(writes, bookWrite{name: bookURLs + url})
	}
	b.urls.forgotten = nil
	for _, e := range b.table.known {
		if e.stored && e.dirty {
			e.dirty, e.saved = false, e.seen
			writes = append(writes, bookWrite{bookPeer + e.id.String(), e.record()})
		}
	}
	for _, u := range b.urls.urls {
		if u.dirty {
			u.dirty = false
			writes = append(writes, bookWrite{bookURLs + u.url, &bookURL{Peer: []byte(u.id)}})
		}
	}
	return writes
}

func (e *knownPeer) record() *bookEntry {
	rec := &bookEntry{Given: e.given, Name: e.name, Reached: e.reached}
	for _, a := range e.addrs {
		rec.Addrs = append(rec.Addrs, a.Bytes())
	}
	if !e.seen.IsZero() {
		rec.Seen = e.seen.Unix()
	}
	return rec
}
