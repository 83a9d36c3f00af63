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

// TestRestoredVoterForgetsItsRecord: a start with a restored directory must not leave an
// old record to the next start, nor one without a record if the backup is older than
// the first vote.
func TestRestoredVoterForgetsItsRecord(t *testing.T) {
	var keys []ledger.PublicKey
	for i := range 4 {
		keys = append(keys, ledgertest.Public(ledgertest.Key(i)))
	}
	for _, voted := range []bool{true, false} {
		c := chaintest.Open(t, chain.Config{Network: newNetwork(t, 0, keys...)})
		if err := c.Votes().Save(&finality.Record{View: 7}); err != nil {
			t.Fatal(err)
		}
		noted := voted
		v := NewVoter(VoterConfig{Chain: c, Key: ledgertest.Key(0), Voted: voted, Restored: true, Vote: func() error { noted = true; return nil }})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if record, _, err := c.Votes().Records(); record != nil || err != nil || !noted || !v.State().Mute {
			t.Errorf("record %v, noted %v, mute %v, %v", record, noted, v.State().Mute, err)
		}
	}
}

// TestLiarIsLoggedOnce: a builder that lies in every view must not fill the log.
func TestLiarIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVotes(t)
		defer v.close()
		var log bytes.Buffer
		n := v.nodes[0]
		v.start(n, false, func(c *VoterConfig) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		for view := range uint64(5) {
			c, fin := n.voter().Committee(), ledger.BlockRef{Hash: ledger.Hash{1}}
			v.take(n.voter(), []finality.Vote{
				c.Sign(finality.Statement{Kind: finality.Nullify, View: view + 1}, 1, v.nodes[1].key),
				c.Sign(finality.Statement{Kind: finality.Finalize, View: view + 1, Block: fin}, 1, v.nodes[1].key),
			}, nil)
			synctest.Wait()
		}
		v.end(n)
		v.signed = nil // the liar is no node of these
		if got := strings.Count(log.String(), "broke the rules"); got != 1 || !slices.Equal(n.voter().State().Liars, []int{1}) {
			t.Errorf("%d lines about the liars %v:\n%s", got, n.voter().State().Liars, log.String())
		}
	})
}
