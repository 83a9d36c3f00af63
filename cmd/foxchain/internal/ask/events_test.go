package ask

import (
	"foxchain/cmd/foxchain/internal/term"
	"strings"
	"testing"
)

// TestPoolIsNotPrintedTwice checks that what was printed before a reconnection is left
// out after it. The first event then has the whole pool.
func TestPoolIsNotPrintedTwice(t *testing.T) {
	var b strings.Builder
	w := &eventPrinter{Flags: &Flags{}, w: &b}
	tx := `{"id":"` + "00000000-0000-0000-0000-00000000000a" + `","sender":"` + term.ZeroAccount + `","receiver":"` + "00000000-0000-0000-0000-00000000000b" + `","amount":5,"t":1.0,"prev_hash":null}`
	first := `{"size":1,"waiting":0,"added":[{"arrival":3,"waiting":null,"tx":` + tx + `}]}`
	second := `{"size":2,"waiting":1,"added":[{"arrival":3,"waiting":null,"tx":` + tx + `},{"arrival":4,"waiting":"sender holds 0","tx":` + tx + `}]}`
	for _, data := range []string{first, second} {
		lines, err := reads(w.pool)([]byte(data))
		if err != nil || len(lines) != 2 {
			t.Errorf("%q, %v", lines, err)
		}
		w.resumed = true
	}
}
