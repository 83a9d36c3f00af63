package term

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"golang.org/x/term"
)

// A Style holds the parameters of an SGR sequence (ECMA-48, section 8.3.117). The
// empty style changes nothing.
type Style string

// Styles of the sixteen colours that every terminal has, so that they fit its theme.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// An Ink paints text where it is true.
type Ink bool

// Paint returns text in a style. The text must not contain escape sequences.
func (k Ink) Paint(s Style, text string) string {
	if !k || s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// A Styled value is printed in its style.
type Styled struct {
	Value any
	Style Style
}

// HashStyle returns the colour of a hash, always the same one. Different hashes may
// share a colour.
func HashStyle(hash string) Style {
	sum := fnv.New32a()
	io.WriteString(sum, hash) // an fnv hash returns no error
	// These differ on dark and on light ground. Red and green mean bad and good.
	colours := []int{33, 208, 135, 37, 170, 142, 67, 173, 99, 30, 178, 132}
	return Style(fmt.Sprintf("38;5;%d", colours[sum.Sum32()%uint32(len(colours))]))
}

// InkFor reports whether text for w is painted: on a terminal, unless NO_COLOR
// (https://no-color.org) is set or the terminal has no colours.
func InkFor(w io.Writer) Ink {
	return Ink(os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(w))
}

// IsTerminal reports whether w is a terminal, and prepares it for escape sequences.
func IsTerminal(w io.Writer) bool {
	f := file(w)
	return f != nil && term.IsTerminal(int(f.Fd())) && enableSequences(f) == nil
}
