package rpc

import (
	"net/http"

	"github.com/go-json-experiment/json"
)

// health is the body of /healthz and /readyz.
type health struct {
	Status string `json:"status"` // "ok", "failed" or "not ready"
	Reason string `json:"reason,omitzero"`
}

// serveHealth says 200 while the process lives and the chain has not failed.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	if err := s.cfg.Chain.Err(); err != nil {
		writeHealth(w, http.StatusServiceUnavailable, health{"failed", err.Error()})
		return
	}
	writeHealth(w, http.StatusOK, health{Status: "ok"})
}

// serveReady says 200 when the node can do its work: the chain is open and the
// p2p side runs.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	err := s.cfg.Chain.Err()
	if err == nil {
		err = s.cfg.Ready()
	}
	if err != nil {
		writeHealth(w, http.StatusServiceUnavailable, health{"not ready", err.Error()})
		return
	}
	writeHealth(w, http.StatusOK, health{Status: "ok"})
}

func writeHealth(w http.ResponseWriter, status int, h health) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, h) // the client has gone: nobody is left to tell
}
