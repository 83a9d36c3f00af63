package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/pay"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/p2p"
	"foxchain/rpc/client"
)

func newNetworkCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "network",
		Short:   "Make or show a network file: the rules that nodes agree on",
		GroupID: term.GroupSetup,
		Args:    term.Commands("init or show"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newNetworkInitCmd(), newNetworkShowCmd())
	return cmd
}

// A networkMaker makes a network from the flags of network init.
type networkMaker struct {
	ask.Flags
	name              string
	builders, issuers []string
	credit            []string
	keyedOnly, live   bool
	noSelfPay         bool
	bits              uint64
	maxUnfinal        uint64
}

func newNetworkInitCmd() *cobra.Command {
	var m networkMaker
	cmd := &cobra.Command{
		Use:   "init --name NAME",
		Short: "Make a network file, and show what follows from its rules",
		Args:  term.NoArgs,
		Long: `Print a network file. Every node of the network is started with it: --network FILE.
What follows from its rules is printed on standard error.

A network that names builders has finality: a block that most of them signed is
never taken back. --from-live names the builders that the node of --node or -r sees now.
ACCOUNT is a UUID, or your name of it (foxchain names).`,
		Example: `  foxchain network init --name office --from-live > office.json
  foxchain network init --name office --builder KEY --issuer ACCOUNT --keyed-only > office.json
  foxchain network init --name guild --credit ACCOUNT=500 --credit ACCOUNT=200 > guild.json
  foxchain network show office.json
  foxchain node -r office.db --network office.json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&m.name, "name", "", "the network's `name`")
	flags.StringArrayVar(&m.builders, "builder", nil, "`key` of a builder (foxchain info shows a node's), repeatable; without it every node may build")
	flags.BoolVar(&m.live, "from-live", false, "name the builders that the node sees now, itself included")
	flags.StringArrayVar(&m.issuers, "issuer", nil, "`account` that mints, repeatable; without it the zero account, from which everybody can send")
	flags.BoolVar(&m.keyedOnly, "keyed-only", false, "only issuers and accounts made from keys may send")
	flags.BoolVar(&m.noSelfPay, "no-self-pay", false, "no account may pay itself")
	flags.Uint64Var(&m.bits, "bits", 16, "number of zero bits that each block's hash must begin with, 0 to 40")
	flags.StringArrayVar(&m.credit, "credit", nil, "what an account may owe, as `ACCOUNT=FLOOR`, repeatable; all=FLOOR is for every other account")
	flags.Uint64Var(&m.maxUnfinal, "max-unfinal", 0, "build no block while more than this many blocks are not final; 0: no bound")
	for _, name := range []string{"name", "builder", "from-live", "issuer", "keyed-only", "no-self-pay", "bits", "credit", "max-unfinal"} {
		node.WithoutEnv(flags, name) // a file is made once, and other commands have a --name
	}
	m.AddNodeFlags(flags)
	m.AddNamesFlag(flags)
	return cmd
}

func (m *networkMaker) run(cmd *cobra.Command) (err error) {
	if m.Names, err = names.Read(m.NamesFile); err != nil {
		return err
	}
	rules, err := m.rules()
	if err != nil {
		return term.Usagef("%w", err)
	}
	notes := cmd.ErrOrStderr()
	if m.live {
		err := m.WithNode(cmd, func(ctx context.Context, c *client.Client) error { return addLive(ctx, c, rules, notes) })
		if err != nil {
			return err
		}
	}
	n, err := ledger.NewNetwork(*rules)
	if err != nil {
		return term.Usagef("%w", flagOfField(err))
	}
	if err := printNetwork(&m.Flags, notes, n); err != nil {
		return err
	}
	return writeNetwork(cmd.OutOrStdout(), n)
}

// writeNetwork writes the file of a network.
func writeNetwork(w io.Writer, n *ledger.Network) error {
	file, err := json.Marshal(n.File(), json.Deterministic(true), jsontext.WithIndent("  "))
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", file)
	}
	return err
}

// rules reads the flags.
func (m *networkMaker) rules() (*ledger.Network, error) {
	rules := &ledger.Network{Name: m.name, Bits: uint8(min(m.bits, math.MaxUint8)), KeyedOnly: m.keyedOnly, NoSelfPay: m.noSelfPay, MaxUnfinal: m.maxUnfinal, Credit: make(map[uuid.UUID]uint64)}
	if m.name == "" {
		return nil, errors.New("--name is missing: what the network is called, such as --name office")
	}
	for _, text := range m.builders {
		var key ledger.PublicKey
		if key.UnmarshalText([]byte(text)) != nil {
			return nil, fmt.Errorf("--builder is %q: a builder's key is 64 hex digits; foxchain info shows a node's", text)
		}
		rules.Builders = append(rules.Builders, key)
	}
	for _, text := range m.issuers {
		id, err := ask.NamedAccount(m.Names, text)
		if err != nil {
			return nil, fmt.Errorf("--issuer is %q: an account %w", text, err)
		}
		rules.Issuers = append(rules.Issuers, id)
	}
	for _, text := range m.credit {
		account, floor, _ := strings.Cut(text, "=")
		n, err := strconv.ParseUint(floor, 10, 64)
		if err != nil || n > ledger.MaxAmount {
			return nil, fmt.Errorf("--credit is %q: must be ACCOUNT=FLOOR or all=FLOOR, where FLOOR is an integer from 0 to %d", text, uint64(ledger.MaxAmount))
		}
		if account == "all" {
			rules.CreditDefault = n
			continue
		}
		id, err := ask.NamedAccount(m.Names, account)
		if err != nil {
			return nil, fmt.Errorf("--credit is %q: the account %w, or the word \"all\"", text, err)
		}
		if _, twice := rules.Credit[id]; twice {
			return nil, fmt.Errorf("--credit names %s twice", id)
		}
		rules.Credit[id] = n
	}
	return rules, nil
}

// flagOfField names the flag of a broken rule where the error names the file's key.
func flagOfField(err error) error {
	var broken *ledger.FieldError
	if !errors.As(err, &broken) {
		return err
	}
	key, of, _ := strings.Cut(broken.Field, ".")
	flag := map[string]string{"builders": "--builder", "issuers": "--issuer", "credit_default": "--credit all"}[key]
	if flag == "" {
		flag = "--" + strings.ReplaceAll(key, "_", "-")
	}
	return fmt.Errorf("%s: %s", strings.TrimSpace(flag+" "+of), broken.Rule)
}

// addLive adds the builders that the node sees now, itself included, and notes which they are.
func addLive(ctx context.Context, c *client.Client, rules *ledger.Network, notes io.Writer) error {
	in, err := c.Info(ctx)
	if err != nil {
		return err
	}
	peers, err := c.Peers(ctx)
	if err != nil {
		return err
	}
	found := false
	add := func(key ledger.PublicKey, name string) {
		found = true
		fmt.Fprintf(notes, "builder %s is %s\n", key, term.OneLine(name))
		if !slices.Contains(rules.Builders, key) {
			rules.Builders = append(rules.Builders, key)
		}
	}
	if in.Builds {
		add(in.Key, in.Name+", the node that was asked")
	}
	for _, p := range peers.Nodes {
		here := slices.Contains([]string{p2p.Connected, p2p.Connecting, p2p.Dialing, p2p.HeardOf}, p.State)
		var key ledger.PublicKey
		if p.Builds && here && key.UnmarshalText([]byte(p.Key)) == nil {
			add(key, p.Name+", "+p.State)
		}
	}
	if !found {
		return term.Hint(errors.New("--from-live: the node sees no builder and is not one itself"), "Ask a node that builds: --node. Or name keys with --builder")
	}
	return nil
}

func newNetworkShowCmd() *cobra.Command {
	var a ask.Flags
	var asFile bool
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show a network file, or that of a node: its ID and what follows from its rules",
		Args:  term.NArgs(0, 1, "the file of a network, or nothing to ask a node"),
		Example: `  foxchain network show office.json
  foxchain network show                   of the running node
  foxchain network show --file > office.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			show := func(n *ledger.Network) error {
				if asFile {
					return writeNetwork(cmd.OutOrStdout(), n)
				}
				return printNetwork(&a, cmd.OutOrStdout(), n)
			}
			if len(args) == 1 {
				n, err := node.ReadNetwork(args[0])
				if err != nil {
					return err
				}
				return show(n)
			}
			return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				in, err := c.Info(ctx)
				if err != nil {
					return err
				}
				n, err := pay.NetworkOf(&in)
				if err != nil {
					return err
				}
				return show(n)
			})
		},
	}
	a.AddNodeFlags(cmd.Flags())
	a.AddNamesFlag(cmd.Flags())
	cmd.Flags().BoolVar(&asFile, "file", false, "print the file itself, for another node")
	node.WithoutEnv(cmd.Flags(), "file")
	return cmd
}

// printNetwork prints a network's rules in words.
func printNetwork(a *ask.Flags, w io.Writer, n *ledger.Network) error {
	f := term.NewFacts()
	f.Add("network", n.Name)
	f.Add("ID", n.ID())
	f.Add("work", fmt.Sprintf("%d zero bits a block", n.Bits))
	f.Add("builders", builderWords(len(n.Builders), n.MaxUnfinal))
	for _, key := range n.Builders {
		f.Add("", key)
	}
	f.Add("issuers", term.Count(len(n.Issuers), "account"))
	for _, id := range n.Issuers {
		f.Add("", a.Whole(id)+map[bool]string{true: ", which mints with its key", false: ", open: everybody can mint"}[ledger.IsKeyed(id)])
	}
	senders := "open accounts, from which everybody can send, and accounts of keys"
	if n.KeyedOnly {
		senders = "only accounts of keys, and the issuers"
	}
	if n.NoSelfPay {
		senders += "; none may pay itself"
	}
	f.Add("senders", senders)
	if n.CreditDefault > 0 {
		f.Add("credit", fmt.Sprintf("every account may owe %d, except those below", n.CreditDefault))
	} else {
		f.Add("credit", ask.CreditCount(len(n.Credit)))
	}
	for _, id := range slices.SortedFunc(maps.Keys(n.Credit), func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }) {
		f.Add("", fmt.Sprintf("%s may owe %d", a.Whole(id), n.Credit[id]))
	}
	if caution := n.Caution(); caution != "" {
		f.Add("caution", term.Styled{Value: caution, Style: term.Yellow})
	}
	return f.Print(w)
}

// builderWords returns how many builders may lie or be away, and what follows.
func builderWords(n int, maxUnfinal uint64) string {
	faulty := (n - 1) / 3 // the quorum is n - faulty
	goesOn := "and the chain goes on"
	if maxUnfinal > 0 {
		goesOn = fmt.Sprintf("and the chain goes on for %d blocks", maxUnfinal)
	}
	switch {
	case n == 0:
		return "everybody: any node may build, and nothing becomes final"
	case n > ledger.MaxVoters:
		return fmt.Sprintf("%d builders: more than %d cannot vote, so nothing becomes final", n, ledger.MaxVoters)
	case n == 1:
		return "1 builder: it must not lie; while it is away there are no blocks"
	}
	return fmt.Sprintf("%d builders: %d may lie or be away; with %d away nothing becomes final, %s", n, faulty, faulty+1, goesOn)
}
