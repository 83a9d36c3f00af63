package builder

import (
	"context"
	"testing"

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
