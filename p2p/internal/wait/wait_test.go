package wait

import "testing"

// TestBound checks what one peer may ask at once, and that a peer that left is forgotten.
func TestBound(t *testing.T) {
	b := Bound{Most: 4}
	for range b.Most {
		if !b.Enter("a") {
			t.Fatal("refused within the bound")
		}
	}
	if b.Enter("a") || !b.Enter("b") {
		t.Error("a peer may ask beyond the bound, or another may not")
	}
	if b.Leave("a"); !b.Enter("a") {
		t.Error("no place became free")
	}
	for range b.Most {
		b.Leave("a")
	}
	if b.Leave("b"); len(b.held) > 0 {
		t.Errorf("%d peers are kept that ask nothing", len(b.held))
	}
}

// TestChange checks that a change wakes all that took its channel before, and none after.
func TestChange(t *testing.T) {
	var c Change
	c.Made()
	first, second := c.Next(), c.Next()
	c.Made()
	<-first
	<-second
	select {
	case <-c.Next():
		t.Error("the next change was not made yet")
	default:
	}
}
