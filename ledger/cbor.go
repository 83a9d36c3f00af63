package ledger

import (
	"bytes"
	"errors"

	"github.com/fxamacker/cbor/v2"
)

// Bounds of what Unmarshal reads, whatever it reads into.
const (
	maxNesting  = 16
	maxElements = 100_000 // of one array, and pairs of one map
)

var errNotCanonical = errors.New("not the one deterministic CBOR encoding (RFC 8949 section 4.2.1) of what it says")

// The two modes are immutable and safe for concurrent use.
var (
	encMode = newEncMode()
	decMode = newDecMode()
)

// newEncMode panics only if the options below contradict one another, which
// they do at every start or never.
func newEncMode() cbor.EncMode {
	mode, err := cbor.EncOptions{
		Sort:          cbor.SortCoreDeterministic,
		ShortestFloat: cbor.ShortestFloatNone, // always nine bytes: a float has one form in every language
		NaNConvert:    cbor.NaNConvertReject,
		InfConvert:    cbor.InfConvertReject,
		IndefLength:   cbor.IndefLengthForbidden,
		TagsMd:        cbor.TagsForbidden,
	}.EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}

func newDecMode() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   maxNesting,
		MaxArrayElements:  maxElements,
		MaxMapPairs:       maxElements,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		NaN:               cbor.NaNDecodeForbidden,
		Inf:               cbor.InfDecodeForbidden,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}

// Marshal is the deterministic CBOR encoding of v that everything hashed,
// stored or sent between nodes uses. Transactions, sealed headers and blocks
// inside v are encoded as Encode and EncodeHeader do.
func Marshal(v any) ([]byte, error) { return encMode.Marshal(v) }

// Unmarshal reads b into v, strictly: no unknown keys, no repeated ones, no
// indefinite lengths, no tags, at most 16 levels and 100,000 elements an array,
// nothing after the value. It accepts b only if encoding the result gives b
// again; so v must be a pointer to a zero value, and b must be no longer than
// the caller is willing to hold a few times over.
func Unmarshal(b []byte, v any) error {
	if err := decMode.Unmarshal(b, v); err != nil {
		return err
	}
	again, err := encMode.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return errNotCanonical
	}
	return nil
}
