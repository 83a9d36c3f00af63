package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger/durable"
)

func newPSKCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "psk",
		Short:   "Make a pre-shared key, which keeps strangers out of a network",
		GroupID: term.GroupSetup,
		Args:    term.Commands("new"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "new [FILE]",
		Short: "Make a pre-shared key in FILE, by default foxchain.psk",
		Args:  term.NArgs(0, 1, "at most one file"),
		Long: `Make a pre-shared key in FILE, by default foxchain.psk. FILE must not exist. Nodes
that are started with the key connect with each other only, and with no node that
lacks it.`,
		Example: `  foxchain psk new office.psk
  foxchain node --psk office.psk          on every machine, with the same file`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := "foxchain.psk"
			if len(args) == 1 {
				file = args[0]
			}
			if err := makePSK(file); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), `pre-shared key  %s (keep it secret: with it, any machine can join)
next            copy the file to every machine of the network, and start each node with it:
                foxchain node --psk %s
`, term.OneLine(file), term.OneLine(term.ShellWord(file)))
			return term.Hint(err, "The key was made all the same, and is in %s: keep it secret", term.OneLine(file))
		},
	})
	return cmd
}

// makePSK writes a new key in the form that --psk reads (swarm.key).
func makePSK(file string) error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // does not fail
	text := fmt.Appendf(nil, "/key/swarm/psk/1.0.0/\n/base16/\n%x\n", key)
	return node.KeyFileError(file, durable.Create(file, 0o600, durable.Content(text)))
}
