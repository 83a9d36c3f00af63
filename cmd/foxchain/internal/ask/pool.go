package ask

import (
	"context"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewPoolCmd returns the command pool.
func NewPoolCmd() *cobra.Command {
	var a Flags
	var start uint64
	var limit int
	cmd := a.asks(&cobra.Command{
		Use:   "pool",
		Short: "List the transactions that are in no block yet",
		Args:  term.NoArgs,
		Long: `List the transactions that are in no block yet. One that is ready can be paid and
comes into the next blocks. One that waits cannot be paid yet.`,
		Example: `  foxchain pool
  foxchain pool --json | jq .id
  foxchain pool --start 120 --limit 0     all from arrival number 120 on`,
		PreRunE: func(*cobra.Command, []string) error {
			if limit < 0 {
				return term.Usagef("--limit is %d: must be a number of transactions, or 0 for all", limit)
			}
			return nil
		},
	}, func(ctx context.Context, w io.Writer, c *client.Client, _ []string) error {
		list, next, err := readPool(ctx, c, start, limit)
		if err != nil {
			return err
		}
		var states map[string]term.Styled
		if !a.JSON && len(list) > 0 {
			if states, err = poolStates(ctx, c); err != nil {
				return err
			}
		}
		return printPool(&a, w, list, states, next)
	})
	cmd.Flags().Uint64Var(&start, "start", 0, "first arrival number")
	node.WithoutEnv(cmd.Flags(), "start")
	cmd.Flags().IntVar(&limit, "limit", 100, "most to list; 0: all")
	return cmd
}

// readPool requests up to limit transactions (0: all), page by page. next is the
// arrival number of the first one left out, nil at the end.
func readPool(ctx context.Context, c *client.Client, start uint64, limit int) (list []jsontext.Value, next *uint64, err error) {
	for {
		args := map[string]uint64{"start": start}
		if limit > 0 {
			args["limit"] = uint64(limit - len(list))
		}
		var page api.PoolOf[jsontext.Value]
		if err := c.Get(ctx, "pool", args, &page); err != nil {
			return nil, nil, err
		}
		list = append(list, page.Pool...)
		if page.Next == nil || limit > 0 && len(list) >= limit || len(page.Pool) == 0 {
			return list, page.Next, nil
		}
		start = *page.Next
	}
}

// poolStates returns which of the first 1,000 transactions of the pool wait, and
// why, from a pool event.
func poolStates(ctx context.Context, c *client.Client) (map[string]term.Styled, error) {
	events, err := c.Subscribe(ctx, api.Subscription{Events: []string{"pool"}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, client.AnswerTime, client.ErrSlow)
	defer cancel()
	e, err := c.Next(ctx, events)
	if err != nil {
		return nil, err
	}
	var pool api.PoolEvent
	if err := json.Unmarshal(e.Data, &pool); err != nil {
		return nil, strangeEvent(e.Kind, err)
	}
	states := make(map[string]term.Styled)
	for _, entry := range pool.Added {
		state := term.Styled{Value: "ready", Style: term.Green}
		if entry.Waiting != nil {
			state = term.Styled{Value: "waits: " + *entry.Waiting, Style: term.Yellow}
		}
		states[txKey(entry.Tx)] = state
	}
	return states, nil
}

// txKey returns a transaction's key in a map. Different keyed senders may use the
// same ID.
func txKey(tx *api.Tx) string { return tx.ID.String() + tx.Sender.String() }

func printPool(a *Flags, w io.Writer, list []jsontext.Value, states map[string]term.Styled, next *uint64) error {
	if len(list) == 0 && !a.JSON {
		_, err := fmt.Fprintln(w, "The pool is empty.")
		return err
	}
	t := term.NewTable("ID", "FROM", "TO", ">AMOUNT", ">AGE", "STATE")
	err := printList(a, w, list, t, func(tx *api.Tx) {
		state, known := states[txKey(tx)]
		if !known { // beyond the first 1,000, or it came just now
			state = term.Styled{Value: "-", Style: term.Dim}
		}
		t.Add(tx.ID, a.account(tx.Sender), a.account(tx.Receiver), tx.Amount, term.Styled{Value: since(txTime(tx)), Style: term.Dim}, state)
	})
	if err != nil || next == nil || a.JSON {
		return err
	}
	_, err = fmt.Fprintf(w, "More: foxchain pool --start %d%s\n", *next, a.same)
	return err
}
