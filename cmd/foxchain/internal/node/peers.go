package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"foxchain/p2p"
	"foxchain/rpc/client"
)

// ResolveWS returns the multiaddrs of the node at a WebSocket's URL, so that a registered
// ws URL can be dialed. The loopback addresses of a node on another machine are left out,
// since here they would name this machine.
func ResolveWS(ctx context.Context, wsURL string) ([]string, error) {
	c, err := client.Dial(ctx, wsURL, "")
	switch {
	case errors.Is(err, client.ErrRefused):
		return nil, fmt.Errorf("%w: %w", p2p.ErrWantsToken, err)
	case errors.Is(err, client.ErrNoNode):
		return nil, fmt.Errorf("%w: %w", p2p.ErrNoNode, err)
	case err != nil:
		return nil, err
	}
	defer c.Close()
	in, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	addrs := reachable(in.Multiaddrs, isLoopbackURL(wsURL))
	if len(addrs) == 0 {
		return nil, errors.New("it has no address for other nodes that can be reached from here")
	}
	return addrs, nil
}

func reachable(addrs []string, sameMachine bool) []string {
	var list []string
	for _, text := range addrs {
		addr, err := multiaddr.NewMultiaddr(text)
		if err == nil && (sameMachine || !manet.IsIPLoopback(addr)) {
			list = append(list, text)
		}
	}
	return list
}

func isLoopbackURL(wsURL string) bool {
	u, err := url.Parse(wsURL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || ip != nil && ip.IsLoopback()
}
