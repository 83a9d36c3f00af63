package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// TestSessionDialsAgain ends connections under a session. An error of the first
// dial, or of Use, ends it.
func TestSessionDialsAgain(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil); err == nil {
			ws.Close()
		}
	}))
	defer server.Close()
	url := strings.Replace(server.URL, "http", "ws", 1)
	refused, enough := errors.New("refused"), errors.New("enough")
	used, lost := 0, 0
	var fail error
	s := Session{
		Dial: func(ctx context.Context) (*Client, error) {
			if fail != nil {
				err := fail
				fail = nil
				return nil, err
			}
			return Dial(ctx, url, "")
		},
		Use: func(_ context.Context, c *Client) error {
			<-c.done
			if used++; used == 2 {
				return enough
			}
			fail = refused // the next dial; the session tries once more
			return c.Err()
		},
		Lost: func(reason error) {
			if lost++; !errors.Is(reason, ErrEnded) {
				t.Errorf("lost by %v", reason)
			}
		},
	}
	if err := s.Run(t.Context()); !errors.Is(err, enough) || used != 2 || lost != 1 {
		t.Errorf("used %d times, lost %d times: %v", used, lost, err)
	}
	fail = refused
	if err := s.Run(t.Context()); !errors.Is(err, refused) || used != 2 {
		t.Errorf("the first dial fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Errorf("after its context: %v", err)
	}
}
