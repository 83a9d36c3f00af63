package p2p

import (
	"fmt"
	"time"
)

const (
	lonelyTime   = 30 * time.Second
	maxDiagnosis = 8 // lines
)

// Diagnosis returns, line by line and in words for people, why this node may be
// alone. It is empty while the node has peers, and in its first 30 s alone.
func (n *Node) Diagnosis() []string {
	since := n.table.aloneSince()
	if since.IsZero() || time.Since(since) < lonelyTime {
		return nil
	}
	lines := []string{fmt.Sprintf("no other node for %s", time.Since(since).Round(time.Second)), n.discovery.diagnose()}
	switch tries := n.gater.inbound.Load(); {
	case tries == 0:
		lines = append(lines, "nothing tried to connect: a firewall may block this node's port, or there is no other node")
	case len(n.gater.failedHandshakes()) > 0:
		lines = append(lines, fmt.Sprintf("%d connections came in, and failed their handshake: the private network's key (--psk) may differ", tries))
	default:
		lines = append(lines, fmt.Sprintf("%d connections came in, none from a node of this network", tries))
	}
	lines = append(lines, n.table.diagnose(time.Now())...)
	return lines[:min(len(lines), maxDiagnosis)]
}

// label names the node in a line for people.
func (e *knownPeer) label() string {
	id := e.id.String()
	if e.name == "" {
		return "node …" + id[max(0, len(id)-8):]
	}
	return fmt.Sprintf("node %q (…%s)", e.name, id[max(0, len(id)-8):])
}
