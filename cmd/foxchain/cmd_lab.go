package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"foxchain/cmd/foxchain/internal/lab"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

func newLabCmd() *cobra.Command {
	var cfg lab.Config
	var check bool
	var lang string
	cmd := &cobra.Command{
		Use:     "lab [lesson]",
		Short:   "Run a network to teach with: split it, heal it, let nodes lie",
		GroupID: term.GroupRun,
		Args:    term.NArgs(0, 1, "a lesson, or nothing"),
		Long: `Run a network to teach with: some real nodes in one process, and a page that shows
them all. On it you cut and heal cables, stop, kill and start nodes, set their clocks
wrong, send transactions, and let a node lie. Each node has a page of its own, too.

Six lessons show, step by step, how a ledger works:
  transaction      a transaction travels
  block            a block is built
  split-and-heal   each half goes on, and they meet again
  double-spend     the same money is spent twice
  tampered-block   a block that was changed
  liar             a liar, and finality

With --check a lesson runs without a page, prints what happens, and fails if it does
not end as written. A lesson is a text file, and so may be your own.`,
		Example: `  foxchain lab                       four nodes, and a page at http://localhost:8970/
  foxchain lab split-and-heal        the same, and a lesson begins
  foxchain lab -n 7 --voters         seven nodes that vote on what is final
  foxchain lab --check               all lessons, without a page
  foxchain lab --check my-lesson.txt --lang zh`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if lang != "en" && lang != "zh" {
				return term.Usagef("--lang is %q: must be en or zh", lang)
			}
			if err := cfg.Validate(); err != nil {
				return term.Usagef("%w", err)
			}
			for _, name := range args {
				if err := lab.Find(name); err != nil {
					return err
				}
			}
			node.QuietLibraries()
			if check {
				return checkLessons(cmd, cfg, args, lang)
			}
			return runLab(cmd, cfg, args)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&cfg.Nodes, "nodes", "n", 4, "number of nodes, 3 to 20; a lesson has its own")
	flags.BoolVar(&cfg.Voters, "voters", false, "make every node a builder of the network, so that blocks become final")
	flags.IntVarP(&cfg.Port, "port", "p", 8970, "port of the page; the nodes' pages are at the next ones. 0: any free ones")
	flags.StringVarP(&cfg.Dir, "dir", "r", "", "`directory` that keeps the last network of each run, as net-… (default a temporary one, removed at the end)")
	flags.BoolVar(&check, "check", false, "run the lesson, or all of them, without a page")
	flags.StringVar(&lang, "lang", "en", "`language` of what --check prints: en or zh")
	return cmd
}

// checkLessons runs some lessons without a page, by default all.
func checkLessons(cmd *cobra.Command, cfg lab.Config, names []string, lang string) error {
	if len(names) == 0 {
		names = lab.Names()
	}
	for _, name := range names {
		if err := lab.Check(cmd.Context(), cfg, name, cmd.OutOrStdout(), lang); err != nil {
			return err
		}
	}
	return nil
}

// runLab runs a lab with its page until ctx ends.
func runLab(cmd *cobra.Command, cfg lab.Config, args []string) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	var listen net.ListenConfig
	on, err := listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port)))
	if err != nil {
		return fmt.Errorf("the page cannot listen on port %d, which another program or lab may use: choose another port with -p: %w", cfg.Port, err)
	}
	l, err := lab.New(ctx, cfg)
	if err != nil {
		return errors.Join(err, on.Close())
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "foxchain %s: a lab, on this machine only. Its page: http://localhost:%d/\nData: %s\nCtrl-C ends it.\n",
		node.ProgramVersion, on.Addr().(*net.TCPAddr).Port, l.Dir()) // output is a courtesy
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.Serve(ctx, on) })
	group.Go(func() error {
		if len(args) > 0 {
			return l.Begin(args[0])
		}
		return l.Start()
	})
	return errors.Join(group.Wait(), l.Close())
}
