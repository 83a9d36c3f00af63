package sync

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/internal/wait"
)

// TestRest checks when a peer that answered is asked again. One of many is asked in its
// turn, or earlier when nothing or no status line comes from it, or its line differs.
func TestRest(t *testing.T) {
	const many = 4 * askedAtOnce
	always := func(time.Time) time.Time { return time.Now() }
	once := func(begin time.Time) time.Time { return begin }
	for name, test := range map[string]struct {
		peers       int
		heard       func(begin time.Time) time.Time
		lined       time.Duration // after the answer
		differs     time.Duration // after the answer, zero for never
		leave       int           // peers that leave a second after the answer
		least, most time.Duration
	}{
		"few":                   {askedAtOnce, always, time.Hour, 0, 0, statusEvery, statusEvery},
		"many":                  {many, always, time.Hour, 0, 0, statusEvery * many / askedAtOnce / 2, statusEvery * many / askedAtOnce * 3 / 2},
		"nothing comes":         {many, once, time.Hour, 0, 0, lineTime, lineTime},
		"no line comes":         {many, always, 0, 0, 0, lineTime, lineTime},
		"no line ever came":     {many, always, -time.Hour, 0, 0, statusEvery, statusEvery},
		"differs soon":          {many, always, time.Hour, time.Second, 0, statusEvery, statusEvery},
		"differs":               {many, always, time.Hour, 5 * time.Second, 0, 5 * time.Second, 5 * time.Second},
		"many, and most leave":  {many, always, time.Hour, 0, many - askedAtOnce, lineTime, lineTime},
		"few, nothing was ever": {askedAtOnce, func(time.Time) time.Time { return time.Time{} }, time.Hour, 0, 0, statusEvery, statusEvery},
	} {
		t.Run(name, func(t *testing.T) {
			ledgertest.Bubble(t, func(t *testing.T) {
				begin := time.Now()
				s := &Syncer{core: &core{Config: Config{Heard: func(peer.ID) time.Time { return test.heard(begin) }}}, peers: newPeers()}
				for i := range test.peers {
					s.peers.add(newRemote(peer.ID(strconv.Itoa(i))))
				}
				r := s.peers.get("0")
				r.lined = begin.Add(test.lined)
				if test.differs > 0 {
					time.AfterFunc(test.differs, func() { wait.Signal(r.differ) })
				}
				time.AfterFunc(time.Second, func() {
					for i := range test.leave {
						s.peers.remove(s.peers.get(peer.ID(strconv.Itoa(i + 1))))
					}
				})
				s.rest(t.Context(), r, begin)
				if took := time.Since(begin); took < test.least || took > test.most {
					t.Errorf("asked again after %s, want %s to %s", took, test.least, test.most)
				}
				begin = time.Now()
				wait.Signal(r.hurry)
				s.rest(t.Context(), r, begin)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				s.rest(ctx, r, begin)
				if took := time.Since(begin); took > 0 {
					t.Errorf("hurried, it took %s", took)
				}
			})
		})
	}
}

// TestCompare checks which status lines lead to a question: those that differ from this
// node or from the peer's last answer, and all while that peer has another pool of the
// same size.
func TestCompare(t *testing.T) {
	testMesh(t, 1, func(m *mesh) {
		s, r := m.nodes[0].Syncer, newRemote("peer")
		tip := s.Chain.Tip().Hash
		r.answer.Tip = tip
		s.peers.add(r)
		differs := func(tip ledger.Hash, pool uint64) bool {
			s.Compare(r.id, tip, pool)
			select {
			case <-r.differ:
				return true
			default:
				return false
			}
		}
		s.Compare("nobody", tip, 1)
		if differs(tip, 0) || !differs(tip, 1) || !differs(ledger.Hash{1}, 0) {
			t.Error("it is not asked just when the line differs")
		}
		r.answer.Pool = 1
		if !differs(tip, 0) || !differs(tip, 1) {
			t.Error("it is not asked when its answer differs")
		}
		r.answer.Pool, r.answer.digest = 0, 1
		if !differs(tip, 0) {
			t.Error("it is not asked when its pool is another of the same size")
		}
		if r.lastLine() != time.Now() {
			t.Error("a line was not noted")
		}
	})
}
