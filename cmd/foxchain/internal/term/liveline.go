package term

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// A LiveLine keeps one changing line at the end of a terminal, below all that is
// written through it. A nil one shows nothing.
type LiveLine struct {
	mu    sync.Mutex
	w     io.Writer
	width func() int // of the terminal, in cells
	text  string     // empty: there is no line
	shown time.Time  // by Show
}

// NewLiveLine returns a live line for w, nil if w is not a terminal. A terminal that
// does not know its width counts as 80 cells wide.
func NewLiveLine(w io.Writer) *LiveLine {
	if !IsTerminal(w) {
		return nil
	}
	return &LiveLine{w: w, width: func() int { return cmp.Or(terminalWidth(w), 80) }}
}

// terminalWidth returns the width of a terminal in cells, 0 if w is none or does not know it.
func terminalWidth(w io.Writer) int {
	f := file(w)
	if f == nil {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// showEvery is the least time between two texts of Show.
const showEvery = 100 * time.Millisecond

// Show sets the live line, but not more often than people can read. It may be called
// from any goroutine.
func (l *LiveLine) Show(format string, args ...any) {
	if l == nil {
		return
	}
	l.mu.Lock()
	due := time.Since(l.shown) >= showEvery
	if due {
		l.shown = time.Now()
	}
	l.mu.Unlock()
	if due {
		l.Set(fmt.Sprintf(format, args...))
	}
}

// eraseLine moves to the begin of the line and clears it.
const eraseLine = "\r\x1b[K"

// Write writes whole lines above the live one.
func (l *LiveLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		return l.w.Write(p)
	}
	_, err := io.WriteString(l.w, eraseLine+string(p)+l.text)
	return len(p), err
}

// Set shows text as the live line. The empty text removes the line. The text is cut
// to the terminal's width, because a wrapped line could not be erased. It is a courtesy,
// so a terminal that does not take it is no error.
func (l *LiveLine) Set(text string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text = Fit(OneLine(text), l.width()-1)
	if text != l.text {
		l.text = text
		_, _ = io.WriteString(l.w, eraseLine+text)
	}
}

// Fit cuts text to width terminal cells.
func Fit(text string, width int) string {
	if cells(text) <= width {
		return text
	}
	var b strings.Builder
	used := 1 // for the dots
	for _, r := range text {
		if used += cells(string(r)); used > width {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}
