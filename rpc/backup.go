package rpc

import (
	"bufio"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	backupBlock = 256 << 10              // bytes that are written at once
	maxPause    = 100 * time.Millisecond // between two writes
)

// serveBackup streams a backup of the node. Over HTTP its size has no bound, and a slow
// client slows nothing else down. The guard has checked the scope.
func (s *Server) serveBackup(w http.ResponseWriter, r *http.Request) {
	if !s.backups.TryLock() {
		http.Error(w, "Another backup of this node is under way: wait until it has ended.", http.StatusServiceUnavailable)
		return
	}
	defer s.backups.Unlock()
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.Method == http.MethodHead {
		return
	}
	p := &pacedWriter{w: w, to: http.NewResponseController(w), limit: s.limits.write, last: time.Now(), may: grantOf(r)}
	if !s.admit(p) {
		http.Error(w, "The node is stopping.", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(p)
	// The server's deadline for reading a request would cancel its context during the
	// backup.
	if err := p.to.SetReadDeadline(time.Time{}); err != nil {
		s.log.Debug("backup", "error", err)
	}
	out := bufio.NewWriterSize(p, backupBlock)
	err := s.cfg.Backup(r.Context(), out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		s.log.Warn("a backup was not completed", "error", err)
		panic(http.ErrAbortHandler) // so that the client notices that the backup is not whole
	}
}

// A pacedWriter lets a backup take at most half of a processor. Before each block it rests
// for as long as the block took to make. It fails when the client reads nothing for the
// write timeout.
type pacedWriter struct {
	w     http.ResponseWriter
	to    *http.ResponseController
	limit time.Duration
	last  time.Time // when the last block was written
	may   *grant
	why   atomic.Pointer[string] // why the node has ended it; nil if it has not
}

func (p *pacedWriter) Write(b []byte) (int, error) {
	time.Sleep(min(time.Since(p.last), maxPause))
	if err := p.to.SetWriteDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	if why := p.why.Load(); why != nil { // after the deadline, since hangUp sets them in the other order
		return 0, errors.New(*why)
	}
	n, err := p.w.Write(b)
	p.last = time.Now()
	return n, err
}

func (p *pacedWriter) grant() *grant          { return p.may }
func (p *pacedWriter) lastMessage() time.Time { return time.Now() }

// hangUp implements held.
func (p *pacedWriter) hangUp(_ string, _ int, reason string) {
	p.why.Store(&reason)
	_ = p.to.SetWriteDeadline(time.Now()) // an error means that the client has gone
}
