package node

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// textWait is how long a file that is not regular, such as a pipe, may be silent.
const textWait = 10 * time.Second

// ReadText reads a text file from people, of at most limit bytes, in any of the encodings
// of textReader. In the result lines end in a line feed, whether they ended in one, in a
// carriage return, or in both. A file that is larger, endless, or no text is refused by
// name.
func ReadText(file string, limit int64) ([]byte, error) {
	// Without O_NONBLOCK opening a pipe without a writer would wait for ever.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory, not a file", file)
	}
	if err != nil {
		return nil, err
	}
	tooLarge := fmt.Errorf("%s is too large: it has more than %d bytes", file, limit)
	if info.Mode().IsRegular() && info.Size() > limit {
		return nil, tooLarge
	}
	_ = f.SetReadDeadline(time.Now().Add(textWait)) // regular files have no deadlines
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%s sends nothing: waited %s", file, textWait)
	case err != nil:
		return nil, err
	case int64(len(text)) > limit:
		return nil, tooLarge
	}
	if text, err = io.ReadAll(textReader(bytes.NewReader(text))); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("%s contains NUL characters, so it is UTF-32 or not text: save it as UTF-8", file)
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(text, []byte("\r"), []byte("\n")), nil
}

// textReader returns a text as UTF-8 without a byte-order mark. It reads UTF-8 and, in
// both byte orders, UTF-16, as Notepad and PowerShell's ">" write them. All texts here
// begin with an ASCII character, by which it recognises UTF-16 without a mark.
func textReader(r io.Reader) io.Reader { return &decoder{in: bufio.NewReader(r)} }

// A decoder is a textReader. It looks at its input with the first Read.
type decoder struct {
	in  *bufio.Reader
	out io.Reader
}

func (d *decoder) Read(p []byte) (int, error) {
	if d.out == nil {
		var plain transform.Transformer = transform.Nop
		if head, err := d.in.Peek(2); err == nil && (head[0] == 0) != (head[1] == 0) {
			order := unicode.LittleEndian
			if head[0] == 0 {
				order = unicode.BigEndian
			}
			plain = unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder()
		}
		d.out = transform.NewReader(d.in, unicode.BOMOverride(plain))
	}
	return d.out.Read(p)
}

// OpenText returns a reader of a text file of any length, or of in if the file is "-".
// Its reads end with ctx, even those of a pipe that waits for its writer.
func OpenText(ctx context.Context, file string, in io.Reader) (io.Reader, error) {
	if file == "-" {
		return textReader(&untilReader{ctx: ctx, r: in}), nil
	}
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory, not a file", file)
	}
	return textReader(&untilReader{ctx: ctx, file: file}), err
}

// An untilReader reads from r until ctx ends. It opens a file at the first read, since
// opening a pipe may wait too, and closes it at the end.
type untilReader struct {
	ctx  context.Context
	r    io.Reader
	file string // to be opened as r; empty if r is given
	end  error  // of the last read, returned again by later ones
}

func (u *untilReader) Read(p []byte) (int, error) {
	if err := cmp.Or(u.end, u.ctx.Err()); err != nil { // the last read may still use r
		return 0, err
	}
	type result struct {
		n   int
		err error
	}
	read := make(chan result, 1)
	own := make([]byte, len(p)) // since p is the caller's again once ctx has ended
	go func() {
		n, err := u.read(own)
		read <- result{n, err}
	}()
	select {
	case r := <-read:
		u.end = r.err
		return copy(p, own[:r.n]), r.err
	case <-u.ctx.Done():
		return 0, u.ctx.Err()
	}
}

func (u *untilReader) read(p []byte) (int, error) {
	if u.file == "" {
		return u.r.Read(p)
	}
	if u.r == nil {
		f, err := os.Open(u.file)
		if err != nil {
			return 0, err
		}
		u.r = f
	}
	n, err := u.r.Read(p)
	if err != nil {
		_ = u.r.(*os.File).Close() // no error matters, since it was only read
	}
	return n, err
}
