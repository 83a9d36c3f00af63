package doctor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"

	"foxchain/cmd/foxchain/internal/term"
)

// A wall is a firewall of a system: how it is recognised, and what opens the ports.
type wall struct {
	name   string
	ask    []string // a program that prints whether it is on
	on     *regexp.Regexp
	open   string // what to type, with %[1]d for the TCP port
	admits string // a pattern of what its program prints then, with %d for the TCP port
}

var walls = map[string][]wall{
	"linux": {
		{name: "ufw", ask: []string{"ufw", "status"}, on: regexp.MustCompile(`(?m)^Status: active`), admits: `(?m)^%d(/tcp)?\s+ALLOW`,
			open: "sudo ufw allow %[1]d/tcp && sudo ufw allow 5353/udp"},
		{name: "firewalld", ask: []string{"firewall-cmd", "--list-all"}, on: regexp.MustCompile(`(?m)^\s*ports:`), admits: `\b%d/tcp|target: ACCEPT`,
			open: "sudo firewall-cmd --permanent --add-port=%[1]d/tcp --add-service=mdns && sudo firewall-cmd --reload"},
		{name: "nftables", ask: []string{"nft", "list", "ruleset"}, on: regexp.MustCompile(`hook input`),
			open: "sudo nft insert rule %[2]s tcp dport %[1]d accept && sudo nft insert rule %[2]s udp dport 5353 accept"},
	},
	"windows": {
		{name: "Windows Defender", on: regexp.MustCompile(`(?m)^True`), // netsh answers in the language of the system
			ask: []string{"powershell", "-NoProfile", "-Command", "(Get-NetFirewallProfile -PolicyStore ActiveStore).Enabled"},
			open: "in PowerShell as administrator: New-NetFirewallRule -DisplayName foxchain -Direction Inbound -Action Allow -Protocol TCP -LocalPort %[1]d; " +
				"New-NetFirewallRule -DisplayName 'foxchain mDNS' -Direction Inbound -Action Allow -Protocol UDP -LocalPort 5353"},
	},
	"darwin": {
		{name: "the firewall of macOS", ask: []string{"/usr/libexec/ApplicationFirewall/socketfilterfw", "--getglobalstate"}, on: regexp.MustCompile(`State = [12]`), // 2 blocks all
			open: "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add %[3]s --unblockapp %[3]s"},
	},
}

// firewall looks for the firewall of this system. The first that is on is judged.
func (d *doctor) firewall(ctx context.Context) []Check {
	asked := false
	for _, w := range walls[runtime.GOOS] {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		out, err := exec.CommandContext(ctx, w.ask[0], w.ask[1:]...).Output()
		cancel()
		if err == nil && w.on.Match(out) {
			return w.judge(string(out), d.nodePort())
		}
		asked = asked || err == nil // else it is not there, or needs root
	}
	const unknown = "not known here: no firewall program answers, or it needs root"
	switch {
	case asked:
		return found("", OK, "none is on here")
	case runtime.GOOS == "linux" && os.Geteuid() != 0:
		return found("", Note, unknown, "To look at its rules: sudo foxchain doctor")
	}
	return found("", OK, unknown)
}

func (w *wall) judge(output string, port int) []Check {
	program, err := os.Executable()
	if err != nil {
		program = "foxchain"
	}
	home := "inet filter input"
	for _, c := range nftInput(output) {
		home = c.at
	}
	open, ports := fmt.Sprintf(w.open, port, home, term.ShellWord(program)), fmt.Sprintf("TCP port %d", port)
	closed, known := nftCloses(output, port)
	if w.admits != "" {
		closed, known = !regexp.MustCompile(fmt.Sprintf(w.admits, port)).MatchString(output), true
	}
	switch {
	case closed:
		return found(w.name, Fail, "is on, and seems to keep other machines from "+ports+" or UDP port 5353", "To open them: "+open)
	case known:
		return found(w.name, OK, "is on, and seems to admit "+ports+" and UDP port 5353")
	}
	return found(w.name, Note, "is on; it must admit "+ports+" and UDP port 5353", "If other machines do not reach this node: "+open)
}

// An nftChain is a chain that what comes in for this machine passes: where it is, as nft
// names it, and its policy and rules, one a line.
type nftChain struct{ at, rules string }

func nftInput(output string) (all []nftChain) {
	table := ""
	for _, m := range regexp.MustCompile(`(?m)^table (\S+ \S+) \{|^\tchain (\S+) \{\n\t\t(type filter hook input(?s:.*?))^\t\}`).FindAllStringSubmatch(output, -1) {
		if m[1] != "" {
			table = m[1]
		} else {
			all = append(all, nftChain{table + " " + m[2], m[3]})
		}
	}
	return all
}

// nftCloses reports whether a rule or a policy seems to close the port, or UDP port 5353. It
// is known where every rule before the one that decides is a simple one.
func nftCloses(output string, port int) (closed, known bool) {
	chains := nftInput(output)
	known = len(chains) > 0
	for _, c := range chains {
		for _, ports := range []string{fmt.Sprintf(`tcp dport (%[1]d|\{[^}-]*\b%[1]d\b[^}-]*\})`, port), `udp dport (5353|mdns|\{[^}-]*\b(5353|mdns)\b[^}-]*\})`} {
			shut, read := c.closes(ports)
			closed, known = closed || shut, known && read
		}
	}
	return closed, known
}

// closes goes through the rules in their order, as the system does, to the first that
// decides on a port.
func (c nftChain) closes(port string) (shut, read bool) {
	verdict := regexp.MustCompile(`\b(accept|drop|reject|return|jump|goto|vmap|queue)\b`)
	mine := regexp.MustCompile(`^(ct state new )?` + port + ` `)
	decides := regexp.MustCompile(mine.String() + `(ct state new )?(counter packets \d+ bytes \d+ )?(limit rate \d[^:]* )?(accept|drop|reject)\b|^(counter packets \d+ bytes \d+ )?(log [^;]*)?(accept|drop|reject)\b`)
	other := regexp.MustCompile(`^(ct state new )?(tcp|udp) dport (\d+|mdns|\{[^}-]*\}) |^iif(name)? "?lo"? |\b(icmp|icmpv6|igmp) (type|code) |^(ip protocol|ip6 nexthdr|meta l4proto) (\{ )?((icmp|icmpv6|ipv6-icmp|igmp),? )+`)
	old := regexp.MustCompile(`^ct state (vmap )?[{a-z]`) // connections that are
	policy, rules, _ := strings.Cut(c.rules, "\n")
	for rule := range strings.Lines(rules) {
		rule = strings.TrimSpace(rule)
		at := verdict.FindStringIndex(rule)
		switch {
		case at == nil:
		case decides.MatchString(rule):
			return !strings.HasPrefix(rule[at[0]:], "accept"), true
		case mine.MatchString(rule), strings.Contains(rule, "!="):
			return false, false
		case !other.MatchString(rule[:at[0]]) && (!old.MatchString(rule) || strings.Contains(rule, "new") || strings.Contains(rule, "untracked")):
			return false, false
		}
	}
	return strings.Contains(policy, "policy drop"), true
}
