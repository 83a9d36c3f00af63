package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
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
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	host := p.listener.Addr().String()
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != host { // a page whose name was made to point here (DNS rebinding)
				http.Error(w, "use http://"+host, http.StatusMisdirectedRequest)
				return
			}
			mux.ServeHTTP(w, r)
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
