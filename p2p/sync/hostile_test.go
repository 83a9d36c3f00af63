package sync

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/chain"
)

// rawAnswer is an answer of any bytes.
type rawAnswer []byte

func (rawAnswer) limit() int   { return 8 << 20 }
func (rawAnswer) check() error { return nil }

// A hostile is a real node with the answers of one kind replaced. The victim
// meets it first, then an honest node that has the same chain and pool.
type hostile struct {
	name   string
	blocks int // 1 for compact relay, more than relayStretch for whole bodies
	kind   kind
	answer func(ctx context.Context, req syncRequest, honest syncMessage) (syncMessage, error)
	want   string // in the reason for which it is banned, empty where it is not
}

func answerWith(f func(honest syncMessage) syncMessage) func(context.Context, syncRequest, syncMessage) (syncMessage, error) {
	return func(_ context.Context, _ syncRequest, honest syncMessage) (syncMessage, error) { return f(honest), nil }
}

func stall(ctx context.Context, _ syncRequest, _ syncMessage) (syncMessage, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// alterTxs returns an answer with changed transactions.
func alterTxs(f func(txs []*ledger.Transaction) []*ledger.Transaction) func(context.Context, syncRequest, syncMessage) (syncMessage, error) {
	return answerWith(func(honest syncMessage) syncMessage {
		txs, err := ledger.DecodeTransactions(honest.(*txsAnswer).Txs, ledger.MaxBlockTxs)
		if err != nil {
			panic(err)
		}
		return &txsAnswer{Txs: ledger.EncodeTransactions(f(txs))}
	})
}

func other(txs []*ledger.Transaction) []*ledger.Transaction {
	txs[0].Amount++
	return txs
}

// alterHeaders returns an answer with changed headers.
func alterHeaders(f func(hs []*ledger.SealedHeader)) func(context.Context, syncRequest, syncMessage) (syncMessage, error) {
	return answerWith(func(honest syncMessage) syncMessage {
		ans := new(headersAnswer)
		var hs []*ledger.SealedHeader
		for _, b := range honest.(*headersAnswer).Headers {
			h, err := ledger.DecodeHeader(b)
			if err != nil {
				panic(err)
			}
			hs = append(hs, h)
		}
		f(hs)
		for _, h := range hs {
			ans.Headers = append(ans.Headers, ledger.EncodeHeader(h))
		}
		return ans
	})
}

func hostiles() []hostile {
	none := func([]*ledger.Transaction) []*ledger.Transaction { return nil }
	twice := func(txs []*ledger.Transaction) []*ledger.Transaction { return append(txs, txs...) }
	garbage := answerWith(func(syncMessage) syncMessage { return rawAnswer("garbage") })
	flood := answerWith(func(syncMessage) syncMessage { return rawAnswer(make([]byte, 4<<20)) })
	unknown := answerWith(func(syncMessage) syncMessage { return nil })
	return []hostile{
		{"another body", 10, kindBody, alterTxs(other), "root is another"},
		{"an empty body", 10, kindBody, alterTxs(none), "sent 0 transactions of block"},
		{"a body too long", 10, kindBody, alterTxs(twice), "malformed transactions"},
		{"garbage for a body", 10, kindBody, garbage, "malformed answer"},
		{"a flood for a body", 10, kindBody, flood, "over the limit"},
		{"no body", 10, kindBody, unknown, ""},
		{"silence about a body", 10, kindBody, stall, ""},
		{"wrong count of short IDs", 1, kindShortIDs, answerWith(func(syncMessage) syncMessage {
			return &shortIDsAnswer{IDs: make([]byte, 5*shortIDBytes)}
		}), "sent 5 short IDs"},
		{"a transaction of another short ID", 1, kindBlockTxs, alterTxs(other), "than that of its short ID"},
		{"none of the block's transactions", 1, kindBlockTxs, alterTxs(none), "sent none of the 2"},
		{"silence about short IDs", 1, kindShortIDs, stall, ""},
		{"garbage for headers", 10, kindHeaders, garbage, "malformed answer"},
		{"malformed headers", 10, kindHeaders, answerWith(func(syncMessage) syncMessage {
			return &headersAnswer{Headers: [][]byte{{1, 2, 3}}}
		}), "malformed header"},
		{"headers in no order", 10, kindHeaders, alterHeaders(func(hs []*ledger.SealedHeader) {
			hs[3], hs[4] = hs[4], hs[3]
		}), "not a chain"},
		{"headers from the middle", 10, kindHeaders, alterHeaders(func(hs []*ledger.SealedHeader) {
			hs[0] = hs[5]
		}), "do not follow"},
		{"a header of another signer", 10, kindHeaders, alterHeaders(func(hs []*ledger.SealedHeader) {
			hs[7].Signature[5]++
		}), "invalid header"},
		{"silence about headers", 10, kindHeaders, stall, ""},
		{"unknown status", 1, kindStatus, unknown, "status"},
		{"silence about status", 1, kindStatus, stall, ""},
		{"garbage for status", 1, kindStatus, garbage, "malformed answer"},
		{"a transaction that was not asked for", 1, kindPoolTxs, alterTxs(func(txs []*ledger.Transaction) []*ledger.Transaction {
			txs[0].ID[0]++
			return txs
		}), "not asked for"},
		{"an invalid transaction", 1, kindPoolTxs, alterTxs(func(txs []*ledger.Transaction) []*ledger.Transaction {
			txs[0].Amount = 0
			return txs
		}), "invalid transaction in its pool"},
		{"a cursor that stands still", 1, kindPoolSince, answerWith(func(honest syncMessage) syncMessage {
			ans := *honest.(*poolSinceAnswer)
			ans.Next = 0
			return &ans
		}), "numbered 3 transactions"},
		{"silence about the pool", 1, kindPoolSince, stall, ""},
	}
}

func TestHostileAnswers(t *testing.T) {
	for _, c := range hostiles() {
		t.Run(c.name, func(t *testing.T) {
			testMesh(t, 3, func(m *mesh) {
				honest, bad, victim := m.nodes[0], m.nodes[1], m.nodes[2]
				honest.buildBlocks(c.blocks, 2)
				honest.submit(m.mint(3)...)
				m.connect(0, 1)
				bad.untilTip(time.Minute, honest.Chain.Tip().Hash)
				bad.untilPool(time.Minute, 3)
				m.disconnect(0)

				bad.replace(c.kind, c.answer)
				m.connect(1, 2)
				if c.want != "" {
					if got := victim.banReason(2 * answerTime); !strings.Contains(got, c.want) {
						t.Errorf("banned for %q, want %q", got, c.want)
					}
				} else {
					time.Sleep(statusEvery)
				}
				m.connect(0, 2)
				victim.untilTip(15*time.Second, honest.Chain.Tip().Hash)
				victim.untilPool(15*time.Second, 3)
				if c.want == "" && len(victim.bans) > 0 {
					t.Errorf("banned for %q, which an honest node may do", <-victim.bans)
				}
			})
		})
	}
}

// TestHostileInvalidChain checks that a chain with more work whose block breaks a rule is
// marked as failed and not followed, and that the next candidate is taken.
func TestHostileInvalidChain(t *testing.T) {
	testMesh(t, 3, func(m *mesh) {
		honest, bad, victim := m.nodes[0], m.nodes[1], m.nodes[2]
		tx := m.mint(1)[0]
		tx.Sender[15] = 9 // holds nothing
		tmpl := chain.Template{Header: ledger.Header{Version: 1, Parent: m.net.ID(), Bits: m.net.Bits}}
		var chain []*ledger.Block
		for height := range 3 {
			tmpl.Txs = m.mint(1)
			if height == 1 {
				tmpl.Txs = []*ledger.Transaction{tx}
			}
			tmpl.Header.Height, tmpl.Header.Count, tmpl.Header.Root = uint64(height), 1, ledger.Root(tmpl.Txs)
			chain = append(chain, bad.seal(tmpl))
			tmpl.Header.Parent = chain[height].Hash()
		}
		bad.replace(kindStatus, answerWith(func(honest syncMessage) syncMessage {
			ans := *honest.(*statusAnswer)
			ans.Blocks, ans.Tip = 3, chain[2].Hash()
			return &ans
		}))
		bad.replace(kindHeaders, answerWith(func(syncMessage) syncMessage {
			ans := new(headersAnswer)
			for _, b := range chain {
				ans.Headers = append(ans.Headers, ledger.EncodeHeader(&b.SealedHeader))
			}
			return ans
		}))
		block := func(h ledger.Hash) *ledger.Block {
			for _, b := range chain {
				if b.Hash() == h {
					return b
				}
			}
			return nil
		}
		// The hostile node has none of these blocks, so its honest answer is "unknown".
		real := bad.server.answer
		bad.server.answer = func(ctx context.Context, p peer.ID, req syncRequest) (syncMessage, error) {
			switch req := req.(type) {
			case *bodyRequest:
				return &txsAnswer{Txs: ledger.EncodeTransactions(block(req.Hash).Txs)}, nil
			case *shortIDsRequest:
				return &shortIDsAnswer{IDs: packShortIDs(shortIDs(req.Hash, block(req.Hash).Txs))}, nil
			case *blockTxsRequest:
				return &txsAnswer{Txs: ledger.EncodeTransactions(block(req.Hash).Txs)}, nil
			}
			return real(ctx, p, req)
		}
		honest.buildBlocks(2, 1)
		m.connect(1, 2)
		victim.untilTip(10*time.Second, chain[0].Hash())
		m.connect(0, 2)
		victim.untilTip(10*time.Second, honest.Chain.Tip().Hash)
		if victim.Chain.FailedBlock(chain[1].Hash()) == nil {
			t.Error("the block is not marked as failed")
		}
		if len(victim.bans) != 0 {
			t.Errorf("banned for %q", <-victim.bans)
		}
	})
}

// TestHostileRequests sends requests that no honest node sends.
func TestHostileRequests(t *testing.T) {
	frame := func(k kind, size int, payload string) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(size))
		return append(append(b, byte(k)), payload...)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		want  string // empty where it is only reset
	}{
		{"unknown kind", frame(200, 1, "\x80"), "kind 200"},
		{"a length over the limit", frame(kindStatus, 1<<31, ""), "over the limit"},
		{"garbage", frame(kindBody, 7, "garbage"), "malformed request"},
		{"text", []byte("GET / HTTP/1.1\r\n\r\n"), "kind 47"},
		{"half a request", frame(kindBody, 20, "half"), ""},
		{"nothing", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			testMesh(t, 2, func(m *mesh) {
				bad, victim := m.nodes[0], m.nodes[1]
				m.connect()
				str, err := bad.Host.NewStream(m.ctx, victim.Host.ID(), bad.protocol)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := str.Write(c.bytes); err != nil {
					t.Fatal(err)
				}
				if c.want != "" {
					if got := victim.banReason(time.Second); !strings.Contains(got, c.want) {
						t.Errorf("banned for %q, want %q", got, c.want)
					}
					return
				}
				str.SetReadDeadline(time.Now().Add(2 * answerTime))
				start := time.Now()
				if _, err := str.Read(make([]byte, 1)); err == nil || time.Since(start) > answerTime+time.Second {
					t.Errorf("read ended with %v after %v, want a reset within %v", err, time.Since(start), answerTime)
				}
			})
		})
	}
}

// TestHostileStreams checks that a peer that opens many streams and is silent on each
// holds only its own slots, and others are served.
func TestHostileStreams(t *testing.T) {
	testMesh(t, 3, func(m *mesh) {
		bad, victim, other := m.nodes[0], m.nodes[1], m.nodes[2]
		m.connect()
		var open []network.Stream
		for range 10 * maxServedPeer {
			str, err := bad.Host.NewStream(m.ctx, victim.Host.ID(), bad.protocol)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := str.Write([]byte{0}); err != nil {
				continue // it was reset already
			}
			open = append(open, str)
		}
		time.Sleep(time.Second)
		if got := victim.Stats.SyncStreamsRefused.Load(); got < 9*maxServedPeer {
			t.Errorf("%d streams refused, want %d", got, 9*maxServedPeer)
		}
		if err := other.ask(m.ctx, victim.Host.ID(), new(statusRequest), new(statusAnswer)); err != nil {
			t.Errorf("another peer is not served: %v", err)
		}
		for _, str := range open {
			str.Reset()
		}
	})
}

// TestSlots checks that while all slots are taken a request is reset after a while. The
// status, which is a sign of life, is answered at once.
func TestSlots(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		busy, other := m.nodes[0], m.nodes[1]
		busy.buildBlocks(1, 1)
		m.connect()
		settle()
		var taken []*slot
		for range maxServed {
			taken = append(taken, busy.server.slots.try(other.Host.ID(), func() {}))
		}
		ask := func(req syncRequest, ans syncMessage) error { return other.ask(m.ctx, busy.Host.ID(), req, ans) }
		began := time.Now()
		if err := ask(new(statusRequest), new(statusAnswer)); err != nil || time.Since(began) > time.Second {
			t.Errorf("the status: %v after %v", err, time.Since(began))
		}
		body := &bodyRequest{Hash: busy.Chain.Tip().Hash}
		if err := ask(body, new(txsAnswer)); err == nil {
			t.Error("a request without a slot is answered")
		}
		settle()
		if busy.Stats.SyncStreamsRefused.Load() == 0 {
			t.Error("a request without a slot is not counted")
		}
		busy.server.slots.give(taken[0])
		if err := ask(body, new(txsAnswer)); err != nil {
			t.Error(err)
		}
	})
}
