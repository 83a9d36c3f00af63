package chain

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"foxchain/ledger"
)

// walk moves a cursor to the tip and names each step: "+b" joined, "-b" left.
func (l *lab) walk(c *Cursor) string {
	l.t.Helper()
	v, err := l.chain.View()
	if err != nil {
		l.t.Fatal(err)
	}
	defer v.Close()
	var steps []string
	for {
		h, reverted, err := c.Step(l.chain, v)
		if err != nil {
			l.t.Fatal(err)
		}
		if h == nil {
			return strings.Join(steps, " ")
		}
		sign := "+"
		if reverted {
			sign = "-"
		}
		steps = append(steps, sign+l.names[h.Hash()])
	}
}

// A cursor goes back to the fork, then up:
//
//	g - a1 - a2
//	  \ b1 - b2 - b3
func TestCursor(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	for _, name := range []string{"a1", "a2", "b1", "b2", "b3"} {
		on := map[string]string{"a1": "g", "b1": "g"}[name]
		if on == "" {
			on = name[:1] + string(rune(name[1]-1))
		}
		l.next(name, on, l.tx(0, 1, 1))
	}
	expect := func(c *Cursor, want string) {
		t.Helper()
		if got := l.walk(c); got != want {
			t.Errorf("walked %q, want %q", got, want)
		}
		if tip := AtTip(l.chain.Tip()); c.Next != tip.Next || c.Next > 0 && *c != tip {
			t.Errorf("the cursor stands at %v, not behind the tip", *c)
		}
	}
	var c Cursor
	expect(&c, "")
	l.add("g", Extended)
	l.add("a1", Extended)
	expect(&c, "+g +a1")
	l.add("a2", Extended)
	atTip := AtTip(l.chain.Tip())
	for _, name := range []string{"b1", "b2", "b3"} {
		if _, err := l.chain.AddBlock(t.Context(), l.blocks[name]); err != nil {
			t.Fatal(err)
		}
	}
	expect(&c, "-a1 +b1 +b2 +b3")
	expect(&atTip, "-a2 -a1 +b1 +b2 +b3")
	expect(&atTip, "")

	v, err := l.chain.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for height, want := range []string{"+g +b1 +b2 +b3", "+b1 +b2 +b3", "+b2 +b3", "+b3", "", ""} {
		c, err := AtHeight(v, uint64(height))
		if err != nil {
			t.Fatal(err)
		}
		expect(&c, want)
	}
	lost := Cursor{Next: 1, Last: ledger.Hash{1}}
	if _, _, err := lost.Step(l.chain, v); !errors.Is(err, ledger.ErrUnknown) || lost.Last != (ledger.Hash{1}) {
		t.Errorf("a step from an unknown block: %v, and the cursor stands at %v", err, lost)
	}
}

// A reader of a view that is older than what it read goes back to the view's tip.
func TestCursorOverOlderView(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a", "g", l.tx(0, 1, 1))
	l.add("g", Extended)
	v, err := l.chain.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	l.add("a", Extended)
	c := AtTip(l.chain.Tip())
	var names []string
	for {
		h, reverted, err := c.Step(l.chain, v)
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		if !reverted {
			t.Error("it went up")
		}
		names = append(names, l.names[h.Hash()])
	}
	if !slices.Equal(names, []string{"a"}) || c != AtTip(v.Tip()) {
		t.Errorf("it left %q and stands at %v", names, c)
	}
}
