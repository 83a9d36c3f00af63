package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/rpc"
)

func newWatchCmd() *cobra.Command {
	var a ask
	var kinds []string
	var from int64
	cmd := &cobra.Command{
		Use:     "watch",
		Short:   "Follow what happens, like tail -f",
		GroupID: groupAsk,
		Args:    noArgs,
		Long: `Follow what happens on a node, one line an event, until Ctrl-C: new blocks and
those that left the chain, transactions that came into the pool, nodes that came
and went. With --json each event is printed as the node sent it.`,
		Example: `  foxchain watch
  foxchain watch --events block --from 0            all blocks from the first one on, then new ones
  foxchain watch --json --events block,status | jq .data`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sub := rpc.Subscription{Events: kinds}
			if i := slices.IndexFunc(kinds, func(k string) bool { return !slices.Contains(eventKinds(), k) }); i >= 0 {
				return usagef(cmd, "--events has %q: the kinds of events are %s", kinds[i], strings.Join(eventKinds(), ", "))
			}
			if howGiven(cmd.Flags(), "from") != byDefault {
				sub.From = &from
			}
			return a.withNode(cmd, func(ctx context.Context, c *rpc.Client) error {
				events, err := c.Subscribe(ctx, sub)
				if err != nil {
					return err
				}
				return (&teller{ask: &a, w: cmd.OutOrStdout()}).follow(ctx, c, events)
			})
		},
	}
	a.addFlags(cmd.Flags())
	cmd.Flags().StringSliceVar(&kinds, "events", []string{"block", "pool", "peers"}, "kinds of events: "+strings.Join(eventKinds(), ", "))
	cmd.Flags().Int64Var(&from, "from", 0, "begin with the block at this height, negative: so many before the end (default: the next block)")
	return cmd
}

func eventKinds() []string { return []string{"block", "pool", "peers", "status"} }

// A teller prints events.
type teller struct {
	*ask
	w     io.Writer
	peers map[string]bool // connected at the last event; nil: there was none
}

// follow prints until ctx ends, which is no error, or the connection does.
func (t *teller) follow(ctx context.Context, c *rpc.Client, events <-chan rpc.Event) error {
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return c.Err()
			}
			if err := t.tell(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (t *teller) tell(e rpc.Event) error {
	if t.json {
		raw, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return printJSON(t.w, jsontext.Value(raw))
	}
	var lines []string
	var err error
	switch e.Kind {
	case "block":
		lines, err = t.block(e.Data)
	case "pool":
		lines, err = t.pool(e.Data)
	case "peers":
		lines, err = t.peersChanged(e.Data)
	case "status":
		lines, err = t.status(e.Data)
	}
	if err != nil {
		return fmt.Errorf("the node's event %q is not what this program expects; is it another version? %w", e.Kind, err)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(t.w, "%s %-6s %s\n", time.Now().Format(time.TimeOnly), e.Kind, oneLine(line)); err != nil {
			return err
		}
	}
	return nil
}

func (t *teller) block(data jsontext.Value) ([]string, error) {
	var e struct {
		Change string    `json:"change"` // in, out
		Block  rpc.Block `json:"block"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	b := &e.Block
	line := fmt.Sprintf("%d %s, %s, by %s", b.Height, t.hash(b.Hash.String()), count(b.Count, "transaction"), t.hash(b.Builder.String()))
	if e.Change == "out" {
		line = fmt.Sprintf("%d %s left the chain: a better branch replaced it", b.Height, t.hash(b.Hash.String()))
	}
	return []string{line}, nil
}

func (t *teller) pool(data jsontext.Value) ([]string, error) {
	var e struct {
		Size    int `json:"size"`
		Waiting int `json:"waiting"`
		Added   []struct {
			Waiting *string `json:"waiting"`
			Tx      rpc.Tx  `json:"tx"`
		} `json:"added"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	var lines []string
	for _, a := range e.Added {
		line := fmt.Sprintf("%s: %d from %s to %s", a.Tx.ID, a.Tx.Amount, t.account(a.Tx.Sender), t.account(a.Tx.Receiver))
		if a.Waiting != nil {
			line += ", waits: " + *a.Waiting
		}
		lines = append(lines, line)
	}
	return append(lines, fmt.Sprintf("%s, %d of them cannot be paid yet", count(e.Size, "transaction"), e.Waiting)), nil
}

func (t *teller) peersChanged(data jsontext.Value) ([]string, error) {
	var e rpc.Peers
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	now := make(map[string]bool)
	for _, n := range e.Nodes {
		if n.Connected {
			now[nodeName(n)] = true
		}
	}
	var lines []string
	if t.peers == nil {
		lines = append(lines, count(len(now), "node")+" connected")
	}
	for _, name := range sortedKeys(now) {
		if !t.peers[name] {
			lines = append(lines, "connected: "+name)
		}
	}
	for _, name := range sortedKeys(t.peers) {
		if !now[name] {
			lines = append(lines, "gone: "+name)
		}
	}
	t.peers = now
	return lines, nil
}

func (t *teller) status(data jsontext.Value) ([]string, error) {
	var in rpc.Info
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("%s, tip %s, %s in the pool, %s", count(in.Blocks, "block"),
		t.hash(in.Tip.String()), count(in.Pool, "transaction"), count(in.Peers, "peer"))}, nil
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
