package rpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foxchain/ledger"
)

// maxID is how long the JSON of a message's "id" may be.
const maxID = 1 << 10

// A message is one request: its parts are slices of what was read.
type message struct {
	op   jsontext.Value // absent: nil
	args jsontext.Value
	id   jsontext.Value
}

var errNotJSON = errors.New("not JSON")

// parseMessage takes a message apart. It is strict (UTF-8, no key twice, at
// most 10,000 levels), and errNotJSON is the only error. What is JSON but not
// an object has no op.
func parseMessage(b []byte) (message, error) {
	if jsontext.Value(b).Kind() != '{' {
		if !jsontext.Value(b).IsValid() {
			return message{}, errNotJSON
		}
		return message{}, nil
	}
	var m message
	err := eachMember(b, func(name string, value jsontext.Value) {
		switch name {
		case "op":
			m.op = value
		case "args":
			m.args = value
		case "id":
			m.id = value
		}
	})
	if err != nil {
		return message{}, errNotJSON
	}
	return m, nil
}

// eachMember calls f with every member of the JSON object b. The values are
// slices of b.
func eachMember(b []byte, f func(name string, value jsontext.Value)) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(b))
	if _, err := d.ReadToken(); err != nil { // the opening brace
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		key := name.String()
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		end := d.InputOffset()
		f(key, b[end-int64(len(v)):end:end])
	}
	if _, err := d.ReadToken(); err != nil { // the closing one
		return err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errNotJSON // something follows the object
	}
	return nil
}

// args are the arguments of a request by name. A null one is not there.
type args map[string]jsontext.Value

// parseArgs reads the value of "args". Absent and null have no arguments.
func parseArgs(v jsontext.Value) (args, error) {
	a := make(args)
	if v == nil || v.Kind() == 'n' {
		return a, nil
	}
	if v.Kind() != '{' {
		return a, badArg("args", "must be an object")
	}
	err := eachMember(v, func(name string, value jsontext.Value) {
		if value.Kind() != 'n' {
			a[name] = value
		}
	})
	return a, err
}

// badArg is the error of an argument: which, and the rule that it breaks.
func badArg(name, rule string) error {
	return &opError{status: 500, text: name + ": " + rule}
}

// text gives a string argument.
func (a args) text(name string) (string, bool, error) {
	v, ok := a[name]
	if !ok {
		return "", false, nil
	}
	s, ok := unquote(v)
	if !ok {
		return "", true, badArg("args."+name, "must be text")
	}
	return s, true, nil
}

func unquote(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, []byte(v))
	return string(b), err == nil
}

// integer gives an argument that is an integer, or text that is one, as the
// original's clients send them. Those beyond int64 become its nearest end.
func (a args) integer(name string, absent int64) (int64, error) {
	v, ok := a[name]
	if !ok {
		return absent, nil
	}
	digits, isText := unquote(v)
	switch {
	case isText:
		digits = strings.TrimSpace(digits)
	case v.Kind() == '0':
		digits = string(v)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, badArg("args."+name, "must be an integer, or text that is one")
	}
	return n, nil
}

// within is integer for an argument with bounds, both included.
func (a args) within(name string, absent, least, most int64) (int64, error) {
	n, err := a.integer(name, absent)
	switch {
	case err != nil:
		return 0, err
	case n < least && most == math.MaxInt64:
		return 0, badArg("args."+name, fmt.Sprintf("must be an integer, %d or more", least))
	case n < least || n > most:
		return 0, badArg("args."+name, fmt.Sprintf("must be an integer from %d to %d", least, most))
	}
	return n, nil
}

// limit is how many items a reply may have: all that fit unless it is given.
func (a args) limit() (int, error) {
	n, err := a.within("limit", math.MaxInt32, 1, math.MaxInt64)
	return int(min(n, math.MaxInt32)), err
}

func (a args) boolean(name string, absent bool) (bool, error) {
	v, ok := a[name]
	if !ok {
		return absent, nil
	}
	if k := v.Kind(); k != 't' && k != 'f' {
		return false, badArg("args."+name, "must be true or false")
	}
	return v.Kind() == 't', nil
}

// uuid gives an argument that is an account's or a transaction's UUID.
func (a args) uuid(name string) (uuid.UUID, bool, error) {
	s, ok, err := a.text(name)
	if !ok || err != nil {
		return uuid.UUID{}, ok, err
	}
	id, err := ledger.ParseUUID(s)
	if err != nil {
		return uuid.UUID{}, true, badArg("args."+name, err.Error())
	}
	return id, true, nil
}

// items gives the items of an argument that is a list.
func items(v jsontext.Value) ([]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	if _, err := d.ReadToken(); err != nil { // the opening bracket
		return nil, err
	}
	var list []jsontext.Value
	for d.PeekKind() != ']' {
		item, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		end := d.InputOffset()
		list = append(list, v[end-int64(len(item)):end:end])
	}
	return list, nil
}

// shorten cuts what a stranger wrote to about n bytes, at a whole character.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
