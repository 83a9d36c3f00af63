package builder

import (
	"context"
	"math/rand/v2"
	"sync"

	"foxchain/ledger"
)

// search looks for a nonce on a number of goroutines, and returns when all of them
// have ended. The only error is the cause of ctx's end.
func search(ctx context.Context, h ledger.Header, goroutines int) (ledger.Nonce, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := func() bool { return ctx.Err() != nil }

	// Two builders never share a header, so they may start anywhere. The goroutines
	// of one must not try the same nonces, so they start 2^64/n apart.
	start, apart := rand.Uint64(), ^uint64(0)/uint64(goroutines)
	found := make(chan ledger.Nonce, goroutines)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			mine := h
			if mine.Search(start+uint64(i)*apart, stop) {
				found <- mine.Nonce
				cancel(nil)
			}
		})
	}
	wg.Wait()
	select {
	case nonce := <-found:
		return nonce, nil
	default:
		return ledger.Nonce{}, context.Cause(ctx)
	}
}
