package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/rpc/api"
)

// The last hour is kept as one sample each ten seconds.
const (
	sampleEvery = 10 * time.Second
	maxSamples  = 360
)

// A sample is the node at one moment. Txs and Bytes are counted since the start
// of the server.
type sample struct {
	Time   float64 // Unix seconds
	Blocks uint64
	Txs    int64 // that joined the chain; falls where a branch is left
	Pool   int
	Peers  int
	Bytes  uint64 // from and to other nodes
}

// samples is a ring of the newest maxSamples.
type samples struct {
	mu   sync.Mutex
	ring []sample
	next int // where the next one goes, once the ring is full
}

func (s *samples) add(one sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) < maxSamples {
		s.ring = append(s.ring, one)
		return
	}
	s.ring[s.next] = one
	s.next = (s.next + 1) % maxSamples
}

// all gives them oldest first.
func (s *samples) all() []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(append([]sample{}, s.ring[s.next:]...), s.ring[:s.next]...)
}

// sample takes samples until ctx ends. One that cannot be read is left out: the
// charts are no reason to end a node.
func (s *ops) sample(ctx context.Context, every time.Duration) error {
	count := txCount{chain: s.cfg.Chain, at: chain.AtTip(s.cfg.Chain.Tip())}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.takeSample(&count); errors.Is(err, ledger.ErrStopped) {
			return nil
		} else if err != nil {
			s.log.Warn("a sample for the page's charts could not be taken", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *ops) takeSample(count *txCount) error {
	if err := count.follow(); err != nil {
		return err
	}
	st, traffic := s.cfg.Chain.Status(), s.cfg.Network.Stats()
	s.samples.add(sample{
		Time: ledger.UnixSeconds(s.cfg.Now()), Blocks: st.Tip.Blocks, Txs: count.txs, Pool: st.Pool,
		Peers: connected(s.cfg.Network.Nodes()), Bytes: traffic["bytes_in"] + traffic["bytes_out"],
	})
	return nil
}

// A txCount follows the chain and counts the transactions that join it.
type txCount struct {
	chain *chain.Chain
	at    chain.Cursor
	txs   int64
}

// maxCounted bounds the headers that are read for one sample; a sync that is
// faster is caught up with by the next ones.
const maxCounted = 10_000

// follow counts up to the chain's tip: back from blocks that left it, then up.
func (c *txCount) follow() error {
	v, err := c.chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	for range maxCounted {
		h, reverted, err := c.at.Step(c.chain, v)
		switch {
		case errors.Is(err, ledger.ErrUnknown): // a block was forgotten: begin anew at the tip
			c.at = chain.AtTip(v.Tip())
			return nil
		case err != nil || h == nil:
			return err
		case reverted:
			c.txs -= int64(h.Count)
		default:
			c.txs += int64(h.Count)
		}
	}
	return nil
}

// opSamples gives the last hour.
func (s *ops) opSamples(_ context.Context, _ *request, out *reply) error {
	r := api.Samples{Time: []float64{}, Blocks: []uint64{}, Txs: []int64{}, Pool: []int{}, Peers: []int{}, Bytes: []uint64{}}
	for _, one := range s.samples.all() {
		r.Time = append(r.Time, one.Time)
		r.Blocks = append(r.Blocks, one.Blocks)
		r.Txs = append(r.Txs, one.Txs)
		r.Pool = append(r.Pool, one.Pool)
		r.Peers = append(r.Peers, one.Peers)
		r.Bytes = append(r.Bytes, one.Bytes)
	}
	return out.respond(r)
}
