package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrNoTerminal reports that there is nobody to ask.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// AskSecret prints a question and reads a line from the terminal, without showing it.
// When ctx ends first, the terminal is as it was before.
func AskSecret(ctx context.Context, in io.Reader, notes io.Writer, question string) (string, error) {
	f, _ := in.(*os.File)
	if f == nil || !term.IsTerminal(int(f.Fd())) {
		return "", ErrNoTerminal
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(notes, question)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() { // it cannot be called off, and ends with the program
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		fmt.Fprintln(notes)
		if errors.Is(l.err, io.EOF) {
			l.err = errors.New("nothing was typed")
		}
		return string(l.text), l.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
