package lab

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/pool"
)

// Bounds of what a command may set.
const (
	maxDelay = 10 * time.Second
	maxLoss  = 90 // percent
	maxAhead = 100 * 365 * 24 * time.Hour
)

// An action does a command. It returns when that is done.
type action func(ctx context.Context, l *Lab) error

// A parser reads commands for a network of so many nodes.
type parser struct{ nodes int }

// A verb begins a command.
type verb struct {
	usage Text // ZH is "" if there are no words in it
	nodes int  // how many different nodes it names first
	more  int  // how many words follow, -1 for any number
	parse func(p *parser, at []int, more []string) (action, bool)
}

// verbs returns the commands for the page and for scenarios.
func verbs() map[string]verb {
	return map[string]verb{
		"cut":      {Text{EN: "cut A B"}, 2, 0, (*parser).cut},
		"heal":     {Text{"heal A B, or heal for all links", "heal A B，或用 heal 恢复所有链路"}, 0, -1, (*parser).heal},
		"split":    {Text{"split A B | C D, with each node once", "split A B | C D，每个节点一次"}, 0, -1, (*parser).split},
		"slow":     {Text{"slow A B 200ms, at most 10s, 0 for no delay", "slow A B 200ms，最多 10s，0 为无延迟"}, 2, 1, (*parser).slow},
		"loss":     {Text{"loss A B 10%, at most 90%", "loss A B 10%，最多 90%"}, 2, 1, (*parser).loss},
		"stop":     {Text{EN: "stop A"}, 1, 0, parseNode(func(m *labNode) error { return m.stop(stopped) })},
		"kill":     {Text{EN: "kill A"}, 1, 0, parseNode(func(m *labNode) error { return m.stop(killed) })},
		"start":    {Text{EN: "start A"}, 1, 0, parseNode((*labNode).start)},
		"add":      {Text{EN: "add"}, 0, 0, (*parser).add},
		"clock":    {Text{"clock A +2h, clock A -10m or clock A right", "clock A +2h，clock A -10m，或 clock A right"}, 1, 1, (*parser).setClock},
		"build":    {Text{"build A on, or build A off", "build A on，或 build A off"}, 1, 1, (*parser).build},
		"lie":      {Text{"lie A two-blocks, lie A withhold, lie A invalid, or lie A off", "lie A two-blocks，lie A withhold，lie A invalid，或 lie A off"}, 1, 1, (*parser).lie},
		"send":     {Text{"send A 5, or send A 5 from X to Y", "send A 5，或 send A 5 from X to Y"}, 1, -1, (*parser).send},
		"conflict": {Text{"conflict A B 5, or conflict A B 5 from X", "conflict A B 5，或 conflict A B 5 from X"}, 2, -1, (*parser).conflict},
	}
}

// parse reads a command. An error names the rule.
func (p *parser) parse(text string) (action, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, refuse("there is no command", "没有命令")
	}
	v, ok := verbs()[words[0]]
	if !ok {
		return nil, refuse("there is no command %q. There are %s", "没有 %q 这个命令，有：%s", words[0], strings.Join(slices.Sorted(maps.Keys(verbs())), ", "))
	}
	for i, w := range words[1:] {
		if len(w) == 1 && w[0] >= 'A' && w[0] <= 'Z' && p.node(w) < 0 && (i == 0 || words[0] != "send") { // which has accounts behind its node
			return nil, refuse("there is no node %s: the nodes are A to %s", "没有节点 %s：节点是 A 到 %s", w, nodeID(p.nodes-1))
		}
	}
	if at, more, ok := p.named(v.nodes, words[1:]); ok && (v.more < 0 || v.more == len(more)) {
		if act, ok := v.parse(p, at, more); ok {
			return act, nil
		}
	}
	return nil, refuse("%[1]q is not as it must be: %[2]s", "%[1]q 的写法不对，应为：%[3]s", text, v.usage.EN, cmp.Or(v.usage.ZH, v.usage.EN))
}

// node returns the place of a node, -1 if there is none.
func (p *parser) node(word string) int {
	if len(word) != 1 || word[0] < 'A' || int(word[0]-'A') >= p.nodes {
		return -1
	}
	return int(word[0] - 'A')
}

// named reads so many different nodes at the beginning of a list of words, and returns
// the other words.
func (p *parser) named(nodes int, words []string) (at []int, more []string, ok bool) {
	for _, w := range words[:min(nodes, len(words))] {
		if p.node(w) >= 0 && !slices.Contains(at, p.node(w)) {
			at = append(at, p.node(w))
		}
	}
	return at, words[len(at):], len(at) == nodes
}

// onLinks returns an action that changes the faults of the link between two nodes, or of
// all links if at is empty.
func onLinks(at []int, change func(l *link, f *faults)) action {
	return func(_ context.Context, l *Lab) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		links := slices.Collect(maps.Values(l.lan.links))
		if len(at) > 0 {
			links = []*link{l.lan.link(at[0], at[1])}
		}
		for _, link := range links {
			if link == nil {
				return errOther
			}
			link.set(func(f *faults) { change(link, f) })
		}
		l.note()
		return nil
	}
}

func (p *parser) cut(at []int, _ []string) (action, bool) {
	return onLinks(at, func(_ *link, f *faults) { f.cut = true }), true
}

func (p *parser) heal(_ []int, words []string) (action, bool) {
	at, more, ok := p.named(min(2, len(words)), words)
	return onLinks(at, func(_ *link, f *faults) { *f = faults{dark: f.dark} }), ok && len(at) != 1 && len(more) == 0
}

func (p *parser) split(_ []int, words []string) (action, bool) {
	side, named := make(map[int]int), 0
	for _, w := range words {
		if w == "|" {
			named++
			continue
		}
		at := p.node(w)
		if _, twice := side[at]; at < 0 || twice {
			return nil, false
		}
		side[at] = named
	}
	return onLinks(nil, func(l *link, f *faults) { f.cut = side[l.a] != side[l.b] }), named > 0 && len(side) == p.nodes
}

func (p *parser) slow(at []int, more []string) (action, bool) {
	delay, err := time.ParseDuration(more[0])
	return onLinks(at, func(_ *link, f *faults) { f.delay = delay }), err == nil && delay >= 0 && delay <= maxDelay
}

func (p *parser) loss(at []int, more []string) (action, bool) {
	percent, err := strconv.Atoi(strings.TrimSuffix(more[0], "%"))
	return onLinks(at, func(_ *link, f *faults) { f.loss = percent }), err == nil && percent >= 0 && percent <= maxLoss
}

// errOther refuses a command for a node that the present network does not have.
var errOther = refuse("the lab has another network by now, without this node", "实验室已换成另一个网络，其中没有这个节点")

// node returns a node, or nil if the network has fewer.
func (l *Lab) node(at int) *labNode {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at >= len(l.lan.nodes) {
		return nil
	}
	return l.lan.nodes[at]
}

// onNode returns an action on a node. Only one command on a node runs at a time.
func onNode(at int, do func(*labNode) error) action {
	return func(_ context.Context, l *Lab) error {
		l.doing.Lock()
		defer l.doing.Unlock()
		m := l.node(at)
		if m == nil {
			return errOther
		}
		return do(m)
	}
}

// tell returns an action that changes a node under Lab.mu.
func tell(at int, change func(*labNode)) action {
	return onNode(at, func(m *labNode) error {
		m.lan.lab.mu.Lock()
		defer m.lan.lab.mu.Unlock()
		change(m)
		m.lan.lab.note()
		return nil
	})
}

// parseNode reads a command for one node, without more words.
func parseNode(do func(*labNode) error) func(*parser, []int, []string) (action, bool) {
	return func(_ *parser, at []int, _ []string) (action, bool) { return onNode(at[0], do), true }
}

func (p *parser) add([]int, []string) (action, bool) {
	if p.nodes < MaxNodes {
		p.nodes++ // the next commands of a scenario may name it
	}
	return func(_ context.Context, l *Lab) error {
		l.doing.Lock()
		defer l.doing.Unlock()
		l.mu.Lock()
		if len(l.lan.nodes) == MaxNodes {
			l.mu.Unlock()
			return refuse("a lab has at most %d nodes", "实验室最多有 %d 个节点", MaxNodes)
		}
		m := l.lan.newNode()
		l.mu.Unlock()
		return m.start()
	}, true
}

func (p *parser) setClock(at []int, more []string) (action, bool) {
	off := more[0]
	ahead, err := time.ParseDuration(off)
	if off == "right" {
		err = nil
	}
	switch {
	case ahead == 0:
		off = ""
	case ahead > 0:
		off = "+" + strings.TrimPrefix(off, "+")
	}
	return tell(at[0], func(m *labNode) {
		m.ahead.Store(int64(ahead))
		m.off = off
	}), err == nil && ahead.Abs() <= maxAhead
}

func (p *parser) build(at []int, more []string) (action, bool) {
	on := more[0] == "on"
	return tell(at[0], func(m *labNode) { m.liar.set(func(y *liar) { y.on = on }) }), on || more[0] == "off"
}

func (p *parser) lie(at []int, more []string) (action, bool) {
	lie, lies := more[0], []string{twoBlocks, withhold, invalid}
	if lie == "off" {
		lie, lies = "", append(lies, "")
	}
	return tell(at[0], func(m *labNode) { m.liar.set(func(y *liar) { y.lie = lie }) }), slices.Contains(lies, lie)
}

const issuer = "issuer"

// accounts is the namespace of the UUIDs of named accounts.
var accounts = uuid.MustParse("f0cca1b0-0000-4000-8000-000000000000")

// account returns the account of a name, which may be a UUID. The issuer is the zero
// account.
func account(name string) uuid.UUID {
	if name == issuer {
		return uuid.UUID{}
	}
	if id, err := uuid.Parse(name); err == nil {
		return id
	}
	return uuid.NewSHA1(accounts, []byte(name))
}

func parseAmount(word string) (uint64, bool) {
	n, err := strconv.ParseUint(word, 10, 64)
	return n, err == nil && n >= 1 && n <= ledger.MaxAmount
}

func (p *parser) send(at []int, more []string) (action, bool) {
	if len(more)%2 == 0 {
		return nil, false
	}
	amount, ok := parseAmount(more[0])
	from, to := issuer, ""
	for words := more[1:]; len(words) > 0; words = words[2:] {
		switch words[0] {
		case "from":
			from = words[1]
		case "to":
			to = words[1]
		default:
			return nil, false
		}
	}
	return func(ctx context.Context, l *Lab) error {
		_, err := l.send(ctx, at[0], newTx(from, to, amount))
		return err
	}, ok
}

// newTx makes a transaction. An empty receiver is a new account.
func newTx(from, to string, amount uint64) *sentTx {
	if to == "" {
		to = uuid.NewString()
	}
	return &sentTx{tx: &ledger.Transaction{ID: uuid.New(), Sender: account(from), Receiver: account(to), Amount: amount}, from: from, to: to}
}

// send gives a transaction to a node, which stamps it with its clock.
func (l *Lab) send(ctx context.Context, at int, tx *sentTx) (*sentTx, error) {
	m := l.node(at)
	if m == nil {
		return nil, errOther
	}
	l.mu.Lock()
	run := m.run
	if run == nil {
		l.mu.Unlock()
		return nil, refuse("%s does not run", "%s 没有运行", m.id)
	}
	tx.tx.T = max(0, ledger.UnixSeconds(m.now()))
	l.lan.txs = append(l.lan.txs, tx)
	l.lan.txs = l.lan.txs[max(0, len(l.lan.txs)-maxTxs):]
	l.say("tx", both("%[1]s takes transaction %[2]s: %[3]d from %[4]s to %[5]s", "%[1]s 收到交易 %[2]s：%[3]d，从 %[6]s 到 %[7]s", m.id, tx.short(), tx.tx.Amount,
		shortName(tx.from), shortName(tx.to), inWords(tx.from), inWords(tx.to)))
	l.mu.Unlock()
	outcomes, err := run.Chain.Submit(ctx, []*ledger.Transaction{tx.tx}, pool.FromClient)
	if err == nil && outcomes[0].Refused != "" {
		err = refuse("%[1]s refuses it: %[2]s", "%[1]s 拒绝了它：%[3]s", m.id, outcomes[0].Refused, chinese(outcomes[0].Refused))
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lan.txs = slices.DeleteFunc(l.lan.txs, func(t *sentTx) bool { return t == tx })
		return nil, err
	}
	// So that the next command finds it seen.
	return tx, l.await(ctx, func(*lan) bool { return m.run != run || tx.on[m.at].came || tx.in(m.at) })
}

// shortName returns an account for people, by its name, or the beginning of its UUID.
func shortName(name string) string {
	if _, err := uuid.Parse(name); err == nil {
		return name[:8]
	}
	return name
}

// inWords is shortName for a line in Chinese.
func inWords(name string) string {
	if name == issuer {
		return "发行账户"
	}
	return shortName(name)
}

func (p *parser) conflict(at []int, more []string) (action, bool) {
	if len(more) != 1 && (len(more) != 3 || more[1] != "from") {
		return nil, false
	}
	from := ""
	if len(more) == 3 {
		from = more[2]
	}
	amount, ok := parseAmount(more[0])
	return func(ctx context.Context, l *Lab) error { return l.conflict(ctx, at[0], at[1], amount, from) }, ok
}

// conflict gives each of two nodes a transaction of one account, which can pay only one
// of them. It finds or makes an account with just that amount.
func (l *Lab) conflict(ctx context.Context, a, b int, amount uint64, from string) error {
	if from == "" {
		if from = l.owner(a, amount); from == "" {
			from = uuid.NewString()
			funds, err := l.send(ctx, a, newTx(issuer, from, amount))
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, conflictWait)
			defer cancel()
			if l.await(ctx, func(*lan) bool { return funds.in(a) && funds.in(b) }) != nil {
				return refuse("the account that is to spend twice has got nothing yet, since no block came to both nodes within %s",
					"要花两次的账户还没有收到钱：%s 内没有区块到达这两个节点", conflictWait)
			}
		}
	}
	one, two := newTx(from, "", amount), newTx(from, "", amount)
	one.clash, two.clash = two, one
	if _, err := l.send(ctx, a, one); err != nil {
		return err
	}
	_, err := l.send(ctx, b, two)
	return err
}

// conflictWait is how long a conflict waits for the money of its account.
const conflictWait = 15 * time.Second

// owner returns an account that was paid in the lab and can spend an amount just once, or
// "".
func (l *Lab) owner(at int, amount uint64) string {
	m := l.node(at)
	if m == nil {
		return ""
	}
	l.mu.Lock()
	run, txs := m.run, slices.Clone(l.lan.txs)
	l.mu.Unlock()
	if run == nil {
		return ""
	}
	v, err := run.Chain.View()
	if err != nil {
		return ""
	}
	defer v.Close()
	for _, tx := range slices.Backward(txs) {
		if acc, err := v.Account(tx.tx.Receiver); err == nil && acc.Balance >= int64(amount) && acc.Balance < 2*int64(amount) {
			return tx.to
		}
	}
	return ""
}

// await waits until a condition holds, or ctx ends. It calls the condition under mu.
func (l *Lab) await(ctx context.Context, holds func(*lan) bool) error {
	for {
		l.mu.Lock()
		ok, changed := holds(l.lan), l.changed
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Do does one command from the page.
func (l *Lab) Do(ctx context.Context, text string) error {
	words := strings.Fields(text)
	if len(words) > 0 && (words[0] == "lesson" || words[0] == "next") {
		return l.doLesson(words)
	}
	l.mu.Lock()
	p := &parser{nodes: len(l.lan.nodes)}
	l.mu.Unlock()
	act, err := p.parse(text)
	if err != nil {
		return err
	}
	return l.do(ctx, text, act)
}

func (l *Lab) do(ctx context.Context, text string, act action) error {
	l.Say("command", Text{text, text})
	return act(ctx, l)
}
