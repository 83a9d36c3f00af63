package ledger

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// A walker reads JSON from outside, token by token. Its errors name the item and
// the field. The decoder under it refuses repeated keys, text that is not UTF-8, and
// more than 10,000 levels of nesting.
type walker struct {
	dec  *jsontext.Decoder
	root string // what the sender calls the value: "pool", "blocks"
}

func newWalker(root string, value []byte) *walker {
	return &walker{dec: jsontext.NewDecoder(bytes.NewBuffer(value)), root: root}
}

// list calls item for each element of the array that comes next; item must read
// it. The error about any other value is "must be " + want.
func (w *walker) list(want string, item func(i int) error) error {
	if w.dec.PeekKind() != '[' {
		return w.unexpected(want)
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return w.syntax(err)
	}
	for i := 0; w.more(']'); i++ {
		if err := item(i); err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return w.syntax(err)
}

// more reports whether another element or key comes before end. Before invalid JSON
// it is false too, and reading end then returns the error.
func (w *walker) more(end jsontext.Kind) bool {
	kind := w.dec.PeekKind()
	return kind != end && kind != 0
}

// value returns the next value, or key, as it is written: a slice of what the
// walker reads.
func (w *walker) value() (jsontext.Value, error) {
	v, err := w.dec.ReadValue()
	return v, w.syntax(err)
}

// end checks that nothing follows.
func (w *walker) end() error {
	if w.dec.PeekKind() == 0 && len(bytes.TrimSpace(w.dec.UnreadBuffer())) == 0 {
		return nil
	}
	return &FieldError{Item: w.root, Rule: "must be one JSON value, with nothing after it"}
}

func (w *walker) unexpected(want string) error {
	if _, err := w.dec.ReadValue(); err != nil {
		return w.syntax(err)
	}
	return w.fault("must be " + want)
}

// fault returns the error of the value that was read last.
func (w *walker) fault(rule string) error { return At(w.root, w.dec.StackPointer(), rule) }

// syntax turns an error of the decoder into a *FieldError.
func (w *walker) syntax(err error) error {
	if err == nil { // the usual case, in which jsonError would allocate
		return nil
	}
	return jsonError(w.root, err)
}

func (w *walker) path(p jsontext.Pointer) string { return pathOf(w.root, p) }

// ReadJSON reads JSON from outside into v. It takes no unknown key, no key twice, no text
// that is not UTF-8, and no second form of an account. The error is a *FieldError.
func ReadJSON(text []byte, v any, options ...json.Options) error {
	return jsonError("", json.Unmarshal(text, v, append([]json.Options{strict}, options...)...))
}

var strict = json.JoinOptions(json.RejectUnknownMembers(true), json.WithUnmarshalers(readUUID))

// readUUID reads an account in the one form that ParseUUID takes.
var readUUID = json.UnmarshalFromFunc(func(dec *jsontext.Decoder, id *uuid.UUID) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	*id, err = parseAccount(v)
	if in, n := dec.StackIndex(dec.StackDepth()); err != nil && in == jsontext.KindBeginObject && n%2 > 0 {
		return atKey("", dec.StackPointer(), err.Error())
	}
	return err
})

// errNull refuses null, where a value that is not given would be left out.
var errNull = errors.New("must not be null")

// notNull refuses a null in what a T points to, which would stand for a default or for no
// seal. T is a pointer type, or any for all values.
func notNull[T any]() *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(dec *jsontext.Decoder, _ T) error {
		if dec.PeekKind() == jsontext.KindNull {
			return errNull
		}
		return errors.ErrUnsupported
	})
}

// jsonError turns an error of package json into a *FieldError.
func jsonError(root string, err error) error {
	var field *FieldError
	var syntax *jsontext.SyntacticError
	var value *json.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &field):
		return field
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return atKey(root, syntax.JSONPointer, "must not be given twice")
	case errors.As(err, &syntax):
		return &FieldError{Item: cmp.Or(pathOf(root, syntax.JSONPointer), "the file"), Rule: "is not valid JSON: " + syntax.Err.Error()}
	case errors.As(err, &value) && errors.Is(value.Err, json.ErrUnknownName):
		return atKey(root, value.JSONPointer, "is not a key here: the keys are "+strings.Join(keysOf(value.GoType), ", "))
	case errors.As(err, &value) && value.GoType != nil:
		return At(root, value.JSONPointer, wanted(value))
	}
	return &FieldError{Item: root, Rule: "is not valid JSON: " + err.Error()}
}

// wanted returns the rule that a value breaks which its Go type cannot hold.
func wanted(e *json.SemanticError) string {
	t := e.GoType
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	isText := reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	switch kind := t.Kind(); {
	case e.Err != nil && (errors.Is(e.Err, errNull) || t == reflect.TypeFor[uuid.UUID]() || isText && e.JSONKind == '"'):
		return e.Err.Error()
	case kind == reflect.Bool:
		return "must be true or false"
	case kind == reflect.Uint8, kind == reflect.Uint32, kind == reflect.Uint64, kind == reflect.Int:
		rules := map[string]string{"amount": ruleAmount, "bits": ruleBits, "count": ruleItems, "index": "must be below the count of headers[0]", "version": ruleVersion}
		return cmp.Or(rules[e.JSONPointer.LastToken()], ruleInteger) // and not the range of the type, which is wider
	case kind == reflect.Float64:
		return ruleT
	case kind == reflect.Slice:
		return "must be a list"
	case kind == reflect.Struct, kind == reflect.Map:
		return "must be a JSON object"
	}
	return "must be text, in quotes"
}

// keysOf returns the keys of a struct in JSON.
func keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		keys = append(keys, key)
	}
	return keys
}

// At returns the error of the value at a place of JSON.
func At(root string, p jsontext.Pointer, rule string) *FieldError {
	last := p.LastToken()
	if isIndex(last) || p == "" {
		return &FieldError{Item: cmp.Or(pathOf(root, p), "the file"), Rule: rule}
	}
	return atKey(root, p, rule)
}

// atKey is At for a key, which may look like an index.
func atKey(root string, p jsontext.Pointer, rule string) *FieldError {
	return &FieldError{Item: pathOf(root, p.Parent()), Field: cmp.Or(shorten(p.LastToken()), `""`), Rule: rule}
}

// pathOf returns a JSON pointer in the form of pool[2].amount. It stops after eight
// levels, which is deeper than any item.
func pathOf(root string, p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString(root)
	depth := 0
	for token := range p.Tokens() {
		if depth++; depth > 8 {
			b.WriteString("…")
			break
		}
		if isIndex(token) {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(shorten(token))
	}
	return b.String()
}

// isIndex reports whether a part of a JSON pointer is a number in a list.
func isIndex(token string) bool {
	n, err := strconv.ParseUint(token, 10, 32)
	return err == nil && strconv.FormatUint(n, 10) == token
}

// shorten cuts a key to a length that fits an error.
func shorten(key string) string { return Shorten(key, 40) }

// Shorten cuts what a stranger wrote to about n bytes, at a whole character.
func Shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// isNull reports whether v is the literal null.
func isNull(v jsontext.Value) bool { return v.Kind() == 'n' }

// unquote returns the contents of a JSON string, which may be a slice of it.
func unquote(v jsontext.Value) ([]byte, error) {
	if v.Kind() != '"' {
		return nil, errors.New("must be text, in quotes")
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], nil
	}
	return jsontext.AppendUnquote(nil, v)
}

// integer reads a JSON number that is written as an integer from 0 to most: no
// sign, fraction or exponent.
func integer(v jsontext.Value, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("must be an integer from 0 to %d", most)
	}
	return n, nil
}

// digits fills dst from a JSON string of exactly as many hex digits.
func digits(v jsontext.Value, dst []byte) error {
	s, err := unquote(v)
	if err != nil {
		return err
	}
	return unhex(dst, s)
}

// AppendJSON appends the transaction as clients see it: id, sender, receiver,
// amount, t (always with a fraction or an exponent), prev_hash, and public_key
// and signature when keyed. prev is nil for null.
func (tx *Transaction) AppendJSON(dst []byte, prev *Link) []byte {
	dst = appendUUID(append(dst, `{"id":"`...), tx.ID)
	dst = appendUUID(append(dst, `","sender":"`...), tx.Sender)
	dst = appendUUID(append(dst, `","receiver":"`...), tx.Receiver)
	dst = strconv.AppendUint(append(dst, `","amount":`...), tx.Amount, 10)
	dst = AppendFloat(append(dst, `,"t":`...), tx.T)
	if prev == nil {
		dst = append(dst, `,"prev_hash":null`...)
	} else {
		dst = appendHex(append(dst, `,"prev_hash":`...), prev[:])
	}
	if tx.Auth != nil {
		dst = appendHex(append(dst, `,"public_key":`...), tx.Auth.PublicKey[:])
		dst = appendHex(append(dst, `,"signature":`...), tx.Auth.Signature[:])
	}
	return append(dst, '}')
}

// AppendJSON appends the block as clients see it: items, prev_hash (null at
// height 0), then hash, version, height, time, bits, nonce, builder, root,
// signature. ParseBlocks reads it back.
func (b *Block) AppendJSON(dst []byte) []byte {
	const perItem = 256 // about what an open one takes
	dst = append(slices.Grow(dst, (len(b.Txs)+4)*perItem), `{"items":[`...)
	var link Link
	var prev *Link
	for i, tx := range b.Txs {
		if i > 0 {
			link = LegacyHash(b.Txs[i-1], prev)
			dst, prev = append(dst, ','), &link
		}
		dst = tx.AppendJSON(dst, prev)
	}
	dst = append(dst, `],`...)
	return append(b.appendKeys(dst), '}')
}

// AppendJSON appends the header as clients see it: the block's JSON with
// "count", the number of its transactions, in place of items.
func (h *SealedHeader) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendUint(append(dst, `{"count":`...), uint64(h.Count), 10)
	return append(h.appendKeys(append(dst, ',')), '}')
}

// appendKeys appends the keys that a block and its header share.
func (h *SealedHeader) appendKeys(dst []byte) []byte {
	if h.Height == 0 {
		dst = append(dst, `"prev_hash":null`...)
	} else {
		dst = appendHex(append(dst, `"prev_hash":`...), h.Parent[:])
	}
	hash := h.Hash()
	dst = appendHex(append(dst, `,"hash":`...), hash[:])
	dst = strconv.AppendUint(append(dst, `,"version":`...), uint64(h.Version), 10)
	dst = strconv.AppendUint(append(dst, `,"height":`...), h.Height, 10)
	dst = strconv.AppendUint(append(dst, `,"time":`...), h.Time, 10)
	dst = strconv.AppendUint(append(dst, `,"bits":`...), uint64(h.Bits), 10)
	dst = appendHex(append(dst, `,"nonce":`...), h.Nonce[:])
	dst = appendHex(append(dst, `,"builder":`...), h.Builder[:])
	dst = appendHex(append(dst, `,"root":`...), h.Root[:])
	return appendHex(append(dst, `,"signature":`...), h.Signature[:])
}

// appendHex appends b as a JSON string of lower-case hex digits.
func appendHex(dst, b []byte) []byte {
	dst = hex.AppendEncode(append(dst, '"'), b)
	return append(dst, '"')
}
