package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// A benched is a row of `foxchain bench --json`.
type benched struct {
	Row    string   `json:"row"`
	Figure float64  `json:"figure"`
	P50    *float64 `json:"p50_ms"`
	P99    *float64 `json:"p99_ms"`
	OfRaw  float64  `json:"of_raw"`
	Txs    int      `json:"txs"`
}

func benchRows(t *testing.T, out string) (rows []benched, names []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		var row benched
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("not a row: %s: %v", line, err)
		}
		rows, names = append(rows, row), append(names, row.Row)
	}
	return rows, names
}

// TestBench measures two small throwaway nodes. Every row has its figures, and nothing is
// left behind.
func TestBench(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		out := must(t, h, dir, "bench", "--nodes", "2", "--txs", "2000", "-t", "20ms", "--json")
		rows, names := benchRows(t, out)
		want := []string{"accept", "commit", "commit-all", "latency", "sync", "signed"}
		if !slices.Equal(names, want) {
			t.Errorf("the rows are %v, not %v", names, want)
		}
		for _, row := range rows {
			calls := row.Row == "accept" || row.Row == "latency"
			switch {
			case row.Figure <= 0 || row.OfRaw <= 0 || row.Txs < 8:
				t.Errorf("%s has no figure: %+v", row.Row, row)
			case calls != (row.P50 != nil) || calls && (*row.P50 <= 0 || *row.P99 < *row.P50):
				t.Errorf("%s: the times of single calls: %+v", row.Row, row)
			}
		}
		table := must(t, h, dir, "bench", "--only", "accept", "--txs", "1000")
		for _, part := range []string{"1 throwaway node in " + dir, "ROW", "OF IT", "accept", " tx/s", "LEVELDB: two records"} {
			if !strings.Contains(table, part) {
				t.Errorf("the table has no %q:\n%s", part, table)
			}
		}
		if strings.Contains(table, "commit") {
			t.Errorf("--only accept measured more:\n%s", table)
		}
		isEmpty(t, dir)
	})
}

func isEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("bench left %v in its directory (%v)", left, err)
	}
}

// TestBenchEnds checks that neither Ctrl-C nor a closed terminal (which may send its signal
// twice) leaves a directory behind, and that the output reports that it is not complete.
func TestBenchEnds(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		if runtime.GOOS == "windows" {
			unable(t, "Windows has no Ctrl-C for a single process")
		}
		// Under nohup the tests ignore hangups, and so would the processes that they start.
		// A signal that is caught here is not ignored there.
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
		for name, end := range map[string]os.Signal{"Ctrl-C": os.Interrupt, "a hangup": syscall.SIGHUP} {
			dir := t.TempDir()
			// With so many transactions the signal comes in the middle of the load.
			p := start(t, h, dir, "bench", "--nodes", "2", "--only", "accept,commit", "--txs", "300000")
			within(t, 5*time.Minute, "the nodes of bench run", func() error {
				files, err := filepath.Glob(filepath.Join(dir, "foxchain-bench-*", "node-2", "endpoint"))
				if err != nil || len(files) != 1 {
					return fmt.Errorf("%v %w", files, err)
				}
				return nil
			})
			if err := p.cmd.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			if end == syscall.SIGHUP {
				if err := p.cmd.Process.Signal(end); err != nil && !errors.Is(err, os.ErrProcessDone) {
					t.Fatal(err)
				}
			}
			select {
			case <-p.ended:
			case <-time.After(10 * time.Second * slack):
				t.Fatalf("after %s bench still runs", name)
			}
			isEmpty(t, dir)
			if !strings.Contains(p.out.String(), "interrupted: only the rows above were measured\n") {
				t.Errorf("it does not report that %s interrupted it:\n%s", name, p.out.String())
			}
			if code := p.cmd.ProcessState.ExitCode(); code != 1 || strings.Contains(p.out.String(), "foxchain:") {
				t.Errorf("interrupted, it ended with exit code %d:\n%s", code, p.out.String())
			}
		}
	})
}
