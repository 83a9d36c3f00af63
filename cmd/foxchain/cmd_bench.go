package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Bounds of what one run writes. The transactions are made before the clock
// starts and held in memory, some 300 bytes each.
const (
	minBenchTxs = benchBatch
	maxBenchTxs = 1_000_000
	maxBenched  = 8 // nodes, each a process
)

// A bench is what the command was told.
type bench struct {
	ask
	nodes    int
	txs      int
	only     []string
	yes      bool
	key      string // file
	data     string // where the throwaway directory is made
	blockTxs int
	interval duration
	debug    bool

	named bool // a running node was named
}

// benchRows are the names that --only takes, in the order of the table.
func benchRows() []string {
	return []string{"accept", "single", "commit", "latency", "read", "memory", "disk", "sync", "idle"}
}

func newBenchCmd() *cobra.Command {
	var b bench
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure how fast this machine is",
		GroupID: groupTools,
		Args:    noArgs,
		Long: `Measure nodes under load, and beside each figure, in the same run, the raw part
that bounds it: LevelDB alone, or a WebSocket that only echoes. Their ratio says
more than figures of one machine.

The nodes are throwaway ones, each a process of its own, on this machine only;
their data stand in a directory that is removed at the end, also after Ctrl-C
or when the terminal is closed. It is made where the command runs, since there
a node would keep its data; to measure another disk, name a directory on it
with --data. (What many systems keep in /tmp is in memory: nothing of a disk is
measured there.)

With --node or -r a running node is loaded instead. What it is given stays in
its ledger, so that asks for --yes.`,
		Example: `  foxchain bench                          one node, everything, under a minute
  foxchain bench --nodes 4                four nodes that are connected with each other
  foxchain bench --only accept,commit --txs 500000
  foxchain bench --data /mnt/slow         the disk under /mnt/slow
  foxchain bench --json | jq 'select(.row == "commit") | .figure'
  foxchain bench --node 9000 --yes        a running node: the transactions stay in its ledger`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.complete(cmd.Flags())
			if err := b.check(); err != nil {
				return &usageError{err}
			}
			return b.run(cmd)
		},
	}
	b.addFlags(cmd.Flags())
	cmd.AddCommand(newBenchNodeCmd(), newBenchEchoCmd())
	return cmd
}

func (b *bench) addFlags(flags *pflag.FlagSet) {
	flags.IntVarP(&b.nodes, "nodes", "n", 1, "how many throwaway nodes")
	flags.IntVar(&b.txs, "txs", 50_000, "transactions of each of the large loads")
	flags.StringSliceVar(&b.only, "only", nil, "rows to measure: "+strings.Join(benchRows(), ", ")+" (default all of them)")
	flags.StringVar(&b.data, "data", ".", "where the directory of the throwaway data is made")
	flags.IntVarP(&b.blockTxs, "block-txs", "k", 4, "transactions that make a block, as the nodes are started with; bursts for the latency are of so many")
	b.interval = duration(250 * time.Millisecond)
	flags.VarP(&b.interval, "interval", "t", "least time between two blocks that are not full, as the nodes are started with; of a running node 1s unless given")
	flags.StringVar(&b.node, "node", "", "load this running node: its WebSocket's URL, or host:port, or only the port")
	flags.StringVarP(&b.dir, "dir", "r", "", "load the node that runs on this data directory")
	flags.StringVar(&b.token, "token", "", "the running node's token, where it asks for one")
	flags.BoolVar(&b.yes, "yes", false, "write transactions into the running node's ledger, for good")
	flags.StringVar(&b.key, "key", "", "key file of an issuer, where the running node's network names keyed ones")
	flags.BoolVar(&b.json, "json", false, "print JSON for programs, one object a row")
	flags.BoolVar(&b.debug, "debug", false, "have the throwaway nodes serve Go's profiles; their log says where")
	b.addColorFlag(flags)
}

// complete fills in what depends on other settings: a running node was
// probably started with the default interval.
func (b *bench) complete(flags *pflag.FlagSet) {
	b.named = howGiven(flags, "node") != byDefault || howGiven(flags, "dir") != byDefault
	if b.named && howGiven(flags, "interval") == byDefault {
		b.interval = duration(time.Second)
	}
}

func (b *bench) check() error {
	if b.nodes < 1 || b.nodes > maxBenched {
		return fmt.Errorf("--nodes is %d: 1 to %d nodes can be measured", b.nodes, maxBenched)
	}
	if b.named && b.nodes > 1 {
		return fmt.Errorf("--nodes is of throwaway nodes, --node and -r name a running one: give one of them")
	}
	if b.key != "" && !b.named {
		return fmt.Errorf("--key is for a running node, named by --node or -r: throwaway ones need none")
	}
	if b.txs < minBenchTxs || b.txs > maxBenchTxs {
		return fmt.Errorf("--txs is %d: a load is of %d to %d transactions", b.txs, minBenchTxs, maxBenchTxs)
	}
	for _, name := range b.only {
		if !slices.Contains(benchRows(), name) {
			return fmt.Errorf("--only names %q: the rows are %s", name, strings.Join(benchRows(), ", "))
		}
	}
	return checkBuild(b.blockTxs)
}

// wants reports whether any of the rows is asked for.
func (b *bench) wants(names ...string) bool {
	return len(b.only) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(b.only, n) })
}

// run measures in a directory of its own, prints what was measured, also when
// it was interrupted, and leaves nothing behind.
func (b *bench) run(cmd *cobra.Command) (err error) {
	dir, err := filepath.Abs(b.data)
	if err == nil {
		dir, err = os.MkdirTemp(dir, "foxchain-bench-")
	}
	if err != nil {
		return advise(fmt.Errorf("make a directory for the throwaway data: %w", err), "Name another place with --data DIRECTORY")
	}
	r := newBenchRun(b, dir, cmd.OutOrStdout(), cmd.ErrOrStderr())
	err = b.measure(cmd.Context(), cmd.Flags(), r)
	if ctx := cmd.Context(); ctx.Err() != nil {
		err = ctx.Err() // whatever failed did so by that
	}
	if isDiskFull(err) {
		err = advise(err, "The disk is full: make room, or name another place with --data DIRECTORY")
	}
	err = errors.Join(err, r.end())
	if cmd.Context().Err() != nil {
		err = errors.Join(err, r.sayInterrupted(cmd.ErrOrStderr()))
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func (b *bench) measure(ctx context.Context, flags *pflag.FlagSet, r *benchRun) error {
	if b.named {
		at, err := b.endpoint(flags)
		if err != nil {
			return err
		}
		return adviseAnswer(r.running(ctx, at))
	}
	return r.throwaway(ctx)
}

// running measures a node that bench did not start.
func (r *benchRun) running(ctx context.Context, at endpoint) error {
	client, err := dialNode(ctx, at)
	if err != nil {
		return err
	}
	net := &benchNet{nodes: []*benchNode{{at: at, dir: at.dir, client: client}}}
	defer net.close()
	in, err := client.Info(ctx)
	if err != nil {
		return err
	}
	m, err := newMint(&in, r.b.key)
	if err != nil {
		return err
	}
	if !r.b.yes {
		return advise(fmt.Errorf("this writes some %s transactions into the ledger of %s, on the network %s, and they stay there for good",
			thousands(uint64(r.b.txs+singleTxs(r.b.txs))), clean(in.Name), clean(in.Network.Name)),
			"Say that you want it with --yes. Without --node and -r, throwaway nodes are measured")
	}
	r.head = fmt.Sprintf("the running node %s", withoutToken(at.URL))
	if r.b.wants("single") {
		if err := r.single(ctx, net.nodes[0], m); err != nil {
			return err
		}
	}
	if err := r.network(ctx, net, m); err != nil {
		return err
	}
	return r.add(benchRow{Row: "written", What: "what the node was given, to keep", Unit: "tx"}.is(float64(r.written.Load())))
}

// throwaway measures nodes of its own. Each of the first two rows has a fresh
// one that does not build: they are about accepting alone.
func (r *benchRun) throwaway(ctx context.Context) error {
	r.head = fmt.Sprintf("%s in %s", count(r.b.nodes, "throwaway node"), filepath.Dir(r.dir))
	for _, row := range []struct {
		name    string
		measure func(context.Context, *benchNode, *mint) error
	}{{"accept", r.accept}, {"single", r.single}} {
		if !r.b.wants(row.name) {
			continue
		}
		if err := r.alone(ctx, row.name, row.measure); err != nil {
			return err
		}
	}
	if !r.b.wants(benchRows()[2:]...) {
		return nil
	}
	net, err := r.startNet(ctx, r.b.nodes)
	if err != nil {
		return err
	}
	defer net.close()
	return r.network(ctx, net, openMint())
}

// alone starts a node that does not build, for one row.
func (r *benchRun) alone(ctx context.Context, name string, measure func(context.Context, *benchNode, *mint) error) error {
	r.say("%s: a node starts", name)
	n, err := r.startNode(ctx, name, "--build=false")
	if err != nil {
		return err
	}
	defer n.close()
	return measure(ctx, n, openMint())
}

// accept is for throwaway nodes: of a running one the load of commit tells.
func (r *benchRun) accept(ctx context.Context, n *benchNode, m *mint) error {
	txs := min(r.b.txs, benchRoom) // nothing is built
	batches, err := m.batches(ctx, txs)
	if err != nil {
		return err
	}
	var took *timings
	raw, err := beside(func() (rawPart, error) { return r.rawLevelDB(ctx, txs) }, func() (err error) {
		took, err = r.load(ctx, n, batches)
		return err
	})
	if err != nil {
		return err
	}
	row := acceptRow(txs).rate(took, txs)
	if txs < r.b.txs {
		row.Note = fmt.Sprintf("%s: a pool does not hold more", thousands(uint64(txs)))
	}
	return r.add(row.against(raw))
}

// single sends messages of one transaction each.
func (r *benchRun) single(ctx context.Context, n *benchNode, m *mint) error {
	txs := singleTxs(r.b.txs)
	batches, err := m.singles(txs)
	if err != nil {
		return err
	}
	var took *timings
	raw, err := beside(func() (rawPart, error) { return r.rawEcho(ctx, singleConns, batches) }, func() (err error) {
		took, err = r.mergeAll(ctx, "single", n, singleConns, batches)
		return err
	})
	if err != nil {
		return err
	}
	return r.add(benchRow{Row: "single", What: fmt.Sprintf("accepted: on disk, 1 a message, %d connections", singleConns),
		Unit: perSecond, Txs: txs}.rate(took, txs).against(raw))
}
