package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"foxchain/ledger"
)

// A writer writes to one WebSocket. writeReplies writes replies, and run, on another
// goroutine, writes events, pings and the close frame. Messages are read and answered
// meanwhile, since a client that sends from its reading loop would otherwise wait for a
// node that waits for it. An event goes through run so that its subscription notices when
// it waits too long.
type writer struct {
	ws      *websocket.Conn
	limits  *limits
	metrics *metrics
	buffers *sync.Pool // the server's

	turn     chan struct{} // holds one value while a message is written
	events   chan []byte   // to run, from the holder of the turn, which goes with it
	replies  chan outgoing // to writeReplies, closed by the reader
	written  chan struct{} // closed when writeReplies has ended
	fewer    chan struct{} // holds one value after a reply was taken from replies
	spare    chan []byte   // holds the buffer of a written reply, for the next one
	readDone chan struct{} // closed when reading has ended

	last    atomic.Pointer[time.Time] // of the last message, either way
	waiting atomic.Int64              // bytes of the replies in replies
	unsent  atomic.Int64              // the same, and of the one being written
	dropped atomic.Pointer[string]    // why the node ends it, if its client is the cause

	closeOnce sync.Once
	closing   chan struct{} // closed after code and reason are set
	code      int
	reason    string
}

func (w *writer) touch()                 { w.last.Store(new(time.Now())) }
func (w *writer) lastMessage() time.Time { return *w.last.Load() }

// hangUp closes the connection with a code and a reason (123 bytes at most, RFC 6455
// section 5.5). It does not block, and only the first call counts. A cause, if the client
// is one, is counted before the close frame is sent.
func (w *writer) hangUp(cause string, code int, reason string) {
	w.closeOnce.Do(func() {
		w.blame(cause, reason)
		w.code, w.reason = code, ledger.Shorten(reason, 120)
		close(w.closing)
	})
}

// blame counts a cause and keeps the reason for the log.
func (w *writer) blame(cause, reason string) {
	if cause != "" && w.dropped.CompareAndSwap(nil, &reason) {
		w.metrics.dropped.WithLabelValues(cause).Inc()
	}
}

var (
	errHungUp  = errors.New("we closed the connection")
	errTooSlow = errors.New("the client is too slow")
)

// An outgoing is a reply, or a request to close done when all replies before it are
// written.
type outgoing struct {
	data []byte
	done chan struct{} // nil for a reply
}

// maxReplies is how many replies may wait behind the one being written.
const maxReplies = 1024

// put hands a reply to writeReplies.
func (w *writer) put(o outgoing) error {
	w.waiting.Add(int64(len(o.data)))
	w.unsent.Add(int64(len(o.data)))
	select {
	case w.replies <- o:
		return nil
	case <-w.closing:
	case <-w.written:
	}
	return errHungUp
}

// flush waits until all replies are written.
func (w *writer) flush() error {
	done := make(chan struct{})
	if err := w.put(outgoing{done: done}); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-w.closing:
	case <-w.written:
	}
	return errHungUp
}

// room waits until few bytes of replies wait behind the one being written, so that no
// more is read from a client that does not read.
func (w *writer) room() error {
	for w.waiting.Load() > w.limits.small {
		select {
		case <-w.fewer:
		case <-w.closing:
			return errHungUp
		case <-w.written:
			return errHungUp
		}
	}
	return nil
}

// writeReplies writes replies until the reader has ended or a write fails.
func (w *writer) writeReplies() error {
	defer close(w.written)
	for o := range w.replies {
		w.waiting.Add(-int64(len(o.data)))
		select {
		case w.fewer <- struct{}{}:
		default:
		}
		if o.done != nil {
			close(o.done)
			continue
		}
		if err := w.sendReply(o.data); err != nil {
			if !errors.Is(err, errHungUp) && !errors.Is(err, websocket.ErrCloseSent) {
				_ = w.ws.Close() // ends the reader
			}
			return err
		}
		w.unsent.Add(-int64(len(o.data)))
		w.reuse(o.data)
	}
	return nil
}

// reuse keeps the buffer of a written reply for the next reply, and a large buffer for
// the next large reply of any connection.
func (w *writer) reuse(buf []byte) {
	if n := cap(buf); n > largeList && n <= maxBuffer {
		w.buffers.Put(new(buf))
		return
	}
	select {
	case w.spare <- kept(buf):
	default:
	}
}

// sendReply takes the turn and writes a reply.
func (w *writer) sendReply(data []byte) error {
	select {
	case <-w.closing: // first, since a close frame does not wait for replies
		return errHungUp
	default:
	}
	select {
	case w.turn <- struct{}{}:
	case <-w.closing:
		return errHungUp
	}
	defer func() { <-w.turn }()
	return w.write(data)
}

// deliver implements subscriber: it takes the turn and hands an event to run. It returns
// errTooSlow if that takes longer than limits.slow.
func (w *writer) deliver(ctx context.Context, e *subEvent) error {
	data := fmt.Appendf(nil, `{"event":"%s","n":%d,"data":%s}`, e.kind, e.n, e.data)
	slow := w.limits.after(w.limits.slow)
	turn, events := w.turn, chan<- []byte(nil)
	for {
		var err error
		select {
		case turn <- struct{}{}:
			turn, events = nil, w.events
			continue
		case events <- data: // and the turn with it
			return nil
		case <-slow:
			err = errTooSlow
		case <-w.closing:
			err = errHungUp
		case <-ctx.Done():
			err = ctx.Err()
		}
		if turn == nil {
			<-w.turn
		}
		return err
	}
}

// write writes a reply or an event within its deadline. The caller has the turn.
func (w *writer) write(data []byte) error {
	if err := w.ws.SetWriteDeadline(w.deadline(len(data))); err != nil {
		return err
	}
	w.touch() // before the write, else a client's next message on another connection could be stamped earlier
	return w.check(w.ws.WriteMessage(websocket.TextMessage, data))
}

// deadline is when a message of so many bytes must have been written: a client
// has 20 s, and 1 s more for each 256 KiB.
func (w *writer) deadline(size int) time.Time {
	return time.Now().Add(w.limits.write + time.Duration(size>>18)*time.Second)
}

// check hangs up if err is a timeout, since the client does not read.
func (w *writer) check(err error) error {
	if isTimeout(err) {
		w.hangUp(dropSlow, websocket.CloseTryAgainLater, "it does not read what it is sent")
	}
	return err
}

// run writes events and pings, and in the end the close frame.
func (w *writer) run(ctx context.Context) error {
	ping := time.NewTicker(w.limits.ping)
	defer ping.Stop()
	for {
		select {
		case <-w.closing: // first, so that a slow client's events do not delay it
			return w.close(ctx)
		default:
		}
		select {
		case data := <-w.events:
			err := w.write(data)
			<-w.turn
			if err != nil && !errors.Is(err, websocket.ErrCloseSent) { // after ErrCloseSent the reader ends the connection
				return err
			}
		case <-ping.C: // the ping may wait for a reply that is being written
			if err := w.check(w.ws.WriteControl(websocket.PingMessage, nil, w.deadline(w.limits.reply))); err != nil {
				return err
			}
		case <-w.closing:
		case <-w.readDone:
			select {
			case <-w.closing: // the reader may have hung up before it ended
				return w.close(ctx)
			default:
				return nil
			}
		}
	}
}

// close sends the close frame once nothing else is being written, and waits briefly for
// the client's.
func (w *writer) close(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}: // never released
	case <-w.readDone:
	}
	frame := websocket.FormatCloseMessage(w.code, w.reason)
	if err := w.ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(w.limits.goodbye)); err != nil {
		return err
	}
	wait := time.NewTimer(w.limits.goodbye)
	defer wait.Stop()
	select {
	case <-w.readDone:
	case <-wait.C:
	case <-ctx.Done():
	}
	return fmt.Errorf("closed with %d: %s", w.code, w.reason)
}
