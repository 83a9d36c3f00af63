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
	resumed bool   // the next pool event holds the whole pool, most of which was printed before

	told     map[string]string // what was printed last of each peer
	evidence map[string]bool   // the lines so far, since a new subscription brings all again
}

func strangeEvent(kind string, err error) error {
	return fmt.Errorf("the node's event %q is not as this program expects it (%w): %w", kind, client.ErrStrange, err)
}

func (p *eventPrinter) print(e api.Event) error {
	if p.JSON {
		return term.PrintJSON(p.w, e)
	}
	words := map[string]func(jsontext.Value) ([]string, error){
		"block": reads(p.block), "pool": reads(p.pool), "peers": reads(p.peersChanged), "status": reads(p.status),
		"final": reads(p.final), "evidence": reads(p.proof), "told": reads(p.way),
	}[e.Kind]
	if words == nil { // of a newer node
		return nil
	}
	lines, err := words(e.Data)
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

// reads returns a function that reads the data of an event for one that puts it into words.
func reads[T any](words func(*T) []string) func(jsontext.Value) ([]string, error) {
	return func(data jsontext.Value) ([]string, error) {
		v := new(T)
		if err := json.Unmarshal(data, v); err != nil {
			return nil, err
		}
		return words(v), nil
	}
}

func (p *eventPrinter) block(e *api.BlockEvent) []string {
	b := &e.Block
	builder := p.builder(b.Builder)
	line := fmt.Sprintf("%d %s, %s, by %s", b.Height, p.inked(b.Hash.String()), term.Count(int(b.Count), "transaction"), p.ink.Paint(builder.Style, builder.Value.(string)))
	if e.Change == "out" {
		line = fmt.Sprintf("%d %s %s: a better branch replaced it", b.Height, p.inked(b.Hash.String()), p.ink.Paint(term.Red, "left the chain"))
	}
	return []string{line}
}

func (p *eventPrinter) pool(e *api.PoolEvent) []string {
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
	return append(lines, fmt.Sprintf("%s, %d of them cannot be paid yet", term.Count(e.Size, "transaction"), e.Waiting))
}

func (p *eventPrinter) peersChanged(e *api.Peers) []string {
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
	return lines
}

func (p *eventPrinter) status(in *api.Info) []string {
	if in.Sync != nil {
		return []string{"sync: " + node.SyncWords(in.Blocks, in.Sync)}
	}
	final := ""
	if in.Final != nil && in.Final.Final != nil {
		final = fmt.Sprintf(", final up to block %d", in.Final.Height)
	}
	return []string{fmt.Sprintf("%s%s, tip %s, %s in the pool, %s", term.Count(in.Blocks, "block"), final,
		p.inked(in.Tip.String()), term.Count(in.Pool, "transaction"), term.Count(in.Peers, "peer"))}
}

func (p *eventPrinter) final(f *api.Final) []string {
	p.callBuilders(f, nil)
	return []string{fmt.Sprintf("%d %s and all below it are %s", f.Height, p.inked(f.Hash.String()), p.ink.Paint(term.Green, term.OneLine(f.Words())))}
}

func (p *eventPrinter) proof(e *api.Evidence) []string {
	if p.evidence == nil {
		p.evidence = make(map[string]bool)
	}
	e.Name = p.called(e.Builder, e.Name)
	line := p.ink.Paint(term.Red, term.OneLine(e.Words()))
	if p.evidence[line] {
		return nil
	}
	p.evidence[line] = true
	return []string{line}
}

// way prints the peers of which something new is known.
func (p *eventPrinter) way(e *api.Travel) (lines []string) {
	if p.told == nil {
		p.told = make(map[string]string)
	}
	for _, peer := range e.Peers {
		if words := peer.Words(e.Here); p.told[peer.ID] != words {
			p.told[peer.ID] = words
			lines = append(lines, term.OneLine(cmp.Or(peer.Name, shortPeerID(peer.ID))+": "+words))
		}
	}
	return lines
}

// inked returns a hash in its colour.
func (p *eventPrinter) inked(hash string) string {
	return p.ink.Paint(term.HashStyle(hash), p.hash(hash))
}

func kindStyles() map[string]term.Style {
	return map[string]term.Style{"block": "1;36", "pool": "33", "peers": "35", "status": "34", "final": "1;32", "evidence": "1;31", "told": "36"}
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
