package names

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/durable"
)

const (
	maxFile = 1 << 20 // bytes
	maxName = 32      // characters
)

// A List is the content of a file. A nil one knows no names.
type List struct {
	File     string
	Names    []string // in the file's order
	text     []byte
	accounts map[string]uuid.UUID // by name in lower case
	names    map[uuid.UUID]string
}

// DefaultFile returns the file of the user who runs the program, empty where the system
// does not know of one.
func DefaultFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "foxchain", "names")
}

// Read reads the names of a file. One that is missing holds none.
func Read(file string) (*List, error) {
	l := &List{File: file, accounts: make(map[string]uuid.UUID), names: make(map[uuid.UUID]string)}
	if file == "" {
		return l, nil
	}
	var err error
	l.text, err = node.ReadText(file, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the names of accounts: %w", err)
	}
	n := 0
	for line := range strings.Lines(string(l.text)) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			err = fmt.Errorf("must be NAME KEY, not %d words", len(fields))
		} else {
			err = l.take(fields[0], fields[1])
		}
		if err != nil {
			return nil, term.Hint(fmt.Errorf("%s, line %d: %w", file, n, err), "The file has the names of accounts: correct the line or remove it")
		}
	}
	return l, nil
}

// take adds a name after a check.
func (l *List) take(name, key string) error {
	name = norm.NFC.String(name)
	if err := checkName(name); err != nil {
		return fmt.Errorf("the name %q %w", name, err)
	}
	account, err := ledger.ParseUUID(key)
	if raw, bad := hex.DecodeString(key); bad == nil && len(raw) == len(ledger.PublicKey{}) {
		account, err = ledger.AccountOf(ledger.PublicKey(raw)), nil
	}
	if err != nil {
		return fmt.Errorf("%q is no account and no key: an account %w, a public key 64 hex digits", key, err)
	}
	folded := strings.ToLower(name)
	if other, taken := l.accounts[folded]; taken {
		return fmt.Errorf("the name %q is already that of %s", l.names[other], other)
	}
	if other, taken := l.names[account]; taken {
		return fmt.Errorf("the account %s already has the name %q", account, other)
	}
	l.Names = append(l.Names, name)
	l.accounts[folded], l.names[account] = account, name
	return nil
}

func checkName(name string) error {
	first, _ := utf8.DecodeRuneInString(name)
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.M, r) && !strings.ContainsRune(".-_", r)
	}
	switch {
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("must have at most %d characters", maxName)
	case !unicode.IsLetter(first):
		return errors.New("must begin with a letter")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, odd):
		return errors.New(`must be of letters, digits, ".", "-" and "_"`)
	case strings.EqualFold(name, term.IssuerWord) || strings.EqualFold(name, "all"):
		return errors.New("must be another one: that word has a meaning of its own")
	case term.IsShort(name):
		return errors.New("must not be of the digits 0 to 9 and a to f alone: it could be the beginning of an account")
	}
	return nil
}

// Account returns the account of a name, which must be written as in the file.
func (l *List) Account(name string) (account uuid.UUID, known bool) {
	if l == nil {
		return account, false
	}
	name = norm.NFC.String(name)
	account, known = l.accounts[strings.ToLower(name)]
	return account, known && l.names[account] == name
}

// Of returns the name of an account, empty if it has none.
func (l *List) Of(account uuid.UUID) string {
	if l == nil {
		return ""
	}
	return l.names[account]
}

// OfKey returns the name of the account of a key, as of a builder.
func (l *List) OfKey(key ledger.PublicKey) string { return l.Of(ledger.AccountOf(key)) }

// Add writes another name into the file.
func (l *List) Add(name, key string) error {
	if err := l.take(name, key); err != nil {
		return err
	}
	text := l.text
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return l.write(fmt.Appendf(text, "%s %s\n", norm.NFC.String(name), strings.ToLower(key)))
}

// Remove takes a name out of the file, and leaves all other lines as they are.
func (l *List) Remove(name string) error {
	if _, ok := l.Account(name); !ok {
		return fmt.Errorf("there is no name %q in %s", name, l.File)
	}
	var text []byte
	for line := range strings.Lines(string(l.text)) {
		if fields := strings.Fields(line); len(fields) == 0 || norm.NFC.String(fields[0]) != norm.NFC.String(name) {
			text = append(text, line...)
		}
	}
	return l.write(text)
}

func (l *List) write(text []byte) error {
	if l.File == "" {
		return errors.New("the system knows no directory for the settings of this user: name a file for the names with --names FILE")
	}
	if len(text) > maxFile {
		return fmt.Errorf("%s is full: it has at most %d bytes", l.File, maxFile)
	}
	err := os.MkdirAll(filepath.Dir(l.File), 0o700)
	if err == nil {
		err = durable.Replace(l.File, text)
	}
	if err != nil {
		return fmt.Errorf("write the names of accounts: %w", err)
	}
	return nil
}
