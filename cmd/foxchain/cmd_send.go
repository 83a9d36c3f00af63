package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// A txMaker makes and sends the transaction that the flags of send describe.
type txMaker struct {
	nodeFlags
	from, to string
	amount   amount
	id       string
	key      string // file
	wait     waitFor
}

func newSendCmd() *cobra.Command {
	var m txMaker
	cmd := &cobra.Command{
		Use:     "send --from ACCOUNT --to ACCOUNT --amount N",
		Short:   "Submit a transaction",
		GroupID: groupAsk,
		Args:    noArgs,
		Long: `Submit a transaction and print its ID and state.

Accounts are UUIDs. The word "issuer" stands for the account that mints. With
--key the sender is the key's account. The transaction is signed here, and the
key never leaves this machine. It is safe to repeat the command with the same
--id, because the node accepts a transaction once.`,
		Example: `  foxchain send --from issuer --to 00000000-0000-0000-0000-000000000003 --amount 1000
  foxchain send --from 00000000-0000-0000-0000-000000000003 --to issuer --amount 5 --wait
  foxchain send --key me.pem --to 00000000-0000-0000-0000-000000000003 --amount 5`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := m.check(); err != nil {
				return term.Usagef("%w", err)
			}
			return m.withNode(cmd, func(ctx context.Context, c *client.Client) error {
				return m.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr(), c)
			})
		},
	}
	flags := cmd.Flags()
	m.addNodeFlags(flags)
	flags.BoolVar(&m.json, "json", false, "print the receipt as JSON")
	flags.StringVar(&m.from, "from", "", "`account` to send from (with --key: the key's account)")
	flags.StringVar(&m.to, "to", "", "`account` to send to")
	flags.Var(&m.amount, "amount", "an integer from 1 to 9007199254740991")
	flags.StringVar(&m.id, "id", "", "the transaction's `UUID` (default a new one)")
	flags.StringVar(&m.key, "key", "", "`file` with the key to sign with (foxchain keygen)")
	flags.Var(&m.wait, "wait", "wait until it is in a block, or final (--wait=final)")
	flags.Lookup("wait").NoOptDefVal = waitBlock
	return cmd
}

// A waitFor is the value of --wait, empty if it was not given.
type waitFor string

const (
	waitBlock = "block"
	waitFinal = "final"
)

func (f *waitFor) String() string { return string(*f) }

func (f *waitFor) Type() string { return "block|final" }

func (f *waitFor) Set(text string) error {
	switch text {
	case "true": // as the flag was once
		text = waitBlock
	case "false":
		text = ""
	case waitBlock, waitFinal, "":
	default:
		return fmt.Errorf("must be block or final")
	}
	*f = waitFor(text)
	return nil
}

// met reports whether a transaction is as far as it was to be waited for.
func (f waitFor) met(r *api.Receipt) bool {
	return r.State == api.StateGone || r.State == api.StateConfirmed && (f != waitFinal || *r.Final)
}

// check refuses to wait for what never comes.
func (f waitFor) check(ctx context.Context, c *client.Client) error {
	if f != waitFinal {
		return nil
	}
	var in api.Info
	if err := question(ctx, c, "info", nil, &in); err != nil {
		return err
	}
	if in.Voting == nil {
		return term.Hint(fmt.Errorf("--wait=final: this network has no finality, since its file names no builders"), "To wait for the block: --wait")
	}
	return nil
}

// An amount is the value of --amount, 0 if it was not given.
type amount uint64

func (a *amount) String() string {
	if *a == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*a), 10)
}

func (a *amount) Type() string { return "integer" }

func (a *amount) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < 1 || n > ledger.MaxAmount {
		return fmt.Errorf("must be an integer from 1 to %d", uint64(ledger.MaxAmount))
	}
	*a = amount(n)
	return nil
}

func (m *txMaker) check() error {
	switch {
	case m.to == "":
		return fmt.Errorf("--to is missing: the account to send to")
	case m.amount == 0:
		return fmt.Errorf("--amount is missing: an integer from 1 to %d", uint64(ledger.MaxAmount))
	case m.from == "" && m.key == "":
		return fmt.Errorf(`--from is missing: an account's UUID, or "issuer"; or give --key FILE to send from a key's account`)
	}
	for flag, text := range map[string]string{"--from": m.from, "--to": m.to} {
		if _, err := ledger.ParseUUID(text); text != "" && text != term.IssuerWord && err != nil {
			return fmt.Errorf(`%s is %q: an account %w, or the word "issuer"`, flag, text, err)
		}
	}
	if _, err := ledger.ParseUUID(m.id); m.id != "" && err != nil {
		return fmt.Errorf("--id is %q: %w", m.id, err)
	}
	return nil
}

func (m *txMaker) run(ctx context.Context, w, notes io.Writer, c *client.Client) error {
	tx, err := m.transaction(ctx, c)
	if err != nil {
		return err
	}
	// Subscribed before the transaction is sent, so that its block is not missed.
	var blocks <-chan api.Event
	if m.wait != "" {
		if err := m.wait.check(ctx, c); err != nil {
			return err
		}
		if blocks, err = c.Subscribe(ctx, api.Subscription{Events: []string{"block", "status"}}); err != nil {
			return err
		}
	}
	item, err := submission(tx)
	if err != nil {
		return err
	}
	if _, err := c.MergePool(ctx, []jsontext.Value{item}); err != nil {
		return fmt.Errorf("the transaction was not accepted: %w", err)
	}
	raw, r, err := askReceipt(ctx, c, tx)
	if err == nil && m.wait != "" {
		in, err := c.Info(ctx)
		if err != nil {
			return err
		}
		fmt.Fprint(notes, waitWords(&r, &in)) // a courtesy: what counts is on standard output
	}
	for err == nil && m.wait != "" && !m.wait.met(&r) {
		if err := nextBlock(ctx, c, blocks); err != nil {
			return term.Hint(fmt.Errorf("while waiting for the block of %s: %w", tx.ID, err), "To show its state: foxchain tx %s", tx.ID)
		}
		raw, r, err = askReceipt(ctx, c, tx)
	}
	if err != nil {
		return err
	}
	if err := m.print(w, raw, r); err != nil {
		return err
	}
	if r.State == api.StateGone {
		return term.Hint(fmt.Errorf("the transaction %s %s", tx.ID, receiptWords(&r)), "To send it again once the reason is gone, use --id %s, or send a new one", tx.ID)
	}
	return nil
}

// waitWords returns the ID of a transaction that is waited for, what its block waits
// for, and when that comes at the latest. It is empty if the block is there.
func waitWords(r *api.Receipt, in *api.Info) string {
	words := fmt.Sprintf("%s %s\n", r.Tx.ID, term.OneLine(receiptWords(r)))
	const end = " Ctrl-C ends the waiting, not the transaction.\n"
	more := in.BlockTxs - in.Payable
	switch {
	case r.State == api.StateWaiting:
		return words + "Its block can come once it can be paid." + end
	case r.State != api.StatePooled:
		return ""
	case in.BlockTxs == 0:
		return words + "This node does not build: another one decides when the block comes." + end
	case more <= 0:
		return words + "There are enough transactions for a block: it is about to be built." + end
	case in.MaxWait == 0:
		return words + fmt.Sprintf("This node builds a block when %s more can be paid, another node maybe sooner.", term.Count(more, "transaction")) + end
	}
	left := in.MaxWait
	if in.OldestPayable != nil {
		left = max(0, left-(in.Time-*in.OldestPayable))
	}
	return words + fmt.Sprintf("This node builds a block when %s more can be paid, at the latest in %s, another node maybe sooner.",
		term.Count(more, "transaction"), seconds(left).Round(time.Second)) + end
}

// submission returns the JSON of tx. An open transaction has no time: the node that
// accepts it sets one.
func submission(tx *ledger.Transaction) (jsontext.Value, error) {
	if tx.Auth != nil {
		return tx.AppendJSON(nil, nil), nil
	}
	return json.Marshal(map[string]any{"id": tx.ID.String(), "sender": tx.Sender.String(),
		"receiver": tx.Receiver.String(), "amount": tx.Amount})
}

func nextBlock(ctx context.Context, c *client.Client, blocks <-chan api.Event) error {
	select {
	case _, ok := <-blocks:
		if !ok {
			return c.Err()
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transaction returns the transaction to submit, signed if there is a key. Its ID is
// chosen here, so that it can be submitted again.
func (m *txMaker) transaction(ctx context.Context, c *client.Client) (*ledger.Transaction, error) {
	tx := &ledger.Transaction{ID: uuid.New(), Amount: uint64(m.amount)}
	var err error
	if m.id != "" {
		if tx.ID, err = ledger.ParseUUID(m.id); err != nil {
			return nil, err
		}
	}
	if tx.Receiver, err = resolveAccount(ctx, c, m.to); err != nil {
		return nil, err
	}
	if m.from != "" {
		if tx.Sender, err = resolveAccount(ctx, c, m.from); err != nil {
			return nil, err
		}
	}
	if m.key == "" {
		return tx, nil
	}
	return tx, m.sign(ctx, c, tx)
}

// sign signs tx with the key, for the network of the node.
func (m *txMaker) sign(ctx context.Context, c *client.Client, tx *ledger.Transaction) error {
	key, err := node.ReadKey(m.key)
	if err != nil {
		return term.Hint(err, "To make a key and its account: foxchain keygen -o FILE")
	}
	if own := ledger.AccountOf(node.PublicKey(key)); m.from != "" && tx.Sender != own {
		return term.Hint(fmt.Errorf("--from is %s, but the account of %s is %s", tx.Sender, m.key, own), "Leave --from out, or use the key of that account")
	}
	var in api.Info
	if err := question(ctx, c, "info", nil, &in); err != nil {
		return err
	}
	network, err := networkOf(&in)
	if err != nil {
		return err
	}
	tx.T = max(0, ledger.UnixSeconds(time.Now())) // a clock may stand before 1970
	tx.Sign(network, key)
	return nil
}

// networkOf returns the network that a node reports, after a check that the rules
// have the reported ID.
func networkOf(in *api.Info) (*ledger.Network, error) {
	n := in.Network
	rules := ledger.Network{Name: n.Name, Bits: n.Bits, Builders: n.Builders, KeyedOnly: n.KeyedOnly, NoSelfPay: n.NoSelfPay,
		Credit: make(map[uuid.UUID]uint64, len(n.Credit)), CreditDefault: n.CreditDefault, MaxUnfinal: n.MaxUnfinal}
	for text, floor := range n.Credit {
		id, err := ledger.ParseUUID(text)
		if err != nil {
			return nil, fmt.Errorf("the node reports credit of %q, which %w", text, err)
		}
		rules.Credit[id] = floor
	}
	for _, text := range n.Issuers {
		id, err := ledger.ParseUUID(text)
		if err != nil {
			return nil, fmt.Errorf("the node reports the issuer %q, which %w", text, err)
		}
		rules.Issuers = append(rules.Issuers, id)
	}
	network, err := ledger.NewNetwork(rules)
	if err != nil {
		return nil, fmt.Errorf("the node's network: %w", err)
	}
	if network.ID() != n.ID {
		return nil, fmt.Errorf("the node's network has rules that this program does not know: use foxchain of the node's version (%s)", in.Version)
	}
	return network, nil
}

// resolveAccount parses an account. The word "issuer" is the first issuer of the
// node's network.
func resolveAccount(ctx context.Context, c *client.Client, text string) (uuid.UUID, error) {
	if text != term.IssuerWord {
		id, err := ledger.ParseUUID(text)
		if err != nil {
			return id, fmt.Errorf(`the account %q %w, or the word "issuer"`, text, err)
		}
		return id, nil
	}
	var in api.Info
	if err := question(ctx, c, "info", nil, &in); err != nil {
		return uuid.UUID{}, err
	}
	if len(in.Network.Issuers) == 0 {
		return uuid.UUID{}, term.Hint(fmt.Errorf("the network %s has no issuer", in.Network.Name), "Give the account's UUID")
	}
	return ledger.ParseUUID(in.Network.Issuers[0])
}

// askReceipt requests the receipt of tx.
func askReceipt(ctx context.Context, c *client.Client, tx *ledger.Transaction) (raw jsontext.Value, r api.Receipt, err error) {
	args := map[string]string{"id": tx.ID.String(), "sender": tx.Sender.String()}
	if err := question(ctx, c, "tx", args, &raw); err != nil {
		return nil, r, err
	}
	return raw, r, json.Unmarshal(raw, &r)
}

func (m *txMaker) print(w io.Writer, raw jsontext.Value, r api.Receipt) error {
	if m.json {
		return printJSON(w, raw)
	}
	_, err := fmt.Fprintf(w, "%s %s\n", r.Tx.ID, term.OneLine(receiptWords(&r)))
	return err
}
