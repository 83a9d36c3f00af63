package gossip

import (
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Traffic counts the bytes of all streams. Libp2p's own counter also keeps rates
// for each peer and protocol, on a goroutine of the process, and only the totals
// are wanted here.
type Traffic struct {
	metrics.Reporter // nil, since only what is below is called by a host without metrics
	counted          *Counters
}

// NewTraffic counts into c.
func NewTraffic(c *Counters) *Traffic { return &Traffic{counted: c} }

// LogSentMessage is metrics.Reporter's.
func (t *Traffic) LogSentMessage(n int64) { t.counted.BytesOut.Add(uint64(max(n, 0))) }

// LogRecvMessage is metrics.Reporter's.
func (t *Traffic) LogRecvMessage(n int64) { t.counted.BytesIn.Add(uint64(max(n, 0))) }

// LogSentMessageStream is metrics.Reporter's. It reports the same bytes again.
func (t *Traffic) LogSentMessageStream(int64, protocol.ID, peer.ID) {}

// LogRecvMessageStream is metrics.Reporter's. It reports the same bytes again.
func (t *Traffic) LogRecvMessageStream(int64, protocol.ID, peer.ID) {}
