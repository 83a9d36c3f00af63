package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"
)

// A conn is one WebSocket connection. Its read pump reads a message, answers
// it and writes the reply before it reads the next, so replies come in order
// and a client that does not read is not read from. A subscription is another
// goroutine, which hands its events to the write pump, so that it sees when one
// waits too long. The write pump sends pings too, and the close frame.
type conn struct {
	s    *Server
	ws   *websocket.Conn
	host string // the Host header: how the client calls this node
	peer string // the client's address

	turn     chan struct{} // holds one value while a message is written
	events   chan []byte   // to the write pump, from the holder of the turn, which goes with it
	readDone chan struct{} // closed when the read pump has ended

	heard atomic.Int64 // Unix nanoseconds of the last message, either way

	closeOnce sync.Once
	closing   chan struct{} // closed by end, after code and reason are set
	code      int
	reason    string

	// Of the read pump only.
	sub     *subscription // nil: no events
	reading bool          // a message has begun and is not whole yet
	in      []byte        // room for the next message, and
	spare   []byte        // for the next reply: at most keep of each
	json    *reader       // of the messages; it holds on to the last one, so a larger one gets a reader of its own
}

// keep is how much room a connection keeps for the next message and the next
// reply.
const keep = 4 << 10

func newConn(s *Server, ws *websocket.Conn, r *http.Request) *conn {
	c := &conn{
		s: s, ws: ws, host: r.Host, peer: r.RemoteAddr,
		turn:     make(chan struct{}, 1),
		events:   make(chan []byte),
		readDone: make(chan struct{}),
		closing:  make(chan struct{}),
		json:     new(reader),
	}
	c.touch()
	return c
}

func (c *conn) touch()               { c.heard.Store(time.Now().UnixNano()) }
func (c *conn) lastHeard() time.Time { return time.Unix(0, c.heard.Load()) }

// hangUp has the connection closed with a code and a reason (123 bytes at
// most, RFC 6455 section 5.5). Only the first call of it or of drop counts;
// neither blocks.
func (c *conn) hangUp(code int, reason string) {
	c.closeOnce.Do(func() { c.end(code, reason) })
}

// drop hangs up because of what the client does or leaves undone, and counts
// that under its cause: first, so that a client that has read the close frame finds it counted.
func (c *conn) drop(cause string, code int, reason string) {
	c.closeOnce.Do(func() {
		c.s.metrics.dropped.WithLabelValues(cause).Inc()
		c.end(code, reason)
	})
}

// end is for closeOnce.
func (c *conn) end(code int, reason string) {
	c.code, c.reason = code, shorten(reason, 120)
	close(c.closing)
}

// refuse closes a connection that was not admitted.
func (c *conn) refuse(code int, reason string) {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(c.s.limits.goodbye))
	_ = c.ws.Close()
}

// run serves the connection until it ends. When ctx ends it is cut: a write to
// a client that does not read heeds nothing else.
func (c *conn) run(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { _ = c.ws.Close() })()
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		defer c.ws.Close()
		return c.writePump(ctx)
	})
	g.Go(func() error {
		defer cancel()
		defer close(c.readDone)
		defer c.unsubscribe()
		return c.readPump(ctx)
	})
	err := g.Wait()
	cancel()
	c.s.log.Debug("WebSocket closed", "remote", c.peer, "reason", err)
}

// readPump returns when the client has gone, broke the protocol, or we hang up.
func (c *conn) readPump(ctx context.Context) error {
	c.ws.SetReadLimit(c.s.limits.message)
	alive := func() {
		if !c.reading {
			_ = c.ws.SetReadDeadline(c.patience())
		}
	}
	c.ws.SetPongHandler(func(string) error { alive(); return nil })
	pong := c.ws.PingHandler()
	c.ws.SetPingHandler(func(data string) error { alive(); return pong(data) })
	for {
		alive()
		_, r, err := c.ws.NextReader()
		if err != nil {
			return c.readFailed(err)
		}
		msg, release, err := c.readMessage(ctx, r)
		if err != nil {
			return c.readFailed(err)
		}
		c.touch()
		err = c.answer(ctx, msg)
		release()
		if err != nil {
			return err
		}
	}
}

// patience is until when the connection may stay without a sign of life. One
// that has subscribed reads all the time, so it must answer pings, and may
// otherwise be silent for ever. Others may be programs that look at what
// arrives only when they ask something, and answer no pings meanwhile.
func (c *conn) patience() time.Time {
	if c.sub != nil {
		return time.Now().Add(c.s.limits.pong)
	}
	return c.lastHeard().Add(c.s.limits.silence)
}

// readMessage reads a message whole. One that is not small waits for a place
// among the large: nothing more of it is read meanwhile. The place is kept
// until release.
func (c *conn) readMessage(ctx context.Context, r io.Reader) (msg []byte, release func(), err error) {
	c.reading = true // stays so on an error: see whyTimedOut
	release = func() {}
	if err := c.ws.SetReadDeadline(time.Now().Add(c.s.limits.arrive)); err != nil {
		return nil, release, err
	}
	buf := bytes.NewBuffer(c.in[:0])
	if _, err := io.Copy(buf, io.LimitReader(r, c.s.limits.small)); err != nil {
		return nil, release, err
	}
	if int64(buf.Len()) < c.s.limits.small {
		c.reading = false
		c.in = kept(buf.Bytes())
		return buf.Bytes(), release, nil
	}
	if err := c.s.large.Acquire(ctx, 1); err != nil {
		return nil, release, err
	}
	release = func() { c.s.large.Release(1) }
	err = c.ws.SetReadDeadline(time.Now().Add(c.s.limits.arrive))
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

// kept gives the buffer for the next time, or none when it grew large.
func kept(buf []byte) []byte {
	if cap(buf) > keep {
		return nil
	}
	return buf[:0]
}

// readFailed ends the reading, and sends the client the reason where it is ours.
func (c *conn) readFailed(err error) error {
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		c.s.metrics.dropped.WithLabelValues(dropTooLong).Inc()
		// The library has sent close code 1009. The rest of the message is
		// still coming: closing now would reset the connection, and the
		// client would lose the close frame with it.
		c.drain()
	case isTimeout(err):
		cause, reason := c.whyTimedOut()
		c.drop(cause, websocket.CloseNormalClosure, reason)
	}
	return err
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (c *conn) whyTimedOut() (cause, reason string) {
	switch {
	case c.reading:
		return dropUnfinished, fmt.Sprintf("a message did not arrive whole within %s", c.s.limits.arrive)
	case c.sub != nil:
		return dropUnanswered, fmt.Sprintf("no answer to pings for %s", c.s.limits.pong)
	}
	return dropSilent, fmt.Sprintf("silent for %s", c.s.limits.silence)
}

// drain throws away what still arrives, for a short time.
func (c *conn) drain() {
	nc := c.ws.NetConn()
	if nc.SetReadDeadline(time.Now().Add(c.s.limits.goodbye)) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(nc, 4*c.s.limits.message))
	}
}

// answer writes the reply to one message.
func (c *conn) answer(ctx context.Context, msg []byte) error {
	q := &request{host: c.host, json: c.json, conn: c}
	if len(msg) > keep {
		q.json = new(reader)
	}
	out := &reply{buf: c.spare, limit: c.s.limits.reply}
	c.s.metrics.answered(c.s.ops.answer(ctx, q, msg, out), out.status)
	if err := c.takeTurn(); err != nil {
		return err
	}
	err := c.writeMessage(out.buf)
	<-c.turn
	c.spare = kept(out.buf)
	if err == nil && q.after != nil {
		q.after(ctx)
	}
	return err
}

var errHungUp = errors.New("we closed the connection")

// takeTurn waits until nothing else is being written.
func (c *conn) takeTurn() error {
	select {
	case <-c.closing: // before all else: a goodbye does not wait for replies
		return errHungUp
	default:
	}
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-c.closing:
		return errHungUp
	}
}

// writeMessage writes a reply or an event, within bounded time. The caller has
// the turn.
func (c *conn) writeMessage(data []byte) error {
	if err := c.ws.SetWriteDeadline(c.writeBy(len(data))); err != nil {
		return err
	}
	c.touch() // before the write: otherwise a client's next message on another connection could be stamped earlier than this one
	if err := c.ws.WriteMessage(websocket.TextMessage, data); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// writeFailed counts a client that did not read in time; nothing more reaches it.
func (c *conn) writeFailed(err error) error {
	if isTimeout(err) {
		c.drop(dropSlow, websocket.CloseTryAgainLater, "too slow")
	}
	return err
}

var errTooSlow = errors.New("the client is too slow")

// sendEvent hands an event to the write pump, in its turn: errTooSlow when that
// takes longer than limits.slow.
func (c *conn) sendEvent(ctx context.Context, data []byte) error {
	slow := time.NewTimer(c.s.limits.slow)
	defer slow.Stop()
	select {
	case c.turn <- struct{}{}:
	case <-slow.C:
		return errTooSlow
	case <-c.closing:
		return errHungUp
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	select {
	case c.events <- data: // and the turn with it
		return nil
	case <-slow.C: // the pump waits to write a ping
		err = errTooSlow
	case <-c.closing:
		err = errHungUp
	case <-ctx.Done():
		err = ctx.Err()
	}
	<-c.turn
	return err
}

// writePump writes events and pings, and in the end the close frame.
func (c *conn) writePump(ctx context.Context) error {
	ping := time.NewTicker(c.s.limits.ping)
	defer ping.Stop()
	for {
		select {
		case <-c.closing: // before all else: a slow client's events are not written first
			return c.sayGoodbye(ctx)
		default:
		}
		select {
		case data := <-c.events:
			err := c.writeMessage(data)
			<-c.turn
			if err != nil {
				return err
			}
		case <-ping.C: // it may have to wait for a reply that is being written
			if err := c.ws.WriteControl(websocket.PingMessage, nil, c.writeBy(c.s.limits.reply)); err != nil {
				return c.writeFailed(err)
			}
		case <-c.closing:
		case <-c.readDone:
			select {
			case <-c.closing: // the read pump may have hung up as it ended
				return c.sayGoodbye(ctx)
			default:
				return nil
			}
		}
	}
}

// writeBy is when a message of so many bytes must have been written: a client
// has 20 s, and 1 s more for each 256 KiB.
func (c *conn) writeBy(size int) time.Time {
	return time.Now().Add(c.s.limits.write + time.Duration(size>>18)*time.Second)
}

// sayGoodbye sends the close frame once nothing else is being written, and waits
// shortly for the client's.
func (c *conn) sayGoodbye(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}: // for good
	case <-c.readDone:
	}
	frame := websocket.FormatCloseMessage(c.code, c.reason)
	if err := c.ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(c.s.limits.goodbye)); err != nil {
		return err
	}
	wait := time.NewTimer(c.s.limits.goodbye)
	defer wait.Stop()
	select {
	case <-c.readDone:
	case <-wait.C:
	case <-ctx.Done():
	}
	return fmt.Errorf("closed with %d: %s", c.code, c.reason)
}
