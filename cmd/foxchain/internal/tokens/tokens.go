// Package tokens keeps the tokens of a node beside its own, each with a name and a scope,
// in the directory "tokens" of its data directory. A file for each is called by the token's
// SHA-256, and the token itself is kept nowhere. A node reads that file each time when it
// is given the token, so it knows at once which were added and revoked, and which were is
// a matter of the files alone: no node needs to run, and none is asked.
package tokens

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/ledger/durable"
	"foxchain/rpc"
)

// A Token is what a file has.
type Token struct {
	Name    string `json:"name"`
	Scope   string `json:"scope"`
	SHA256  string `json:"sha256"`
	Created int64  `json:"created"` // Unix seconds

	Used time.Time `json:"-"` // to the minute: the time of the file; zero: never
}

// A Store is the tokens of one data directory.
type Store struct {
	Path string // of the data directory
}

const (
	maxTokens  = 256
	tokenBytes = 16
	// usedAgain is how long the time of a token's last use stays, so that not every
	// request writes to the disk.
	usedAgain = time.Minute
)

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)

func (d Store) dir() string             { return filepath.Join(d.Path, "tokens") }
func (d Store) file(hash string) string { return filepath.Join(d.dir(), hash+".json") }

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Add makes a token and returns it. It is kept nowhere.
func (d Store) Add(name string, scope rpc.Scope) (string, error) {
	if !tokenName.MatchString(name) {
		return "", fmt.Errorf("%q is no name for a token: it must be of letters, digits, \".\", \"-\" and \"_\", begin with one of the first two, and have at most 32 characters", name)
	}
	list, err := d.List()
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(list, func(t Token) bool { return t.Name == name }) {
		return "", fmt.Errorf("there is a token %s already: choose another name, or revoke that one first", name)
	}
	if len(list) >= maxTokens {
		return "", fmt.Errorf("there are %d tokens already, and no more are kept: revoke one first", len(list))
	}
	raw := make([]byte, tokenBytes)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	token := hex.EncodeToString(raw)
	t := Token{Name: name, Scope: scope.String(), SHA256: hashToken(token), Created: time.Now().Unix()}
	text, err := json.Marshal(t)
	if err == nil {
		err = d.write(t, append(text, '\n'))
	}
	if err != nil {
		return "", fmt.Errorf("keep the token: %w", err)
	}
	return token, nil
}

func (d Store) write(t Token, text []byte) error {
	if err := os.MkdirAll(d.dir(), 0o700); err != nil {
		return err
	}
	file := d.file(t.SHA256)
	if err := durable.Replace(file, text); err != nil {
		return err
	}
	made := time.Unix(t.Created, 0)
	return errors.Join(os.Chtimes(file, made, made), sameOwner(d.Path, d.dir(), file))
}

// List returns all tokens, the oldest first.
func (d Store) List() ([]Token, error) {
	files, err := os.ReadDir(d.dir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	var list []Token
	for _, f := range files {
		hash, isToken := strings.CutSuffix(f.Name(), ".json")
		if !isToken {
			continue // of a crash while it was written
		}
		t, err := d.read(hash)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was revoked meanwhile
		} else if err != nil {
			return nil, fmt.Errorf("read the tokens: %w", err)
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b Token) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// read returns the token with a hash. Hashes are compared in constant time: the name
// of a file may be compared in any case on some systems.
func (d Store) read(hash string) (t Token, err error) {
	file := d.file(hash)
	text, err := os.ReadFile(file)
	if err != nil {
		return t, err
	}
	if json.Unmarshal(text, &t) != nil || subtle.ConstantTimeCompare([]byte(t.SHA256), []byte(hash)) != 1 {
		return t, fmt.Errorf("%s is damaged: remove it, and the token in it is revoked", file)
	}
	info, err := os.Stat(file)
	if err != nil {
		return t, err
	}
	if used := info.ModTime(); used.Unix() > t.Created {
		t.Used = used
	}
	return t, nil
}

// Revoke takes a token away.
func (d Store) Revoke(name string) error {
	list, err := d.List()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(list, func(t Token) bool { return t.Name == name })
	if at < 0 {
		return fmt.Errorf("there is no token %q", name)
	}
	if err := os.Remove(d.file(list[at].SHA256)); err != nil {
		return fmt.Errorf("revoke the token: %w", err)
	}
	return durable.SyncDir(d.dir())
}

// Find finds a token by what a client gives, and notes that it was used. One that is not
// there is fs.ErrNotExist.
func (d Store) Find(given string) (rpc.Token, error) {
	t, err := d.read(hashToken(given))
	if err != nil {
		return rpc.Token{}, err
	}
	scope, err := rpc.ParseScope(t.Scope)
	if now := time.Now(); err == nil && now.Sub(t.Used).Abs() > usedAgain {
		_ = os.Chtimes(d.file(t.SHA256), now, now) // for people, and no reason to refuse anybody
	}
	return rpc.Token{Name: t.Name, Scope: scope}, err
}
