package lab

import (
	"slices"

	"foxchain/ledger"
)

// The state in the form for the page.
type (
	state struct {
		Time    int64         `json:"time"` // Unix milliseconds
		Lan     int           `json:"lan"`  // counts the networks of this lab
		Voters  bool          `json:"voters"`
		Nodes   []nodeState   `json:"nodes"`
		Links   []linkState   `json:"links"`
		Blocks  []blockState  `json:"blocks"`
		Txs     []txState     `json:"txs"`
		Lesson  *lessonState  `json:"lesson"`
		Lessons []lessonTitle `json:"lessons"`
	}
	nodeState struct {
		ID       string `json:"id"`
		State    string `json:"state"`
		Page     string `json:"page"`
		Height   int64  `json:"height"` // of the tip, -1 for an empty chain
		Tip      string `json:"tip"`
		Final    int64  `json:"final"` // height, -1 for none
		Pool     int    `json:"pool"`  // transactions in it
		Building bool   `json:"building"`
		Clock    string `json:"clock"` // how far it is off, "" if it is right
		Lie      string `json:"lie"`
		Syncing  bool   `json:"syncing"`
	}
	linkState struct {
		A     string `json:"a"`
		B     string `json:"b"`
		Cut   bool   `json:"cut"`
		Delay string `json:"delay"`
		Loss  int    `json:"loss"`
		Up    bool   `json:"up"` // both ends report the connection
	}
	blockState struct {
		Hash    ledger.Hash `json:"hash"`
		Prev    ledger.Hash `json:"prev"`
		Height  uint64      `json:"height"`
		Txs     int         `json:"txs"`
		Builder string      `json:"builder"`
		Time    uint64      `json:"time"`
		On      []string    `json:"on"`
		FinalOn []string    `json:"final_on"`
		TipOf   []string    `json:"tip_of"`
	}
	txState struct {
		ID     string                 `json:"id"`
		From   string                 `json:"from"`
		To     string                 `json:"to"`
		Amount uint64                 `json:"amount,string"`
		Pool   []string               `json:"pool"`
		Block  map[string]ledger.Hash `json:"block"`
		Via    map[string]string      `json:"via"`   // from which node it came to each, as far as that one knows
		Waits  *Text                  `json:"waits"` // why it cannot be paid, null if it can
		Clash  string                 `json:"clash"`
	}
	lessonTitle struct {
		Name  string `json:"name"`
		Title Text   `json:"title"`
	}
	lessonState struct {
		Name    string `json:"name"`
		Title   Text   `json:"title"`
		Step    int    `json:"step"`
		Steps   int    `json:"steps"`
		Text    Text   `json:"text"`
		Done    bool   `json:"done"`
		Waiting string `json:"waiting"`
		Failed  *Text  `json:"failed"` // null if it has not
	}
)

// show returns a node in the form for the page. The caller holds Lab.mu.
func (m *labNode) show() nodeState {
	v := &m.view
	building, lie, _ := m.liar.told()
	s := nodeState{ID: m.id, State: m.state, Height: int64(v.blocks) - 1, Final: v.final, Pool: v.pool,
		Building: building, Clock: m.off, Lie: lie, Syncing: v.syncing}
	if v.blocks > 0 {
		s.Tip = v.tip.String()
	}
	if !v.begun {
		s.Final = -1
	}
	if m.run != nil {
		s.Page = m.run.page()
	}
	return s
}

// idsWhere returns the nodes for which something holds. The caller holds Lab.mu.
func (n *lan) idsWhere(holds func(*labNode) bool) []string {
	ids := []string{}
	for _, m := range n.nodes {
		if holds(m) {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// linked reports whether both ends report the connection. The caller holds Lab.mu.
func (n *lan) linked(a, b int) bool { return n.nodes[a].view.peers[b] && n.nodes[b].view.peers[a] }

func (n *lan) showBlock(hash ledger.Hash, b *shownBlock) blockState {
	s := blockState{Hash: hash, Prev: b.header.Parent, Height: b.header.Height, Txs: int(b.header.Count), Time: b.header.Time,
		On:    n.idsWhere(func(m *labNode) bool { return slices.Contains(m.view.path, hash) }),
		TipOf: n.idsWhere(func(m *labNode) bool { return m.view.blocks > 0 && m.view.tip == hash }),
	}
	s.FinalOn = n.idsWhere(func(m *labNode) bool {
		return slices.Contains(s.On, m.id) && m.view.final >= int64(s.Height)
	})
	if b.builder >= 0 {
		s.Builder = nodeID(b.builder)
	}
	return s
}

func (n *lan) showTx(t *sentTx) txState {
	s := txState{ID: t.tx.ID.String(), From: t.from, To: t.to, Amount: t.tx.Amount,
		Pool: n.idsWhere(func(m *labNode) bool { return t.on[m.at].pool }), Block: make(map[string]ledger.Hash), Via: make(map[string]string)}
	for _, m := range n.nodes {
		seen := &t.on[m.at]
		if t.in(m.at) {
			s.Block[m.id] = seen.block
		}
		if seen.via != "" {
			s.Via[m.id] = seen.via
		}
		if seen.waits != "" && m.run != nil {
			s.Waits = &Text{seen.waits, chinese(seen.waits)}
		}
	}
	if t.clash != nil {
		s.Clash = t.clash.tx.ID.String()
	}
	return s
}
