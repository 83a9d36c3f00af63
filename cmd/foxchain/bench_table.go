package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// A benchRow is one line of the table. Of a row without a figure, Why says why.
type benchRow struct {
	Row     string   `json:"row"`            // what --only calls it
	What    string   `json:"what"`           // for people
	Figure  *float64 `json:"figure"`         // null: see why
	Unit    string   `json:"unit"`           // of the figure
	P50     *float64 `json:"p50_ms"`         // of the single calls, in milliseconds; null: there are none
	P99     *float64 `json:"p99_ms"`         //
	Raw     *float64 `json:"raw"`            // the raw part's figure; null: there is none
	RawPart string   `json:"raw_part"`       // which
	OfRaw   *float64 `json:"of_raw"`         // the figure's ratio to it
	Txs     int      `json:"txs,omitzero"`   // transactions that the row is about
	Note    string   `json:"note,omitempty"` // for people
	Why     string   `json:"why,omitempty"`
}

const perSecond = "tx/s"

// A rawPart is what bounds a row, measured beside it.
type rawPart struct {
	name   string
	figure float64
	note   string // what to think of it; empty: nothing
}

func (row benchRow) is(figure float64) benchRow {
	row.Figure = &figure
	return row
}

// rate fills in how many of n there were a second, and the calls' times.
func (row benchRow) rate(t *timings, n int) benchRow {
	return row.times(t).is(float64(n) / t.took.Seconds())
}

func (row benchRow) times(t *timings) benchRow {
	p50, p99 := millis(t.at(0.50)), millis(t.at(0.99))
	row.P50, row.P99 = &p50, &p99
	return row
}

func (row benchRow) against(raw rawPart) benchRow {
	ratio := *row.Figure / raw.figure
	row.Raw, row.RawPart, row.OfRaw = &raw.figure, raw.name, &ratio
	row.Note = joinNotes(row.Note, raw.note)
	return row
}

// joinNotes puts the notes that are not empty after each other.
func joinNotes(notes ...string) string {
	return strings.Join(slices.DeleteFunc(notes, func(n string) bool { return n == "" }), "; ")
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// add takes a row that was measured. For programs it is printed at once.
func (r *benchRun) add(row benchRow) error {
	r.rows = append(r.rows, row)
	if !r.b.json {
		return nil
	}
	line, err := json.Marshal(row)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.out, "%s\n", line)
	return err
}

// end prints the table of what was measured.
func (r *benchRun) end() error {
	if r.live != nil {
		_ = r.live.set("") // only a hint for people
	}
	if r.b.json || len(r.rows) == 0 {
		return nil
	}
	return r.print(r.out)
}

// sayInterrupted says, after the rows, that there would have been more.
func (r *benchRun) sayInterrupted(w io.Writer) error {
	text := "interrupted: the rows above are all that was measured"
	if len(r.rows) == 0 {
		text = "interrupted: nothing was measured yet"
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

func (r *benchRun) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "foxchain %s, %s/%s, %s: %s, loads of %s transactions\n\n", programVersion, runtime.GOOS, runtime.GOARCH,
		count(runtime.GOMAXPROCS(0), "core"), r.head, thousands(uint64(r.b.txs)))
	if err != nil {
		return err
	}
	t := newTable("ROW", "MEASURED", ">FIGURE", ">P50", ">P99", ">RAW", ">OF RAW", "")
	t.ink = r.b.color.inkFor(w)
	used := make(map[string]bool)
	for _, row := range r.rows {
		used[row.RawPart] = true
		t.add(row.cells()...)
	}
	if err := t.writeTo(w); err != nil {
		return err
	}
	return r.printLegend(w, used)
}

// cells are the row as a table shows it.
func (row *benchRow) cells() []any {
	if row.Figure == nil {
		return []any{row.Row, row.What, styled{"-", dim}, "", "", "", "", styled{row.Why, yellow}}
	}
	raw, ratio := "", ""
	if row.Raw != nil {
		raw, ratio = fmt.Sprintf("%s %s", digits(*row.Raw), row.RawPart), fmt.Sprintf("%.2f", *row.OfRaw)
	}
	return []any{row.Row, row.What, styled{digits(*row.Figure) + " " + row.Unit, bold}, milliCell(row.P50), milliCell(row.P99), raw, ratio,
		styled{row.Note, dim}}
}

func milliCell(ms *float64) string {
	if ms == nil {
		return ""
	}
	return digits(*ms) + " ms"
}

// digits shows a number to about three digits, large ones whole.
func digits(n float64) string {
	switch {
	case n >= 1000:
		return thousands(uint64(math.Round(n)))
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}

// printLegend says what the raw parts are, of those that were measured.
func (r *benchRun) printLegend(w io.Writer, used map[string]bool) error {
	var b strings.Builder
	if used[rawLevelDBName] {
		fmt.Fprintf(&b, "%s: two records of 100 bytes under random keys for each transaction, in batches of %s, each synced to the same disk\n",
			rawLevelDBName, thousands(benchBatch))
	}
	if used[rawEchoName] {
		fmt.Fprintf(&b, "%s: the same client with a server that only reads the JSON of such messages and answers, messages/s\n", rawEchoName)
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\n%s", b.String())
	return err
}
