package main

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"foxchain/builder"
	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
)

const (
	simOpenAccounts  = 8
	simKeyedAccounts = 2
	simLateKey       = 1000 // keyed accounts have the keys of hosts that do not exist
	simPoor          = 0xdd // first byte of the accounts of spendTwice
	simBurst         = 10_000
	simBurstEvery    = 50 // one script of so many has bursts of simBurst transactions
)

// A simScript is one story of a network, all of it drawn from a seed. What the nodes do with
// it depends on the scheduler too, so a seed gives the same script but not the same run.
type simScript struct {
	*simNet
	t        *testing.T
	random   *rand.Rand
	delays   time.Duration // of links, at most
	accounts []uuid.UUID
	made     map[ledger.TxKey][]*ledger.Transaction // all submitted; two or more are a conflict
	accepted []simAccepted
	bursts   bool // of simBurst transactions are part of it
	ids      uint64
	figures  simFigures
}

// A simAccepted is a transaction that a node has accepted, for which the promises of a 202 hold.
type simAccepted struct {
	node    *simNode
	tx      *ledger.Transaction
	payable bool // when it came
}

// simFigures count what happened.
type simFigures struct {
	Nodes, Txs, Accepted, Blocks, Reorgs, Deep, Rivals, Bursts, Stops, Cuts, Conflicts, Variants int
	Waiting, Gone, Expired, Overdrawn                                                            int // at the end; spends that became unaffordable
	Settled, Slowly                                                                              time.Duration
}

func newSimScript(t *testing.T, seed uint64) *simScript {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0xf0c5))
	n := simSize(seed, random)
	delays := []time.Duration{2 * time.Millisecond, 50 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second}[random.IntN(4)]
	expiries := []time.Duration{40 * time.Second, 24 * time.Hour}
	c := &simScript{
		simNet: newSimNet(t, random, n, delays, expiries[random.IntN(2)], ledger.Network{}),
		t:      t, random: random, delays: delays, made: make(map[ledger.TxKey][]*ledger.Transaction),
		bursts: seed%simBurstEvery == 5,
	}
	c.figures.Nodes = n
	c.makeAccounts()
	for _, node := range c.nodes {
		node.skew = simSkew(random)
		node.build = builder.Config{
			MinTxs:    1 + random.IntN(8),
			LeastTime: time.Duration(random.IntN(2)) * time.Second,
			MaxWait:   time.Duration(2+random.IntN(6)) * time.Second,
		}
	}
	return c
}

// simSkew returns by how much a node's clock is wrong, which for one in three is days.
func simSkew(random *rand.Rand) time.Duration {
	if random.IntN(3) > 0 {
		return 0
	}
	return time.Duration(random.Int64N(int64(60*24*time.Hour))) - 30*24*time.Hour
}

func (c *simScript) makeAccounts() {
	for i := range simOpenAccounts {
		c.accounts = append(c.accounts, uuid.UUID{0: 0xac, 15: byte(i)})
	}
	for i := range simKeyedAccounts {
		c.accounts = append(c.accounts, ledger.AccountOf(ledgertest.Public(ledgertest.Key(simLateKey+i))))
	}
}

// simSize returns how many nodes a script has. The work rises with the square of
// it, so large networks are few, and the largest are not among the first
// hundred scripts, which are played by default.
func simSize(seed uint64, random *rand.Rand) int {
	switch {
	case seed%200 == 160:
		return 50
	case seed%100 == 10 && seed > 100:
		return 25 + random.IntN(25)
	case seed%50 == 10:
		return 10 + random.IntN(15)
	}
	return 3 + random.IntN(5)
}

// play starts most of the nodes and lets one thing after another happen to them.
func (c *simScript) play() {
	for i, node := range c.nodes {
		if i == 0 || c.random.IntN(5) > 0 { // the others join late
			node.start()
		}
	}
	steps := 30 + c.random.IntN(30)
	if len(c.nodes) >= 25 {
		steps /= 2
	}
	for step := range steps {
		c.pause(3 * time.Second)
		c.act()
		if c.bursts && step%10 == 5 {
			c.burst()
		}
	}
	if c.random.IntN(2) == 0 { // most trouble comes at the end
		c.partition()
		for range 8 + c.random.IntN(20) {
			c.mint(1 + c.random.IntN(12))
			c.transfer(1 + c.random.IntN(5))
			c.pause(2 * time.Second)
		}
	}
}

func (c *simScript) pause(most time.Duration) {
	time.Sleep(time.Duration(c.random.Int64N(int64(most))))
}

func (c *simScript) act() {
	switch at := c.random.IntN(100); {
	case at < 20:
		c.mint(1 + c.random.IntN(20))
	case at < 45:
		c.transfer(1 + c.random.IntN(20))
	case at < 48:
		c.mint(200 + c.random.IntN(1800))
	case at < 56:
		c.conflict()
	case at < 63:
		c.variants()
	case at < 72:
		c.spendTwice()
	case at < 79:
		c.partition()
	case at < 83:
		c.heal()
	case at < 88:
		c.slowLink()
	case at < 93:
		c.stopOne()
	default:
		c.startOne()
	}
}

// mint gives one node new money for any accounts.
func (c *simScript) mint(n int) {
	node := c.anyNode()
	var txs []*ledger.Transaction
	for range n {
		txs = append(txs, c.tx(node, uuid.UUID{}, c.anyAccount(), 1+c.random.Uint64N(100)))
	}
	c.submit(node, txs...)
}

// burst gives one node simBurst mints at once, and another as many transfers.
func (c *simScript) burst() {
	c.figures.Bursts += 2
	c.mint(simBurst)
	c.transfer(simBurst)
}

// transfer gives one node transfers between accounts, which may or may not have
// the money, and redemptions.
func (c *simScript) transfer(n int) {
	node := c.anyNode()
	var txs []*ledger.Transaction
	for range n {
		to := c.anyAccount()
		if c.random.IntN(8) == 0 {
			to = uuid.UUID{}
		}
		txs = append(txs, c.tx(node, c.anyAccount(), to, 1+c.random.Uint64N(200)))
	}
	c.submit(node, txs...)
}

// conflict gives two nodes different transactions under one ID.
func (c *simScript) conflict() {
	a, b := c.anyNode(), c.anyNode()
	one := c.tx(a, uuid.UUID{}, c.anyAccount(), 7)
	other := *one
	other.Amount = 8
	c.figures.Conflicts++
	c.submit(a, one)
	if c.random.IntN(2) == 0 {
		c.pause(2 * time.Second)
	}
	c.submit(b, &other)
}

// variants gives several nodes one transaction, to be stamped by each.
func (c *simScript) variants() {
	first := c.tx(c.anyNode(), uuid.UUID{}, c.anyAccount(), 1+c.random.Uint64N(50))
	c.figures.Variants++
	for range 2 + c.random.IntN(3) {
		node := c.anyNode()
		variant := *first
		variant.T = ledger.UnixSeconds(time.Now().Add(node.skew))
		c.submit(node, &variant)
		c.pause(time.Second)
	}
}

// spendTwice gives an account money and, a while later, two nodes a transaction each that
// spends all of it. On two sides of a partition both are built into a block, and the
// reorg makes one unaffordable.
func (c *simScript) spendTwice() {
	c.ids++
	poor := uuid.UUID{0: simPoor}
	binary.BigEndian.PutUint64(poor[8:], c.ids)
	c.accounts = append(c.accounts, poor)
	node := c.anyNode()
	c.submit(node, c.tx(node, uuid.UUID{}, poor, 100))
	c.pause(10 * time.Second)
	if c.random.IntN(2) == 0 {
		c.partition()
	}
	for range 2 {
		node := c.anyNode()
		c.submit(node, c.tx(node, poor, c.anyAccount(), 100))
	}
}

// isPoor reports whether an account is one of spendTwice, of whose two spends only one can stand.
func isPoor(account uuid.UUID) bool { return account[0] == simPoor }

// partition cuts the hosts into two or three groups.
func (c *simScript) partition() {
	groups, sides := 2+c.random.IntN(2), make([]int, len(c.nodes))
	for i := range sides {
		sides[i] = c.random.IntN(groups)
	}
	c.figures.Cuts++
	c.cut(sides)
}

// slowLink makes some links slow, by up to 2 s each way.
func (c *simScript) slowLink() {
	for range 1 + c.random.IntN(len(c.nodes)) {
		i, j := c.random.IntN(len(c.nodes)), c.random.IntN(len(c.nodes))
		if i != j {
			c.slow(i, j, time.Duration(c.random.Int64N(int64(2*time.Second))))
		}
	}
}

// oneOfTwo returns any node, or nil if it does not run, or is the only one that does.
func (c *simScript) oneOfTwo() *simNode {
	node := c.nodes[c.random.IntN(len(c.nodes))]
	if !node.runs() || !slices.ContainsFunc(c.nodes, func(n *simNode) bool { return n != node && n.runs() }) {
		return nil
	}
	return node
}

func (c *simScript) stopOne() {
	node := c.oneOfTwo()
	if node == nil {
		return
	}
	c.figures.Stops++
	c.count(node)
	node.stop()
}

func (c *simScript) startOne() {
	for _, i := range c.random.Perm(len(c.nodes)) {
		if node := c.nodes[i]; !node.runs() {
			node.start()
			return
		}
	}
}

func (c *simScript) anyNode() *simNode {
	for {
		if node := c.nodes[c.random.IntN(len(c.nodes))]; node.runs() {
			return node
		}
	}
}

func (c *simScript) anyAccount() uuid.UUID { return c.accounts[c.random.IntN(len(c.accounts))] }

// tx makes a transaction with a new ID, and the time of the node's clock.
func (c *simScript) tx(node *simNode, from, to uuid.UUID, amount uint64) *ledger.Transaction {
	c.ids++
	tx := &ledger.Transaction{Sender: from, Receiver: to, Amount: amount, T: ledger.UnixSeconds(time.Now().Add(node.skew))}
	binary.BigEndian.PutUint64(tx.ID[8:], c.ids)
	for i := range simKeyedAccounts {
		if from == c.accounts[simOpenAccounts+i] {
			tx.Sign(c.rules, ledgertest.Key(simLateKey+i))
		}
	}
	return tx
}

// submit gives transactions to a node as a client does, and notes what it
// accepted.
func (c *simScript) submit(node *simNode, txs ...*ledger.Transaction) {
	for _, tx := range txs {
		c.note(tx)
	}
	c.figures.Txs += len(txs)
	outcomes, err := node.chain.Submit(c.t.Context(), txs, pool.FromClient)
	if err != nil {
		c.t.Fatalf("node %d: submit: %v", node.number, err)
	}
	for i, o := range outcomes {
		switch {
		case o.Taken || o.Held:
			c.accepted = append(c.accepted, simAccepted{node, txs[i], o.Taken && o.Waiting == ""})
		case o.Refused == "":
			c.t.Errorf("node %d refused a transaction without a reason", node.number)
		}
	}
}

func (c *simScript) note(tx *ledger.Transaction) {
	for _, o := range c.made[tx.Key()] {
		if o.Same(tx) {
			return
		}
	}
	c.made[tx.Key()] = append(c.made[tx.Key()], tx)
}

// count adds what a node counted since its start.
func (c *simScript) count(node *simNode) {
	st := node.chain.Status()
	c.figures.Reorgs += int(st.Reorgs)
	c.figures.Deep += int(st.DeepReorgs)
	c.figures.Rivals += int(st.Rivals)
	if cut := node.p2p.Stats()["peers_cut"]; cut > 0 {
		c.t.Errorf("node %d cut off %d honest peers:\n%s", node.number, cut, &node.logs)
	}
}

// idle reports whether something that scripts are made of never came.
func (f simFigures) idle() bool {
	return min(f.Reorgs, f.Deep, f.Rivals, f.Bursts, f.Stops, f.Cuts, f.Conflicts, f.Variants, f.Waiting, f.Expired, f.Overdrawn) == 0
}
