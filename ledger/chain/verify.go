package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/big"
	"os"
	"slices"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/store"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// VerifyConfig configures Verify.
type VerifyConfig struct {
	Network  *ledger.Network                 // nil for the one that the store names, if it has the built-in rules
	Dir      string                          // the LevelDB directory
	Storage  storage.Storage                 // when set, used in place of Dir
	Progress func(blocks uint64, all uint64) // called after each block; may be nil
}

// maxProblems is how many problems a report holds. The others are counted.
const maxProblems = 100

// A Report is what Verify found.
type Report struct {
	Network  *ledger.Network
	Blocks   uint64      // of the chain, derived again
	Tip      ledger.Hash // of the last block, the network's ID if there is none
	Txs      uint64      // in the chain
	Accounts int
	Pool     int
	Receipts int
	Side     int       // whole blocks that are not on the chain
	Awaited  int       // final blocks that are not here yet, while the chain has others
	Problems []Problem // the first maxProblems
	More     int       // problems beyond these
}

// A Problem is one thing that is wrong, and where.
type Problem struct{ Where, What string }

func (p Problem) String() string { return p.Where + ": " + p.What }

// Verify derives everything again from the first block on, and compares it with what the store
// holds: proofs, signatures, roots, rules, balances, index, histories, pool, receipts, counters,
// certificates and evidence. It writes nothing. The report has what is wrong in the store. The
// error is ErrInUse, ErrForeign, ErrNewer, ctx's, or why the store cannot be read.
//
// Memory grows with the accounts and not with the blocks. The index is first compared by
// sums of the hashes of its entries, in one pass in the order of its keys. If anything is
// wrong, all is done again, and each transaction is looked up.
func Verify(ctx context.Context, cfg VerifyConfig) (*Report, error) {
	s, err := openReadOnly(cfg.Dir, cfg.Storage)
	if err != nil {
		return nil, err
	}
	net, err := readStored(s, cfg.Network)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	report, err := verify(ctx, cfg, s, net, false)
	if err == nil && len(report.Problems) > 0 {
		report, err = verify(ctx, cfg, s, net, true)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return report, nil
}

func verify(ctx context.Context, cfg VerifyConfig, s *store.Store, net *ledger.Network, lookUp bool) (*Report, error) {
	v := &verifier{ctx: ctx, cfg: cfg, store: s, net: net, report: Report{Network: net}, accounts: make(map[uuid.UUID]*ledger.AccountState), lookUp: lookUp}
	for _, look := range []func() error{v.commits, v.blocks, v.index, v.balances, v.side, v.pool, v.receipts, v.proofs} {
		if err := look(); err != nil {
			return nil, err
		}
	}
	v.report.Accounts = len(v.accounts)
	return &v.report, nil
}

// openReadOnly opens the store strictly and writes nothing.
func openReadOnly(dir string, files storage.Storage) (*store.Store, error) {
	if files == nil {
		if err := repairPending(dir); err != nil {
			return nil, err
		}
		switch there, err := holdsStore(dir); {
		case err != nil:
			return nil, store.OpenError(dir, err)
		case !there:
			return nil, fmt.Errorf("there is no ledger in %s: %w", dir, os.ErrNotExist)
		}
	}
	s, _, err := store.Open(store.Config{Dir: dir, Storage: files, ReadOnly: true})
	return s, err
}

type verifier struct {
	ctx      context.Context
	cfg      VerifyConfig
	store    *store.Store
	net      *ledger.Network
	report   Report
	accounts map[uuid.UUID]*ledger.AccountState
	derived  bool // the whole chain could be derived
	lookUp   bool // each transaction is looked up in the index, to find what is wrong
	places   placeSum
}

// A placeSum is two sums, under secret seeds, of the hashes of places in the chain. Equal
// sums mean equal entries. Since the index has each key once, no transaction is then
// twice in the chain.
type placeSum [2]uint64

var placeSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// count adds an entry n times.
func (s *placeSum) count(n uint64, k ledger.TxKey, at ledger.Place) {
	type entry struct {
		k  ledger.TxKey
		at ledger.Place
	}
	for i, seed := range placeSeeds {
		s[i] += n * maphash.Comparable(seed, entry{k, at})
	}
}

func (v *verifier) problem(where, format string, args ...any) {
	if len(v.report.Problems) == maxProblems {
		v.report.More++
		return
	}
	v.report.Problems = append(v.report.Problems, Problem{where, fmt.Sprintf(format, args...)})
}

// wrong adds an error about the contents of the store to the report, and returns any
// other.
func (v *verifier) wrong(where string, err error) error {
	var rule *ledger.BlockError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrUnknown):
		v.problem(where, "is missing")
	case errors.Is(err, store.ErrDamaged):
		v.problem(where, "%v", err)
	case errors.As(err, &rule):
		v.problem(where, "%s: %s", rule.Field, rule.Rule)
	default:
		return err
	}
	return nil
}

// readStored reads the info record of a store. It returns net, or if that is nil the
// network that the store names. That must have the built-in rules, since the store has
// only its name and ID.
func readStored(s *store.Store, net *ledger.Network) (*ledger.Network, error) {
	in, err := s.ReadInfo()
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, store.Damaged("the info record", err)
	} else if err != nil {
		return nil, err
	}
	s.Info = in
	if net != nil {
		return net, in.CheckNetwork(net)
	}
	if net, err = ledger.NamedNetwork(in.Name); err != nil || net.ID() != in.Network {
		return nil, fmt.Errorf("the ledger is of the network %q (%s), which has rules of its own: give its file with --network", in.Name, in.Network.Short())
	}
	return net, nil
}

func (v *verifier) commits() error {
	gap, err := v.store.CommitsMissing(v.store.Info.Commits)
	if err == nil && gap {
		v.problem("commit counters", "some are missing: a part of the journal was lost")
	}
	return v.wrong("commit counters", err)
}

// blocks derives the chain again by the rules.
func (v *verifier) blocks() error {
	in, parent := &v.store.Info, &v.report.Tip
	*parent = v.net.ID()
	for height := range in.Blocks {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		where := fmt.Sprintf("block %d", height)
		hash, items, err := v.block(height, *parent)
		if err != nil {
			v.problem(where, "the blocks above it, the balances and the index were not derived again")
			return v.wrong(where, err)
		}
		*parent = hash
		v.report.Blocks++
		v.report.Txs += uint64(len(items))
		if v.cfg.Progress != nil {
			v.cfg.Progress(height+1, in.Blocks)
		}
	}
	if *parent != in.Tip {
		v.problem("tip", "the info record names %s, the last block is %s", in.Tip.Short(), parent.Short())
	}
	v.derived = true
	return nil
}

// block checks one block of the chain by itself, and applies it to the derived state.
// Then it compares its stored history pointers and index entries with the derived ones.
func (v *verifier) block(height uint64, parent ledger.Hash) (ledger.Hash, []ledger.StoredTx, error) {
	hash, err := v.store.Hash(height)
	if err != nil {
		return hash, nil, err
	}
	b, items, err := v.store.BlockItems(hash)
	if err != nil {
		return hash, nil, err
	}
	if b.Height != height || b.Parent != parent {
		return hash, nil, store.Damaged("its header", fmt.Errorf("height %d on %s, want %d on %s", b.Height, b.Parent.Short(), height, parent.Short()))
	}
	if err := checkWhole(v.net, b, hash); err != nil {
		return hash, nil, store.Damaged("itself", err)
	}
	o := ledger.NewOverlay(derivedState{v}, len(items))
	again := make([]ledger.StoredTx, len(items))
	if err := ledger.Apply(v.net, o, b, again); err != nil {
		return hash, nil, err
	}
	maps.Copy(v.accounts, o.Accounts)
	for i, it := range items {
		where := fmt.Sprintf("block %d, items[%d]", height, i)
		if !samePlace(it.Sender, again[i].Sender) || !samePlace(it.Receiver, again[i].Receiver) {
			v.problem(where, "its history pointers are wrong")
		}
		want := ledger.Place{Height: height, Index: uint32(i)}
		v.places.count(1, it.Tx.Key(), want)
		if v.lookUp {
			if at, err := v.store.Reader.Place(it.Tx.Key()); err != nil || !samePlace(at, &want) {
				v.problem(where, "the index does not lead to it")
			}
		}
	}
	return hash, items, nil
}

// derivedState is the state after the blocks so far. Accounts are in memory. Places are
// looked up in the index, which has been checked for these blocks. Places in later blocks
// do not count. Without look-ups, every transaction is taken to be new, see placeSum.
type derivedState struct{ v *verifier }

func (d derivedState) Account(id uuid.UUID) (*ledger.AccountState, error) {
	if a := d.v.accounts[id]; a != nil {
		return new(*a), nil
	}
	return new(ledger.AccountState), nil
}

func (d derivedState) Place(k ledger.TxKey) (*ledger.Place, error) {
	if !d.v.lookUp {
		return nil, nil
	}
	at, err := d.v.store.Reader.Place(k)
	if err != nil || at == nil || at.Height >= d.v.report.Blocks {
		return nil, err
	}
	return at, nil
}

// checkWhole checks what can be checked of a block by itself.
func checkWhole(net *ledger.Network, b *ledger.Block, hash ledger.Hash) error {
	if b.Hash() != hash {
		return errors.New("its header has another hash")
	}
	return net.CheckBlock(b)
}

func samePlace(a, b *ledger.Place) bool { return a == b || a != nil && b != nil && *a == *b }

// index looks for entries that lead nowhere, and for missing ones.
func (v *verifier) index() error {
	var n uint64
	err := v.store.EachPlace(func(k ledger.TxKey, at *ledger.Place) error {
		if n++; at != nil {
			v.places.count(^uint64(0), k, *at) // minus 1
		}
		return v.ctx.Err()
	})
	switch {
	case !v.derived || err != nil:
	case n != v.report.Txs:
		v.problem("index", "has %d entries for %d transactions", n, v.report.Txs)
	case v.places != placeSum{} && !v.lookUp:
		v.problem("index", "is not that of the chain")
	}
	return v.wrong("index", err)
}

// balances compares the accounts' records with the derived ones.
func (v *verifier) balances() error {
	var n int
	err := v.store.EachAccount(func(id uuid.UUID, got *ledger.AccountState, err error) error {
		if err != nil {
			v.problem("account "+id.String(), "cannot be read: %v", err)
			return v.ctx.Err()
		}
		want := v.accounts[id]
		if want != nil {
			n++
		} else if got.Balance == 0 && got.Newest == nil {
			return v.ctx.Err() // the account was only in a reverted block
		}
		switch {
		case !v.derived:
		case want == nil:
			v.problem("account "+id.String(), "has a record, but no transaction")
		case !sameTotals(got, want):
			v.problem("account "+id.String(), "holds %s, recounted %s", totals(got), totals(want))
		case !samePlace(got.Newest, want.Newest):
			v.problem("account "+id.String(), "its history does not begin at its newest transaction")
		}
		return v.ctx.Err()
	})
	if v.derived && err == nil && n < len(v.accounts) {
		v.problem("accounts", "%d records for %d accounts", n, len(v.accounts))
	}
	return v.wrong("accounts", err)
}

func sameTotals(a, b *ledger.AccountState) bool {
	same := func(m, n *big.Int) bool { return m == n || ledger.Plus(m, 0).Cmp(ledger.Plus(n, 0)) == 0 }
	return a.Balance == b.Balance && same(a.Minted, b.Minted) && same(a.Redeemed, b.Redeemed)
}

func totals(a *ledger.AccountState) string {
	return fmt.Sprintf("%d (minted %s, redeemed %s)", a.Balance, ledger.Plus(a.Minted, 0), ledger.Plus(a.Redeemed, 0))
}

// side checks the stored blocks that are not on the chain.
func (v *verifier) side() error {
	err := v.store.EachBody(func(ref ledger.BlockRef) error {
		on, err := onChain(v.store, ref)
		if err != nil || on {
			return err
		}
		where := fmt.Sprintf("block %d %s, off the chain", ref.Height, ref.Hash.Short())
		b, err := v.store.Block(ref.Hash)
		if err != nil {
			return v.wrong(where, err)
		}
		if err := checkWhole(v.net, b, ref.Hash); err != nil {
			v.problem(where, "%v", err)
			return nil
		}
		v.report.Side++
		return v.ctx.Err()
	})
	return v.wrong("blocks off the chain", err)
}

// pool checks the pool.
func (v *verifier) pool() error {
	entries, err := newPoolRecords().load(v.store)
	if err != nil {
		return v.wrong("pool", err)
	}
	seen := make(map[ledger.TxKey]bool)
	for _, e := range entries {
		where := "pool, transaction " + e.Tx.ID.String()
		if err := e.Tx.CheckFields(v.net); err != nil {
			v.problem(where, "%v", err)
		}
		if seen[e.Key] {
			v.problem(where, "is there twice")
		}
		seen[e.Key] = true
		if e.Arrival >= v.store.Info.Arrival {
			v.problem(where, "has arrival number %d, the next is %d", e.Arrival, v.store.Info.Arrival)
		}
		at, err := v.store.Reader.Place(e.Key)
		if err != nil {
			return v.wrong(where, err)
		}
		if at != nil {
			v.problem(where, "is in block %d already", at.Height)
		}
	}
	v.report.Pool = len(entries)
	return nil
}

func (v *verifier) receipts() error {
	return v.wrong("receipts", v.store.EachReceipt(func(id uuid.UUID, _ *store.Receipt, err error) error {
		if err != nil {
			v.problem("receipt of "+id.String(), "%v", err)
		} else {
			v.report.Receipts++
		}
		return v.ctx.Err()
	}))
}

// final compares the final blocks with the chain. Above the chain's highest final block
// they may be on another branch, to which the node switches when it has the blocks.
func (v *verifier) final(list []ledger.BlockRef) error {
	slices.SortFunc(list, func(a, b ledger.BlockRef) int { return cmp.Compare(b.Height, a.Height) })
	anchored := false
	for _, b := range list {
		if !v.derived || b.Height >= v.report.Blocks {
			continue
		}
		hash, err := v.store.Hash(b.Height)
		switch {
		case err != nil:
			return err
		case hash == b.Hash:
			anchored = true
		case anchored:
			v.problem(fmt.Sprintf("block %d", b.Height), "a certificate makes %s final, and the chain has %s there", b.Hash.Short(), hash.Short())
		default:
			v.report.Awaited++
		}
	}
	return nil
}

// proofs verifies the signatures of certificates and evidence.
func (v *verifier) proofs() error {
	builders := committee.New(v.net)
	var final []ledger.BlockRef
	err := v.store.EachProof(func(what string, c *finality.Certificate, e *finality.Evidence, err error) error {
		where := what
		switch {
		case err != nil:
		case builders == nil:
			err = errors.New("nobody votes on this network")
		case c != nil:
			where = fmt.Sprintf("%s of view %d for block %d", what, c.View, c.Block.Height)
			if err = builders.VerifyCertificate(c); err == nil && c.Kind == finality.Finalize {
				final = append(final, c.Block)
			}
		default:
			where = fmt.Sprintf("%s of view %d", what, e.A.View)
			err = errors.Join(builders.VerifyVote(&e.A), builders.VerifyVote(&e.B))
			if err == nil && (e.A.Builder != e.B.Builder || !e.A.Excludes(e.B.Statement)) {
				err = errors.New("its two votes prove nothing")
			}
		}
		if err != nil {
			v.problem(where, "%v", err)
		}
		return v.ctx.Err()
	})
	if err == nil {
		err = v.final(final)
	}
	return v.wrong("certificates", err)
}
