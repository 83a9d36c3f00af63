package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/rpc/client"
)

// patience is the longest wait without a change.
const patience = 60 * time.Second

// A benchNode is a throwaway node in this process.
type benchNode struct {
	*node.Node
	stop func() // ends it and waits
}

func (n *benchNode) dial(ctx context.Context) (*client.Client, error) {
	return client.Dial(ctx, n.Cfg.WSURL(n.Listen.Port()), n.Token)
}

// await waits until the node's ledger satisfies done.
func (n *benchNode) await(ctx context.Context, trouble string, done func() bool) error {
	return await(ctx, n.Chain.Changed, trouble, done)
}

// await looks at each change, and every 10 ms for those of other nodes, until done
// reports true. It fails when nothing changes for as long as patience.
func await(ctx context.Context, changed func() <-chan struct{}, trouble string, done func() bool) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		change := changed()
		if done() {
			return nil
		}
		select {
		case <-change:
			limit.Reset(patience)
		case <-tick.C:
		case <-limit.C:
			return fmt.Errorf("%s: nothing has changed for %s", trouble, patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start starts a throwaway node that dials the others.
func (r *run) start(ctx context.Context, name string, build bool, others net) (*benchNode, error) {
	r.Say("%s starts", name)
	cfg := node.Config{
		Dir: filepath.Join(r.dir, name), Name: name, Network: r.network, Loopback: true, Build: build, BlockTxs: r.BlockTxs,
		Interval: node.Duration(r.Interval), MaxWait: node.Duration(r.Interval), Expiry: node.Duration(24 * time.Hour),
	}
	for _, n := range others {
		cfg.Peers = append(cfg.Peers, n.P2P.Addrs()[0])
	}
	n, err := node.New(ctx, cfg, r.Log)
	if err != nil {
		return nil, fmt.Errorf("start a throwaway node: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := n.Run(ctx); err != nil {
			r.Log.Error("a throwaway node ended", "name", name, "error", err)
		}
	}()
	return &benchNode{n, func() { cancel(); <-ended }}, nil
}

// A net is nodes that are connected with each other.
type net []*benchNode

func (all net) stop() {
	for _, n := range all {
		n.stop()
	}
}

// startNet starts the nodes and waits until they are connected. From then on they take
// turns.
func (r *run) startNet(ctx context.Context) (all net, err error) {
	defer func() {
		if err != nil {
			all.stop()
		}
	}()
	for i := range r.Nodes {
		n, err := r.start(ctx, nodeName(i), true, all)
		if err != nil {
			return all, err
		}
		all = append(all, n)
	}
	return all, r.awaitMesh(ctx, all)
}

func nodeName(i int) string { return fmt.Sprintf("node-%d", i+1) }

// awaitMesh waits until each node is connected to all others and knows that they build.
func (r *run) awaitMesh(ctx context.Context, all net) error {
	for _, n := range all {
		err := await(ctx, n.P2P.Changed, "the nodes are not connected with each other", func() bool {
			known := 0
			for _, p := range n.P2P.Nodes() {
				if p.Connected && p.Builds {
					known++
				}
			}
			return known == len(all)-1
		})
		if err != nil {
			return err
		}
	}
	return nil
}
