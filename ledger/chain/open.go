package chain

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"
)

// Errors of Open that have words of their own. Match them with errors.Is.
var (
	// ErrForeign: the store belongs to another network.
	ErrForeign = errors.New("this is the ledger of another network")
	// ErrNewer: a newer program wrote the store.
	ErrNewer = errors.New("a newer version of foxchain wrote this ledger")
)

// Open opens or makes the store, checks it, and finishes a switch between
// branches that a crash interrupted. A torn end, as a power cut leaves it, is
// mended: the node continues from the last whole step. All other damage is
// ErrDamaged, and Repair keeps what is whole.
func Open(cfg Config) (*Chain, error) {
	c := &Chain{
		net: cfg.Network, log: cfg.Log, expiry: cfg.Expiry, began: time.Now(), tipSince: time.Now(),
		pool: pool.New(cfg.Network), records: newPoolRecords(), forks: newForks(), syncLast: cfg.syncLast,
		filterBits: cmp.Or(cfg.filterBits, store.FilterBits),
		changed:    make(chan struct{}), failed: make(chan struct{}),
		queue: submissions{turn: make(chan struct{}, 1)},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.expiry == 0 {
		c.expiry = defaultExpiry
	}
	if cfg.Storage == nil {
		if err := repairPending(cfg.Dir); err != nil {
			return nil, err
		}
	}
	var how store.Opened
	var err error
	if c.store, how, err = store.Open(store.Config{Dir: cfg.Dir, Storage: cfg.Storage, WriteBuffer: cfg.writeBuffer}); err != nil {
		return nil, err
	}
	if err := c.start(how); err != nil {
		return nil, errors.Join(err, c.store.Close())
	}
	return c, nil
}

// start reads what the store holds.
func (c *Chain) start(how store.Opened) error {
	if err := c.readInfo(); err != nil {
		return err
	}
	c.ranFor = time.Duration(c.store.Info.Running) * time.Millisecond
	if err := c.store.FindReceipts(); err != nil {
		return err
	}
	if err := c.checkCommits(how); err != nil {
		return err
	}
	if err := c.checkTip(); err != nil {
		return err
	}
	if err := c.loadPool(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.store.Info.Target; t != (ledger.Hash{}) {
		c.log.Info("going on with a switch between branches that was interrupted", "to", t.Short())
		if err := c.resume(t); err != nil {
			return err
		}
	}
	// Something stands in the journal from now on: an empty one is suspect.
	if err := c.commit(c.store.Begin(), true); err != nil {
		return err
	}
	c.store.DB.Tell = c.damage
	c.publish()
	return nil
}

// checkCommits looks for a hole in the commit counters: LevelDB then lost a part
// in the middle of its journal, and the state behind it cannot be trusted. Where
// only the end is gone, what is left is an earlier state and nothing is wrong
// with it.
func (c *Chain) checkCommits(how store.Opened) error {
	interrupted, err := store.Has(c.store.DB, []byte{store.KeyMending})
	if err != nil {
		return err
	}
	gap, err := c.commitsMissing()
	if err != nil {
		return err
	}
	switch {
	case gap:
		return store.Damaged("its journal", errors.New("a part in the middle is missing"))
	case interrupted:
		return store.Damaged("its state", errors.New("an older version began to mend it and was interrupted"))
	case how.Torn:
		c.log.Warn("the end of the ledger's journal was torn (a power cut?); the node continues from the last whole step. If the power did not fail, the disk did: transactions accepted in the torn part are lost", "blocks", c.store.Info.Blocks)
	case how.Emptied:
		c.log.Warn("the ledger's journal is empty. If the node was not stopped within moments of its start, the file was emptied, and transactions accepted since the start before are lost", "blocks", c.store.Info.Blocks)
	}
	return nil
}

// commitsMissing reports whether the commit counters have a gap.
func (c *Chain) commitsMissing() (gap bool, err error) {
	var last uint64
	err = c.store.Scan([]byte{store.KeyCommit}, func(key, _ []byte) error {
		n := binary.BigEndian.Uint64(key[1:])
		gap = gap || last != 0 && n != last+1
		last = n
		return nil
	})
	return gap || last != c.store.Info.Commits, err
}

// loadPool reads the pool. Only after damage can a record hold what is in the
// chain already; it is passed over.
func (c *Chain) loadPool() error {
	entries, err := c.records.load(c.store)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at, err := c.store.Place(e.Key)
		if err != nil {
			return err
		}
		if at != nil || c.pool.Get(e.Key) != nil {
			continue
		}
		c.pool.Now = e.FirstSeen // it may have waited since then
		if err := c.pool.Insert(e, c.balances()); err != nil {
			return err
		}
	}
	return nil
}

// readInfo reads the info record, or makes the first one.
func (c *Chain) readInfo() error {
	b, err := store.Get(c.store.DB, []byte{store.KeyInfo})
	if errors.Is(err, ledger.ErrUnknown) {
		id := c.net.ID()
		w := c.store.Begin()
		w.Info = store.Info{Schema: store.SchemaVersion, Name: c.net.Name, Network: id, Tip: id}
		return w.Write(true)
	} else if err != nil {
		return err
	}
	c.store.Info, err = decodeInfo(b, c.net)
	return err
}

// decodeInfo reads the info record of a store that must be of the network net.
func decodeInfo(b []byte, net *ledger.Network) (in store.Info, err error) {
	if in, err = decodeAnyInfo(b); err != nil {
		return in, err
	}
	if in.Network != net.ID() {
		return in, fmt.Errorf("%w: it is %q (%s), this node is to run %q (%s): give the other --network, or another directory",
			ErrForeign, in.Name, in.Network.Short(), net.Name, net.ID().Short())
	}
	return in, nil
}

// decodeAnyInfo reads the info record of a store of any network.
func decodeAnyInfo(b []byte) (in store.Info, err error) {
	// The schema number stands first, so that it is read even where a newer
	// version put more behind it.
	if len(b) > 1 && b[1] < 24 && uint64(b[1]) > store.SchemaVersion {
		return in, fmt.Errorf("%w (schema %d, this one knows %d): use that version, or another directory", ErrNewer, b[1], store.SchemaVersion)
	}
	if err := ledger.Unmarshal(b, &in); err != nil {
		return store.Info{}, store.Damaged("the info record", err)
	}
	return in, nil
}

// checkTip checks that the newest blocks hang together.
func (c *Chain) checkTip() error {
	in := &c.store.Info
	want := in.Tip
	for height := in.Blocks; height > 0 && height+10 > in.Blocks; height-- {
		hash, err := store.ReadHash(c.store.DB, height-1)
		if err == nil && hash != want {
			err = fmt.Errorf("it holds %s where %s belongs", hash.Short(), want.Short())
		}
		if err != nil {
			return store.Damaged(fmt.Sprintf("block %d", height-1), err)
		}
		h, err := store.ReadHeader(c.store.DB, hash)
		if err != nil {
			return store.Damaged(fmt.Sprintf("header %d", height-1), err)
		}
		want = h.Parent
	}
	return nil
}

// resume goes on with an interrupted switch. What it was validated for then
// still holds. Where it cannot go on after all (a body is not there, a rule is
// broken), the node stays at the tip that it has, which is valid, and sync does
// the rest.
func (c *Chain) resume(target ledger.Hash) error {
	n, _, err := c.find(target)
	if err != nil {
		return err
	}
	if n != nil && c.wins(n.ref()) {
		path, err := c.path(n)
		if err != nil {
			return err
		}
		if path != nil {
			_, err := c.switchTo(path)
			var rule *ledger.BlockError
			if err != nil && !errors.As(err, &rule) {
				return err
			}
		}
	}
	if c.store.Info.Target == (ledger.Hash{}) {
		return nil
	}
	w := c.store.Begin()
	w.Info.Target = ledger.Hash{}
	return c.commit(w, true)
}
