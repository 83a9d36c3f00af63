package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gorilla/websocket"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/finality"
	"foxchain/ledger/store"
	"foxchain/rpc/api"
)

// A subscription sends changes to one connection. It has no queue of events. It remembers
// what it has sent, looks at the node when that changes, and sends the difference. So a
// reorg is sent whole however fast it was, and a slightly slow client gets fewer, larger
// steps. A client that leaves an event waiting for limits.slow is dropped.
type subscription struct {
	s    *Server
	host string // by which the client reaches this node
	may  *grant
	to   subscriber

	kinds []string // in the order of their first events
	n     uint64   // of the last event

	// The chain, as the client knows it.
	at    chain.Cursor // at the last block that was sent
	items bool         // whole blocks, not only headers

	final    uint64                     // height of the first block without a final event
	evidence map[finality.Evidence]bool // that was sent
	proofs   uint64                     // how many proofs there were then

	pool   poolWindow
	peers  snapshot
	status snapshot

	told txName // the transaction of told events
	way  snapshot
	here *float64 // when it was first here, as last sent
}

// A subscriber is a client's connection, as a subscription sees it.
type subscriber interface {
	// deliver sends an event. It returns errTooSlow when that takes too long.
	deliver(context.Context, *subEvent) error
	// hangUp closes the connection, see writer.
	hangUp(cause string, code int, reason string)
}

// A subEvent is one message of a subscription.
type subEvent struct {
	kind string
	n    uint64
	data []byte
	at   chain.Cursor // of a block event, after it
}

// A snapshot is a state that is sent again when it has changed, at most once in
// limits.redraw.
type snapshot struct {
	sent []byte    // what was sent last, without what always changes
	due  time.Time // when the next may be sent
}

// subscribe is the op. It starts events after its reply. The new subscription replaces
// the connection's earlier one. An empty list of events only ends that.
func subscribe(_ context.Context, q *request, out *reply) error {
	if q.conn == nil {
		return &opError{status: 500, text: "Events need a connection"}
	}
	sub := &subscription{s: q.conn.s, host: q.host, may: q.grant, to: q.conn}
	started, err := sub.begin(&q.args)
	if err != nil {
		return err
	}
	q.conn.unsubscribe() // so all its events come before our reply
	if len(sub.kinds) > 0 {
		q.after = func(ctx context.Context) { q.conn.subscribe(ctx, sub) }
	}
	return out.respond(started)
}

// begin reads which events are asked for, and where they begin.
func (sub *subscription) begin(a *args) (started api.Subscribed, err error) {
	sub.kinds = a.kinds()
	if a.get("id") == nil && a.get("events") == nil { // all kinds but told, which needs an ID
		sub.kinds = slices.DeleteFunc(sub.kinds, func(k string) bool { return k == "told" })
	}
	if a.err == nil && slices.Contains(sub.kinds, "told") {
		if sub.told, err = sub.s.ops.chain.named("subscribe", a); err != nil {
			return started, err
		}
	}
	sub.items = a.boolean("items", false)
	if err := sub.startAt(a); err != nil {
		return started, cmp.Or(a.err, err)
	}
	started = api.Subscribed{Events: sub.kinds, From: sub.at.Next, FromFinal: sub.startFinal(a)}
	return started, a.err
}

// kinds returns the requested kinds of events, all if the argument is absent.
func (a *args) kinds() []string {
	all := api.EventKinds()
	v := a.get("events")
	if v == nil {
		return all
	}
	var asked []string
	err := json.Unmarshal(v, &asked)
	if err != nil || slices.ContainsFunc(asked, func(k string) bool { return !slices.Contains(all, k) }) {
		a.bad("events", "must be a list of "+strings.Join(all, ", "))
	}
	return slices.DeleteFunc(all, func(k string) bool { return !slices.Contains(asked, k) })
}

func (sub *subscription) run(ctx context.Context) error {
	s := sub.s
	for {
		chainChanged, netChanged := s.cfg.Chain.Changed(), s.cfg.Peers.Changed()
		_, _, refused := s.refusals.read()
		again, err := sub.look(ctx)
		if err != nil {
			return err
		}
		timer := time.NewTimer(again)
		select {
		case <-chainChanged:
		case <-netChanged:
		case <-refused:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		timer.Stop()
		select { // changes come in bursts
		case <-time.After(min(s.limits.coalesce, again)):
		case <-ctx.Done():
			return nil
		}
	}
}

// idle is how long a subscription sleeps if nothing changes, in effect for ever.
const idle = 24 * time.Hour

// seenEvery is how often it checks when nodes were last seen, as often as they publish
// their status.
const seenEvery = 4 * time.Second

// look sends what changed since the last look, and returns when to look again
// even if nothing changes.
func (sub *subscription) look(ctx context.Context) (again time.Duration, err error) {
	again = idle
	for _, kind := range sub.kinds {
		more := false
		switch kind {
		case "status":
			err = sub.sendSnapshot(ctx, kind, &sub.status, &again, sub.statusData)
			if sub.s.cfg.Sync() != nil { // progress is shown even without other changes
				again = min(again, sub.s.limits.redraw)
			}
		case "peers":
			err = sub.sendSnapshot(ctx, kind, &sub.peers, &again, sub.peersData)
			again = min(again, seenEvery) // a status line without news does not notify
		case "block":
			more, err = sub.sendBlocks(ctx)
		case "pool":
			err = sub.sendPool(ctx, &again)
		case "final":
			more, err = sub.sendFinal(ctx)
		case "evidence":
			err = sub.sendEvidence(ctx)
		case "told":
			err = sub.sendSnapshot(ctx, kind, &sub.way, &again, sub.toldData)
			if now := time.Now(); sub.way.due.Before(now) { // each look costs a search, even if nothing is new
				sub.way.due = now.Add(sub.s.limits.redraw)
			}
			again = min(again, sub.s.limits.redraw) // gossip does not notify
		}
		if err != nil {
			return again, err
		}
		if more {
			again = 0
		}
	}
	return again, nil
}

// sendSnapshot sends a snapshot's event if it is due and has changed. data returns the event's
// data, and the part of it to compare.
func (sub *subscription) sendSnapshot(ctx context.Context, kind string, snap *snapshot, again *time.Duration, data func() (full, compare []byte, err error)) error {
	if tooEarly(snap.due, again) {
		return nil
	}
	full, compare, err := data()
	if err != nil || slices.Equal(compare, snap.sent) {
		return err
	}
	snap.sent, snap.due = compare, time.Now().Add(sub.s.limits.redraw)
	return sub.send(ctx, &subEvent{kind: kind, data: full})
}

// tooEarly reports whether an event is not due yet. If so, it shortens again to the time
// until it is.
func tooEarly(due time.Time, again *time.Duration) bool {
	wait := time.Until(due)
	if wait > 0 {
		*again = min(*again, wait)
	}
	return wait > 0
}

func (sub *subscription) statusData() (full, compare []byte, err error) {
	in, err := sub.s.node.readInfo(sub.host)
	if err != nil {
		return nil, nil, err
	}
	if full, err = appendJSON(nil, in); err != nil {
		return nil, nil, err
	}
	in.Time, in.Uptime = 0, 0
	compare, err = appendJSON(nil, in)
	return full, compare, err
}

func (sub *subscription) peersData() (full, compare []byte, err error) {
	s := sub.s
	peers := s.node.listPeers(sub.host)
	peers.Links = links(s.cfg.Peers.ID(), peers.Nodes)
	full, err = appendJSON(nil, peers)
	return full, full, err
}

// toldData returns nothing while the transaction is not known.
func (sub *subscription) toldData() (full, compare []byte, err error) {
	way, err := sub.s.ops.chain.travel(sub.told)
	var refused *opError
	if errors.As(err, &refused) {
		return nil, sub.way.sent, nil
	}
	if err != nil {
		return nil, nil, err
	}
	// In the pool, Here is computed from the age, which is rounded.
	if way.Here == nil || sub.here == nil || math.Abs(*way.Here-*sub.here) > 0.01 {
		sub.here = way.Here
	}
	way.Here = sub.here
	full, err = appendJSON(nil, way)
	return full, full, err
}

// The most blocks and bytes that are read from one view.
const (
	blocksPerLook = 64
	bytesPerLook  = 1 << 20
)

// sendBlocks sends the blocks that left the chain, highest first, then those that
// joined it, lowest first. It reports whether there are more.
func (sub *subscription) sendBlocks(ctx context.Context) (more bool, err error) {
	events, more, err := sub.blockEvents()
	for i := range events {
		if err := sub.send(ctx, &events[i]); err != nil {
			return false, err
		}
	}
	return more, err
}

// blockEvents moves the cursor toward the chain, by a bounded number of steps over one
// view, and returns their events. The view is closed before anything is sent.
func (sub *subscription) blockEvents() (events []subEvent, more bool, err error) {
	v, err := sub.s.cfg.Chain.View()
	if err != nil {
		return nil, false, err
	}
	defer v.Close()
	size := 0
	for size < bytesPerLook && len(events) < blocksPerLook {
		data, err := sub.step(v)
		if err != nil || data == nil {
			return events, false, err
		}
		events = append(events, subEvent{kind: "block", data: data, at: sub.at})
		size += len(data)
	}
	return events, true, nil
}

// step returns the data of one event, or nil if the client has the view's chain.
func (sub *subscription) step(v *store.View) ([]byte, error) {
	h, reverted, err := sub.at.Step(sub.s.cfg.Chain, v)
	switch {
	case err != nil || h == nil:
		return nil, err
	case reverted:
		return append(h.AppendJSON([]byte(`{"change":"out","block":`)), '}'), nil
	}
	data := []byte(`{"change":"in","block":`)
	if !sub.items {
		return append(h.AppendJSON(data), '}'), nil
	}
	b, err := v.Block(h.Height)
	if err != nil {
		return nil, err
	}
	return append(b.AppendJSON(data), '}'), nil
}

// send sends an event. If it waits for limits.slow, the client is dropped as too slow.
func (sub *subscription) send(ctx context.Context, e *subEvent) error {
	sub.n++
	e.n = sub.n
	err := sub.to.deliver(ctx, e)
	if errors.Is(err, errTooSlow) {
		sub.to.hangUp(dropSlow, websocket.CloseTryAgainLater, fmt.Sprintf(
			"too slow: an event waited for %s; subscribe again, with after", sub.s.limits.slow))
	}
	return err
}

// sendValue sends an event that is not a block event.
func (sub *subscription) sendValue(ctx context.Context, kind string, value any) error {
	data, err := appendJSON(nil, value)
	if err != nil {
		return err
	}
	return sub.send(ctx, &subEvent{kind: kind, data: data})
}

// startAt sets where block events begin: after the block "after", which the client saw
// last, or else at the height "from", which may count from the end, or else with the next
// new block.
func (sub *subscription) startAt(a *args) error {
	if a.get("after") != nil {
		return sub.startAfter(a)
	}
	v, err := sub.s.cfg.Chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	blocks := v.Tip().Blocks
	sub.at, err = chain.AtHeight(v, fromEnd(a.integer("from", int64(blocks)), blocks))
	return err
}

// startAfter continues where the client's last subscription ended, here or at another
// node. If the block has left the chain meanwhile, the events begin with the reverted
// blocks.
func (sub *subscription) startAfter(a *args) error {
	at, err := a.after()
	if err != nil || at.Hash == nil {
		return err // with no block, from the first one on
	}
	h, err := sub.s.cfg.Chain.HeaderByHash(*at.Hash)
	switch {
	case errors.Is(err, ledger.ErrUnknown):
		return &opError{status: 404, text: fmt.Sprintf("Block %s is not known here: go on after the one before it, or begin at a height (from)", at.Hash)}
	case err != nil:
		return err
	case at.Height != int64(h.Height):
		return badArg("args.after.height", fmt.Sprintf("the block with this hash has height %d", h.Height))
	}
	sub.at = chain.Cursor{Next: h.Height + 1, Last: *at.Hash}
	return nil
}

// after reads the argument "after". It ignores unknown keys, so that a client may pass a
// block from an event.
func (a *args) after() (at api.BlockRef, err error) {
	if a.get("after").Kind() != '{' {
		return at, badArg("args.after", `must be {"height": …, "hash": …} of the last block seen`)
	}
	inner := a.object("after")
	at.Height = inner.integer("height", -1)
	text, given := inner.text("hash")
	switch {
	case inner.err != nil:
		return at, inner.err
	case given:
		hash, err := ledger.ParseHash(text)
		if err != nil {
			return at, badArg("args.after.hash", err.Error())
		}
		at.Hash = &hash
	case at.Height >= 0:
		return at, badArg("args.after.hash", fmt.Sprintf("must be the hash of block %d; only before the first block, height -1, it is null", at.Height))
	}
	return at, nil
}

// maxWindow is how many pool entries a subscription follows, from the first on. The
// counts in each event are of the whole pool.
const maxWindow = 1000

// A poolWindow is what the client knows of the pool.
type poolWindow struct {
	due     time.Time
	begun   bool
	size    int
	waiting int
	cursor  uint64                 // arrival number of the next entry to send
	entries map[uint64]windowEntry // by arrival number
}

type windowEntry struct {
	key     ledger.TxKey
	waiting string // why it waits, empty if it does not
}

// sendPool sends how the pool differs from what the client knows.
func (sub *subscription) sendPool(ctx context.Context, again *time.Duration) error {
	s, w := sub.s, &sub.pool
	if tooEarly(w.due, again) {
		return nil
	}
	st := s.cfg.Chain.Status()
	removed, changed := w.update(s.cfg.Chain)
	added := s.cfg.Chain.Pool().List(w.cursor, maxWindow-len(w.entries))
	if w.begun && len(removed)+len(changed)+len(added) == 0 && w.size == st.Pool && w.waiting == st.Waiting {
		return nil
	}
	e := api.PoolEvent{Size: st.Pool, Waiting: st.Waiting, Changed: changed, Removed: removed}
	for _, p := range added {
		w.entries[p.Arrival] = windowEntry{key: p.Tx.Key(), waiting: p.Waiting}
		w.cursor = p.Arrival + 1
		tx := api.NewTx(p.Tx, nil)
		e.Added = append(e.Added, api.PoolEntry{Arrival: p.Arrival, Waiting: orNil(p.Waiting), Tx: &tx})
	}
	w.begun, w.size, w.waiting, w.due = true, st.Pool, st.Waiting, time.Now().Add(s.limits.redraw/4)
	return sub.sendValue(ctx, "pool", e)
}

// orNil returns nil for no text.
func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// update updates the entries of the window. It returns the arrival numbers of those that
// left it, and those that began or ceased to wait, or wait for another reason.
func (w *poolWindow) update(chain *chain.Chain) (removed []uint64, changed []api.PoolEntry) {
	if w.entries == nil {
		w.entries = make(map[uint64]windowEntry)
	}
	numbers := slices.Sorted(maps.Keys(w.entries))
	keys := make([]ledger.TxKey, len(numbers))
	for i, n := range numbers {
		keys[i] = w.entries[n].key
	}
	for i, e := range chain.Pool().Get(keys) {
		n := numbers[i]
		switch was := w.entries[n]; {
		case e.Tx == nil || e.Arrival != n:
			delete(w.entries, n)
			removed = append(removed, n)
		case was.waiting != e.Waiting:
			w.entries[n] = windowEntry{key: was.key, waiting: e.Waiting}
			changed = append(changed, api.PoolEntry{Arrival: n, Waiting: orNil(e.Waiting)})
		}
	}
	return removed, changed
}
