package sync

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/p2p/internal/wait"
)

const (
	// Bounds of the requests answered at once. One over maxServed waits for a slot (slots),
	// and is reset after answerTime. One over maxServedPeer is reset at once. An answer has
	// about 1 MiB at most, so serving takes some 64 MiB.
	maxServed     = 64
	maxServedPeer = 12
	// slotTime is how long a request keeps its slot. On a slow line each of many answers takes
	// seconds.
	slotTime = answerTime / 2
)

// A server answers the streams of the sync protocol from the chain.
type server struct {
	*core
	instance uint64 // names this run of the node in pool cursors
	recent   *recentBlocks
	slots    *slots
	ctx      context.Context // canceled by end; the contexts of handlers are made of it
	end      context.CancelFunc

	// answer makes the answer to a request. nil and ErrUnknown become kindUnknown.
	// Another error is a *misbehavior of the asker, or a failure here. Tests replace it.
	answer func(ctx context.Context, p peer.ID, req syncRequest) (syncMessage, error)

	perPeer wait.Bound // streams that are being answered

	mu      sync.Mutex     // held while ctx is canceled or running raised
	running sync.WaitGroup // one for each stream
}

func newServer(c *core, recent *recentBlocks) *server {
	ctx, end := context.WithCancel(context.Background())
	v := &server{
		core:     c,
		instance: rand.Uint64(),
		recent:   recent,
		slots:    new(slots),
		ctx:      ctx,
		end:      end,
		perPeer:  wait.Bound{Most: maxServedPeer},
	}
	v.answer = func(_ context.Context, _ peer.ID, req syncRequest) (syncMessage, error) { return v.lookUp(req) }
	return v
}

// handle is the host's handler of sync streams, called on a goroutine of each.
func (v *server) handle(str network.Stream) {
	p := str.Conn().RemotePeer()
	if !v.enter(p) {
		v.Stats.SyncStreamsRefused.Add(1)
		_ = str.Reset()
		return
	}
	defer v.leave(p)
	ctx, end := context.WithCancel(v.ctx)
	defer end()
	defer context.AfterFunc(ctx, func() { _ = str.Reset() })()
	if err := v.serve(ctx, str, p, end); err != nil {
		_ = str.Reset()
		v.Log.Debug("a sync request was not answered", "peer", p, "error", err)
		v.banMisbehaved(p, err)
		return
	}
	_ = str.Close()
}

// enter counts a new stream, unless its peer has too many or serving has ended.
func (v *server) enter(p peer.ID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ctx.Err() != nil || !v.perPeer.Enter(p) {
		return false
	}
	v.running.Add(1)
	return true
}

func (v *server) leave(p peer.ID) {
	v.perPeer.Leave(p)
	v.running.Done()
}

// stop resets the open streams and waits for the handlers to return.
func (v *server) stop() {
	v.mu.Lock()
	v.end()
	v.mu.Unlock()
	v.running.Wait()
}

// serve reads one request and answers it. It takes a slot only once the request is read
// and awaitBody is over, so that silent peers hold none. end ends ctx, which resets str.
func (v *server) serve(ctx context.Context, str network.Stream, p peer.ID, end func()) error {
	req, err := v.readRequest(str)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if req, ok := req.(*shortIDsRequest); ok {
		v.awaitBody(ctx, req.Hash)
	}
	if req.kind() != kindStatus { // a sign of life takes no slot
		mine, err := v.slots.take(ctx, p, func() { v.Stats.SyncStreamsRefused.Add(1); end() })
		if err != nil {
			v.Stats.SyncStreamsRefused.Add(1)
			return err
		}
		defer v.slots.give(mine)
	}
	ans, err := v.answer(ctx, p, req)
	if errors.Is(err, ledger.ErrUnknown) || err == nil && ans == nil {
		return v.writeFrame(str, kindUnknown, nil)
	}
	if err != nil {
		return err
	}
	payload, err := encodeMessage(ans)
	if err != nil {
		return err
	}
	var behind []byte
	if ans, ok := ans.(*statusAnswer); ok {
		behind = binary.BigEndian.AppendUint64(nil, uint64(v.Now().UnixMilli()))
		behind = binary.BigEndian.AppendUint64(behind, ans.digest)
	}
	if err := v.writeFrame(str, req.kind(), payload, behind...); err != nil {
		return err
	}
	if req, ok := req.(*poolTxsRequest); ok {
		v.seen.notePage(p, true, req.Keys)
	}
	return nil
}

// slots lets maxServed requests be answered at once. When all slots are taken, the peer that
// has the most loses its oldest to a peer that has none, or two fewer, if it has held it for
// slotTime. So peers that do not read their answers, however many, keep no other from being
// answered, and peers with equal shares keep them.
type slots struct {
	mu    sync.Mutex
	held  []*slot // oldest first
	freed wait.Change
}

// A slot is held by a request that is being answered.
type slot struct {
	peer peer.ID
	at   time.Time
	end  func() // resets the request's stream
}

// take waits for a slot, which the caller gives back.
func (s *slots) take(ctx context.Context, p peer.ID, end func()) (mine *slot, err error) {
	err = s.freed.Until(ctx, quietTime/4, func() bool { mine = s.try(p, end); return mine != nil })
	return mine, err
}

// try returns nil while no slot is free for p.
func (s *slots) try(p peer.ID, end func()) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) >= maxServed {
		if time.Since(s.held[0].at) < slotTime { // most calls end here
			return nil
		}
		count := make(map[peer.ID]int)
		for _, x := range s.held {
			count[x.peer]++
		}
		most := slices.MaxFunc(s.held, func(x, y *slot) int { return cmp.Compare(count[x.peer], count[y.peer]) }) // the oldest of them
		if count[p] > 0 && count[most.peer] < count[p]+2 || time.Since(most.at) < slotTime {
			return nil
		}
		most.end()
		s.drop(most)
	}
	mine := &slot{p, time.Now(), end}
	s.held = append(s.held, mine)
	return mine
}

func (s *slots) give(x *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(x)
	s.freed.Made()
}

// drop leaves x out. The caller holds mu.
func (s *slots) drop(x *slot) {
	s.held = slices.DeleteFunc(s.held, func(y *slot) bool { return x == y })
}

func (v *server) readRequest(str network.Stream) (syncRequest, error) {
	k, size, err := readHead(str)
	if err != nil {
		return nil, err
	}
	req := newRequest(k)
	if req == nil {
		return nil, misbehaved("sent a request of kind %d, which this version of the protocol does not have", k)
	}
	if size > req.limit() {
		return nil, misbehaved("sent a request of kind %d with %d bytes, over the limit of %d", k, size, req.limit())
	}
	b, err := readPaced(str, size)
	v.Stats.SyncBytesIn.Add(uint64(len(b)))
	if err != nil {
		return nil, err
	}
	if err := decodeMessage(b, req); err != nil {
		return nil, misbehaved("sent a malformed request of kind %d: %v", k, err)
	}
	return req, nil
}

// lookUp returns the answer.
func (v *server) lookUp(req syncRequest) (syncMessage, error) {
	switch req := req.(type) {
	case *statusRequest:
		st := v.Chain.Status()
		return &statusAnswer{
			Blocks: st.Tip.Blocks, Tip: st.Tip.Hash, Pool: uint32(st.Pool),
			Instance: v.instance, Next: st.NextArrival, digest: st.PoolDigest,
		}, nil
	case *headersRequest:
		return v.headers(req)
	case *bodyRequest:
		return v.txsOf(req.Hash, req.numbers)
	case *shortIDsRequest:
		return v.shortIDs(req)
	case *blockTxsRequest:
		return v.txsOf(req.Hash, req.numbers)
	case *poolTxsRequest:
		return v.poolTxs(req), nil
	case *poolSinceRequest:
		return v.poolSince(req), nil
	case *addressesRequest:
		return packPeers(v.Addrs()), nil
	}
	return nil, ledger.ErrUnknown
}

func (v *server) headers(req *headersRequest) (syncMessage, error) {
	view, err := v.Chain.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	hs, err := view.HeadersAfter(unpackHashes(req.Locator), int(req.Max))
	if err != nil {
		return nil, err
	}
	ans := new(headersAnswer)
	for _, h := range hs {
		ans.Headers = append(ans.Headers, ledger.EncodeHeader(h))
	}
	return ans, nil
}

// numbers returns which of h's transactions are asked for.
func (m *bodyRequest) numbers(h *ledger.SealedHeader) []int {
	picked := make([]int, max(1, int(h.Count)-int(m.From)))
	for i := range picked {
		picked[i] = int(m.From) + i
	}
	return picked
}

// numbers returns which of a block's transactions are asked for.
func (m *blockTxsRequest) numbers(*ledger.SealedHeader) []int {
	picked := make([]int, len(m.Indexes))
	for n, i := range m.Indexes {
		picked[n] = int(i)
	}
	return picked
}

// txsOf answers with the transactions of a block that have these numbers. A block that is
// not in memory is not read as a whole, so that an answer costs what it holds.
func (v *server) txsOf(hash ledger.Hash, numbers func(*ledger.SealedHeader) []int) (syncMessage, error) {
	pick := func(h *ledger.SealedHeader) ([]int, error) {
		picked := numbers(h)
		if last := slices.Max(picked); last >= int(h.Count) {
			return nil, misbehaved("asked for transaction %d of block %d, which has %d", last, h.Height, h.Count)
		}
		return picked, nil
	}
	if b := v.recent.has(hash); b != nil {
		picked, err := pick(&b.SealedHeader)
		if err != nil {
			return nil, err
		}
		txs := make([]*ledger.Transaction, len(picked))
		for n, i := range picked {
			txs[n] = b.Txs[i]
		}
		return newTxsAnswer(txs), nil
	}
	view, err := v.Chain.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	txs, err := view.BlockTxs(hash, pick)
	if err != nil {
		return nil, err
	}
	return newTxsAnswer(txs), nil
}

func (v *server) shortIDs(req *shortIDsRequest) (syncMessage, error) {
	b, err := v.recent.has(req.Hash), error(nil)
	if b == nil {
		b, err = v.Chain.BlockByHash(req.Hash)
	}
	if err != nil {
		return nil, err
	}
	return &shortIDsAnswer{IDs: packShortIDs(shortIDs(req.Hash, b.Txs))}, nil
}

func (v *server) poolTxs(req *poolTxsRequest) syncMessage {
	var txs []*ledger.Transaction
	var keys []ledger.TxKey
	for _, e := range v.Chain.Pool().Get(unpackKeys(req.Keys)) {
		if e.Tx != nil {
			txs, keys = append(txs, e.Tx), append(keys, e.Tx.Key())
		}
	}
	req.Keys = packKeys(keys) // all fit, and serve notes them as sent
	return newTxsAnswer(txs)
}

func (v *server) poolSince(req *poolSinceRequest) syncMessage {
	from := uint64(0)
	if req.Instance == v.instance {
		from = req.From
	}
	// Read before the pool, so that the page has all pool transactions with lower
	// numbers, unless it is full.
	next := max(from, v.Chain.Status().NextArrival)
	entries := v.Chain.Pool().List(from, int(req.Limit))
	keys := make([]ledger.TxKey, 0, len(entries))
	for _, e := range entries {
		keys = append(keys, e.Tx.Key())
		next = max(next, e.Arrival+1)
	}
	if len(entries) == int(req.Limit) {
		next = entries[len(entries)-1].Arrival + 1
	}
	return &poolSinceAnswer{Instance: v.instance, Keys: packKeys(keys), Next: next}
}
