package client

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// TestCallsAreForgotten checks that what was answered is not waited for any more.
func TestCallsAreForgotten(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.Close()
		for {
			var q struct {
				ID uint64 `json:"id"`
			}
			if ws.ReadJSON(&q) != nil || ws.WriteJSON(map[string]any{"status": 200, "error": "OK", "id": q.ID}) != nil {
				return
			}
		}
	}))
	defer server.Close()
	c, err := Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/ws", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if _, err := c.Do(t.Context(), "time", nil); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) > 0 {
		t.Errorf("%d calls are still waited for", len(c.waiting))
	}
}

// TestLocalhost checks that the name is this machine on either address, whatever the
// system knows.
func TestLocalhost(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Logf("%s: %v", listen, err) // a machine without IPv6
			continue
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for _, host := range []string{"localhost", "LOCALHOST", "localhost."} {
			conn, err := dialHost(t.Context(), "tcp", net.JoinHostPort(host, port))
			if err != nil {
				t.Errorf("%s at %s: %v", host, listen, err)
				continue
			}
			conn.Close()
		}
	}
}

// TestBackupHidesToken checks that what is no node is reported without the token of its URL.
func TestBackupHidesToken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Write([]byte("\x13/multistream/1.0.0\n"))
			_, _ = io.Copy(io.Discard, conn) // until the client has read it
			conn.Close()
		}
	}()
	_, err = Backup(t.Context(), "ws://"+l.Addr().String()+"/ws?token=secret", "")
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "is not a node's WebSocket") {
		t.Errorf("got %v", err)
	}
}
