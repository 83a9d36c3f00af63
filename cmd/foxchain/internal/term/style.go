package term

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"golang.org/x/term"
)

// A Style is how a terminal shows text: the parameters of an SGR sequence
// (ECMA-48, section 8.3.117). The empty one changes nothing.
type Style string

// Of the sixteen colours that every terminal has, so that they fit its theme.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// An Ink paints, or, false, leaves text as it is.
type Ink bool

// Paint returns text in a style. It must not contain sequences of its own.
func (k Ink) Paint(s Style, text string) string {
	if !k || s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// A Styled value of a table is shown in its style.
type Styled struct {
	Value any
	Style Style
}

// hashStyles differ on dark and on light ground (of the 256 colours:
// neither near white nor near black). Red and green are left to good and bad.
func hashStyles() []Style {
	numbers := []int{33, 208, 135, 37, 170, 142, 67, 173, 99, 30, 178, 132}
	list := make([]Style, len(numbers))
	for i, n := range numbers {
		list[i] = Style(fmt.Sprintf("38;5;%d", n))
	}
	return list
}

// HashStyle is the colour of a hash: the same hash has the same one wherever
// and whenever it is shown. Different hashes may share one.
func HashStyle(hash string) Style {
	sum := fnv.New32a()
	io.WriteString(sum, hash) // a write to an fnv hash never fails
	styles := hashStyles()
	return styles[sum.Sum32()%uint32(len(styles))]
}

// A ColorWhen is the flag --color.
type ColorWhen string

const (
	ColorAuto   ColorWhen = "auto"
	ColorAlways ColorWhen = "always"
	ColorNever  ColorWhen = "never"
)

func (c *ColorWhen) String() string { return string(*c) }
func (c *ColorWhen) Type() string   { return "auto|always|never" }

func (c *ColorWhen) Set(text string) error {
	switch w := ColorWhen(text); w {
	case ColorAuto, ColorAlways, ColorNever:
		*c = w
		return nil
	}
	return fmt.Errorf("must be auto, always or never")
}

// InkFor decides whether what is written to w is painted.
func (c ColorWhen) InkFor(w io.Writer) Ink {
	return Ink(c == ColorAlways || c == ColorAuto && IsTerminal(w))
}

// IsTerminal reports whether people look at what is written to w, and prepares
// their terminal for sequences.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && enableSequences(f) == nil
}
