package builder

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
)

func TestSealer(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, newNetwork(t, 8), ledgertest.Key(1))
	if none, err := l.sealer.Template(ctx, 0); err != nil || none.Number != 0 {
		t.Fatalf("template of an empty pool: number %d, %v", none.Number, err)
	}
	poor := pay(7, 8, 5)
	l.submit(append(mint(3), poor)...)

	s, err := l.sealer.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if s.Blocks != 0 || s.Tip != l.chain.Network().ID() || s.Payable != 3 || s.Rank != 0 || !s.Allowed || s.Oldest < 0 {
		t.Errorf("state %+v", s)
	}
	template, err := l.sealer.Template(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	if template.Number != 1 || len(template.Txs) != 2 || template.Header.Count != 2 || template.Header.Builder != l.self || template.Header.Nonce != (ledger.Nonce{}) {
		t.Errorf("template %+v", template)
	}

	block := l.build(0)
	if block.Builder != l.self || len(block.Txs) != 3 || block.Parent != l.chain.Network().ID() {
		t.Errorf("block %+v", block)
	}
	if _, err := l.sealer.Submit(ctx, 1, ledger.Nonce{}); !errors.Is(err, ErrStale) {
		t.Errorf("the first template after a block: %v, want ErrStale", err)
	}
	if ref, err := l.sealer.Submit(ctx, 2, block.Nonce); err != nil || ref.Hash != block.Hash() {
		t.Errorf("the same block again: %v, %v", ref, err)
	}
	l.expectBlocks(1)
	if st := l.chain.Status(); st.Pool != 1 || st.Waiting != 1 {
		t.Errorf("the pool holds %d, of which %d wait", st.Pool, st.Waiting)
	}
}

// A block is announced before it is written here. A block that is not valid is not announced.
func TestAnnounce(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, newNetwork(t, 8), ledgertest.Key(1))
	var announced []*ledger.Block
	l.sealer.cfg.Announce = func(b *ledger.Block) {
		announced = append(announced, b)
		l.expectBlocks(uint64(len(announced) - 1))
	}
	l.submit(mint(2)...)
	template, err := l.sealer.Template(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	h := template.Header
	for n := uint64(0); ; n++ { // a nonce without the work
		binary.BigEndian.PutUint64(h.Nonce[:], n)
		sealed := h.Sign(l.chain.Network(), ledgertest.Key(1))
		if l.chain.Network().CheckHeader(&sealed) != nil {
			break
		}
	}
	if _, err := l.sealer.Submit(ctx, template.Number, h.Nonce); err == nil || len(announced) != 0 {
		t.Errorf("without work: %v, %d announced", err, len(announced))
	}
	block := l.build(0)
	if len(announced) != 1 || announced[0].Hash() != block.Hash() || len(announced[0].Txs) != 2 {
		t.Errorf("announced %v", announced)
	}
}

func TestSubmitWithoutWork(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, newNetwork(t, 20), ledgertest.Key(1))
	l.submit(mint(1)...)
	template, err := l.sealer.Template(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range byte(8) { // one of them does the work with a chance of 1 in 131,072
		_, err := l.sealer.Submit(ctx, template.Number, ledger.Nonce{n})
		if _, ok := errors.AsType[*ledger.BlockError](err); !ok {
			t.Fatalf("nonce %d: %v, want a BlockError", n, err)
		}
	}
	if st := l.chain.Status(); st.FailedBlocks != 0 {
		t.Errorf("%d blocks are marked as failed", st.FailedBlocks)
	}
}

func TestSealerForgetsOldTemplates(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, newNetwork(t, 0), ledgertest.Key(1))
	l.submit(mint(1)...)
	for _, number := range []uint64{0, 1, MaxTemplates} {
		if _, err := l.sealer.Submit(ctx, number, ledger.Nonce{}); !errors.Is(err, ErrOldTemplate) {
			t.Errorf("template %d before any: %v, want ErrOldTemplate", number, err)
		}
	}
	for want := range uint64(MaxTemplates + 1) {
		for range 2 { // the same block again is the same template
			template, err := l.sealer.Template(ctx, 0)
			if err != nil {
				t.Fatal(err)
			}
			if template.Number != want+1 {
				t.Fatalf("template %d, want %d", template.Number, want+1)
			}
		}
		l.submit(mint(1)...)
	}
	if _, err := l.sealer.Submit(ctx, 1, ledger.Nonce{}); !errors.Is(err, ErrOldTemplate) {
		t.Errorf("the oldest: %v, want ErrOldTemplate", err)
	}
	if _, err := l.sealer.Submit(ctx, 2, ledger.Nonce{}); err != nil {
		t.Errorf("the oldest kept: %v", err)
	}
	l.expectBlocks(1)
}

func TestSealerMayNot(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, newNetwork(t, 0, ledgertest.Public(ledgertest.Key(2))), ledgertest.Key(1))
	l.submit(mint(1)...)
	template, err := l.sealer.Template(ctx, 0)
	if !errors.Is(err, ErrNotAllowed) {
		t.Errorf("template: %v", err)
	}
	if _, err := l.sealer.Submit(ctx, template.Number, ledger.Nonce{}); err == nil {
		t.Error("submit took it")
	}
	if _, err := l.sealer.Seal(ctx, template.Header); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("seal: %v", err)
	}
	if s, err := l.sealer.State(ctx); err != nil || s.Allowed {
		t.Errorf("state %+v, %v", s, err)
	}
	l.expectBlocks(0)
}

func TestRankCountsOnlyBuildersOfTheNetwork(t *testing.T) {
	strangers := []ledger.PublicKey{ledgertest.Public(ledgertest.Key(3)), ledgertest.Public(ledgertest.Key(4)), ledgertest.Public(ledgertest.Key(5)), ledgertest.Public(ledgertest.Key(6)), ledgertest.Public(ledgertest.Key(7))}
	l := newLab(t, newNetwork(t, 0, ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))), ledgertest.Key(1), append(strangers, ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2)))...)
	s, err := l.sealer.State(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if want := Rank(s.Tip, l.self, []ledger.PublicKey{ledgertest.Public(ledgertest.Key(2))}); s.Rank != want {
		t.Errorf("rank %d, want %d", s.Rank, want)
	}
}

func TestSeal(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, newNetwork(t, 10), ledgertest.Key(1))
	l.submit(mint(2)...)
	tpl := l.chain.Template(2)
	sealed, err := l.sealer.Seal(ctx, tpl.Header)
	if err != nil {
		t.Fatal(err)
	}
	if sealed.Builder != l.self {
		t.Errorf("builder is %s", sealed.Builder)
	}
	change, err := l.chain.AddBlock(ctx, &ledger.Block{SealedHeader: sealed, Txs: tpl.Txs})
	if err != nil || change != chain.Extended {
		t.Errorf("the chain returns %d, %v", change, err)
	}
}

// A search that cannot end in time ends with its context. So does one that waits behind
// it for its turn.
func TestSealIsCancelled(t *testing.T) {
	l := newLab(t, newNetwork(t, ledger.MaxBits), ledgertest.Key(1))
	l.submit(mint(1)...)
	h := l.chain.Template(1).Header
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	for range 2 {
		go func() {
			_, err := l.sealer.Seal(ctx, h)
			ended <- err
		}()
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's end", err)
		}
	}
}

func TestSealerConfig(t *testing.T) {
	chain := newLab(t, newNetwork(t, 0), ledgertest.Key(1)).chain
	for name, cfg := range map[string]SealerConfig{
		"no chain":  {Key: ledgertest.Key(1)},
		"no key":    {Chain: chain},
		"short key": {Chain: chain, Key: ed25519.PrivateKey("short")},
		"no others": {Chain: chain, Key: ledgertest.Key(1)},
	} {
		if _, err := NewSealer(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
