package pay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// maxSubmitFile bounds a file of transactions, some 150,000 signed ones.
const maxSubmitFile = 64 << 20

// A submitter sends transactions and prints their receipts, for send and submit.
type submitter struct {
	ask.Flags
	wait waitFor
}

// A submitted transaction was made here, or read from a file.
type submitted struct {
	tx  *ledger.Transaction
	raw jsontext.Value // as the node gets it

	// Of a file:
	where string // names it in errors, empty: the only one
	known bool   // the node had it before
}

// NewSubmitCmd returns the command submit.
func NewSubmitCmd() *cobra.Command {
	var s submitter
	cmd := &cobra.Command{
		Use:     "submit [FILE]",
		Short:   "Submit transactions that foxchain sign made",
		GroupID: term.GroupPay,
		Args:    term.NArgs(0, 1, "the file of transactions, or nothing or - for standard input"),
		Long: `Submit the transactions of a file, as foxchain sign writes them: one JSON object each.
Print the ID and state of each, as send does. No key is needed here.

All of the file is checked before anything is sent. It is safe to submit a file again: a
transaction that the node has counts once, and submit reports how many those are. The
file has at most 64 MiB.`,
		Example: `  foxchain sign --key ada.key --network office.json bo 5 > pay.json     on one machine
  foxchain submit pay.json --wait                                       on another
  ssh vault foxchain sign --key ada.key bo 5 | foxchain submit`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := "-"
			if len(args) == 1 {
				file = args[0]
			}
			in, err := node.OpenText(cmd.Context(), file, cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("read the transactions: %w", err)
			}
			if file == "-" {
				file = "standard input"
			}
			list, err := readTransactions(in, file)
			if err != nil {
				return term.Hint(err, "Such a file has one JSON object for each transaction, as foxchain sign writes it. Nothing was sent")
			}
			return s.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				if err := s.checkAll(ctx, c, list); err != nil {
					return err
				}
				return s.run(ctx, cmd, c, list)
			})
		},
	}
	s.addFlags(cmd.Flags())
	return cmd
}

func (s *submitter) addFlags(flags *pflag.FlagSet) {
	s.AddNodeFlags(flags)
	s.AddNamesFlag(flags)
	flags.BoolVar(&s.JSON, "json", false, "print receipts as JSON")
	flags.Var(&s.wait, "wait", "wait until it is in a block, or final (--wait=final)")
	flags.Lookup("wait").NoOptDefVal = waitBlock
}

// readTransactions reads and checks what needs no node.
func readTransactions(in io.Reader, file string) (list []submitted, err error) {
	text, err := io.ReadAll(io.LimitReader(in, maxSubmitFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the transactions: %w", err)
	case len(text) > maxSubmitFile:
		return nil, fmt.Errorf("%s has more than %d bytes", file, maxSubmitFile)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(text))
	for {
		t := submitted{where: fmt.Sprintf("%s, transaction %d", file, len(list)+1)}
		raw, err := dec.ReadValue()
		var syntax *jsontext.SyntacticError
		switch {
		case err == io.EOF && len(list) == 0:
			return nil, fmt.Errorf("%s is empty: there is no transaction to submit", file)
		case err == io.EOF:
			return list, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fmt.Errorf("%s is cut off", t.where)
		case errors.As(err, &syntax):
			return nil, fmt.Errorf("%s is not valid JSON: %w", t.where, syntax.Err)
		case err != nil:
			return nil, fmt.Errorf("read the transactions: %w", err)
		}
		t.raw = raw.Clone()
		if t.tx, err = ledger.ParseTransaction(t.raw, func() float64 { return 0 }); err != nil {
			return nil, fmt.Errorf("%s: %w", t.where, err)
		}
		var has struct {
			ID *string `json:"id"`
		}
		if err := json.Unmarshal(t.raw, &has); err != nil || has.ID == nil {
			return nil, fmt.Errorf("%s: transaction.id: must be given, so that the file can be submitted again", t.where)
		}
		list = append(list, t)
	}
}

// checkAll checks the transactions against the rules of the node's network, and notes
// which of them the node has.
func (s *submitter) checkAll(ctx context.Context, c *client.Client, list []submitted) error {
	network, err := networkOf(ctx, c)
	if err != nil {
		return err
	}
	for i := range list {
		t := &list[i]
		if err := t.tx.CheckFields(network); err != nil {
			return term.Hint(fmt.Errorf("%s: transaction.%w", t.where, err),
				"Nothing was sent. The node's network is %s, ID %s: a transaction is signed for one network alone", term.OneLine(network.Name), network.ID())
		}
		_, r, err := askReceipt(ctx, c, t.tx)
		var refused *client.ReplyError
		if err != nil && !errors.As(err, &refused) {
			return err
		}
		t.known = err == nil && r.State != api.StateGone
	}
	return nil
}

// run sends the transactions and prints a receipt for each.
func (s *submitter) run(ctx context.Context, cmd *cobra.Command, c *client.Client, list []submitted) error {
	// Subscribed before anything is sent, so that no block is missed.
	var blocks <-chan api.Event
	if s.wait != "" {
		err := s.wait.check(ctx, c)
		if err == nil {
			blocks, err = c.Subscribe(ctx, api.Subscription{Events: []string{"block", "status"}})
		}
		if err != nil {
			return err
		}
	}
	refused, err := s.sendAll(ctx, c, list)
	if err != nil {
		return err
	}
	known := 0
	for i, t := range list {
		if refused[i] != nil {
			continue
		}
		if t.known {
			known++
		}
		if refused[i], err = s.follow(ctx, cmd, c, t, blocks); err != nil {
			return err
		}
	}
	switch {
	case known > 0 && known == len(list):
		cmd.PrintErrln("The node had all of it before: nothing was changed.")
	case known > 0:
		cmd.PrintErrf("The node had %d of %s before; these were not changed.\n", known, term.Count(len(list), "transaction"))
	}
	return errors.Join(refused...)
}

// sendAll returns why transactions were refused, for each of list; nil: it was accepted.
func (s *submitter) sendAll(ctx context.Context, c *client.Client, list []submitted) ([]error, error) {
	refused := make([]error, len(list))
	for from := 0; from < len(list); {
		size, end := 0, from
		var batch []jsontext.Value
		for ; end < len(list) && (end == from || size+len(list[end].raw) <= ask.MaxMessage); end++ {
			size += len(list[end].raw)
			batch = append(batch, list[end].raw)
		}
		bad, err := c.MergePool(ctx, batch)
		var reply *client.ReplyError
		switch {
		case errors.As(err, &reply) && len(reply.Reply.Refused) > 0 && len(list) > 1:
			bad = reply.Reply.Refused // none was taken
		case err != nil && reply == nil:
			return nil, s.notKnown(list[from:end], err)
		case err != nil && len(list) == 1:
			return nil, fmt.Errorf("the transaction was not accepted: %w", err)
		case err != nil:
			return nil, fmt.Errorf("transactions %d to %d were not accepted: %w", from+1, end, err)
		}
		for _, r := range bad {
			if i := from + r.Index; r.Index >= 0 && i < end {
				refused[i] = fmt.Errorf("%s (%s) was not accepted: %s", list[i].where, r.ID, r.Reason)
			}
		}
		from = end
	}
	return refused, nil
}

// notKnown is the error of transactions whose answer did not come.
func (s *submitter) notKnown(sent []submitted, err error) error {
	id, what := sent[0].tx.ID, "the transaction "+sent[0].tx.ID.String()
	if len(sent) > 1 {
		what = fmt.Sprintf("%d transactions, of which the first is %s", len(sent), id)
	}
	again := fmt.Sprintf("To send the same again, which changes nothing if the node has it: --id %s", id)
	if sent[0].where != "" {
		again = "Submitting the same text again changes nothing if the node has it. Signing again makes other transactions"
	}
	return term.Hint(fmt.Errorf("it is not known whether the node has accepted %s: %w", what, printed(err)), "To find out: foxchain tx %s%s. %s", id, s.Same(), again)
}

// printed makes an error one that main prints even if Ctrl-C was its cause.
func printed(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New(err.Error())
	}
	return err
}

// follow waits for a transaction, if that was asked for, and prints its receipt. The
// first error is for a transaction that is gone.
func (s *submitter) follow(ctx context.Context, cmd *cobra.Command, c *client.Client, t submitted, blocks <-chan api.Event) (gone, failed error) {
	tx := t.tx
	raw, r, err := askReceipt(ctx, c, tx)
	if err == nil && r.State == api.StatePooled {
		s.Learn(ctx, c) // it counts the transaction now
	}
	if err == nil && s.wait != "" {
		cmd.PrintErr(s.waitWords(&r)) // a courtesy: what counts is on standard output
	}
	for err == nil && s.wait != "" && !s.wait.met(&r) {
		if _, err := c.Next(ctx, blocks); err != nil {
			return nil, term.Hint(fmt.Errorf("while waiting for the block of %s: %w", tx.ID, err), "To show its state: foxchain tx %s%s", tx.ID, s.Same())
		}
		raw, r, err = askReceipt(ctx, c, tx)
	}
	if err == nil {
		err = s.print(cmd.OutOrStdout(), raw, r)
	}
	err = term.Hint(printed(err), "The node has what was sent all the same: do not send it again. To show it: foxchain tx %s%s", tx.ID, s.Same())
	if err == nil && r.State == api.StateGone {
		again := "use --id " + tx.ID.String()
		if t.where != "" {
			again = "submit it again"
		}
		gone = term.Hint(fmt.Errorf("the transaction %s %s", tx.ID, s.ReceiptWords(&r)), "To send it again once the reason is gone, %s, or send a new one", again)
	}
	return gone, err
}

// submission returns the JSON of tx. An open transaction has no time: the node that
// accepts it sets one.
func submission(tx *ledger.Transaction) (jsontext.Value, error) {
	if tx.Auth != nil {
		return tx.AppendJSON(nil, nil), nil
	}
	return json.Marshal(api.NewTransaction{ID: tx.ID.String(), Sender: tx.Sender.String(),
		Receiver: tx.Receiver.String(), Amount: tx.Amount})
}

// askReceipt requests the receipt of tx.
func askReceipt(ctx context.Context, c *client.Client, tx *ledger.Transaction) (raw jsontext.Value, r api.Receipt, err error) {
	args := map[string]string{"id": tx.ID.String(), "sender": tx.Sender.String()}
	if err := c.Get(ctx, "tx", args, &raw); err != nil {
		return nil, r, err
	}
	return raw, r, json.Unmarshal(raw, &r)
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
	in, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if in.Voting == nil {
		return term.Hint(fmt.Errorf("--wait=final: this network has no finality, since its file names no builders"), "To wait for the block: --wait")
	}
	return nil
}

// waitWords returns the ID of a transaction that is waited for, and what its block waits
// for. It is empty if the block is there.
func (s *submitter) waitWords(r *api.Receipt) string {
	more := ""
	switch r.State {
	case api.StateWaiting:
		more = " Its block can come once it can be paid."
	case api.StatePooled:
	default:
		return ""
	}
	return fmt.Sprintf("%s %s.%s Ctrl-C ends the waiting, not the transaction.\n", r.Tx.ID, term.OneLine(s.ReceiptWords(r)), more)
}

func (s *submitter) print(w io.Writer, raw jsontext.Value, r api.Receipt) error {
	if s.JSON {
		return term.PrintJSON(w, raw)
	}
	_, err := fmt.Fprintf(w, "%s %s\n", r.Tx.ID, term.OneLine(s.ReceiptWords(&r)))
	return err
}
