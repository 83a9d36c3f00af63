package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

func newInfoCmd() *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:     "info",
		Short:   "Show the node: its network, chain, pool and addresses",
		GroupID: groupAsk,
		Args:    noArgs,
		Example: `  foxchain info
  foxchain info --node 9001
  foxchain info -r 9000.db --json | jq .blocks`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNode(cmd, func(ctx context.Context, c *client.Client) error {
				var raw jsontext.Value
				if err := question(ctx, c, "info", nil, &raw); err != nil {
					return err
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), raw)
				}
				var in api.Info
				if err := json.Unmarshal(raw, &in); err != nil {
					return err
				}
				return a.printInfo(cmd.OutOrStdout(), &in)
			})
		},
	}
	a.addFlags(cmd.Flags())
	return cmd
}

func (a *ask) printInfo(w io.Writer, in *api.Info) error {
	f := a.facts()
	f.add("name", in.Name)
	f.add("version", in.Version)
	f.add("network", fmt.Sprintf("%s (%s)", in.Network.Name, in.Network.ID))
	f.add("rules", rulesOf(in))
	tip := styled{"none yet", plain}
	if in.Blocks > 0 {
		tip = styled{fmt.Sprintf("%s, for %s", in.Tip, age(seconds(in.Time-in.TipSince))), hashStyle(in.Tip.String())}
	}
	f.add("blocks", in.Blocks)
	if in.Sync != nil {
		f.add("sync", styled{syncWords(in.Blocks, in.Sync), yellow})
	}
	f.add("tip", tip)
	f.add("pool", fmt.Sprintf("%s, %d of them cannot be paid yet", count(in.Pool, "transaction"), in.Waiting))
	f.add("peers", fmt.Sprintf("%d connected of %d known", in.Peers, in.Nodes))
	f.add("builds", yesNo(in.Builds))
	if r := in.LastRefusal; r != nil {
		f.add("refused", fmt.Sprintf("%s, the last one %s: %s", count(in.Refusals, "request"), sinceAgo(unixSeconds(r.Time)), r.Reason))
	}
	f.add("reorgs", in.Reorgs)
	if in.DiskFree != nil {
		f.add("disk", freeWords(*in.DiskFree))
	}
	if in.Copied != "" {
		f.add("copied", in.Copied)
	}
	f.add("uptime", age(seconds(in.Uptime)))
	f.add("key", in.Key)
	f.add("peer ID", in.PeerID)
	f.add("websocket", in.WS)
	for i, addr := range in.Multiaddrs {
		label := ""
		if i == 0 {
			label = "addresses"
		}
		f.add(label, addr)
	}
	return f.writeTo(w)
}

// freeWords says how much is left on the node's disk, as a warning where it is
// little.
func freeWords(free uint64) styled {
	const mib, low = 1 << 20, 1 << 30
	if free < low {
		return styled{fmt.Sprintf("%d MiB are left: make room, the node ends when it cannot write", free/mib), yellow}
	}
	return styled{fmt.Sprintf("%d GiB are left", free>>30), plain}
}

// rulesOf says the rules of the node's network in words.
func rulesOf(in *api.Info) string {
	n := &in.Network
	rules := []string{fmt.Sprintf("%d bits of work a block", n.Bits), "anybody may build"}
	if len(n.Builders) > 0 {
		rules[1] = count(len(n.Builders), "builder")
	}
	if issuers := strings.Join(n.Issuers, ", "); issuers != zeroAccount {
		rules = append(rules, "issued by "+issuers)
	}
	if n.KeyedOnly {
		rules = append(rules, "keyed accounts only")
	}
	return strings.Join(rules, ", ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
