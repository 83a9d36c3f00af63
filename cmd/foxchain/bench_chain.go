package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

const (
	burstsMost = 40
	burstsTime = 12 * time.Second
	burstsRead = 3 // where only their blocks are wanted, to be read
	reads      = 1000
	// fillAfter is how long what is left in the pool may wait for more.
	fillAfter = 2 * time.Second
	// waitedPart is the part of a load's time, one in so many, from which on its
	// row says that an interval stands in it.
	waitedPart = 10
)

func acceptRow(txs int) benchRow {
	return benchRow{Row: "accept", Unit: perSecond, Txs: txs,
		What: fmt.Sprintf("accepted: on disk, %s a message, %d connections", thousands(benchBatch), benchConns)}
}

// network measures what needs a chain: one large load, and what comes after it
// on the same nodes.
func (r *benchRun) network(ctx context.Context, net *benchNet, m *mint) error {
	first := net.nodes[0]
	before, err := diskUsed(first.dir)
	if err != nil {
		return err
	}
	batches, err := m.batches(ctx, r.b.txs)
	if err != nil {
		return err
	}
	if err := r.commit(ctx, net, m, batches); err != nil {
		return err
	}
	var made []uint64 // heights of small blocks
	steps := []struct {
		rows    []string
		measure func() error
	}{
		{[]string{"memory"}, func() error { return r.memory(ctx, net) }},
		{[]string{"disk"}, func() error { return r.disk(first, before, r.b.txs) }},
		{[]string{"latency", "read"}, func() (err error) { made, err = r.latency(ctx, net, m); return err }},
		{[]string{"read"}, func() error { return r.read(ctx, m, first, batches, made) }},
		{[]string{"sync"}, func() error { return r.sync(ctx, net) }},
		{[]string{"idle"}, func() error { return r.idle(ctx, net) }},
	}
	for _, s := range steps {
		if !r.b.wants(s.rows...) {
			continue
		}
		if err := s.measure(); err != nil {
			return err
		}
	}
	return nil
}

// A committed is how long a load took.
type committed struct {
	accepted *timings
	here     time.Duration // until it was in blocks of the node that it was sent to
	all      time.Duration // and of all others
}

// commitAll loads the first node until all of the load is in blocks.
func (r *benchRun) commitAll(ctx context.Context, net *benchNet, m *mint, batches []batch) (c committed, err error) {
	begin := time.Now()
	if c.accepted, err = r.load(ctx, net.nodes[0], batches); err != nil {
		return c, err
	}
	tip, err := r.awaitBuilt(ctx, net.nodes[0], m, batches)
	if err != nil {
		return c, err
	}
	c.here = time.Since(begin)
	err = r.awaitTip(ctx, net, tip)
	c.all = time.Since(begin)
	return c, err
}

// commit adds the rows about the large load.
func (r *benchRun) commit(ctx context.Context, net *benchNet, m *mint, batches []batch) error {
	var took committed
	raw, err := beside(func() (rawPart, error) { return r.rawLevelDB(ctx, r.b.txs) }, func() (err error) {
		took, err = r.commitAll(ctx, net, m, batches)
		return err
	})
	if err != nil {
		return err
	}
	if !net.own && r.b.wants("accept") {
		row := acceptRow(r.b.txs).rate(took.accepted, r.b.txs)
		row.Note = "while it builds"
		if err := r.add(row.against(raw)); err != nil {
			return err
		}
	}
	if !r.b.wants("commit") {
		return nil
	}
	row := benchRow{Row: "commit", What: "accepted, in a block and indexed", Unit: perSecond, Txs: r.b.txs, Note: r.waited(took.here)}
	if err := r.add(row.is(float64(r.b.txs) / took.here.Seconds()).against(raw)); err != nil {
		return err
	}
	if len(net.nodes) == 1 {
		return nil
	}
	row.Row, row.What = "commit-all", "the same, "+net.where()
	branches, err := net.branching(ctx)
	if err != nil {
		return err
	}
	row.Note = joinNotes(branches, r.waited(took.all))
	return r.add(row.is(float64(r.b.txs) / took.all.Seconds()).against(raw))
}

// waited says when a good part of what a load took may be its last block's
// waiting: one that is not full comes an interval after the one before it.
func (r *benchRun) waited(took time.Duration) string {
	if took >= waitedPart*time.Duration(r.b.interval) {
		return ""
	}
	return fmt.Sprintf("in %s, of which the last block may have waited %s (-t): a larger --txs says more",
		took.Round(time.Millisecond), time.Duration(r.b.interval))
}

// awaitBuilt waits until all batches are in the node's chain, and gives its
// tip. What is less than a block is filled up.
func (r *benchRun) awaitBuilt(ctx context.Context, n *benchNode, m *mint, batches []batch) (tip ledger.Hash, err error) {
	type state struct {
		blocks uint64
		pool   int
	}
	var last state
	changed := time.Now()
	err = r.until(ctx, "no blocks come: does nobody build?", func() (bool, any, error) {
		in, err := n.client.Info(ctx)
		if err != nil {
			return false, nil, err
		}
		tip = in.Tip
		r.say("commit: %s are in the pool", thousands(uint64(in.Pool)))
		if in.Pool == 0 {
			return true, nil, nil
		}
		now := state{in.Blocks, in.Pool}
		if now != last {
			last, changed = now, time.Now()
			return false, now, nil
		}
		if time.Since(changed) < fillAfter+time.Duration(r.b.interval) {
			return false, now, nil
		}
		// Others use the node too, or some few are left.
		built, err := allBuilt(ctx, n.client, batches)
		if err != nil || built {
			return built, now, err
		}
		changed = time.Now()
		rest, err := m.batch(r.b.blockTxs)
		if err == nil {
			err = r.merge(ctx, n.client, rest)
		}
		return false, now, err
	})
	return tip, err
}

// allBuilt reports whether the last of each batch is in the chain: those before
// it came earlier, and builders take them in that order.
func allBuilt(ctx context.Context, c *client.Client, batches []batch) (bool, error) {
	for _, b := range batches {
		built, err := isBuilt(ctx, c, b.last())
		if err != nil || !built {
			return false, err
		}
	}
	return true, nil
}

// isBuilt reports whether a transaction is in the node's chain; what the node
// has not heard of yet is not.
func isBuilt(ctx context.Context, c *client.Client, tx *ledger.Transaction) (bool, error) {
	_, r, err := askReceipt(ctx, c, tx)
	var reply *client.ReplyError
	if errors.As(err, &reply) && reply.Reply.Status == http.StatusNotFound {
		return false, nil
	}
	return r.State == api.StateConfirmed, err
}

// awaitTip waits until all nodes have a tip, or, where they went on together,
// the first node's.
func (r *benchRun) awaitTip(ctx context.Context, net *benchNet, tip ledger.Hash) error {
	for _, n := range net.nodes[1:] {
		err := r.until(ctx, "the nodes do not agree", func() (bool, any, error) {
			in, err := n.client.Info(ctx)
			if err != nil || in.Tip == tip {
				return true, nil, err
			}
			now, err := net.nodes[0].client.Info(ctx)
			tip = now.Tip
			return in.Tip == tip, in.Tip, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// latency sends bursts of just one block, far enough apart that each may be
// built at once, and gives the heights of the blocks.
func (r *benchRun) latency(ctx context.Context, net *benchNet, m *mint) (made []uint64, err error) {
	row := benchRow{Row: "latency", What: "from accepted to the block, " + net.where(), Unit: "ms"}
	most := burstsMost
	if !r.b.wants(row.Row) {
		most = burstsRead
	}
	var each []time.Duration
	begin := time.Now()
	for len(each) < most && time.Since(begin) < burstsTime {
		r.say("latency: burst %d", len(each)+1)
		took, height, err := r.burst(ctx, net, m)
		if late := (*missing)(nil); errors.As(err, &late) {
			row.Why = late.why
			break
		} else if err != nil {
			return nil, err
		}
		each, made = append(each, took), append(made, height)
	}
	if !r.b.wants(row.Row) {
		return made, nil
	}
	if row.Why == "" {
		t := newTimings(time.Since(begin), each)
		row = row.times(t).is(millis(t.at(0.5)))
		row.Txs = len(each) * r.b.blockTxs
		row.Note = fmt.Sprintf("%s of %d", count(len(each), "burst"), r.b.blockTxs)
	}
	return made, r.add(row)
}

// burst is how long after its 202 all nodes have a batch in a block, and that
// block's height.
func (r *benchRun) burst(ctx context.Context, net *benchNet, m *mint) (took time.Duration, height uint64, err error) {
	if err := rest(ctx, time.Duration(r.b.interval)+50*time.Millisecond); err != nil {
		return 0, 0, err
	}
	b, err := m.batch(r.b.blockTxs)
	if err != nil {
		return 0, 0, err
	}
	first := net.nodes[0].client
	if err := r.merge(ctx, first, b); err != nil {
		return 0, 0, err
	}
	accepted := time.Now()
	group, waiting := errgroup.WithContext(ctx)
	for _, n := range net.nodes {
		group.Go(func() error {
			trouble := fmt.Sprintf("no block of %d comes: do the nodes build blocks of more (-k)?", b.size)
			return r.until(waiting, trouble, func() (bool, any, error) {
				built, err := isBuilt(waiting, n.client, b.last())
				return built, nil, err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	took = time.Since(accepted)
	_, receipt, err := askReceipt(ctx, first, b.last())
	if err == nil && receipt.Block != nil { // else a reorg has just taken it back
		height = receipt.Block.Height
	}
	return took, height, err
}

// read asks for single things, one after the other.
func (r *benchRun) read(ctx context.Context, m *mint, n *benchNode, batches []batch, made []uint64) error {
	var sample []*ledger.Transaction
	for _, b := range batches {
		sample = append(sample, b.sample...)
	}
	one, err := m.singles(reads)
	if err != nil {
		return err
	}
	kinds := []struct {
		op, what string
		args     func() any
		took     *timings
	}{
		{op: "tx", what: "read a transaction", args: func() any {
			tx := sample[rand.IntN(len(sample))]
			return map[string]uuid.UUID{"id": tx.ID, "sender": tx.Sender}
		}},
		{op: "account", what: "read an account", args: func() any {
			return map[string]uuid.UUID{"account": sample[rand.IntN(len(sample))].Receiver}
		}},
		{op: "block", what: fmt.Sprintf("read a block of %s", count(r.b.blockTxs, "transaction")), args: func() any {
			return map[string]uint64{"height": made[rand.IntN(len(made))]}
		}},
	}
	raw, err := beside(func() (rawPart, error) { return r.rawEcho(ctx, 1, one) }, func() error {
		for i, k := range kinds {
			if k.op == "block" && len(made) == 0 {
				continue // there is none so small
			}
			took, err := r.inTurns(ctx, "read "+k.op, []*client.Client{n.client}, reads, func(c *client.Client, _ int) error {
				_, err := c.Do(ctx, k.op, k.args())
				return err
			})
			if err != nil {
				return err
			}
			kinds[i].took = took
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range kinds {
		row := benchRow{Row: "read-" + k.op, What: k.what, Unit: "reads/s"}
		if k.took == nil {
			row.Why = "no block of so few was built"
		} else {
			row = row.rate(k.took, reads).against(raw)
		}
		if err := r.add(row); err != nil {
			return err
		}
	}
	return nil
}

// sync starts one more node, which fetches the chain and verifies all of it.
func (r *benchRun) sync(ctx context.Context, net *benchNet) error {
	row := benchRow{Row: "sync", What: "a new node gets and verifies the chain", Unit: perSecond}
	if !net.own {
		row.Why = "measured with throwaway nodes only"
		return r.add(row)
	}
	var took time.Duration
	raw, err := beside(func() (rawPart, error) { return r.rawLevelDB(ctx, r.b.txs) }, func() error {
		if err := r.join(ctx, net, "--build=false"); err != nil {
			return err
		}
		begin := time.Now()
		in, err := net.nodes[0].client.Info(ctx)
		if err != nil {
			return err
		}
		err = r.awaitTip(ctx, net, in.Tip)
		took = time.Since(begin)
		return err
	})
	if err != nil {
		return err
	}
	row.Txs = int(r.written.Load() - net.writtenBefore)
	return r.add(row.is(float64(row.Txs) / took.Seconds()).against(raw))
}
