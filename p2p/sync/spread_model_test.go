package sync

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"google.golang.org/protobuf/proto"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
)

// The model plays what the code does with a transaction and a block, for
// networks that are too large for real nodes. A header is flooded by its origin
// and goes on along the gossip mesh. A node that receives it asks the
// sender for the short IDs, then for what it lacks, and is answered as soon as the
// sender has the body. Links take their time, and a node's sending has a rate, which
// its connections share packet by packet. What nodes compute takes no time, as
// in the simulation. It is added to the end, see BenchmarkBlockPropagation.
// Nothing is lost, and no connection is slow at its start.

const (
	packetBytes = 1200 // of payload
	// A stream's two sides each send multistream's name and the protocol's.
	streamHello = len("/multistream/1.0.0\n") + 1
)

// sizes are those of the messages, in bytes.
type sizes struct {
	tx, header  int // gossip
	ihave       int
	ask, answer int // what a stream adds to a request, to an answer
	shortAsk    int // a request
}

func sizesOf(net *ledger.Network) sizes {
	gossiped := func(kind string, data int) int {
		topic := gossip.TopicName(net, kind)
		return proto.Size(&pb.RPC{Publish: []*pb.Message{{Data: make([]byte, data), Topic: &topic}}}) + 2
	}
	request := func(m syncMessage) int { b, _ := encodeMessage(m); return len(b) }
	topic := gossip.TopicName(net, "block")
	stream := streamHello + len(gossip.ProtocolID(net, "sync")) + 2 + frameHead
	return sizes{
		tx:     gossiped("tx", openTxBytes-7),
		header: gossiped("block", 270),
		ihave: proto.Size(&pb.RPC{Control: &pb.ControlMessage{Ihave: []*pb.ControlIHave{
			{TopicID: &topic, MessageIDs: []string{string(make([]byte, 32))}}}}}) + 2,
		ask: stream, answer: stream,
		shortAsk: request(&shortIDsRequest{}),
	}
}

// A model is one run. Its time is the time since the start.
type model struct {
	c    spreadCase
	g    graph
	size sizes
	rng  *rand.Rand
	mesh [][]int

	now    time.Duration
	events events
	up     []uplink
	bytes  []int
}

func newModel(c spreadCase, net *ledger.Network) *model {
	m := &model{c: c, g: c.graph(), size: sizesOf(net), rng: rand.New(rand.NewPCG(c.seed, 2)),
		up: make([]uplink, c.nodes), bytes: make([]int, c.nodes)}
	m.graft()
	return m
}

// graft makes the mesh as gossipsub's first heartbeats do. A node that has fewer than Dlo
// takes peers until it has D, one that has Dhi drops all but D, and one that has Dhi refuses.
func (m *model) graft() {
	const least, d, most = 2, 3, 5
	linked := make([]map[int]bool, m.c.nodes)
	for i := range linked {
		linked[i] = make(map[int]bool)
	}
	for range 4 {
		for _, i := range m.rng.Perm(m.c.nodes) {
			if len(linked[i]) >= least {
				continue
			}
			for _, at := range m.rng.Perm(len(m.g.peers[i])) {
				if p := m.g.peers[i][at]; len(linked[i]) < d && len(linked[p]) < most {
					linked[i][p], linked[p][i] = true, true
				}
			}
		}
		for _, i := range m.rng.Perm(m.c.nodes) {
			if len(linked[i]) < most {
				continue
			}
			for _, at := range m.rng.Perm(len(m.g.peers[i])) {
				if p := m.g.peers[i][at]; len(linked[i]) > d {
					delete(linked[i], p)
					delete(linked[p], i)
				}
			}
		}
	}
	m.mesh = make([][]int, m.c.nodes)
	for i, peers := range m.g.peers { // in the peers' order, since a map has none
		for _, p := range peers {
			if linked[i][p] {
				m.mesh[i] = append(m.mesh[i], p)
			}
		}
	}
}

// at has f called at a time.
func (m *model) at(t time.Duration, f func()) {
	heap.Push(&m.events, event{t, len(m.events.all) + m.events.popped, f})
}

func (m *model) run() {
	for len(m.events.all) > 0 {
		e := heap.Pop(&m.events).(event)
		m.now = e.at
		e.do()
	}
}

// gossip spreads a message of size bytes from node 0. received is called when a
// node receives it first, with the sender.
func (m *model) gossip(size int, received func(node, from int)) {
	const origin = -1
	seen := make([]bool, m.c.nodes)
	var receive func(node, from int)
	receive = func(node, from int) {
		if seen[node] {
			return
		}
		seen[node] = true
		to := m.mesh[node]
		if from == origin && !m.c.meshOnly {
			to = m.g.peers[node]
		}
		for _, p := range to {
			if p != from {
				m.send(node, p, size, func() { receive(p, node) })
			}
		}
		m.ihave(node)
		received(node, from)
	}
	receive(0, origin)
}

// ihave counts what the next two heartbeats announce to peers outside the mesh.
func (m *model) ihave(node int) {
	others := len(m.g.peers[node]) - len(m.mesh[node])
	m.bytes[node] += 2 * min(others, 2) * m.size.ihave
}

// transaction spreads a transaction.
func (m *model) transaction() spread {
	var times []time.Duration
	m.gossip(m.size.tx, func(node, _ int) {
		if node != 0 {
			times = append(times, m.now)
		}
	})
	m.run()
	return spread{times, m.bytes}
}

// block spreads a block.
func (m *model) block() spread {
	var times []time.Duration
	has := make([]bool, m.c.nodes)
	waiting := make([][]func(), m.c.nodes) // until the node has the body
	got := func(node int) {
		has[node] = true
		if node != 0 {
			times = append(times, m.now)
		}
		for _, f := range waiting[node] {
			f()
		}
	}
	m.gossip(m.size.header, func(node, from int) {
		if node == 0 {
			got(0)
			return
		}
		m.ask(node, from, m.size.shortAsk, shortIDBytes*m.c.txs+4, func(answer func()) {
			if has[from] {
				answer()
			} else {
				waiting[from] = append(waiting[from], answer)
			}
		}, func() {
			if m.c.lacks == 0 {
				got(node)
				return
			}
			m.ask(node, from, 40+3*m.c.lacks, (openTxBytes-7)*m.c.lacks, func(answer func()) { answer() }, func() { got(node) })
		})
	})
	m.run()
	return spread{times, m.bytes}
}

// ask sends a request. Its arrival calls there, with the function that answers. The
// answer's arrival calls then.
func (m *model) ask(node, of, request, answer int, there func(answer func()), then func()) {
	m.send(node, of, m.size.ask+request, func() {
		there(func() { m.send(of, node, m.size.answer+answer, then) })
	})
}

// An uplink is what a node has still to send.
type uplink struct {
	busy  bool
	flows []*flow // one for each peer, served in turns
}

type flow struct {
	to       int
	messages []message
}

type message struct {
	left    int // bytes
	arrived func()
}

func (m *model) send(from, to, size int, arrived func()) {
	m.bytes[from] += size
	u := &m.up[from]
	at := slices.IndexFunc(u.flows, func(f *flow) bool { return f.to == to })
	if at < 0 {
		at = len(u.flows)
		u.flows = append(u.flows, &flow{to: to})
	}
	u.flows[at].messages = append(u.flows[at].messages, message{size, arrived})
	if !u.busy {
		m.transmit(from)
	}
}

// transmit sends a packet of the flow whose turn it is.
func (m *model) transmit(from int) {
	u := &m.up[from]
	u.busy = len(u.flows) > 0
	if !u.busy {
		return
	}
	f := u.flows[0]
	msg := &f.messages[0]
	size := min(msg.left, packetBytes)
	msg.left -= size
	sent := m.now + time.Duration(size)*8*time.Second/time.Duration(m.c.wire.bits)
	if msg.left == 0 {
		arrived := msg.arrived
		f.messages = f.messages[1:]
		m.at(sent+m.g.delay[from][f.to], arrived)
	}
	u.flows = u.flows[1:]
	if len(f.messages) > 0 {
		u.flows = append(u.flows, f)
	}
	m.at(sent, func() { m.transmit(from) })
}

// An event happens at its time. Events of one time happen in the order they were made.
type event struct {
	at    time.Duration
	order int
	do    func()
}

type events struct {
	all    []event
	popped int
}

func (e *events) Len() int      { return len(e.all) }
func (e *events) Swap(i, j int) { e.all[i], e.all[j] = e.all[j], e.all[i] }
func (e *events) Push(x any)    { e.all = append(e.all, x.(event)) }
func (e *events) Less(i, j int) bool {
	if e.all[i].at != e.all[j].at {
		return e.all[i].at < e.all[j].at
	}
	return e.all[i].order < e.all[j].order
}
func (e *events) Pop() any {
	last := len(e.all) - 1
	x := e.all[last]
	e.all = e.all[:last]
	e.popped++
	return x
}

// modelled plays a case with the model.
func modelled(t *testing.T, c spreadCase) (tx, block spread) {
	net := ledgertest.Network(t, ledger.Network{Name: "mesh", Bits: 4})
	return newModel(c, net).transaction(), newModel(c, net).block()
}
