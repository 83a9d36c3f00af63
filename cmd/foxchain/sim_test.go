package main

import (
	"flag"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The flags of the simulation:
//
//	go test ./cmd/foxchain -run TestSimulation -seeds 1000
//	go test ./cmd/foxchain -run TestSimulation -seed 77 -v
var (
	simSeeds = flag.Int("seeds", 100, "`number` of scripts of TestSimulation, from seed 0 on")
	simSeed  = flag.Int("seed", -1, "play only the script of this `seed` in TestSimulation")
)

// simBound is how long, in simulated time, nodes may take to agree after the
// network is whole again.
const simBound = 30 * time.Second

// TestSimulation lets networks of 3 to 50 nodes live through partitions, slow
// links, stops, late joins, wrong clocks, bursts, conflicts and double spends,
// all drawn from seeds. Within simBound of the end of the trouble all agree, and
// nothing that a node accepted is lost or stands twice.
func TestSimulation(t *testing.T) {
	first, n := 0, *simSeeds
	switch {
	case *simSeed >= 0:
		first, n = *simSeed, 1
	case testing.Short():
		n = min(n, 4)
	}
	var mu sync.Mutex
	var all simFigures
	t.Run("scripts", func(t *testing.T) {
		for seed := first; seed < first+n; seed++ {
			t.Run("seed="+strconv.Itoa(seed), func(t *testing.T) {
				t.Parallel()
				begin := time.Now()
				figures := simulate(t, uint64(seed))
				t.Logf("%s; took %s", figures, time.Since(begin).Round(time.Millisecond))
				mu.Lock()
				defer mu.Unlock()
				all.add(figures)
			})
		}
	})
	t.Logf("%d scripts: %s", n, all)
}

func simulate(t *testing.T, seed uint64) (figures simFigures) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimScript(t, seed)
		defer c.close()
		c.play()
		c.settle(simBound)
		c.verify()
		figures = c.figures
	})
	return figures
}
