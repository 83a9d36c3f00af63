package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/cmd/foxchain/internal/lab/web"
)

// Bounds of the server.
const (
	maxCommand   = 4 << 10                // bytes
	eventsApart  = 100 * time.Millisecond // the least between two states
	headerWithin = 10 * time.Second
	eventWithin  = 10 * time.Second // for one event to be taken
)

// Serve serves the page on a listener, until ctx ends.
func (l *Lab) Serve(ctx context.Context, on net.Listener) error {
	page, err := web.New()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", page)
	mux.HandleFunc("GET /events", l.serveEvents)
	mux.HandleFunc("POST /do", l.serveDo)
	server := &http.Server{
		Handler:           onlyLoopback(http.NewCrossOriginProtection().Handler(mux)),
		ReadHeaderTimeout: headerWithin,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(on); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// onlyLoopback refuses a page of another site that has its name resolved to this machine.
func onlyLoopback(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			http.Error(w, "the lab is shown on this machine only, as localhost", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (l *Lab) serveDo(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCommand))
	if err == nil {
		err = l.Do(r.Context(), string(text))
	}
	reply := struct {
		Error *Text `json:"error,omitempty"`
	}{}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		text := wordsOf(err)
		reply.Error = &text
		w.WriteHeader(http.StatusBadRequest)
	}
	_ = json.MarshalWrite(w, reply) // the client may have gone
}

// serveEvents sends the log and the state, as they change.
func (l *Lab) serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	send := func(kind string, data any) error {
		text, err := json.Marshal(data)
		if err == nil {
			_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, text)
		}
		return err
	}
	for logged := 0; ; {
		var lines []Line
		var changed <-chan struct{}
		lines, logged, changed = l.since(logged)
		err := out.SetWriteDeadline(time.Now().Add(eventWithin))
		for _, line := range lines {
			err = errors.Join(err, send("log", line))
		}
		if err := errors.Join(err, send("state", l.state()), out.Flush()); err != nil {
			return // the client has gone
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(eventsApart):
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}
