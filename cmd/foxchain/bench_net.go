package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"foxchain/rpc/client"
)

// A benchPart is a process that bench started: a node, or the server that
// echoes. It ends with its standard input, so it cannot outlive bench.
type benchPart struct {
	at   endpoint
	stop func() // ends it and waits
}

// startPart starts this program once more with the words of a hidden command.
// The part's first line says where it listens. Its log goes to bench's.
func startPart(ctx context.Context, log io.Writer, args ...string) (_ *benchPart, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's own file: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, append([]string{"bench"}, args...)...)
	cmd.Env = withoutSettings(os.Environ())
	cmd.Stderr = log
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		cancel()
		return nil, err
	}
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = stopGrace + time.Second // a node that does not end by itself is killed
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s once more: %w", self, err)
	}
	p := &benchPart{stop: func() {
		cancel()
		_ = cmd.Wait() // its data are thrown away: how it ended does not matter
	}}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.at)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("a process of bench did not start (%s): %w", strings.Join(args, " "), err)
	}
	return p, nil
}

// withoutSettings leaves out the environment's settings of nodes: they are
// meant for others.
func withoutSettings(env []string) []string {
	var list []string
	for _, v := range env {
		if !strings.HasPrefix(strings.ToUpper(v), envName("")) {
			list = append(list, v)
		}
	}
	return list
}

// A benchNode is a node under load.
type benchNode struct {
	at     endpoint
	dir    string // its data directory; empty: not known
	client *client.Client
	part   *benchPart // nil: bench did not start it
}

func (n *benchNode) close() {
	_ = n.client.Close() // nothing more is asked
	if n.part != nil {
		n.part.stop()
	}
}

// startNode starts a throwaway node that dials peers.
func (r *benchRun) startNode(ctx context.Context, name string, args ...string) (*benchNode, error) {
	dir := filepath.Join(r.dir, name)
	args = append([]string{"node", "-p", "0", "-r", dir, "--name", name, "--network", "bench", "--mdns=false",
		"-k", strconv.Itoa(r.b.blockTxs), "-t", r.b.interval.String()}, args...)
	if r.b.debug {
		args = append(args, "--debug")
	}
	part, err := startPart(ctx, r.log, args...)
	if err != nil {
		return nil, err
	}
	client, err := dialNode(ctx, part.at)
	if err != nil {
		part.stop()
		return nil, err
	}
	return &benchNode{at: part.at, dir: dir, client: client, part: part}, nil
}

// A benchNet is nodes that are connected with each other.
type benchNet struct {
	nodes []*benchNode
	own   bool // bench started them: nobody else uses them

	writtenBefore int64 // by this run, to other nodes
}

func (net *benchNet) close() {
	for _, n := range net.nodes {
		n.close()
	}
}

// where says of how many nodes a row is.
func (net *benchNet) where() string {
	if len(net.nodes) == 1 {
		return "on that node"
	}
	return fmt.Sprintf("on all %d nodes", len(net.nodes))
}

// branching says how often the nodes left a branch of the chain for another.
func (net *benchNet) branching(ctx context.Context) (string, error) {
	var reorgs, rivals uint64
	for _, n := range net.nodes {
		in, err := n.client.Info(ctx)
		if err != nil {
			return "", err
		}
		reorgs, rivals = reorgs+in.Reorgs, max(rivals, in.Rivals)
	}
	return fmt.Sprintf("%s, %s", count(rivals, "rival block"), count(reorgs, "reorg")), nil
}

// startNet starts some nodes and waits until each is connected to all others
// and knows that they build: from then on they take turns.
func (r *benchRun) startNet(ctx context.Context, size int) (_ *benchNet, err error) {
	net := &benchNet{own: true, writtenBefore: r.written.Load()}
	defer func() {
		if err != nil {
			net.close()
		}
	}()
	for range size {
		if err := r.join(ctx, net); err != nil {
			return nil, err
		}
	}
	for i, n := range net.nodes {
		r.say("node %d connects", i+1)
		err := r.until(ctx, "the nodes are not connected with each other", func() (bool, any, error) {
			p, err := n.client.Peers(ctx)
			known := 0
			for _, other := range p.Nodes {
				if other.Connected && other.Builds {
					known++
				}
			}
			return known == size-1, known, err
		})
		if err != nil {
			return nil, err
		}
	}
	return net, nil
}

// join starts one more node, which is told of all that are there.
func (r *benchRun) join(ctx context.Context, net *benchNet, args ...string) error {
	name := fmt.Sprintf("node-%d", len(net.nodes)+1)
	r.say("%s starts", name)
	for _, n := range net.nodes {
		in, err := n.client.Info(ctx)
		if err != nil {
			return err
		}
		if len(in.Multiaddrs) > 0 {
			args = append(args, "--peer", in.Multiaddrs[0])
		}
	}
	n, err := r.startNode(ctx, name, args...)
	if err == nil {
		net.nodes = append(net.nodes, n)
	}
	return err
}

// newBenchNodeCmd is a node that bench starts: wired as any other, but on this
// machine only, and it ends with its standard input.
func newBenchNodeCmd() *cobra.Command {
	var cfg nodeConfig
	cmd := &cobra.Command{
		Use:    "node",
		Short:  "A throwaway node of bench",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.complete(cmd.Flags())
			cfg.loopback = true
			if !cfg.Debug {
				cfg.LogLevel = "warn"
			}
			log, err := newLogger(cmd.ErrOrStderr(), cfg.LogLevel, cfg.LogFormat)
			if err != nil {
				return err
			}
			quietLibraries()
			collectSooner()
			ctx, cancel := withInput(cmd)
			defer cancel()
			n, err := newNode(ctx, cfg, log)
			if err != nil {
				return err
			}
			if err := sayWhere(cmd, endpoint{URL: n.cfg.wsURL(n.listen.Port()), Token: n.token}); err != nil {
				return errors.Join(err, n.close())
			}
			return n.run(ctx)
		},
	}
	cfg.addFlags(cmd.Flags())
	return cmd
}

// withInput gives a context that ends with the command's standard input, and
// not by Ctrl-C: on a terminal that reaches bench too, which ends its parts
// when it is done with them.
func withInput(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(cmd.Context()))
	go func() { // ends with the input, or the process
		defer cancel()
		_, _ = io.Copy(io.Discard, cmd.InOrStdin()) // an error ends it as well
	}()
	return ctx, cancel
}

// sayWhere is the line that startPart reads.
func sayWhere(cmd *cobra.Command, at endpoint) error {
	line, err := json.Marshal(at)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", line)
	return err
}
