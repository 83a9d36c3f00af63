package pay

import (
	"foxchain/rpc/api"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestWaitWords checks that a waiting sender has the ID at once, and knows from the
// node's own settings what the block waits for and when it comes at the latest.
func TestWaitWords(t *testing.T) {
	tx, oldest := api.Tx{ID: uuid.New()}, 1000.0
	info := api.Info{BlockTxs: 4, Payable: 1, MaxWait: 300, OldestPayable: &oldest, Time: 1060}
	never, full, follows := info, info, info
	never.MaxWait, full.Payable, follows.BlockTxs = 0, 4, 0
	for want, c := range map[string]struct {
		state string
		in    api.Info
	}{
		"once it can be paid.": {api.StateWaiting, info},
		"ready for a block":    {api.StatePooled, info},
	} {
		got := new(submitter).waitWords(&api.Receipt{State: c.state, Tx: tx})
		for _, part := range []string{tx.ID.String(), want} {
			if !strings.Contains(got, part) {
				t.Errorf("%q is missing in\n%s", part, got)
			}
		}
	}
	if got := new(submitter).waitWords(&api.Receipt{State: api.StateConfirmed, Tx: tx}); got != "" {
		t.Errorf("got %q", got)
	}
}
