package p2p

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
)

// asRPC returns an RPC of gossipsub with one message, as its streams carry it.
func asRPC(topic string, data []byte) []byte {
	field := func(tag byte, b []byte) []byte {
		return append(binary.AppendUvarint([]byte{tag}, uint64(len(b))), b...)
	}
	rpc := field(2<<3|2, append(field(2<<3|2, data), field(4<<3|2, []byte(topic))...))
	return append(binary.AppendUvarint(nil, uint64(len(rpc))), rpc...)
}

// liveHeap returns the bytes that the last garbage collection found in use.
func liveHeap() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// TestAttackMemory has a peer gossip valid messages of 63 kB as fast as the wire takes
// them, to a node with another peer that reads no gossip. The node holds no more than the
// messages that its budget lets in and what it made of them.
func TestAttackMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 380 MB")
	}
	const (
		messages = 6000
		size     = 63_000
		bound    = 640 << 20 // by the doc of package gossip; all of it takes a gibibyte
	)
	victim := realNode(t, 0, nil)
	to := func(c *Config) { c.Peers = victim.Addrs() }
	deaf, flooder := realNode(t, 1, to), realNode(t, 2, to)
	for _, id := range []protocol.ID{pubsub.GossipSubID_v10, pubsub.GossipSubID_v11, pubsub.GossipSubID_v12, pubsub.GossipSubID_v13} {
		deaf.host.SetStreamHandler(id, func(network.Stream) {})
	}
	connected := func() bool { return len(victim.table.connectedKeys()) == 2 }
	await(t, victim, 20*time.Second, "both are connected", connected)

	txs := ledgertest.Mint(1, 1000)
	data := ledger.EncodeTransactions(txs)
	for ; len(data) > size; data = ledger.EncodeTransactions(txs) {
		txs = txs[1:]
	}
	id := bytes.Index(data, txs[0].ID[:]) // another ID is another message
	topic := gossip.TopicName(victim.net, "tx")
	var str network.Stream
	send := func(b []byte) (err error) {
		for range 20 { // the victim keeps one stream of a peer, and the flooder's own gossip tries again
			if str == nil {
				str, err = flooder.host.NewStream(t.Context(), victim.host.ID(), pubsub.GossipSubID_v11)
			}
			if err == nil {
				_, err = str.Write(b)
			}
			if err == nil {
				return nil
			}
			str, err = nil, nil
			time.Sleep(100 * time.Millisecond)
		}
		return errors.New("the victim takes no gossip")
	}
	runtime.GC()
	before, most := liveHeap(), int64(0)
	for i := range uint64(messages) {
		binary.BigEndian.PutUint64(data[id:], i+1)
		if err := send(asRPC(topic, data)); err != nil {
			t.Fatal(err)
		}
		most = max(most, liveHeap()-before)
	}
	runtime.GC()
	most = max(most, liveHeap()-before)
	t.Logf("%d messages of %d bytes, at most %d MiB more in use", messages, len(data), most>>20)
	if most > bound {
		t.Errorf("%d MiB more are in use, over %d", most>>20, bound>>20)
	}
	if n := victim.Stats()["peers_cut"]; n != 0 {
		t.Errorf("%d peers were banned for valid messages", n)
	}
	await(t, victim, 20*time.Second, "both are connected still", connected)
}
