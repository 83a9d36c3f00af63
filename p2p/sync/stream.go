package sync

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
)

const (
	// answerTime is how long a peer may be silent in an exchange. A message gets
	// a second more for each paceBytes that came through, so that a slow Wi-Fi
	// is served and a trickling peer is not.
	answerTime = 10 * time.Second
	paceBytes  = 64 << 10

	frameHead = 5 // bytes: length of the CBOR (uint32, big-endian), kind
)

var (
	// errNotKnown means that the peer answered that it does not have it.
	errNotKnown = errors.New("the peer does not have it")
	// errNoAnswer means that the connection failed, or the peer was silent too long.
	errNoAnswer = errors.New("no answer")
)

// A misbehavior is something that no honest node sends. The peer that sends it
// is banned.
type misbehavior struct{ what string }

func (m *misbehavior) Error() string { return m.what }

func misbehaved(format string, args ...any) error {
	return &misbehavior{what: fmt.Sprintf(format, args...)}
}

// ask sends req to p on a new stream and reads the answer into ans. It returns
// errNotKnown, errNoAnswer, a *misbehavior, or the error of ctx. A request whose
// connection broke is repeated once, since the host closes one of two connections with
// a peer.
func (c *core) ask(ctx context.Context, p peer.ID, req syncRequest, ans syncMessage) error {
	err := c.askOnce(ctx, p, req, ans)
	if errors.Is(err, errNoAnswer) && !silent(err) && c.Host.Network().Connectedness(p) == network.Connected {
		err = c.askOnce(ctx, p, req, ans)
	}
	return err
}

// silent reports whether err is a timeout of the peer, and not a broken connection.
func silent(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (c *core) askOnce(ctx context.Context, p peer.ID, req syncRequest, ans syncMessage) error {
	payload, err := encodeMessage(req)
	if err != nil {
		return err
	}
	str, err := c.open(ctx, p)
	if err != nil {
		return noAnswer(ctx, err)
	}
	defer context.AfterFunc(ctx, func() { _ = str.Reset() })()
	if err = c.writeFrame(str, req.kind(), payload); err == nil {
		err = str.CloseWrite()
	}
	if err != nil {
		_ = str.Reset() // frees it on both sides; the error above is the one that matters
		return noAnswer(ctx, err)
	}
	if err := c.readAnswer(ctx, str, req.kind(), ans); err != nil {
		_ = str.Reset()
		return err
	}
	_ = str.Close() // the answer has been read
	return nil
}

// open opens a stream to p over an existing connection. Package p2p dials.
func (c *core) open(ctx context.Context, p peer.ID) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "sync"), answerTime)
	defer cancel()
	str, err := c.Host.NewStream(ctx, p, c.protocol)
	if err != nil {
		return nil, err
	}
	return &heardStream{str, func(bytes int) { c.heard(p, bytes) }}, nil
}

func (c *core) readAnswer(ctx context.Context, str network.Stream, want kind, ans syncMessage) error {
	k, size, err := readHead(str)
	switch {
	case err != nil:
		return noAnswer(ctx, err)
	case k == kindUnknown && size == 0:
		return errNotKnown
	case k != want:
		return misbehaved("answered a request of kind %d with kind %d", want, k)
	case size > ans.limit():
		return misbehaved("sent an answer of %d bytes, over the limit of %d", size, ans.limit())
	}
	b, err := readPaced(str, size)
	c.Stats.SyncBytesIn.Add(uint64(len(b)))
	if err != nil {
		return noAnswer(ctx, err)
	}
	if err := decodeMessage(b, ans); err != nil {
		return misbehaved("sent a malformed answer of kind %d: %v", want, err)
	}
	if status, ok := ans.(*statusAnswer); ok {
		status.readBehind(str)
	}
	return nil
}

// readBehind reads what follows the frame of a status answer. Older nodes do not send it.
func (m *statusAnswer) readBehind(str io.Reader) {
	var b [8]byte
	if _, err := io.ReadFull(str, b[:]); err != nil {
		return
	}
	m.clock = time.UnixMilli(int64(binary.BigEndian.Uint64(b[:])))
	if _, err := io.ReadFull(str, b[:]); err == nil {
		m.digest = binary.BigEndian.Uint64(b[:])
	}
}

// askTxs asks r for at most limit transactions.
func (c *core) askTxs(ctx context.Context, r *remotePeer, req syncRequest, limit int) ([]*ledger.Transaction, error) {
	ans := new(txsAnswer)
	if err := c.ask(ctx, r.id, req, ans); err != nil {
		return nil, err
	}
	txs, err := ledger.DecodeTransactions(ans.Txs, limit)
	if err != nil {
		return nil, misbehaved("sent malformed transactions: %v", err)
	}
	return txs, nil
}

// noAnswer wraps a failure of the connection. If our own context ended, it returns that
// error, so that the peer is not blamed.
func noAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", errNoAnswer, err)
}

// readHead reads the head of a frame.
func readHead(str network.Stream) (kind, int, error) {
	if err := str.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		return 0, 0, err
	}
	var head [frameHead]byte
	if _, err := io.ReadFull(str, head[:]); err != nil {
		return 0, 0, err
	}
	return kind(head[4]), int(binary.BigEndian.Uint32(head[:4])), nil
}

// readPaced reads size bytes. It allocates as they come, so that a large length alone
// costs nothing.
func readPaced(str network.Stream, size int) ([]byte, error) {
	var b []byte
	for start := time.Now(); len(b) < size; {
		if err := str.SetReadDeadline(start.Add(pace(len(b)))); err != nil {
			return b, err
		}
		n := len(b)
		b = append(b, make([]byte, min(size-n, paceBytes))...)
		if got, err := io.ReadFull(str, b[n:]); err != nil {
			return b[:n+got], err
		}
	}
	return b, nil
}

// writeFrame writes one frame, and the bytes of behind after it.
func (c *core) writeFrame(str network.Stream, k kind, payload []byte, behind ...byte) error {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, frameHead+len(payload)), uint32(len(payload)))
	b = append(append(append(b, byte(k)), payload...), behind...)
	for start, done := time.Now(), 0; done < len(b); {
		if err := str.SetWriteDeadline(start.Add(pace(done))); err != nil {
			return err
		}
		n, err := str.Write(b[done:min(len(b), done+paceBytes)])
		c.Stats.SyncBytesOut.Add(uint64(n))
		if done += n; err != nil {
			return err
		}
	}
	return nil
}

// pace is how long a message may have taken after so many bytes.
func pace(bytes int) time.Duration {
	return answerTime + time.Duration(bytes/paceBytes)*time.Second
}
