package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"foxchain/rpc"
)

// A wall is what top shows: the network as one node tells of it.
type wall struct {
	url   string
	info  *rpc.Info     // nil: not told yet
	peers *rpc.Peers    // nil: not told yet
	skew  time.Duration // this machine's clock minus the node's
	lost  string        // why there is no connection now; empty: there is one
}

// A wallRow is one node.
type wallRow struct {
	name   string
	own    bool // the asked node
	known  bool // a status of it was heard: the figures count
	state  styled
	blocks uint64
	tip    string
	pool   int
	peers  int
	builds bool
	rtt    float64 // milliseconds; 0: not measured
	seen   time.Time
	best   uint64 // blocks of the longest chain that a node shows
}

// setInfo takes what the node said of itself just now.
func (w *wall) setInfo(in *rpc.Info, now time.Time) {
	w.info, w.skew = in, now.Sub(unixSeconds(in.Time))
}

// staleAfter is how old the last status of a node may be before it is shown as
// old: nodes tell theirs every few seconds.
const staleAfter = 30 * time.Second

// rows are the nodes: the asked one first, then by name.
func (w *wall) rows(now time.Time) []wallRow {
	var rows []wallRow
	if w.info != nil {
		rows = append(rows, wallRow{name: w.info.Name, own: true, known: true, state: styled{"this node", green},
			blocks: w.info.Blocks, tip: w.info.Tip.String(), pool: w.info.Pool, peers: w.info.Peers, builds: w.info.Builds, seen: now})
	}
	if w.peers != nil {
		for _, n := range w.peers.Nodes {
			if n.State == "itself" {
				continue
			}
			rows = append(rows, wallRow{name: wallName(n), known: n.Seen > 0, state: styled{n.State, stateStyle(n)},
				blocks: n.Blocks, tip: n.Tip, pool: n.Pool, peers: n.Peers, builds: n.Builds, rtt: n.LatencyMS,
				seen: unixSeconds(n.Seen).Add(w.skew)})
		}
	}
	best := uint64(0)
	for _, r := range rows {
		if r.known && now.Sub(r.seen) < staleAfter {
			best = max(best, r.blocks)
		}
	}
	for i := range rows {
		rows[i].best = best
	}
	if len(rows) > 1 {
		others := rows[1:]
		if w.info == nil {
			others = rows
		}
		slices.SortStableFunc(others, func(a, b wallRow) int { return cmp.Compare(a.name, b.name) })
	}
	return rows
}

// wallName is nodeName, of which a long one takes no column off the screen.
func wallName(n rpc.Node) string {
	n.Name = fit(n.Name, 16)
	return fit(nodeName(n), 28)
}

// table makes the rows of the wall: the columns of people, and "-" for what was
// not heard.
func (w *wall) table(now time.Time, k ink) *table {
	t := newTable("NODE", "STATE", ">BLOCKS", "TIP", ">LAG", ">POOL", ">PEERS", ">SEEN", "BUILDS", ">RTT")
	t.ink = k
	rows := w.rows(now)
	var tips []string
	for _, r := range rows {
		if r.known {
			tips = append(tips, r.tip)
		}
	}
	styles := tipStyles(tips)
	for _, r := range rows {
		name := styled{r.name, plain}
		if r.own {
			name = styled{r.name, bold}
		}
		if !r.known {
			t.add(name, r.state, "-", "-", "-", "-", "-", "-", "-", "-")
			continue
		}
		lag, seen := styled{0, dim}, styled{since(r.seen), dim}
		if r.best > r.blocks {
			lag = styled{r.best - r.blocks, yellow}
		}
		if now.Sub(r.seen) >= staleAfter {
			seen.style = red
		}
		peers := styled{r.peers, plain}
		if r.peers == 0 && !r.own { // it has not said yet whom it is connected to
			peers = styled{"-", dim}
		}
		rtt := styled{"-", dim}
		if r.rtt > 0 {
			rtt = styled{fmt.Sprintf("%.1fms", r.rtt), plain}
		}
		t.add(name, r.state, r.blocks, styled{shortHash(r.tip), styles[r.tip]}, lag, r.pool, peers, seen, yesNo(r.builds), rtt)
	}
	return t
}

// header is how the asked node is doing, in at most five lines.
func (w *wall) header(now time.Time, k ink) []string {
	if w.info == nil {
		line := "asking " + w.url
		if w.lost != "" {
			line = w.lost
		}
		return []string{k.paint(yellow, oneLine(line))}
	}
	in := w.info
	tip := "no block yet"
	if in.Blocks > 0 {
		tip = fmt.Sprintf("tip %s for %s", k.paint(hashStyle(in.Tip.String()), in.Tip.Short()), age(now.Add(-w.skew).Sub(unixSeconds(in.TipSince))))
	}
	lines := []string{
		fmt.Sprintf("%s on %s (%s), foxchain %s, up %s, %s", k.paint(bold, oneLine(in.Name)), oneLine(in.Network.Name),
			in.Network.ID.Short(), oneLine(in.Version), age(now.Add(-w.skew).Sub(unixSeconds(in.Started))), oneLine(w.url)),
		fmt.Sprintf("%s, %s, %s", count(in.Blocks, "block"), tip, count(in.Reorgs, "reorg")),
		fmt.Sprintf("%s in the pool, %d of them waiting; connected to %s of %d known", count(in.Pool, "transaction"), in.Waiting,
			count(in.Peers, "node"), in.Nodes),
	}
	if in.Sync != nil {
		lines = append(lines, k.paint(yellow, "sync: "+syncWords(in.Blocks, in.Sync)))
	}
	if w.lost != "" {
		lines = append(lines, k.paint(red, oneLine(w.lost)))
	}
	return lines
}

// text is the whole wall: of rows, as many as fit height lines (0: all).
func (w *wall) text(now time.Time, k ink, height int) string {
	t := w.table(now, k)
	head := w.header(now, k)
	left := 0
	if room := height - len(head) - 3; height > 0 && len(t.rows) > max(room, 0) { // a blank, the columns, the last line
		left = len(t.rows) - max(room, 0)
		t.rows = t.rows[:max(room, 0)]
	}
	var b strings.Builder
	b.WriteString(strings.Join(head, "\n") + "\n\n")
	if w.info != nil {
		_ = t.writeTo(&b) // a Builder takes all
	}
	switch {
	case left > 0:
		b.WriteString(k.paint(dim, fmt.Sprintf("and %s more", count(left, "node"))) + "\n")
	case w.peers != nil && len(t.rows) == 1:
		b.WriteString(k.paint(dim, "No other node is known: foxchain node on another machine, or foxchain register ADDRESS") + "\n")
	}
	return b.String()
}
