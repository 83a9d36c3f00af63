package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/p2p"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// Config is what the doctor is to look at.
type Config struct {
	At      node.Endpoint   // of the node on this machine; no URL: none runs
	Dir     string          // its data directory, which need not exist
	Port    int             // of its WebSocket
	MDNS    bool            // multicast may be sent
	Network *ledger.Network // where no node runs
	PSK     []byte          // nil: none
	Peers   []string        // to be tried, as --peer takes them
}

// The states of a check.
const (
	OK   = "ok"
	Note = "note" // worth knowing, and nothing fails by it
	Fail = "fail"
)

// A Check is one thing that was looked at.
type Check struct {
	About  string   `json:"about"`            // node, disk, files…: see the package doc
	Name   string   `json:"name,omitempty"`   // of several, which: eth0, an address
	State  string   `json:"state"`            // ok, note, fail
	Reason string   `json:"reason"`           // what was found, in words
	Advice []string `json:"advice,omitempty"` // what to do, the likeliest first
	Passed []string `json:"passed,omitempty"` // of peer and other: the steps that went well
	Step   string   `json:"step,omitempty"`   // of peer and other: the one that failed
	Detail string   `json:"detail,omitempty"` // the error behind the reason, as the machine gave it
}

// set sets what was found, and what to do.
func (c *Check) set(state, reason string, advice ...string) {
	c.State, c.Reason, c.Advice = state, reason, advice
}

// found returns a check of the one thing of its kind, or of several the one with that name.
func found(name, state, reason string, advice ...string) []Check {
	return []Check{{Name: name, State: state, Reason: reason, Advice: advice}}
}

// A Report is all that was found.
type Report struct {
	OK     bool    `json:"ok"` // no check fails
	Checks []Check `json:"checks"`
}

// A doctor is one run. Each field is set before the checks that read it begin.
type doctor struct {
	cfg     Config
	info    *api.Info // nil: no node runs here
	nodes   []api.Peer
	trial   p2p.Trial
	heard   []p2p.HeardNode
	strays  int   // machines whose mDNS was heard
	hearing error // why nothing could be heard

	mu     sync.Mutex       // guards clocks
	clocks map[string]clock // of nodes that were tried, by ID
}

const (
	askTime = 5 * time.Second
	noNode  = "no node runs here; what only a node knows is left out"
)

// A look is a kind of checks. One reads what those of earlier rounds found.
type look struct {
	about string
	round int
	at    func(context.Context) []Check
}

// looks returns all kinds of checks, in the order in which they are shown.
func (d *doctor) looks() []look {
	return []look{
		{"node", 0, d.askNode}, {"disk", 1, d.disk}, {"files", 1, d.files}, {"interface", 1, d.interfaces}, {"discovery", 2, d.discovery},
		{"port", 1, d.ports}, {"firewall", 1, d.firewall}, {"peers", 1, d.connected}, {"clock", 3, d.clock},
		{"peer", 1, func(ctx context.Context) []Check { return d.tryAll(ctx, d.cfg.Peers) }},
		{"other", 2, d.others},
	}
}

// Run looks at everything. Only the end of ctx ends it early.
func Run(ctx context.Context, cfg Config) *Report {
	d := &doctor{cfg: cfg, clocks: make(map[string]clock), trial: p2p.Trial{Version: node.ProgramVersion, PSK: cfg.PSK, Network: cfg.Network.ID(), NetworkName: cfg.Network.Name}}
	looks := d.looks()
	checks := make([][]Check, len(looks))
	for round := range 4 {
		var wg sync.WaitGroup
		for i, l := range looks {
			if l.round == round {
				wg.Go(func() { checks[i] = l.at(ctx) })
			}
		}
		wg.Wait()
	}
	r := &Report{OK: true}
	for i, l := range looks {
		for _, c := range checks[i] {
			c.About = l.about
			r.OK = r.OK && c.State != Fail
			r.Checks = append(r.Checks, c)
		}
	}
	return r
}

// askNode asks the node on this machine, if one runs.
func (d *doctor) askNode(ctx context.Context) []Check {
	dir := term.ShellWord(d.cfg.Dir)
	if d.cfg.At.URL == "" {
		return found(d.cfg.Dir, Note, noNode, "To start one: foxchain node -r "+dir)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	at := node.WithoutToken(d.cfg.At.URL)
	c, err := client.Dial(ctx, d.cfg.At.URL, d.cfg.At.Token)
	if err == nil {
		defer c.Close()
		var in api.Info
		var peers api.Peers
		if in, err = c.Info(ctx); err == nil {
			peers, err = c.Peers(ctx)
		}
		if err == nil {
			d.info, d.nodes = &in, peers.Nodes
			d.trial.Network, d.trial.NetworkName = in.Network.ID, in.Network.Name
			return d.aboutNode(at)
		}
	}
	check := Check{Name: at, Detail: err.Error()}
	switch {
	case errors.Is(err, client.ErrNoNode) && node.InUse(d.cfg.Dir):
		check.set(Fail, "the node of "+d.cfg.Dir+" runs, and does not answer here", "It may be starting or ending, or have another port: foxchain doctor -r "+dir)
	case errors.Is(err, client.ErrNoNode):
		check.set(Note, noNode, "To start one: foxchain node")
	case errors.Is(err, client.ErrRefused):
		check.set(Fail, "the node does not let this program in", "Give its token with --token TOKEN, or use -r DIRECTORY for a node on this machine")
	default:
		check.set(Fail, "what answers is not a node of this version: another program may use the port", "Stop that program, or start the node at another port: foxchain node -p 9001")
	}
	return []Check{check}
}

func (d *doctor) aboutNode(at string) []Check {
	in := d.info
	reason := fmt.Sprintf("%s runs, version %s, on network %q (%s), with %s",
		in.Name, in.Version, in.Network.Name, in.Network.ID.Short(), term.Count(in.Blocks, "block"))
	switch {
	case in.Copied != "":
		return found(at, Fail, in.Copied)
	case in.Version != node.ProgramVersion:
		return found(at, Note, reason, "This program is version "+node.ProgramVersion+": start the node with it, or use the node's")
	case in.Sync != nil:
		reason += "; " + node.SyncWords(in.Blocks, in.Sync)
	}
	return found(at, OK, reason)
}

// connected reports how many nodes the one here is connected to.
func (d *doctor) connected(context.Context) []Check {
	if d.info == nil {
		return found("", Note, "not known: no node runs here")
	}
	known := len(slices.DeleteFunc(slices.Clone(d.nodes), func(n api.Peer) bool { return n.State == p2p.Itself }))
	reason := fmt.Sprintf("%d connected of %d known", d.info.Peers, known)
	switch {
	case d.info.Peers > 0:
		return found("", OK, reason)
	case known == 0:
		return found("", Note, "no other node is known")
	}
	return found("", Fail, reason, "Why each is not: foxchain peers, and the checks other below")
}

// Err returns how many checks fail, nil if none does.
func (r *Report) Err() error {
	failed := 0
	for _, c := range r.Checks {
		if c.State == Fail {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %s failed. An arrow (→) marks what to do", failed, term.Count(len(r.Checks), "check"))
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	ink := term.InkFor(w)
	styles := map[string]term.Style{OK: term.Green, Note: term.Yellow, Fail: term.Red}
	var b strings.Builder
	for _, c := range r.Checks {
		label := strings.TrimSpace(c.About + " " + c.Name)
		if c.Step != "" {
			label += ", at the step " + c.Step
		}
		fmt.Fprintf(&b, "%s %s: %s\n", ink.Paint(styles[c.State], fmt.Sprintf("%-4s", c.State)), term.OneLine(label), term.OneLine(c.Reason))
		if len(c.Passed) > 0 {
			fmt.Fprintf(&b, "     good: %s\n", strings.Join(c.Passed, ", "))
		}
		for _, a := range c.Advice {
			fmt.Fprintf(&b, "     → %s\n", term.OneLine(a))
		}
	}
	if r.OK {
		b.WriteString("\nNothing fails.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
