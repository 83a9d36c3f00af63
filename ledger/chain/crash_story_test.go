package chain

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
)

var (
	seedFlag  = flag.Int64("seed", -1, "play only the crash story of this seed")
	seedsFlag = flag.Int("seeds", 0, "how many crash stories to play (default 2000, 50 with -short; or FOXCHAIN_TEST_SEEDS)")
)

// storyWriteBuffer is small, so that the power also fails in compactions. With the race
// detector it is 1 MiB larger, which leaves them out. When one failed, LevelDB may send
// on a channel that the waiting writer closed. It recovers, but the race is reported.
const storyWriteBuffer = 4<<10 + ledgertest.Race<<20

// seeds returns which stories to play.
func seeds(t *testing.T) (first, n int64) {
	t.Helper()
	if *seedFlag >= 0 {
		return *seedFlag, 1
	}
	count := 2000
	if testing.Short() {
		count = 50
	}
	if text := os.Getenv("FOXCHAIN_TEST_SEEDS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatalf("FOXCHAIN_TEST_SEEDS: %v", err)
		}
	}
	if *seedsFlag > 0 {
		count = *seedsFlag
	}
	return 0, int64(count)
}

// TestCrashStories plays random stories, each from its seed: submissions (what
// can be paid, what must wait, what was sent before), own blocks, blocks of
// others on any block of the last few, merges, expiry, clean restarts. A few
// times in each, at a random operation of the disk, the process is killed or the
// power fails, and the story goes on with what the disk still holds (see disk).
//
// After every start the chain is whole and equals what its blocks lead to, and the tip is
// no worse than the best that was announced. Every transaction whose Submit returned is
// in the pool, in the chain or has a receipt, and none is there twice.
//
// go test ./ledger/chain -run TestCrashStories -seed N plays one again; -seeds N plays more.
func TestCrashStories(t *testing.T) {
	first, n := seeds(t)
	var next, crashes, accepted atomic.Int64
	var kinds [lossKinds]atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				seed := first + next.Add(1) - 1
				if seed >= first+n || t.Failed() {
					return
				}
				t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
					defer func() {
						if t.Failed() {
							t.Logf("play it again: go test ./ledger/chain -run 'TestCrashStories$' -seed %d", seed)
						}
					}()
					s := newCrashStory(t, uint64(seed))
					s.play()
					crashes.Add(int64(s.crashes))
					accepted.Add(int64(len(s.accepted)))
					for i := range kinds {
						kinds[i].Add(int64(s.kinds[i]))
					}
				})
			}
		})
	}
	wg.Wait()
	t.Logf("%d stories: %d crashes (%d kills, %d power cuts, %d torn, %d with zeroes); %d transactions accepted, 0 lost, 0 twice",
		n, crashes.Load(), kinds[lossNone].Load(), kinds[lossAll].Load(), kinds[lossTorn].Load(), kinds[lossZeroes].Load(), accepted.Load())
}

type crashStory struct {
	*lab
	r        *rand.Rand
	disk     *disk
	accepted map[ledger.TxKey]*ledger.Transaction
	order    []*ledger.Transaction // the accepted ones, in order
	known    []*ledger.Block       // all blocks that were made, parents before children
	told     ledger.BlockRef       // the best tip that was announced
	crashes  int
	kinds    [lossKinds]int
}

func newCrashStory(t *testing.T, seed uint64) *crashStory {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &crashStory{lab: newLab(t), r: r, disk: newDisk(rand.New(rand.NewPCG(seed, 2))), accepted: make(map[ledger.TxKey]*ledger.Transaction)}
	s.chain.Close()
	s.told.Height = math.MaxUint64 // none, since CompareTips puts it below all
	s.arm()
	s.start()
	return s
}

// arm lets the power fail at one of the next operations, or, rarely, not at all.
func (s *crashStory) arm() {
	if s.crashes < 4 && s.r.IntN(8) > 0 {
		s.disk.mu.Lock()
		s.disk.failAt = s.disk.ops + 1 + s.r.IntN(1<<(1+s.r.IntN(8)))
		s.disk.mu.Unlock()
	}
}

// start opens the chain until no crash comes in between, and checks it.
func (s *crashStory) start() {
	s.t.Helper()
	for {
		c, err := Open(Config{Network: s.net, Storage: s.disk, writeBuffer: storyWriteBuffer, filter: tinyFilter})
		if err == nil {
			err = c.store.FillFilter(context.Background(), &c.mu, c.ready)
		}
		if err == nil {
			s.chain = c
			break
		}
		if !errors.Is(err, errPower) {
			s.t.Fatalf("open: %v", err)
		}
		s.crash()
	}
	s.verify()
}

// crash takes what the disk still holds.
func (s *crashStory) crash() {
	kind := loss(s.r.IntN(int(lossKinds)))
	s.kinds[kind]++
	s.crashes++
	s.disk = s.disk.survivor(kind)
	s.arm()
}

func (s *crashStory) verify() {
	s.t.Helper()
	s.check()
	for _, tx := range s.accepted {
		expectTraced(s.t, s.chain, tx)
	}
	tip := s.chain.Tip()
	if s.told.Height != math.MaxUint64 && ledger.CompareTips(ledger.BlockRef{Height: tip.Blocks - 1, Hash: tip.Hash}, s.told) > 0 {
		s.t.Fatalf("the tip is block %d %s, but %d %s was told", int64(tip.Blocks)-1, tip.Hash.Short(), s.told.Height, s.told.Hash.Short())
	}
}

// do runs one step. After a crash the chain is opened again, and the step may have happened or not.
func (s *crashStory) do(step func(ctx context.Context) error) {
	s.t.Helper()
	err := step(context.Background())
	if err == nil && s.chain.Err() == nil {
		if tip := s.chain.Tip(); tip.Blocks > 0 {
			s.told = ledger.BlockRef{Height: tip.Blocks - 1, Hash: tip.Hash}
		}
		return
	}
	if !errors.Is(err, errPower) && !errors.Is(s.chain.Err(), errPower) {
		s.t.Fatal(err)
	}
	_ = s.chain.Close()
	s.crash()
	s.start()
}

func (s *crashStory) play() {
	defer func() { _ = s.chain.Close() }()
	for range 30 {
		switch s.r.IntN(10) {
		case 0, 1, 2:
			s.submitSome()
		case 3, 4:
			s.ownBlock()
		case 5, 6:
			s.foreignBlocks()
		case 7:
			s.mergeBlock()
		case 8:
			s.do(func(context.Context) error {
				s.chain.expiry = -time.Hour // all that wait have waited for too long
				return s.chain.expire()
			})
		case 9:
			s.do(func(context.Context) error {
				if err := s.chain.Close(); err != nil {
					return err
				}
				s.start()
				return nil
			})
		}
	}
	for _, b := range s.known { // others offer again what a crash made this node forget
		s.hear(b)
	}
	s.verify()
	s.disk.mu.Lock()
	s.disk.failAt = 0
	failed := s.disk.dead // in a compaction, after the last step
	s.disk.mu.Unlock()
	if err := s.chain.Close(); err != nil && !errors.Is(err, errPower) {
		s.t.Fatal(err)
	}
	s.disk = s.disk.survivor(lossNone)
	if failed { // the next start repairs what was torn
		s.start()
		if err := s.chain.Close(); err != nil {
			s.t.Fatal(err)
		}
		s.disk = s.disk.survivor(lossNone)
	}
	report, err := Verify(context.Background(), VerifyConfig{Network: s.net, Storage: s.disk})
	if err != nil || len(report.Problems) > 0 {
		s.t.Fatalf("verify: %v %v", err, report)
	}
	s.start()
}

func (s *crashStory) submitSome() {
	txs := make([]*ledger.Transaction, 1+s.r.IntN(4))
	for i := range txs {
		from := 0
		if s.r.IntN(3) == 0 {
			from = 1 + s.r.IntN(4)
		}
		txs[i] = s.tx(from, 1+s.r.IntN(4), 1+s.r.Uint64N(30))
		if s.r.IntN(6) == 0 && s.ids > 1 { // sent before, perhaps with other contents
			txs[i].ID[15] = byte(1 + s.r.IntN(int(min(s.ids, 255))))
		}
	}
	s.do(func(ctx context.Context) error {
		out, err := s.chain.Submit(ctx, txs, pool.FromClient)
		if err != nil {
			return err
		}
		for i, o := range out {
			if o.Taken || o.Held {
				s.order = append(s.order, txs[i])
				s.accepted[txs[i].Key()] = txs[i]
			}
		}
		return nil
	})
}

// ownBlock builds as this node's builder does.
func (s *crashStory) ownBlock() {
	tpl := s.chain.Template(1 + s.r.IntN(5))
	if tpl.Header.Count == 0 {
		return
	}
	s.hear(s.sealed(tpl.Header, tpl.Txs))
}

func (s *crashStory) sealed(h ledger.Header, txs []*ledger.Transaction) *ledger.Block {
	b := &ledger.Block{Txs: txs}
	b.Header = h
	b.Count, b.Root, b.Bits, b.Version = uint32(len(txs)), ledger.Root(txs), s.net.Bits, 1
	b.Builder = s.builder()
	b.Time = s.r.Uint64N(1 << 40)
	b.SealedHeader = b.Header.Sign(s.net, s.key)
	s.known = append(s.known, b)
	return b
}

// foreignBlocks makes up to four blocks on one of the newest, from what others
// may have: new transactions, or some that this node accepted.
func (s *crashStory) foreignBlocks() {
	h := ledger.Header{Parent: s.net.ID()}
	taken := make(map[ledger.TxKey]bool)
	if n := len(s.known); n > 0 {
		on := s.known[max(0, n-1-s.r.IntN(4))]
		h.Parent, h.Height = on.Hash(), on.Height+1
		taken = s.below(on)
	}
	var blocks []*ledger.Block
	for range 1 + s.r.IntN(4) {
		txs := []*ledger.Transaction{s.tx(0, 1+s.r.IntN(4), 1+s.r.Uint64N(20))}
		for _, tx := range s.order {
			if s.r.IntN(4) == 0 && tx.Sender == ledgertest.Account(0) && !taken[tx.Key()] && len(txs) < 4 {
				taken[tx.Key()] = true
				txs = append(txs, tx)
			}
		}
		taken[txs[0].Key()] = true
		b := s.sealed(h, txs)
		blocks = append(blocks, b)
		h.Parent, h.Height = b.Hash(), b.Height+1
	}
	for _, b := range blocks {
		s.hear(b)
	}
}

// below returns the transactions of the chain that ends with b.
func (s *crashStory) below(b *ledger.Block) map[ledger.TxKey]bool {
	byHash := make(map[ledger.Hash]*ledger.Block, len(s.known))
	for _, k := range s.known {
		byHash[k.Hash()] = k
	}
	taken := make(map[ledger.TxKey]bool)
	for ; b != nil; b = byHash[b.Parent] {
		for _, tx := range b.Txs {
			taken[tx.Key()] = true
		}
	}
	return taken
}

func (s *crashStory) hear(b *ledger.Block) {
	s.do(func(ctx context.Context) error {
		_, err := s.chain.AddBlock(ctx, b)
		if errors.Is(err, ledger.ErrUnknownParent) {
			return nil // a crash made it forget the one below, which is offered again
		}
		var rule *ledger.BlockError
		if errors.As(err, &rule) && rule.Fault == ledger.FaultBlock && s.broke(rule) {
			return nil
		}
		return err
	})
}

// broke reports whether a block may break a rule. This node may have built it on a tip
// that spent money which the branch of another does not have.
func (s *crashStory) broke(e *ledger.BlockError) bool { return e.Height > 0 }

func (s *crashStory) mergeBlock() {
	if len(s.known) == 0 {
		return
	}
	b := s.known[s.r.IntN(len(s.known))]
	s.do(func(ctx context.Context) error {
		err := s.chain.MergeBlocks(ctx, []*ledger.GivenBlock{{Txs: b.Txs, Parent: &b.Parent, Sealed: b}}, nil)
		var rule *ledger.BlockError
		if errors.As(err, &rule) {
			return nil // its parent may be forgotten
		}
		return err
	})
}
