package doctor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger/store"
)

const (
	mib     = 1 << 20
	lowDisk = 1024 * mib
	noDisk  = 128 * mib

	fewFiles = 512
	noFiles  = store.OwnFiles + 32
)

func (d *doctor) disk() Check {
	dir := d.cfg.Dir
	if _, err := os.Stat(dir); err != nil { // it will be made there
		dir = filepath.Dir(dir)
	}
	check := Check{About: "disk", Name: dir, State: OK}
	free, err := node.DiskFree(dir)
	if err != nil {
		check.State, check.Reason, check.Detail = Note, "free space is not known", err.Error()
		return check
	}
	check.Reason = fmt.Sprintf("%d MiB free", free/mib)
	if free >= lowDisk {
		check.Reason = fmt.Sprintf("%d GiB free", free>>30)
		return check
	}
	check.State, check.Advice = Note, []string{"Make room, or move the stopped node to another disk: foxchain node -r DIRECTORY"}
	if free < noDisk {
		check.State, check.Reason = Fail, check.Reason+": the disk is nearly full, and a node ends when it cannot write. Nothing accepted is lost"
	}
	return check
}

// files looks at the limit of this process, which a node started from the same shell has.
func (d *doctor) files() Check {
	limit := store.FileLimit()
	check := Check{About: "files", State: OK, Reason: fmt.Sprintf("a program started here may open %s files", term.Thousands(uint64(limit)))}
	if limit >= fewFiles {
		return check
	}
	check.State = Note
	check.Reason += fmt.Sprintf(", of which the ledger needs %d: %d connections are left for each port", store.OwnFiles, store.Sockets())
	if limit < noFiles {
		check.State, check.Reason = Fail, check.Reason+", and the node may stop for want of files"
	}
	check.Advice = []string{"Raise the limit, then start the node from the same shell: ulimit -n 4096 (as a service: LimitNOFILE=4096)"}
	return check
}

// A wall is a firewall of a system: how it is recognised, and what opens the ports.
type wall struct {
	name  string
	ask   []string // a program that tells whether it is on
	on    *regexp.Regexp
	open  string // what to type, with %[1]d for the TCP port
	check func(output string, port int) (closed, known bool)
}

var walls = map[string][]wall{
	"linux": {
		{name: "ufw", ask: []string{"ufw", "status"}, on: regexp.MustCompile(`(?m)^Status: active`), check: ufwCloses,
			open: "sudo ufw allow %[1]d/tcp && sudo ufw allow 5353/udp"},
		{name: "firewalld", ask: []string{"firewall-cmd", "--list-all"}, on: regexp.MustCompile(`(?m)^\s*ports:`), check: firewalldCloses,
			open: "sudo firewall-cmd --permanent --add-port=%[1]d/tcp --add-service=mdns && sudo firewall-cmd --reload"},
		{name: "nftables", ask: []string{"nft", "list", "ruleset"}, on: regexp.MustCompile(`hook input`), check: nftCloses,
			open: "sudo nft insert rule %[2]s tcp dport %[1]d accept && sudo nft insert rule %[2]s udp dport 5353 accept"},
	},
	"windows": {
		{name: "Windows Defender", ask: []string{"netsh", "advfirewall", "show", "currentprofile"}, on: regexp.MustCompile(`(?i)\bON\b`),
			open: "in PowerShell as administrator: New-NetFirewallRule -DisplayName foxchain -Direction Inbound -Action Allow -Protocol TCP -LocalPort %[1]d; " +
				"New-NetFirewallRule -DisplayName 'foxchain mDNS' -Direction Inbound -Action Allow -Protocol UDP -LocalPort 5353"},
	},
	"darwin": {
		{name: "the firewall of macOS", ask: []string{"/usr/libexec/ApplicationFirewall/socketfilterfw", "--getglobalstate"}, on: regexp.MustCompile(`(?i)enabled`),
			open: "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add %[3]s --unblockapp %[3]s"},
	},
}

// firewall looks for the firewall of this system. The first that is on is told.
func (d *doctor) firewall(ctx context.Context) []Check {
	port, asked := d.nodePort(), 0
	for _, w := range walls[runtime.GOOS] {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		out, err := exec.CommandContext(ctx, w.ask[0], w.ask[1:]...).Output()
		cancel()
		if err != nil {
			continue // it is not there, or needs root
		}
		asked++
		if w.on.Match(out) {
			return []Check{w.judge(string(out), port)}
		}
	}
	check := Check{About: "firewall", State: OK, Reason: "none is on here"}
	if asked == 0 {
		check.Reason = "not known here: no firewall program answers, or it needs root"
		if runtime.GOOS == "linux" && os.Geteuid() != 0 {
			check.State, check.Advice = Note, []string{"To look at its rules: sudo foxchain doctor"}
		}
	}
	return []Check{check}
}

func (w *wall) judge(output string, port int) Check {
	program, err := os.Executable()
	if err != nil {
		program = "foxchain"
	}
	open := fmt.Sprintf(w.open, port, nftChain(output), term.ShellWord(program))
	check := Check{About: "firewall", Name: w.name, State: Note,
		Reason: fmt.Sprintf("is on; it must admit TCP port %d and UDP port 5353", port), Advice: []string{"If other machines do not reach this node: " + open}}
	if w.check == nil {
		return check
	}
	if closed, known := w.check(output, port); closed {
		check.State, check.Reason = Fail, fmt.Sprintf("is on, and seems to keep other machines from TCP port %d or UDP port 5353", port)
		check.Advice = []string{"To open them: " + open}
	} else if known {
		check.State, check.Reason, check.Advice = OK, fmt.Sprintf("is on, and seems to admit TCP port %d and UDP port 5353", port), nil
	}
	return check
}

func ufwCloses(output string, port int) (closed, known bool) {
	return !regexp.MustCompile(fmt.Sprintf(`(?m)^%d(/tcp)?\s+ALLOW`, port)).MatchString(output), true
}

func firewalldCloses(output string, port int) (closed, known bool) {
	admits := strings.Contains(output, fmt.Sprintf("%d/tcp", port)) || strings.Contains(output, "target: ACCEPT")
	return !admits, true
}

// An nftBase is a chain that what comes in passes.
type nftBase struct {
	at    string // family, table, chain
	drops bool   // its policy
	rules []string
}

// nftBases reads the chains that hook input out of nft's text. Rules that lie in chains
// which these jump to are not read.
func nftBases(output string) []nftBase {
	var all []nftBase
	table, chain, open := "", "", false
	for line := range strings.Lines(output) {
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && words[0] == "table":
			table = words[1] + " " + words[2]
		case len(words) >= 2 && words[0] == "chain":
			chain, open = words[1], false
		case strings.Contains(line, "type filter hook input"):
			all = append(all, nftBase{at: table + " " + chain, drops: strings.Contains(line, "policy drop")})
			open = true
		case len(words) > 0 && words[0] == "}":
			open = false
		case open && len(words) > 0:
			last := &all[len(all)-1]
			last.rules = append(last.rules, strings.TrimSpace(line))
		}
	}
	return all
}

// nftCloses reports whether a rule or a policy seems to close the port, or UDP port 5353.
// It is known where no rule jumps elsewhere.
func nftCloses(output string, port int) (closed, known bool) {
	known = true
	for _, base := range nftBases(output) {
		for _, want := range []string{fmt.Sprintf("tcp dport %d", port), "udp dport 5353"} {
			shut, jumps := base.closes(want)
			closed, known = closed || shut, known && !jumps
		}
	}
	return closed, known
}

// closes goes through the rules in their order, as the system does.
func (b *nftBase) closes(want string) (closed, jumps bool) {
	for _, rule := range b.rules {
		verdict := slices.IndexFunc(strings.Fields(rule), func(w string) bool { return slices.Contains([]string{"accept", "drop", "reject", "jump", "goto"}, w) })
		if verdict < 0 {
			continue
		}
		what := strings.Fields(rule)[verdict]
		before := strings.TrimSpace(strings.Join(strings.Fields(rule)[:verdict], " "))
		before = regexp.MustCompile(`counter packets \d+ bytes \d+`).ReplaceAllString(before, "")
		proto, _, _ := strings.Cut(want, " ")
		matches := strings.TrimSpace(before) == "" || strings.TrimSpace(before) == "counter" || strings.HasPrefix(before, want) ||
			strings.TrimSpace(before) == "meta l4proto "+proto || strings.TrimSpace(before) == "ip protocol "+proto
		switch {
		case what == "jump" || what == "goto":
			jumps = true
		case matches:
			return what != "accept", jumps
		}
	}
	return b.drops && !jumps, jumps
}

// nftChain returns the chain that a rule is to be added to: the one that drops most.
func nftChain(output string) string {
	bases := nftBases(output)
	for _, b := range bases {
		if b.drops {
			return b.at
		}
	}
	if len(bases) > 0 {
		return bases[0].at
	}
	return "inet filter input"
}
