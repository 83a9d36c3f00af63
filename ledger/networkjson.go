package ledger

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

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
