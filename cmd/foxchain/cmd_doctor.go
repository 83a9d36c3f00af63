package main

import (
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/doctor"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

func newDoctorCmd() *cobra.Command {
	var a ask.Flags
	var cfg doctor.Config
	var network, psk string
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Find out why nodes do not find or reach each other, and what to do",
		GroupID: term.GroupSetup,
		Args:    term.NoArgs,
		Long: `Look for what keeps nodes apart: interfaces and multicast, ports, firewall, clock,
disk, and each address given by --peer, step by step. It works with a node running
on this machine, which it asks, and without one. An arrow marks what to do.

It exits with 0 if nothing fails, else with 1.`,
		Example: `  foxchain doctor
  foxchain doctor --peer /ip4/192.168.1.7/tcp/19000/p2p/12D3KooW…
  foxchain doctor --psk office.psk --network office.json
  foxchain doctor --json | jq '.checks[] | select(.state == "fail")'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir := cmd.Flags().Lookup("dir").Value.String()
			at, err := a.Endpoint(cmd.Flags())
			if err != nil && !errors.Is(err, node.ErrNotRunning) {
				return err
			}
			if cfg.Network, err = node.LoadNetwork(network); err != nil {
				return &term.UsageError{Err: err}
			}
			if cfg.PSK, err = node.LoadPSK(psk); err != nil {
				return &term.UsageError{Err: err}
			}
			cfg.At, cfg.Dir, cfg.Port = at, dir, portOf(at.URL, dir)
			if dir == "" {
				cfg.Dir = strconv.Itoa(cfg.Port) + ".db"
			}
			node.QuietLibraries()
			report := doctor.Run(cmd.Context(), cfg)
			printed := report.Print
			if a.JSON {
				printed = func(w io.Writer) error { return term.PrintJSON(w, report) }
			}
			if err := printed(cmd.OutOrStdout()); err != nil {
				return err
			}
			return report.Err()
		},
	}
	flags := cmd.Flags()
	a.AddNodeFlags(flags)
	flags.BoolVar(&a.JSON, "json", false, "print JSON, one object")
	flags.StringArrayVar(&cfg.Peers, "peer", nil, "multiaddr or ws URL, the `address` of a node to try step by step, repeatable")
	flags.BoolVar(&cfg.MDNS, "mdns", true, "ask by multicast on each interface, as a node does")
	flags.StringVar(&network, "network", "foxchain", "where no node runs here: `name` of the network, or its JSON file")
	flags.StringVar(&psk, "psk", "", "`file` with the pre-shared key that the nodes have")
	return cmd
}

// portOf returns the port of a node's WebSocket, by its URL or the name of its directory.
func portOf(wsURL, dir string) int {
	text := strings.TrimSuffix(filepath.Base(dir), ".db")
	if u, err := url.Parse(wsURL); err == nil && u.Port() != "" {
		text = u.Port()
	}
	if port, err := strconv.Atoi(text); err == nil && port > 0 && port < 1<<16 {
		return port
	}
	return node.DefaultPort
}
