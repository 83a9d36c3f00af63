package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"foxchain/rpc/client"
)

// A node is a throwaway node, in a process of its own.
type node struct {
	at struct { // its first line
		URL   string `json:"url"`
		Token string `json:"token"`
	}
	client *client.Client
	stop   func() // ends it and waits
}

func (n *node) dial(ctx context.Context) (*client.Client, error) {
	return client.Dial(ctx, n.at.URL, n.at.Token)
}

func (n *node) close() {
	_ = n.client.Close() // the node is stopped next
	n.stop()
}

// start starts a throwaway node.
func (r *run) start(ctx context.Context, name string, args ...string) (*node, error) {
	r.Say("%s starts", name)
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's own file: %w", err)
	}
	args = append([]string{"-p", "0", "-r", filepath.Join(r.dir, name), "--name", name, "--network", "bench", "--mdns=false",
		"-k", strconv.Itoa(r.BlockTxs), "-t", r.Interval.String()}, args...)
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, append(r.Command, args...)...)
	cmd.Env = withoutSettings(os.Environ())
	cmd.Stderr = r.Log
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		cancel()
		return nil, err
	}
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = stopTime
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s once more: %w", self, err)
	}
	n := &node{stop: func() {
		cancel()
		_ = cmd.Wait() // its data are removed, so its exit does not matter
	}}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &n.at)
	}
	if err == nil {
		n.client, err = n.dial(ctx)
	}
	if err != nil {
		n.stop()
		return nil, fmt.Errorf("a throwaway node did not start: %w", err)
	}
	return n, nil
}

// withoutSettings removes the environment's settings, which are meant for other nodes.
func withoutSettings(env []string) []string {
	var list []string
	for _, v := range env {
		if !strings.HasPrefix(strings.ToUpper(v), "FOXCHAIN_") {
			list = append(list, v)
		}
	}
	return list
}

// A net is nodes that are connected with each other.
type net []*node

func (all net) close() {
	for _, n := range all {
		n.close()
	}
}

// startNet starts the nodes and waits until each is connected to all others and knows
// that they build. From then on they take turns.
func (r *run) startNet(ctx context.Context) (all net, err error) {
	defer func() {
		if err != nil {
			all.close()
		}
	}()
	for range r.Nodes {
		n, err := r.join(ctx, all)
		if err != nil {
			return all, err
		}
		all = append(all, n)
	}
	for _, n := range all {
		err := until(ctx, "the nodes are not connected with each other", func() (bool, any, error) {
			p, err := n.client.Peers(ctx)
			known := 0
			for _, other := range p.Nodes {
				if other.Connected && other.Builds {
					known++
				}
			}
			return known == r.Nodes-1, known, err
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// join starts one more node, which dials all others.
func (r *run) join(ctx context.Context, all net, args ...string) (*node, error) {
	for _, n := range all {
		in, err := n.client.Info(ctx)
		if err != nil {
			return nil, err
		}
		if len(in.Multiaddrs) > 0 {
			args = append(args, "--peer", in.Multiaddrs[0])
		}
	}
	return r.start(ctx, fmt.Sprintf("node-%d", len(all)+1), args...)
}
