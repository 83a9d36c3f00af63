package ask

import (
	"cmp"
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

// An eventPrinter prints events, as lines for people or as JSON.
type eventPrinter struct {
	*Flags
	w     io.Writer
	peers map[string]bool // connected at the last event; nil before the first

	arrival uint64 // of the newest printed transaction, plus one
	resumed bool   // the next pool event holds the whole pool again

	told     map[string]string // what was printed last of each peer
	evidence map[string]bool   // what was printed, since a new subscription brings all again
}

// resume announces a new subscription. Its first pool event holds the whole pool,
// most of which was printed before.
func (p *eventPrinter) resume() { p.resumed = true }

func strangeEvent(kind string, err error) error {
	return fmt.Errorf("the node's event %q is not as this program expects it (%w): %w", kind, client.ErrStrange, err)
}

func (p *eventPrinter) print(e api.Event) error {
	if p.JSON {
		return term.PrintJSON(p.w, e)
	}
	var lines []string
	var err error
	switch e.Kind {
	case "block":
		lines, err = p.block(e.Data)
	case "pool":
		lines, err = p.pool(e.Data)
	case "peers":
		lines, err = p.peersChanged(e.Data)
	case "status":
		lines, err = p.status(e.Data)
	case "final":
		lines, err = p.final(e.Data)
	case "evidence":
		lines, err = p.proof(e.Data)
	case "told":
		lines, err = p.way(e.Data)
	}
	if err != nil {
		return strangeEvent(e.Kind, err)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(p.w, "%s %s %s\n", p.ink.Paint(term.Dim, time.Now().Format(time.TimeOnly)), p.ink.Paint(kindStyles()[e.Kind], fmt.Sprintf("%-6s", e.Kind)), line); err != nil {
			return err
		}
	}
	return nil
}

func (p *eventPrinter) block(data jsontext.Value) ([]string, error) {
	var e api.BlockEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	b := &e.Block
	builder := p.builder(b.Builder)
	line := fmt.Sprintf("%d %s, %s, by %s", b.Height, p.inked(b.Hash.String()), term.Count(int(b.Count), "transaction"), p.ink.Paint(builder.Style, builder.Value.(string)))
	if e.Change == "out" {
		line = fmt.Sprintf("%d %s %s: a better branch replaced it", b.Height, p.inked(b.Hash.String()), p.ink.Paint(term.Red, "left the chain"))
	}
	return []string{line}, nil
}

func (p *eventPrinter) pool(data jsontext.Value) ([]string, error) {
	var e api.PoolEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	var lines []string
	printed := p.arrival
	if !p.resumed {
		printed = 0
	}
	p.resumed = false
	for _, a := range e.Added {
		if a.Arrival < printed {
			continue
		}
		p.arrival = a.Arrival + 1
		line := fmt.Sprintf("%s: %d from %s to %s", a.Tx.ID, a.Tx.Amount, p.account(a.Tx.Sender), p.account(a.Tx.Receiver))
		if a.Waiting != nil {
			line += ", " + p.ink.Paint(term.Yellow, "waits: "+term.OneLine(*a.Waiting))
		}
		lines = append(lines, line)
	}
	return append(lines, fmt.Sprintf("%s, %d of them cannot be paid yet", term.Count(e.Size, "transaction"), e.Waiting)), nil
}

func (p *eventPrinter) peersChanged(data jsontext.Value) ([]string, error) {
	var e api.Peers
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	if p.in != nil {
		p.builders = e.Called(p.in.Key.String(), p.in.Name)
	}
	now := make(map[string]bool)
	for _, n := range e.Nodes {
		if n.Connected {
			now[nodeName(n)] = true
		}
	}
	var lines []string
	if p.peers == nil {
		lines = append(lines, term.Count(len(now), "node")+" connected")
	}
	for _, name := range sortedKeys(now) {
		if !p.peers[name] {
			lines = append(lines, p.ink.Paint(term.Green, "connected: "+term.OneLine(name)))
		}
	}
	for _, name := range sortedKeys(p.peers) {
		if !now[name] {
			lines = append(lines, p.ink.Paint(term.Red, "gone: "+term.OneLine(name)))
		}
	}
	p.peers = now
	return lines, nil
}

func (p *eventPrinter) status(data jsontext.Value) ([]string, error) {
	var in api.Info
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	if in.Sync != nil {
		return []string{"sync: " + node.SyncWords(in.Blocks, in.Sync)}, nil
	}
	final := ""
	if in.Final != nil && in.Final.Final != nil {
		final = fmt.Sprintf(", final up to block %d", in.Final.Height)
	}
	return []string{fmt.Sprintf("%s%s, tip %s, %s in the pool, %s", term.Count(in.Blocks, "block"), final,
		p.inked(in.Tip.String()), term.Count(in.Pool, "transaction"), term.Count(in.Peers, "peer"))}, nil
}

func (p *eventPrinter) final(data jsontext.Value) ([]string, error) {
	var f api.Final
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	p.callBuilders(&f, nil)
	return []string{fmt.Sprintf("%d %s and all below it are %s", f.Height, p.inked(f.Hash.String()), p.ink.Paint(term.Green, term.OneLine(f.Words())))}, nil
}

func (p *eventPrinter) proof(data jsontext.Value) ([]string, error) {
	var e api.Evidence
	if err := json.Unmarshal(data, &e); err != nil || p.evidence[string(data)] {
		return nil, err
	}
	if p.evidence == nil {
		p.evidence = make(map[string]bool)
	}
	p.evidence[string(data)] = true
	e.Name = p.called(e.Builder, e.Name)
	return []string{p.ink.Paint(term.Red, term.OneLine(e.Words()))}, nil
}

// way prints the peers of which something new is known.
func (p *eventPrinter) way(data jsontext.Value) (lines []string, err error) {
	var e api.Travel
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	if p.told == nil {
		p.told = make(map[string]string)
	}
	for _, peer := range e.Peers {
		if words := peer.Words(e.Here); p.told[peer.ID] != words {
			p.told[peer.ID] = words
			lines = append(lines, term.OneLine(cmp.Or(peer.Name, shortPeerID(peer.ID))+": "+words))
		}
	}
	return lines, nil
}

// inked returns a hash in its colour.
func (p *eventPrinter) inked(hash string) string {
	return p.ink.Paint(term.HashStyle(hash), p.hash(hash))
}

func kindStyles() map[string]term.Style {
	return map[string]term.Style{"block": "1;36", "pool": "33", "peers": "35", "status": "34", "final": "1;32", "evidence": "1;31", "told": "36"}
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
