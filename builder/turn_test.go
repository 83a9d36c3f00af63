package builder

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

func TestReady(t *testing.T) {
	const s = time.Second
	for name, tc := range map[string]struct {
		least, most time.Duration
		state       api.BuildState
		ready       bool
		wait        time.Duration
	}{
		"nothing":                {s, s, api.BuildState{Blocks: 1, SinceTip: 9}, false, Never},
		"enough, after a while":  {s, 0, api.BuildState{Blocks: 1, Payable: 4, SinceTip: 1}, true, 0},
		"enough, too soon":       {s, 0, api.BuildState{Blocks: 1, Payable: 4, SinceTip: 0.25}, false, 3 * s / 4},
		"enough, no last block":  {s, 0, api.BuildState{Payable: 4}, true, 0},
		"too few":                {s, 0, api.BuildState{Blocks: 1, Payable: 3, SinceTip: 9, Oldest: 9}, false, Never},
		"too few, the old waits": {s, 5 * s, api.BuildState{Blocks: 1, Payable: 3, Oldest: 2}, false, 3 * s},
		"too few, waited enough": {s, 5 * s, api.BuildState{Blocks: 1, Payable: 1, Oldest: 5}, true, 0},
		"old is sooner":          {9 * s, 5 * s, api.BuildState{Blocks: 1, Payable: 4, Oldest: 4}, false, s},
		"old is later":           {s, 50 * s, api.BuildState{Blocks: 1, Payable: 4, Oldest: 1}, false, s},
		"full, too soon":         {s, 0, api.BuildState{Blocks: 1, Payable: ledger.MaxBlockTxs}, true, 0},
		"almost full, too soon":  {s, 0, api.BuildState{Blocks: 1, Payable: ledger.MaxBlockTxs - 1}, false, s},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{MinTxs: 4, LeastTime: tc.least, MaxWait: tc.most}
			tc.state.Allowed = true
			if ready, wait := cfg.Ready(tc.state); ready != tc.ready || wait != tc.wait {
				t.Errorf("got %v in %v, want %v in %v", ready, wait, tc.ready, tc.wait)
			}
			tc.state.Allowed = false
			if ready, wait := cfg.Ready(tc.state); ready || wait != Never {
				t.Errorf("may not build: got %v in %v", ready, wait)
			}
		})
	}
}

// The builders of one tip have the ranks 0, 1, 2…, each its own, in whatever order they
// know each other.
func TestRank(t *testing.T) {
	keys := rapid.Custom(func(t *rapid.T) (k ledger.PublicKey) {
		copy(k[:], rapid.SliceOfN(rapid.Byte(), len(k), len(k)).Draw(t, "key"))
		return k
	})
	rapid.Check(t, func(t *rapid.T) {
		tip := ledger.Hash(keys.Draw(t, "tip"))
		live := rapid.SliceOfNDistinct(keys, 1, 40, rapid.ID).Draw(t, "live")
		var ranks []int
		for _, k := range live {
			others := slices.DeleteFunc(slices.Clone(live), func(o ledger.PublicKey) bool { return o == k })
			rank := Rank(tip, k, others)
			if again := Rank(tip, k, rapid.Permutation(live).Draw(t, "order")); again != rank {
				t.Fatalf("rank %d without itself, %d with", rank, again)
			}
			ranks = append(ranks, rank)
		}
		slices.Sort(ranks)
		for i, r := range ranks {
			if i != r {
				t.Fatalf("ranks %v of %d builders", ranks, len(live))
			}
		}
	})
}

// The first bytes of SHA-256(tip || key), as another program computes it:
// printf '%064d%064d' 0 1 | xxd -r -p | sha256sum
func TestPlace(t *testing.T) {
	k := ledger.PublicKey{31: 1}
	got := place(ledger.Hash{}, k)
	want := []byte{0x90, 0xf4, 0xb3, 0x95, 0x48, 0xdf, 0x55, 0xad}
	if !bytes.HasPrefix(got[:], want) {
		t.Errorf("got %x, want %x…", got, want)
	}
}
