package main

import (
	"context"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

func newPeersCmd() *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:     "peers",
		Short:   "List the nodes that this one is connected to or knows of",
		GroupID: groupAsk,
		Args:    noArgs,
		Example: `  foxchain peers
  foxchain peers --full                  with addresses whole
  foxchain peers --json | jq 'select(.connected) | .name'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNode(cmd, func(ctx context.Context, c *client.Client) error {
				var response struct {
					Peers []string         `json:"peers"`
					Nodes []jsontext.Value `json:"nodes"`
				}
				if err := question(ctx, c, "peers", nil, &response); err != nil {
					return err
				}
				return a.printPeers(cmd.OutOrStdout(), response.Nodes)
			})
		},
	}
	a.addFlags(cmd.Flags())
	return cmd
}

func (a *ask) printPeers(w io.Writer, nodes []jsontext.Value) error {
	if a.json {
		return printJSONs(w, nodes)
	}
	if len(nodes) == 0 {
		_, err := fmt.Fprintln(w, "No other node is known. Nodes on the same network find each other; from elsewhere: foxchain register ADDRESS")
		return err
	}
	t := a.table("NAME", "ID", "STATE", "DIR", ">RTT", ">BLOCKS", "TIP", ">POOL", ">PEERS", "BUILDS", ">SEEN", "ADDRESS")
	if err := each(nodes, func(n api.Peer) error {
		tip := term.Styled{Value: "", Style: term.Plain}
		rtt, seen, blocks, pool, peers, builds := "", "", "", "", "", ""
		if n.LatencyMS > 0 {
			rtt = fmt.Sprintf("%.1fms", n.LatencyMS)
		}
		if n.Seen > 0 {
			tip = a.inkedHash(n.Tip)
			seen = since(unixSeconds(n.Seen))
			blocks, pool, builds = fmt.Sprint(n.Blocks), fmt.Sprint(n.Pool), yesNo(n.Builds)
		}
		if n.Peers > 0 { // its peers are known
			peers = fmt.Sprint(n.Peers)
		}
		t.Add(n.Name, a.peerID(n.ID), term.Styled{Value: stateWords(n), Style: stateStyle(n)}, n.Direction, rtt, blocks, tip, pool, peers, builds, term.Styled{Value: seen, Style: term.Dim}, a.peerAddr(n))
		return nil
	}); err != nil {
		return err
	}
	return t.Print(w)
}

// stateStyle is green for a node that is there, red for one that is kept away.
func stateStyle(n api.Peer) term.Style {
	switch {
	case n.Connected:
		return term.Green
	case n.State == "refused" || n.State == "cut off":
		return term.Red
	}
	return term.Yellow
}

// peerID shows the end of a peer ID: they all begin alike.
func (a *ask) peerID(id string) string {
	if a.full || len(id) <= 8 {
		return id
	}
	return "…" + id[len(id)-8:]
}

// peerAddr is the address that people know a node by: the one they registered,
// else its WebSocket, else where it was met.
func (a *ask) peerAddr(n api.Peer) string {
	addr := ""
	switch {
	case len(n.Registered) > 0:
		addr = n.Registered[0]
	case n.WS != "":
		addr = n.WS
	case len(n.Addrs) > 0:
		addr = n.Addrs[0]
	}
	if i := len(addr) - len(n.ID); !a.full && n.ID != "" && i > 0 && addr[i:] == n.ID {
		addr = addr[:max(0, i-len("/p2p/"))]
	}
	return addr
}

// nodeName is a node's name with the end of its ID: names may repeat. A node that
// never answered has only the address that was registered for it.
func nodeName(n api.Peer) string {
	if n.ID == "" && len(n.Registered) > 0 {
		return n.Registered[0]
	}
	short := n.ID
	if len(short) > 8 {
		short = short[len(short)-8:]
	}
	if n.Name == "" {
		return "…" + short
	}
	return fmt.Sprintf("%s (…%s)", n.Name, short)
}
