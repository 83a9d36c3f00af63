package ask

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewInfoCmd returns the command info.
func NewInfoCmd() *cobra.Command {
	var a Flags
	return a.asks(&cobra.Command{
		Use:        "info",
		SuggestFor: []string{"status"},
		Short:      "Show a node: its network, chain, pool and addresses",
		Args:       term.NoArgs,
		Example: `  foxchain info
  foxchain info --node 9001
  foxchain info -r 9000.db --json | jq .blocks`,
	}, func(ctx context.Context, w io.Writer, c *client.Client, _ []string) error {
		return show(ctx, &a, w, c, "info", nil, printInfo)
	})
}

func printInfo(a *Flags, w io.Writer, in *api.Info) error {
	f := term.NewFacts()
	f.Add("name", in.Name)
	f.Add("version", in.Version)
	f.Add("network", fmt.Sprintf("%s (%s)", in.Network.Name, in.Network.ID))
	f.Add("rules", rulesOf(in))
	if in.Network.Caution != "" {
		f.Add("caution", term.Styled{Value: in.Network.Caution, Style: term.Yellow})
	}
	tip := term.Styled{Value: "none yet", Style: term.Plain}
	if in.Blocks > 0 {
		tip = term.Styled{Value: fmt.Sprintf("%s, %s", in.Tip, term.Ago(Seconds(in.Time-in.TipSince))), Style: term.HashStyle(in.Tip.String())}
	}
	f.Add("blocks", in.Blocks)
	if in.Sync != nil {
		f.Add("sync", term.Styled{Value: node.SyncWords(in.Blocks, in.Sync), Style: term.Yellow})
	}
	f.Add("tip", tip)
	if v := in.Voting; v != nil {
		style := term.Plain
		if len(in.Voting.Away) > len(v.Builders)-v.Need || v.Mute || v.KeyTwice || len(v.Evidence) > 0 {
			style = term.Yellow
		}
		var last *api.Final
		if in.Final != nil {
			last = in.Final.Final
		}
		a.callBuilders(last, v.Members)
		f.Add("final", term.Styled{Value: term.OneLine(v.Words(last, in.Blocks)), Style: style})
	}
	f.Add("pool", fmt.Sprintf("%s, %d of them cannot be paid yet", term.Count(in.Pool, "transaction"), in.Waiting))
	f.Add("peers", fmt.Sprintf("%d connected of %d known", in.Peers, in.Nodes))
	if in.Missing != nil {
		f.Add("missing", term.Styled{Value: in.Missing.Words(float64(in.Time)), Style: term.Yellow})
	}
	f.Add("builds", yesNo(in.Builds))
	if r := in.LastRefusal; r != nil {
		f.Add("refused", fmt.Sprintf("%s, the last %s: %s", term.Count(in.Refusals, "request"), sinceAgo(unixSeconds(r.Time)), r.Reason))
	}
	f.Add("reorgs", in.Reorgs)
	if in.DiskFree != nil {
		f.Add("disk", freeWords(*in.DiskFree))
	}
	if in.Copied != "" {
		f.Add("copied", in.Copied)
	}
	f.Add("uptime", term.Age(Seconds(in.Uptime)))
	f.Add("key", in.Key)
	f.Add("peer ID", in.PeerID)
	f.Add("websocket", in.WS)
	for i, addr := range in.Multiaddrs {
		label := ""
		if i == 0 {
			label = "addresses"
		}
		f.Add(label, addr)
	}
	return f.Print(w)
}

// freeWords returns the space left on the node's disk, as a warning if it is little.
func freeWords(free uint64) term.Styled {
	const mib, low = 1 << 20, 1 << 30
	if free < low {
		return term.Styled{Value: fmt.Sprintf("%d MiB free: make room, the node stops when it cannot write", free/mib), Style: term.Yellow}
	}
	return term.Styled{Value: fmt.Sprintf("%d GiB free", free>>30), Style: term.Plain}
}

// rulesOf returns the rules of the node's network in words.
func rulesOf(in *api.Info) string {
	n := &in.Network
	rules := []string{fmt.Sprintf("%d bits of work a block", n.Bits), "anyone may build"}
	if len(n.Builders) > 0 {
		rules[1] = term.Count(len(n.Builders), "builder")
	}
	if issuers := strings.Join(n.Issuers, ", "); issuers != term.ZeroAccount {
		rules = append(rules, "issued by "+issuers)
	}
	if n.KeyedOnly {
		rules = append(rules, "keyed accounts only")
	}
	if n.NoSelfPay {
		rules = append(rules, "no account pays itself")
	}
	if n.CreditDefault > 0 {
		rules = append(rules, fmt.Sprintf("every account may owe %d", n.CreditDefault))
	}
	if len(n.Credit) > 0 {
		rules = append(rules, CreditCount(len(n.Credit)))
	}
	if n.MaxUnfinal > 0 {
		rules = append(rules, fmt.Sprintf("at most %d blocks that are not final", n.MaxUnfinal))
	}
	return strings.Join(rules, ", ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// CreditCount returns how many accounts may owe something.
func CreditCount(n int) string {
	if n == 0 {
		return "none: nobody may owe anything"
	}
	return term.Count(n, "account") + " may owe something"
}
