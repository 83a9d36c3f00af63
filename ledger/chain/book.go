package chain

import "fmt"

// A Book is a set of named values inside the ledger's database, for the
// network's side: the address book of package p2p. Its writes are not fsynced:
// losing the last ones costs a search on the LAN, nothing more.
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
