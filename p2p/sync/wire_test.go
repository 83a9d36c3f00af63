package sync

import (
	"bytes"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/test"
	"github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

// answers returns an empty one of each answer.
func answers() []syncMessage {
	return []syncMessage{
		new(statusAnswer), new(headersAnswer), new(txsAnswer), new(shortIDsAnswer),
		new(poolSinceAnswer), new(addressesAnswer),
	}
}

// requests returns an empty one of each request.
func requests() []syncMessage {
	var all []syncMessage
	for k := kindStatus; newRequest(k) != nil; k++ {
		all = append(all, newRequest(k))
	}
	return all
}

// samples returns messages of every type, at their limits where they have some.
func samples(t testing.TB) []syncMessage {
	id, err := test.RandPeerID()
	if err != nil {
		t.Fatal(err)
	}
	addr := multiaddr.StringCast("/ip6/fe80::1234:5678:9abc:def0/tcp/19000")
	info := peer.AddrInfo{ID: id}
	for range maxPeerAddrs {
		info.Addrs = append(info.Addrs, addr)
	}
	infos := make([]peer.AddrInfo, maxPeers)
	for i := range infos {
		infos[i] = info
	}
	all := uint16(0)
	indexes := make([]uint16, ledger.MaxBlockTxs)
	for i := range indexes {
		indexes[i] = all
		all++
	}
	headers := make([][]byte, maxHeaders)
	for i := range headers {
		headers[i] = ledger.EncodeHeader(&ledger.SealedHeader{Header: ledger.Header{Height: 1<<64 - 1, Time: 1 << 52, Count: 10_000}})
	}
	hashes := make([]ledger.Hash, maxLocator)
	hashes[3][5] = 17
	return []syncMessage{
		&statusRequest{}, &addressesRequest{},
		&statusAnswer{Blocks: 1<<64 - 1, Tip: hashes[3], Pool: 1<<32 - 1, Instance: 1<<64 - 1, Next: 1<<64 - 1},
		&headersRequest{Locator: packHashes(hashes), Max: maxHeaders},
		&headersAnswer{Headers: headers},
		&headersAnswer{},
		&bodyRequest{Hash: hashes[3], From: ledger.MaxBlockTxs - 1},
		&txsAnswer{Txs: make([]byte, maxTxsBytes)},
		&shortIDsRequest{Hash: hashes[3]},
		&shortIDsAnswer{IDs: make([]byte, ledger.MaxBlockTxs*shortIDBytes)},
		&blockTxsRequest{Hash: hashes[3], Indexes: indexes},
		&poolTxsRequest{Keys: packKeys(make([]ledger.TxKey, maxPoolKeys))},
		&poolSinceRequest{Instance: 1<<64 - 1, From: 1<<64 - 1, Limit: maxPoolKeys},
		&poolSinceAnswer{Instance: 1, Keys: packKeys(make([]ledger.TxKey, maxPoolKeys)), Next: 1<<64 - 1},
		packPeers(infos),
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	for _, m := range samples(t) {
		b, err := encodeMessage(m)
		if err != nil {
			t.Errorf("%T: %v", m, err)
			continue
		}
		back := reflect.New(reflect.TypeOf(m).Elem()).Interface().(syncMessage)
		if err := decodeMessage(b, back); err != nil {
			t.Errorf("%T: %v", m, err)
		} else if !reflect.DeepEqual(m, back) {
			t.Errorf("%T came back as another", m)
		}
		if m.limit() > 2<<20 {
			t.Errorf("%T: its limit of %d bytes is over 2 MiB", m, m.limit())
		}
		for _, cut := range []int{0, 1, len(b) - 1} {
			if cut < len(b) && decodeMessage(b[:cut], back) == nil {
				t.Errorf("%T: the first %d bytes of %d were taken", m, cut, len(b))
			}
		}
		if decodeMessage(append(bytes.Clone(b), 0), back) == nil {
			t.Errorf("%T: taken with a byte too many", m)
		}
	}
}

// TestMessagesRefused checks messages that exceed a limit or break a rule.
func TestMessagesRefused(t *testing.T) {
	for name, m := range map[string]syncMessage{
		"no locator":             &headersRequest{Max: 1},
		"half a hash":            &headersRequest{Locator: make([]byte, 33), Max: 1},
		"no headers wanted":      &headersRequest{Locator: make([]byte, 32)},
		"too many headers":       &headersRequest{Locator: make([]byte, 32), Max: maxHeaders + 1},
		"beyond any block":       &bodyRequest{From: ledger.MaxBlockTxs},
		"no index":               &blockTxsRequest{},
		"an index twice":         &blockTxsRequest{Indexes: []uint16{1, 1}},
		"indexes falling":        &blockTxsRequest{Indexes: []uint16{2, 1}},
		"an index out of range":  &blockTxsRequest{Indexes: []uint16{ledger.MaxBlockTxs}},
		"half a short ID":        &shortIDsAnswer{IDs: make([]byte, 7)},
		"no key":                 &poolTxsRequest{},
		"half a key":             &poolTxsRequest{Keys: make([]byte, 31)},
		"no page":                &poolSinceRequest{},
		"too large a page":       &poolSinceRequest{Limit: maxPoolKeys + 1},
		"too many peers":         &addressesAnswer{Peers: slices.Repeat([]wirePeer{{ID: []byte(test.RandPeerIDFatal(t))}}, maxPeers+1)},
		"too many of one's":      &addressesAnswer{Peers: []wirePeer{{ID: []byte(test.RandPeerIDFatal(t)), Addrs: make([][]byte, maxPeerAddrs+1)}}},
		"answers too many heads": &headersAnswer{Headers: make([][]byte, maxHeaders+1)},
	} {
		b, err := ledger.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if decodeMessage(b, reflect.New(reflect.TypeOf(m).Elem()).Interface().(syncMessage)) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestAddressSize checks that the longest address travels, and that one byte more neither
// leaves nor arrives.
func TestAddressSize(t *testing.T) {
	id, err := test.RandPeerID()
	if err != nil {
		t.Fatal(err)
	}
	longest := multiaddr.StringCast("/dns/" + strings.Repeat("x", maxAddrBytes-3))
	longer := multiaddr.StringCast("/dns/" + strings.Repeat("x", maxAddrBytes-2))
	if len(longest.Bytes()) != maxAddrBytes || len(longer.Bytes()) != maxAddrBytes+1 {
		t.Fatalf("%d and %d bytes", len(longest.Bytes()), len(longer.Bytes()))
	}
	m := packPeers([]peer.AddrInfo{{ID: id, Addrs: []multiaddr.Multiaddr{longer, longest}}})
	if got := m.Peers[0].Addrs; len(got) != 1 || len(got[0]) != maxAddrBytes {
		t.Errorf("packed %d addresses: %q", len(got), got)
	}
	m.Peers[0].Addrs = append(m.Peers[0].Addrs, longer.Bytes(), []byte{0xff})
	infos := m.unpack()
	if err := m.check(); err != nil || len(infos) != 1 || len(infos[0].Addrs) != 1 || !infos[0].Addrs[0].Equal(longest) {
		t.Errorf("unpacked %v, %v", infos, err)
	}
	if m.Peers[0].ID = []byte{1}; m.check() == nil {
		t.Error("a peer ID of one byte is taken")
	}
}

// TestTransactionSizes checks that the bounds by which answers are filled are upper bounds.
func TestTransactionSizes(t *testing.T) {
	tx := &ledger.Transaction{Amount: ledger.MaxAmount, T: 1.5}
	if got := len(tx.Encode()); got > openTxBytes {
		t.Errorf("an open transaction has %d bytes", got)
	}
	tx.Auth = new(ledger.Auth)
	if got := len(tx.Encode()); got > keyedTxBytes {
		t.Errorf("a keyed transaction has %d bytes", got)
	}
	txs := make([]*ledger.Transaction, ledger.MaxBlockTxs)
	for i := range txs {
		txs[i] = tx
	}
	n := fitting(txs, maxTxsBytes, len(txs))
	if got := len(ledger.EncodeTransactions(txs[:n])); got > maxTxsBytes || n < 6000 {
		t.Errorf("%d transactions fit, of %d bytes", n, got)
	}
}

// TestDecodeAllocatesLittle checks that a few bytes that promise much are refused before
// anything is allocated for them.
func TestDecodeAllocatesLittle(t *testing.T) {
	for _, b := range [][]byte{
		{0x9a, 0xff, 0xff, 0xff, 0xff},
		{0x81, 0x9a, 0x00, 0xff, 0xff, 0xff, 0x01},
		{0x81, 0x5a, 0x00, 0x0f, 0xff, 0xff, 0x01},
		{0x82, 0x58, 0x20, 0x9a, 0x00, 0xff, 0xff, 0xff},
	} {
		for _, m := range append(requests(), answers()...) {
			if got := allocated(func() {
				if decodeMessage(b, m) == nil {
					t.Errorf("%T: %x was taken", m, b)
				}
			}); got > 64<<10 {
				t.Errorf("%T: %d bytes allocated for %x", m, got, b)
			}
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzMessages checks that what a decoder accepts encodes to the same bytes, and that it
// allocates no more than a multiple of them.
func FuzzMessages(f *testing.F) {
	for _, m := range samples(f) {
		if b, err := encodeMessage(m); err == nil && len(b) < 4096 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all := append(requests(), answers()...)
		errs := make([]error, len(all))
		got := allocated(func() {
			for i, m := range all {
				errs[i] = decodeMessage(b, m)
			}
		})
		if limit := uint64(len(all) * (8<<10 + 64*len(b))); got > limit {
			t.Errorf("%d bytes allocated for %d", got, len(b))
		}
		for i, m := range all {
			if errs[i] != nil {
				continue
			}
			if again, err := encodeMessage(m); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%T: %x encodes to %x, %v", m, b, again, err)
			}
			if a, ok := m.(*addressesAnswer); ok {
				_ = a.unpack()
			}
		}
	})
}

// FuzzGossip fuzzes what gossip validators read.
func FuzzGossip(f *testing.F) {
	net, err := ledger.NamedNetwork("fuzz")
	if err != nil {
		f.Fatal(err)
	}
	v := &receiver{core: &core{net: net}}
	tx := &ledger.Transaction{Amount: 1, T: 1}
	tx.Receiver[0] = 1
	f.Add(ledger.EncodeTransactions([]*ledger.Transaction{tx, tx}))
	f.Add(ledger.EncodeHeader(&ledger.SealedHeader{Header: ledger.Header{Version: 1, Count: 1, Bits: 16}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if txs, err := v.readTxs(b); err == nil && !bytes.Equal(ledger.EncodeTransactions(txs), b) {
			t.Errorf("transactions %x encode to others", b)
		}
		if h, err := v.readHeader(b); err == nil && !bytes.Equal(ledger.EncodeHeader(h), b) {
			t.Errorf("header %x encodes to another", b)
		}
	})
}
