package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/store"
	"foxchain/rpc/api"
)

// lonelyAfter is the time without a peer after which a node reports possible reasons.
const lonelyAfter = 30 * time.Second // as in p2p.Node.Diagnosis

// eventPause is the least time between two looks at the node, so that a burst becomes one
// line.
const eventPause = time.Second

// lookEvery is the least time between two looks at the other nodes, and logMissing
// between two lines about missing ones.
const (
	lookEvery  = 2 * time.Second
	logMissing = 10 * time.Second
)

// A watcher logs changes of pool, chain and the other nodes, one line an event. It looks
// when something changes, and logs the differences from the last look. Package p2p logs
// connections, and package builder this node's blocks.
type watcher struct {
	chain *chain.Chain
	own   ledger.PublicKey // blocks of this key are logged by the builder
	log   *slog.Logger
	sync  func() *api.Sync  // returns nil if the node is not behind
	show  func(text string) // shows the progress of sync; nil to log it
	nodes nodeWatcher

	tip     store.Tip
	arrival uint64
	syncing syncing
}

func newWatcher(chain *chain.Chain, own ledger.PublicKey, log *slog.Logger) *watcher {
	status := chain.Status()
	return &watcher{
		chain: chain, own: own, log: log, sync: func() *api.Sync { return nil },
		tip: status.Tip, arrival: status.NextArrival,
	}
}

// run logs until ctx ends.
func (w *watcher) run(ctx context.Context) error {
	nodes := time.NewTicker(lookEvery)
	defer nodes.Stop()
	pause := time.NewTicker(eventPause)
	defer pause.Stop()
	for {
		changed := w.chain.Changed()
		if err := w.look(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-nodes.C:
			w.nodes.look(time.Now(), w.log)
			continue
		case <-w.syncing.again():
		case <-ctx.Done():
			return nil
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *watcher) look() error {
	status := w.chain.Status()
	if now := w.sync(); now != nil || !w.syncing.since.IsZero() {
		if w.syncing.since.IsZero() {
			w.syncing = syncing{since: time.Now(), from: w.tip.Blocks}
		}
		w.tip = status.Tip // blocks are counted, not logged one by one
		w.lookAtSync(now)
	}
	if status.NextArrival > w.arrival {
		w.log.Info(arrivalWords(status.NextArrival-w.arrival, status.Pool, status.Waiting))
		w.arrival = status.NextArrival
	}
	if status.Tip.Hash == w.tip.Hash {
		return nil
	}
	return w.lookAtBlocks()
}

// arrivalWords returns how many transactions came, and how many are in no block yet.
func arrivalWords(came uint64, pool, waiting int) string {
	text := term.Count(came, "new transaction")
	switch {
	case pool == 0:
		return text + ", in a block already"
	case waiting == 0:
		return fmt.Sprintf("%s, the pool holds %d", text, pool)
	}
	return fmt.Sprintf("%s, the pool holds %d, of which %d cannot be paid yet", text, pool, waiting)
}

// maxLogged is the number of blocks that are logged one by one. More, as in a first
// sync, become one line.
const maxLogged = 5

func (w *watcher) lookAtBlocks() error {
	v, err := w.chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	tip, from := v.Tip(), w.tip.Blocks
	w.tip = tip
	if tip.Blocks <= from || tip.Blocks-from > maxLogged {
		// The ledger logs a reorg.
		w.log.Info(fmt.Sprintf("the chain has %s now", term.Count(tip.Blocks, "block")), "tip", tip.Hash.Short())
		return nil
	}
	for height := from; height < tip.Blocks; height++ {
		h, err := v.Header(height)
		if err != nil {
			return err
		}
		if h.Builder == w.own {
			continue
		}
		w.log.Info(fmt.Sprintf("block %d with %s", height, term.Count(uint64(h.Count), "transaction")),
			"hash", h.Hash().Short(), "builder", h.Builder.String()[:8])
	}
	return nil
}

// syncEvery is the least time between two log lines about one sync.
const syncEvery = 10 * time.Second

// A syncing is one sync as a watcher follows it.
type syncing struct {
	since time.Time // zero if the node is not behind
	from  uint64    // blocks when it began
	shown time.Time // when it was last logged
}

// again returns a channel that fires when a sync in progress is to be shown again.
func (s *syncing) again() <-chan time.Time {
	if s.since.IsZero() {
		return nil
	}
	return time.After(eventPause)
}

// lookAtSync reports the progress of sync, in the terminal's last line or every
// syncEvery in the log, and its end.
func (w *watcher) lookAtSync(now *api.Sync) {
	blocks := w.tip.Blocks
	switch {
	case now == nil:
		was := w.syncing
		w.syncing = syncing{}
		if w.show != nil {
			w.show("")
		}
		w.log.Info("sync ended, the chain has "+term.Count(blocks, "block")+" now", "tip", w.tip.Hash.Short(),
			"new", max(blocks, was.from)-was.from, "took", time.Since(was.since).Round(time.Second))
	case w.show != nil:
		w.show("sync: " + SyncWords(blocks, now))
	case time.Since(w.syncing.shown) >= syncEvery:
		w.syncing.shown = time.Now()
		w.log.Info("sync: " + SyncWords(blocks, now))
	}
}

// SyncWords returns how far a node has caught up, in one line.
func SyncWords(blocks uint64, s *api.Sync) string {
	return fmt.Sprintf("%s of %s blocks (%d%%)", term.Thousands(blocks), term.Thousands(s.Best), 100*blocks/max(s.Best, 1))
}

// A nodeWatcher reports each time that the node is alone, and which nodes are missing,
// each time that changes.
type nodeWatcher struct {
	aloneSince func() time.Time // zero while a node is connected
	alone      func()           // reports that the node is alone
	all        func() []api.Peer

	told    time.Time // the aloneSince that was reported
	missing []string  // IDs, as logged last
	logged  time.Time // when missing was logged
}

func (w *nodeWatcher) look(now time.Time, log *slog.Logger) {
	if since := w.aloneSince(); since.IsZero() {
		w.told = time.Time{}
	} else if w.told.IsZero() && now.Sub(since) >= lonelyAfter {
		w.told = since
		w.alone()
	}
	if now.Sub(w.logged) < logMissing {
		return
	}
	m := api.MissingOf(w.all())
	var ids []string
	if m != nil {
		for _, n := range m.Nodes {
			ids = append(ids, n.ID)
		}
		ids = append(ids, strconv.Itoa(m.Count))
		slices.Sort(ids)
	}
	switch {
	case slices.Equal(ids, w.missing):
		return
	case m == nil:
		log.Info("no node is missing any more")
	default:
		log.Warn(m.Words(ledger.UnixSeconds(now)))
	}
	w.missing, w.logged = ids, now
}
