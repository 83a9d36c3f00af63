package client

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"foxchain/ledger/ledgertest"
	"foxchain/rpc/api"
)

// mute connects to a node that never answers, and reads as read does.
func mute(t *testing.T, read func(io.Reader)) *Client {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() { // ends with the connection
		r := bufio.NewReader(theirs)
		req, err := http.ReadRequest(r)
		if err != nil {
			t.Error(err)
			return
		}
		accept := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		_, _ = fmt.Fprintf(theirs, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(accept[:]))
		read(r)
	}()
	dialer := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}
	ws, _, err := dialer.DialContext(t.Context(), "ws://mute/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(ws)
}

// TestSubscribeUnanswered checks that a node that does not answer is lost after AnswerTime.
func TestSubscribeUnanswered(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		c, begin := mute(t, func(r io.Reader) { _, _ = io.Copy(io.Discard, r) }), time.Now()
		if _, err := c.Subscribe(t.Context(), api.Subscription{}); !errors.Is(err, ErrSlow) || time.Since(begin) != AnswerTime {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		_ = c.Close()
	})
}

// TestUnreadQuestion checks that a question that the node does not read, or not fast
// enough, ends soon after its context, and with it the connection.
func TestUnreadQuestion(t *testing.T) {
	for name, read := range map[string]func(io.Reader){
		"not at all": func(io.Reader) {},
		"slowly": func(r io.Reader) {
			for err := error(nil); err == nil; _, err = io.CopyN(io.Discard, r, 1<<10) {
				time.Sleep(grace / 10)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ledgertest.Bubble(t, func(t *testing.T) {
				c, begin, enough := mute(t, read), time.Now(), errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(enough) })
				if _, err := c.Do(ctx, "time", strings.Repeat("x", 1<<20)); !errors.Is(err, enough) || !errors.Is(err, ErrEnded) || time.Since(begin) != time.Second+grace {
					t.Errorf("after %s: %v", time.Since(begin), err)
				}
				if _, err := c.Do(t.Context(), "time", nil); !errors.Is(err, enough) {
					t.Errorf("the next one: %v", err)
				}
				_ = c.Close()
				time.Sleep(grace) // until the node has seen it
			})
		})
	}
}
