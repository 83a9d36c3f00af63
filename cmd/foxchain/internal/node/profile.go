package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof"
	"time"
)

// A profiler serves Go's profiles to this machine only.
type profiler struct {
	listener net.Listener
	log      *slog.Logger
}

func newProfiler(ctx context.Context, log *slog.Logger) (*profiler, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("--debug: %w", err)
	}
	return &profiler{listener: l, log: log}, nil
}

func (p *profiler) run(ctx context.Context) error {
	host := p.listener.Addr().String()
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != host { // a page whose name was made to point here (DNS rebinding)
				http.Error(w, "use http://"+host, http.StatusMisdirectedRequest)
				return
			}
			http.DefaultServeMux.ServeHTTP(w, r) // where net/http/pprof registers itself
		}),
	}
	p.log.Info("profiles are served to this machine", "url", "http://"+host+"/debug/pprof/")
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
