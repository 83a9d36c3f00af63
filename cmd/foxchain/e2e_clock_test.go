package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// clocksMove is whether the clock of a process can be moved here.
const clocksMove = runtime.GOOS == "linux" && runtime.GOARCH == "amd64"

// shiftedEnv hands the program with such a clock to the test binary in its namespaces.
const shiftedEnv = "E2E_SHIFTED"

// buildShifted builds the program with a wall clock that is moved by the seconds in the
// file $CLOCK_SHIFT. Nothing else is changed.
var buildShifted = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(shiftedEnv); path != "" {
		return path, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for _, name := range []string{"clock.go", "clock_amd64.s"} {
		replace[filepath.Join(here, "shifted_"+name)] = filepath.Join(here, "testdata", "clock", name)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list, path := filepath.Join(buildDir, "overlay.json"), filepath.Join(buildDir, "shifted")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-overlay", list, "-ldflags=-checklinkname=0", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build -overlay: %w\n%s", err, out)
	}
	return path, os.Setenv(shiftedEnv, path)
})

// shiftedBinary returns the path of the program whose clock can be moved.
func shiftedBinary(t testing.TB) string {
	t.Helper()
	path, err := buildShifted()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// setClock moves a machine's clock, also while its node runs.
func (h *host) setClock(t testing.TB, ahead time.Duration) {
	t.Helper()
	if h.clock == "" {
		h.clock = filepath.Join(t.TempDir(), "shift")
	}
	text := strconv.FormatInt(int64(ahead/time.Second), 10)
	if err := os.WriteFile(h.clock, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClocks runs a LAN whose clocks differ by hours and years. Some stand in 1943, in
// 2100, or, as on a machine without a battery, at the start of Unix time. All find each
// other, by QUIC too, agree, build, and show whose clock is off. They go on when the clocks
// are set.
func TestClocks(t *testing.T) {
	if !clocksMove {
		unable(t, "the clock of a process is moved on linux/amd64 only")
	}
	waits(t)
	shiftedBinary(t) // here, so that it is built once for all tests
	inLab(t, func(t *testing.T, l *lab) {
		const year = 365 * 24 * time.Hour
		ancient := time.Until(time.Date(1943, 11, 25, 0, 0, 0, 0, time.UTC))
		future := time.Until(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
		shifts := []time.Duration{0, 2 * time.Hour, -8 * time.Hour, year, -year, ancient, future, time.Until(time.Unix(1, 0))}
		l.addBridge("lan")
		var clients []*client
		for i, ahead := range shifts {
			h := l.addHost("lan")
			h.setClock(t, ahead)
			args := []string{"-k", "1", "-t", "100ms"}
			if i%2 == 1 { // TCP is announced too, and QUIC is as near
				args = append(args, "--quic", "--listen", "/ip4/0.0.0.0/udp/19000/quic-v1", "--listen", "/ip4/0.0.0.0/tcp/19000")
			}
			clients = append(clients, startNode(t, h, t.TempDir(), args...).connect())
		}
		awaitAll(t, clients)
		for i, c := range clients { // any may be the builder
			c.merge(issue(i+1, 1))
		}
		eventually(t, "all transactions are in the same blocks on all", func() error {
			return errors.Join(agreed(numberedTo(len(clients)), clients...), inBlocks(len(clients), clients))
		})
		eventually(t, "the first shows whose clock is off", func() error { return clocksShown(clients, shifts) })
		for i, c := range clients {
			c.n.host.setClock(t, -shifts[i])
		}
		pause(t, time.Second)
		for i, c := range clients {
			c.merge(issue(len(clients)+i+1, 1))
		}
		eventually(t, "they go on with the clocks set", func() error {
			return errors.Join(agreed(numberedTo(2*len(clients)), clients...), inBlocks(2*len(clients), clients))
		})
		awaitAll(t, clients)
		for _, c := range clients {
			c.sinceThen()
		}
	})
}

// sinceThen checks that a node whose clock was set shows how long ago past events were.
func (c *client) sinceThen() {
	c.t.Helper()
	in := c.info()
	if math.Abs(in.Time-in.Started-in.Uptime) > 1 || in.Time < in.TipSince || in.Time-in.TipSince > in.Uptime {
		c.t.Errorf("%s: at %f it started at %f, %f s ago, and has its tip since %f", c.n.name, in.Time, in.Started, in.Uptime, in.TipSince)
	}
	for _, n := range c.known() {
		if ago := in.Time - n.Seen; math.Abs(ago) > 30 {
			c.t.Errorf("%s: it has heard of a node %f s ago", c.n.name, ago)
		}
	}
}

// clocksShown returns nil when the first node shows by how much the clocks of the
// others are ahead of its own, and shows nothing where they are not.
func clocksShown(clients []*client, shifts []time.Duration) error {
	nodes := clients[0].known()
	for i, ahead := range shifts[1:] {
		addr := "/ip4/" + clients[i+1].n.host.addr + "/"
		found := false
		for _, n := range nodes {
			if !strings.HasPrefix(strings.Join(n.Addrs, " "), addr) {
				continue
			}
			found = true
			if math.Abs(n.Clock-ahead.Seconds()) > 30 || !strings.HasPrefix(n.Reason, "its clock is ") {
				return fmt.Errorf("the node at %s, %s ahead, is shown as %.0f s ahead: %q", addr, ahead, n.Clock, n.Reason)
			}
		}
		if !found {
			return fmt.Errorf("no node at %s", addr)
		}
	}
	return nil
}
