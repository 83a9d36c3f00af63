package rpc

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
)

// A slowDisk is a storage whose Sync takes a while. It keeps what is durable, the bytes
// of each file up to its last Sync.
type slowDisk struct {
	storage.Storage
	sync time.Duration

	mu     sync.Mutex
	data   map[storage.FileDesc][]byte
	synced map[storage.FileDesc]int
}

func newSlowDisk(sync time.Duration) *slowDisk {
	return &slowDisk{
		Storage: storage.NewMemStorage(), sync: sync,
		data: make(map[storage.FileDesc][]byte), synced: make(map[storage.FileDesc]int),
	}
}

func (d *slowDisk) Create(fd storage.FileDesc) (storage.Writer, error) {
	w, err := d.Storage.Create(fd)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.data[fd], d.synced[fd] = nil, 0
	return &slowFile{Writer: w, d: d, fd: fd}, err
}

func (d *slowDisk) Rename(from, to storage.FileDesc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.data[to], d.synced[to] = d.data[from], d.synced[from]
	delete(d.data, from)
	return d.Storage.Rename(from, to)
}

func (d *slowDisk) Remove(fd storage.FileDesc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.data, fd)
	return d.Storage.Remove(fd)
}

// afterPowerCut returns what the next start finds, the durable bytes and no others.
func (d *slowDisk) afterPowerCut(t *testing.T) storage.Storage {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	next := storage.NewMemStorage()
	for fd, data := range d.data {
		w, err := next.Create(fd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data[:d.synced[fd]]); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	meta, err := d.GetMeta()
	if err != nil {
		t.Fatal(err)
	}
	if err := next.SetMeta(meta); err != nil {
		t.Fatal(err)
	}
	return next
}

type slowFile struct {
	storage.Writer
	d  *slowDisk
	fd storage.FileDesc
}

func (f *slowFile) Write(b []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.data[f.fd] = append(f.d.data[f.fd], b...)
	return f.Writer.Write(b)
}

func (f *slowFile) Sync() error {
	f.d.mu.Lock()
	end := len(f.d.data[f.fd])
	f.d.mu.Unlock()
	time.Sleep(f.d.sync)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.synced[f.fd] = max(f.d.synced[f.fd], end)
	return f.Writer.Sync()
}

// shortBuffers makes the kernel keep little of what is not read.
type shortBuffers struct{ net.Listener }

func (l shortBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetReadBuffer(32 << 10)
	}
	return c, err
}

// A flooder sends as fast as it can, and does not wait for replies.
type flooder struct {
	ws       *websocket.Conn
	messages [][]*ledger.Transaction
	sent     atomic.Int64
	accepted int // messages that were answered with 202, in order
	most     int64
	err      error
}

func newFlooder(t *testing.T, addr string, first, messages, size int) *flooder {
	t.Helper()
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetWriteBuffer(32 << 10)
		}
		return c, err
	}}
	ws, res, err := d.Dial("ws://"+addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	t.Cleanup(func() { _ = ws.Close() })
	f := &flooder{ws: ws}
	for range messages {
		txs := make([]*ledger.Transaction, size)
		for i := range txs {
			txs[i] = mint(first, 1)
			first++
		}
		f.messages = append(f.messages, txs)
	}
	return f
}

// flood returns when all is answered.
func (f *flooder) flood() {
	go func() {
		for _, txs := range f.messages {
			if f.ws.WriteMessage(websocket.TextMessage, []byte(mergePool(txs...))) != nil {
				return // the reader sees it too
			}
			f.sent.Add(1)
		}
	}()
	for answered := range f.messages {
		_ = f.ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, b, err := f.ws.ReadMessage()
		if err != nil {
			f.err = err
			return
		}
		if !bytes.HasPrefix(b, []byte(`{"status":202,`)) || bytes.Contains(b, []byte(`"refused"`)) {
			f.err = fmt.Errorf("message %d: %.200s", answered, b)
			return
		}
		f.most = max(f.most, f.sent.Load()-int64(answered))
		f.accepted++
	}
}

// TestFasterThanTheDisk checks that clients that send faster than the disk takes are held
// back by their own connections, in bounded memory. All that was accepted is durable, and
// others are served meanwhile.
func TestFasterThanTheDisk(t *testing.T) {
	const clients, messages, size = 4, 60, 200
	disk := newSlowDisk(20 * time.Millisecond)
	cfg := chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "rpc-test"}), Storage: disk}
	chain := chaintest.Open(t, cfg)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t, func(c *Config) {
		_ = c.Listener.Close()
		c.Chain = chain
		c.Listener = &Listener{list: []net.Listener{shortBuffers{ln}}, sockets: make(chan struct{}, maxSockets), port: ln.Addr().(*net.TCPAddr).Port, loopback: true}
	}).start()
	var floods []*flooder
	for i := range clients {
		floods = append(floods, newFlooder(t, l.addr(), 1+i*messages*size, messages, size))
	}
	runtime.GC()
	before := heap()
	over := make(chan struct{})
	go func() {
		var wg sync.WaitGroup
		for _, f := range floods {
			wg.Go(f.flood)
		}
		wg.Wait()
		close(over)
	}()
	own, slowest, peak := serveMeanwhile(l, over)
	cfg.Storage = disk.afterPowerCut(t)
	accepted := checkDurable(t, chaintest.Open(t, cfg), floods, own)
	used := (max(peak, before) - before) >> 20
	t.Logf("%d accepted and durable; another client was answered %d times, after %s at most; %d MiB at the peak",
		accepted, 2*len(own), slowest.Round(time.Millisecond), used)
	if len(own) < 20 || slowest > 5*time.Second {
		t.Errorf("another client was answered %d times, after %s at most", 2*len(own), slowest)
	}
	if used > 200 {
		t.Errorf("%d MiB at the peak", used)
	}
	for i, f := range floods {
		if f.err != nil || f.accepted != messages {
			t.Errorf("client %d: %d of %d messages were accepted: %v", i, f.accepted, messages, f.err)
		}
		if f.most > messages/2 {
			t.Errorf("client %d got rid of %d messages that were not answered", i, f.most)
		}
	}
}

// serveMeanwhile has another client ask and submit until the floods are over. It returns
// what that client submitted, how long it waited at most for two answers, and the largest
// heap that it saw.
func serveMeanwhile(l *lab, over <-chan struct{}) (own []*ledger.Transaction, slowest time.Duration, peak uint64) {
	c := l.client()
	for {
		select {
		case <-over:
			return own, slowest, peak
		default:
		}
		began := time.Now()
		tx := mint(900_000+len(own), 1)
		c.ask(`{"op":"time"}`)
		c.wants(mergePool(tx), acceptedMsg)
		own = append(own, tx)
		slowest, peak = max(slowest, time.Since(began)), max(peak, heap())
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// checkDurable checks that a chain has all that was accepted,
// and returns its number.
func checkDurable(t *testing.T, chain *chain.Chain, floods []*flooder, own []*ledger.Transaction) (accepted int) {
	t.Helper()
	all := slices.Clone(own)
	for _, f := range floods {
		for _, txs := range f.messages[:f.accepted] {
			all = append(all, txs...)
		}
	}
	keys := make([]ledger.TxKey, len(all))
	for i, tx := range all {
		keys[i] = tx.Key()
	}
	for i, e := range chain.Pool().Get(keys) {
		if e.Tx == nil || !e.Tx.Same(all[i]) {
			t.Fatalf("transaction %s was accepted, and is not there after a power cut", all[i].ID)
		}
	}
	return len(all)
}
