package rpc

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foxchain/ledger"
)

// maxID is the longest JSON of a message's "id", in bytes.
const maxID = 1 << 10

// A message is one request. Its parts are slices of what was read.
type message struct {
	op      jsontext.Value // nil if absent
	args    args           // read in the same pass as the message
	badArgs bool           // args are neither an object nor null
	id      jsontext.Value // nil if absent
}

var errNotJSON = errors.New("not JSON")

// parseMessage divides a message into its parts. It is strict (UTF-8, no key twice, at
// most 10,000 levels), and errNotJSON is the only error. JSON that is not an object has
// no op.
func parseMessage(r *reader, b []byte) (m message, err error) {
	r.begin(b)
	if r.PeekKind() != '{' {
		if !jsontext.Value(b).IsValid() {
			return m, errNotJSON
		}
		return m, nil
	}
	err = r.object(func(name string) (err error) {
		switch name {
		case "op":
			m.op, err = r.value()
		case "args":
			if r.PeekKind() == '{' {
				m.args, err = r.args()
				break
			}
			var v jsontext.Value
			v, err = r.value()
			m.badArgs = v.Kind() != 'n'
		case "id":
			m.id, err = r.value()
		default:
			err = r.SkipValue()
		}
		return err
	})
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return message{}, errNotJSON
	}
	return m, nil
}

// A reader returns JSON values as slices of the text that it reads. It can be reused
// without allocation, and retains the last text.
type reader struct {
	jsontext.Decoder
	b []byte
}

func newReader(b []byte) *reader {
	r := new(reader)
	r.begin(b)
	return r
}

func (r *reader) begin(b []byte) {
	r.Reset(bytes.NewBuffer(b))
	r.b = b
}

func (r *reader) value() (jsontext.Value, error) {
	v, err := r.ReadValue()
	end := r.InputOffset()
	return r.b[end-int64(len(v)) : end : end], err
}

// object reads the next value, an object, and calls member with each name. member must
// read the value.
func (r *reader) object(member func(name string) error) error {
	if _, err := r.ReadToken(); err != nil { // the opening brace
		return err
	}
	for r.PeekKind() != '}' {
		name, err := r.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := r.ReadToken() // the closing brace
	return err
}

// end checks that nothing follows.
func (r *reader) end() error {
	if _, err := r.ReadToken(); !errors.Is(err, io.EOF) {
		return errNotJSON
	}
	return nil
}

// args are the arguments of a request, without null ones. An argument that breaks a rule
// reads as absent, and err is the error of the first.
type args struct {
	list []arg
	of   string // the argument whose members these are, with a dot ("after."); empty for the request's own
	err  error
}

type arg struct {
	name  string
	value jsontext.Value
}

// args reads the next value, an object, as arguments.
func (r *reader) args() (a args, err error) {
	err = r.object(func(name string) error {
		v, err := r.value()
		if v.Kind() != 'n' {
			a.list = append(a.list, arg{name, v})
		}
		return err
	})
	return a, err
}

// get returns an argument as it was written, nil if absent.
func (a *args) get(name string) jsontext.Value {
	for i := range a.list {
		if a.list[i].name == name {
			return a.list[i].value
		}
	}
	return nil
}

// bad notes an argument and the rule that it breaks.
func (a *args) bad(name, rule string) { a.err = cmp.Or(a.err, badArg("args."+a.of+name, rule)) }

// badArg is the error of an argument that breaks a rule.
func badArg(name, rule string) error {
	return &opError{status: 500, field: strings.TrimPrefix(name, "args."), rule: rule, text: name + ": " + rule}
}

// object returns the members of an argument, none if it is absent or no object.
func (a *args) object(name string) args {
	var inner args
	if v := a.get(name); v.Kind() == '{' {
		inner, _ = newReader(v).args() // no error, since the whole message was parsed
	}
	inner.of = name + "."
	return inner
}

// text returns a string argument.
func (a *args) text(name string) (text string, given bool) {
	v := a.get(name)
	if v == nil {
		return "", false
	}
	text, ok := unquote(v)
	if !ok {
		a.bad(name, "must be text")
	}
	return text, true
}

func unquote(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, []byte(v))
	return string(b), err == nil
}

// integer returns an argument that is an integer, or text with one, as the original's
// clients send it. A value beyond int64 becomes its nearest end. A number like 1.0 is an
// integer too, since some languages have no other numbers.
func (a *args) integer(name string, absent int64) int64 {
	v := a.get(name)
	if v == nil {
		return absent
	}
	digits, isText := unquote(v)
	switch {
	case isText:
		digits = strings.TrimSpace(digits)
	case v.Kind() == '0':
		digits = string(v)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if f, bad := strconv.ParseFloat(string(v), 64); bad == nil && !isText && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		a.bad(name, "must be an integer, or text that is one")
		return absent
	}
	return n
}

// within is integer for an argument with bounds, both included.
func (a *args) within(name string, absent, least, most int64) int64 {
	n := a.integer(name, absent)
	switch {
	case n < least && most == math.MaxInt64:
		a.bad(name, fmt.Sprintf("must be an integer, %d or more", least))
	case n < least || n > most:
		a.bad(name, fmt.Sprintf("must be an integer from %d to %d", least, most))
	default:
		return n
	}
	return absent
}

// limit is how many items a reply may have, all that fit if it is absent.
func (a *args) limit() int {
	return int(min(a.within("limit", math.MaxInt32, 1, math.MaxInt64), math.MaxInt32))
}

func (a *args) boolean(name string, absent bool) bool {
	v := a.get(name)
	if k := v.Kind(); v != nil && k != 't' && k != 'f' {
		a.bad(name, "must be true or false")
	}
	return v == nil && absent || v.Kind() == 't'
}

// uuid returns an argument that is a UUID.
func (a *args) uuid(name string) (id uuid.UUID, given bool) {
	text, given := a.text(name)
	if given && a.err == nil {
		var err error
		if id, err = ledger.ParseUUID(text); err != nil {
			a.bad(name, err.Error())
		}
	}
	return id, given
}
