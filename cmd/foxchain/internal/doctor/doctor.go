package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// A Report is all that was found.
type Report struct {
	OK     bool    `json:"ok"` // no check fails
	Checks []Check `json:"checks"`
}

// A doctor is one run. Each field is set before the checks that read it begin.
type doctor struct {
	cfg    Config
	info   *api.Info // nil: no node runs here
	nodes  []api.Peer
	trial  p2p.Trial
	heard  []p2p.HeardNode
	strays int // machines whose mDNS was heard

	mu     sync.Mutex       // guards clocks
	clocks map[string]clock // of nodes that were tried, by ID
}

const (
	askTime = 5 * time.Second
	noNode  = "no node runs here; what only a node knows is left out"
)

// Run looks at everything. Only the end of ctx ends it early.
func Run(ctx context.Context, cfg Config) *Report {
	d := &doctor{cfg: cfg, clocks: make(map[string]clock), trial: p2p.Trial{Version: node.ProgramVersion, PSK: cfg.PSK, Network: cfg.Network.ID(), NetworkName: cfg.Network.Name}}
	r := &Report{Checks: []Check{d.askNode(ctx)}}
	if d.info != nil {
		d.trial.Network, d.trial.NetworkName = d.info.Network.ID, d.info.Network.Name
	}
	// What takes time runs at once, and is shown in this order.
	var air, ports, walls, given, others []Check
	var wg sync.WaitGroup
	wg.Go(func() { air = d.listen(ctx) })
	wg.Go(func() { ports = d.ports(ctx) })
	wg.Go(func() { walls = d.firewall(ctx) })
	wg.Go(func() { given = d.tryAll(ctx, "peer", cfg.Peers) })
	wg.Wait()
	others = d.tryAll(ctx, "other", d.suspects())
	for _, part := range [][]Check{{d.disk(), d.files()}, air, ports, walls, {d.connected()}, d.clock(), given, others} {
		r.Checks = append(r.Checks, part...)
	}
	r.OK = true
	for _, c := range r.Checks {
		r.OK = r.OK && c.State != Fail
	}
	return r
}

// askNode asks the node on this machine, if one runs.
func (d *doctor) askNode(ctx context.Context) Check {
	if d.cfg.At.URL == "" {
		return Check{About: "node", Name: d.cfg.Dir, State: Note, Reason: noNode,
			Advice: []string{"To start one: foxchain node -r " + term.ShellWord(d.cfg.Dir)}}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	at, _, _ := strings.Cut(d.cfg.At.URL, "?")
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
			return d.aboutNode(at)
		}
	}
	check := Check{About: "node", Name: at, State: Fail, Detail: err.Error()}
	switch {
	case errors.Is(err, client.ErrNoNode) && node.InUse(d.cfg.Dir):
		check.Reason = "the node of " + d.cfg.Dir + " runs, and does not answer here"
		check.Advice = []string{"It may be starting or ending, or have another port: foxchain doctor -r " + term.ShellWord(d.cfg.Dir)}
	case errors.Is(err, client.ErrNoNode):
		check.State, check.Reason = Note, noNode
		check.Advice = []string{"To start one: foxchain node"}
	case errors.Is(err, client.ErrRefused):
		check.Reason = "the node does not let this program in"
		check.Advice = []string{"Give its token with --token TOKEN, or use -r DIRECTORY for a node on this machine"}
	default:
		check.Reason = "what answers is not a node of this version: another program may use the port"
		check.Advice = []string{"Stop that program, or start the node at another port: foxchain node -p 9001"}
	}
	return check
}

func (d *doctor) aboutNode(at string) Check {
	in := d.info
	check := Check{About: "node", Name: at, State: OK, Reason: fmt.Sprintf("%s runs, version %s, on network %q (%s), with %s",
		in.Name, in.Version, in.Network.Name, in.Network.ID.Short(), term.Count(in.Blocks, "block"))}
	switch {
	case in.Copied != "":
		check.State, check.Reason = Fail, in.Copied
	case in.Version != node.ProgramVersion:
		check.State = Note
		check.Advice = []string{"This program is version " + node.ProgramVersion + ": start the node with it, or use the node's"}
	case in.Sync != nil:
		check.Reason += "; " + node.SyncWords(in.Blocks, in.Sync)
	}
	return check
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
