package p2p

import (
	"bytes"
	"cmp"
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
//	name/<peer ID>  former
//
// It holds the registered URLs, at most maxRegistered, and the known nodes that are registered
// or were once connected. It also holds the names of forgotten nodes, at most maxFormer, for
// the blocks that they built. A record that cannot be read is deleted, since peers on the LAN
// send it again.
const (
	bookPeer = "peer/"
	bookURLs = "url/"
	bookName = "name/"
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
	mu     sync.Mutex        // held by save, before any other lock; guards stored
	stored map[string][]byte // the records as the store has them
}

// load fills the tables. It is called before anything else reads them.
func (b *book) load() error {
	all, err := b.store.All()
	if err != nil {
		return fmt.Errorf("read the address book: %w", err)
	}
	b.stored = all
	b.table.mu.Lock()
	defer b.table.mu.Unlock()
	for name, value := range all {
		if id, ok := strings.CutPrefix(name, bookPeer); ok {
			b.loadPeer(id, value)
		}
	}
	for name, value := range all {
		if url, ok := strings.CutPrefix(name, bookURLs); ok {
			b.urls.load(url, value)
		}
		if id, ok := strings.CutPrefix(name, bookName); ok {
			b.loadFormer(id, value)
		}
	}
	return nil
}

// loadPeer takes the record of one node. The caller holds table.mu.
func (b *book) loadPeer(id string, value []byte) {
	t := b.table
	p, err := peer.Decode(id)
	rec := new(bookEntry)
	if err != nil || p == t.host.ID() || ledger.Unmarshal(value, rec) != nil {
		return
	}
	e := t.add(p)
	if e == nil {
		return
	}
	for _, raw := range rec.Addrs {
		if a, err := ma.NewMultiaddrBytes(raw); err == nil {
			e.addrs = append(e.addrs, a)
		}
	}
	if rec.Reached && len(e.addrs) > 0 {
		e.best = e.addrs[0]
	}
	t.learn(e, nil, true)
	e.given, e.name, e.reached = rec.Given, clean(rec.Name, maxNameBytes), rec.Reached
	if rec.Seen != 0 {
		// The clock may have been set back since then.
		e.seen = t.started.Add(-max(1, t.started.Sub(time.Unix(rec.Seen, 0))))
		if e.reached {
			e.left = e.seen
		}
	}
}

func (b *book) loadFormer(id string, value []byte) {
	p, err := peer.Decode(id)
	if f := (former{}); err == nil && ledger.Unmarshal(value, &f) == nil {
		f.Name = clean(f.Name, maxNameBytes)
		b.table.former.keep(p, f)
	}
}

func (t *urlTable) load(url string, value []byte) {
	rec := new(bookURL)
	if len(t.urls) >= maxRegistered || checkURL(url) != nil || ledger.Unmarshal(value, rec) != nil {
		return
	}
	u := &registeredURL{url: url}
	t.urls[url] = u
	if p, err := peer.IDFromBytes(rec.Peer); err == nil && (p == t.host.ID() || t.table.known[p] != nil) {
		t.lead(u, p)
	}
}

// WithoutSecret returns the name of a record of the address book without the token in its
// URL. A node that reads such a record reports that the URL wants a token.
func WithoutSecret(name string) string {
	if url, ok := strings.CutPrefix(name, bookURLs); ok {
		return bookURLs + withoutToken(url)
	}
	return name
}

// save writes what differs from the store. When it returns, all that had changed when it
// was called is written. Two at once could write an older record last.
func (b *book) save() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	records, err := b.records()
	if err != nil {
		return fmt.Errorf("encode the address book: %w", err)
	}
	for name := range b.stored {
		if _, ok := records[name]; !ok {
			records[name] = nil // to be deleted
		}
	}
	for name, value := range records {
		if old, ok := b.stored[name]; ok && bytes.Equal(old, value) {
			continue
		}
		if err := b.store.Put(name, value); err != nil {
			return err
		}
		if b.stored[name] = value; value == nil {
			delete(b.stored, name)
		}
	}
	return nil
}

// records returns all records as they are to be stored.
func (b *book) records() (map[string][]byte, error) {
	b.table.mu.Lock()
	defer b.table.mu.Unlock()
	all := make(map[string][]byte)
	var failed error
	add := func(name string, record any) {
		value, err := ledger.Marshal(record)
		all[name], failed = value, cmp.Or(failed, err)
	}
	for _, e := range b.table.known {
		if e.proven() {
			add(bookPeer+e.id.String(), e.record())
		}
	}
	for _, u := range b.urls.urls {
		add(bookURLs+u.url, &bookURL{Peer: []byte(u.id)})
	}
	for id, f := range b.table.former {
		add(bookName+id.String(), &f)
	}
	return all, failed
}

func (e *knownPeer) record() *bookEntry {
	rec := &bookEntry{Given: e.given, Name: e.name, Reached: e.reached}
	for _, a := range e.addrs {
		rec.Addrs = append(rec.Addrs, a.Bytes())
	}
	seen := e.seen
	if e.session != nil { // seen all the time, so rounded, to be written less often
		seen = seen.Truncate(seenEvery)
	}
	if !seen.IsZero() {
		rec.Seen = seen.Unix()
	}
	return rec
}
