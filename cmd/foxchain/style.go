package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"

	"golang.org/x/term"
)

// A style is how a terminal shows text: the parameters of an SGR sequence
// (ECMA-48, section 8.3.117). The empty one changes nothing.
type style string

// Of the sixteen colours that every terminal has, so that they fit its theme.
const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// An ink paints, or, false, leaves text as it is.
type ink bool

// paint gives text in a style. It must not contain sequences of its own.
func (k ink) paint(s style, text string) string {
	if !k || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// A styled value of a table is shown in its style.
type styled struct {
	value any
	style style
}

// hashStyles are told apart on dark and on light ground (of the 256 colours:
// neither near white nor near black). Red and green are left to good and bad.
func hashStyles() []style {
	numbers := []int{33, 208, 135, 37, 170, 142, 67, 173, 99, 30, 178, 132}
	list := make([]style, len(numbers))
	for i, n := range numbers {
		list[i] = style(fmt.Sprintf("38;5;%d", n))
	}
	return list
}

// hashStyle is the colour of a hash: the same hash has the same one wherever
// and whenever it is shown. Different hashes may share one.
func hashStyle(hash string) style {
	sum := fnv.New32a()
	io.WriteString(sum, hash) // of an fnv hash it gives no error
	styles := hashStyles()
	return styles[sum.Sum32()%uint32(len(styles))]
}

// tipStyles gives each of some hashes its colour, different ones as long as
// there are enough: where hashStyle gives two the same, the later one in order
// gets the next that is free.
func tipStyles(hashes []string) map[string]style {
	styles := hashStyles()
	given := make(map[string]style)
	used := make(map[style]bool)
	for _, h := range slices.Compact(slices.Sorted(slices.Values(hashes))) {
		at := slices.Index(styles, hashStyle(h))
		for n := 0; used[styles[at]] && n < len(styles); n++ {
			at = (at + 1) % len(styles)
		}
		given[h], used[styles[at]] = styles[at], true
	}
	return given
}

// A colorWhen is the flag --color.
type colorWhen string

const (
	colorAuto   colorWhen = "auto"
	colorAlways colorWhen = "always"
	colorNever  colorWhen = "never"
)

func (c *colorWhen) String() string { return string(*c) }
func (c *colorWhen) Type() string   { return "auto|always|never" }

func (c *colorWhen) Set(text string) error {
	switch w := colorWhen(text); w {
	case colorAuto, colorAlways, colorNever:
		*c = w
		return nil
	}
	return fmt.Errorf("must be auto, always or never")
}

// inkFor decides whether what is written to w is painted.
func (c colorWhen) inkFor(w io.Writer) ink {
	return ink(c == colorAlways || c == colorAuto && isTerminal(w))
}

// isTerminal reports whether people look at what is written to w, and prepares
// their terminal for sequences.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && enableSequences(f) == nil
}
