package builder

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
)

// TestRestoredVoterForgetsItsRecord checks that a start with a restored directory leaves no
// old record to the next start, nor an empty one if the backup is older than the first vote.
func TestRestoredVoterForgetsItsRecord(t *testing.T) {
	var keys []ledger.PublicKey
	for i := range 4 {
		keys = append(keys, ledgertest.Public(ledgertest.Key(i)))
	}
	for _, record := range []*finality.Record{{View: 7}, {}} {
		c, saved := chaintest.Open(t, chain.Config{Network: newNetwork(t, 0, keys...)}), record
		v := NewVoter(VoterConfig{Chain: c, Key: ledgertest.Key(0), Record: record, Restored: true, Save: func(r *finality.Record) error { saved = r; return nil }})
		if !v.State().Mute {
			t.Error("before it runs it says that it votes")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if saved != nil || !v.State().Mute {
			t.Errorf("record %v, mute %v", saved, v.State().Mute)
		}
	}
}

// TestLiarIsLoggedOnce checks that a builder that lies in every view does not fill the log.
func TestLiarIsLoggedOnce(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		var log bytes.Buffer
		n := v.nodes[0]
		v.start(n, func(c *VoterConfig) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		for view := range uint64(5) {
			c, fin := n.voter().Committee(), ledger.BlockRef{Hash: ledger.Hash{1}}
			v.take(n.voter(), []finality.Vote{
				c.Sign(finality.Statement{Kind: finality.Nullify, View: view + 1}, 1, v.nodes[1].key),
				c.Sign(finality.Statement{Kind: finality.Finalize, View: view + 1, Block: fin}, 1, v.nodes[1].key),
			}, nil)
			synctest.Wait()
		}
		v.end(n)
		lies := v.signedBy(1)
		v.signed = nil // no node lied: the test made the votes
		if lies != 2 {
			t.Errorf("the votes of a liar were published %d times, want the two of one proof", lies)
		}
		if got := strings.Count(log.String(), "broke the rules"); got != 1 || !slices.Equal(n.voter().State().Liars, []int{1}) {
			t.Errorf("%d lines about the liars %v:\n%s", got, n.voter().State().Liars, log.String())
		}
	})
}

// TestEvidenceOfLongAgo checks that a node that was not there when a builder lied learns
// it from the answer of one that was, however many views ago that is.
func TestEvidenceOfLongAgo(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		v.stop()
		n, late := v.nodes[0], v.nodes[2]
		v.start(n)
		c := n.voter().Committee()
		v.take(n.voter(), []finality.Vote{
			c.Sign(finality.Statement{Kind: finality.Nullify, View: 1}, 1, v.nodes[1].key),
			c.Sign(finality.Statement{Kind: finality.Finalize, View: 1, Block: ledger.BlockRef{Hash: ledger.Hash{1}}}, 1, v.nodes[1].key),
		}, nil)
		synctest.Wait()
		over := &finality.Certificate{Statement: finality.Statement{Kind: finality.Nullify, View: 900}, Signers: []byte{0b1110}}
		for i := 1; i < 4; i++ {
			vote := c.Sign(over.Statement, i, v.nodes[i].key)
			over.Signatures = append(over.Signatures, vote.Signature[:]...)
		}
		v.take(n.voter(), nil, []*finality.Certificate{over})
		v.start(late)
		certs, votes := n.voter().Since(t.Context(), 1)
		v.take(late.voter(), votes, certs)
		synctest.Wait()
		if st := late.voter().State(); st.View != 901 || !slices.Equal(st.Liars, []int{1}) {
			t.Errorf("in view %d it names the liars %v", st.View, st.Liars)
		}
		v.end(n)
		v.end(late)
		v.signed = nil // no node lied: the test made the votes
	})
}

// TestWatcherForgetsNothing checks that a node that is no builder has no votes to forget,
// also in a restored directory.
func TestWatcherForgetsNothing(t *testing.T) {
	c := chaintest.Open(t, chain.Config{Network: newNetwork(t, 0, ledgertest.Public(ledgertest.Key(1)))})
	v := NewVoter(VoterConfig{Chain: c, Key: ledgertest.Key(2), Restored: true, Save: func(*finality.Record) error {
		t.Error("it is noted that it votes")
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestManyNullifiedViewsBehind checks that a builder that joins after more nullified
// views than a machine keeps gets all of them, 64 at a time, and then votes.
func TestManyNullifiedViewsBehind(t *testing.T) {
	withVotes(t, func(t *testing.T, v *votes) {
		v.stop()
		n, late := v.nodes[0], v.nodes[2]
		v.start(n)
		v.start(late)
		const views = finality.MaxOpen + 302
		var certs []*finality.Certificate
		for view := range uint64(views) {
			certs = append(certs, &finality.Certificate{
				Statement: finality.Statement{Kind: finality.Nullify, View: view + 1}, Signers: []byte{0b1110}, Signatures: make([]byte, 3*64),
			})
			if len(certs) == 500 || view+1 == views {
				v.take(n.voter(), nil, certs)
				certs = nil
				synctest.Wait()
			}
		}
		v.take(late.voter(), nil, []*finality.Certificate{{ // the newest comes first
			Statement: finality.Statement{Kind: finality.Nullify, View: views}, Signers: []byte{0b1110}, Signatures: make([]byte, 3*64),
		}})
		for range views/64 + 1 {
			certs, _ := n.voter().Since(t.Context(), late.voter().Lacks())
			v.take(late.voter(), nil, certs[:min(64, len(certs))])
			synctest.Wait()
		}
		if view, lacks := late.voter().View(), late.voter().Lacks(); view != views+1 || lacks != view {
			t.Errorf("it is in view %d and lacks %d, want %d", view, lacks, views+1)
		}
	})
}
