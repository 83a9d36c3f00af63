package pay

import (
	"fmt"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
)

// NewSignCmd returns the command sign.
func NewSignCmd(env node.LookupEnv) *cobra.Command {
	var m txMaker
	var network, namesFile string
	cmd := &cobra.Command{
		Use:     "sign --key FILE TO AMOUNT",
		Short:   "Sign a transaction without a node, for foxchain submit on another machine",
		GroupID: term.GroupPay,
		Args:    term.NArgs(0, 2, "TO AMOUNT, or the flags --to and --amount"),
		Long: `Sign a transaction and print it as one line of JSON. Nothing is sent, and no node is
asked: the machine with the key needs no network. Carry the output to a machine that
has one, and give it to foxchain submit there. What was signed is printed on
standard error.

A transaction is signed for one network alone. Give the network as a node would: its
name, its file, or the ID that foxchain info shows. With the ID alone, its rules are
checked by submit.

TO is an account's UUID, your name of it (foxchain names), or "issuer".

` + passphraseHelp,
		Example: `  foxchain sign --key ada.key --network office.json bo 5 > pay.json
  foxchain sign --key ada.key --network office.json carl 7 >> pay.json
  foxchain submit pay.json                on the other machine`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if m.names, err = names.Read(namesFile); err != nil {
				return err
			}
			if m.key == "" {
				return term.Usagef("--key is missing: the file of the key to sign with (foxchain keygen)")
			}
			if err := m.read(cmd.Flags(), args); err != nil {
				return term.Usagef("%w", err)
			}
			rules, err := offlineRules(network)
			if err != nil {
				return err
			}
			tx, err := m.transaction(cmd, rules)
			if err != nil {
				return err
			}
			l := ask.Labels{Names: m.names}
			signedFor := rules.id.String()
			if rules.network != nil {
				signedFor = fmt.Sprintf("%s (%s)", term.OneLine(rules.network.Name), rules.id)
			}
			cmd.PrintErrf("signed: %d from %s to %s, for the network %s\n", tx.Amount, l.Whole(tx.Sender), l.Whole(tx.Receiver), signedFor)
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", tx.AppendJSON(nil, nil))
			return err
		},
	}
	flags := cmd.Flags()
	m.addFlags(flags, env)
	flags.StringVar(&network, "network", "foxchain", "`name`, file or ID of the network to sign for")
	flags.StringVar(&namesFile, "names", names.DefaultFile(), "`file` with your names of accounts (foxchain names)")
	return cmd
}

// offlineRules returns the rules of a network without a node's help.
func offlineRules(network string) (ruleSet, error) {
	if id, err := ledger.ParseHash(network); err == nil {
		return ruleSet{id: id}, nil
	}
	n, err := node.LoadNetwork(network)
	if err != nil {
		return ruleSet{}, err
	}
	return ruleSet{n.ID(), n}, nil
}
