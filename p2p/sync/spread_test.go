package sync

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// modelFactor is how far the model may be from the simulation, either way. A node has two
// to five links in the mesh, drawn anew in each run. 16 runs gave ratios of 0.62 to 1.07.
const modelFactor = 2

// TestSpreadModel checks that the model and real nodes give the same times and bytes,
// over several hops. So the model's figures count for networks that are too large for
// real nodes.
func TestSpreadModel(t *testing.T) {
	if testing.Short() {
		t.Skip("50 nodes twice")
	}
	const nodes, peers = 50, 6
	for _, c := range []spreadCase{
		{wire: lanWire, nodes: nodes, peers: peers, txs: 1000, seed: 1},
		{wire: wanWire, nodes: nodes, peers: peers, txs: 1000, lacks: 10, seed: 2},
	} {
		t.Run(c.wire.name, func(t *testing.T) { compareModel(t, c) })
	}
}

// compareModel plays a case both ways, and fails when they differ too much.
func compareModel(t *testing.T, c spreadCase) (tx, block spread) {
	t.Helper()
	tx, block = simulated(t, c)
	modelTx, modelBlock := modelled(t, c)
	for _, pair := range []struct {
		what        string
		real, model spread
	}{{"transaction", tx, modelTx}, {"block", block, modelBlock}} {
		for _, figure := range []struct {
			what        string
			real, model float64
		}{
			{"seconds to 50 %", pair.real.after(0.5).Seconds(), pair.model.after(0.5).Seconds()},
			{"seconds to 95 %", pair.real.after(0.95).Seconds(), pair.model.after(0.95).Seconds()},
			{"seconds to all", pair.real.after(1).Seconds(), pair.model.after(1).Seconds()},
			{"bytes of each node", float64(pair.real.each()), float64(pair.model.each())},
			{"bytes of the first node", float64(pair.real.bytes[0]), float64(pair.model.bytes[0])},
		} {
			ratio := figure.model / figure.real
			t.Logf("%s, %s: simulated %.4g, model %.4g, ratio %.2f", pair.what, figure.what, figure.real, figure.model, ratio)
			if ratio > modelFactor || ratio < 1/modelFactor {
				t.Errorf("%s: %s, %s: simulated %.4g, model %.4g, over a factor of %v apart",
					c, pair.what, figure.what, figure.real, figure.model, modelFactor)
			}
		}
	}
	return tx, block
}

// TestSpreadModelDeterministic checks that one seed gives one result.
func TestSpreadModelDeterministic(t *testing.T) {
	c := spreadCase{wire: wanWire, nodes: 200, peers: 10, txs: 1000, lacks: 5, seed: 3}
	tx, block := modelled(t, c)
	tx2, block2 := modelled(t, c)
	if !reflect.DeepEqual(tx, tx2) || !reflect.DeepEqual(block, block2) {
		t.Error("two runs of one seed differ")
	}
	if len(block.times) != c.nodes-1 || len(tx.times) != c.nodes-1 {
		t.Errorf("%d nodes got the transaction, %d the block, of %d", len(tx.times), len(block.times), c.nodes-1)
	}
}

// TestSpread lets a transaction and a block go through 50, 200 and 1,000 nodes of 32
// peers. All get them, and what that costs is bounded (checkSpread). It prints how long
// it takes by the model, and by real nodes up to FOXCHAIN_SPREAD of them, which must
// agree. 50 real nodes take half a minute, and 200 some minutes.
//
//	FOXCHAIN_SPREAD=200 go test ./p2p/sync -run 'TestSpread$' -v -timeout 1h
func TestSpread(t *testing.T) {
	most := 0
	if s := os.Getenv("FOXCHAIN_SPREAD"); s != "" {
		var err error
		if most, err = strconv.Atoi(s); err != nil || most > 200 {
			t.Fatalf("FOXCHAIN_SPREAD is %q, it must be a number up to 200", s)
		}
	}
	var table strings.Builder
	table.WriteString("| nodes | links | by | transaction: 50 %, 95 %, all | bytes | block: 50 %, 95 %, all | bytes | of its builder |\n|---|---|---|---|---|---|---|---|\n")
	row := func(c spreadCase, by string, tx, block spread) {
		fmt.Fprintf(&table, "| %d | %s | %s | %s | %s | %s | %s | %s |\n",
			c.nodes, c.wire.name, by, tx, kilobytes(tx.each()), block, kilobytes(block.each()), kilobytes(block.bytes[0]))
	}
	for _, wire := range []wireKind{lanWire, wanWire} {
		for _, nodes := range []int{50, 200, 1000} {
			c := spreadCase{wire: wire, nodes: nodes, peers: spreadPeers, txs: 1000, seed: 1}
			if nodes <= most {
				tx, block := compareModel(t, c)
				row(c, "real nodes", tx, block)
			}
			tx, block := modelled(t, c)
			checkSpread(t, c, tx, block)
			row(c, "model", tx, block)
			flooded := block.bytes[0]
			c.meshOnly = true
			tx, block = modelled(t, c)
			checkSpread(t, c, tx, block)
			row(c, "model, no flood publishing", tx, block)
			if block.bytes[0] >= flooded {
				t.Errorf("%s: along the mesh alone its builder sends %d bytes, to all its peers %d", c, block.bytes[0], flooded)
			}
		}
	}
	t.Logf("a block of 1,000 transactions (63 kB) that all have\n%s", &table)
}

// checkSpread checks that all nodes get a transaction, and a block of which they
// lack nothing, and what the block costs. A node in the middle sends at least what
// it received, the short IDs, and less than a third of the transactions themselves.
// The builder sends the short IDs once for each peer, with some of gossip.
func checkSpread(t *testing.T, c spreadCase, tx, block spread) {
	t.Helper()
	const gossip = 1000 // for each peer
	if len(tx.times) != c.nodes-1 || len(block.times) != c.nodes-1 {
		t.Errorf("%s: of %d others %d got the transaction, %d the block", c, c.nodes-1, len(tx.times), len(block.times))
	}
	ids, txs := c.txs*shortIDBytes, c.txs*(openTxBytes-7)
	if least := ids * (c.nodes - 1) / c.nodes; block.each() < least || block.each() > txs/3 {
		t.Errorf("%s: the block costs each node %d bytes, not %d to %d", c, block.each(), least, txs/3)
	}
	if most := len(c.graph().peers[0]) * (ids + gossip); block.bytes[0] < ids || block.bytes[0] > most {
		t.Errorf("%s: the block costs its builder %d bytes, not %d to %d", c, block.bytes[0], ids, most)
	}
}

// String returns s as the table shows it.
func (s spread) String() string {
	ms := func(part float64) string { return fmt.Sprintf("%.3g", s.after(part).Seconds()*1e3) }
	return ms(0.5) + ", " + ms(0.95) + ", " + ms(1) + " ms"
}

func kilobytes(n int) string { return fmt.Sprintf("%.3g kB", float64(n)/1e3) }

// spreadPeers is how many peers a node dials, as package p2p does.
const spreadPeers = 32
