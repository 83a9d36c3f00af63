package term

import (
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// A LiveLine keeps one changing line at the end of a terminal, below all that is
// written through it.
type LiveLine struct {
	mu    sync.Mutex
	w     io.Writer
	width func() int // of the terminal, in cells
	text  string     // empty: there is no line
}

// LiveLineTo returns a live line for w, with a function that returns its width.
func LiveLineTo(w io.Writer, width func() int) *LiveLine { return &LiveLine{w: w, width: width} }

// NewLiveLine returns a live line for a file that is a terminal. A terminal that does
// not know its width counts as 80 cells wide.
func NewLiveLine(f *os.File) *LiveLine {
	return &LiveLine{w: f, width: func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}}
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
// to the terminal's width, because a wrapped line could not be erased.
func (l *LiveLine) Set(text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text = fit(OneLine(text), l.width()-1)
	if text == l.text {
		return nil
	}
	l.text = text
	_, err := io.WriteString(l.w, eraseLine+text)
	return err
}

// fit cuts text to width terminal cells.
func fit(text string, width int) string {
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
