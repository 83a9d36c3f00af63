package p2p

import (
	"errors"
	"io"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// startDiscovery announces h under a service name and tells found of others.
// It reads the machine's interfaces and h's addresses once, now.
func startDiscovery(h host.Host, service string, found mdns.Notifee) (io.Closer, error) {
	s := mdns.NewMdnsService(h, service, found)
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
