package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/chain"
)

// settle joins all hosts, starts all nodes and waits until they agree: one tip,
// nothing left to build, and the same transactions waiting.
func (c *simScript) settle() {
	within, took := simBound, &c.figures.Settled
	if c.delays > time.Second {
		within, took = simSlowBound, &c.figures.Slowly
	}
	c.heal()
	c.startAll()
	begin := time.Now()
	for {
		err := c.settled()
		if err == nil {
			break
		}
		if time.Since(begin) > within {
			for _, node := range c.nodes {
				c.t.Logf("node %d: %+v\n%+v\n%s", node.number, node.chain.Status(), node.p2p.Stats(), &node.logs)
			}
			c.t.Fatalf("not settled within %s: %v", within, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
	*took = time.Since(begin)
}

// settled returns nil when the nodes agree, else what they do not agree on.
func (c *simScript) settled() error {
	tip := c.nodes[0].chain.Tip()
	for _, node := range c.nodes {
		st := node.chain.Status()
		switch {
		case st.Tip.Hash != tip.Hash:
			return fmt.Errorf("node 0 has block %d %s, node %d has block %d %s", tip.Blocks, tip.Hash.Short(), node.number, st.Tip.Blocks, st.Tip.Hash.Short())
		case st.Payable > 0:
			return fmt.Errorf("node %d has %d payable transactions", node.number, st.Payable)
		}
	}
	for _, node := range c.nodes {
		for _, e := range node.chain.Pool().List(0, chain.MaxPool) {
			if len(c.made[e.Tx.Key()]) > 1 {
				continue // while neither can be paid, each node may hold its own
			}
			for _, other := range c.nodes {
				if in, _ := c.inPool(other, e.Tx); !in && c.receipt(other, e.Tx) == "" {
					return fmt.Errorf("transaction %s waits at node %d and not at node %d: %s", e.Tx.ID, node.number, other.number, e.Waiting)
				}
			}
		}
	}
	return nil
}

func (c *simScript) inPool(node *simNode, tx *ledger.Transaction) (in bool, waiting string) {
	e := node.chain.Pool().Get([]ledger.TxKey{tx.Key()})[0]
	return e.Tx != nil && e.Tx.Same(tx), e.Waiting
}

// receipt returns why a transaction is gone at a node, empty if it has no reason.
func (c *simScript) receipt(node *simNode, tx *ledger.Transaction) string {
	receipts, err := node.chain.Receipts(tx.ID, nil, 10)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range receipts {
		if r.Tx.Key() == tx.Key() {
			return r.Reason
		}
	}
	return ""
}

// A simCount is the chain, counted by the test's own rules.
type simCount struct {
	balances         map[uuid.UUID]uint64
	minted, redeemed uint64
	txs              map[ledger.TxKey]*ledger.Transaction
}

// verify checks the invariants on nodes that have settled.
func (c *simScript) verify() {
	counted := c.recount(c.nodes[0])
	var sum uint64
	for _, b := range counted.balances {
		sum += b
	}
	if sum != counted.minted-counted.redeemed {
		c.t.Errorf("all balances are %d, and %d were issued, %d redeemed", sum, counted.minted, counted.redeemed)
	}
	for _, node := range c.nodes {
		c.checkBalances(node, counted)
		c.count(node)
	}
	c.figures.Blocks = int(c.nodes[0].chain.Tip().Blocks)
	c.figures.Accepted = len(c.accepted)
	for _, a := range c.accepted {
		c.checkAccepted(a, counted)
	}
}

// recount follows a node's chain from its first block.
func (c *simScript) recount(node *simNode) *simCount {
	v, err := node.chain.View()
	if err != nil {
		c.t.Fatal(err)
	}
	defer v.Close()
	n := &simCount{balances: make(map[uuid.UUID]uint64), txs: make(map[ledger.TxKey]*ledger.Transaction)}
	parent := c.rules.ID()
	for height := range v.Tip().Blocks {
		b, err := v.Block(height)
		if err != nil {
			c.t.Fatal(err)
		}
		if b.Parent != parent || b.Height != height || ledger.Root(b.Txs) != b.Root {
			c.t.Errorf("block %d does not follow the one before it", height)
		}
		parent = b.Hash()
		for _, tx := range b.Txs {
			c.apply(n, tx, height)
		}
	}
	return n
}

func (c *simScript) apply(n *simCount, tx *ledger.Transaction, height uint64) {
	if n.txs[tx.Key()] != nil {
		c.t.Errorf("transaction %s stands twice in the chain, the second time in block %d", tx.ID, height)
	}
	n.txs[tx.Key()] = tx
	if !slices.ContainsFunc(c.made[tx.Key()], tx.Same) {
		c.t.Errorf("block %d holds transaction %s, which nobody submitted", height, tx.ID)
	}
	issuer := uuid.UUID{}
	if tx.Sender == issuer {
		n.minted += tx.Amount
	} else if n.balances[tx.Sender] < tx.Amount {
		c.t.Errorf("block %d: %s spends %d of %d", height, tx.Sender, tx.Amount, n.balances[tx.Sender])
	} else {
		n.balances[tx.Sender] -= tx.Amount
	}
	if tx.Receiver == issuer {
		n.redeemed += tx.Amount
	} else {
		n.balances[tx.Receiver] += tx.Amount
	}
}

func (c *simScript) checkBalances(node *simNode, counted *simCount) {
	v, err := node.chain.View()
	if err != nil {
		c.t.Fatal(err)
	}
	defer v.Close()
	for _, id := range c.accounts {
		if a, err := v.Account(id); err != nil || a.Balance != int64(counted.balances[id]) {
			c.t.Errorf("node %d: %s holds %d (%v), counted %d", node.number, id, a.Balance, err, counted.balances[id])
		}
	}
	a, err := v.Account(uuid.UUID{})
	if err != nil || counted.minted > 0 && (a.Minted != strconv.FormatUint(counted.minted, 10) || a.Redeemed != strconv.FormatUint(counted.redeemed, 10)) {
		c.t.Errorf("node %d: issued %s, redeemed %s (%v), counted %d and %d", node.number, a.Minted, a.Redeemed, err, counted.minted, counted.redeemed)
	}
}

// checkAccepted checks that what a node accepted is in the chain, or waits there with a
// reason, or has a receipt with the reason, and that it is in one place only.
func (c *simScript) checkAccepted(a simAccepted, counted *simCount) {
	chained := counted.txs[a.tx.Key()] != nil && counted.txs[a.tx.Key()].Same(a.tx)
	pooled, why := c.inPool(a.node, a.tx)
	receipt := c.receipt(a.node, a.tx)
	if !chained && a.payable && isPoor(a.tx.Sender) {
		c.figures.Overdrawn++
	}
	switch {
	case chained && pooled:
		c.t.Errorf("node %d has transaction %s in the chain and in the pool", a.node.number, a.tx.ID)
	case chained:
	case pooled && why == "":
		c.t.Errorf("node %d has transaction %s in the pool, waiting without a reason", a.node.number, a.tx.ID)
	case pooled:
		c.figures.Waiting++
	case receipt == "":
		c.t.Errorf("node %d lost transaction %s (%s): it is not in the chain, not in the pool, and there is no receipt", a.node.number, a.tx.ID, describe(a.tx))
	default:
		c.figures.Gone++
		if strings.HasPrefix(receipt, "expired ") {
			c.figures.Expired++
		}
	}
}

func describe(tx *ledger.Transaction) string {
	return fmt.Sprintf("%d from %s to %s", tx.Amount, tx.Sender, tx.Receiver)
}
