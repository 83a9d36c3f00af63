package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"foxchain/cmd/foxchain/internal/term"
)

// A stage is a part of the program that runs until its context ends.
type stage struct {
	name string
	run  func(context.Context) error
}

// runStages runs all stages until ctx or one of them ends. Then it stops them in the
// given order, and waits for each before it stops the next. It returns the first error,
// but not a stopped stage's context error. After notice it calls slow with the names of
// the stages that still run. Those that run after grace are named in the error and not
// waited for.
func runStages(ctx context.Context, notice, grace time.Duration, slow func(names string), stages ...stage) error {
	group, failed := errgroup.WithContext(ctx)
	cancels := make([]context.CancelFunc, len(stages))
	ended := make([]chan struct{}, len(stages))
	for i, s := range stages {
		// Not derived from ctx, since a stage must run until those before it have ended.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancels[i], ended[i] = cancel, make(chan struct{})
		group.Go(func() error {
			defer close(ended[i])
			err := s.run(own)
			switch {
			case own.Err() != nil && (err == nil || term.IsCanceled(err)):
				return nil
			case err == nil:
				return fmt.Errorf("%s ended by itself", s.name)
			}
			return fmt.Errorf("%s: %w", s.name, err)
		})
	}
	<-failed.Done()
	defer time.AfterFunc(notice, func() { slow(running(stages, ended)) }).Stop()
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	for i := range stages {
		cancels[i]()
		select {
		case <-ended[i]:
		case <-deadline.C:
			for _, cancel := range cancels {
				cancel()
			}
			return fmt.Errorf("did not stop within %s: %s", grace, running(stages, ended))
		}
	}
	return group.Wait()
}

func running(stages []stage, ended []chan struct{}) string {
	var names []string
	for i, s := range stages {
		select {
		case <-ended[i]:
		default:
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ", ")
}
