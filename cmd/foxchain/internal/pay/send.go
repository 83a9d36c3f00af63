package pay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// A txMaker makes the transaction that the flags and arguments of send and sign describe.
type txMaker struct {
	from, to, amount string
	id               string
	value            uint64    // of amount
	txID             uuid.UUID // of id, or a new one: chosen here, so that it can be submitted again
	key              string    // file
	pass             passphraseFlags
	names            *names.List
}

// NewSendCmd returns the command send.
func NewSendCmd(env node.LookupEnv) *cobra.Command {
	var m txMaker
	var s submitter
	cmd := &cobra.Command{
		Use:        "send [FROM] TO AMOUNT",
		SuggestFor: []string{"transfer"},
		Short:      "Make a transaction and submit it",
		GroupID:    term.GroupPay,
		Args:       term.NArgs(0, 3, "FROM TO AMOUNT, with --key TO AMOUNT, or the flags --from, --to and --amount"),
		Long: `Submit a transaction and print its ID and state.

Accounts are UUIDs, or your names of them (foxchain names); which account a name
stands for is printed on standard error. The word "issuer" stands for the account that
mints. FROM, TO and AMOUNT can be given as --from, --to and --amount, too.

With --key the sender is the key's account, and FROM is left out. The transaction is
signed here, and the key never leaves this machine.
` + passphraseHelp + `
To sign on a machine without a network: foxchain sign.

It is safe to repeat the command with the same --id, because the node accepts a
transaction once.`,
		Example: `  foxchain send issuer 00000000-0000-0000-0000-000000000003 1000
  foxchain send ada bo 5 --wait
  foxchain send --key me.pem bo 5
  foxchain send --from issuer --to 00000000-0000-0000-0000-000000000003 --amount 1000`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if m.names, err = names.Read(s.NamesFile); err != nil {
				return err
			}
			if err := m.read(cmd.Flags(), args); err != nil {
				return term.Usagef("%w", err)
			}
			return s.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				rules, err := m.rulesOf(ctx, c)
				if err != nil {
					return err
				}
				tx, err := m.transaction(cmd, rules)
				if err != nil {
					return err
				}
				cmd.PrintErr(m.namedWords())
				item, err := submission(tx)
				if err != nil {
					return err
				}
				return s.run(ctx, cmd, c, []submitted{{tx: tx, raw: item}})
			})
		},
	}
	flags := cmd.Flags()
	s.addFlags(flags)
	m.addFlags(flags, env)
	flags.StringVar(&m.from, "from", "", "`account` to send from (with --key: the key's account)")
	return cmd
}

func (m *txMaker) addFlags(flags *pflag.FlagSet, env node.LookupEnv) {
	flags.StringVar(&m.to, "to", "", "`account` to send to")
	flags.StringVar(&m.amount, "amount", "", "an `integer` from 1 to 9007199254740991")
	flags.StringVar(&m.id, "id", "", "the transaction's `UUID` (default a new one)")
	flags.StringVar(&m.key, "key", "", "`file` with the key to sign with (foxchain keygen)")
	m.pass.add(flags, env)
}

// read reads the arguments and checks them with the flags.
func (m *txMaker) read(flags *pflag.FlagSet, args []string) error {
	if err := m.take(flags, args); err != nil {
		return err
	}
	return m.check()
}

// take reads the arguments, where there are any: FROM TO AMOUNT, and with a key TO
// AMOUNT. They win over the environment.
func (m *txMaker) take(flags *pflag.FlagSet, args []string) error {
	form, into := "TO AMOUNT", []*string{&m.to, &m.amount}
	if flags.Lookup("from") != nil {
		form = "FROM TO AMOUNT, and with --key TO AMOUNT"
	}
	if m.key == "" {
		into = []*string{&m.from, &m.to, &m.amount}
	}
	isFlag := func(name string) bool { return node.HowGiven(flags, name) == node.ByFlag }
	switch {
	case len(args) == 0:
		return nil
	case len(args) != len(into):
		return errors.New("the arguments are " + form)
	case isFlag("from") || isFlag("to") || isFlag("amount"):
		return errors.New("what is an argument cannot be a flag, too: the arguments are " + form)
	}
	m.from = ""
	for i := range into {
		*into[i] = args[i]
	}
	return nil
}

func (m *txMaker) check() (err error) {
	m.value, err = strconv.ParseUint(m.amount, 10, 64)
	switch {
	case m.to == "":
		return fmt.Errorf("--to is missing: the account to send to")
	case m.amount == "":
		return fmt.Errorf("--amount is missing: an integer from 1 to %d", uint64(ledger.MaxAmount))
	case err != nil || m.value < 1 || m.value > ledger.MaxAmount:
		return fmt.Errorf("the amount is %q: must be an integer from 1 to %d", m.amount, uint64(ledger.MaxAmount))
	case m.from == "" && m.key == "":
		return fmt.Errorf(`--from is missing: an account's UUID, or "issuer"; or give --key FILE to send from a key's account`)
	}
	for _, text := range []string{m.from, m.to} {
		if text == "" || text == term.IssuerWord {
			continue
		}
		if _, err := ask.AccountOf(m.names, text); err != nil {
			return err
		}
	}
	m.txID = uuid.New()
	if m.id != "" {
		if m.txID, err = ledger.ParseUUID(m.id); err != nil {
			return fmt.Errorf("--id is %q: %w", m.id, err)
		}
	}
	return nil
}

// namedWords returns which accounts the names stand for that were given.
func (m *txMaker) namedWords() (words string) {
	for _, text := range []string{m.from, m.to} {
		if account, named := m.names.Account(text); named {
			words += fmt.Sprintf("%s is %s\n", text, account)
		}
	}
	return words
}

// A ruleSet is what a transaction is made for.
type ruleSet struct {
	id      ledger.Hash     // of the network
	network *ledger.Network // nil: only the ID is known
}

// rulesOf asks the node for what the transaction needs of its network.
func (m *txMaker) rulesOf(ctx context.Context, c *client.Client) (rules ruleSet, err error) {
	if m.key == "" && m.from != term.IssuerWord && m.to != term.IssuerWord {
		return rules, nil
	}
	n, err := networkOf(ctx, c)
	if err != nil {
		return rules, err
	}
	return ruleSet{n.ID(), n}, nil
}

// transaction returns the transaction that the flags describe, signed if there is a key.
func (m *txMaker) transaction(cmd *cobra.Command, rules ruleSet) (tx *ledger.Transaction, err error) {
	tx = &ledger.Transaction{ID: m.txID, Amount: m.value}
	if tx.Receiver, err = m.account(rules, m.to); err != nil {
		return nil, err
	}
	if m.from != "" {
		if tx.Sender, err = m.account(rules, m.from); err != nil {
			return nil, err
		}
	}
	if m.key == "" {
		if ledger.IsKeyed(tx.Sender) {
			return nil, term.Hint(fmt.Errorf("%s is the account of a key, and only that key can send from it", tx.Sender), "Give the file of the key: --key FILE")
		}
		return tx, nil
	}
	open := node.OthersCanRead(m.key)
	key, err := node.ReadKey(m.key, m.pass.ask(cmd))
	if err != nil {
		if missing := (*fs.PathError)(nil); errors.As(err, &missing) && missing.Op == "open" && missing.Path == m.key {
			err = term.Hint(err, "To make a key and its account: foxchain keygen -o FILE")
		}
		return nil, err
	}
	if open && !node.OthersCanRead(m.key) {
		cmd.PrintErrf("foxchain: other users of this machine could read %s; now only you can\n", term.OneLine(m.key))
	}
	if own := ledger.AccountOf(node.PublicKey(key)); m.from != "" && tx.Sender != own {
		return nil, term.Hint(fmt.Errorf("--from is %s, but the account of %s is %s", tx.Sender, m.key, own), "Leave --from out, or use the key of that account")
	}
	tx.T = max(0, ledger.UnixSeconds(time.Now())) // a clock may stand before 1970
	tx.SignFor(rules.id, key)
	if rules.network == nil {
		return tx, nil
	}
	return tx, tx.CheckFields(rules.network)
}

// account returns the account that text is, or stands for.
func (m *txMaker) account(rules ruleSet, text string) (uuid.UUID, error) {
	switch {
	case text != term.IssuerWord:
		return ask.AccountOf(m.names, text)
	case rules.network == nil || len(rules.network.Issuers) == 0:
		return uuid.UUID{}, term.Hint(errors.New(`which account is the "issuer" stands in the network's file, and only its ID was given`), "Give the file with --network, or the account's UUID")
	}
	return rules.network.Issuers[0], nil
}

// networkOf asks the node for its network.
func networkOf(ctx context.Context, c *client.Client) (*ledger.Network, error) {
	in, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	return NetworkOf(&in)
}

// NetworkOf returns the network that a node reports, after a check that the rules
// have the reported ID.
func NetworkOf(in *api.Info) (*ledger.Network, error) {
	var file ledger.NetworkFile // what a node reports has its keys, and more
	text, err := json.Marshal(in.Network)
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err == nil {
		text, err = json.Marshal(&file)
	}
	if err != nil {
		return nil, fmt.Errorf("the node's network: %w", err)
	}
	network, err := ledger.ParseNetwork(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the node's network: %w", err)
	case network.ID() != in.Network.ID:
		return nil, fmt.Errorf("the node's network has rules that this program does not know: use foxchain of the node's version (%s)", in.Version)
	}
	return network, nil
}
