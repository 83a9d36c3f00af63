package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	rpcclient "foxchain/rpc/client"
)

// TestBackupEnds checks that a HEAD request makes no backup, and that one that is under
// way ends when its token is revoked.
func TestBackupEnds(t *testing.T) {
	tokens, begun := new(given), make(chan struct{})
	tokens.Store("all", Token{"the all", All})
	l := newLab(t, func(cfg *Config) {
		cfg.Tokens = tokens.find
		cfg.Backup = func(_ context.Context, w io.Writer) error {
			close(begun) // a second time it panics
			for {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return err
				}
			}
		}
	}).start(func(lim *limits) { lim.redraw = 10 * time.Millisecond })
	if got := l.http(http.MethodHead, "/backup", "", "Authorization: Bearer all"); got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("HEAD: %s", got.Status)
	}
	body, err := rpcclient.Backup(t.Context(), "ws://"+l.addr()+"/ws", "all")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	<-begun
	tokens.Delete("all")
	if _, err := io.Copy(io.Discard, body); err == nil {
		t.Error("it ended as if it were whole")
	}
}

// TestBackupRoute checks that a client that may do all gets what the node writes, one at
// a time, and that what breaks off is not taken for whole.
func TestBackupRoute(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan error)
	l := newLab(t, func(cfg *Config) {
		cfg.Tokens = func(token string, _ bool) (Token, bool) { return Token{Name: "reader", Scope: Read}, token == "reads" }
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
