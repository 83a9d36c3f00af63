package tokens

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"foxchain/rpc"
)

// An Index is the tokens of a directory in memory, so that what strangers give costs no
// reading of files: a look-up is one question for the directory's time. That has a
// resolution of 2 s on some file systems, so for settle after a change the names in the
// directory are compared too.
type Index struct {
	Store
	// Failed is told once of each file or directory that cannot be read. Who gives a token
	// of theirs is not admitted.
	Failed func(error)

	mu     sync.Mutex
	time   time.Time // of the directory when it was read; zero: it was not
	seen   time.Time // when it was first seen to have this time
	hashes []string
	tokens map[string]Token // by hash
	failed map[string]bool  // texts of errors
}

const settle = 3 * time.Second

// Find finds a token by what a client gives, and notes that it was used.
func (x *Index) Find(given string) (rpc.Token, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.refresh(); err != nil {
		x.fail(err)
		return rpc.Token{}, false
	}
	hash := hashToken(given)
	t, ok := x.tokens[hash]
	if !ok {
		return rpc.Token{}, false
	}
	scope, err := rpc.ParseScope(t.Scope)
	if err != nil {
		x.fail(err)
		return rpc.Token{}, false
	}
	if now := time.Now(); now.Sub(t.Used).Abs() > usedAgain {
		_ = os.Chtimes(x.file(hash), now, now) // for people, and no reason to refuse anybody
		t.Used = now
		x.tokens[hash] = t
	}
	return rpc.Token{Name: t.Name, Scope: scope}, true
}

// refresh reads the directory if it may have changed.
func (x *Index) refresh() error {
	info, err := os.Stat(x.dir())
	if errors.Is(err, fs.ErrNotExist) {
		x.time, x.hashes, x.tokens = time.Time{}, nil, nil
		return nil
	}
	if err != nil {
		return err
	}
	if at := info.ModTime(); x.time.IsZero() || !at.Equal(x.time) {
		x.time, x.seen = at, time.Now()
	} else if time.Since(x.seen) > settle {
		return nil
	}
	hashes, err := x.Store.hashes()
	if err != nil {
		x.time = time.Time{} // it is read again next time
		return err
	}
	if slices.Equal(hashes, x.hashes) {
		return nil
	}
	known := maps.Clone(x.tokens)
	x.hashes, x.tokens = hashes, make(map[string]Token)
	for _, hash := range hashes {
		if t, ok := known[hash]; ok {
			x.tokens[hash] = t
		} else if t, err := x.read(hash); err == nil {
			x.tokens[hash] = t
		} else if !errors.Is(err, fs.ErrNotExist) {
			x.fail(err)
		}
	}
	return nil
}

func (x *Index) fail(err error) {
	if !x.failed[err.Error()] && len(x.failed) < maxTokens {
		if x.failed == nil {
			x.failed = make(map[string]bool)
		}
		x.failed[err.Error()] = true
		x.Failed(err)
	}
}
