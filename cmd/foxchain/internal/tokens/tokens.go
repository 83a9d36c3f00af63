package tokens

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
	maxFile    = 4 << 10
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
	if err := d.room(name, ""); err != nil {
		return "", err
	}
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // does not fail
	token := hex.EncodeToString(raw)
	t := Token{Name: name, Scope: scope.String(), SHA256: hashToken(token), Created: time.Now().Unix()}
	text, err := json.Marshal(t)
	if err == nil {
		err = d.write(t, append(text, '\n'))
	}
	if err != nil {
		_ = os.Remove(d.file(t.SHA256)) // where it was written: nobody knows the token
		return "", fmt.Errorf("keep the token: %w", err)
	}
	// Of two that are made in one moment, each looks after both are written. So at least
	// one sees the other.
	if err := d.room(name, t.SHA256); err != nil {
		return "", errors.Join(err, os.Remove(d.file(t.SHA256)))
	}
	return token, nil
}

// room returns why there can be no token with a name beside the one with the hash own.
func (d Store) room(name, own string) error {
	list, damaged, err := d.List()
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(t Token) bool { return t.SHA256 == own })
	if slices.ContainsFunc(list, func(t Token) bool { return t.Name == name }) {
		return fmt.Errorf("there is a token %s already: choose another name, or revoke that one first", name)
	}
	if n := len(list) + len(damaged); n >= maxTokens {
		return fmt.Errorf("there are %d tokens already, and no more are kept: revoke one first", n)
	}
	return nil
}

func (d Store) write(t Token, text []byte) error {
	file := d.file(t.SHA256)
	made := filepath.Join(filepath.Base(d.dir()), filepath.Base(file))
	if err := os.Mkdir(d.dir(), 0o700); err == nil {
		made = filepath.Base(d.dir())
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// An administrator's token add must not write where the node's user has made a link to. One
	// that is made in this moment is not noticed.
	if info, err := os.Lstat(d.dir()); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("%s must be a directory, and no link", d.dir()))
	}
	if err := durable.Replace(file, text); err != nil {
		return err
	}
	at := time.Unix(t.Created, 0)
	return errors.Join(os.Chtimes(file, at, at), durable.SameOwner(d.Path, ".", made))
}

// List returns all tokens, the oldest first, and an error for each file that is damaged.
func (d Store) List() (list []Token, damaged []error, err error) {
	hashes, err := d.hashes()
	for _, hash := range hashes {
		t, err := d.read(hash)
		switch {
		case err == nil:
			list = append(list, t)
		case !errors.Is(err, fs.ErrNotExist): // else it was revoked meanwhile
			damaged = append(damaged, err)
		}
	}
	slices.SortFunc(list, func(a, b Token) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.Name, b.Name))
	})
	return list, damaged, err
}

// hashes returns those of all tokens.
func (d Store) hashes() (list []string, err error) {
	files, err := os.ReadDir(d.dir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	for _, f := range files {
		if hash, isToken := strings.CutSuffix(f.Name(), ".json"); isToken { // else a crash left it
			list = append(list, hash)
		}
	}
	return list, nil
}

// read returns the token with a hash.
func (d Store) read(hash string) (t Token, err error) {
	file := d.file(hash)
	info, err := os.Lstat(file)
	if err != nil {
		return t, err
	}
	var text []byte
	if info.Mode().IsRegular() { // or opening it may wait for ever
		f, err := os.Open(file)
		if err != nil {
			return t, err
		}
		text, err = io.ReadAll(io.LimitReader(f, maxFile))
		if err := errors.Join(err, f.Close()); err != nil {
			return t, err
		}
	}
	if json.Unmarshal(text, &t) != nil || t.SHA256 != hash {
		return t, fmt.Errorf("%s is damaged, and its token is not admitted: remove the file, and the token is revoked", file)
	}
	if used := info.ModTime(); used.Unix() > t.Created {
		t.Used = used
	}
	return t, nil
}

// Revoke takes a token away.
func (d Store) Revoke(name string) error {
	list, damaged, err := d.List()
	if err != nil {
		return err
	}
	found := false
	for _, t := range list {
		if t.Name == name {
			found = true
			if err := os.Remove(d.file(t.SHA256)); err != nil {
				return fmt.Errorf("revoke the token: %w", err)
			}
		}
	}
	if !found {
		return errors.Join(append([]error{fmt.Errorf("there is no token %q", name)}, damaged...)...)
	}
	return durable.SyncDir(d.dir())
}
