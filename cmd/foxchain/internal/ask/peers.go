package ask

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewPeersCmd returns the command peers.
func NewPeersCmd() *cobra.Command {
	var a Flags
	return a.asks(&cobra.Command{
		Use:   "peers [NAME]",
		Short: "List the other nodes that a node knows",
		Args:  term.NArgs(0, 1, "the beginning of a node's name, or nothing"),
		Long: `List the other nodes that a node knows, one a line, and below them why a node is
not connected. RTT is how long an answer takes, TIP the node's last block.`,
		Example: `  foxchain peers
  foxchain peers ann                     those whose names begin so
  foxchain peers --full                  all columns, whole addresses, the errors behind the reasons
  foxchain peers --json | jq 'select(.connected) | .name'`,
	}, func(ctx context.Context, w io.Writer, c *client.Client, args []string) error {
		var response struct {
			Nodes []jsontext.Value `json:"nodes"`
		}
		if err := c.Get(ctx, "peers", nil, &response); err != nil {
			return err
		}
		if len(args) > 0 && len(response.Nodes) > 0 {
			if response.Nodes = namedSo(response.Nodes, args[0]); len(response.Nodes) == 0 && !a.JSON {
				_, err := fmt.Fprintf(w, "No node's name begins with %s.\n", term.OneLine(args[0]))
				return err
			}
		}
		return printPeers(&a, w, response.Nodes)
	})
}

// namedSo returns the nodes whose names begin so.
func namedSo(nodes []jsontext.Value, name string) []jsontext.Value {
	return slices.DeleteFunc(nodes, func(raw jsontext.Value) bool {
		var n api.Peer
		return json.Unmarshal(raw, &n) != nil || !strings.HasPrefix(strings.ToLower(n.Name), strings.ToLower(name))
	})
}

// Cells of a name and of an address in a table, so that a line has 100 at most.
const (
	nameCells = 16
	addrCells = 27
)

func printPeers(a *Flags, w io.Writer, nodes []jsontext.Value) error {
	if len(nodes) == 0 && !a.JSON {
		_, err := fmt.Fprintf(w, "No other node is known. Nodes of one local network find each other. To find out why not: foxchain doctor%s. To add one from elsewhere: foxchain register ADDRESS%s\n", a.same, a.same)
		return err
	}
	header := []string{"NAME", "ID", "STATE", ">RTT", ">BLOCKS", "TIP", "ADDRESS"}
	if a.full {
		header = append(header, "DIR", ">POOL", ">PEERS", "BUILDS", ">SEEN")
	}
	t := term.NewTable(header...)
	var all []api.Peer
	err := printList(a, w, nodes, t, func(n *api.Peer) {
		all = append(all, *n)
		name, addr := n.Name, peerAddr(a, *n)
		if !a.full {
			name, addr = term.Fit(name, nameCells), term.Fit(addr, addrCells)
		}
		rtt, seen, blocks, pool, peers, builds, tip := "", "", "", "", "", "", term.Styled{Value: ""}
		if n.LatencyMS > 0 {
			rtt = fmt.Sprintf("%.1fms", n.LatencyMS)
		}
		if n.Seen > 0 {
			if n.Blocks > 0 { // else it is the network's ID
				tip = a.inkedHash(n.Tip)
			}
			seen = since(unixSeconds(n.Seen))
			blocks, pool, builds = fmt.Sprint(n.Blocks), fmt.Sprint(n.Pool), yesNo(n.Builds)
		}
		if n.Peers > 0 { // it has reported its peers
			peers = fmt.Sprint(n.Peers)
		}
		t.Add(name, peerID(a, n.ID), term.Styled{Value: stateWords(*n), Style: stateStyle(*n)}, rtt, blocks, tip, addr,
			n.Direction, pool, peers, builds, seen)
	})
	if err != nil || a.JSON {
		return err
	}
	return printReasons(a, w, all)
}

// printReasons prints, below a table of nodes, why each is in its state, and with
// --full the errors behind the reasons.
func printReasons(a *Flags, w io.Writer, nodes []api.Peer) error {
	gap := "\n"
	for _, n := range nodes {
		if n.Reason == "" {
			continue
		}
		text := fmt.Sprintf("%s%s: %s\n", gap, term.OneLine(nodeName(n)), term.OneLine(n.Reason))
		if a.full && n.Detail != "" {
			text += fmt.Sprintf("  %s\n", term.OneLine(n.Detail))
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		gap = ""
	}
	return nil
}

// stateWords returns a node's state, and of a missing one since when.
func stateWords(n api.Peer) string {
	if n.Missing > 0 {
		return n.State + " " + term.Age(time.Since(unixSeconds(n.Missing)))
	}
	return n.State
}

// stateStyle returns green for a node that is there, red for a refused or banned one.
func stateStyle(n api.Peer) term.Style {
	switch {
	case n.Here():
		return term.Green
	case n.State == "refused" || n.State == "cut off":
		return term.Red
	}
	return term.Yellow
}

// peerID returns the end of a peer ID, since all begin alike, or with --full all.
func peerID(a *Flags, id string) string {
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
func peerAddr(a *Flags, n api.Peer) string {
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
// a node that never proved an ID it returns the registered or the seen address.
func nodeName(n api.Peer) string {
	switch {
	case n.ID == "":
		return strings.Join(append(n.Registered, n.Addrs...), ", ")
	case n.Name == "":
		return shortPeerID(n.ID)
	}
	return fmt.Sprintf("%s (%s)", n.Name, shortPeerID(n.ID))
}
