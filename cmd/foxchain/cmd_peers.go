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
	var a nodeFlags
	cmd := &cobra.Command{
		Use:     "peers",
		Short:   "List the other nodes that a node knows",
		GroupID: groupAsk,
		Args:    noArgs,
		Example: `  foxchain peers
  foxchain peers --full                  with whole addresses
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

func (a *nodeFlags) printPeers(w io.Writer, nodes []jsontext.Value) error {
	if len(nodes) == 0 && !a.json {
		_, err := fmt.Fprintln(w, "No other node is known. Nodes of one local network find each other. To add one from elsewhere: foxchain register ADDRESS")
		return err
	}
	t := a.table("NAME", "ID", "STATE", "DIR", ">RTT", ">BLOCKS", "TIP", ">POOL", ">PEERS", "BUILDS", ">SEEN", "ADDRESS")
	return printList(a, w, nodes, t, func(n *api.Peer) {
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
		if n.Peers > 0 { // it has reported its peers
			peers = fmt.Sprint(n.Peers)
		}
		t.Add(n.Name, a.peerID(n.ID), term.Styled{Value: stateWords(*n), Style: stateStyle(*n)}, n.Direction, rtt, blocks, tip, pool, peers, builds, term.Styled{Value: seen, Style: term.Dim}, a.peerAddr(*n))
	})
}

// stateStyle returns green for a connected node, red for a refused or banned one.
func stateStyle(n api.Peer) term.Style {
	switch {
	case n.Connected:
		return term.Green
	case n.State == "refused" || n.State == "cut off":
		return term.Red
	}
	return term.Yellow
}

// peerID returns the end of a peer ID, since all begin alike, or with --full all.
func (a *nodeFlags) peerID(id string) string {
	if a.full {
		return id
	}
	return shortPeerID(id)
}

func shortPeerID(id string) string {
	if len(id) <= 8 {
		return id
	}
	return "…" + id[len(id)-8:]
}

// peerAddr returns the address that people know a node by: the registered one, else
// its WebSocket, else the first known one.
func (a *nodeFlags) peerAddr(n api.Peer) string {
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

// nodeName returns a node's name with the end of its ID, since names may repeat. For
// a node that never answered it returns the registered address.
func nodeName(n api.Peer) string {
	if n.ID == "" && len(n.Registered) > 0 {
		return n.Registered[0]
	}
	if n.Name == "" {
		return shortPeerID(n.ID)
	}
	return fmt.Sprintf("%s (%s)", n.Name, shortPeerID(n.ID))
}
