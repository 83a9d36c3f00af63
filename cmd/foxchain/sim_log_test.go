package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// simLogLines is how many lines of a node's log are kept.
const simLogLines = 60

// A simLog keeps a node's last lines, to be shown when a script fails.
type simLog struct {
	mu    sync.Mutex
	lines []string
}

func (b *simLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (b *simLog) WithAttrs([]slog.Attr) slog.Handler               { return b }
func (b *simLog) WithGroup(string) slog.Handler                    { return b }

func (b *simLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Time.Format("04:05.000 ") + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == simLogLines {
		b.lines = b.lines[1:]
	}
	b.lines = append(b.lines, line)
	return nil
}

func (b *simLog) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.lines, "\n")
}

func simPeerID(t *testing.T, key crypto.PrivKey) string {
	t.Helper()
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}
