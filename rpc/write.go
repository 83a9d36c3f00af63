package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// A writer writes to one WebSocket: replies where they are made, and events, pings and
// the close frame in its own goroutine, run. An event goes through run so that its
// subscription notices when one waits too long.
type writer struct {
	ws      *websocket.Conn
	limits  *limits
	metrics *metrics

	turn     chan struct{} // holds one value while a message is written
	events   chan []byte   // to run, from the holder of the turn, which goes with it
	readDone chan struct{} // closed when nothing is read any more

	last atomic.Pointer[time.Time] // of the last message, either way

	closeOnce sync.Once
	closing   chan struct{} // closed after code and reason are set
	code      int
	reason    string
}

func (w *writer) touch()                 { w.last.Store(new(time.Now())) }
func (w *writer) lastMessage() time.Time { return *w.last.Load() }

// hangUp has the connection closed with a code and a reason (123 bytes at
// most, RFC 6455 section 5.5). Only the first call counts; it does not block. A cause,
// where the client gave one by what it does or leaves undone, is counted: first, so
// that a client that has read the close frame finds it counted.
func (w *writer) hangUp(cause string, code int, reason string) {
	w.closeOnce.Do(func() {
		if cause != "" {
			w.metrics.dropped.WithLabelValues(cause).Inc()
		}
		w.code, w.reason = code, shorten(reason, 120)
		close(w.closing)
	})
}

var (
	errHungUp  = errors.New("we closed the connection")
	errTooSlow = errors.New("the client is too slow")
)

// sendReply writes a reply in its turn.
func (w *writer) sendReply(data []byte) error {
	select {
	case <-w.closing: // before all else: a close frame does not wait for replies
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

// sendEvent hands an event to run, in its turn: errTooSlow when that takes longer than
// limits.slow.
func (w *writer) sendEvent(ctx context.Context, data []byte) error {
	slow := time.NewTimer(w.limits.slow)
	defer slow.Stop()
	turn, events := w.turn, chan<- []byte(nil)
	for {
		var err error
		select {
		case turn <- struct{}{}:
			turn, events = nil, w.events
			continue
		case events <- data: // and the turn with it
			return nil
		case <-slow.C:
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

// write writes a reply or an event, within bounded time. The caller has the turn.
func (w *writer) write(data []byte) error {
	if err := w.ws.SetWriteDeadline(w.deadline(len(data))); err != nil {
		return err
	}
	w.touch() // before the write: otherwise a client's next message on another connection could be stamped earlier than this one
	return w.check(w.ws.WriteMessage(websocket.TextMessage, data))
}

// deadline is when a message of so many bytes must have been written: a client
// has 20 s, and 1 s more for each 256 KiB.
func (w *writer) deadline(size int) time.Time {
	return time.Now().Add(w.limits.write + time.Duration(size>>18)*time.Second)
}

// check counts a client that did not read in time; nothing more reaches it.
func (w *writer) check(err error) error {
	if isTimeout(err) {
		w.hangUp(dropSlow, websocket.CloseTryAgainLater, "too slow")
	}
	return err
}

// run writes events and pings, and in the end the close frame.
func (w *writer) run(ctx context.Context) error {
	ping := time.NewTicker(w.limits.ping)
	defer ping.Stop()
	for {
		select {
		case <-w.closing: // before all else: a slow client's events are not written first
			return w.close(ctx)
		default:
		}
		select {
		case data := <-w.events:
			err := w.write(data)
			<-w.turn
			if err != nil {
				return err
			}
		case <-ping.C: // it may have to wait for a reply that is being written
			if err := w.check(w.ws.WriteControl(websocket.PingMessage, nil, w.deadline(w.limits.reply))); err != nil {
				return err
			}
		case <-w.closing:
		case <-w.readDone:
			select {
			case <-w.closing: // the reader may have hung up as it ended
				return w.close(ctx)
			default:
				return nil
			}
		}
	}
}

// close sends the close frame once nothing else is being written, and waits
// shortly for the client's.
func (w *writer) close(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}: // for good
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
