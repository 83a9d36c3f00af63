package lab

import (
	"cmp"
	"context"
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

// An action does what a command says. It returns when that is done.
type action func(ctx context.Context, l *Lab) error

// A parser reads commands for a network of so many nodes.
type parser struct{ nodes int }

// A verb begins a command.
type verb struct {
	usage Text // ZH is "" where there are no words in it
	parse func(p *parser, args []string) (action, bool)
}

// verbs has what can be clicked on the page, and written in a scenario.
var verbs map[string]verb

func init() { // it refers to itself
	verbs = map[string]verb{
		"cut":      {Text{EN: "cut A B"}, (*parser).cut},
		"heal":     {Text{"heal A B, or heal for all links", "heal A B，或用 heal 恢复所有链路"}, (*parser).heal},
		"split":    {Text{"split A B | C D, with each node once", "split A B | C D，每个节点一次"}, (*parser).split},
		"slow":     {Text{"slow A B 200ms, at most 10s, 0 for no delay", "slow A B 200ms，最多 10s，0 为无延迟"}, (*parser).slow},
		"loss":     {Text{"loss A B 10%, at most 90%", "loss A B 10%，最多 90%"}, (*parser).loss},
		"stop":     {Text{EN: "stop A"}, func(p *parser, args []string) (action, bool) { return p.end(args, stopped) }},
		"kill":     {Text{EN: "kill A"}, func(p *parser, args []string) (action, bool) { return p.end(args, killed) }},
		"start":    {Text{EN: "start A"}, (*parser).start},
		"add":      {Text{EN: "add"}, (*parser).add},
		"clock":    {Text{"clock A +2h, clock A -10m or clock A right", "clock A +2h，clock A -10m，或 clock A right"}, (*parser).setClock},
		"build":    {Text{"build A on, or build A off", "build A on，或 build A off"}, (*parser).build},
		"lie":      {Text{"lie A two-blocks, lie A withhold, lie A invalid, or lie A off", "lie A two-blocks，lie A withhold，lie A invalid，或 lie A off"}, (*parser).lie},
		"send":     {Text{"send A 5, or send A 5 from X to Y", "send A 5，或 send A 5 from X to Y"}, (*parser).send},
		"conflict": {Text{"conflict A B 5, or conflict A B 5 from X", "conflict A B 5，或 conflict A B 5 from X"}, (*parser).conflict},
	}
}

// parse reads a command. An error has the rule.
func (p *parser) parse(text string) (action, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, refuse("there is no command", "没有命令")
	}
	v, ok := verbs[words[0]]
	if !ok {
		return nil, refuse("there is no command %q", "没有 %q 这个命令", words[0])
	}
	for _, w := range words[1:] {
		if len(w) == 1 && w[0] >= 'A' && w[0] <= 'Z' && int(w[0]-'A') >= p.nodes && words[0] != "send" {
			return nil, refuse("there is no node %s: the nodes are A to %s", "没有节点 %s：节点是 A 到 %s", w, nodeID(p.nodes-1))
		}
	}
	act, ok := v.parse(p, words[1:])
	if !ok {
		return nil, refuse("%[1]q is not as it must be: %[2]s", "%[1]q 的写法不对，应为：%[3]s", text, v.usage.EN, cmp.Or(v.usage.ZH, v.usage.EN))
	}
	return act, nil
}

// node returns the place of a node, -1 where there is none.
func (p *parser) node(word string) int {
	if len(word) != 1 || word[0] < 'A' || int(word[0]-'A') >= p.nodes {
		return -1
	}
	return int(word[0] - 'A')
}

// pair reads two nodes that begin a list of words, and returns the others.
func (p *parser) pair(args []string) (a, b int, rest []string, ok bool) {
	if len(args) < 2 {
		return 0, 0, nil, false
	}
	a, b = p.node(args[0]), p.node(args[1])
	return a, b, args[2:], a >= 0 && b >= 0 && a != b
}

// onLink returns an action that changes the faults of a link.
func onLink(a, b int, change func(*faults)) action {
	return func(_ context.Context, l *Lab) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		link := l.lan.link(a, b)
		if link == nil {
			return errOther
		}
		link.set(change)
		l.note()
		return nil
	}
}

// onLinks returns an action that changes the faults of all links.
func onLinks(change func(l *link, f *faults)) action {
	return func(_ context.Context, l *Lab) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, link := range l.lan.links {
			link.set(func(f *faults) { change(link, f) })
		}
		l.note()
		return nil
	}
}

func (p *parser) cut(args []string) (action, bool) {
	a, b, rest, ok := p.pair(args)
	return onLink(a, b, func(f *faults) { f.cut = true }), ok && len(rest) == 0
}

func (p *parser) heal(args []string) (action, bool) {
	if len(args) == 0 {
		return onLinks(func(_ *link, f *faults) { *f = faults{dark: f.dark} }), true
	}
	a, b, rest, ok := p.pair(args)
	return onLink(a, b, func(f *faults) { *f = faults{dark: f.dark} }), ok && len(rest) == 0
}

func (p *parser) split(args []string) (action, bool) {
	side, named := make(map[int]int), 0
	for _, w := range args {
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
	return onLinks(func(l *link, f *faults) { f.cut = side[l.a] != side[l.b] }), named > 0 && len(side) == p.nodes
}

func (p *parser) slow(args []string) (action, bool) {
	a, b, rest, ok := p.pair(args)
	if !ok || len(rest) != 1 {
		return nil, false
	}
	delay, err := time.ParseDuration(rest[0])
	return onLink(a, b, func(f *faults) { f.delay = delay }), err == nil && delay >= 0 && delay <= maxDelay
}

func (p *parser) loss(args []string) (action, bool) {
	a, b, rest, ok := p.pair(args)
	if !ok || len(rest) != 1 {
		return nil, false
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(rest[0], "%"))
	return onLink(a, b, func(f *faults) { f.loss = percent }), err == nil && percent >= 0 && percent <= maxLoss
}

// errOther refuses a command for a node of a network that was replaced meanwhile.
var errOther = refuse("the lab has another network by now, without this node", "实验室已换成另一个网络，其中没有这个节点")

// node returns a node, or nil where the network has not so many.
func (l *Lab) node(at int) *labNode {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at >= len(l.lan.nodes) {
		return nil
	}
	return l.lan.nodes[at]
}

// onNode returns an action on a node. Commands on nodes are done one after the other.
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

func (p *parser) end(args []string, how string) (action, bool) {
	if len(args) != 1 || p.node(args[0]) < 0 {
		return nil, false
	}
	return onNode(p.node(args[0]), func(m *labNode) error { return m.stop(how) }), true
}

func (p *parser) start(args []string) (action, bool) {
	if len(args) != 1 || p.node(args[0]) < 0 {
		return nil, false
	}
	return onNode(p.node(args[0]), (*labNode).start), true
}

func (p *parser) add(args []string) (action, bool) {
	if p.nodes < MaxNodes {
		p.nodes++ // in a scenario the next commands may name it
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
	}, len(args) == 0
}

func (p *parser) setClock(args []string) (action, bool) {
	if len(args) != 2 || p.node(args[0]) < 0 {
		return nil, false
	}
	ahead, err := time.ParseDuration(args[1])
	if args[1] == "right" {
		ahead, err = 0, nil
	}
	return onNode(p.node(args[0]), func(m *labNode) error {
		m.clock.set(ahead)
		m.lan.lab.mu.Lock()
		defer m.lan.lab.mu.Unlock()
		m.lan.lab.note()
		return nil
	}), err == nil && ahead.Abs() <= maxAhead
}

func (p *parser) build(args []string) (action, bool) {
	if len(args) != 2 || p.node(args[0]) < 0 {
		return nil, false
	}
	return onNode(p.node(args[0]), func(m *labNode) error {
		_, lie := m.liar.told()
		m.tell(args[1] == "on", lie)
		return nil
	}), args[1] == "on" || args[1] == "off"
}

func (p *parser) lie(args []string) (action, bool) {
	if len(args) != 2 || p.node(args[0]) < 0 {
		return nil, false
	}
	lie := args[1]
	if lie == "off" {
		lie = ""
	}
	return onNode(p.node(args[0]), func(m *labNode) error {
		on, _ := m.liar.told()
		m.tell(on, lie)
		return nil
	}), slices.Contains([]string{"", twoBlocks, withhold, invalid}, lie)
}

// tell tells a node whether to build, and how to lie.
func (m *labNode) tell(on bool, lie string) {
	m.liar.set(on, lie)
	m.lan.lab.mu.Lock()
	defer m.lan.lab.mu.Unlock()
	m.lan.lab.note()
}

const issuer = "issuer"

// accounts is the space of the accounts that have a name in the lab.
var accounts = uuid.MustParse("f0cca1b0-0000-4000-8000-000000000000")

// account returns the account with a name. The issuer is the zero account. A UUID is its
// own name.
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

func (p *parser) send(args []string) (action, bool) {
	if len(args) < 2 || p.node(args[0]) < 0 {
		return nil, false
	}
	at := p.node(args[0])
	amount, ok := parseAmount(args[1])
	from, to := issuer, ""
	for rest := args[2:]; ok && len(rest) > 0; rest = rest[2:] {
		switch {
		case len(rest) < 2:
			return nil, false
		case rest[0] == "from":
			from = rest[1]
		case rest[0] == "to":
			to = rest[1]
		default:
			return nil, false
		}
	}
	return func(ctx context.Context, l *Lab) error {
		_, err := l.send(ctx, at, newTx(from, to, amount))
		return err
	}, ok
}

// newTx makes a transaction. An empty receiver is a new account.
func newTx(from, to string, amount uint64) *sentTx {
	if to == "" {
		to = uuid.NewString()
	}
	return &sentTx{
		tx:   &ledger.Transaction{ID: uuid.New(), Sender: account(from), Receiver: account(to), Amount: amount},
		from: from, to: to, pool: make(map[int]bool), block: make(map[int]ledger.Hash), via: make(map[int]string), waits: make(map[int]string),
	}
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
	tx.tx.T = max(0, ledger.UnixSeconds(m.clock.now()))
	l.lan.txs = append(l.lan.txs, tx)
	l.lan.txs = l.lan.txs[max(0, len(l.lan.txs)-maxTxs):]
	l.say(m.id, "tx", both("%[1]s takes transaction %[2]s: %[3]d from %[4]s to %[5]s", "%[1]s 收到交易 %[2]s：%[3]d，从 %[6]s 到 %[7]s", m.id, tx.short(), tx.tx.Amount,
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
	m.lookAtChain(run)
	return tx, nil
}

// shortName returns an account for people: its name, or the begin of its UUID.
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

func (p *parser) conflict(args []string) (action, bool) {
	a, b, rest, ok := p.pair(args)
	if !ok || len(rest) != 1 && (len(rest) != 3 || rest[1] != "from") {
		return nil, false
	}
	from := ""
	if len(rest) == 3 {
		from = rest[2]
	}
	amount, ok := parseAmount(rest[0])
	return func(ctx context.Context, l *Lab) error { return l.conflict(ctx, a, b, amount, from) }, ok
}

// conflict gives each of two nodes a transaction of one account, which can pay one of
// the two. An account that has just that much is found or made.
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
			if l.await(ctx, func(*lan) bool { return funds.block[a] != (ledger.Hash{}) && funds.block[b] != (ledger.Hash{}) }) != nil {
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

// owner returns an account that was paid in the lab and that can spend an amount once,
// "" where there is none.
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

// await waits until a condition holds, or ctx ends. The condition is asked under mu.
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

// Do does one command, as the page sends it.
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
	l.Say("", "command", Text{text, text})
	return act(ctx, l)
}
