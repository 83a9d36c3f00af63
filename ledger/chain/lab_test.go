package chain

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/big"
	"testing"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// A lab builds named blocks and gives them to a chain, so that a test reads
// like the tree that stands above it.
type lab struct {
	t       testing.TB
	net     *ledger.Network
	key     ed25519.PrivateKey
	storage storage.Storage
	dir     string // when set, used in place of storage, and with the sizes of a node
	chain   *Chain
	blocks  map[string]*ledger.Block
	names   map[ledger.Hash]string
	ids     uint64
}

// tinyFilter errs now and then, and grows.
var tinyFilter = store.FilterSize{Bits: 1 << 9, PerKey: 4}

func newLab(t testing.TB) *lab { return newRulesLab(t, ledger.Network{Name: "lab"}) }

func newRulesLab(t testing.TB, rules ledger.Network) *lab {
	net := ledgertest.Network(t, rules)
	l := &lab{
		t: t, net: net, key: ledgertest.Key(0), storage: storage.NewMemStorage(),
		blocks: make(map[string]*ledger.Block), names: map[ledger.Hash]string{net.ID(): "", {}: "?"},
	}
	l.open()
	t.Cleanup(func() { l.chain.Close() })
	return l
}

func (l *lab) open() {
	l.t.Helper()
	cfg := Config{Network: l.net, Storage: l.storage, filter: tinyFilter}
	if l.dir != "" {
		cfg = Config{Network: l.net, Dir: l.dir}
	}
	c, err := Open(cfg)
	if err == nil {
		err = c.store.FillFilter(context.Background(), &c.mu, c.ready)
	}
	if err != nil {
		l.t.Fatalf("open: %v", err)
	}
	l.chain = c
}

// reopen closes the chain and opens what it wrote.
func (l *lab) reopen() {
	l.t.Helper()
	if err := l.chain.Close(); err != nil && !errors.Is(err, errCrash) {
		l.t.Fatalf("close: %v", err)
	}
	l.open()
}

// tx makes a transaction with an ID of its own.
func (l *lab) tx(from, to int, amount uint64) *ledger.Transaction {
	l.ids++
	id := ledgertest.Account(int(l.ids))
	id[0] = 0xee
	return &ledger.Transaction{ID: id, Sender: ledgertest.Account(from), Receiver: ledgertest.Account(to), Amount: amount, T: float64(l.ids)}
}

// next makes a block on the named one ("" is the network's ID).
func (l *lab) next(name, on string, txs ...*ledger.Transaction) *ledger.Block {
	l.t.Helper()
	b := &ledger.Block{Txs: txs}
	b.Version, b.Bits, b.Count, b.Root = 1, l.net.Bits, uint32(len(txs)), ledger.Root(txs)
	b.Builder = l.builder()
	b.Parent = l.net.ID()
	if on != "" {
		p := l.blocks[on]
		b.Parent, b.Height = p.Hash(), p.Height+1
	}
	return l.seal(name, b)
}

func (l *lab) builder() ledger.PublicKey { return ledgertest.Public(l.key) }

func (l *lab) seal(name string, b *ledger.Block) *ledger.Block {
	b.Time = uint64(len(l.blocks)) // so that no two are alike
	b.Search(0, func() bool { return false })
	b.SealedHeader = b.Header.Sign(l.net, l.key)
	l.blocks[name] = b
	l.names[b.Hash()] = name
	return b
}

// order makes the fork choice prefer one of two blocks of the same height, by
// sealing the other anew. The other must not have been used yet.
func (l *lab) order(better, worse string) {
	l.t.Helper()
	for ledger.CompareTips(l.ref(better), l.ref(worse)) > 0 {
		b := l.blocks[worse]
		b.Time++
		b.SealedHeader = b.Header.Sign(l.net, l.key)
	}
	l.names[l.blocks[worse].Hash()] = worse
}

func (l *lab) ref(name string) ledger.BlockRef {
	return ledger.BlockRef{Height: l.blocks[name].Height, Hash: l.blocks[name].Hash()}
}

// add gives a block to the chain and expects what it does.
func (l *lab) add(name string, want Change) {
	l.t.Helper()
	got, err := l.chain.AddBlock(context.Background(), l.blocks[name])
	if err != nil {
		l.t.Fatalf("add %s: %v", name, err)
	}
	if got != want {
		l.t.Fatalf("add %s: got change %d, want %d", name, got, want)
	}
	l.check()
}

func (l *lab) headers(blocks ...*ledger.Block) {
	l.t.Helper()
	var hs []*ledger.SealedHeader
	for _, b := range blocks {
		hs = append(hs, &b.SealedHeader)
	}
	if err := l.chain.AddHeaders(context.Background(), hs); err != nil {
		l.t.Fatal(err)
	}
}

// reject gives a block that must be refused, naming the field.
func (l *lab) reject(name string, fault ledger.Fault, field string) {
	l.t.Helper()
	_, err := l.chain.AddBlock(context.Background(), l.blocks[name])
	var e *ledger.BlockError
	if !errors.As(err, &e) {
		l.t.Fatalf("add %s: got %v, want a BlockError", name, err)
	}
	if e.Fault != fault || e.Field != field {
		l.t.Fatalf("add %s: got fault %d at %q (%v), want %d at %q", name, e.Fault, e.Field, err, fault, field)
	}
	l.check()
}

func (l *lab) expectTip(name string) {
	l.t.Helper()
	if got := l.names[l.chain.Tip().Hash]; got != name {
		l.t.Fatalf("tip is %q, want %q", got, name)
	}
}

// submit gives transactions to the pool, all of which must be taken.
func (l *lab) submit(txs ...*ledger.Transaction) {
	l.t.Helper()
	out, err := l.chain.Submit(context.Background(), txs, pool.FromClient)
	if err != nil {
		l.t.Fatalf("submit: %v", err)
	}
	for i, o := range out {
		if !o.Taken {
			l.t.Fatalf("submit %d: %+v", i, o)
		}
	}
	l.check()
}

// expectPool expects these transactions in the pool, in order of arrival.
func (l *lab) expectPool(want ...*ledger.Transaction) {
	l.t.Helper()
	got := l.chain.Pool().List(0, 1<<20)
	if len(got) != len(want) {
		l.t.Fatalf("pool holds %d, want %d", len(got), len(want))
	}
	for i, e := range got {
		if e.Tx.ID != want[i].ID {
			l.t.Fatalf("pool[%d] is %s, want %s", i, e.Tx.ID, want[i].ID)
		}
	}
}

// check derives everything again from the first block and compares: links of
// the chain, balances and totals, index, histories, and that pool and chain
// share nothing.
func (l *lab) check() { checkChain(l.t, l.chain) }

func checkChain(t testing.TB, c *Chain) {
	t.Helper()
	v, err := c.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	balances := make(map[uuid.UUID]*big.Int)
	history := make(map[uuid.UUID][]ledger.Place)
	ids := make(map[ledger.TxKey]bool)
	add := func(id uuid.UUID, amount *big.Int) {
		if balances[id] == nil {
			balances[id] = new(big.Int)
		}
		balances[id].Add(balances[id], amount)
	}
	parent := c.Network().ID()
	for height := range v.Tip().Blocks {
		b, err := v.Block(height)
		if err != nil {
			t.Fatalf("block %d: %v", height, err)
		}
		if b.Parent != parent || b.Height != height {
			t.Fatalf("block %d does not stand on the one before", height)
		}
		if err := c.net.CheckHeader(&b.SealedHeader); err != nil {
			t.Fatal(err)
		}
		if err := c.net.CheckBody(&b.Header, b.Txs); err != nil {
			t.Fatal(err)
		}
		parent = b.Hash()
		for i, tx := range b.Txs {
			if ids[tx.Key()] {
				t.Fatalf("transaction %s is twice in the chain", tx.ID)
			}
			ids[tx.Key()] = true
			amount := new(big.Int).SetUint64(tx.Amount)
			add(tx.Receiver, amount)
			add(tx.Sender, amount.Neg(amount))
			at := ledger.Place{Height: height, Index: uint32(i)}
			history[tx.Sender] = append(history[tx.Sender], at)
			if tx.Receiver != tx.Sender {
				history[tx.Receiver] = append(history[tx.Receiver], at)
			}
			found, err := v.Find(tx.ID, nil, 10)
			if err != nil || len(found) != 1 || found[0].Place != at {
				t.Fatalf("find %s: %v %v, want it at %v", tx.ID, found, err, at)
			}
		}
	}
	if parent != v.Tip().Hash {
		t.Fatalf("tip is %s, the last block %s", v.Tip().Hash.Short(), parent.Short())
	}
	for id, want := range balances {
		a, err := v.Account(id)
		if err != nil {
			t.Fatal(err)
		}
		got := big.NewInt(a.Balance)
		if a.Issuer {
			in, _ := new(big.Int).SetString(a.Redeemed, 10)
			out, _ := new(big.Int).SetString(a.Minted, 10)
			got = in.Sub(in, out)
		}
		if got.Cmp(want) != 0 {
			t.Fatalf("account %s holds %s, recounted %s", id, got, want)
		}
		txs, more, err := v.History(id, nil, 1<<20)
		if err != nil || more != nil || len(txs) != len(history[id]) {
			t.Fatalf("history of %s: %d of %d, %v", id, len(txs), len(history[id]), err)
		}
		for i, tx := range txs {
			if tx.Place != history[id][len(txs)-1-i] {
				t.Fatalf("history of %s: %v at %d", id, tx.Place, i)
			}
		}
	}
	for _, e := range c.Pool().List(0, 1<<20) {
		if ids[e.Tx.Key()] {
			t.Fatalf("transaction %s is in the pool and in the chain", e.Tx.ID)
		}
		ids[e.Tx.Key()] = true
	}
	if goal := c.store.Info.Target; goal != (ledger.Hash{}) {
		t.Fatalf("no reorg is on its way, and its goal is %s", goal.Short())
	}
	checkFilter(t, c)
	checkSides(t, c)
	st := c.Status()
	if got := len(c.Pool().List(0, 1<<20)); st.Pool != got || st.Payable+st.Waiting != got {
		t.Fatalf("status counts %d in the pool (%d payable, %d waiting), there are %d", st.Pool, st.Payable, st.Waiting, got)
	}
}

// checkFilter checks that the filter denies nothing that the store holds. The store asks
// it first, and must find what the database has.
func checkFilter(t testing.TB, c *Chain) {
	t.Helper()
	err := c.store.EachAccount(func(id uuid.UUID, want *ledger.AccountState, err error) error {
		got, err2 := c.store.Account(id)
		if err = errors.Join(err, err2); err == nil && (got.Balance != want.Balance || (got.Newest == nil) != (want.Newest == nil)) {
			t.Errorf("account %s is %+v, the database has %+v", id, got, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	it := c.store.DB.NewIterator(util.BytesPrefix(key('t')), nil)
	defer it.Release()
	for it.Next() {
		k := ledger.TxKey{ID: uuid.UUID(it.Key()[1:17]), Sender: uuid.UUID(it.Key()[17:])}
		if at, err := c.store.Place(k); err != nil || at == nil {
			t.Fatalf("the filter denies the transaction %s, which is in the store (%v)", k.ID, err)
		}
	}
	if err := it.Error(); err != nil {
		t.Fatal(err)
	}
}

// checkSides checks that each body beside the chain that the store has is noted and counted.
func checkSides(t testing.TB, c *Chain) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	bodies, txs := 0, 0
	for _, n := range c.forks.nodes {
		if n.body {
			bodies++
			txs += int(n.header.Count)
		}
	}
	stored, noted := 0, 0
	err := c.store.EachBody(func(ref ledger.BlockRef) error {
		on, err := onChain(c.store, ref)
		if !on {
			stored++
		}
		return err
	})
	if err == nil {
		err = c.store.EachSide(func(ledger.BlockRef, uint32) error { noted++; return nil })
	}
	if err != nil || stored != bodies || noted != bodies || txs != c.forks.txs {
		t.Fatalf("beside the chain: %d bodies are known, %d in the store, %d noted; %d transactions, %d counted; %v",
			bodies, stored, noted, txs, c.forks.txs, err)
	}
}
