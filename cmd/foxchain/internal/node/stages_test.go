package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"foxchain/ledger/ledgertest"
)

// recorder makes stages that note the order in which they end.
type recorder struct {
	mu    sync.Mutex
	ended []string
	late  string // the stages that slow was called with
}

func (r *recorder) slow(names string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late = names
}

func (r *recorder) wasLate() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.late
}

func (r *recorder) stage(name string, takes time.Duration) stage {
	return stage{name, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(takes)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended = append(r.ended, name)
		return ctx.Err()
	}}
}

func TestStagesStopInOrder(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var r recorder
		err := runStages(ctx, time.Second, 5*time.Second, r.slow, r.stage("rpc", 2*time.Second), r.stage("p2p", time.Second), r.stage("chain", 0))
		if err != nil || !slices.Equal(r.ended, []string{"rpc", "p2p", "chain"}) || r.wasLate() != "rpc, p2p, chain" {
			t.Errorf("ended %q with %v, late were %q", r.ended, err, r.late)
		}
	})
}

func TestStagesEndTogether(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		var r recorder
		disk := errors.New("disk full")
		err := runStages(t.Context(), time.Second, 5*time.Second, r.slow, r.stage("rpc", time.Second),
			stage{"chain", func(context.Context) error { return disk }})
		if !errors.Is(err, disk) || !slices.Equal(r.ended, []string{"rpc"}) {
			t.Errorf("ended %q with %v", r.ended, err)
		}
		err = runStages(t.Context(), time.Second, 5*time.Second, r.slow, r.stage("rpc", 0), stage{"p2p", func(context.Context) error { return nil }})
		if err == nil || !strings.Contains(err.Error(), "p2p ended by itself") {
			t.Errorf("a stage that ended gave %v", err)
		}
	})
}

func TestStagesHaveGrace(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var r recorder
		began := time.Now()
		err := runStages(ctx, time.Second, 5*time.Second, r.slow, r.stage("rpc", 0), r.stage("p2p", time.Minute), r.stage("chain", 0))
		if late := r.wasLate(); late != "p2p, chain" {
			t.Errorf("late were %q", late)
		}
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "p2p") || took != 5*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		time.Sleep(time.Hour) // lets the stages end, as synctest requires
	})
}
