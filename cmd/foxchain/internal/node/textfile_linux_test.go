package node

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding/unicode"
)

// forms returns a text as systems write it.
func forms(t *testing.T, text string) map[string]string {
	t.Helper()
	crlf := strings.ReplaceAll(text, "\n", "\r\n")
	all := map[string]string{"UTF-8": text, "CRLF": crlf, "UTF-8 with a mark": "\ufeff" + crlf,
		"CR": strings.ReplaceAll(text, "\n", "\r"), "spaces around": "\n " + strings.ReplaceAll(text, "\n", " \t\n") + "\u00a0\n"}
	for name, e := range map[string]unicode.Endianness{"LE": unicode.LittleEndian, "BE": unicode.BigEndian} {
		for mark, policy := range map[string]unicode.BOMPolicy{"": unicode.IgnoreBOM, " with a mark": unicode.UseBOM} {
			encoded, err := unicode.UTF16(e, policy).NewEncoder().String(crlf)
			if err != nil {
				t.Fatal(err)
			}
			all["UTF-16"+name+mark] = encoded
		}
	}
	return all
}

// TestTextHasSeveralForms reads each kind of file that people hand in, in every form.
func TestTextHasSeveralForms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	key, pem := newKey(t)
	for what, c := range map[string]struct {
		text string
		read func() error
	}{
		"key": {string(pem), func() error {
			got, err := ReadKey(file, nil)
			if err == nil && !got.Equal(key) {
				return errors.New("another key")
			}
			return err
		}},
		"psk":     {"/key/swarm/psk/1.0.0/\n/base16/\n" + strings.Repeat("0", 64) + "\n", func() error { _, err := LoadPSK(file); return err }},
		"network": {"{\"name\":\n\"小狐狸\"}\n", func() error { _, err := LoadNetwork(file); return err }},
		"export": {"{\"a\":\"狐\"}\n", func() error {
			r, err := OpenText(t.Context(), file, nil)
			if err != nil {
				return err
			}
			text, err := io.ReadAll(iotest.OneByteReader(r))
			if strings.TrimSpace(string(text)) != `{"a":"狐"}` {
				return errors.Join(err, errors.New(string(text)))
			}
			return err
		}},
	} {
		for form, text := range forms(t, c.text) {
			save(t, file, text)
			if err := c.read(); err != nil {
				t.Errorf("%s in %s: %v", what, form, err)
			}
		}
	}
}

// TestFilesAreBounded checks that what is no file is refused by name, and costs little.
func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(large, nil, 0o600), os.Truncate(large, 1<<40)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"/dev/zero": "/dev/zero is too large: it has more than", large: "is too large: it has more than",
		dir: "is a directory", pipe: pipe, filepath.Join(dir, "none"): "none",
	} {
		for _, read := range []func() error{
			func() error { _, err := ReadKey(file, nil); return err },
			func() error { _, err := LoadPSK(file); return err },
			func() error { _, err := LoadNetwork(file); return err },
		} {
			if err := read(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s gave %v", file, err)
			}
		}
	}
	// A pipe with a writer is a file like any other: --psk <(pass show lan)
	done := make(chan error, 1)
	go func() {
		done <- os.WriteFile(pipe, []byte("/key/swarm/psk/1.0.0/\n/base16/\n"+strings.Repeat("0", 64)+"\n"), 0)
	}()
	held, err := os.OpenFile(pipe, os.O_RDONLY, 0) // waits for the writer
	if err != nil || <-done != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := LoadPSK(pipe); err != nil {
		t.Error(err)
	}
}

// TestReadingEndsWithItsContext checks that a pipe without a writer keeps no command from
// ending.
func TestReadingEndsWithItsContext(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := OpenText(ctx, pipe, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	os.OpenFile(pipe, os.O_RDWR, 0) // lets the reader's goroutine go on
}
