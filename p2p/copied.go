package p2p

import "time"

const (
	// Gossip keeps the last status lines of an earlier run for some seconds. So
	// another run is believed only later than earlierRun after the start.
	earlierRun = 20 * time.Second
	// copiedMemory is how long another run is shown after its last line: two nodes
	// with one peer ID take turns in being connected.
	copiedMemory = 5 * time.Minute
)

// noteOtherRun takes note of a status line that this node's key signed in another
// run. It is shown, and nothing else follows from it: fork choice settles the
// blocks of both.
func (n *Node) noteOtherRun(now time.Time) {
	if now.Sub(n.started) < earlierRun {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := n.copyText(now) == ""
	n.otherRun = now
	if fresh {
		n.log.Error("this node's key is in use twice", "reason", n.copyText(now))
		n.notify()
	}
}

// Copied reports, in words for people, that another node runs with this node's
// key, and what to do. It returns "" when no such node is known.
func (n *Node) Copied() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.copyText(time.Now())
}

func (n *Node) copyText(now time.Time) string {
	if n.otherRun.IsZero() || now.Sub(n.otherRun) > copiedMemory {
		return ""
	}
	return "another node runs with this node's key: the data directory, or the whole machine, was copied. " +
		"Stop one of the two, remove node.key from its data directory, and start it again"
}
