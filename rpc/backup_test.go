package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	rpcclient "foxchain/rpc/client"
)

// TestBackupRoute: who may do all gets what the node writes, one at a time, and what breaks
// off is not taken for whole.
func TestBackupRoute(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan error)
	l := newLab(t, func(cfg *Config) {
		cfg.Tokens = func(token string) (Token, bool) { return Token{Name: "reader", Scope: Read}, token == "reads" }
		cfg.Backup = func(_ context.Context, w io.Writer) error {
			enter <- struct{}{}
			_, err := w.Write(make([]byte, 1<<20))
			return errors.Join(err, <-leave)
		}
	}).start()
	url := "ws://" + l.addr() + "/ws"
	if _, err := rpcclient.Backup(t.Context(), url, "reads"); !errors.Is(err, rpcclient.ErrRefused) {
		t.Errorf("the scope read: %v", err)
	}
	for _, fails := range []error{nil, errors.New("the disk")} {
		bodies := make(chan io.ReadCloser, 1)
		go func() {
			body, err := rpcclient.Backup(t.Context(), url, "secret")
			if err != nil {
				t.Error(err)
			}
			bodies <- body
		}()
		<-enter
		body := <-bodies
		if resp := l.get("/backup", l.addr(), nil); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a second one: %s", resp.Status)
		}
		leave <- fails
		if b, err := io.ReadAll(body); (err != nil) != (fails != nil) || err == nil && len(b) != 1<<20 {
			t.Errorf("%d bytes, %v, where the node has %v", len(b), err, fails)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
}
