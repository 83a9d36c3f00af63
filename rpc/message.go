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

// maxID is how long the JSON of a message's "id" may be.
const maxID = 1 << 10

// A message is one request: its parts are slices of what was read.
type message struct {
	op      jsontext.Value // absent: nil
	args    args           // read in the same pass as the message
	badArgs bool           // args are neither an object nor null
	id      jsontext.Value // absent: nil
}

var errNotJSON = errors.New("not JSON")

// parseMessage takes a message apart. It is strict (UTF-8, no key twice, at
// most 10,000 levels), and errNotJSON is the only error. What is JSON but not
// an object has no op.
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

// A reader returns JSON values as slices of the text that it reads. It can be used again
// without new memory, and holds on to the last text.
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

// object calls member with each name of the object that comes next: member must
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
	_, err := r.ReadToken() // the closing one
	return err
}

// end checks that nothing follows.
func (r *reader) end() error {
	if _, err := r.ReadToken(); !errors.Is(err, io.EOF) {
		return errNotJSON
	}
	return nil
}

// args are the arguments of a request, without those that are null. One that breaks a rule
// reads as if it were absent, and err is that of the first.
type args struct {
	list []arg
	of   string // the argument whose members they are, with a dot: "after."; empty: they are the request's own
	err  error
}

type arg struct {
	name  string
	value jsontext.Value
}

// args reads the object that comes next as arguments.
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

// get returns an argument as it was written, nil when it is absent.
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

// badArg is the error of an argument: which, and the rule that it breaks.
func badArg(name, rule string) error {
	return &opError{status: 500, field: strings.TrimPrefix(name, "args."), rule: rule, text: name + ": " + rule}
}

// object returns the members of an argument, none where it is absent or no object.
func (a *args) object(name string) args {
	var inner args
	if v := a.get(name); v.Kind() == '{' {
		inner, _ = newReader(v).args() // an error would have come with the message
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

// integer returns an argument that is an integer, or text that is one, as the
// original's clients send them. Those beyond int64 become its nearest end. A number
// like 1.0 is an integer too: some languages have no other numbers.
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

// limit is how many items a reply may have: all that fit unless it is given.
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

// uuid returns an argument that is an account's or a transaction's UUID.
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
