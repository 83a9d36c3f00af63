package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A reply is the JSON of an answer, written directly into one buffer, so that large lists
// are not marshaled twice. Ops open it with ok or accepted. answer adds the id and the
// closing brace.
type reply struct {
	buf    []byte
	status int
	limit  int // bytes of the whole, at most

	plain   bool           // over HTTP, where the response itself has status and error
	next    jsontext.Value // the start of the rest, if there is one
	buffers *sync.Pool     // *[]byte of large replies that were written; nil over HTTP
}

const (
	// closing is reserved in a reply for "next", an id and brackets.
	closing = maxID + 256
	// largeList is the size above which the buffer of a list is doubled.
	largeList = 32 << 10
	// largeBlock is how many transactions make a block's reply large.
	largeBlock = 256
	// maxBuffer is the size of the largest buffer that is used again.
	maxBuffer = 512 << 10
)

// ok opens a reply of status 200. The op then appends the response.
func (r *reply) ok() { r.open(200, `{"status":200,"error":"OK","response":`) }

// accepted opens a reply of status 202. It has no response, as in the original.
func (r *reply) accepted() { r.open(202, `{"status":202,"error":"Accepted"`) }

func (r *reply) open(status int, envelope string) {
	r.status, r.buf = status, r.buf[:0]
	if !r.plain {
		r.raw(envelope)
	}
}

// large moves the reply into the buffer of a large reply that was written, if one is
// left. A small reply must not take one, since a slow client would hold it.
func (r *reply) large() {
	if r.buffers == nil {
		return
	}
	if b, ok := r.buffers.Get().(*[]byte); ok {
		r.buf = append((*b)[:0], r.buf...)
	}
}

func (r *reply) raw(s string) { r.buf = append(r.buf, s...) }

func (r *reply) int(n int64) { r.buf = strconv.AppendInt(r.buf, n, 10) }

// value appends v, without regard to limit.
func (r *reply) value(v any) (err error) {
	r.buf, err = appendJSON(r.buf, v)
	return err
}

// members appends the JSON members of v, a struct, each with a comma before it.
func (r *reply) members(v any) error {
	text, err := appendJSON(nil, v)
	if err == nil {
		r.raw("," + string(text[1:len(text)-1]))
	}
	return err
}

// respond writes a whole reply of status 200 with v as its response.
func (r *reply) respond(v any) error {
	r.ok()
	return r.value(v)
}

// page is respond for a part of a list. If there is more, next is the start of the rest.
func (r *reply) page(v, next any, more bool) (err error) {
	if more {
		if r.next, err = appendJSON(nil, next); err != nil {
			return err
		}
	}
	return r.respond(v)
}

// appendJSON appends v, a map in the order of its keys, since events compare bytes. Bytes
// that are not UTF-8 become the replacement character, since other nodes choose their
// names.
func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	return append(dst, b...), err
}

// item appends one item of a list if it fits, and reports whether it does. The first
// always fits, since no item alone is near the limit.
func (r *reply) item(write func(dst []byte) []byte) bool {
	whole := len(r.buf)
	first := r.buf[whole-1] == '['
	if !first {
		r.buf = append(r.buf, ',')
	}
	// append alone would grow a large list by a quarter, and copy it more often.
	if n := len(r.buf); n > largeList && cap(r.buf)-n < n/4 {
		r.buf = slices.Grow(r.buf, max(min(n, r.limit-n), largeList))
	}
	r.buf = write(r.buf)
	if !first && len(r.buf) > r.limit-closing {
		r.buf = r.buf[:whole]
		return false
	}
	return true
}

// An opError is an answer that is not the one asked for.
type opError struct {
	status int
	text   string
	bare   bool // without a response key, as in the original's answers about blocks
	beside any  // its JSON members are added to the answer; nil for none

	// The item, field and rule that text names, if it does.
	item, field, rule string
	lacks             Scope // that the client's token does not have
	// http is the status of an HTTP response. 0 is for status, or 400 if that is 500,
	// which the original answers to all errors of clients.
	http int
}

func (e *opError) Error() string { return e.text }

// fail replaces what was written by the answer for err.
func (r *reply) fail(err error) {
	e := asOpError(err)
	r.status = e.status
	r.buf = append(r.buf[:0], `{"status":`...)
	r.int(int64(e.status))
	r.raw(`,"error":`)
	r.buf = appendQuote(r.buf, e.text)
	if !e.bare {
		r.raw(`,"response":null`)
	}
	if e.beside != nil {
		_ = r.members(e.beside) // no error, since these are types of package api
	}
}

// asOpError returns the answer for err.
func asOpError(err error) *opError {
	var e *opError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return &opError{status: 500, http: http.StatusServiceUnavailable, text: "The node is stopping."}
	}
	return &opError{status: 500, http: http.StatusInternalServerError, text: "The node could not answer: " + err.Error()}
}

// finish closes the reply with the request's id, if it had one.
func (r *reply) finish(id jsontext.Value) {
	if id != nil {
		r.raw(`,"id":`)
		r.buf = append(r.buf, id...)
	}
	r.buf = append(r.buf, '}')
}

// appendQuote writes s as a JSON string, as appendJSON does.
func appendQuote(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // an error means that bytes were replaced
	return dst
}

// missing is the error of an op without the arguments that it needs.
func missing(op, args string) error {
	return &opError{status: 500, text: fmt.Sprintf(`Operation "%s" requires the following "args": %s`, op, args)}
}

func notKnown(what string) error {
	return &opError{status: 404, text: fmt.Sprintf("%s is not known here", what)}
}
