package term

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/width"
)

// A Table prints aligned columns for people, in colours on a terminal. A header that
// begins with ">" makes its column right-aligned. Widths are in terminal cells, where a
// Chinese, Japanese or Korean character takes two. On a terminal that is too narrow for a
// row, the columns that do not fit are on indented lines below it.
type Table struct {
	header []string
	rows   [][]cell
}

// A cell is one value as it is printed.
type cell struct {
	text  string
	style Style
}

// NewTable returns a table without a row.
func NewTable(header ...string) *Table { return &Table{header: header} }

// Add appends a row with one value for each header. A styled value is painted.
// Values may come from other nodes, so unprintable characters are replaced.
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

// Print writes the header and the rows.
func (t *Table) Print(w io.Writer) error {
	head := make([]cell, len(t.header))
	for i, h := range t.header {
		head[i] = cell{strings.TrimPrefix(h, ">"), Bold}
	}
	return t.write(w, append([][]cell{head}, t.rows...), cmp.Or(terminalWidth(w), math.MaxInt))
}

// write writes rows in lines of at most most cells, unless a cell alone is wider.
func (t *Table) write(w io.Writer, rows [][]cell, most int) error {
	widths := make([]int, len(t.header))
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], cells(c.text))
		}
	}
	var b strings.Builder
	ink := InkFor(w)
	for _, row := range rows {
		begin, gap, used := "", 0, 0 // in front of the next text, so that no line ends in blanks
		for i, c := range row {
			width, pad, right := widths[i], widths[i]-cells(c.text), strings.HasPrefix(t.header[i], ">")
			if i == len(row)-1 && !right {
				width -= pad
			}
			if i > 0 && used+width > most {
				begin, gap, used = "\n", len("  "), len("  ")
			}
			if right {
				gap, pad = gap+pad, 0
			}
			if c.text != "" {
				b.WriteString(begin + strings.Repeat(" ", gap) + ink.Paint(c.style, c.text))
				begin, gap = "", 0
			}
			gap += pad + len("  ")
			used += width + len("  ")
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Facts are the lines "label  value" about one thing.
type Facts struct{ t *Table }

// NewFacts returns facts without a line.
func NewFacts() *Facts { return &Facts{NewTable("", "")} }

// Add appends a line.
func (f *Facts) Add(label string, value any) { f.t.Add(Styled{label, Dim}, value) }

// Print writes the lines.
func (f *Facts) Print(w io.Writer) error { return f.t.write(w, f.t.rows, math.MaxInt) }

// PrintJSON writes one value on a line of its own.
func PrintJSON(w io.Writer, v any) error {
	line, err := json.Marshal(v, json.Deterministic(true), jsontext.PreserveRawStrings(true))
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", line)
	}
	return err
}

// Clean replaces all that is not printable, except line feeds. Peers choose their
// names, and a control character could move the cursor or hide text.
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

// OneLine is Clean for text that must stay on one line.
func OneLine(s string) string { return strings.ReplaceAll(Clean(s), "\n", " ") }

// cells returns the number of terminal cells that s takes.
func cells(s string) int {
	n := 0
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.Is(unicode.Mn, r):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
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

// Ago returns an age for a sentence.
func Ago(d time.Duration) string {
	if d < time.Second {
		return "just now"
	}
	return Age(d) + " ago"
}

// ShortHash returns the part of a hash that people compare.
func ShortHash(hash string) string {
	if len(hash) <= 12 {
		return hash
	}
	return hash[:12]
}

// ShortAccount returns the two ends of an account.
func ShortAccount(account string) string {
	if len(account) != len(ZeroAccount) {
		return account
	}
	return account[:8] + "…" + account[len(account)-4:]
}

// MinShort is the least number of digits that the node takes for a whole hash or ID.
const MinShort = 4

// IsShort reports whether text may be a hash or ID, whole or as tables show it.
func IsShort(text string) bool {
	return len(text) >= MinShort && strings.Trim(text, "0123456789abcdefABCDEF-.…") == ""
}

// ZeroAccount is the issuer of networks without a file. People write it as IssuerWord.
const (
	ZeroAccount = "00000000-0000-0000-0000-000000000000"
	IssuerWord  = "issuer"
)

// Count returns "1 block" or "2 blocks".
func Count[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Thousands returns n with its digits in groups: 1,234,567.
func Thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// ShellWord quotes a word that a shell would split or change.
func ShellWord(s string) string {
	switch {
	case !strings.ContainsAny(s, " \t'\"$&|;<>()*?[]#~`\\!"):
		return s
	case runtime.GOOS == "windows" || !strings.ContainsAny(s, "\"$`\\!"): // all shells read it alike
		return `"` + s + `"`
	default:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
}
