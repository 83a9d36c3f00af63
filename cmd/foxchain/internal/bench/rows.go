package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"foxchain/rpc/client"
)

const (
	perSecond = "tx/s"

	burstsMost = 40
	burstsTime = 12 * time.Second
	// waitedPart is the part of a load's time, one in so many, from which on the row
	// notes that it contains an interval.
	waitedPart = 10
)

// accept measures accepting alone, by a node that does not build.
func (r *run) accept(ctx context.Context) error {
	n, err := r.start(ctx, "accept", false, nil)
	if err != nil {
		return err
	}
	defer n.stop()
	txs := min(r.Txs, room)
	messages := batches(txs)
	var took *timings
	raw, err := r.beside(func() (float64, error) { return r.rawLevelDB(ctx, txs) }, func() (err error) { took, err = r.load(ctx, n, messages); return err })
	if err != nil {
		return err
	}
	row := Row{Row: "accept", What: fmt.Sprintf("accepted: on disk, %d a message, %d connections", batchTxs, conns), P50: took.at(0.5), P99: took.at(0.99)}
	if txs < r.Txs {
		row.Note = fmt.Sprintf("%d transactions: a pool does not hold more", txs)
	}
	return r.rate(row, txs, took.took, raw)
}

// rate completes and reports a row of transactions a second.
func (r *run) rate(row Row, txs int, took time.Duration, raw rawRate) error {
	row.Txs, row.Unit, row.Figure = txs, perSecond, float64(txs)/took.Seconds()
	row.Raw, row.OfRaw = raw.figure, row.Figure/raw.figure
	row.Note = notes(row.Note, raw.note)
	return r.Row(row)
}

// commit measures one large load, until all nodes have it in blocks.
func (r *run) commit(ctx context.Context, all net) error {
	messages := batches(r.Txs)
	var here, everywhere time.Duration
	raw, err := r.beside(func() (float64, error) { return r.rawLevelDB(ctx, r.Txs) }, func() error {
		begin := time.Now()
		if _, err := r.load(ctx, all[0], messages); err != nil {
			return err
		}
		if err := r.awaitBuilt(ctx, all[0]); err != nil {
			return err
		}
		here = time.Since(begin)
		err := awaitTip(ctx, all)
		everywhere = time.Since(begin)
		return err
	})
	if err != nil {
		return err
	}
	if r.wants("commit") {
		row := Row{Row: "commit", What: "accepted, in a block and indexed", Note: r.waited(here)}
		if err := r.rate(row, r.Txs, here, raw); err != nil {
			return err
		}
	}
	if len(all) == 1 || !r.wants("commit-all") {
		return nil
	}
	row := Row{Row: "commit-all", What: fmt.Sprintf("the same, on all %d nodes", len(all)), Note: notes(branching(all), r.waited(everywhere))}
	return r.rate(row, r.Txs, everywhere, raw)
}

// waited returns a note if the wait for the last block may be a good part of the time.
// A block that is not full comes an interval after the one before it.
func (r *run) waited(took time.Duration) string {
	if took >= waitedPart*r.Interval {
		return ""
	}
	return fmt.Sprintf("in %s, of which the last block may have waited %s (-t): a larger --txs is more exact", took.Round(time.Millisecond), r.Interval)
}

// awaitBuilt waits until a load is in the node's chain. A rest that is less than a
// block is built after an interval.
func (r *run) awaitBuilt(ctx context.Context, n *benchNode) error {
	return n.await(ctx, "no blocks are built", func() bool {
		pool := n.Chain.Status().Pool
		r.Say("%d transactions are in the pool", pool)
		return pool == 0
	})
}

// awaitTip waits until all nodes have the tip of the first.
func awaitTip(ctx context.Context, all net) error {
	for _, n := range all[1:] {
		if err := n.await(ctx, "the nodes do not agree", func() bool { return n.Chain.Tip().Hash == all[0].Chain.Tip().Hash }); err != nil {
			return err
		}
	}
	return nil
}

// branching returns how often the nodes left a branch of the chain for another.
func branching(all net) string {
	var reorgs, rivals uint64
	for _, n := range all {
		s := n.Chain.Status()
		reorgs, rivals = reorgs+s.Reorgs, max(rivals, s.Rivals)
	}
	return fmt.Sprintf("rival blocks: %d, reorgs: %d", rivals, reorgs)
}

// latency sends bursts of one block, far enough apart that each can be built at once.
func (r *run) latency(ctx context.Context, all net) error {
	c, err := all[0].dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var each []time.Duration
	begin := time.Now()
	for len(each) < burstsMost && time.Since(begin) < burstsTime {
		r.Say("burst %d", len(each)+1)
		took, err := r.burst(ctx, c, all)
		if err != nil {
			return err
		}
		each = append(each, took)
	}
	raw, err := r.rawSync(r.BlockTxs)
	if err != nil {
		return err
	}
	t := newTimings(time.Since(begin), each)
	row := Row{Row: "latency", What: fmt.Sprintf("from accepted to the block, on all nodes (%d)", len(all)), Unit: "ms",
		P50: t.at(0.5), P99: t.at(0.99), Figure: *t.at(0.5), Raw: raw, Txs: len(each) * r.BlockTxs, Note: fmt.Sprintf("bursts of %d: %d", r.BlockTxs, len(each))}
	row.OfRaw = row.Figure / row.Raw
	return r.Row(row)
}

// burst returns the time from the 202 until all nodes have the burst in a block. All
// pools are empty before.
func (r *run) burst(ctx context.Context, c *client.Client, all net) (time.Duration, error) {
	select {
	case <-time.After(r.Interval + 50*time.Millisecond):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	before := all[0].Chain.Tip().Blocks
	if err := merge(ctx, c, batch(r.BlockTxs)); err != nil {
		return 0, err
	}
	accepted := time.Now()
	for _, n := range all {
		err := n.await(ctx, "no block is built", func() bool {
			s := n.Chain.Status()
			return s.Tip.Blocks > before && s.Pool == 0
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(accepted), nil
}

// sync starts one more node, which fetches and verifies the chain.
func (r *run) sync(ctx context.Context, all net) error {
	var took time.Duration
	raw, err := r.beside(func() (float64, error) { return r.rawLevelDB(ctx, r.Txs) }, func() error {
		n, err := r.start(ctx, "newcomer", false, all)
		if err != nil {
			return err
		}
		defer n.stop()
		begin := time.Now()
		err = awaitTip(ctx, net{all[0], n})
		took = time.Since(begin)
		return err
	})
	if err != nil {
		return err
	}
	return r.rate(Row{Row: "sync", What: "a new node fetches and verifies the chain"}, r.Txs, took, raw)
}

// notes joins the notes that are not empty.
func notes(all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(n string) bool { return n == "" }), "; ")
}
