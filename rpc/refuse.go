package rpc

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// guard lets a request pass to next, or refuses it: in words with the way out,
// with a log line, an event and a count.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		ref := s.access.check(r)
		if ref == nil {
			next.ServeHTTP(w, r)
			return
		}
		ref.Time, ref.Remote = unixSeconds(s.cfg.Now()), r.RemoteAddr
		s.metrics.refusals.WithLabelValues(ref.kind).Inc()
		if s.noted.add(ref, s.cfg.Now()) {
			s.log.Warn("refused a request", "reason", ref.Reason, "remote", ref.Remote, "origin", ref.Origin, "path", shorten(r.URL.Path, 100))
		}
		http.Error(w, "Refused: "+ref.Reason+".\n"+ref.wayOut, ref.status)
	})
}

// notices keeps the last refusal for status events, and keeps a page that
// tries again and again from filling the log.
type notices struct {
	mu      sync.Mutex
	changed chan struct{}
	total   uint64
	last    *refusal
	logged  map[string]time.Time // by kind and origin, at most maxLogged
}

const (
	maxLogged = 64               // different refusals remembered; over it the oldest is forgotten
	logAgain  = 10 * time.Second // until the same refusal is logged again
)

func newNotices() *notices {
	return &notices{changed: make(chan struct{}), logged: make(map[string]time.Time)}
}

// add records a refusal and reports whether it is worth a log line.
func (n *notices) add(ref *refusal, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.total++
	n.last = ref
	close(n.changed)
	n.changed = make(chan struct{})

	key := ref.kind + " " + ref.Reason
	if t, ok := n.logged[key]; ok && now.Sub(t) < logAgain {
		return false
	}
	if len(n.logged) >= maxLogged {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(n.logged)), func(a, b string) int {
			return n.logged[a].Compare(n.logged[b])
		})
		delete(n.logged, oldest)
	}
	n.logged[key] = now
	return true
}

func (n *notices) read() (total uint64, last *refusal, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.total, n.last, n.changed
}
