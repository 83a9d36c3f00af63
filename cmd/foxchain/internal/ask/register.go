package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// registerWait is how long register waits for connections.
const registerWait = 5 * time.Second

// NewRegisterCmd returns the command register.
func NewRegisterCmd() *cobra.Command {
	var a Flags
	return a.asks(&cobra.Command{
		Use:   "register ADDRESS…",
		Short: "Give a node the addresses of others",
		Args:  term.NArgs(1, 256, "1 to 256 addresses: ws:// URLs or multiaddrs"),
		Long: `Give a node the addresses of others: the URLs of their WebSockets, or multiaddrs
as nodes print them when they start. The node keeps the addresses and connects to
them from then on. This command waits some seconds for the connections.

A WebSocket on another machine needs that node's token, as ?token=… in the URL.
A multiaddr needs none.`,
		Example: `  foxchain register /ip4/192.168.1.7/tcp/19000/p2p/12D3KooW…
  foxchain register --node 9000 ws://localhost:9001/ws ws://localhost:9002/ws`,
	}, func(ctx context.Context, w io.Writer, c *client.Client, args []string) error {
		found, err := register(ctx, c, args)
		if err != nil {
			return err
		}
		return printRegistered(&a, w, args, found)
	})
}

// register registers addrs and waits until all of them are connected, at most
// registerWait. It returns the last known state of each.
func register(ctx context.Context, c *client.Client, addrs []string) (map[string]api.Peer, error) {
	events, err := c.Subscribe(ctx, api.Subscription{Events: []string{"peers"}})
	if err != nil {
		return nil, err
	}
	if err := c.Register(ctx, addrs...); err != nil {
		return nil, err
	}
	patient, cancel := context.WithTimeout(ctx, registerWait)
	defer cancel()
	found := make(map[string]api.Peer)
	for connected := false; !connected; {
		e, err := c.Next(patient, events)
		if patient.Err() != nil {
			return found, ctx.Err()
		}
		var peers api.Peers
		if err == nil {
			err = json.Unmarshal(e.Data, &peers)
		}
		if err != nil {
			return nil, err
		}
		connected = findRegistered(found, addrs, peers.Nodes)
	}
	return found, nil
}

// findRegistered notes the node of each address and reports whether all are
// connected.
func findRegistered(found map[string]api.Peer, addrs []string, nodes []api.Peer) bool {
	all := true
	for _, addr := range addrs {
		i := slices.IndexFunc(nodes, func(n api.Peer) bool { return slices.Contains(n.Registered, addr) })
		if i >= 0 {
			found[addr] = nodes[i]
		}
		all = all && found[addr].Connected
	}
	return all
}

func printRegistered(a *Flags, w io.Writer, addrs []string, found map[string]api.Peer) error {
	t := term.NewTable("ADDRESS", "NODE", "STATE")
	var nodes []api.Peer
	for _, addr := range addrs {
		n, known := found[addr]
		state := "registered"
		if known {
			state = stateWords(n)
		}
		if a.JSON {
			if n.Reason != "" {
				state += ": " + n.Reason
			}
			if err := term.PrintJSON(w, map[string]any{"addr": addr, "id": n.ID, "name": n.Name, "connected": n.Connected, "state": state}); err != nil {
				return err
			}
			continue
		}
		nodes = append(nodes, n)
		t.Add(addr, n.Name, term.Styled{Value: state, Style: stateStyle(n)})
	}
	if a.JSON {
		return nil
	}
	if err := errors.Join(t.Print(w), printReasons(a, w, nodes)); err != nil {
		return err
	}
	if slices.ContainsFunc(addrs, func(addr string) bool { return !found[addr].Connected }) {
		_, err := fmt.Fprintf(w, "The node keeps trying. To list the peers: foxchain peers%s\n", a.same)
		return err
	}
	return nil
}
