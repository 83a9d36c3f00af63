package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A process is one run of the program.
type process struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	out   output
	ended chan struct{} // closed when it ended; then err is its result
	err   error
}

// output collects what a process writes, while the test reads it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs the program on the host with dir as its working directory. Cleanup ends it,
// logs its output when the test failed, and fails the test when it panicked or raced.
func start(t testing.TB, h *host, dir string, args ...string) *process {
	t.Helper()
	name := strings.TrimSpace(h.netns + " foxchain " + strings.Join(args, " "))
	// Cleanup ends it, after the test's context is done.
	cmd := h.command(context.WithoutCancel(t.Context()), t, args...)
	return startCommand(t, name, cmd, dir)
}

// startCommand starts a command in dir and collects its output, unless it has another.
func startCommand(t testing.TB, name string, cmd *exec.Cmd, dir string) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, ended: make(chan struct{})}
	p.cmd.Dir = dir
	if p.cmd.Stdout == nil {
		p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	}
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(p.cleanup)
	return p
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as a power cut does.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("%s: kill: %v", p.name, err)
	}
	<-p.ended
}

// stop ends the process as Ctrl-C does. A node itself fails when that takes over 35 s.
func (p *process) stop() {
	p.t.Helper()
	if runtime.GOOS == "windows" { // which has no such signal for a single process
		p.kill()
		return
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatalf("%s: interrupt: %v", p.name, err)
	}
	begin := time.Now()
	select {
	case <-p.ended:
		p.t.Logf("%s ended after %s", p.name, time.Since(begin).Round(time.Millisecond))
		if p.err != nil {
			p.t.Errorf("%s: interrupted, it ended with %v", p.name, p.err)
		}
	case <-time.After(time.Minute):
		p.t.Errorf("%s: interrupted, it still runs after a minute", p.name)
		p.kill()
	}
}

func (p *process) cleanup() {
	if p.running() {
		p.kill()
	}
	out := p.out.String()
	if strings.Contains(out, "panic:") || strings.Contains(out, "DATA RACE") {
		p.t.Errorf("%s: panicked or raced", p.name)
	}
	if p.t.Failed() {
		const most = 20_000
		if len(out) > most {
			out = "…" + out[len(out)-most:]
		}
		p.t.Logf("output of %s:\n%s", p.name, out)
	}
}

// A node is a running `foxchain node`.
type node struct {
	*process
	host *host
	dir  string   // its working directory
	args []string // after "node"
	ws   int      // its WebSocket port
}

// startNode starts a node in dir and waits until it is ready. Without -p among
// args it has the default port.
func startNode(t testing.TB, h *host, dir string, args ...string) *node {
	t.Helper()
	n := launch(t, h, dir, args...)
	n.awaitReady()
	return n
}

// launch starts a node without waiting until it is ready.
func launch(t testing.TB, h *host, dir string, args ...string) *node {
	t.Helper()
	n := &node{host: h, dir: dir, args: args, ws: 9000}
	for i, arg := range args {
		if arg == "-p" {
			n.ws, _ = strconv.Atoi(args[i+1])
		}
	}
	n.process = start(t, h, dir, append([]string{"node"}, args...)...)
	return n
}

// again restarts a node that ended, with the same arguments.
func (n *node) again() *node {
	n.t.Helper()
	if n.running() {
		n.t.Fatalf("%s still runs", n.name)
	}
	return startNode(n.t, n.host, n.dir, n.args...)
}

func (n *node) awaitReady() {
	n.t.Helper()
	eventually(n.t, n.name+" is ready", func() error {
		if !n.running() {
			n.t.Fatalf("%s ended: %v\n%s", n.name, n.err, n.out.String())
		}
		status, body, err := n.get("/readyz", nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/readyz: %d %s", status, body)
		}
		return err
	})
}

// url returns the URL of the node's WebSocket on its own machine.
func (n *node) url() string { return fmt.Sprintf("ws://localhost:%d/ws", n.ws) }

// get requests one of the node's HTTP routes from its own machine. The header Host,
// if given, is sent as the request's host.
func (n *node) get(path string, header http.Header) (int, string, error) {
	transport := &http.Transport{DialContext: n.host.dial, DisableKeepAlives: true}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second*slack)
	defer cancel()
	url := fmt.Sprintf("http://localhost:%d%s", n.ws, path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	for key, values := range header {
		req.Header[key] = values
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(body), err
}
