package bench

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger/chain"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

const (
	batchTxs = 1000 // transactions of one message
	conns    = 4    // that send such messages

	// room is the size up to which a pool is filled, so that nothing is refused when
	// all connections send at once.
	room = chain.MaxPool - conns*batchTxs
)

// batch makes transactions that the open issuer sends to made-up accounts.
func batch(size int) []api.Tx {
	txs := make([]api.Tx, size)
	for i := range txs {
		txs[i] = api.Tx{ID: uuid.New(), Receiver: uuid.New(), Amount: 1}
	}
	return txs
}

// batches makes the messages of a load.
func batches(txs int) [][]api.Tx {
	var list [][]api.Tx
	for ; txs > 0; txs -= batchTxs {
		list = append(list, batch(min(txs, batchTxs)))
	}
	return list
}

// merge sends one message, all of which must be accepted.
func merge(ctx context.Context, c *client.Client, txs []api.Tx) error {
	refused, err := c.MergePool(ctx, txs)
	if err == nil && len(refused) > 0 {
		err = fmt.Errorf("%d of %d transactions were refused: %s", len(refused), len(txs), refused[0].Reason)
	}
	return err
}

// load sends a load to a node. Each connection sends its next message when the last one
// was accepted and the pool has room.
func (r *run) load(ctx context.Context, n *benchNode, messages [][]api.Tx) (*timings, error) {
	var next, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	each := make([][]time.Duration, conns)
	begin := time.Now()
	for k := range conns {
		group.Go(func() error {
			c, err := n.dial(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			for i := int(next.Add(1)) - 1; i < len(messages); i = int(next.Add(1)) - 1 {
				if len(messages)*batchTxs > room {
					if err := n.await(ctx, "the pool stays full", func() bool { return n.Chain.Status().Pool <= room }); err != nil {
						return err
					}
				}
				sent := time.Now()
				if err := merge(ctx, c, messages[i]); err != nil {
					return err
				}
				each[k] = append(each[k], time.Since(sent))
				r.Say("%d of %d messages are accepted", done.Add(1), len(messages))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return newTimings(time.Since(begin), slices.Concat(each...)), nil
}

// timings are how long calls took.
type timings struct {
	took time.Duration   // all of them
	each []time.Duration // shortest first, not empty
}

func newTimings(took time.Duration, each []time.Duration) *timings {
	slices.Sort(each)
	return &timings{took, each}
}

// at returns the milliseconds that a part p of the calls, 0 to 1, did not exceed.
func (t *timings) at(p float64) *float64 {
	ms := millis(t.each[min(int(p*float64(len(t.each))), len(t.each)-1)])
	return &ms
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
