package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// VerifyConfig says what to verify.
type VerifyConfig struct {
	Network  *Network                        // nil: the one that the store names, where it has the built-in rules
	Dir      string                          // the LevelDB directory
	Storage  storage.Storage                 // when set, used in place of Dir
	Progress func(blocks uint64, all uint64) // called after each block; nil: nobody looks
}

// maxProblems is how many problems a report holds; the others are counted.
const maxProblems = 100

// A Report is what Verify found.
type Report struct {
	Network  *Network
	Blocks   uint64 // of the chain, derived again
	Txs      uint64 // in them
	Accounts int
	Pool     int
	Receipts int
	Side     int       // whole blocks that are not on the chain
	Problems []Problem // the first maxProblems
	More     int       // further ones
}

// A Problem is one thing that is wrong, and where.
type Problem struct{ Where, What string }

func (p Problem) String() string { return p.Where + ": " + p.What }

// Verify derives everything again from the first block on, and compares it with
// what the store holds: proofs, signatures, roots, rules, balances, index,
// histories, pool, receipts, counters. It writes nothing. Errors are ErrInUse,
// ErrForeign, ErrNewer, ctx's, or say why the store cannot be looked at; all
// that is wrong inside stands in the report.
//
// Memory grows with the number of accounts, not with that of blocks.
func Verify(ctx context.Context, cfg VerifyConfig) (*Report, error) {
	v := &verifier{ctx: ctx, cfg: cfg, accounts: make(map[uuid.UUID]*account)}
	s, err := openReadOnly(cfg.Dir, cfg.Storage)
	if err != nil {
		return nil, err
	}
	v.c = &Chain{store: s}
	if err := v.readInfo(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	for _, look := range []func() error{v.commits, v.blocks, v.index, v.balances, v.side, v.pool, v.receipts} {
		if err := look(); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	v.report.Accounts = len(v.accounts)
	return &v.report, s.close()
}

// openReadOnly opens the store strictly and writes nothing.
func openReadOnly(dir string, files storage.Storage) (*store, error) {
	s := new(store)
	if files == nil {
		there, err := holdsStore(dir)
		if pending := repairPending(dir); pending != nil {
			return nil, pending
		}
		switch {
		case err != nil:
			return nil, openError(dir, err)
		case !there:
			return nil, fmt.Errorf("there is no ledger in %s: %w", dir, os.ErrNotExist)
		}
		if files, err = storage.OpenFile(dir, true); err != nil {
			return nil, openError(dir, err)
		}
		s.files = files
	}
	o := options(opt.DefaultStrict|opt.StrictJournal|opt.StrictManifest, 0)
	o.ReadOnly = true
	db, err := leveldb.Open(files, o)
	if err != nil {
		if ldberrors.IsCorrupted(err) || errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, errors.Join(openError(dir, err), s.close())
	}
	s.db = &database{DB: db}
	return s, nil
}

type verifier struct {
	ctx      context.Context
	cfg      VerifyConfig
	c        *Chain // only its reading half
	report   Report
	accounts map[uuid.UUID]*account
	derived  bool // the whole chain could be derived
}

func (v *verifier) problem(where, format string, args ...any) {
	if len(v.report.Problems) == maxProblems {
		v.report.More++
		return
	}
	v.report.Problems = append(v.report.Problems, Problem{where, fmt.Sprintf(format, args...)})
}

// wrong notes an error that says that something in the store is wrong, and
// gives back every other.
func (v *verifier) wrong(where string, err error) error {
	var rule *BlockError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnknown):
		v.problem(where, "is missing")
	case errors.Is(err, ErrDamaged):
		v.problem(where, "%v", err)
	case errors.As(err, &rule):
		v.problem(where, "%s: %s", rule.Field, rule.Rule)
	default:
		return err
	}
	return nil
}

// readInfo finds the network.
func (v *verifier) readInfo() error {
	c := v.c
	c.net = v.cfg.Network
	if c.net == nil {
		var err error
		if c.net, err = storedNetwork(c.store.db); err != nil {
			return err
		}
	}
	v.report.Network = c.net
	if ok, err := has(c.store.db, []byte{keyInfo}); err != nil || !ok {
		return errors.Join(err, damaged("the info record", ErrUnknown))
	}
	return c.readInfo()
}

// storedNetwork is the network that a store names, where its name is all that
// differs from the built-in one.
func storedNetwork(g getter) (*Network, error) {
	b, err := get(g, []byte{keyInfo})
	if err != nil {
		return nil, damaged("the info record", err)
	}
	in, err := decodeAnyInfo(b)
	if err != nil {
		return nil, err
	}
	n, err := NamedNetwork(in.Name)
	if err != nil || n.ID() != in.Network {
		return nil, fmt.Errorf("the ledger is of the network %q (%s), which has rules of its own: give its file with --network", in.Name, in.Network.Short())
	}
	return n, nil
}

func (v *verifier) commits() error {
	gap, err := v.c.commitsMissing()
	if err == nil && gap {
		v.problem("commit counters", "some are missing: a part of the journal was lost")
	}
	if err != nil {
		return v.wrong("commit counters", err)
	}
	marked, err := has(v.c.store.db, []byte{keyMending})
	if marked {
		v.problem("state", "an older version began to mend it and was interrupted")
	}
	return v.wrong("state", err)
}

// blocks derives the chain again through the rules by which it was made.
func (v *verifier) blocks() error {
	in := &v.c.store.info
	parent := v.c.net.ID()
	for height := range in.Blocks {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		where := fmt.Sprintf("block %d", height)
		hash, items, err := v.block(height, parent)
		if err != nil {
			v.problem(where, "the blocks above it, the balances and the index were not derived again")
			return v.wrong(where, err)
		}
		parent = hash
		v.report.Blocks++
		v.report.Txs += uint64(len(items))
		if v.cfg.Progress != nil {
			v.cfg.Progress(height+1, in.Blocks)
		}
	}
	if parent != in.Tip {
		v.problem("tip", "the info record names %s, the last block is %s", in.Tip.Short(), parent.Short())
	}
	v.derived = true
	return v.wrong("heights", v.c.store.scan([]byte{keyHeight}, func(key, _ []byte) error {
		if h := binary.BigEndian.Uint64(key[1:]); h >= in.Blocks {
			v.problem(fmt.Sprintf("height %d", h), "has a record, but the chain has %d blocks", in.Blocks)
		}
		return nil
	}))
}

// block checks one block of the chain by itself and applies it to the derived
// state; then its history pointers and index must be what that gives.
func (v *verifier) block(height uint64, parent Hash) (Hash, []placed, error) {
	g := v.c.store.db
	hash, err := readHash(g, height)
	if err != nil {
		return hash, nil, err
	}
	h, err := readHeader(g, hash)
	if err != nil {
		return hash, nil, err
	}
	items, err := readBody(g, &h.Header, hash)
	if err != nil {
		return hash, nil, err
	}
	b := &Block{SealedHeader: *h, Txs: transactions(items)}
	if b.Height != height || b.Parent != parent {
		return hash, nil, damaged("its header", fmt.Errorf("height %d on %s, want %d on %s", b.Height, b.Parent.Short(), height, parent.Short()))
	}
	if err := v.c.checkWhole(b, hash); err != nil {
		return hash, nil, damaged("itself", err)
	}
	derived := derivedState{v: v, index: make(map[TxKey]*Place, len(items))}
	o := newOverlay(derived)
	again := make([]placed, len(items))
	if err := apply(v.c.net, o, b, again); err != nil {
		return hash, nil, err
	}
	for id, a := range o.accounts {
		v.accounts[id] = a
	}
	for i, it := range items {
		where := fmt.Sprintf("block %d, items[%d]", height, i)
		if !samePlace(it.sender, again[i].sender) || !samePlace(it.receiver, again[i].receiver) {
			v.problem(where, "its history pointers are wrong")
		}
		at := derived.index[it.tx.Key()]
		if want := (Place{height, uint32(i)}); at == nil || *at != want {
			v.problem(where, "the index does not lead to it")
		}
	}
	return hash, items, nil
}

// derivedState is what the blocks so far lead to: accounts in memory, places
// from the index, where they are below (each is checked when its block is).
type derivedState struct {
	v     *verifier
	index map[TxKey]*Place // what it says of the block's transactions: each costs a look-up
}

func (d derivedState) account(id uuid.UUID) (*account, error) {
	if a := d.v.accounts[id]; a != nil {
		clone := *a
		return &clone, nil
	}
	return new(account), nil
}

func (d derivedState) place(k TxKey) (*Place, error) {
	at, err := state{d.v.c.store.db}.place(k)
	d.index[k] = at
	if err != nil || at == nil || at.Height >= d.v.report.Blocks {
		return nil, err
	}
	return at, nil
}

// checkWhole checks all that a block says by itself.
func (c *Chain) checkWhole(b *Block, hash Hash) error {
	if b.Hash() != hash {
		return errors.New("its header has another hash")
	}
	if err := c.net.CheckHeader(&b.SealedHeader); err != nil {
		return err
	}
	return c.net.CheckBody(&b.Header, b.Txs)
}

func samePlace(a, b *Place) bool { return a == b || a != nil && b != nil && *a == *b }
