package p2p

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	// clockProtocol has no request. The answer is the wall clock, in Unix
	// milliseconds as eight bytes, big-endian. A node without it is not asked again.
	clockProtocol protocol.ID = "/foxchain/clock/1"
	// clockShown is by how much the clock of a peer must differ to be mentioned.
	clockShown = time.Minute
)

// handleClock sends a peer the time of this machine.
func (s *sessions) handleClock(str network.Stream) {
	_ = str.SetDeadline(time.Now().Add(exchangeTime)) // fails on a dead stream, where writing does too
	if _, err := str.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))); err != nil {
		_ = str.Reset()
		return
	}
	_ = str.Close()
}

// compareClocks notes how far the peer's clock is ahead of this machine's. Nothing
// follows from it. It is shown, since people wonder about times that differ.
func (s *sessions) compareClocks(ctx context.Context, e *knownPeer, ss *session) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "clock"), exchangeTime)
	defer cancel()
	ahead, err := s.askClock(ctx, e)
	if err != nil {
		s.log.Debug("a peer did not send its clock", "peer", e.id, "err", err)
		return
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	was := clockHint(ss.clock)
	ss.clock = ahead
	if now := clockHint(ahead); now != was {
		s.notify()
		if was == "" {
			s.log.Info("a node's clock differs from this machine's, which has no effect on the ledger", "node", e.name, "peer", e.id, "reason", now)
		}
	}
}

// askClock returns how far the clock of e is ahead of this machine's.
func (s *sessions) askClock(ctx context.Context, e *knownPeer) (time.Duration, error) {
	str, err := s.host.NewStream(ctx, e.id, clockProtocol)
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = str.Reset() })()
	var ms [8]byte
	if _, err := io.ReadFull(str, ms[:]); err != nil {
		_ = str.Reset()
		return 0, err
	}
	_ = str.Close() // the answer is here
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).Sub(time.Now().Round(0)), nil
}

// clockHint returns in words how far a clock is off. It returns "" where that is not
// worth mentioning.
func clockHint(ahead time.Duration) string {
	if ahead.Abs() <= clockShown {
		return ""
	}
	way := "ahead"
	if ahead < 0 {
		way = "behind"
	}
	const day = 24 * time.Hour
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{365 * day, "years"}, {day, "days"}, {time.Hour, "h"}} {
		if n := ahead.Abs().Round(unit.size) / unit.size; n >= 2 {
			return fmt.Sprintf("its clock is %d %s %s", n, unit.name, way)
		}
	}
	return fmt.Sprintf("its clock is %d min %s", ahead.Abs().Round(time.Minute)/time.Minute, way)
}
