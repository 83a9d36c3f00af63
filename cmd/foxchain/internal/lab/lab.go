package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger/store"
)

// maxLog is how many lines of the log are kept.
const maxLog = 500

// Config configures a lab.
type Config struct {
	Dir    string // where each network gets a directory of its own, a temporary one if ""
	Port   int    // of the page; that of node A is one higher, and so on; 0 for any free ones
	Nodes  int    // MinNodes to MaxNodes
	Voters bool   // the network names every node as builder, so that blocks become final

	wait     time.Duration // after which one transaction makes a block, 0 for pageWait
	patience time.Duration // the least that a scenario waits, for tests on a busy machine
}

// Validate checks the settings. An error names the flag and the rule.
func (c *Config) Validate() error {
	if c.Nodes < MinNodes || c.Nodes > MaxNodes {
		return fmt.Errorf("-n is %d: a lab has %d to %d nodes", c.Nodes, MinNodes, MaxNodes)
	}
	if c.Port < 0 || c.Port+MaxNodes > 65535 {
		return fmt.Errorf("-p is %d: the ports of page and nodes must be from 1 to 65535", c.Port)
	}
	return nil
}

// A Text is a text in the languages of the page.
type Text struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}

// both fills two formats with the same arguments.
func both(en, zh string, args ...any) Text {
	return Text{fmt.Sprintf(en, args...), fmt.Sprintf(zh, args...)}
}

// A Line is a line of the log.
type Line struct {
	Time int64  `json:"time"` // Unix milliseconds
	Kind string `json:"kind"`
	Text Text   `json:"text"`
}

// A Lab runs one network of nodes at a time. Its methods may be called from any goroutine.
type Lab struct {
	cfg  Config
	ctx  context.Context
	temp bool // the directory is removed when the lab ends

	teaching sync.Mutex // held while a lesson begins, goes on or stops; taken before doing
	begun    string     // the last lesson, by name or file; guarded by teaching
	doing    sync.Mutex // held while a command changes the network; taken before mu

	mu      sync.Mutex
	lan     *lan
	lans    int // networks so far
	log     []Line
	logged  int           // lines since the start
	changed chan struct{} // closed when anything changes
	lesson  *lesson       // nil for none
}

// New makes a lab, and starts nothing. The lab lasts until ctx ends or Close.
func New(ctx context.Context, cfg Config) (*Lab, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.wait == 0 {
		cfg.wait = pageWait
	}
	l := &Lab{cfg: cfg, ctx: ctx, temp: cfg.Dir == "", changed: make(chan struct{})}
	var err error
	if l.temp {
		if l.cfg.Dir, err = os.MkdirTemp("", "foxchain-lab-"); err != nil {
			return nil, fmt.Errorf("make a directory for the nodes (choose one with -r): %w", err)
		}
	}
	if l.lan, err = newLAN(l, cfg.Nodes, cfg.Voters); err != nil {
		return nil, errors.Join(err, l.clean())
	}
	return l, nil
}

// Dir returns the directory with the directories of the networks.
func (l *Lab) Dir() string { return l.cfg.Dir }

// clean removes the directory if it is temporary.
func (l *Lab) clean() error {
	if !l.temp {
		return nil
	}
	return os.RemoveAll(l.cfg.Dir)
}

// Start starts the nodes one after the other, and returns when all run. The page may be
// served meanwhile.
func (l *Lab) Start() error {
	l.doing.Lock()
	defer l.doing.Unlock()
	return l.lan.start()
}

// renew replaces the network by a new one. It removes the old one, whose errors at its
// end are only logged.
func (l *Lab) renew(nodes int, voters bool) error {
	l.doing.Lock()
	defer l.doing.Unlock()
	old, err := l.closeLAN()
	if err = errors.Join(err, os.RemoveAll(old.dir)); err != nil {
		l.mu.Lock()
		l.sayWhy(Text{"the network before did not end in order", "上一个网络没有正常结束"}, err)
		l.mu.Unlock()
	}
	n, err := newLAN(l, nodes, voters)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.lan = n
	l.lans++
	l.note()
	l.mu.Unlock()
	return n.start()
}

func (l *Lab) closeLAN() (*lan, error) {
	l.mu.Lock()
	n := l.lan
	l.mu.Unlock()
	return n, n.close()
}

// Close ends all nodes, and removes a temporary directory.
func (l *Lab) Close() error {
	l.teaching.Lock()
	defer l.teaching.Unlock()
	l.stopLesson()
	l.doing.Lock()
	defer l.doing.Unlock()
	_, err := l.closeLAN()
	return errors.Join(err, l.clean())
}

// note notifies of a change. The caller holds mu.
func (l *Lab) note() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// say adds a line to the log. The caller holds mu.
func (l *Lab) say(kind string, text Text) {
	l.log = append(l.log, Line{time.Now().UnixMilli(), kind, text})
	if len(l.log) > 2*maxLog {
		l.log = append([]Line(nil), l.log[len(l.log)-maxLog:]...)
	}
	l.logged++
	l.note()
}

// Say adds a line to the log.
func (l *Lab) Say(kind string, text Text) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.say(kind, text)
}

// since returns the kept lines of the log after the first n, how many lines there have
// been, and a channel that is closed when anything changes.
func (l *Lab) since(n int) (lines []Line, logged int, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := min(l.logged-n, len(l.log), maxLog)
	return append(lines, l.log[len(l.log)-fresh:]...), l.logged, l.changed
}

// state returns all that the page shows.
func (l *Lab) state() *state {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.lan
	s := &state{Time: time.Now().UnixMilli(), Lan: l.lans, Voters: n.voters,
		Links: []linkState{}, Blocks: []blockState{}, Txs: []txState{}, Lesson: l.lesson.show(), Lessons: lessonTitles()}
	for _, m := range n.nodes {
		s.Nodes = append(s.Nodes, m.show())
	}
	for _, link := range n.links {
		f, _ := link.now()
		s.Links = append(s.Links, linkState{A: nodeID(link.a), B: nodeID(link.b), Cut: f.cut, Delay: f.delay.String(), Loss: f.loss, Up: n.linked(link.a, link.b)})
	}
	slices.SortFunc(s.Links, func(x, y linkState) int { return cmp.Or(cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B)) })
	var highest uint64
	for _, m := range n.nodes {
		highest = max(highest, m.view.blocks)
	}
	for hash, b := range n.blocks {
		if b.header.Height+maxHeights >= highest {
			s.Blocks = append(s.Blocks, n.showBlock(hash, b))
		}
	}
	slices.SortFunc(s.Blocks, func(x, y blockState) int {
		return cmp.Or(cmp.Compare(x.Height, y.Height), slices.Compare(x.Hash[:], y.Hash[:]))
	})
	for _, tx := range n.txs {
		s.Txs = append(s.Txs, n.showTx(tx))
	}
	return s
}

// A refusal is why a command cannot be done, in words for people.
type refusal struct{ text Text }

func (r *refusal) Error() string { return r.text.EN }

// refuse returns a refusal from two formats with the same arguments. Errors of a
// scenario's file are for a terminal, and so in English only, see wrong.
func refuse(en, zh string, args ...any) error { return &refusal{both(en, zh, args...)} }

func wrong(format string, args ...any) error { return refuse(format, format, args...) }

func isRefusal(err error) bool { r := (*refusal)(nil); return errors.As(err, &r) }

// wordsOf returns an error in both languages.
func wordsOf(err error) Text {
	en, zh, r := err.Error(), "", (*refusal)(nil)
	switch {
	case errors.As(err, &r):
		zh = strings.Replace(en, r.text.EN, r.text.ZH, 1)
	case term.IsDiskFull(err):
		zh = "磁盘已满"
	case errors.Is(err, store.ErrDamaged):
		zh = "账本文件已损坏"
	case errors.Is(err, fs.ErrPermission) || term.IsReadOnly(err):
		zh = "无法写入数据目录"
	default:
		zh = "意外错误：" + en
	}
	return Text{en, zh}
}

// sayWhy adds a line to the log, with the reason at its end. The caller holds mu.
func (l *Lab) sayWhy(what Text, err error) {
	why := wordsOf(err)
	l.say("refused", Text{what.EN + ": " + why.EN, what.ZH + "：" + why.ZH})
}
