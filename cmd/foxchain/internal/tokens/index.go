package tokens

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"foxchain/rpc"
)

// An Index is the tokens of a directory in memory, so that what strangers give costs no
// reading of files: a look-up is one question for the directory's time. That has a
// resolution of 2 s on some file systems, so the directory is listed at each look-up until
// it had the same time for settle. Where its time comes from a cache, as on a network
// share, it is late: so it is listed again each settle, which bounds how long a token that
// was revoked is admitted there. A file that could not be read is tried at each listing.
// While the directory cannot be listed, the tokens are those of the last time.
type Index struct {
	Store
	// Failed is told once of each file or directory that cannot be read.
	Failed func(error)

	mu     sync.Mutex
	time   time.Time        // of the directory when it was last listed
	seen   time.Time        // when it was first seen to have this time
	listed time.Time        // when it was last listed
	tokens map[string]Token // by hash
	failed map[string]bool  // texts of errors
}

const settle = 3 * time.Second

// Find finds a token by what a client gives, and notes if it is used with that.
func (x *Index) Find(given string, used bool) (rpc.Token, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.refresh(); err != nil {
		x.fail(err)
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
	if now := time.Now(); used && now.Sub(t.Used).Abs() > usedAgain {
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
		x.time, x.tokens = time.Time{}, nil
		return nil
	}
	if err != nil {
		return err
	}
	at, now := info.ModTime(), time.Now()
	if at.Equal(x.time) && x.listed.Sub(x.seen) > settle && now.Sub(x.listed) <= settle {
		return nil
	}
	hashes, err := x.hashes()
	if err != nil {
		return err
	}
	if !at.Equal(x.time) {
		x.time, x.seen = at, now
	}
	x.listed = now
	known := x.tokens
	x.tokens = make(map[string]Token)
	for _, hash := range hashes {
		t, ok := known[hash]
		if !ok {
			if t, err = x.read(hash); err != nil {
				if !errors.Is(err, fs.ErrNotExist) {
					x.fail(err)
				}
				continue
			}
		}
		x.tokens[hash] = t
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
