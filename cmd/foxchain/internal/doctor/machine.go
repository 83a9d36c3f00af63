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
	"strconv"
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
	open := fmt.Sprintf(w.open, port, nftHome(output), term.ShellWord(program))
	check := Check{About: "firewall", Name: w.name, State: Note,
		Reason: fmt.Sprintf("is on; it must admit TCP port %d and UDP port 5353", port), Advice: []string{"If other machines do not reach this node: " + open}}
	if w.check == nil {
		return check
	}
	closed, known := w.check(output, port)
	switch {
	case closed:
		check.State, check.Reason = Fail, fmt.Sprintf("is on, and seems to keep other machines from TCP port %d or UDP port 5353", port)
		check.Advice = []string{"To open them: " + open}
	case known:
		check.State, check.Reason, check.Advice = OK, fmt.Sprintf("is on, and seems to admit TCP port %d and UDP port 5353", port), nil
	default:
		check.Reason += "; not all of its rules were understood"
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

// An nftChain is a chain of nft's rules.
type nftChain struct {
	at    string // family, table, chain
	input bool   // what comes in for this machine passes it
	drops bool   // its policy
	rules []string
}

// nftChains reads the chains in nft's text. What a rule only notes is left out.
func nftChains(output string) []nftChain {
	var all []nftChain
	table, open := "", false
	for line := range strings.Lines(output) {
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && words[0] == "table":
			table, open = words[1]+" "+words[2], false
		case len(words) >= 3 && words[len(words)-1] == "{": // a chain, a set, a map…
			if open = words[0] == "chain"; open {
				all = append(all, nftChain{at: table + " " + words[1]})
			}
		case !open || len(words) == 0:
		case words[0] == "}":
			open = false
		case words[0] == "type" && slices.Contains(words, "hook"):
			last := &all[len(all)-1]
			last.input, last.drops = strings.Contains(line, "type filter hook input"), strings.Contains(line, "policy drop")
		default:
			last := &all[len(all)-1]
			last.rules = append(last.rules, strings.Join(strings.Fields(nftNotes.ReplaceAllString(line, "")), " "))
		}
	}
	return all
}

var (
	nftNotes   = regexp.MustCompile(`\bcounter( packets \d+ bytes \d+)?|\blog( (prefix|level|flags|group|snaplen) ("[^"]*"|\S+))*|\bcomment "[^"]*"`)
	nftRule    = regexp.MustCompile(`^(.*?) ?\b(accept|drop|return|reject|(?:jump|goto) \S+)( with .*)?$`)
	nftPorts   = regexp.MustCompile(`\b(tcp|udp|th) dport (\{[^}]*\}|\d+(?:-\d+)?|mdns)(?: |$)`)
	nftNew     = regexp.MustCompile(`\bct state (\{[^}]*\bnew\b[^}]*\}|(\w+,)*new(,\w+)*)`)
	nftLimit   = regexp.MustCompile(`\blimit rate [\d.]+ ?\w*/\w+( burst \d+ \w+)?`)
	nftOldOnly = regexp.MustCompile(`\bct state (vmap )?(\{[^}]*\}|[\w,]+)`)
	nftOther   = regexp.MustCompile(`^(iif|iifname) "?lo"?( |$)|^(icmp|icmpv6|igmp) |\b(l4proto|protocol|nexthdr) (\{ ?)?(icmp|icmpv6|ipv6-icmp|igmp)\b`)
)

// nftCloses reports whether a rule or a policy seems to close the port, or UDP port 5353.
// It is known where every rule on the way could be read.
func nftCloses(output string, port int) (closed, known bool) {
	known = true
	all := nftChains(output)
	for _, base := range all {
		if !base.input {
			continue
		}
		for proto, port := range map[string]int{"tcp": port, "udp": 5353} {
			verdict, read := base.judge(all, proto, port, 0)
			shut := verdict == "drop" || verdict == "reject" || verdict == "" && base.drops
			closed, known = closed || shut && read, known && read
		}
	}
	return closed, known
}

// maxJumps is as deep as the system lets chains jump.
const maxJumps = 16

// judge goes through the rules in their order, as the system does, also those of chains that
// it jumps to. It returns the first verdict for a port, empty where no rule has one, and
// whether that is sure: each rule before was understood, or clearly is for something else.
func (c *nftChain) judge(all []nftChain, proto string, port, depth int) (verdict string, sure bool) {
	for _, rule := range c.rules {
		parts := nftRule.FindStringSubmatch(rule)
		condition := rule
		if parts != nil {
			condition = parts[1]
		}
		verdictHere := parts != nil || strings.Contains(rule, "vmap") || strings.Contains(rule, "queue")
		if !verdictHere || nftIsOther(condition, proto, port) {
			continue
		}
		if parts == nil || !nftMatches(condition, parts[2], proto, port) {
			return "", false
		}
		what, to, jumps := strings.Cut(parts[2], " ")
		if !jumps {
			return strings.TrimPrefix(what, "return"), true
		}
		i := slices.IndexFunc(all, func(o nftChain) bool { return o.at == c.at[:strings.LastIndex(c.at, " ")+1]+to })
		if i < 0 || depth == maxJumps {
			return "", false
		}
		if below, sure := all[i].judge(all, proto, port, depth+1); below != "" || what == "goto" || !sure {
			return below, sure
		}
	}
	return "", true
}

// nftMatches reports whether the condition of a rule takes in all that newly comes to a port.
func nftMatches(condition, verdict, proto string, port int) bool {
	condition = nftNew.ReplaceAllString(condition, "")
	if verdict == "accept" {
		condition = nftLimit.ReplaceAllString(condition, "")
	}
	if ports := nftPorts.FindStringSubmatch(condition); ports != nil && (ports[1] == proto || ports[1] == "th") && nftHolds(ports[2], port) {
		condition = strings.Replace(condition, strings.TrimSpace(ports[0]), "", 1)
	}
	protos := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(condition), "meta l4proto"), "ip protocol"), "{ }")
	return strings.TrimSpace(condition) == "" || protos != "" && protos != strings.Trim(condition, "{ ") && slices.Contains(strings.Split(strings.ReplaceAll(protos, " ", ""), ","), proto)
}

// nftIsOther reports whether a condition clearly is of something else than a new connection
// from another machine to a port: another port or protocol, this machine, or connections
// that are.
func nftIsOther(condition, proto string, port int) bool {
	if strings.Contains(condition, "!=") {
		return false
	}
	if ports := nftPorts.FindStringSubmatch(condition); ports != nil && (ports[1] != proto && ports[1] != "th" || !nftHolds(ports[2], port)) {
		return true
	}
	old := nftOldOnly.FindStringSubmatch(condition)
	return nftOther.MatchString(condition) || old != nil && !strings.Contains(old[2], "new") && !strings.Contains(old[2], "untracked")
}

// nftHolds reports whether ports, as nft prints them, hold one.
func nftHolds(ports string, port int) bool {
	return slices.ContainsFunc(strings.Split(strings.Trim(ports, "{ }"), ","), func(part string) bool {
		part = strings.TrimSpace(part)
		first, last, isRange := strings.Cut(part, "-")
		low, err := strconv.Atoi(first)
		high := low
		if isRange {
			high, _ = strconv.Atoi(last)
		}
		return err != nil && part != "mdns" || err == nil && low <= port && port <= high || part == "mdns" && port == 5353
	})
}

// nftHome returns the chain that a rule is to be added to: the one that drops most.
func nftHome(output string) string {
	home := "inet filter input"
	for _, c := range slices.Backward(nftChains(output)) {
		if c.input && (c.drops || home == "inet filter input") {
			home = c.at
		}
	}
	return home
}
