package lab

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"foxchain/cmd/foxchain/internal/node"
)

//go:embed scenarios/*.txt
var scenarios embed.FS

// Bounds of a scenario.
const (
	maxScenario = 64 << 10 // bytes
	waitTime    = 20 * time.Second
	maxWaitTime = 2 * time.Minute
)

// A scenario is the content of a scenario's file.
type scenario struct {
	name   string
	title  Text
	nodes  int
	voters bool
	steps  []step
}

// A step has a text, which is shown, and commands, which are then done.
type step struct {
	text     Text
	commands []command
}

// A command is one line of a scenario.
type command struct {
	where string // file and line
	text  string
	act   action
}

// order has the six lessons in teaching order.
var order = []string{"transaction", "block", "split-and-heal", "double-spend", "tampered-block", "liar"}

// Names returns the names of the lessons.
func Names() []string { return slices.Clone(order) }

// Find returns nil if name is a lesson, or a file with a scenario, and else the reason.
func Find(name string) error {
	_, err := load(name)
	return err
}

// load returns a lesson, or the scenario of a file.
func load(name string) (*scenario, error) {
	var text []byte
	var err error
	if slices.Contains(order, name) {
		text, err = fs.ReadFile(scenarios, path.Join("scenarios", name+".txt"))
	} else if text, err = node.ReadText(name, maxScenario); errors.Is(err, fs.ErrNotExist) {
		return nil, wrong("there is no lesson %q and no file of that name. The lessons: %s", name, strings.Join(order, ", "))
	}
	if err != nil {
		return nil, wrong("read the scenario: %v", err)
	}
	return parseScenario(name, text)
}

// lessonTitles returns the lessons for the page.
var lessonTitles = sync.OnceValue(func() []lessonTitle {
	list := []lessonTitle{}
	for _, name := range order {
		if s, err := load(name); err == nil { // a test loads them all
			list = append(list, lessonTitle{name, s.title})
		}
	}
	return list
})

// parseScenario reads a scenario. An error names the line and the rule.
func parseScenario(name string, text []byte) (*scenario, error) {
	s := &scenario{name: strings.TrimSuffix(path.Base(name), ".txt"), nodes: 4}
	p := &parser{nodes: s.nodes}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		where := fmt.Sprintf("%s:%d", name, i+1)
		if err := s.parseLine(p, where, line); err != nil {
			return nil, wrong("%s: %v", where, err)
		}
	}
	switch {
	case s.title.EN == "":
		return nil, wrong("%s: a scenario begins with its title: title en …", name)
	case len(s.steps) == 0:
		return nil, wrong("%s: a scenario has at least one step", name)
	}
	return s, nil
}

func (s *scenario) parseLine(p *parser, where, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	head := len(s.steps) == 0
	switch word {
	case "title":
		lang, text, _ := strings.Cut(rest, " ")
		return s.title.add(lang, text)
	case "nodes":
		n, err := strconv.Atoi(rest)
		if err != nil || n < MinNodes || n > MaxNodes || !head {
			return wrong("nodes %s: a number from %d to %d, before the first step", rest, MinNodes, MaxNodes)
		}
		s.nodes, p.nodes = n, n
		return nil
	case "voters":
		if rest != "on" || !head {
			return wrong("voters on, before the first step")
		}
		s.voters = true
		return nil
	case "step":
		s.steps = append(s.steps, step{})
		return nil
	}
	if head {
		return wrong("%s: only title, nodes and voters stand before the first step", word)
	}
	at := &s.steps[len(s.steps)-1]
	if word == "en" || word == "zh" {
		if len(at.commands) > 0 {
			return wrong("the text of a step stands before its commands")
		}
		return at.text.add(word, rest)
	}
	act, err := p.parseScripted(word, rest, line)
	if err != nil {
		return err
	}
	at.commands = append(at.commands, command{where, line, act})
	return nil
}

// add adds a line to the text of one language.
func (t *Text) add(lang, more string) error {
	switch lang {
	case "en":
		t.EN = strings.TrimSpace(t.EN + " " + more)
	case "zh":
		t.ZH += more
	default:
		return wrong("a text is en or zh, not %q", lang)
	}
	return nil
}

// parseScripted reads a command, wait or expect.
func (p *parser) parseScripted(word, rest, line string) (action, error) {
	switch word {
	case "wait":
		expr, within, limited := strings.Cut(rest, " within ")
		limit := waitTime
		if limited {
			var err error
			if limit, err = time.ParseDuration(within); err != nil || limit <= 0 || limit > maxWaitTime {
				return nil, wrong("within %s: a time up to %s, such as 20s", within, maxWaitTime)
			}
		}
		c, err := p.condition(expr)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, l *Lab) error { return l.waitFor(ctx, c, limit) }, nil
	case "expect":
		c, err := p.condition(rest)
		if err != nil {
			return nil, err
		}
		return func(_ context.Context, l *Lab) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			if !c.holds(l.lan) {
				return refuse("it is not so: %s", "并非如此：%s", c.text)
			}
			return nil
		}, nil
	}
	return p.parse(line)
}

// A condition is what a scenario waits for or expects.
type condition struct {
	text  string
	holds func(*lan) bool // under Lab.mu
}

// condition reads an expression.
func (p *parser) condition(text string) (*condition, error) {
	words := strings.Fields(text)
	not := len(words) > 0 && words[0] == "not"
	if not {
		words = words[1:]
	}
	holds := p.expression(words)
	if holds == nil {
		return nil, wrong("%q is none of: one tip; tips 2; height >= 5; height = 5; final >= 5; final = 5; tx pool A B; tx block all; txs block all, which means each one sent; tx once; linked A B; evidence B; refused B; each also with not before it", text)
	}
	c := &condition{text: strings.Join(strings.Fields(text), " "), holds: holds}
	if not {
		c.holds = func(n *lan) bool { return !holds(n) }
	}
	return c, nil
}

func (p *parser) expression(words []string) func(*lan) bool {
	text, number, at := strings.Join(words, " "), int64(-1), -1
	if len(words) > 1 {
		last := words[len(words)-1]
		at = p.node(last)
		if n, err := strconv.ParseInt(last, 10, 64); err == nil {
			number = n
		}
	}
	switch {
	case text == "one tip":
		return func(n *lan) bool { return n.tips() == 1 }
	case text == "tx once":
		return (*lan).once
	case len(words) == 2 && words[0] == "tips" && number > 0:
		return func(n *lan) bool { return int64(n.tips()) == number }
	case len(words) == 2 && (words[0] == "evidence" || words[0] == "refused") && at >= 0:
		return against(words[0], at)
	case len(words) == 3 && words[0] == "linked":
		if at, _, ok := p.named(2, words[1:]); ok {
			return func(n *lan) bool { return n.linked(at[0], at[1]) }
		}
	case len(words) == 3 && (words[0] == "height" || words[0] == "final") && (words[1] == ">=" || words[1] == "=") && number >= 0:
		return func(n *lan) bool {
			return n.every(func(m *labNode) bool {
				height := int64(m.view.blocks) - 1
				if words[0] == "final" {
					height = m.view.final
				}
				return m.view.begun && (height == number || words[1] == ">=" && height > number)
			})
		}
	case len(words) >= 3 && (words[0] == "tx" || words[0] == "txs") && (words[1] == "pool" || words[1] == "block"):
		return p.whereTx(words[0] == "txs", words[1], words[2:])
	}
	return nil
}

// whereTx returns a condition that the last transaction, or each one that was sent, is in
// the pools, or in a block, of nodes.
func (p *parser) whereTx(each bool, where string, names []string) func(*lan) bool {
	all := len(names) == 1 && names[0] == "all"
	for _, name := range names {
		if !all && p.node(name) < 0 {
			return nil
		}
	}
	return func(n *lan) bool {
		asked := n.txs
		if !each {
			asked = asked[max(0, len(asked)-1):]
		}
		return len(asked) > 0 && n.every(func(m *labNode) bool {
			return !all && !slices.Contains(names, m.id) || !slices.ContainsFunc(asked, func(tx *sentTx) bool {
				return where == "pool" && !tx.on[m.at].pool || where == "block" && !tx.in(m.at)
			})
		})
	}
}

// against returns a condition that all other nodes can prove that one lied, or that one
// of them has cut it off.
func against(what string, at int) func(*lan) bool {
	if what == "evidence" {
		return func(n *lan) bool { return n.every(func(m *labNode) bool { return m.at == at || m.view.evidence[at] }) }
	}
	return func(n *lan) bool { return !n.every(func(m *labNode) bool { return !m.view.refused[at] }) }
}
