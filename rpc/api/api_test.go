package api

import "testing"

// TestNextBlock checks the words for when a transaction's block comes.
func TestNextBlock(t *testing.T) {
	oldest := 1000.0
	in := Info{BlockTxs: 4, Payable: 1, MaxWait: 300, OldestPayable: &oldest, Time: 1010}
	for want, change := range map[string]func(*Info){
		"1 of 4; a block comes in 4 min 50 s at most":                           func(*Info) {},
		"2 of 4; a block comes in 7 s at most":                                  func(in *Info) { in.Payable, in.Time = 2, 1293.5 },
		"1 of 4; a block comes any moment":                                      func(in *Info) { in.Time = 1300 },
		"4 of 4; a block comes any moment":                                      func(in *Info) { in.Payable = 9 },
		"1 of 4; a block comes with 3 more":                                     func(in *Info) { in.MaxWait = 0 },
		"this node does not build, so another one decides when the block comes": func(in *Info) { in.BlockTxs = 0 },
	} {
		in := in
		change(&in)
		if got := in.NextBlock(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
