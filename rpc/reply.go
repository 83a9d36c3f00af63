package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/semaphore"
)

// A reply is the JSON of an answer, written straight into one buffer: big
// lists are never marshaled twice. Ops open it with ok or accepted; dispatch
// adds the id and the closing brace.
type reply struct {
	buf    []byte
	status int
	limit  int // bytes of the whole, at most

	// What is longer than small waits for a place among the large replies
	// before it grows further, and keeps it until it is written.
	small  int
	places *semaphore.Weighted
	ctx    context.Context // of the request that waits
	placed bool

	patience time.Duration // of a reply that waits, before it calls makeRoom, again and again
	makeRoom func()
}

func (s *Server) newReply(ctx context.Context) *reply {
	return &reply{
		limit: s.limits.reply, small: int(s.limits.small), places: s.replies, ctx: ctx,
		patience: s.limits.hold, makeRoom: s.cutSlowest,
	}
}

// closing is the room that a reply keeps for "next", an id and brackets.
const closing = maxID + 256

// ok opens a reply of status 200 with a response, which comes next.
func (r *reply) ok() {
	r.status = 200
	r.buf = append(r.buf[:0], `{"status":200,"error":"OK","response":`...)
}

// accepted opens a reply of status 202. As the original's, it has no response.
func (r *reply) accepted() {
	r.status = 202
	r.buf = append(r.buf[:0], `{"status":202,"error":"Accepted"`...)
}

func (r *reply) raw(s string) { r.buf = append(r.buf, s...) }

func (r *reply) quote(s string) { r.buf = appendQuote(r.buf, s) }

func (r *reply) int(n int64) { r.buf = strconv.AppendInt(r.buf, n, 10) }

// value appends v, in any size that a reply may have.
func (r *reply) value(v any) (err error) {
	if r.buf, err = appendJSON(r.buf, v); err != nil {
		return err
	}
	return r.reserve()
}

// respond is the whole of a reply whose response is v.
func (r *reply) respond(v any) error {
	r.ok()
	return r.value(v)
}

// appendJSON appends v. Bytes that are not UTF-8 become the replacement character:
// names come from strangers.
func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	return append(dst, b...), err
}

// item appends one item of the list that is being written, and reports whether
// it fits: if not, it is not in the reply. The first always does, since none is
// near the limit by itself.
func (r *reply) item(write func(dst []byte) []byte) (bool, error) {
	whole := len(r.buf)
	first := r.buf[whole-1] == '['
	if !first {
		r.buf = append(r.buf, ',')
	}
	r.grow()
	r.buf = write(r.buf)
	if !first && len(r.buf) > r.limit-closing {
		r.buf = r.buf[:whole]
		return false, nil
	}
	return true, r.reserve()
}

// grow doubles the room of a list that may become large, up to the limit:
// append would add a quarter at a time, and copy it all four times as often.
func (r *reply) grow() {
	if n := len(r.buf); n > r.small/2 && cap(r.buf)-n < n/4 {
		r.buf = slices.Grow(r.buf, max(min(n, r.limit-n), r.small))
	}
}

// reserve waits for a place among the large replies once this is one.
func (r *reply) reserve() error {
	if r.placed || len(r.buf) <= r.small {
		return nil
	}
	for !r.placed {
		ctx, cancel := context.WithTimeout(r.ctx, r.patience)
		err := r.places.Acquire(ctx, 1)
		cancel()
		switch {
		case err == nil:
			r.placed = true
		case r.ctx.Err() != nil:
			return err
		default:
			r.makeRoom()
		}
	}
	return nil
}

// release gives the place back.
func (r *reply) release() {
	if r.placed {
		r.placed = false
		r.places.Release(1)
	}
}

// An opError is an answer that is not the one asked for.
type opError struct {
	status int
	text   string
	bare   bool   // without a response key, as the original's answers about blocks
	extra  []byte // JSON members to add, each with its comma before it
}

func (e *opError) Error() string { return e.text }

// fail replaces what was written by the answer that err stands for.
func (r *reply) fail(err error) {
	var e *opError
	if !errors.As(err, &e) {
		e = &opError{status: 500, text: "The node could not answer: " + err.Error()}
		if errors.Is(err, context.Canceled) {
			e.text = "The node is stopping."
		}
	}
	r.status = e.status
	r.buf = append(r.buf[:0], `{"status":`...)
	r.int(int64(e.status))
	r.raw(`,"error":`)
	r.quote(e.text)
	if !e.bare {
		r.raw(`,"response":null`)
	}
	r.buf = append(r.buf, e.extra...)
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
