package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// A benched is a row of `foxchain bench --json`.
type benched struct {
	Row    string   `json:"row"`
	Figure *float64 `json:"figure"`
	P50    *float64 `json:"p50_ms"`
	P99    *float64 `json:"p99_ms"`
	OfRaw  *float64 `json:"of_raw"`
	Txs    int      `json:"txs"`
	Why    string   `json:"why"`
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

// TestBench measures two small throwaway nodes: every row has its figures, and
// nothing is left behind.
func TestBench(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		out := must(t, h, dir, "bench", "--nodes", "2", "--txs", "2000", "-t", "20ms", "--json")
		rows, names := benchRows(t, out)
		want := []string{"accept", "single", "commit", "commit-all", "memory", "disk", "latency", "read-tx", "read-account", "read-block", "sync", "idle"}
		if !slices.Equal(names, want) {
			t.Errorf("the rows are %v, not %v", names, want)
		}
		for _, row := range rows {
			calls := slices.Contains([]string{"accept", "single", "latency", "read-tx", "read-account", "read-block"}, row.Row)
			raw := !slices.Contains([]string{"latency", "memory", "disk", "idle"}, row.Row)
			switch {
			case row.Row == "memory" || row.Row == "idle": // not every system tells them
				if row.Figure == nil && row.Why == "" || runtime.GOOS == "linux" && row.Figure == nil {
					t.Errorf("%s has neither a figure nor a reason: %+v", row.Row, row)
				}
			case row.Figure == nil || *row.Figure <= 0:
				t.Errorf("%s has no figure: %+v", row.Row, row)
			case calls != (row.P50 != nil) || calls && (*row.P50 <= 0 || *row.P99 < *row.P50):
				t.Errorf("%s: the times of single calls: %+v", row.Row, row)
			case raw != (row.OfRaw != nil):
				t.Errorf("%s: the ratio to the raw part: %+v", row.Row, row)
			}
		}
		table := must(t, h, dir, "bench", "--only", "accept", "--txs", "1000")
		for _, part := range []string{"1 throwaway node in " + dir, "ROW", "OF RAW", "accept", " tx/s", "LevelDB: two records"} {
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

// TestBenchRunningNode: a running node is loaded only on demand, and holds just
// what bench says that it was given.
func TestBenchRunningNode(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		n := startNode(t, h, dir, "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "3", "-t", "100ms")
		c := n.connect()
		data := fmt.Sprintf("%d.db", n.ws)
		bench := []string{"bench", "-r", data, "--txs", "1000", "-k", "3", "-t", "100ms"}
		out, errs, code := run(t, h, dir, bench...)
		if code != 1 || out != "" || !strings.Contains(errs, "stay there for good") || !strings.Contains(errs, "--yes") {
			t.Errorf("without --yes: exit code %d\n%s%s", code, out, errs)
		}
		if held := len(c.blocks()) + len(c.pool()); held != 0 {
			t.Errorf("without --yes the node was given something: %d", held)
		}

		rows, names := benchRows(t, must(t, h, dir, append(bench, "--yes", "--json", "--only", "accept,single,commit,latency,disk,sync")...))
		if want := []string{"single", "accept", "commit", "disk", "latency", "sync", "written"}; !slices.Equal(names, want) {
			t.Fatalf("the rows are %v, not %v", names, want)
		}
		given := 0
		for _, row := range rows {
			switch row.Row {
			case "sync":
				if row.Figure != nil || row.Why == "" {
					t.Errorf("a running node cannot be synced with: %+v", row)
				}
			case "written":
				given = int(*row.Figure)
			case "single", "commit", "latency":
				if row.Txs < 3 {
					t.Errorf("%s is of %d transactions", row.Row, row.Txs)
				}
				fallthrough
			default:
				if row.Figure == nil || *row.Figure <= 0 {
					t.Errorf("%s has no figure: %+v", row.Row, row)
				}
			}
		}
		held := append(chained(c.blocks()), ids(c.pool())...)
		slices.Sort(held)
		if len(held) != given || len(slices.Compact(held)) != given || given < 2000 {
			t.Errorf("bench gave %d transactions, the node holds %d", given, len(held))
		}
	})
}

// TestBenchNamedIssuers: where only a key can issue, bench asks for it.
func TestBenchNamedIssuers(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		var made struct {
			Account string `json:"account"`
		}
		must(t, h, dir, "keygen", "-o", "other.pem")
		if err := json.Unmarshal([]byte(must(t, h, dir, "keygen", "-o", "issuer.pem", "--json")), &made); err != nil {
			t.Fatal(err)
		}
		rules := fmt.Sprintf(`{"name":"office","issuers":[%q],"keyed_only":true}`, made.Account)
		if err := os.WriteFile(filepath.Join(dir, "office.json"), []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		n := startNode(t, h, dir, "-p", strconv.Itoa(h.base), "--mdns=false", "--network", "office.json", "-t", "100ms")
		bench := []string{"bench", "--node", strconv.Itoa(n.ws), "--yes", "--json", "--txs", "1000", "--only", "commit,read", "-t", "100ms"}
		for _, refused := range []struct {
			args []string
			says []string
		}{
			{nil, []string{"only the holders of keys can issue", "office", made.Account, "--key"}},
			{[]string{"--key", "other.pem"}, []string{"is no issuer", made.Account}},
			{[]string{"--key", "none.pem"}, []string{"none.pem"}},
		} {
			out, errs, code := run(t, h, dir, append(bench, refused.args...)...)
			for _, part := range refused.says {
				if code != 1 || out != "" || !strings.Contains(errs, part) {
					t.Errorf("bench %v: exit code %d, %q is not in\n%s%s", refused.args, code, part, out, errs)
				}
			}
		}
		_, names := benchRows(t, must(t, h, dir, append(bench, "--key", "issuer.pem")...))
		if want := []string{"commit", "read-tx", "read-account", "read-block", "written"}; !slices.Equal(names, want) {
			t.Errorf("with the key the rows are %v, not %v", names, want)
		}
	})
}

// TestBenchEnds: neither Ctrl-C, nor a terminal that is closed (which may say so
// twice), nor a kill leaves nodes behind, and only a kill a directory; what was
// measured until then is said to be all.
func TestBenchEnds(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		if runtime.GOOS == "windows" {
			unable(t, "Windows has no Ctrl-C for a single process")
		}
		// Where the tests run under nohup they ignore hangups, and so would the
		// processes that they start; what is caught is not ignored there.
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
		for name, end := range map[string]os.Signal{"Ctrl-C": os.Interrupt, "a hangup": syscall.SIGHUP, "a kill": os.Kill} {
			dir := t.TempDir()
			// Nobody builds so much so soon: it is in the middle of the load.
			p := start(t, h, dir, "bench", "--nodes", "2", "--only", "accept,commit", "--txs", "300000")
			endpoint := benchedNode(t, dir)
			listens := func() error {
				conn, err := h.dial(t.Context(), "tcp", endpoint)
				if err == nil {
					return conn.Close()
				}
				return err
			}
			if err := listens(); err != nil {
				t.Fatal(err)
			}
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
			eventually(t, 10*time.Second, "after "+name+" the node has ended", func() error {
				if listens() == nil {
					return errors.New("it still listens")
				}
				return nil
			})
			if end != os.Kill {
				isEmpty(t, dir)
				if !strings.Contains(p.out.String(), "interrupted: the rows above are all that was measured\n") {
					t.Errorf("it does not say that %s interrupted it:\n%s", name, p.out.String())
				}
				if code := p.cmd.ProcessState.ExitCode(); code != 1 || strings.Contains(p.out.String(), "foxchain:") {
					t.Errorf("interrupted, it ended with exit code %d:\n%s", code, p.out.String())
				}
			}
		}
	})
}

// benchedNode waits until a node of the network runs under dir, and gives the
// host and port of its WebSocket.
func benchedNode(t *testing.T, dir string) (at string) {
	t.Helper()
	eventually(t, 60*time.Second, "the nodes of bench run", func() error {
		files, err := filepath.Glob(filepath.Join(dir, "foxchain-bench-*", "node-2", "endpoint"))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("%v %w", files, err)
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			return err
		}
		var e struct {
			URL string `json:"url"`
		}
		if err := json.Unmarshal(bytes.TrimSpace(text), &e); err != nil {
			return err
		}
		u, err := url.Parse(e.URL)
		if err != nil {
			return err
		}
		at = net.JoinHostPort("127.0.0.1", u.Port())
		return nil
	})
	return at
}
