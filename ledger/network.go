package ledger

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Bounds of a network's rules.
const (
	// MaxBits is the largest proof-of-work difficulty that a network may set.
	MaxBits = 40

	defaultBits    = 16
	maxNetworkName = 64    // bytes
	maxNetworkList = 4_096 // issuers, and builders
)

// A Network is what nodes agree on beforehand. Two nodes whose networks differ
// in anything have different IDs and never mix. It is immutable once made by
// NewNetwork, NamedNetwork or ParseNetwork, but that it remembers which
// signatures it has verified, and may be used from any goroutine.
type Network struct {
	Name      string      // 1 to 64 bytes of printable text
	Bits      uint8       // leading zero bits of every block hash, 0 to MaxBits; 16 by default
	Issuers   []uuid.UUID // accounts that mint and redeem; the zero account by default; sorted
	Builders  []PublicKey // whose blocks count; empty: anybody's; sorted
	KeyedOnly bool        // refuse transactions sent from open accounts other than issuers

	id     Hash
	signed *signatureCache // what was verified for this network already
}

// NamedNetwork is the built-in rules under a name; "foxchain" is the default.
func NamedNetwork(name string) (*Network, error) {
	return NewNetwork(Network{Name: name, Bits: defaultBits})
}

// NewNetwork checks n and computes its ID. Lists are copied and sorted, repeats
// refused, at most 4096 entries each; without issuers the zero account is the
// one issuer. Bits is taken as it stands: 0 is no proof of work. The error is a
// *FieldError.
func NewNetwork(n Network) (*Network, error) {
	if err := checkName(n.Name); err != nil {
		return nil, err
	}
	if n.Bits > MaxBits {
		return nil, &FieldError{Field: "bits", Rule: ruleBits}
	}
	if len(n.Issuers) == 0 {
		n.Issuers = []uuid.UUID{{}}
	}
	n.Issuers = sorted(n.Issuers, compareUUIDs)
	n.Builders = sorted(n.Builders, compareKeys)
	if err := checkList("issuers", n.Issuers); err != nil {
		return nil, err
	}
	if err := checkList("builders", n.Builders); err != nil {
		return nil, err
	}
	rules, err := n.encode()
	if err != nil {
		return nil, fmt.Errorf("encode the rules of network %q: %w", n.Name, err)
	}
	n.id = sha256.Sum256(rules)
	n.signed = newSignatureCache()
	return &n, nil
}

// ID is the SHA-256 of the network's rules in CBOR: a map with text keys in
// deterministic order in which only what is not the default stands.
func (n *Network) ID() Hash { return n.id }

// encode gives the rules that the ID commits to. A rule that is left at its
// default does not stand in it, so that later rules change no existing ID.
func (n *Network) encode() ([]byte, error) {
	rules := map[string]any{"name": n.Name}
	if n.Bits != defaultBits {
		rules["bits"] = n.Bits
	}
	if len(n.Issuers) != 1 || n.Issuers[0] != (uuid.UUID{}) {
		rules["issuers"] = n.Issuers
	}
	if len(n.Builders) > 0 {
		rules["builders"] = n.Builders
	}
	if n.KeyedOnly {
		rules["keyed_only"] = true
	}
	return Marshal(rules)
}

// IsIssuer reports whether account mints what it sends and redeems what it
// receives on this network.
func (n *Network) IsIssuer(account uuid.UUID) bool {
	_, found := slices.BinarySearchFunc(n.Issuers, account, compareUUIDs)
	return found
}

// MayBuild reports whether blocks of key count on this network.
func (n *Network) MayBuild(key PublicKey) bool {
	if len(n.Builders) == 0 {
		return true
	}
	_, found := slices.BinarySearchFunc(n.Builders, key, compareKeys)
	return found
}

// Work is the work of a chain of so many blocks: the sum of 2^Bits.
func (n *Network) Work(blocks uint64) *big.Int {
	w := new(big.Int).SetUint64(blocks)
	return w.Lsh(w, uint(n.Bits))
}

// checkName keeps names that people can tell apart when they read them aloud:
// no control characters, no space that cannot be seen at an end.
func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxNetworkName:
		return &FieldError{Field: "name", Rule: fmt.Sprintf("must be 1 to %d bytes long, not %d", maxNetworkName, len(name))}
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return &FieldError{Field: "name", Rule: "must be printable text in UTF-8"}
	case strings.TrimSpace(name) != name:
		return &FieldError{Field: "name", Rule: "must not begin or end with a space"}
	}
	return nil
}

// checkList checks a sorted list.
func checkList[T interface {
	comparable
	fmt.Stringer
}](field string, list []T) error {
	if len(list) > maxNetworkList {
		return &FieldError{Field: field, Rule: fmt.Sprintf("must have at most %d entries, not %d", maxNetworkList, len(list))}
	}
	for i := 1; i < len(list); i++ {
		if list[i] == list[i-1] {
			return &FieldError{Field: field, Rule: fmt.Sprintf("must not name %s twice", list[i])}
		}
	}
	return nil
}

func sorted[T any](list []T, compare func(a, b T) int) []T {
	list = slices.Clone(list)
	slices.SortFunc(list, compare)
	return list
}

func compareUUIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
func compareKeys(a, b PublicKey) int  { return bytes.Compare(a[:], b[:]) }

// ParseNetwork reads a network file: a JSON object with name and, where they
// differ from the defaults, bits, issuers, builders, keyed_only. The error is a
// *FieldError that names the key ("issuers[2]") and the rule.
func ParseNetwork(file []byte) (*Network, error) {
	// Some editors put a byte order mark before UTF-8; RFC 8259 section 8.1
	// lets readers ignore it.
	w := newWalker("network", bytes.TrimPrefix(file, []byte("\ufeff")))
	f := networkForm{walker: w, rules: Network{Bits: defaultBits}}
	if err := w.object("a JSON object", f.key); err != nil {
		return nil, err
	}
	if err := w.end(); err != nil {
		return nil, err
	}
	return NewNetwork(f.rules)
}

// A networkForm is a network file on its way to rules.
type networkForm struct {
	*walker
	rules Network
}

func (f *networkForm) key(name []byte) error {
	key := string(name)
	switch key {
	case "issuers":
		return f.issuers()
	case "builders":
		return f.list(key, "a list of public keys: 64 hex digits each", func(v jsontext.Value) error {
			var builder PublicKey
			err := digits(v, builder[:])
			f.rules.Builders = append(f.rules.Builders, builder)
			return err
		})
	}
	v, err := f.value()
	if err != nil {
		return err
	}
	if err := f.scalar(key, v); err != nil {
		return &FieldError{Field: shorten(key), Rule: err.Error()}
	}
	return nil
}

func (f *networkForm) scalar(key string, v jsontext.Value) (err error) {
	switch key {
	case "name":
		name, err := unquote(v)
		f.rules.Name = string(name)
		return err
	case "bits":
		n, err := integer(v, MaxBits)
		if err != nil {
			return ruleError(ruleBits)
		}
		f.rules.Bits = uint8(n)
		return nil
	case "keyed_only":
		if v.Kind() != 't' && v.Kind() != 'f' {
			return ruleError("must be true or false")
		}
		f.rules.KeyedOnly = v.Kind() == 't'
		return nil
	}
	return ruleError("is not a key of a network: those are name, bits, issuers, builders and keyed_only")
}

// issuers are never none: nobody could pay anything.
func (f *networkForm) issuers() error {
	err := f.list("issuers", "a list of accounts", func(v jsontext.Value) error {
		issuer, err := parseAccount(v)
		f.rules.Issuers = append(f.rules.Issuers, issuer)
		return err
	})
	if err == nil && len(f.rules.Issuers) == 0 {
		return &FieldError{Field: "issuers", Rule: "must not be empty: without an issuer nobody has anything to send"}
	}
	return err
}

func (f *networkForm) list(key, want string, item func(v jsontext.Value) error) error {
	if f.dec.PeekKind() != '[' {
		if _, err := f.value(); err != nil {
			return err
		}
		return &FieldError{Field: key, Rule: "must be " + want}
	}
	return f.walker.list(want, func(i int) error {
		v, err := f.value()
		if err != nil {
			return err
		}
		if i == maxNetworkList {
			return &FieldError{Field: key, Rule: fmt.Sprintf("must have at most %d entries", maxNetworkList)}
		}
		if err := item(v); err != nil {
			return &FieldError{Field: fmt.Sprintf("%s[%d]", key, i), Rule: err.Error()}
		}
		return nil
	})
}

// JSON gives the network as a network file, indented, with every key, also
// where it is the default. ParseNetwork reads it back.
func (n *Network) JSON() []byte {
	dst := append([]byte(nil), "{\n  \"name\": "...)
	// A network's name is valid UTF-8, the only thing that this could refuse.
	dst, _ = jsontext.AppendQuote(dst, n.Name)
	dst = strconv.AppendUint(append(dst, ",\n  \"bits\": "...), uint64(n.Bits), 10)
	dst = appendList(append(dst, ",\n  \"issuers\": "...), n.Issuers, uuid.UUID.String)
	dst = appendList(append(dst, ",\n  \"builders\": "...), n.Builders, PublicKey.String)
	dst = strconv.AppendBool(append(dst, ",\n  \"keyed_only\": "...), n.KeyedOnly)
	return append(dst, "\n}\n"...)
}

func appendList[T any](dst []byte, list []T, show func(T) string) []byte {
	if len(list) == 0 {
		return append(dst, "[]"...)
	}
	for i, entry := range list {
		sep := ",\n    \""
		if i == 0 {
			sep = "[\n    \""
		}
		dst = append(append(append(dst, sep...), show(entry)...), '"')
	}
	return append(dst, "\n  ]"...)
}
