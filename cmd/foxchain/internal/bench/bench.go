package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Bounds of a run.
const (
	MinTxs   = batchTxs
	MaxTxs   = 1_000_000 // they are made before the clock starts and held in memory
	MaxNodes = 8
)

// Rows returns the names of the rows, in order.
func Rows() []string { return []string{"accept", "commit", "commit-all", "latency", "sync", "signed"} }

// Config configures Run. All fields but Only and Say are required.
type Config struct {
	Nodes    int           // throwaway nodes, 1 to MaxNodes
	Txs      int           // transactions of each load, MinTxs to MaxTxs
	Only     []string      // rows; empty: all
	Data     string        // where the directory of the throwaway data is made
	BlockTxs int           // transactions that make a block; bursts are of so many
	Interval time.Duration // least time between two blocks that are not full
	Log      *slog.Logger  // of the nodes

	Row func(Row) error                  // called with each row when it is measured
	Say func(format string, args ...any) // called often, from any goroutine, with what is measured now; nil: not called
}

// Validate returns the first setting that is out of its range.
func (c *Config) Validate() error {
	if c.Nodes < 1 || c.Nodes > MaxNodes {
		return fmt.Errorf("--nodes is %d: must be 1 to %d", c.Nodes, MaxNodes)
	}
	if c.Txs < MinTxs || c.Txs > MaxTxs {
		return fmt.Errorf("--txs is %d: a load has %d to %d transactions", c.Txs, MinTxs, MaxTxs)
	}
	for _, name := range c.Only {
		if !slices.Contains(Rows(), name) {
			return fmt.Errorf("--only names %q: the rows are %s", name, strings.Join(Rows(), ", "))
		}
		if name == "commit-all" && c.Nodes == 1 {
			return errors.New("--only names commit-all, which needs more than one node: --nodes 2")
		}
	}
	return nil
}

// A Row is one measured figure.
type Row struct {
	Row    string   `json:"row"`
	What   string   `json:"what"`           // for people
	Figure float64  `json:"figure"`         //
	Unit   string   `json:"unit"`           // of the figure and of Raw: tx/s, or ms
	P50    *float64 `json:"p50_ms"`         // of the single calls; null: there are none
	P99    *float64 `json:"p99_ms"`         //
	Raw    float64  `json:"raw"`            // the raw part's figure
	OfRaw  float64  `json:"of_raw"`         // the figure's ratio to it
	Txs    int      `json:"txs"`            // transactions that the row is about
	Note   string   `json:"note,omitempty"` // for people
}

// A run measures rows, one after the other.
type run struct {
	Config
	dir     string // of the throwaway data
	network string // the name of the nodes' network, or its file
}

// Run measures the rows that c names, in a directory of its own under c.Data, and
// leaves nothing behind. An interrupted run returns the error of ctx.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	dir, err := filepath.Abs(c.Data)
	if err == nil {
		dir, err = os.MkdirTemp(dir, "foxchain-bench-")
	}
	if err != nil {
		return fmt.Errorf("make a directory for the throwaway data: %w", err)
	}
	r := &run{Config: c, dir: dir, network: "bench"}
	if err = r.measure(ctx); ctx.Err() != nil {
		err = ctx.Err() // whatever failed, failed by that
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func (r *run) wants(names ...string) bool {
	return len(r.Only) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(r.Only, n) })
}

func (r *run) measure(ctx context.Context) error {
	if r.wants("accept") {
		if err := r.accept(ctx); err != nil {
			return err
		}
	}
	if !r.wants(Rows()[1:]...) {
		return nil
	}
	all, err := r.startNet(ctx)
	if err != nil {
		return err
	}
	defer all.stop()
	for _, part := range []struct {
		rows    []string
		measure func(context.Context, net) error
	}{
		{[]string{"commit", "commit-all", "latency", "sync"}, r.commit}, // which fills the chain for the others
		{[]string{"latency"}, r.latency},
		{[]string{"sync"}, r.sync},
		{[]string{"signed"}, r.signed},
	} {
		if r.wants(part.rows...) {
			if err := part.measure(ctx, all); err != nil {
				return err
			}
		}
	}
	return nil
}
