package ask

import (
	"strings"
	"testing"

	"foxchain/rpc/api"
)

// TestTxIsOneTable checks that the peers stand in the column of all else, below the
// transaction that was announced to them.
func TestTxIsOneTable(t *testing.T) {
	at := 1.0
	way := &api.Travel{Here: &at, Peers: []api.Told{{Name: "bo", Told: &at}, {Name: "cy", Told: &at}}}
	first := &api.Receipt{State: api.StatePooled, Others: []api.Receipt{{State: api.StateGone, Reason: "spent"}}}
	var out strings.Builder
	if err := printReceipts(&Flags{}, &out, first, way); err != nil {
		t.Fatal(err)
	}
	one, other, _ := strings.Cut(out.String(), "\nAnother transaction with this ID:\n")
	want := "peers        bo: told 0 ms after; whether it has it is not known yet\n             cy: told 0 ms after; whether it has it is not known yet\n"
	if !strings.HasSuffix(one, want) || strings.Contains(other, "told") {
		t.Errorf("got\n%s", out.String())
	}
}
