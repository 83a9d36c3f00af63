package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"
)

// A conn is one WebSocket connection. It reads a message and answers it before it reads
// the next, so replies come in order. Another goroutine writes them. While too many wait
// to be written, nothing is read. A subscription has a third goroutine.
type conn struct {
	writer
	s    *Server
	host string // the Host header, with the name by which the client reaches this node
	may  *grant
	peer string // the client's address

	// Of the reading goroutine only.
	sub      *subscription // nil for none
	stopSub  context.CancelFunc
	subEnded chan struct{}
	reading  bool    // a message has begun and is not whole yet
	in       []byte  // buffer for the next message, at most keep
	json     *reader // of messages; it retains the last one, so a larger one gets a reader of its own
}

// keep is the most that a connection keeps of the buffers for the next message and the
// next reply.
const keep = 4 << 10

func newConn(s *Server, ws *websocket.Conn, r *http.Request) *conn {
	c := &conn{
		writer: writer{
			ws: ws, limits: &s.limits, metrics: s.metrics, buffers: &s.buffers,
			turn:     make(chan struct{}, 1),
			events:   make(chan []byte),
			replies:  make(chan outgoing, maxReplies),
			written:  make(chan struct{}),
			fewer:    make(chan struct{}, 1),
			spare:    make(chan []byte, 1),
			readDone: make(chan struct{}),
			closing:  make(chan struct{}),
		},
		s: s, host: r.Host, may: grantOf(r), peer: r.RemoteAddr, json: new(reader),
	}
	c.touch()
	return c
}

// serve serves the connection until it ends. When ctx ends it closes the socket, since
// nothing else ends a write to a client that does not read.
func (c *conn) serve(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { _ = c.ws.Close() })()
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		defer c.ws.Close()
		return c.run(ctx)
	})
	g.Go(func() error {
		defer cancel()
		defer close(c.readDone)
		defer c.unsubscribe()
		err := c.read(ctx)
		close(c.replies)
		<-c.written // a client that has ended only its own side still receives the answers
		return err
	})
	g.Go(c.writeReplies)
	err := g.Wait()
	cancel()
	if why := c.dropped.Load(); why != nil {
		c.s.log.Info("dropped a WebSocket client", "remote", c.peer, "reason", *why)
	}
	c.s.log.Debug("WebSocket closed", "remote", c.peer, "reason", err)
}

// read reads and answers messages until the client leaves or breaks the protocol, or the node
// hangs up.
func (c *conn) read(ctx context.Context) error {
	c.ws.SetReadLimit(c.limits.message)
	alive := func() {
		if !c.reading {
			_ = c.ws.SetReadDeadline(c.patience())
		}
	}
	c.ws.SetPongHandler(func(string) error { alive(); return nil })
	pong := c.ws.PingHandler()
	c.ws.SetPingHandler(func(data string) error { alive(); return pong(data) })
	c.ws.SetCloseHandler(c.closedByClient)
	for {
		if err := c.room(); err != nil {
			return err
		}
		alive()
		kind, r, err := c.ws.NextReader()
		if err != nil {
			return c.readFailed(err)
		}
		msg, release, err := c.readMessage(ctx, r)
		if err != nil {
			return c.readFailed(err)
		}
		if kind == websocket.TextMessage && !utf8.Valid(msg) {
			release()
			return c.notText()
		}
		c.touch()
		if c.s.access.revoked(c.may, true) {
			release()
			c.hangUp(dropRevoked, websocket.ClosePolicyViolation, wordsRevoked)
			return errHungUp
		}
		err = c.answer(ctx, msg)
		release()
		if err != nil {
			return err
		}
	}
}

// patience returns until when the connection may be without a sign of life. A client that
// has subscribed reads all the time, so it must answer pings, and need not send messages.
// Another client may read only when it has asked something, and so not answer pings.
func (c *conn) patience() time.Time {
	if c.sub != nil {
		pong := c.limits.pong
		if unsent := c.unsent.Load(); unsent > 0 { // the ping waits behind these bytes
			pong += time.Until(c.deadline(int(unsent)))
		}
		return time.Now().Add(pong)
	}
	return c.lastMessage().Add(c.limits.silence)
}

// readMessage reads a whole message. One that is not small waits, partly read, for a
// place among the large ones, which it has until release.
func (c *conn) readMessage(ctx context.Context, r io.Reader) (msg []byte, release func(), err error) {
	c.reading = true // stays true on an error, for whyTimedOut
	release = func() {}
	if err := c.ws.SetReadDeadline(time.Now().Add(c.limits.arrive)); err != nil {
		return nil, release, err
	}
	buf := bytes.NewBuffer(c.in[:0])
	if _, err := io.Copy(buf, io.LimitReader(r, c.limits.small)); err != nil {
		return nil, release, err
	}
	if int64(buf.Len()) < c.limits.small {
		c.reading = false
		c.in = kept(buf.Bytes())
		return buf.Bytes(), release, nil
	}
	if err := c.s.large.Acquire(ctx, 1); err != nil {
		return nil, release, err
	}
	release = func() { c.s.large.Release(1) }
	err = c.ws.SetReadDeadline(time.Now().Add(c.limits.arrive))
	if err == nil {
		_, err = io.Copy(buf, r)
	}
	if err != nil {
		release()
		return nil, func() {}, err
	}
	c.reading = false
	return buf.Bytes(), release, nil
}

// kept returns the buffer for the next use, or nil if it has grown large.
func kept(buf []byte) []byte {
	if cap(buf) > keep {
		return nil
	}
	return buf[:0]
}

// readFailed ends reading, and sends the client the reason if the node has one.
func (c *conn) readFailed(err error) error {
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		c.blame(dropTooLong, fmt.Sprintf("a message over %d bytes", c.limits.message))
		c.drain() // the library has sent close code 1009
	case isTimeout(err):
		cause, reason := c.whyTimedOut()
		c.hangUp(cause, websocket.CloseNormalClosure, reason)
	}
	return err
}

// notText ends a connection that sent text which is not UTF-8 (RFC 6455 section 8.1).
func (c *conn) notText() error {
	if err := c.flush(); err != nil {
		return err
	}
	const reason = "a text message is not UTF-8"
	c.blame(dropNotText, reason)
	frame := websocket.FormatCloseMessage(websocket.CloseInvalidFramePayloadData, reason)
	_ = c.ws.WriteControl(websocket.CloseMessage, frame, c.deadline(0))
	c.drain()
	return errHungUp
}

// closedByClient answers the client's close frame, after the replies to its messages. The
// library takes a close frame of one byte for an empty one.
func (c *conn) closedByClient(code int, _ string) error {
	_ = c.flush()
	if s, ok := c.ws.NetConn().(*socket); ok && code == websocket.CloseNoStatusReceived && s.endsWithHalfACode() {
		code = websocket.CloseProtocolError
	}
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(c.limits.goodbye))
	return nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (c *conn) whyTimedOut() (cause, reason string) {
	switch {
	case c.reading:
		return dropUnfinished, fmt.Sprintf("a message did not arrive whole within %s", c.limits.arrive)
	case c.sub != nil:
		return dropUnanswered, fmt.Sprintf("no answer to pings for %s", c.limits.pong)
	}
	return dropSilent, fmt.Sprintf("silent for %s", c.limits.silence)
}

// drain throws away what still comes after the close frame, until the client closes its
// side, for as long as a message may take. Closing the socket while bytes arrive would
// reset the connection, and the client would lose the close frame.
func (c *conn) drain() {
	c.unsubscribe()
	nc := c.ws.NetConn()
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // reading shows an error too
	}
	if nc.SetReadDeadline(time.Now().Add(c.limits.arrive)) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(nc, 4*c.limits.message))
	}
}

// answer makes the reply to one message.
func (c *conn) answer(ctx context.Context, msg []byte) error {
	q := &request{host: c.host, grant: c.may, json: c.json, conn: c}
	if len(msg) > keep {
		q.json = new(reader)
	}
	out := &reply{limit: c.limits.reply, buffers: c.buffers}
	select {
	case out.buf = <-c.spare:
	default:
	}
	begin := time.Now()
	op := c.s.ops.answer(ctx, q, msg, out) // which sets the status
	c.s.metrics.answered(op, out.status, begin)
	err := c.put(outgoing{data: out.buf})
	if err == nil && q.after != nil {
		if err = c.flush(); err == nil {
			q.after(ctx)
		}
	}
	return err
}

// subscribe starts the events of a subscription.
func (c *conn) subscribe(ctx context.Context, sub *subscription) {
	ctx, c.stopSub = context.WithCancel(ctx)
	c.sub, c.subEnded = sub, make(chan struct{})
	go func() { // ends in unsubscribe, at the latest when the connection does
		defer close(c.subEnded)
		if err := sub.run(ctx); err != nil && ctx.Err() == nil {
			c.hangUp(dropFailed, websocket.CloseInternalServerErr, "events cannot go on: "+err.Error())
		}
	}()
}

func (c *conn) grant() *grant { return c.may }

// unsubscribe ends the connection's events and waits until they have.
func (c *conn) unsubscribe() {
	if c.sub != nil {
		c.stopSub()
		<-c.subEnded
		c.sub = nil
	}
}
