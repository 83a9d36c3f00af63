package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// The shape of the load.
const (
	benchBatch  = 1000 // transactions of one message
	benchConns  = 4    // that send such messages
	singleConns = 64   // that send messages of one
	singleMost  = 10_000
	samplesEach = 20 // transactions of a batch that are read afterwards

	// benchRoom is up to where a pool is filled, so that nothing is refused
	// though all connections send at once.
	benchRoom = chain.MaxPool - benchConns*benchBatch
)

// singleTxs is how many messages of one transaction go with a load.
func singleTxs(txs int) int { return min(txs, singleMost) }

// A mint makes transactions that an issuer sends to made-up accounts.
type mint struct {
	issuer  uuid.UUID
	network *ledger.Network    // for signing
	key     ed25519.PrivateKey // of a keyed issuer; nil: it is open
}

// openMint is for throwaway nodes, whose issuer anybody may send from.
func openMint() *mint { return new(mint) }

// newMint finds an issuer of a running node's network that can be sent from.
func newMint(in *api.Info, keyFile string) (*mint, error) {
	network, err := networkOf(in)
	if err != nil {
		return nil, err
	}
	if keyFile != "" {
		key, err := readKey(keyFile)
		if err != nil {
			return nil, err
		}
		own := ledger.AccountOf(publicKey(key))
		if !network.IsIssuer(own) {
			return nil, advise(fmt.Errorf("the account of %s is %s, which is no issuer of the network %s", keyFile, own, clean(network.Name)),
				"Its issuers are %s", strings.Join(in.Network.Issuers, ", "))
		}
		return &mint{issuer: own, network: network, key: key}, nil
	}
	if i := slices.IndexFunc(network.Issuers, func(id uuid.UUID) bool { return !ledger.IsKeyed(id) }); i >= 0 {
		return &mint{issuer: network.Issuers[i]}, nil
	}
	return nil, advise(fmt.Errorf("only the holders of keys can issue on the network %s (%s), and the load is made of what an issuer sends",
		clean(network.Name), strings.Join(in.Network.Issuers, ", ")),
		"Give an issuer's key file with --key, or leave --node and -r out: then throwaway nodes are measured")
}

func (m *mint) transaction() *ledger.Transaction {
	tx := &ledger.Transaction{ID: uuid.New(), Sender: m.issuer, Receiver: uuid.New(), Amount: 1}
	if m.key != nil {
		tx.T = ledger.UnixSeconds(time.Now())
		tx.Sign(m.network, m.key)
	}
	return tx
}

// A batch is the transactions of one message.
type batch struct {
	json   jsontext.Value // a list
	size   int
	sample []*ledger.Transaction // some of them, the last one among them
}

func (b *batch) last() *ledger.Transaction { return b.sample[len(b.sample)-1] }

func (m *mint) batch(size int) (batch, error) {
	b := batch{json: jsontext.Value("["), size: size}
	each := max(1, size/samplesEach)
	for i := range size {
		tx := m.transaction()
		item, err := submission(tx)
		if err != nil {
			return b, err
		}
		if i > 0 {
			b.json = append(b.json, ',')
		}
		b.json = append(b.json, item...)
		if (i+1)%each == 0 || i == size-1 {
			b.sample = append(b.sample, tx)
		}
	}
	b.json = append(b.json, ']')
	return b, nil
}

// batches makes messages of benchBatch transactions, before the clock starts.
func (m *mint) batches(ctx context.Context, txs int) ([]batch, error) {
	var list []batch
	for ; txs > 0 && ctx.Err() == nil; txs -= benchBatch {
		b, err := m.batch(min(txs, benchBatch))
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, ctx.Err()
}

// singles makes messages of one.
func (m *mint) singles(txs int) ([]batch, error) {
	list := make([]batch, txs)
	for i := range list {
		var err error
		if list[i], err = m.batch(1); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// load sends batches to a node and waits for each 202.
func (r *benchRun) load(ctx context.Context, n *benchNode, batches []batch) (*timings, error) {
	return r.mergeAll(ctx, "load", n, benchConns, batches)
}

// mergeAll sends each batch as one message, over some connections, each of
// which sends its next when its last was accepted.
func (r *benchRun) mergeAll(ctx context.Context, what string, n *benchNode, conns int, batches []batch) (*timings, error) {
	clients, err := dialSome(ctx, n.at, conns)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	txs := 0
	for _, b := range batches {
		txs += b.size
	}
	return r.inTurns(ctx, what, clients, len(batches), func(c *client.Client, i int) error {
		if txs > benchRoom {
			if err := r.awaitRoom(ctx, c); err != nil {
				return err
			}
		}
		return r.merge(ctx, c, batches[i])
	})
}

// merge has a node accept a batch, all of it.
func (r *benchRun) merge(ctx context.Context, c *client.Client, b batch) error {
	refused, err := c.MergePool(ctx, b.json)
	if err == nil && len(refused) > 0 {
		err = fmt.Errorf("%d of %d transactions were refused: %s", len(refused), b.size, clean(refused[0].Reason))
	}
	r.written.Add(int64(b.size))
	return err
}

// awaitRoom waits until the pool can take what the connections may send: of a
// load that is larger than it, blocks must take some first.
func (r *benchRun) awaitRoom(ctx context.Context, c *client.Client) error {
	return r.until(ctx, "the pool stays full", func() (bool, any, error) {
		in, err := c.Info(ctx)
		return in.Pool <= benchRoom, in.NextArrival, err
	})
}

func dialSome(ctx context.Context, at endpoint, n int) ([]*client.Client, error) {
	var list []*client.Client
	for range n {
		c, err := dialNode(ctx, at)
		if err != nil {
			return list, err
		}
		list = append(list, c)
	}
	return list, nil
}

func closeAll(clients []*client.Client) {
	for _, c := range clients {
		_ = c.Close() // nothing more is asked
	}
}

// inTurns makes n calls, shared out among the clients: each makes its next one
// when its last was answered.
func (r *benchRun) inTurns(ctx context.Context, what string, clients []*client.Client, n int, call func(c *client.Client, i int) error) (*timings, error) {
	var next, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	each := make([][]time.Duration, len(clients))
	begin := time.Now()
	for k, c := range clients {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return ctx.Err()
				}
				asked := time.Now()
				if err := call(c, i); err != nil {
					return err
				}
				each[k] = append(each[k], time.Since(asked))
				r.say("%s: %d of %d messages", what, done.Add(1), n)
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return newTimings(time.Since(begin), slices.Concat(each...)), nil
}

// Timings is how long calls took.
type timings struct {
	took time.Duration   // all of them
	each []time.Duration // shortest first, not empty
}

func newTimings(took time.Duration, each []time.Duration) *timings {
	slices.Sort(each)
	return &timings{took, each}
}

// at is the time that a part p of the calls, 0 to 1, did not exceed.
func (t *timings) at(p float64) time.Duration {
	return t.each[min(int(p*float64(len(t.each))), len(t.each)-1)]
}
