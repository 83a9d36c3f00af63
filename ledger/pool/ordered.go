package pool

import (
	"cmp"
	"iter"
	"slices"
)

// A slot is one place of a list.
type slot struct {
	n uint64
	e *Entry // nil: removed
}

// An ordered list keeps entries in rising order of a number: their arrival, or
// their seq. Removing one leaves a hole. Holes at the ends are cut off at once, and
// the others are closed when they outnumber the entries. So an addition at the end
// and a removal anywhere cost O(log n), amortised. The zero list is empty.
type ordered struct {
	slots    []slot // by rising n, unless unsorted; neither the first nor the last is a hole
	holes    int
	unsorted bool
}

func (l *ordered) len() int { return len(l.slots) - l.holes }

// add puts e in under n, which no entry of the list has. When n is not above all
// others, the list sorts itself before it is used again.
func (l *ordered) add(n uint64, e *Entry) {
	if k := len(l.slots); k > 0 && n <= l.slots[k-1].n {
		l.unsorted = true
	}
	l.slots = append(l.slots, slot{n, e})
}

// remove takes out the entry with the number n, if there is one.
func (l *ordered) remove(n uint64) {
	l.sort()
	if i := l.search(n); i < len(l.slots) && l.slots[i].n == n && l.slots[i].e != nil {
		l.punch(i)
		l.tidy()
	}
}

// first returns the entry with the lowest number, nil in an empty list. The list is
// sorted.
func (l *ordered) first() *Entry {
	if len(l.slots) == 0 {
		return nil
	}
	return l.slots[0].e
}

// take returns the first entries whose number is start or more, at most limit.
func (l *ordered) take(start uint64, limit int) (es []*Entry) {
	if limit <= 0 {
		return nil
	}
	for e := range l.from(start) {
		if es = append(es, e); len(es) == limit {
			break
		}
	}
	return es
}

// punch makes a hole at i. The caller tidies when it has made its holes.
func (l *ordered) punch(i int) {
	l.slots[i].e = nil
	l.holes++
}

// tidy cuts the holes off both ends, and closes all when they outnumber the entries.
func (l *ordered) tidy() {
	for l.holes > 0 && l.slots[0].e == nil {
		l.slots = l.slots[1:]
		l.holes--
	}
	for l.holes > 0 && l.slots[len(l.slots)-1].e == nil {
		l.slots = l.slots[:len(l.slots)-1]
		l.holes--
	}
	if l.holes > len(l.slots)/2 {
		l.closeHoles()
	}
	if len(l.slots) == 0 {
		l.slots = nil // give the memory back
	}
}

func (l *ordered) closeHoles() {
	l.slots = slices.DeleteFunc(l.slots, func(s slot) bool { return s.e == nil })
	l.holes = 0
}

// sort also closes the holes. Otherwise an entry that left the list and came back
// would have two slots with one number.
func (l *ordered) sort() {
	if !l.unsorted {
		return
	}
	l.closeHoles()
	slices.SortFunc(l.slots, func(a, b slot) int { return cmp.Compare(a.n, b.n) })
	l.unsorted = false
}

// search finds the first slot whose number is n or more. The list is sorted. What
// leaves it is most often the first.
func (l *ordered) search(n uint64) int {
	if len(l.slots) > 0 && n <= l.slots[0].n {
		return 0
	}
	i, _ := slices.BinarySearchFunc(l.slots, n, func(s slot, n uint64) int { return cmp.Compare(s.n, n) })
	return i
}

// from goes through the entries whose number is n or more, in order. It writes
// nothing. The list is sorted.
func (l *ordered) from(n uint64) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, s := range l.slots[l.search(n):] {
			if s.e != nil && !yield(s.e) {
				return
			}
		}
	}
}
