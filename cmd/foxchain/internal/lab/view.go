package lab

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/store"
	"foxchain/p2p"
	"foxchain/rpc/api"
)

// Bounds of what is shown.
const (
	maxHeights = 30 // of blocks
	maxTxs     = 50 // sent in the lab
)

// A view is what was last seen of a running node. Lab.mu guards it.
type view struct {
	begun    bool // it was looked at before
	tip      ledger.Hash
	blocks   uint64
	final    int64 // height, -1 for none
	pool     int   // transactions in it
	syncing  bool
	peers    map[int]bool  // nodes of the lan that it is connected with
	refused  map[int]bool  // that it has cut off now
	evidence map[int]bool  // of which it can prove that they lied
	path     []ledger.Hash // its last blocks, lowest first
}

// A shownBlock is a block that a node of the lan has or had.
type shownBlock struct {
	header  ledger.Header
	builder int // its place, -1 for none of the lan
	txs     []ledger.TxKey
}

// A sentTx is a transaction that was sent in the lab.
type sentTx struct {
	tx       *ledger.Transaction
	from, to string
	on       [MaxNodes]seenTx // by place
	told     bool             // the log has a line that it waits
	clash    *sentTx          // the other one of a pair in conflict
}

// A seenTx is where a transaction is at one node.
type seenTx struct {
	came  bool   // it was in the pool
	via   string // the node from which it came, as far as this one knows, "" for a client
	pool  bool
	waits string // why it cannot be paid
	block ledger.Hash
}

// running returns the node's run, nil unless it runs.
func (m *labNode) running() *nodeRun {
	m.lan.lab.mu.Lock()
	defer m.lan.lab.mu.Unlock()
	return m.run
}

// watch looks at the node at each change, until ctx ends.
func (m *labNode) watch(ctx context.Context, run *nodeRun) {
	for {
		changed, net := run.Chain.Changed(), run.P2P.Changed()
		m.lookAtChain(run)
		m.lookAtNetwork(run)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-net:
		}
	}
}

// lookAtNetwork notes with which nodes the node is connected, and which it refuses.
func (m *labNode) lookAtNetwork(run *nodeRun) {
	nodes := run.P2P.Nodes()
	m.lan.lab.mu.Lock()
	defer m.lan.lab.mu.Unlock()
	if m.run == run {
		m.takePeers(nodes)
	}
}

// takePeers takes the node's report of the others, and logs changes. The caller holds
// Lab.mu.
func (m *labNode) takePeers(nodes []api.Peer) {
	l := m.lan.lab
	ids := make(map[string]int)
	for _, other := range m.lan.nodes {
		ids[other.peer] = other.at
	}
	before, banned := m.view.peers, m.view.refused
	m.view.peers, m.view.refused = make(map[int]bool), make(map[int]bool)
	for _, p := range nodes {
		at, ok := ids[p.ID]
		switch {
		case !ok:
		case p.Connected:
			m.view.peers[at] = true
		case p.State == p2p.Banned:
			m.view.refused[at] = true
			if banned[at] {
				continue
			}
			l.say("refused", both("%[1]s cuts %[2]s off for ten minutes: it %[3]s", "%[1]s 切断与 %[2]s 的往来十分钟：%[4]s", m.id, nodeID(at), p.Reason, chinese(p.Reason)))
		}
	}
	for at, other := range m.lan.nodes {
		switch there, here := other.view.peers[m.at], m.view.peers[at]; {
		case here == before[at] || here != there || !m.view.begun: // or the other end logs it
		case here:
			l.say("link", both("%s and %s are connected", "%s 与 %s 已连接", m.id, other.id))
		default:
			l.say("link", both("%s and %s have lost each other", "%s 与 %s 失去了联系", m.id, other.id))
		}
	}
	l.note()
}

// lookAtChain notes the chain and the pool of a node.
func (m *labNode) lookAtChain(run *nodeRun) {
	v, err := run.Chain.View()
	if err != nil {
		return // the run has ended
	}
	defer v.Close()
	l := m.lan.lab
	l.mu.Lock()
	old, txs := m.view, slices.Clone(m.lan.txs)
	keys, known := make([]ledger.TxKey, len(txs)), make([]bool, len(txs))
	for i, tx := range txs {
		keys[i] = tx.tx.Key()
		known[i] = tx.on[m.at].came
	}
	l.mu.Unlock()
	st, held := run.Chain.Status(), run.Chain.Pool().Get(keys)
	seen := view{begun: true, tip: v.Tip().Hash, blocks: v.Tip().Blocks, final: -1, pool: st.Pool, path: old.path, evidence: old.evidence}
	if st.Final != nil {
		seen.final = int64(st.Final.Block.Height)
	}
	if st.Evidence > 0 && len(old.evidence) < len(m.lan.nodes) {
		seen.evidence = m.proven(run)
	}
	_, behind := run.P2P.Behind()
	seen.syncing = behind > 0
	var fresh []*ledger.Block
	if !old.begun || seen.tip != old.tip {
		if seen.path, fresh, err = m.newPath(v); err != nil {
			return
		}
	}
	var beside []*ledger.SealedHeader
	if st.SideHeaders > 0 {
		beside = run.Chain.SideHeaders(seen.blocks-min(seen.blocks, maxHeights), maxHeights)
	}
	via := make(map[*sentTx]string) // the first peer that showed it
	for i, tx := range txs {
		if held[i].Tx == nil || known[i] {
			continue
		}
		via[tx] = ""
		told := run.P2P.Told(keys[i], nil).Peers
		if first := slices.IndexFunc(told, func(p api.Told) bool { return p.Had != nil }); first >= 0 {
			via[tx] = told[first].ID
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.run != run {
		return
	}
	for tx, peer := range via {
		tx.on[m.at].came = true
		tx.on[m.at].via = strings.Join(m.lan.idsWhere(func(other *labNode) bool { return peer != "" && other.peer == peer }), "")
	}
	for _, h := range beside {
		m.lan.addBlock(&ledger.Block{SealedHeader: *h}, m)
	}
	m.takeView(&seen, txs, held, fresh)
}

// newPath returns the last blocks of a chain, and which of them are new in the lan.
func (m *labNode) newPath(v *store.View) (path []ledger.Hash, fresh []*ledger.Block, err error) {
	blocks := v.Tip().Blocks
	for at := blocks - min(blocks, maxHeights); at < blocks; at++ {
		h, err := v.Hash(at)
		if err != nil {
			return nil, nil, err
		}
		path = append(path, h)
		m.lan.lab.mu.Lock()
		b := m.lan.blocks[h]
		known := b != nil && len(b.txs) > 0
		m.lan.lab.mu.Unlock()
		if known {
			continue
		}
		block, err := v.Block(at)
		if err != nil {
			return nil, nil, err
		}
		fresh = append(fresh, block)
	}
	return path, fresh, nil
}

// proven returns the nodes of which this one can prove that they lied.
func (m *labNode) proven(run *nodeRun) map[int]bool {
	all, err := run.Chain.Votes().Evidence()
	if err != nil {
		return nil // the chain stops
	}
	m.lan.lab.mu.Lock()
	defer m.lan.lab.mu.Unlock()
	liars := make(map[int]bool)
	for _, e := range all {
		if at := m.lan.place(run.Chain.Network().Builders[e.A.Builder]); at >= 0 {
			liars[at] = true
		}
	}
	return liars
}

// place returns the place of the node that has a key, -1 if none has. The caller holds
// Lab.mu.
func (n *lan) place(key ledger.PublicKey) int {
	return slices.IndexFunc(n.nodes, func(m *labNode) bool { return m.key == key })
}

// takeView takes a new view of the node, and logs changes. The caller holds Lab.mu.
func (m *labNode) takeView(seen *view, txs []*sentTx, held []chain.PoolEntry, fresh []*ledger.Block) {
	old := m.view
	seen.peers, seen.refused = old.peers, old.refused
	m.view = *seen
	for _, b := range fresh {
		m.lan.addBlock(b, m)
	}
	m.noteChain(&old)
	m.noteTxs(txs, held)
	l := m.lan.lab
	if seen.final > old.final && old.begun {
		l.say("final", both("for %s all up to block %d is final", "在 %s 看来，到区块 %d 为止都已最终确定", m.id, seen.final))
	}
	for at := range seen.evidence {
		if !old.evidence[at] && at != m.at {
			l.say("evidence", both("%s can prove that %s lied: it voted for two blocks at once", "%s 能证明 %s 说了谎：它同时给两个区块投了票", m.id, nodeID(at)))
		}
	}
	l.note()
}

// addBlock notes a block, which came to the node first. The caller holds Lab.mu.
func (n *lan) addBlock(b *ledger.Block, first *labNode) {
	hash := b.Hash()
	s := n.blocks[hash]
	known := s != nil
	if !known {
		s = &shownBlock{header: b.Header, builder: n.place(b.Builder)}
		n.blocks[hash] = s
	}
	if len(s.txs) == 0 {
		for _, tx := range b.Txs {
			s.txs = append(s.txs, tx.Key())
		}
	}
	if known {
		return
	}
	by := first.id
	if s.builder >= 0 {
		by = nodeID(s.builder)
	}
	n.lab.say("block", both("%[1]s built block %[2]d, of %[4]s (%[5]s)", "%[1]s 构建了区块 %[2]d，含 %[3]d 笔交易（%[5]s）", by, b.Height, b.Count, term.Count(int(b.Count), "transaction"), hash.Short()))
	for h, old := range n.blocks { // no longer shown
		if old.header.Height+2*maxHeights < b.Height {
			delete(n.blocks, h)
		}
	}
}

// noteChain logs that the node changed to another branch, and that all have a block. The
// caller holds Lab.mu.
func (m *labNode) noteChain(old *view) {
	n, l := m.lan, m.lan.lab
	if m.view.tip == old.tip {
		return
	}
	left := 0
	for _, h := range old.path {
		if b := n.blocks[h]; b != nil && b.header.Height+maxHeights >= m.view.blocks && !slices.Contains(m.view.path, h) {
			left++
		}
	}
	if left > 0 {
		l.say("fork", both("%[1]s goes over to the other branch: %[3]s of its chain gone, and the transactions in it wait again", "%[1]s 换到另一条分支：它的 %[2]d 个区块离开了链，其中的交易重新等待", m.id, left, term.Count(left, "block")))
	}
	sides := n.bySide()
	text := ""
	if len(sides) > 1 {
		text = strings.Join(sides, " | ")
	}
	switch {
	case text == n.forked:
	case text != "":
		l.say("fork", both("there are %d branches now: %s", "现在有 %d 条分支：%s", len(sides), text))
	default:
		l.say("fork", both("all nodes are on one chain again", "所有节点又在同一条链上了"))
	}
	n.forked = text
	for _, other := range n.nodes {
		if other.run != nil && other.view.tip != m.view.tip {
			return
		}
	}
	if m.view.blocks > 0 {
		l.say("block", both("all nodes have block %d", "所有节点都有了区块 %d", m.view.blocks-1))
	}
}

// bySide returns the running nodes, grouped by branch. A node that is only behind is on
// the branch of the other. The caller holds Lab.mu.
func (n *lan) bySide() (sides []string) {
	nodes := slices.DeleteFunc(slices.Clone(n.nodes), func(m *labNode) bool { return m.run == nil || !m.view.begun })
	slices.SortStableFunc(nodes, func(a, b *labNode) int { return cmp.Compare(b.view.blocks, a.view.blocks) })
	var on [][]*labNode // of each side, the highest first
	for _, m := range nodes {
		at := slices.IndexFunc(on, func(side []*labNode) bool {
			return m.view.blocks == 0 || slices.Contains(side[0].view.path, m.view.tip)
		})
		if at < 0 {
			at, on = len(on), append(on, nil)
		}
		on[at] = append(on[at], m)
	}
	for _, side := range on {
		sides = append(sides, strings.Join(n.idsWhere(func(m *labNode) bool { return slices.Contains(side, m) }), " "))
	}
	slices.Sort(sides)
	return sides
}

// noteTxs notes where the transactions of the lab are. The caller holds Lab.mu.
func (m *labNode) noteTxs(txs []*sentTx, held []chain.PoolEntry) {
	l := m.lan.lab
	for i, tx := range txs {
		in, seen := held[i].Tx != nil && held[i].Tx.Same(tx.tx), &tx.on[m.at]
		if in && !seen.pool {
			if by := seen.via; by != "" {
				l.say("tx", both("%s has transaction %s, from %s", "%s 有了交易 %s，来自 %s", m.id, tx.short(), by))
			} else {
				l.say("tx", both("%s has transaction %s", "%s 有了交易 %s", m.id, tx.short()))
			}
		}
		if in && held[i].Waiting != "" && !tx.told {
			tx.told = true
			l.say("tx", both("for %[1]s transaction %[2]s cannot be paid, and waits: %[3]s", "在 %[1]s 看来，交易 %[2]s 暂时无法支付，只能等待：%[4]s", m.id, tx.short(), held[i].Waiting, chinese(held[i].Waiting)))
		}
		seen.pool, seen.waits = in, held[i].Waiting
		tx.setBlock(m)
	}
}

// setBlock notes in which block of the node's chain the transaction is. A block below
// those shown stays noted.
func (t *sentTx) setBlock(m *labNode) {
	n, in := m.lan, &t.on[m.at].block
	for _, h := range m.view.path {
		if b := n.blocks[h]; b != nil && slices.Contains(b.txs, t.tx.Key()) {
			*in = h
			return
		}
	}
	if b := n.blocks[*in]; b != nil && b.header.Height+maxHeights >= m.view.blocks {
		*in = ledger.Hash{}
	}
}

// in reports whether it is in a block of the chain of the node at a place. The caller holds Lab.mu.
func (t *sentTx) in(at int) bool { return t.on[at].block != (ledger.Hash{}) }

func (t *sentTx) short() string { return t.tx.ID.String()[:8] }
