package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestBenchTable(t *testing.T) {
	var out strings.Builder
	r := newBenchRun(&bench{txs: 50_000}, t.TempDir(), &out, io.Discard)
	r.head = "2 throwaway nodes"
	var each []time.Duration
	for i := range 200 {
		each = append(each, time.Duration(200-i)*time.Millisecond)
	}
	rows := []benchRow{
		acceptRow(50_000).rate(newTimings(2*time.Second, each), 50_000).against(rawPart{name: rawLevelDBName, figure: 100_000, note: "unsteady"}),
		{Row: "memory", What: "resident", Unit: "MiB", Why: "the node's system does not tell it"},
		benchRow{Row: "idle", What: "at rest", Unit: "%", Note: "the nodes: 0.20, 0.40"}.is(0.4),
	}
	for _, row := range rows {
		if err := r.add(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	head, table, _ := strings.Cut(got, "\n\n")
	checkHas(t, head, "2 throwaway nodes, loads of 50,000 transactions")
	want := `ROW     MEASURED                                                FIGURE     P50     P99              RAW  OF RAW
accept  accepted: on disk, 1,000 a message, 4 connections  25,000 tx/s  101 ms  199 ms  100,000 LevelDB    0.25  unsteady
memory  resident                                                     -                                           the node's system does not tell it
idle    at rest                                                 0.40 %                                           the nodes: 0.20, 0.40

LevelDB: two records of 100 bytes`
	if !strings.HasPrefix(table, want) {
		t.Errorf("the table is\n%s\nand not\n%s", table, want)
	}
	if strings.Contains(got, "echo") {
		t.Errorf("it explains what was not measured:\n%s", got)
	}
}

// TestBenchWaited: a load that took few intervals says so in its row.
func TestBenchWaited(t *testing.T) {
	r := newBenchRun(&bench{interval: duration(250 * time.Millisecond)}, "", io.Discard, io.Discard)
	if note := r.waited(2500 * time.Millisecond); note != "" {
		t.Errorf("after ten intervals: %q", note)
	}
	checkHas(t, r.waited(2499*time.Millisecond), "in 2.499s", "waited 250ms", "larger --txs")
}

// TestBenchGivesUp: what does not happen is given up, with words for its cell;
// what goes on is waited for.
func TestBenchGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newBenchRun(new(bench), "", io.Discard, io.Discard)
		begin := time.Now()
		err := r.until(t.Context(), "no blocks come", func() (bool, any, error) {
			return false, min(time.Since(begin)/time.Second, 90), nil
		})
		var why *missing
		if took := time.Since(begin); !errors.As(err, &why) || took < 150*time.Second || took > 151*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		checkHas(t, why.why, "no blocks come: nothing has changed for 1m0s")
	})
}

func TestBenchFlags(t *testing.T) {
	for want, args := range map[string][]string{
		`--only names "speed": the rows are accept, single`: {"--only", "speed"},
		"--txs is 10":                      {"--txs", "10"},
		"--nodes is 9":                     {"--nodes", "9"},
		"--node and -r name a running one": {"--nodes", "2", "--node", "9000"},
		"--key is for a running node":      {"--key", "x.pem"},
		"-k is 0":                          {"-k", "0"},
		"takes no arguments":               {"9000"},
	} {
		_, errs := program(t, 2, append([]string{"bench"}, args...)...)
		checkHas(t, errs, want, "See: foxchain bench --help")
	}
	_, errs := program(t, 1, "bench", "--data", "/no/such/place")
	checkHas(t, errs, "no such file", "--data DIRECTORY")
}
