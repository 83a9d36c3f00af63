package node

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
)

func recordOf(view uint64) *finality.Record {
	s := finality.Statement{Kind: finality.Nullify, View: view}
	return &finality.Record{
		View:        view,
		Floor:       view / 2,
		Votes:       []finality.Vote{{Statement: s, Builder: 2, Signature: ledger.Signature{1}}},
		Certificate: &finality.Certificate{Statement: s, Signers: []byte{7}, Signatures: make([]byte, 3*64)},
	}
}

// expectRecord loads the record of a key as a start does.
func expectRecord(t *testing.T, d *DataDir, c *chain.Chain, key ledger.PublicKey, want *finality.Record) *ownVotes {
	t.Helper()
	o := d.votes(key, c.Network().ID())
	if got, err := o.load(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the record is %+v, want %+v (%v)", got, want, err)
	}
	return o
}

// TestOwnVotes checks that a key that has voted in a directory never counts there as one that
// has not. That holds whatever becomes of its record, also when another key votes in between.
func TestOwnVotes(t *testing.T) {
	d, c := openTestDir(t), chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "votes"})})
	a, b := ledger.PublicKey{1}, ledger.PublicKey{2}
	put := func(o *ownVotes, r *finality.Record) {
		t.Helper()
		if err := o.save(r); err != nil {
			t.Fatal(err)
		}
	}
	first := expectRecord(t, d, c, a, &finality.Record{})
	for view := uint64(1); view < 5; view++ {
		put(first, recordOf(view))
		expectRecord(t, d, c, a, recordOf(view))
	}
	other := chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "another"})})
	expectRecord(t, d, other, a, &finality.Record{}) // votes do not count in another network
	expectRecord(t, d, c, a, recordOf(4))
	put(expectRecord(t, d, c, b, &finality.Record{}), recordOf(9))
	expectRecord(t, d, c, b, recordOf(9))
	again := expectRecord(t, d, c, a, nil)
	put(again, recordOf(7))
	expectRecord(t, d, c, a, recordOf(7))
	put(again, nil)
	expectRecord(t, d, c, a, nil)
	expectRecord(t, d, c, b, nil)
	put(again, recordOf(8))
	if err := d.loseVotes(); err != nil {
		t.Fatal(err)
	}
	expectRecord(t, d, c, a, nil)
	put(expectRecord(t, d, c, a, nil), recordOf(8))
	save(t, d.file("votes"), "\x01")
	expectRecord(t, d, c, a, nil)
	checkMode(t, d.file("votes"))
}

// TestOwnVotesOutliveTheLedger checks that an older copy of the ledger that is put back
// under a builder does not change its votes, so no other builder need hold them.
func TestOwnVotesOutliveTheLedger(t *testing.T) {
	d, key := openTestDir(t), ledger.PublicKey{1}
	net := ledgertest.Network(t, ledger.Network{Name: "votes"})
	run := func(want *finality.Record, view uint64) {
		t.Helper()
		c, err := chain.Open(chain.Config{Network: net, Dir: d.Chain()})
		if err != nil {
			t.Fatal(err)
		}
		if err := expectRecord(t, d, c, key, want).save(recordOf(view)); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	run(&finality.Record{}, 1)
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(d.Chain())); err != nil {
		t.Fatal(err)
	}
	run(recordOf(1), 5)
	if err := os.RemoveAll(d.Chain()); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(d.Chain(), os.DirFS(older)); err != nil {
		t.Fatal(err)
	}
	run(recordOf(5), 6)
	if err := os.RemoveAll(d.Chain()); err != nil {
		t.Fatal(err)
	}
	run(recordOf(6), 7)
}
