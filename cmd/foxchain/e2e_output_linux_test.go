package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// heldPipe returns a pipe that takes no byte, since it is full and is not read.
func heldPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "read end"), os.NewFile(uintptr(fds[1]), "write end")
	t.Cleanup(func() { r.Close(); w.Close() })
	size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	return r, w
}

// TestOutputIsACourtesy runs long-running commands with an output that takes no byte,
// that has no reader, or that is on a full disk. Each starts, answers, and ends cleanly.
func TestOutputIsACourtesy(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		_, held := heldPipe(t)
		gone, unread := heldPipe(t)
		gone.Close()
		port := strconv.Itoa(h.base)
		node := []string{"node", "-p", port, "--mdns=false", "-k", "1", "-t", "1ms"}
		for _, c := range []struct {
			name        string
			args        []string
			out, errors *os.File
		}{
			{"held terminal", node, held, held},
			{"reader gone", append(node, "--log-format", "json", "--log-level", "debug"), unread, unread},
			{"disk full", node, full, full},
			{"devnet", []string{"devnet", "-n", "1", "-p", port, "-k", "1", "-t", "1ms"}, held, unread},
		} {
			t.Run(c.name, func(t *testing.T) {
				n := outputNode(t, h, c.args, c.out, c.errors)
				c := n.connect()
				c.merge(issue(1, 5))
				eventually(t, "a block", func() error { return inBlocks(1, []*client{c}) })
				n.stop()
				if left, err := filepath.Glob(n.dir + "/*/endpoint"); len(left) > 0 || err != nil {
					t.Errorf("the endpoint file is left: %q, %v", left, err)
				}
			})
		}
	})
}

// outputNode starts a node or devnet with the given outputs. With nil the test collects them.
func outputNode(t *testing.T, h *host, args []string, out, errs *os.File) *node {
	t.Helper()
	n := &node{host: h, dir: t.TempDir(), ws: h.base}
	cmd := h.command(context.WithoutCancel(t.Context()), t, args...)
	if out != nil {
		cmd.Stdout, cmd.Stderr = out, errs
	}
	n.process = startCommand(t, "foxchain "+strings.Join(args, " "), cmd, n.dir)
	n.awaitReady()
	return n
}

// TestCommandsAndTheirReaders checks that commands end quietly without a reader, and on a
// signal while their terminal takes no byte.
func TestCommandsAndTheirReaders(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false")
		gone, unread := heldPipe(t)
		gone.Close()
		_, held := heldPipe(t)
		for _, args := range []string{"info", "blocks", "watch --events status", "version"} {
			args := strings.Fields(fmt.Sprintf("%s --node %d", args, n.ws))
			if args[0] == "version" {
				args = args[:1]
			}
			for _, out := range []*os.File{unread, held} {
				var errs strings.Builder
				cmd := h.command(t.Context(), t, args...)
				cmd.Stdout, cmd.Stderr = out, &errs
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				want := 141
				if out == held {
					eventually(t, "it writes", func() error { return inWrite(cmd.Process.Pid) })
					cmd.Process.Signal(syscall.SIGTERM)
					want = -1
				}
				kill := time.AfterFunc(time.Minute, func() { cmd.Process.Kill(); t.Errorf("%q still runs after a minute", args) })
				err := cmd.Wait()
				kill.Stop()
				var exit *exec.ExitError
				if errs.String() != "" || want >= 0 && (!errors.As(err, &exit) || exit.ExitCode() != want) {
					t.Errorf("%q ended with %v, and on stderr:\n%s", args, err, errs.String())
				}
			}
		}
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		var errs strings.Builder
		cmd := h.command(t.Context(), t, "send", "--from", "issuer", "--to", "00000000-0000-0000-0000-000000000003", "--amount", "5", "--node", strconv.Itoa(h.base))
		cmd.Stdout, cmd.Stderr = full, &errs
		err = cmd.Run()
		if words := errs.String(); err == nil || !strings.Contains(words, "the answer could not be written") || !strings.Contains(words, "do not send it again") {
			t.Errorf("with a full disk, send ended with %v: %s", err, words)
		}
	})
}

// inWrite returns nil once a thread of a process is in a write to its standard output.
func inWrite(pid int) error {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, file := range files {
		if call, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(call), fmt.Sprintf("%d 0x1 ", syscall.SYS_WRITE)) {
			return nil
		}
	}
	return errors.Join(err, errors.New("no thread writes"))
}
