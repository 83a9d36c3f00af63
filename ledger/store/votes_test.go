package store

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/finality"
)

func openVotes(t *testing.T) *Store {
	t.Helper()
	s, _, err := Open(Config{Storage: storage.NewMemStorage()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func votesCert(k finality.Kind, view, height uint64) *finality.Certificate {
	c := &finality.Certificate{Statement: finality.Statement{Kind: k, View: view}, Signers: []byte{1}, Signatures: make([]byte, 64)}
	if k != finality.Nullify {
		c.Block = ledger.BlockRef{Height: height, Hash: ledger.Hash{1, byte(height)}}
	}
	return c
}

// All final certificates of the newest heights stay, and below them one in a stride,
// also when they leave gaps. Each final height keeps one at or above it.
func TestFinalCertificatesAreThinned(t *testing.T) {
	for _, step := range []uint64{1, 7, 100} {
		s := openVotes(t)
		const last = 2*keptFinal + 500
		var top uint64
		for height := uint64(0); height <= last; height += step {
			top = height
			if err := s.PutCertificates([]*finality.Certificate{votesCert(finality.Finalize, height+1, height)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		perStride := make(map[uint64]int)
		var old, recent uint64
		it := s.DB.NewIterator(nil, nil)
		times := uint64(0)
		for it.Next() {
			if bytes.HasPrefix(it.Key(), votesKey(nameFinalTime)) {
				times++
			}
			if it.Key()[0] != keyFinal {
				continue
			}
			c, err := finality.DecodeCertificate(it.Value())
			if err != nil {
				t.Fatal(err)
			}
			if h := c.Block.Height; h+keptFinal > top {
				recent++
			} else {
				old++
				perStride[h/finalStride]++
			}
		}
		it.Release()
		if want := (keptFinal + step - 1) / step; recent != want {
			t.Errorf("step %d: %d of the newest heights are kept, want %d", step, recent, want)
		}
		if most := (top-keptFinal)/finalStride + 1; old > most {
			t.Errorf("step %d: %d old ones are kept, want %d at most", step, old, most)
		}
		if times != old+recent {
			t.Errorf("step %d: %d times are kept of %d certificates", step, times, old+recent)
		}
		if c, at, err := s.FinalFrom(top); err != nil || c == nil || c.Block.Height != top || time.Since(at) > time.Hour {
			t.Errorf("the newest is %+v since %s, %v", c, at, err)
		}
		for stride, n := range perStride {
			if n > 1 {
				t.Fatalf("step %d: %d are kept in stride %d", step, n, stride)
			}
		}
		if c, err := s.FinalBelow(math.MaxUint64); err != nil || c == nil || c.Block.Height != top {
			t.Errorf("the newest is %+v, %v", c, err)
		}
		if c, err := s.FinalBelow(5_000); err != nil || c == nil || c.Block.Height >= 5_000 || c.Block.Height+2*finalStride+step < 5_000 {
			t.Errorf("step %d: below 5,000 is %+v, %v", step, c, err)
		}
	}
}

// Certificates below the last final view go, and those from it on stay.
func TestOldCertificatesGo(t *testing.T) {
	s := openVotes(t)
	for _, c := range []*finality.Certificate{
		votesCert(finality.Nullify, 1, 0), votesCert(finality.Notarize, 1, 1), votesCert(finality.Notarize, 2, 1),
		votesCert(finality.Nullify, 300, 0), votesCert(finality.Finalize, 2, 1),
	} {
		if err := s.PutCertificates([]*finality.Certificate{c}, nil); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Certificates()
	if err != nil || len(list) != 3 || list[0].Kind != finality.Finalize || list[1].View != 2 || list[2].View != 300 {
		t.Errorf("%+v, %v", list, err)
	}
}

// A block that a later view makes final again keeps its first certificate and time.
func TestFinalAgain(t *testing.T) {
	s := openVotes(t)
	put := func(view uint64) time.Time {
		t.Helper()
		if err := s.PutCertificates([]*finality.Certificate{votesCert(finality.Finalize, view, 7)}, nil); err != nil {
			t.Fatal(err)
		}
		c, at, err := s.FinalFrom(7)
		if err != nil || c.View != 3 {
			t.Fatalf("it is final by %+v, %v", c, err)
		}
		return at
	}
	first := put(3)
	time.Sleep(2 * time.Millisecond) // the clock's grain
	if again := put(4); !again.Equal(first) {
		t.Errorf("it is final since %s, and was since %s", again, first)
	}
}

// One builder that breaks the rules in every view leaves room for the proof of another.
func TestEvidenceOfEachBuilder(t *testing.T) {
	s := openVotes(t)
	for view := range uint64(200) {
		vote := func(height uint64) finality.Vote {
			return finality.Vote{Statement: votesCert(finality.Notarize, view+1, height).Statement, Builder: int(view / 150)}
		}
		e := finality.Evidence{A: vote(1), B: vote(2)}
		if err := s.PutCertificates(nil, []finality.Evidence{e, {A: vote(1), B: vote(3)}}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Evidence()
	if err != nil || len(list) != 2 {
		t.Fatalf("%d are kept, %v", len(list), err)
	}
	views := map[int]uint64{list[0].A.Builder: list[0].A.View, list[1].A.Builder: list[1].A.View}
	if views[0] != 1 || views[1] != 151 {
		t.Errorf("of builders and views: %v", views)
	}
}

// TestUnreadableRecords checks that a record of any kind that cannot be decoded is
// reported as damage.
func TestUnreadableRecords(t *testing.T) {
	s := openVotes(t)
	net, err := ledger.NamedNetwork("unreadable")
	if err != nil {
		t.Fatal(err)
	}
	tx := &ledger.Transaction{Amount: 1}
	block := &ledger.SealedHeader{Header: ledger.Header{Count: 1}}
	hash, place := block.Hash(), ledger.Place{}
	w := s.Begin()
	w.PutBlock(block, hash, []ledger.StoredTx{{Tx: tx}})
	w.AddTip(hash)
	w.PutState(&ledger.Overlay{Accounts: map[uuid.UUID]*ledger.AccountState{{}: {Newest: &place}}, Places: map[ledger.TxKey]*ledger.Place{{}: &place}})
	w.PutReceipt(&Receipt{Tx: tx})
	if err := w.Write(false); err != nil {
		t.Fatal(err)
	}
	if err := s.PutCertificates([]*finality.Certificate{votesCert(finality.Finalize, 1, 1), votesCert(finality.Nullify, 2, 0)}, []finality.Evidence{{}}); err != nil {
		t.Fatal(err)
	}
	reported := 0
	s.OnDamage(func(error) { reported++ })
	type reads map[string]func(*View) error
	for prefix, reads := range map[string]reads{
		"i": {"info": func(*View) error { _, err := s.ReadInfo(); return err }},
		"n": {"hash": func(v *View) error { _, err := v.Hash(0); return err }},
		"h": {"header": func(v *View) error { _, err := v.Header(0); return err }},
		"b": {
			"block":   func(v *View) error { _, err := v.Block(0); return err },
			"tx":      func(*View) error { _, err := s.Tx(place); return err },
			"find":    func(v *View) error { _, err := v.Find(uuid.UUID{}, nil, 1); return err },
			"history": func(v *View) error { _, _, err := v.History(uuid.UUID{}, nil, 1); return err },
		},
		"t": {"place": func(*View) error { _, err := s.Place(ledger.TxKey{}); return err }},
		"a": {
			"account": func(v *View) error { _, err := v.Account(uuid.UUID{}); return err },
			"accounts": func(v *View) error {
				return v.EachAccount(uuid.UUID{}, uuid.UUID{}, func(Account) error { return nil })
			},
		},
		"r":  {"receipts": func(*View) error { _, err := s.Receipts(uuid.UUID{}, nil, 1); return err }},
		"f":  {"final": func(*View) error { _, err := s.FinalBelow(math.MaxUint64); return err }},
		"vc": {"certificates": func(*View) error { _, err := s.Certificates(); return err }},
		"ve": {"evidence": func(*View) error { _, err := s.Evidence(); return err }},
	} {
		whole := make(map[string][]byte)
		if err := s.scan([]byte(prefix), func(key, value []byte) error {
			whole[string(key)] = bytes.Clone(value)
			return s.DB.Put(key, value[:max(0, len(value)-1)], nil)
		}); err != nil {
			t.Fatal(err)
		}
		v, err := s.Snapshot(Tip{Blocks: 1}).View(net)
		if err != nil {
			t.Fatal(err)
		}
		for name, read := range reads {
			reported = 0
			if err := read(v); !errors.Is(err, ErrDamaged) || reported != 1 {
				t.Errorf("%s: %v, reported %d times", name, err, reported)
			}
		}
		for key, value := range whole {
			if err := s.DB.Put([]byte(key), value, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}
