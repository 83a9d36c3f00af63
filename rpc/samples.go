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

// One sample each ten seconds is kept of the last hour.
const (
	sampleEvery = 10 * time.Second
	maxSamples  = 360
)

// A sampler keeps the node's last hour for the page's charts. Transactions and bytes
// are counted since the start of the server.
type sampler struct {
	cfg *Config

	// Used by run only.
	at  chain.Cursor // up to which transactions have been counted
	txs int64        // counted so far; falls when blocks are reverted

	mu   sync.Mutex
	hour api.Samples
}

func newSampler(cfg *Config) *sampler {
	return &sampler{cfg: cfg, at: chain.AtTip(cfg.Chain.Tip())}
}

// run takes samples until ctx ends. It leaves out one that cannot be read, since the
// charts are no reason to end a node.
func (s *sampler) run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.take(); errors.Is(err, ledger.ErrStopped) {
			return nil
		} else if err != nil {
			s.cfg.Log.Warn("a sample for the page's charts could not be taken", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *sampler) take() error {
	if err := s.count(); err != nil {
		return err
	}
	st, traffic, connected := s.cfg.Chain.Status(), s.cfg.Peers.Stats(), connected(s.cfg.Peers.Nodes())
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.hour
	h.Time = push(h.Time, ledger.UnixSeconds(s.cfg.Now()))
	h.Blocks = push(h.Blocks, st.Tip.Blocks)
	h.Txs = push(h.Txs, s.txs)
	h.Pool = push(h.Pool, st.Pool)
	h.Peers = push(h.Peers, connected)
	h.Bytes = push(h.Bytes, traffic["bytes_in"]+traffic["bytes_out"])
	return nil
}

// push appends v, and drops the first if there are maxSamples.
func push[T any](list []T, v T) []T {
	return append(list[max(0, len(list)-maxSamples+1):], v)
}

// maxCounted bounds the headers that are read for one sample. The next samples count the
// rest.
const maxCounted = 10_000

// count counts the transactions up to the chain's tip. It first subtracts those of blocks
// that left the chain.
func (s *sampler) count() error {
	v, err := s.cfg.Chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	for range maxCounted {
		h, reverted, err := s.at.Step(s.cfg.Chain, v)
		switch {
		case errors.Is(err, ledger.ErrUnknown): // a block was forgotten, so begin anew at the tip
			s.at = chain.AtTip(v.Tip())
			return nil
		case err != nil || h == nil:
			return err
		case reverted:
			s.txs -= int64(h.Count)
		default:
			s.txs += int64(h.Count)
		}
	}
	return nil
}

// samples is the op: the last hour.
func (s *sampler) samples(_ context.Context, _ *request, out *reply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return out.respond(s.hour)
}
