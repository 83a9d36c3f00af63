package p2p

import (
	"context"
	"errors"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
)

// validateHeader accepts a message of the block topic or rejects it and cuts
// off who forwarded it. Whether the parent is known, and whether the block
// wins, is not asked here: what this rejects, every node rejects.
func (s *syncer) validateHeader(_ context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	h, err := s.readHeader(msg.GetData())
	if err != nil {
		s.stats.HeadersRejected.Add(1)
		s.cutMisbehaved(from, err)
		return pubsub.ValidationReject
	}
	msg.ValidatorData = h
	return pubsub.ValidationAccept
}

func (s *syncer) readHeader(data []byte) (*ledger.SealedHeader, error) {
	if len(data) > maxHeaderBytes {
		return nil, misbehaved("gossiped a header of %d bytes, over the limit of %d", len(data), maxHeaderBytes)
	}
	h, err := ledger.DecodeHeader(data)
	if err != nil {
		return nil, misbehaved("gossiped a malformed header: %v", err)
	}
	if err := s.net.CheckHeader(h); err != nil {
		return nil, misbehaved("gossiped an invalid header: %v", err)
	}
	return h, nil
}

// A heardHeader is a header that gossip brought, and who passed it on.
type heardHeader struct {
	from   peer.ID
	header *ledger.SealedHeader
}

// drainHeaders takes the headers that the block topic brings. The chain may be
// busy with a block, so what is on its way is noted before it is asked.
func (s *syncer) drainHeaders(ctx context.Context) error {
	heard := make(chan heardHeader, subBuffer) // when it is full, the topic's buffer fills
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for {
			msg, err := s.blocks.sub.Next(ctx)
			if err != nil {
				return ended(ctx, err)
			}
			if msg.ReceivedFrom == s.host.ID() {
				continue
			}
			h := msg.ValidatorData.(*ledger.SealedHeader)
			s.expect(h)
			select {
			case heard <- heardHeader{msg.ReceivedFrom, h}:
			case <-ctx.Done():
				return nil
			}
		}
	})
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case h := <-heard:
				if err := s.takeHeader(ctx, h.from, h.header); err != nil {
					return ended(ctx, err)
				}
			}
		}
	})
	return g.Wait()
}

// takeHeader gives a gossiped header to the chain, and notes that the peer it
// came from has that block. If the parent is unknown, that peer is asked for its
// status now, which brings the headers between.
func (s *syncer) takeHeader(ctx context.Context, from peer.ID, h *ledger.SealedHeader) error {
	r := s.remote(from)
	if _, err := s.chain.HeaderByHash(h.Hash()); err != nil {
		_, err := s.chain.AddHeaders(ctx, []*ledger.SealedHeader{h})
		if err != nil {
			s.comings.remove(h.Hash())
		}
		switch {
		case fatal(err):
			return err
		case errors.Is(err, ledger.ErrUnknownParent):
			s.stats.HeadersOrphaned.Add(1)
			if r != nil {
				signal(r.hurry)
			}
			return nil
		case err != nil: // it stands on a failed block, or the trouble is ours
			s.stats.HeadersRefused.Add(1)
			s.log.Debug("a gossiped header was not taken", "height", h.Height, "hash", h.Hash().Short(), "err", err)
			return nil
		}
		s.stats.HeadersGossiped.Add(1)
	}
	if r != nil {
		s.announce(r, h.Hash())
	}
	return nil
}
