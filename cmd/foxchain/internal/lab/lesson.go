package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A lesson is a running scenario, one step at a time. Lab.mu guards it.
type lesson struct {
	*scenario
	at      int // the step, from 0
	waiting string
	failed  *Text
	done    bool          // of the last step
	skip    func()        // ends the waiting of the step
	cancel  func()        // ends the step
	ended   chan struct{} // closed when the step has ended
}

// show returns the lesson for the page. The caller holds Lab.mu.
func (s *lesson) show() *lessonState {
	if s == nil {
		return nil
	}
	return &lessonState{Name: s.name, Title: s.title, Step: s.at + 1, Steps: len(s.steps), Text: s.steps[s.at].text,
		Done: s.done, Waiting: s.waiting, Failed: s.failed}
}

func (l *Lab) setWaiting(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lesson != nil {
		l.lesson.waiting = text
		l.note()
	}
}

// doLesson does the commands lesson and next.
func (l *Lab) doLesson(words []string) error {
	l.teaching.Lock()
	defer l.teaching.Unlock()
	switch text := strings.Join(words, " "); {
	case text == "next":
		return l.next()
	case text == "lesson stop":
		l.stopLesson()
		return nil
	case text == "lesson again" && l.begun != "":
		return l.begin(l.begun)
	case len(words) == 2 && slices.Contains(order, words[1]):
		return l.begin(words[1])
	}
	return refuse("it is lesson NAME, lesson again, lesson stop, or next. The lessons: %s", "应为 lesson 名称、lesson again、lesson stop 或 next。课程：%s", strings.Join(order, ", "))
}

// Begin begins a lesson, or the scenario of a file, on a new network.
func (l *Lab) Begin(name string) error {
	l.teaching.Lock()
	defer l.teaching.Unlock()
	return l.begin(name)
}

// begin is Begin for a caller that holds teaching.
func (l *Lab) begin(name string) error {
	s, err := load(name)
	if err != nil {
		return err
	}
	l.begun = name
	l.stopLesson()
	if err := l.renew(s.nodes, s.voters); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.say("lesson", s.title)
	l.lesson = &lesson{scenario: s}
	l.runStep(l.lesson)
	return nil
}

// stopLesson ends the lesson, if there is one, and leaves the network as it is.
func (l *Lab) stopLesson() {
	l.mu.Lock()
	s := l.lesson
	l.lesson = nil
	l.note()
	l.mu.Unlock()
	if s != nil {
		s.cancel()
		<-s.ended
	}
}

// next goes on to the next step. If this step still runs, the rest of its commands are
// done first, without its waits and expectations.
func (l *Lab) next() error {
	l.mu.Lock()
	s := l.lesson
	switch {
	case s == nil:
		l.mu.Unlock()
		return refuse("there is no lesson: choose one", "没有在上课：请选择一课")
	case s.at == len(s.steps)-1:
		l.mu.Unlock()
		return refuse("this was the last step", "这已是最后一步")
	}
	l.mu.Unlock()
	s.skip()
	<-s.ended
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lesson == s && s.at < len(s.steps)-1 {
		s.at++
		l.runStep(s)
	}
	return nil
}

// runStep starts the step that a lesson is at. The caller holds Lab.mu.
func (l *Lab) runStep(s *lesson) {
	ctx, cancel := context.WithCancel(l.ctx)
	waits, skip := context.WithCancel(ctx)
	ended := make(chan struct{})
	s.cancel, s.skip, s.ended, s.done, s.failed = cancel, skip, ended, false, nil
	at := s.steps[s.at]
	l.note()
	go func() {
		defer close(ended)
		defer cancel()
		err := l.runCommands(ctx, waits, at.commands)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			text := wordsOf(err)
			s.failed = &text
			l.say("lesson", text)
		}
		s.done = err == nil
		l.note()
	}()
}

// runCommands does the commands of a step in order. Once waits has ended, it leaves out
// wait and expect.
func (l *Lab) runCommands(ctx, waits context.Context, list []command) error {
	for _, c := range list {
		var err error
		if looks := strings.HasPrefix(c.text, "wait ") || strings.HasPrefix(c.text, "expect "); !looks {
			err = l.do(ctx, c.text, c.act)
		} else if waits.Err() == nil {
			err = c.act(waits, l)
		}
		if err != nil && (waits.Err() == nil || ctx.Err() != nil) {
			return fmt.Errorf("%s: %s: %w", c.where, c.text, err)
		}
	}
	return ctx.Err()
}

// Check runs a lesson, or the scenario of a file, from its first to its last step, and
// prints what happens. It returns an error if a line fails.
func Check(ctx context.Context, cfg Config, name string, out io.Writer, lang string) error {
	s, err := load(name)
	if err != nil {
		return err
	}
	words := func(t Text) string {
		if lang == "zh" && t.ZH != "" {
			return t.ZH
		}
		return t.EN
	}
	began := time.Now()
	cfg.Port, cfg.Nodes, cfg.Voters, cfg.wait = 0, s.nodes, s.voters, checkWait // beside a lab with a page
	l, err := New(ctx, cfg)
	if err != nil {
		return err
	}
	if err := l.Start(); err != nil {
		return errors.Join(err, l.Close())
	}
	logged := 0
	print := func() {
		var lines []Line
		for lines, logged, _ = l.since(logged); len(lines) > 0; lines = lines[1:] {
			fmt.Fprintf(out, "  %s %s\n", time.UnixMilli(lines[0].Time).Format("15:04:05.0"), words(lines[0].Text))
		}
	}
	fmt.Fprintf(out, "%s\n", words(s.title))
	for i := 0; i < len(s.steps) && err == nil; i++ {
		print()
		fmt.Fprintf(out, "\n%d/%d  %s\n", i+1, len(s.steps), words(s.steps[i].text))
		err = l.runCommands(ctx, ctx, s.steps[i].commands)
	}
	print()
	if err != nil && lang == "zh" {
		fmt.Fprintf(out, "  %s\n", wordsOf(err).ZH)
	}
	if err = errors.Join(err, l.Close()); err == nil {
		fmt.Fprintf(out, "\n%s\n", words(both("%s: ended as written, after %s", "%s：按预期结束，用时 %s", s.name, time.Since(began).Round(100*time.Millisecond))))
	}
	return err
}

// waitFor waits until a condition holds, up to a limit.
func (l *Lab) waitFor(ctx context.Context, c *condition, limit time.Duration) error {
	limit = max(limit, l.cfg.patience)
	l.setWaiting(c.text)
	defer l.setWaiting("")
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := l.await(limited, c.holds); err != nil && ctx.Err() == nil {
		return refuse("waited %s in vain for: %s", "等了 %s 仍未等到：%s", limit, c.text)
	}
	return ctx.Err()
}
