package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/rpc/api"
	"foxchain/rpc/rest"
)

// An httpNode answers HTTP requests with the ops. It implements rest.Node.
type httpNode Server

// May implements rest.Node.
func (n *httpNode) May(r *http.Request, name string) error {
	if err := grantOf(r).mayUse(n.ops.table[name].needs, "the op "+name); err != nil {
		return problemOf(err)
	}
	return nil
}

// Ask implements rest.Node.
func (n *httpNode) Ask(r *http.Request, name string, argsJSON []byte) (*rest.Answer, error) {
	done, err := n.place(r.Context(), n.asked, fmt.Sprintf("answers %d requests", n.limits.asked))
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	op, q, out := n.ops.table[name], n.request(r), &reply{limit: n.limits.page, plain: true}
	answer := &rest.Answer{Done: done}
	err = q.mayUse(op.needs, "the op "+name)
	if err == nil {
		q.args, _ = newReader(argsJSON).args() // no error, since package rest passes an object
		err = op.do(r.Context(), q, out)
	}
	if err != nil {
		answer.Done()
		n.ops.logFailure(name, err)
		p := problemOf(err)
		n.metrics.answered(name, p.Status, begin)
		return nil, p
	}
	answer.Status, answer.Body, answer.Next = out.status, out.buf, out.next
	if out.status == http.StatusAccepted { // the members that the op added to the envelope
		answer.Body = append(append([]byte{'{'}, bytes.TrimPrefix(out.buf, []byte{','})...), '}')
	}
	n.metrics.answered(name, out.status, begin)
	return answer, nil
}

func (n *httpNode) request(r *http.Request) *request {
	return &request{host: r.Host, grant: grantOf(r)}
}

// problemOf returns problem details with the words of an op's error.
func problemOf(err error) *api.Problem {
	e := asOpError(err)
	p := &api.Problem{Status: e.http, Detail: e.text, Item: e.item, Field: e.field, Rule: e.rule, Scope: e.lacks.String()}
	switch {
	case errors.Is(err, ledger.ErrStopped):
		p.Status = http.StatusServiceUnavailable
	case p.Status == 0 && e.status == 500:
		p.Status = http.StatusBadRequest
	case p.Status == 0:
		p.Status = e.status
	}
	if e.rule != "" && e.item == "" && e.field != "" { // in HTTP it is a parameter and not an argument
		p.Detail = e.field + ": " + e.rule
	}
	p.Submitted, _ = e.beside.(api.Submitted)
	return p
}

// Large implements rest.Node.
func (n *httpNode) Large(ctx context.Context) (release func(), err error) {
	return n.place(ctx, n.large, fmt.Sprintf("reads %d large bodies and messages", n.limits.large))
}

// place takes one of some places, for which it waits limits.slow at most.
func (n *httpNode) place(ctx context.Context, places *semaphore.Weighted, does string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, n.limits.slow)
	defer cancel()
	if err := places.Acquire(ctx, 1); err != nil {
		return nil, &api.Problem{Status: http.StatusServiceUnavailable, Detail: fmt.Sprintf(
			"The node %s at a time, and no place became free for %s: try again.", does, n.limits.slow)}
	}
	return func() { places.Release(1) }, nil
}

// Follow implements rest.Node.
func (n *httpNode) Follow(r *http.Request, argsJSON []byte, to *rest.Stream) error {
	s, q := (*Server)(n), n.request(r)
	err := q.mayUse(Read, "a stream of events")
	q.args, _ = newReader(argsJSON).args()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	f := &httpStream{Stream: to, s: s, may: q.grant, end: cancel}
	sub := &subscription{s: s, host: q.host, may: q.grant, to: f}
	if err == nil {
		_, err = sub.begin(&q.args)
	}
	if err != nil {
		return problemOf(err)
	}
	f.touch()
	if !s.admit(f) {
		return &api.Problem{Status: http.StatusServiceUnavailable, Detail: "The node is stopping."}
	}
	defer s.leave(f)
	if err := to.Begin(placeID(sub.at), s.limits.slow); err != nil {
		return nil // the client has gone
	}
	return f.follow(ctx, r, sub)
}

// An httpStream is a client that follows events over HTTP.
type httpStream struct {
	*rest.Stream
	s      *Server
	may    *grant
	end    context.CancelFunc
	last   atomic.Pointer[time.Time] // of the last event
	reason atomic.Pointer[string]    // set before end is called; nil if the client has gone
}

func (f *httpStream) grant() *grant          { return f.may }
func (f *httpStream) touch()                 { f.last.Store(new(time.Now())) }
func (f *httpStream) lastMessage() time.Time { return *f.last.Load() }

// follow sends events, and a sign of life between them, until the client or the node
// ends it.
func (f *httpStream) follow(ctx context.Context, r *http.Request, sub *subscription) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := sub.run(ctx); err != nil && ctx.Err() == nil {
			f.hangUp(dropFailed, 0, "events cannot go on: "+err.Error())
		}
		f.end()
	}()
	beat := time.NewTicker(f.s.limits.ping)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			if f.Beat(f.s.limits.slow) != nil {
				f.end()
			}
			continue
		case <-ended:
		}
		if reason := f.reason.Load(); reason != nil {
			f.s.log.Info("dropped a stream of events", "remote", r.RemoteAddr, "reason", *reason)
			f.End(*reason, f.s.limits.goodbye)
		}
		return nil
	}
}

// deliver implements subscriber.
func (f *httpStream) deliver(_ context.Context, e *subEvent) error {
	f.touch()
	err := f.Send(placeID(e.at), e.kind, e.data, f.s.limits.slow)
	if isTimeout(err) {
		return errTooSlow
	}
	return err
}

// hangUp implements subscriber.
func (f *httpStream) hangUp(cause string, _ int, reason string) {
	if f.reason.CompareAndSwap(nil, &reason) {
		if cause != "" {
			f.s.metrics.dropped.WithLabelValues(cause).Inc()
		}
		f.end()
	}
}

// placeID returns the block at which a cursor stands, for Last-Event-ID.
func placeID(at chain.Cursor) string {
	if at.Next == 0 {
		return rest.NoBlock
	}
	return strconv.FormatUint(at.Next-1, 10) + "-" + at.Last.String()
}
