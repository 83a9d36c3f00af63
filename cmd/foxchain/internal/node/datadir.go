package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/durable"
	"foxchain/ledger/store"
)

// A DataDir is the directory of one node. Its files are used only under the store's lock,
// which chain.Open takes, so that two processes never make a key each.
type DataDir struct{ Path string }

// OpenDataDir makes the directory if it does not exist, readable by its owner only.
func OpenDataDir(path string) (*DataDir, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if err := os.MkdirAll(full, 0o700); err != nil {
		return nil, term.Hint(fmt.Errorf("make the data directory: %w", err), "Choose another with -r")
	}
	return &DataDir{Path: full}, nil
}

func (d *DataDir) file(name string) string { return filepath.Join(d.Path, name) }
func (d *DataDir) Chain() string           { return d.file("chain") }

// key reads the node's key, or makes it the first time. If the ledger is used, a missing
// key is an error, since a new one would silently make this another node.
func (d *DataDir) key(used bool) (ed25519.PrivateKey, error) {
	file := d.file("node.key")
	key, err := ReadKey(file, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if used {
		return nil, fmt.Errorf("%s is missing, but the directory holds a ledger: put the key back from a copy and start once with --keep-identity, or continue as a new node with: foxchain keygen -o %s", file, term.ShellWord(file))
	}
	key = NewKey()
	return key, d.writeKey(key)
}

func (d *DataDir) writeKey(key ed25519.PrivateKey) error {
	if err := durable.Replace(d.file("node.key"), keyText(key)); err != nil {
		return fmt.Errorf("write the node's key: %w", err)
	}
	return nil
}

// kept returns the content of a file. The first time it writes what first returns. what
// is the name of the file in errors.
func (d *DataDir) kept(name, what string, first func() (string, error)) (string, error) {
	text, err := ReadText(d.file(name), maxKeyFile)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	value, err := first()
	if err != nil {
		return "", err
	}
	if err := durable.Replace(d.file(name), []byte(value+"\n")); err != nil {
		return "", fmt.Errorf("write %s: %w", what, err)
	}
	return value, nil
}

const tokenBytes = 16

// token reads the node's token, or makes it the first time.
func (d *DataDir) token() (string, error) {
	token, err := d.kept("token", "the token", func() (string, error) {
		raw := make([]byte, tokenBytes)
		_, _ = rand.Read(raw) // does not fail
		return hex.EncodeToString(raw), nil
	})
	if err != nil {
		return "", err
	}
	if raw, err := hex.DecodeString(token); err != nil || len(raw) < tokenBytes {
		return "", fmt.Errorf("%s holds no token: remove it, and the node makes a new one", d.file("token"))
	}
	return token, nil
}

// p2pPort returns the port for other nodes. That is the one kept from earlier starts, at
// first the WebSocket's plus 10000, or any free one if that is taken. Only the first
// choice is kept, so that a port that is taken for once changes nothing later.
func (d *DataDir) p2pPort(wsPort int) (int, error) {
	text, err := d.kept("port", "the port for other nodes", func() (string, error) {
		port, err := freePort(wsPort + 10000)
		return strconv.Itoa(port), err
	})
	if err != nil {
		return 0, err
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("%s holds no port: remove it, and the node chooses a new one", d.file("port"))
	}
	return freePort(port)
}

func (d *DataDir) votes(key ledger.PublicKey, network ledger.Hash) *ownVotes {
	return &ownVotes{dir: d, key: key, network: network, file: durable.Slots{File: d.file("votes"), Size: recordPlace}}
}

// loseVotes makes the record of own votes, if there is one, lost, since it may be old. It is
// called before the old key is kept, so that a start that ends early does not leave the key
// with the old record.
func (d *DataDir) loseVotes() error {
	if _, err := os.Lstat(d.file("voted")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	o := d.votes(ledger.PublicKey{}, ledger.Hash{})
	if _, err := o.file.Get(); err != nil && !errors.Is(err, durable.ErrSlots) {
		return fmt.Errorf("forget old votes: %w", err)
	}
	o.noted = true
	return o.save(nil)
}

// freePort returns wanted if it is free, else any free port.
func freePort(wanted int) (int, error) {
	if wanted <= 65535 {
		if l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(wanted))); err == nil {
			return wanted, l.Close()
		}
	}
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		return 0, fmt.Errorf("find a free port for other nodes: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// An Endpoint is where programs of the same user reach the running node.
type Endpoint struct {
	URL   string `json:"url"`
	Token string `json:"token"`

	Dir string // from which it was read; empty if the URL was given
}

// WithoutToken returns a node's URL without its query, which may hold the token.
func WithoutToken(wsURL string) string {
	shown, _, _ := strings.Cut(wsURL, "?")
	return shown
}

func (d *DataDir) writeEndpoint(e Endpoint) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := durable.Replace(d.file("endpoint"), append(text, '\n')); err != nil {
		return fmt.Errorf("write the endpoint file: %w", err)
	}
	return nil
}

// removeEndpoint removes the endpoint file, so that programs know that no node runs.
func (d *DataDir) removeEndpoint() error {
	if err := os.Remove(d.file("endpoint")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ErrNotRunning reports that no node runs on a data directory.
var ErrNotRunning = errors.New("no node runs on")

// ReadEndpoint returns the endpoint of the node that runs on the data directory dir.
func ReadEndpoint(dir string) (Endpoint, error) {
	var e Endpoint
	file := filepath.Join(dir, "endpoint")
	text, err := ReadText(file, maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		why := `it has no file "endpoint"`
		if _, err := os.Stat(dir); err != nil {
			why = "there is no such directory"
		}
		return e, term.Hint(fmt.Errorf("%w %s: %s", ErrNotRunning, dir, why), "To start one: foxchain node -r %s", term.ShellWord(dir))
	}
	if err != nil {
		return e, term.Hint(fmt.Errorf("find the node that runs on %s: %w", dir, err), "To name the node itself: --node ws://localhost:9000/ws")
	}
	if err := json.Unmarshal(text, &e); err != nil || e.URL == "" {
		return e, fmt.Errorf("%s is damaged: start the node again, and it writes a new one", file)
	}
	e.Dir = dir
	return e, nil
}

// InUse reports whether a process has the ledger of the data directory dir open. The
// process holds the lock until it ends.
func InUse(dir string) bool {
	chainDir := (&DataDir{Path: dir}).Chain()
	if _, err := os.Stat(filepath.Join(chainDir, "LOCK")); err != nil {
		return false
	}
	files, err := storage.OpenFile(chainDir, true)
	if err != nil {
		return true
	}
	return files.Close() != nil
}

// Explain adds a hint to the errors of a ledger.
func (d *DataDir) Explain(err error) error {
	switch {
	case errors.Is(err, chain.ErrRepairing):
		return fmt.Errorf("a repair of the data directory %s was interrupted. Run it again: foxchain repair -r %s", d.Path, term.ShellWord(d.Path))
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("a node uses the data directory %s: stop it first", d.Path)
	case errors.Is(err, store.ErrDamaged):
		return term.Hint(err, "The files in %s are damaged. To keep what is whole, and get the rest from other nodes: foxchain repair -r %s", d.Chain(), term.ShellWord(d.Path))
	case term.IsDiskFull(err):
		return term.Hint(err, "The disk of %s is full: make room and try again. Nothing accepted is lost", d.Path)
	case errors.Is(err, os.ErrPermission) || term.IsReadOnly(err):
		return term.Hint(err, "foxchain must be able to write to %s: change its owner or permissions, or choose another directory with -r", d.Path)
	}
	return err
}
