package main_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestAcceptedIsDurable kills a node in the middle of its work, again and
// again: whatever it answered with 202 is there afterwards, once.
func TestAcceptedIsDurable(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "7", "-t", "10ms")
		sent := 0
		var accepted []string
		for range 4 {
			accepted = append(accepted, killWhileSending(n, &sent)...)
			n = n.again()
			slices.Sort(accepted)
			c := n.connect()
			// The builder goes on at once, between one question and the next:
			// what is really lost stays away.
			eventually(t, 5*time.Second, "all that was accepted is there once", func() error { return hasOnce(c, accepted) })
		}
		t.Logf("%d accepted in 4 lives", len(accepted))
	})
}

// killWhileSending submits transactions one after the other, kills the node
// after half a second, and returns the IDs of those that it accepted.
func killWhileSending(n *node, sent *int) []string {
	c := n.connect()
	time.AfterFunc(500*time.Millisecond, func() { n.cmd.Process.Kill() })
	var accepted []string
	for {
		*sent++
		message := fmt.Sprintf(`{"op":"merge","args":{"pool":[%s]}}`, issue(*sent, 1))
		if err := c.ws.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			break
		}
		_, text, err := c.ws.ReadMessage()
		if err != nil {
			break
		}
		sameJSON(n.t, message, string(text), `{"status":202,"error":"Accepted"}`)
		accepted = append(accepted, numbered(*sent))
	}
	<-n.ended
	return accepted
}

// hasOnce returns nil when chain and pool hold all of the sorted ids, and nothing
// twice.
func hasOnce(c *client, want []string) error {
	all := append(chained(c.blocks()), ids(c.pool())...)
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) {
		return fmt.Errorf("something is there twice: %v", all)
	}
	for _, id := range want {
		if _, found := slices.BinarySearch(all, id); !found {
			return fmt.Errorf("of %d accepted, %s is gone; %d are there", len(want), id, len(all))
		}
	}
	return nil
}
