package p2p

import (
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// traffic counts the bytes of all streams. It stands in for libp2p's own
// counter, which also keeps rates for each peer and protocol, by a goroutine of
// the process: only the totals are wanted here.
type traffic struct {
	metrics.Reporter // nil: only what is below is called by a host without metrics
	in, out          *atomic.Uint64
}

// LogSentMessage is metrics.Reporter's.
func (t *traffic) LogSentMessage(n int64) { t.out.Add(uint64(max(n, 0))) }

// LogRecvMessage is metrics.Reporter's.
func (t *traffic) LogRecvMessage(n int64) { t.in.Add(uint64(max(n, 0))) }

// LogSentMessageStream is metrics.Reporter's: the same bytes again.
func (t *traffic) LogSentMessageStream(int64, protocol.ID, peer.ID) {}

// LogRecvMessageStream is metrics.Reporter's: the same bytes again.
func (t *traffic) LogRecvMessageStream(int64, protocol.ID, peer.ID) {}
