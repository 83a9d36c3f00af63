package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/bench"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

func newBenchCmd() *cobra.Command {
	var asJSON bool
	var cfg bench.Config
	interval := node.Duration(250 * time.Millisecond)
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure how fast this machine is",
		GroupID: term.GroupTools,
		Args:    term.NoArgs,
		Long: `Measure throwaway nodes under load and, in the same run, LevelDB alone. On a
busy machine the ratio of the two means more than a figure.

The nodes run in this process and listen on this machine only. Their data are in
the current directory and are removed at the end, also after Ctrl-C. To measure
another disk, give a directory on it with --data. Do not use /tmp where that is
in memory.`,
		Example: `  foxchain bench                          one node, in under a minute
  foxchain bench --nodes 4                four connected nodes
  foxchain bench --only accept,commit --txs 500000
  foxchain bench --data /mnt/slow         the disk of /mnt/slow
  foxchain bench --json | jq 'select(.row == "commit") | .figure'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Interval = time.Duration(interval)
			if err := errors.Join(cfg.Validate(), node.CheckBuild(cfg.BlockTxs)); err != nil {
				return &term.UsageError{Err: err}
			}
			return runBench(cmd, asJSON, cfg)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&cfg.Nodes, "nodes", "n", 1, "number of nodes")
	flags.IntVar(&cfg.Txs, "txs", 50_000, "transactions of each load")
	flags.StringSliceVar(&cfg.Only, "only", nil, "rows to measure: "+strings.Join(bench.Rows(), ", ")+" (default all of them)")
	flags.StringVar(&cfg.Data, "data", ".", "`directory` for the nodes' data")
	flags.IntVarP(&cfg.BlockTxs, "block-txs", "k", 4, "number of transactions that make a block, and of those in a burst")
	flags.VarP(&interval, "interval", "t", "least time between two blocks that are not full")
	flags.BoolVar(&asJSON, "json", false, "print JSON, one object a row")
	return cmd
}

// runBench prints what was measured, even if it was interrupted.
func runBench(cmd *cobra.Command, asJSON bool, cfg bench.Config) error {
	out, logTo := cmd.OutOrStdout(), cmd.ErrOrStderr()
	live := term.NewLiveLine(logTo)
	if live != nil {
		logTo = live
		defer live.Set("")
	}
	log, err := node.NewLogger(logTo, "warn", "text")
	if err != nil {
		return err
	}
	node.QuietLibraries()
	node.CollectSooner()
	cfg.Log = log
	cfg.Say = func(format string, args ...any) { live.Show("bench: "+format, args...) }
	var rows []bench.Row
	cfg.Row = func(row bench.Row) error {
		rows = append(rows, row)
		if !asJSON {
			return nil
		}
		return term.PrintJSON(out, row)
	}
	err = bench.Run(cmd.Context(), cfg)
	if errors.Is(err, os.ErrNotExist) {
		err = term.Hint(err, "To use another place: --data DIRECTORY")
	} else if term.IsDiskFull(err) {
		err = term.Hint(err, "The disk is full. To use another: --data DIRECTORY")
	}
	if !asJSON && len(rows) > 0 {
		err = errors.Join(err, printBench(out, cfg, rows))
	}
	if cmd.Context().Err() != nil {
		text := "interrupted: only the rows above were measured"
		if len(rows) == 0 {
			text = "interrupted: nothing was measured"
		}
		cmd.PrintErrln(text)
	}
	return err
}

func printBench(w io.Writer, cfg bench.Config, rows []bench.Row) error {
	dir, err := filepath.Abs(cfg.Data)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "foxchain %s, %s/%s, %s: %s in %s, loads of %s transactions\n\n", node.ProgramVersion, runtime.GOOS, runtime.GOARCH,
		term.Count(runtime.GOMAXPROCS(0), "core"), term.Count(cfg.Nodes, "throwaway node"), dir, term.Thousands(uint64(cfg.Txs)))
	if err != nil {
		return err
	}
	t := term.NewTable("ROW", "MEASURED", ">FIGURE", ">P50", ">P99", ">LEVELDB", ">OF IT", "")
	for _, row := range rows {
		t.Add(row.Row, row.What, term.Styled{Value: digits(row.Figure) + " " + row.Unit, Style: term.Bold}, milliCell(row.P50), milliCell(row.P99),
			digits(row.Raw), fmt.Sprintf("%.2f", row.OfRaw), term.Styled{Value: row.Note, Style: term.Dim})
	}
	if err := t.Print(w); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, "\nLEVELDB: two records of 100 bytes under random keys for each transaction, synced to the same disk in batches of\n1,000, or, for the latency, of a burst")
	return err
}

func milliCell(ms *float64) string {
	if ms == nil {
		return ""
	}
	return digits(*ms) + " ms"
}

// digits returns a number with about three digits, large ones whole.
func digits(n float64) string {
	switch {
	case n >= 1000:
		return term.Thousands(uint64(math.Round(n)))
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}
