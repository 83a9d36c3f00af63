package main

import (
	"flag"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"foxchain/ledger/ledgertest"
)

// The flags of the simulation:
//
//	go test ./cmd/foxchain -run TestSimulation -seeds 1000 -timeout 1h
//	go test ./cmd/foxchain -run TestSimulation -first 50 -seeds 350 -timeout 30m
//	go test ./cmd/foxchain -run TestSimulation -seed 77 -v
//	go test ./cmd/foxchain -run TestFinalSimulation -first 8 -offices 392 -timeout 30m
var (
	simFirst = flag.Int("first", 0, "`seed` of the first script of TestSimulation")
	simSeeds = flag.Int("seeds", 50, "`number` of scripts of TestSimulation, from the first seed on")
	simSeed  = flag.Int("seed", -1, "play only the script of this `seed` in TestSimulation")

	simOffices = flag.Int("offices", 8, "`number` of networks of TestFinalSimulation, from the first seed on")
)

// How long, in simulated time, nodes may take to agree after the network is whole again.
// They need an exchange of a few messages each way for each block by which the sides differ.
const (
	simBound     = 30 * time.Second
	simSlowBound = 2 * time.Minute // where messages take up to 2 s each way
)

// TestSimulation takes networks of 3 to 50 nodes through partitions, slow links, stops,
// late joins, wrong clocks, bursts, conflicts and double spends, all drawn from seeds.
// Within simBound of the end of the trouble (simSlowBound where links stay slow) all
// agree, and nothing that a node accepted is lost or stands twice.
func TestSimulation(t *testing.T) {
	var all simFigures
	n := playSeeds(t, *simSeeds, 4, simulate, &all)
	t.Logf("%d scripts: %+v", n, all)
	if n >= simBurstEvery && all.idle() {
		t.Errorf("some trouble never came: %+v", all)
	}
}

// playSeeds plays the scripts of n seeds, of at most short with -short, or the one that
// -seed names, and adds the figures of each to those of all. It returns how many it played.
func playSeeds[F any](t *testing.T, n, short int, play func(*testing.T, uint64) F, all *F) int {
	first := *simFirst
	switch {
	case *simSeed >= 0:
		first, n = *simSeed, 1
	case testing.Short():
		n = min(n, short)
	}
	var mu sync.Mutex
	t.Run("scripts", func(t *testing.T) {
		for seed := first; seed < first+n; seed++ {
			t.Run("seed="+strconv.Itoa(seed), func(t *testing.T) {
				t.Parallel()
				begin := time.Now()
				figures := play(t, uint64(seed))
				t.Logf("%+v; took %s", figures, time.Since(begin).Round(time.Millisecond))
				mu.Lock()
				defer mu.Unlock()
				addFigures(all, figures)
			})
		}
	})
	return n
}

// addFigures adds the counts of one script to those of all, and keeps the longest times.
func addFigures[F any](all *F, one F) {
	sum, more := reflect.ValueOf(all).Elem(), reflect.ValueOf(one)
	for i := range sum.NumField() {
		n, of := more.Field(i).Int(), sum.Field(i)
		if of.Type() == reflect.TypeFor[time.Duration]() {
			of.SetInt(max(of.Int(), n))
		} else {
			of.SetInt(of.Int() + n)
		}
	}
}

func simulate(t *testing.T, seed uint64) (figures simFigures) {
	ledgertest.Bubble(t, func(t *testing.T) {
		c := newSimScript(t, seed)
		defer c.close()
		c.play()
		c.settle()
		c.verify()
		figures = c.figures
	})
	return figures
}
