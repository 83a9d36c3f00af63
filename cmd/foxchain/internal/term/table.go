package term

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A Table prints aligned columns for people. A header that begins with ">"
// makes its column right-aligned. Widths are counted in terminal cells, so that
// names in Chinese, Japanese or Korean stay in line (text/tabwriter counts each
// rune as one cell).
type Table struct {
	header []string
	rows   [][]cell
	Ink    Ink
}

// A cell is a value as it is printed.
type cell struct {
	text  string
	style Style
}

func NewTable(header ...string) *Table { return &Table{header: header} }

// Add appends a row with as many values as there are headers; a styled one is
// painted. They may come from other nodes: what a terminal would not print as
// it stands is replaced.
func (t *Table) Add(values ...any) {
	row := make([]cell, len(t.header))
	for i := range row {
		v, ok := values[i].(Styled)
		if !ok {
			v.Value = values[i]
		}
		row[i] = cell{OneLine(fmt.Sprint(v.Value)), v.Style}
	}
	t.rows = append(t.rows, row)
}

// Print writes the table, aligned.
func (t *Table) Print(w io.Writer) error {
	head := make([]cell, len(t.header))
	for i, h := range t.header {
		head[i] = cell{strings.TrimPrefix(h, ">"), Bold}
	}
	return t.write(w, append([][]cell{head}, t.rows...))
}

func (t *Table) write(w io.Writer, rows [][]cell) error {
	width := make([]int, len(t.header))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], cells(c.text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		gap := 0 // so that no line ends in blanks
		for i, c := range row {
			pad := width[i] - cells(c.text)
			if strings.HasPrefix(t.header[i], ">") {
				gap, pad = gap+pad, 0
			}
			if c.text != "" {
				b.WriteString(strings.Repeat(" ", gap) + t.Ink.Paint(c.style, c.text))
				gap = 0
			}
			gap += pad + len("  ")
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Facts are lines of "label  value" for one thing.
type Facts struct{ T *Table }

func NewFacts() *Facts { return &Facts{NewTable("", "")} }

func (f *Facts) Add(label string, value any) { f.T.Add(Styled{label, Dim}, value) }

func (f *Facts) Print(w io.Writer) error { return f.T.write(w, f.T.rows) }

// Clean replaces what could move a terminal's cursor or hide text: everything
// that is not printable but the line feed. Peers choose their names.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '\n' || unicode.IsPrint(r):
			return r
		}
		return '\uFFFD'
	}, s)
}

// OneLine is clean for text that must stay on its line.
func OneLine(s string) string { return strings.ReplaceAll(Clean(s), "\n", " ") }

// cells is how many terminal cells s takes.
func cells(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case isWide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// isWide reports the blocks whose characters are two cells wide (Unicode
// Standard Annex 11, classes W and F, without the rare ones).
func isWide(r rune) bool {
	return r >= 0x1100 && r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd
}

// Age returns a span in its largest unit: "now", "7s", "12m", "3h", "5d".
func Age(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// Ago is an age in a sentence.
func Ago(d time.Duration) string {
	if d < time.Second {
		return "just now"
	}
	return Age(d) + " ago"
}

// ShortHash is enough of a hash for people to recognize it.
func ShortHash(hash string) string {
	if len(hash) <= 12 {
		return hash
	}
	return hash[:12]
}

// ShortAccount shows the two ends of an account, the zero one as "issuer".
func ShortAccount(account string) string {
	switch {
	case account == ZeroAccount:
		return IssuerWord
	case len(account) != len(ZeroAccount):
		return account
	}
	return account[:8] + "…" + account[len(account)-4:]
}

const (
	ZeroAccount = "00000000-0000-0000-0000-000000000000"
	IssuerWord  = "issuer"
)

// Count is "1 block", "2 blocks".
func Count[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Thousands groups digits as people read them: 1,234,567.
func Thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// ShellWord quotes what a shell would split.
func ShellWord(s string) string {
	if strings.ContainsAny(s, " \t'\"$&|;<>()*?[]#~`\\!") {
		return `"` + s + `"`
	}
	return s
}
