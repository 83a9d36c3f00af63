package ask

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewWatchCmd returns the command watch.
func NewWatchCmd() *cobra.Command {
	var a Flags
	var kinds []string
	var from int64
	var told string
	cmd := &cobra.Command{
		Use:     "watch",
		Short:   "Follow events, like tail -f",
		GroupID: term.GroupAsk,
		Args:    term.NoArgs,
		Long: `Print the events of a node, one a line, until Ctrl-C: blocks that join or leave
the chain or become final, transactions that enter the pool, nodes that connect or
disconnect, proofs that a builder lies. With --json each event is printed as the node
sends it.

When the connection is lost, watch connects again and continues after the last
block that it printed, even if that block has left the chain. It reports this on
standard error.`,
		Example: `  foxchain watch
  foxchain watch --events block --from 0            all blocks from the first on, then new ones
  foxchain watch --told 7f9c24e5                    how a transaction comes to the peers
  foxchain watch --json --events block,status | jq .data`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if i := slices.IndexFunc(kinds, func(k string) bool { return !slices.Contains(api.EventKinds(), k) }); i >= 0 {
				return term.Usagef("--events has %q: the kinds of events are %s", kinds[i], strings.Join(api.EventKinds(), ", "))
			}
			if told != "" && !slices.Contains(kinds, "told") {
				kinds = append(kinds, "told")
			} else if told == "" && slices.Contains(kinds, "told") {
				return term.Usagef("--events has told, which needs the ID of a transaction: --told ID")
			}
			f := &follower{cmd: cmd, Flags: &a, kinds: kinds, told: told, printer: &eventPrinter{Flags: &a, w: cmd.OutOrStdout()}}
			if node.HowGiven(cmd.Flags(), "from") != node.ByDefault {
				f.from = &from
			}
			return f.run(cmd.Context())
		},
	}
	a.addFlags(cmd.Flags())
	cmd.Flags().StringSliceVar(&kinds, "events", []string{"block", "pool", "peers", "final", "evidence"}, "kinds of events: "+strings.Join(api.EventKinds(), ", "))
	cmd.Flags().StringVar(&told, "told", "", "the `ID` of a transaction, or its first digits: print how it comes to the peers, too")
	cmd.Flags().Int64Var(&from, "from", 0, "height of the first block; negative: counted from the end (default the next block)")
	node.WithoutEnv(cmd.Flags(), "from")
	node.WithoutEnv(cmd.Flags(), "told")
	return cmd
}

// A follower prints events over as many connections to the node as it takes. After
// a lost one it continues after the last printed block.
type follower struct {
	*Flags
	cmd     *cobra.Command
	kinds   []string
	told    string // the transaction whose way is followed; empty: none
	from    *int64 // height of the first block; nil: the next new block
	printer *eventPrinter

	last  *api.BlockRef // the last block of the chain as printed; nil: none yet
	final *int64        // height above the last block that was printed to be final; nil: none yet
}

// run follows until ctx ends. A node that cannot be reached is an error the first
// time; later the follower waits for it.
func (f *follower) run(ctx context.Context) error {
	again := false
	session := client.Session{
		Dial: func(context.Context) (*client.Client, error) { return f.dial(f.cmd) },
		Use: func(ctx context.Context, c *client.Client) error {
			f.Learn(ctx, c)
			f.learnBuilders(ctx, c)
			if f.told != "" && !again { // a wrong ID ends the command, and a short one is whole from here on
				var r api.Receipt
				if err := c.Get(ctx, "tx", map[string]string{"id": f.told}, &r); err != nil {
					return err
				}
				f.told = r.Tx.ID.String()
			}
			if again {
				f.notice("connected again, continuing %s", f.where())
				f.printer.resumed = true
			} else if err := f.begin(ctx, c); err != nil {
				return err
			}
			again = true
			return f.follow(ctx, c)
		},
		Lost: func(reason error) { f.notice("%s; connecting again until Ctrl-C", reason) },
	}
	return hintAnswer(session.Run(ctx), f.same)
}

// begin notes the tip and what is final unless --from was given, so that no block is
// missed when the connection is lost before the first event.
func (f *follower) begin(ctx context.Context, c *client.Client) error {
	if f.from != nil {
		f.final = f.from
		return nil
	}
	in, err := c.Info(ctx)
	if err != nil {
		return err
	}
	tip := api.BlockRef{Height: int64(in.Blocks) - 1}
	if in.Blocks > 0 {
		tip.Hash = &in.Tip
	}
	f.last, f.final = &tip, new(int64)
	if in.Final != nil && in.Final.Final != nil {
		*f.final = int64(in.Final.Height) + 1
	}
	return nil
}

// follow subscribes and prints events until the connection ends.
func (f *follower) follow(ctx context.Context, c *client.Client) error {
	events, err := f.subscribe(ctx, c)
	if err != nil {
		return err
	}
	for {
		e, err := c.Next(ctx, events)
		if err == nil {
			err = f.note(e)
		}
		if err == nil {
			err = f.printer.print(e)
		}
		if err != nil {
			return err
		}
	}
}

// subscribe begins behind the last printed block, or with the next one if the node
// does not know that block any more.
func (f *follower) subscribe(ctx context.Context, c *client.Client) (<-chan api.Event, error) {
	events, err := c.Subscribe(ctx, api.Subscription{Events: f.kinds, From: f.from, After: f.last, FromFinal: f.final, ID: f.told})
	if f.last == nil || f.last.Hash == nil || !IsUnknown(err) {
		return events, err
	}
	f.notice("the node does not know block %d (%s) any more: it has another data directory, or lost its last blocks; continuing with the next block",
		f.last.Height, term.ShortHash(f.last.Hash.String()))
	f.last, f.from, f.final = nil, nil, nil
	return c.Subscribe(ctx, api.Subscription{Events: f.kinds, ID: f.told})
}

// note remembers the last block of the chain from block events, and the last final one.
func (f *follower) note(e api.Event) error {
	var b api.BlockEvent
	var final api.Final
	var err error
	switch e.Kind {
	case "block":
		if err = json.Unmarshal(e.Data, &b); err == nil {
			last := b.Last()
			f.last = &last
		}
	case "final":
		if err = json.Unmarshal(e.Data, &final); err == nil {
			f.final = new(int64(final.Height) + 1)
		}
	}
	if err != nil {
		return strangeEvent(e.Kind, err)
	}
	return nil
}

// where returns, in words, where the next subscription continues.
func (f *follower) where() string {
	switch {
	case f.last != nil && f.last.Hash != nil:
		return fmt.Sprintf("after block %d (%s)", f.last.Height, term.ShortHash(f.last.Hash.String()))
	case f.last != nil:
		return "with the first block"
	case f.from != nil:
		return fmt.Sprintf("from height %d", *f.from)
	}
	return "with the next block"
}

// notice prints what happened to the connection on standard error.
func (f *follower) notice(format string, args ...any) {
	f.cmd.PrintErrf("foxchain: %s\n", term.OneLine(fmt.Sprintf(format, args...)))
}
