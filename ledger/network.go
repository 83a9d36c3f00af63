package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/text/unicode/norm"
)

// Bounds of a network's rules.
const (
	// MaxBits is the largest proof-of-work difficulty that a network may set.
	MaxBits = 40

	// DefaultBits is the difficulty of a network that sets none.
	DefaultBits = 16

	maxNetworkName = 64    // bytes
	maxNetworkList = 4_096 // issuers, builders, and accounts in credit

	// MaxVoters is the most builders that vote on what is final.
	MaxVoters = 100
)

// A Network is the set of rules that nodes agree on beforehand. Networks that differ
// in any rule have different IDs, and their nodes never mix. NewNetwork,
// NamedNetwork and ParseNetwork make one. Its rules do not change after that; it only
// remembers the signatures that it has verified. It may be used from any goroutine.
type Network struct {
	Name      string      // 1 to 64 bytes of printable text, in Unicode's form NFC
	Bits      uint8       // leading zero bits of every block hash, 0 to MaxBits; 16 by default
	Issuers   []uuid.UUID // accounts that mint and redeem; the zero account by default; sorted
	Builders  []PublicKey // keys whose blocks count; empty: every key; sorted
	KeyedOnly bool        // refuse transactions sent from open accounts other than issuers
	NoSelfPay bool        // refuse transactions whose sender is their receiver

	Credit        map[uuid.UUID]uint64 // what accounts may owe, where it is not CreditDefault: their balance may go down to minus that
	CreditDefault uint64               // what every other account may owe
	MaxUnfinal    uint64               // no block is built while more than this many stand above the last final one; 0: no bound

	id     Hash
	signed *lru.Cache[Hash, struct{}] // verified signatures, see cachedSignatures
}

// NamedNetwork is the built-in rules under a name; "foxchain" is the default.
func NamedNetwork(name string) (*Network, error) {
	return NewNetwork(Network{Name: name, Bits: DefaultBits})
}

// NewNetwork checks n and computes its ID. It copies and sorts the lists, which have
// at most 4096 entries, none twice. Without issuers the zero account is the only
// one. With 0 bits there is no proof of work. The error is a *FieldError.
func NewNetwork(n Network) (*Network, error) {
	n.Name = norm.NFC.String(n.Name) // one name has one form, however it was typed
	if len(n.Issuers) == 0 {
		n.Issuers = []uuid.UUID{{}}
	}
	n.Issuers = slices.SortedFunc(slices.Values(n.Issuers), compareUUIDs)
	n.Builders = slices.SortedFunc(slices.Values(n.Builders), compareKeys)
	if err := cmp.Or(
		checkName(n.Name), checkNumber("bits", uint64(n.Bits), MaxBits, ruleBits), checkList("issuers", n.Issuers), checkList("builders", n.Builders),
		checkNumber("credit_default", n.CreditDefault, MaxAmount, ruleInteger), checkNumber("max_unfinal", n.MaxUnfinal, MaxAmount, ruleInteger),
		n.checkCredit(), n.checkMaxUnfinal(),
	); err != nil {
		return nil, err
	}
	rules, err := Marshal(n.File())
	if err != nil {
		return nil, fmt.Errorf("encode the rules of network %q: %w", n.Name, err)
	}
	n.id = sha256.Sum256(rules)
	n.signed, err = lru.New[Hash, struct{}](cachedSignatures)
	return &n, err
}

// ID returns the SHA-256 of the network's file in CBOR, a map with text keys in
// deterministic order.
func (n *Network) ID() Hash { return n.id }

// IsIssuer reports whether account mints what it sends and redeems what it
// receives on this network.
func (n *Network) IsIssuer(account uuid.UUID) bool {
	_, found := slices.BinarySearchFunc(n.Issuers, account, compareUUIDs)
	return found
}

// MayOwe returns how far below zero the balance of account may go. An issuer has no
// balance.
func (n *Network) MayOwe(account uuid.UUID) uint64 {
	if floor, named := n.Credit[account]; named {
		return floor
	}
	if n.CreditDefault == 0 || n.IsIssuer(account) {
		return 0
	}
	return n.CreditDefault
}

// Caution returns a warning for people where the rules keep less than they seem to
// promise, and "" elsewhere. It warns of credit for every account, since everybody can
// make accounts, and of a keyed_only network with an open issuer, since everybody can
// mint there.
func (n *Network) Caution() string {
	if n.CreditDefault > 0 {
		return fmt.Sprintf("everybody on this network can spend without end: every account may owe %d (credit_default), and anybody can make more accounts", n.CreditDefault)
	}
	for _, issuer := range n.Issuers {
		if n.KeyedOnly && !IsKeyed(issuer) {
			return fmt.Sprintf("everybody on this network can mint, although it is keyed_only: its issuer %s is not the account of a key", issuer)
		}
	}
	return ""
}

// MayBuild reports whether blocks of key count on this network.
func (n *Network) MayBuild(key PublicKey) bool {
	if len(n.Builders) == 0 {
		return true
	}
	_, found := slices.BinarySearchFunc(n.Builders, key, compareKeys)
	return found
}

// Work returns the work of a chain of this many blocks, the sum of 2^Bits.
func (n *Network) Work(blocks uint64) *big.Int {
	w := new(big.Int).SetUint64(blocks)
	return w.Lsh(w, uint(n.Bits))
}

// checkName refuses names that people could confuse, with control characters or
// with a space at an end.
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

// checkCredit checks what accounts may owe. It keeps a copy without the entries that equal
// CreditDefault, so that equal rules have one ID.
func (n *Network) checkCredit() error {
	if len(n.Credit) > maxNetworkList {
		return &FieldError{Field: "credit", Rule: fmt.Sprintf("must have at most %d entries, not %d", maxNetworkList, len(n.Credit))}
	}
	n.Credit = maps.Clone(n.Credit)
	for _, account := range slices.SortedFunc(maps.Keys(n.Credit), compareUUIDs) {
		floor := n.Credit[account]
		switch {
		case floor > MaxAmount:
			return &FieldError{Field: "credit." + account.String(), Rule: ruleInteger}
		case n.IsIssuer(account):
			return &FieldError{Field: "credit." + account.String(), Rule: "must not be an issuer's, which has no balance"}
		case floor == n.CreditDefault:
			delete(n.Credit, account)
		}
	}
	return nil
}

// checkMaxUnfinal refuses a bound that no network could keep to: nothing becomes final
// where nobody votes.
func (n *Network) checkMaxUnfinal() error {
	if voters := len(n.Builders); n.MaxUnfinal > 0 && (voters == 0 || voters > MaxVoters) {
		return &FieldError{Field: "max_unfinal", Rule: fmt.Sprintf("needs 1 to %d builders, not %d: elsewhere nothing becomes final, and this network would stop", MaxVoters, voters)}
	}
	return nil
}

func checkNumber(field string, n, most uint64, rule string) error {
	if n > most {
		return &FieldError{Field: field, Rule: rule}
	}
	return nil
}

func compareUUIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
func compareKeys(a, b PublicKey) int  { return bytes.Compare(a[:], b[:]) }

// ParseNetwork reads a network file, a NetworkFile in JSON. The error is a *FieldError that
// names the key ("issuers[2]") and the rule.
func ParseNetwork(file []byte) (*Network, error) {
	var f NetworkFile
	// Some editors put a byte order mark before UTF-8, which RFC 8259 section 8.1 lets
	// readers ignore, and what is copied from a page may have other spaces around it.
	text := bytes.TrimSpace(bytes.TrimPrefix(file, []byte("\ufeff")))
	err := ReadJSON(text, &f, json.WithUnmarshalers(json.JoinUnmarshalers(notNull[any](), readUUID)))
	switch {
	case err != nil:
		return nil, err
	case f.Issuers != nil && len(f.Issuers) == 0:
		return nil, &FieldError{Field: "issuers", Rule: "must not be empty, since without an issuer no account has anything to send"}
	}
	n := Network{
		Name: f.Name, Bits: DefaultBits, Issuers: f.Issuers, Builders: f.Builders, KeyedOnly: f.KeyedOnly, NoSelfPay: f.NoSelfPay,
		Credit: f.Credit, CreditDefault: f.CreditDefault, MaxUnfinal: f.MaxUnfinal,
	}
	if f.Bits != nil {
		n.Bits = *f.Bits
	}
	return NewNetwork(n)
}

// A NetworkFile is a network as its file has it, and as its ID commits to it. It leaves out
// a rule at its default, so that rules added later change no existing ID.
type NetworkFile struct {
	Name          string               `json:"name"`
	Bits          *uint8               `json:"bits,omitzero"`
	Issuers       []uuid.UUID          `json:"issuers,omitempty"`
	Builders      []PublicKey          `json:"builders,omitempty"`
	KeyedOnly     bool                 `json:"keyed_only,omitzero"`
	NoSelfPay     bool                 `json:"no_self_pay,omitzero"`
	Credit        map[uuid.UUID]uint64 `json:"credit,omitempty"`
	CreditDefault uint64               `json:"credit_default,omitzero"`
	MaxUnfinal    uint64               `json:"max_unfinal,omitzero"`
}

// File returns the network's file, which ParseNetwork reads back.
func (n *Network) File() *NetworkFile {
	f := &NetworkFile{
		Name: n.Name, Builders: n.Builders, KeyedOnly: n.KeyedOnly, NoSelfPay: n.NoSelfPay,
		Credit: n.Credit, CreditDefault: n.CreditDefault, MaxUnfinal: n.MaxUnfinal,
	}
	if n.Bits != DefaultBits {
		f.Bits = &n.Bits
	}
	if !slices.Equal(n.Issuers, []uuid.UUID{{}}) {
		f.Issuers = n.Issuers
	}
	return f
}
