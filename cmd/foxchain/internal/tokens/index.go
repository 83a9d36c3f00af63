package tokens

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"foxchain/rpc"
)

// An Index finds tokens by what clients give. A file is called by the hash of its token, so
// a look-up asks the disk for one name, and a file is read once. While the disk cannot be
// read, the tokens that were found before are admitted.
type Index struct {
	Store
	// Failed is told once of each file that cannot be read.
	Failed func(error)

	mu     sync.Mutex
	tokens map[string]Token // by hash
	failed map[string]bool  // texts of errors
}

// Find finds a token by what a client gives, and notes if it is used with that.
func (x *Index) Find(given string, used bool) (rpc.Token, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	hash := hashToken(given)
	t, known := x.tokens[hash]
	_, err := os.Lstat(x.file(hash))
	if err == nil && !known {
		t, err = x.read(hash)
		known = err == nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		delete(x.tokens, hash)
		return rpc.Token{}, false
	} else if err != nil {
		x.fail(err)
	}
	if !known {
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
	}
	if x.tokens == nil {
		x.tokens = make(map[string]Token)
	}
	x.tokens[hash] = t
	return rpc.Token{Name: t.Name, Scope: scope}, true
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
