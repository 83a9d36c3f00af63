package chain

import "fmt"

// A Book is a set of named values in the ledger's database, for the address book of
// package p2p. Its writes are not synced, since losing the last ones only costs a search
// on the LAN.
type Book struct{ c *Chain }

// Put sets a value; an empty one deletes it.
func (b *Book) Put(name string, value []byte) error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	if err := b.c.ready(); err != nil {
		return err
	}
	if err := b.c.store.PutBook(name, value); err != nil {
		return b.c.fail(fmt.Errorf("write the address book: %w", err))
	}
	return nil
}

// All returns every name and value.
func (b *Book) All() (map[string][]byte, error) {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	if err := b.c.ready(); err != nil {
		return nil, err
	}
	return b.c.store.Book()
}
