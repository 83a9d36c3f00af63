package chain

import (
	"bytes"
	"fmt"

	"foxchain/ledger/store"
)

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
	key := append([]byte{store.KeyBook}, name...)
	var err error
	if len(value) == 0 {
		err = b.c.store.DB.Delete(key, nil)
	} else {
		err = b.c.store.DB.Put(key, value, nil)
	}
	if err != nil {
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
	all := make(map[string][]byte)
	err := b.c.store.Scan([]byte{store.KeyBook}, func(key, value []byte) error {
		all[string(key[1:])] = bytes.Clone(value)
		return nil
	})
	return all, err
}
