package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/ledger/ledgertest"
	"foxchain/rpc/web/webtest"
)

// The end-to-end tests (e2e_*_test.go) start the program as people do and look
// at it from outside only: its WebSocket as raw JSON, its HTTP routes, its
// output, its end. They import nothing of the project but the browser of webtest.
//
// Each test runs inside network and mount namespaces of its own (e2e_lab_test.go), so that
// the ports 9000, 9001, … are really free, and discovery by multicast does not leave the
// machine. Where that cannot be had (not Linux, not root), the tests that need several
// machines are skipped, and the others run on free loopback ports. With CI=true all of them
// fail.
//
// A deadline in a test is a promise of the program. With the race detector everything is
// slower, and the deadlines are slack times longer.

// slack stretches every deadline of a race build.
const slack = 1 + 3*ledgertest.Race

// binaryEnv hands the built program to the test binary in its namespaces.
const binaryEnv = "E2E_BINARY"

// buildDir holds the program while the tests run. TestMain makes and removes it.
var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "foxchain-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "no directory for the built program:", err)
		os.Exit(1)
	}
	buildDir = dir
	// The names in the user's own configuration mean nothing here.
	os.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	code := m.Run()
	webtest.Close()
	os.RemoveAll(dir)
	os.Exit(code)
}

// build builds the program once for all tests, with the race detector if they have it.
var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(binaryEnv); path != "" {
		return path, nil
	}
	path := filepath.Join(buildDir, "foxchain")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	args := []string{"build", "-o", path}
	if ledgertest.Race == 1 {
		args = append(args, "-race")
	}
	out, err := exec.CommandContext(ctx, "go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// binary returns the path of the built program.
func binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// unable skips a test that this machine cannot run; in CI it must run.
func unable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must run this: "+format, args...)
	}
	t.Skipf(format, args...)
}

// eventually calls within with a minute, for what takes seconds, with room for a busy
// machine. Tests with simulated clocks check how fast it is.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	within(t, time.Minute, what, check)
}

// within calls check every 50 ms until it returns nil, and fails the test with its last
// error after the limit. It is for what shows only from outside a process.
func within(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit*slack)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			t.Logf("%s: after %s", what, time.Since(start).Round(time.Millisecond))
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, limit*slack, err)
		case <-tick.C:
		}
	}
}

// becomes waits until a value is the wanted one.
func becomes[T comparable](t testing.TB, what string, want T, is func() T) {
	t.Helper()
	eventually(t, what, func() error {
		if got := is(); got != want {
			return fmt.Errorf("%v, not %v", got, want)
		}
		return nil
	})
}

// prints waits until a text has a part.
func prints(t testing.TB, what, part string, text func() string) {
	t.Helper()
	eventually(t, what, func() error {
		if got := text(); !strings.Contains(got, part) {
			return fmt.Errorf("no %q in %s", part, got)
		}
		return nil
	})
}

// save writes a file in a directory.
func save(t testing.TB, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// decode reads JSON.
func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%.500s: %v", text, err)
	}
	return v
}
