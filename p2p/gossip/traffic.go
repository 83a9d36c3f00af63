package gossip

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
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
	heard            *lru.Cache[peer.ID, time.Time] // when each peer last sent anything
}

// maxHeard is how many peers are remembered as heard, those heard last.
const maxHeard = 1024

// NewTraffic counts into c.
func NewTraffic(c *Counters) *Traffic {
	heard, err := lru.New[peer.ID, time.Time](maxHeard)
	if err != nil {
		panic(err) // the size is a positive constant
	}
	return &Traffic{counted: c, heard: heard}
}

// Heard returns when anything last came from p on any stream, or zero.
func (t *Traffic) Heard(p peer.ID) time.Time {
	at, _ := t.heard.Peek(p)
	return at
}

// LogSentMessage is metrics.Reporter's.
func (t *Traffic) LogSentMessage(n int64) { t.counted.BytesOut.Add(uint64(max(n, 0))) }

// LogRecvMessage is metrics.Reporter's.
func (t *Traffic) LogRecvMessage(n int64) { t.counted.BytesIn.Add(uint64(max(n, 0))) }

// LogSentMessageStream is metrics.Reporter's. It reports the same bytes again.
func (t *Traffic) LogSentMessageStream(int64, protocol.ID, peer.ID) {}

// LogRecvMessageStream is metrics.Reporter's. It reports the same bytes again.
// A read that fails is reported too, with nothing.
func (t *Traffic) LogRecvMessageStream(n int64, _ protocol.ID, p peer.ID) {
	if n > 0 {
		t.heard.Add(p, time.Now())
	}
}
