package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// An eventPrinter prints events.
type eventPrinter struct {
	*ask
	w     io.Writer
	peers map[string]bool // connected at the last event; nil: there was none

	arrival uint64 // of the newest transaction printed, and one more
	resumed bool   // the next pool event has the whole pool once more
}

// again notes that a new subscription follows: its first pool event has the
// whole pool, of which most was printed.
func (t *eventPrinter) again() { t.resumed = true }

func strangeEvent(kind string, err error) error {
	return fmt.Errorf("the node's event %q is not what this program expects (%w): %w", kind, client.ErrStrange, err)
}

func (t *eventPrinter) print(e api.Event) error {
	if t.json {
		raw, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return printJSON(t.w, jsontext.Value(raw))
	}
	var lines []string
	var err error
	switch e.Kind {
	case "block":
		lines, err = t.block(e.Data)
	case "pool":
		lines, err = t.pool(e.Data)
	case "peers":
		lines, err = t.peersChanged(e.Data)
	case "status":
		lines, err = t.status(e.Data)
	}
	if err != nil {
		return strangeEvent(e.Kind, err)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(t.w, "%s %s %s\n", t.ink.Paint(term.Dim, time.Now().Format(time.TimeOnly)), t.ink.Paint(kindStyles()[e.Kind], fmt.Sprintf("%-6s", e.Kind)), line); err != nil {
			return err
		}
	}
	return nil
}

func (t *eventPrinter) block(data jsontext.Value) ([]string, error) {
	var e api.BlockEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	b := &e.Block
	line := fmt.Sprintf("%d %s, %s, by %s", b.Height, t.inked(b.Hash.String()), term.Count(b.Count, "transaction"), t.inked(b.Builder.String()))
	if e.Change == "out" {
		line = fmt.Sprintf("%d %s %s: a better branch replaced it", b.Height, t.inked(b.Hash.String()), t.ink.Paint(term.Red, "left the chain"))
	}
	return []string{line}, nil
}

func (t *eventPrinter) pool(data jsontext.Value) ([]string, error) {
	var e api.PoolEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	var lines []string
	printed := t.arrival
	if !t.resumed {
		printed = 0
	}
	t.resumed = false
	for _, a := range e.Added {
		if a.Arrival < printed {
			continue
		}
		t.arrival = a.Arrival + 1
		line := fmt.Sprintf("%s: %d from %s to %s", a.Tx.ID, a.Tx.Amount, t.account(a.Tx.Sender), t.account(a.Tx.Receiver))
		if a.Waiting != nil {
			line += ", " + t.ink.Paint(term.Yellow, "waits: "+term.OneLine(*a.Waiting))
		}
		lines = append(lines, line)
	}
	return append(lines, fmt.Sprintf("%s, %d of them cannot be paid yet", term.Count(e.Size, "transaction"), e.Waiting)), nil
}

func (t *eventPrinter) peersChanged(data jsontext.Value) ([]string, error) {
	var e api.Peers
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	now := make(map[string]bool)
	for _, n := range e.Nodes {
		if n.Connected {
			now[nodeName(n)] = true
		}
	}
	var lines []string
	if t.peers == nil {
		lines = append(lines, term.Count(len(now), "node")+" connected")
	}
	for _, name := range sortedKeys(now) {
		if !t.peers[name] {
			lines = append(lines, t.ink.Paint(term.Green, "connected: "+term.OneLine(name)))
		}
	}
	for _, name := range sortedKeys(t.peers) {
		if !now[name] {
			lines = append(lines, t.ink.Paint(term.Red, "gone: "+term.OneLine(name)))
		}
	}
	t.peers = now
	return lines, nil
}

func (t *eventPrinter) status(data jsontext.Value) ([]string, error) {
	var in api.Info
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	if in.Sync != nil {
		return []string{"sync: " + node.SyncWords(in.Blocks, in.Sync)}, nil
	}
	return []string{fmt.Sprintf("%s, tip %s, %s in the pool, %s", term.Count(in.Blocks, "block"),
		t.inked(in.Tip.String()), term.Count(in.Pool, "transaction"), term.Count(in.Peers, "peer"))}, nil
}

// inked is a hash in its colour.
func (t *eventPrinter) inked(hash string) string {
	return t.ink.Paint(term.HashStyle(hash), t.hash(hash))
}

func kindStyles() map[string]term.Style {
	return map[string]term.Style{"block": "1;36", "pool": "33", "peers": "35", "status": "34"}
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
