package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
)

// runNode runs a node in this process, on ports of this machine that are free.
// It returns its directory and the port of its WebSocket.
func runNode(t *testing.T, args ...string) (dir, port string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "node.db")
	n := startNode(t, append([]string{"-p", "0", "-r", dir}, args...)...)
	return dir, n.port
}

// A startedNode runs in this process until it is stopped, or the test ends.
type startedNode struct {
	port string
	stop func()
}

func startNode(t *testing.T, args ...string) *startedNode {
	t.Helper()
	var cfg node.Config
	flags := pflag.NewFlagSet("node", pflag.ContinueOnError)
	cfg.AddFlags(flags)
	if err := flags.Parse(append([]string{"--mdns=false"}, args...)); err != nil {
		t.Fatal(err)
	}
	cfg.Complete(flags)
	log, err := node.NewLogger(t.Output(), "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Loopback = true
	node.QuietLibraries()
	n, err := node.New(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return &startedNode{port: strconv.Itoa(n.Listen.Port()), stop: stop}
}

// program runs the program and returns what it printed.
func program(t *testing.T, wantCode int, args ...string) (stdout, stderr string) {
	t.Helper()
	return scripted(t, wantCode, nil, args...)
}

// scripted runs the program with environment variables.
func scripted(t *testing.T, wantCode int, env map[string]string, args ...string) (stdout, stderr string) {
	t.Helper()
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	var out, errs strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if code := run(ctx, args, &out, &errs, lookup); code != wantCode {
		t.Errorf("foxchain %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, wantCode, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

// answer returns the JSON object that a command prints.
func answer[T any](t *testing.T, args ...string) (v T) {
	t.Helper()
	out, _ := program(t, 0, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return v
}

// A madeKey is what keygen prints.
type madeKey struct {
	Account string `json:"account"`
	NodeKey string `json:"node_key"`
}

// save writes a file, and returns its name.
func save(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// officeOf writes the file of a network whose builders have these keys.
func officeOf(t *testing.T, keys ...string) (network string) {
	t.Helper()
	return save(t, filepath.Join(t.TempDir(), "office.json"), `{"name":"office","builders":["`+strings.Join(keys, `","`)+`"]}`)
}

func checkHas(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

// checkProofs proves a transaction of an open network, and changes its proof.
func checkProofs(t *testing.T, ask func(int, ...string) string, id string) {
	t.Helper()
	text := ask(0, "proof", "get", id[:8])
	file := filepath.Join(t.TempDir(), "proof.json")
	check := func(code int, args ...string) string {
		out, errs := program(t, code, append([]string{"proof", "check", file}, args...)...)
		return out + errs
	}
	save(t, file, text)
	checkHas(t, check(0), "This is proven:\n- ", id, "This is NOT proven:\n- ", "this network has no finality", "Compare the network's ID with one that you trust")
	checkHas(t, check(1, "--network", "other"), "network_id: must be that of your network")
	save(t, file, strings.Replace(text, `"amount": `, `"amount": 1`, 1))
	checkHas(t, check(1), "proves nothing: path: must lead", "Ask for it again")
	checkHas(t, ask(0, "proof", "evidence"), `"evidence": []`)
	checkHas(t, ask(3, "proof", "get", uuid.NewString()), "is not known here", "To see what became of the transaction")
	_, errs := program(t, 2, "proof", "make")
	checkHas(t, errs, "takes get, evidence or check")
}

const (
	accountA = "00000000-0000-0000-0000-00000000000a"
	accountB = "00000000-0000-0000-0000-00000000000b"
)

func TestCommands(t *testing.T) {
	_, port := runNode(t, "-k", "2", "--name", "fox")
	ask := func(code int, args ...string) string {
		t.Helper()
		out, errs := program(t, code, append(args, "--node", port)...)
		return out + errs
	}
	checkHas(t, ask(0, "info"), "name       fox\n", "blocks     0\n", "tip        none yet\n", "16 bits of work a block")
	checkHas(t, ask(0, "pool"), "The pool is empty")
	checkHas(t, ask(0, "blocks"), "No blocks at these heights")
	checkHas(t, ask(0, "peers"), "No other node is known")

	id := uuid.NewString()
	for range 2 { // the same again changes nothing
		checkHas(t, ask(0, "send", "--from", "issuer", "--to", accountA, "--amount", "30", "--id", id), id+" is in the pool and ready for a block: 1 of 2; a block comes with 1 more")
		checkHas(t, ask(0, "tx", id), "1 of 2; a block comes with 1 more")
	}
	checkHas(t, ask(1, "send", "--from", "issuer", "--to", accountA, "--amount", "31", "--id", id), "was not accepted")
	checkHas(t, ask(0, "pool"), "FROM", id, "issuer", "00000000…000a", "30")
	// Its sender is paid by the next transaction, in the same block.
	checkHas(t, ask(0, "send", "--from", accountB, "--to", accountA, "--amount", "1"), "cannot be paid yet")
	checkHas(t, ask(0, "pool"), "ready\n", "waits: sender holds 0")
	if lines := ask(0, "pool", "--json"); strings.Count(lines, "\n") != 2 || !strings.HasSuffix(lines, "}\n") {
		t.Errorf("pool --json is not one object a line:\n%q", lines)
	}
	for _, command := range []string{"info", "peers", "account issuer", "tx " + id} {
		if out := ask(0, append(strings.Fields(command), "--json")...); out != "" && (!strings.HasSuffix(out, "}\n") || strings.Count(out, "\n") != 1) {
			t.Errorf("%s --json is not one line: %q", command, out)
		}
	}
	waited := uuid.NewString()
	out, errs := program(t, 0, "send", "--from", "issuer", "--to", accountB, "--amount", "5", "--wait", "--id", waited, "--node", port)
	checkHas(t, out, waited+" is in block")
	if errs != "" {
		checkHas(t, errs, waited+" is in the pool", "Ctrl-C ends the waiting")
	}

	checkHas(t, ask(0, "tx", id), "confirmed", "to           "+accountA, "block        0, item")
	checkHas(t, ask(0, "account", accountA), "open: anyone", "+30", id)
	checkHas(t, ask(0, "account", "issuer"), "minted    35")
	checkHas(t, ask(0, "block", "0"), "none: this is the first block", "3 transactions", id)
	checkHas(t, ask(0, "block", "-1"), "none: this is the first block", id)
	checkHas(t, ask(0, "block", "-1", "--json"), id)
	checkHas(t, ask(3, "block", "99"), "Block 99 is not known")
	checkHas(t, ask(3, "tx", uuid.NewString()), "is not known")
	checkHas(t, ask(2, "block", "abc"), "neither a height nor a hash", "See: foxchain block --help")
	checkHas(t, ask(2, "send", "--to", "x", "--amount", "5"), "--from is missing")

	var block api.Block
	lines := strings.Split(strings.TrimSpace(ask(0, "blocks", "--json", "--start", "0", "--limit", "1")), "\n")
	if err := json.Unmarshal([]byte(lines[0]), &block); err != nil || len(lines) != 1 || len(block.Items) != 3 {
		t.Errorf("blocks --json gave %d lines, the first with %d items, %v", len(lines), len(block.Items), err)
	}
	for _, hash := range []string{block.Hash.String(), term.ShortHash(block.Hash.String())} {
		checkHas(t, ask(0, "block", hash, "--json"), block.Root.String())
	}
	checkHas(t, ask(0, "tx", id[:8]), id)
	checkHas(t, ask(0, "account", term.ShortAccount(accountA)), accountA, "balance")
	checkProofs(t, ask, id)
	checkHas(t, ask(1, "account", accountA[:8]), accountA, accountB)
}

// TestHelpFits checks that no line of a help text is wider than a terminal of 100 columns.
func TestHelpFits(t *testing.T) {
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
				t.Errorf("%s --help has a line of %d columns: %s", cmd.CommandPath(), n, line)
			}
		}
		for _, c := range cmd.Commands() {
			check(c)
		}
	}
	check(newRoot(emptyEnv))
}

func TestVersion(t *testing.T) {
	long, _ := program(t, 0, "version")
	short, _ := program(t, 0, "--version")
	if long != short || !strings.HasPrefix(long, "foxchain "+node.ProgramVersion) {
		t.Errorf("version prints %q, --version %q", long, short)
	}
}

func TestSignedSend(t *testing.T) {
	_, port := runNode(t, "-k", "1")
	key := filepath.Join(t.TempDir(), "me.pem")
	made := answer[madeKey](t, "keygen", "-o", key)
	program(t, 0, "send", "--node", port, "--from", "issuer", "--to", made.Account, "--amount", "9", "--wait")
	out, _ := program(t, 0, "send", "--node", port, "--key", key, "--to", accountA, "--amount", "4", "--wait", "--json")
	checkHas(t, out, `"sender":"`+made.Account+`"`, `"signature":"`, `"state":"confirmed"`)
	out, _ = program(t, 0, "account", "--node", port, made.Account)
	checkHas(t, out, "keyed: only", "balance  5\n", "+9", "-4")
	_, errs := program(t, 1, "send", "--node", port, "--from", made.Account, "--to", accountA, "--amount", "1")
	checkHas(t, errs, made.Account+" is the account of a key", "--key FILE")
}

func TestRegisterAndWatch(t *testing.T) {
	builder := startNode(t, "-p", "0", "-r", t.TempDir(), "--name", "fox", "-k", "1")
	fox := builder.port
	_, reed := runNode(t, "--name", "reed", "--build=false")
	url := fmt.Sprintf("ws://localhost:%s/ws", reed)
	out, _ := program(t, 0, "register", "--node", fox, url)
	checkHas(t, out, url)
	watchUntil(t, "connected: fox (", "watch", "--node", reed, "--events", "peers")
	out, _ = program(t, 0, "register", "--node", fox, url)
	checkHas(t, out, url, "reed", "connected")
	out, _ = program(t, 0, "peers", "--full", "--node", reed)
	checkHas(t, out, "fox", "connected", " in  ")
	for name, want := range map[string]string{"FO": "connected", "fix": "No node's name begins with fix."} {
		out, _ = program(t, 0, "peers", "--node", reed, name)
		checkHas(t, out, want)
	}
	id := uuid.NewString()
	program(t, 0, "send", "--node", reed, "--from", "issuer", "--to", accountA, "--amount", "1", "--id", id, "--wait")
	_, errs := program(t, 3, "watch", "--node", reed, "--told", uuid.NewString())
	checkHas(t, errs, "is not known here")
	checkHas(t, watchUntil(t, "had it", "watch", "--node", reed, "--events", "told", "--told", id[:8]), "told   fox: ")

	seen := watchUntil(t, "block", "watch", "--node", fox, "--from", "0")
	checkHas(t, seen, "1 transaction, by fox")

	// A builder keeps its name when it is gone for good.
	out, _ = program(t, 0, "blocks", "--node", reed)
	checkHas(t, out, " fox\n")
	watchThrough(t, []string{"connected: fox (", "gone: fox ("}, builder.stop, "watch", "--node", reed, "--events", "peers")
	for _, forget := range []bool{false, true} {
		if forget {
			program(t, 0, "forget", "--node", reed, "fox")
		}
		out, _ = program(t, 0, "block", "--node", reed, "0")
		checkHas(t, out, "(fox (last seen ")
		out, _ = program(t, 0, "blocks", "--node", reed)
		checkHas(t, out, " fox (last seen ")
	}
}

// watchUntil runs a command that follows events until it has printed want.
func watchUntil(t *testing.T, want string, args ...string) (seen string) {
	t.Helper()
	return watchThrough(t, []string{want}, nil, args...)
}

// watchThrough runs such a command until it has printed all of wants, and calls do after
// each but the last.
func watchThrough(t *testing.T, wants []string, do func(), args ...string) (seen string) {
	t.Helper()
	out := newLines()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, out, out, emptyEnv) }()
	for i, want := range wants {
		if i > 0 {
			do()
		}
		out.await(t, want)
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("%v ended with code %d", args, code)
	}
	return out.String()
}

// TestBuildsInVain checks that a node that is not among its network's builders does not
// report that it builds.
func TestBuildsInVain(t *testing.T) {
	_, port := runNode(t, "--network", officeOf(t, strings.Repeat("7b", 32)))
	out, _ := program(t, 0, "info", "--node", port)
	checkHas(t, out, "builds     no")
}

func TestOneNodeADirectory(t *testing.T) {
	dir, port := runNode(t)
	_, errs := program(t, 1, "node", "-p", "0", "-r", dir, "--mdns=false")
	checkHas(t, errs, "another node uses the data directory "+dir)
	_, errs = program(t, 1, "node", "-p", port, "-r", filepath.Join(t.TempDir(), "other.db"), "--mdns=false")
	checkHas(t, errs, "port "+port, "in use")
	_, errs = program(t, 2, "node", "-k", "0")
	checkHas(t, errs, "-k is 0")
	_, errs = program(t, 2, "nod")
	checkHas(t, errs, "did you mean node")
}

// TestWrongFlagsMakeNothing checks that a start that fails for its flags makes no
// directory, since a directory belongs to a network once it is made.
func TestWrongFlagsMakeNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node.db")
	for want, args := range map[string][]string{
		"--psk":             {"--psk", filepath.Join(t.TempDir(), "none.key")},
		"must end in /p2p/": {"--peer", "/ip4/192.168.1.7/tcp/19000"},
		"--ws-host is \"a.lan:1\": must be a name": {"--ws-host", "a.lan:1"},
		"--ws-origin is \"a.lan\": must be as":     {"--ws-origin", "a.lan"},
		"cannot go together":                       {"--quic", "--psk", "swarm.key"},
	} {
		_, errs := program(t, 2, append([]string{"node", "-p", "0", "-r", dir, "--mdns=false"}, args...)...)
		checkHas(t, errs, want)
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v left %s behind (%v)", args, dir, err)
		}
	}
}

func emptyEnv(string) (string, bool) { return "", false }

// lines collects output, so that a test can wait for a text in it.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed at the next write
}

func newLines() *lines { return &lines{more: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	close(l.more)
	l.more = make(chan struct{})
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the output has want.
func (l *lines) await(t *testing.T, want string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		text, more := l.text.String(), l.more
		l.mu.Unlock()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("%q is not in\n%s", want, text)
		}
	}
}

// TestPassphraseIsNotRepeated checks that a passphrase among the arguments is refused, and
// is in no output.
func TestPassphraseIsNotRepeated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "me.key")
	for _, args := range [][]string{{"--passphrase=hunter2"}, {"--passphrase", "hunter2"}} {
		out, errs := program(t, 2, append([]string{"keygen", "-o", file}, args...)...)
		checkHas(t, errs, "--passphrase takes no passphrase")
		if strings.Contains(out+errs, "hunter2") {
			t.Errorf("%s%s", out, errs)
		}
	}
}

// TestRepairOfASoundLedger checks that the repair of a sound ledger changes nothing.
func TestRepairOfASoundLedger(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node.db")
	n := startNode(t, "-p", "0", "-r", dir, "-k", "1")
	program(t, 0, "send", "--node", n.port, "--from", "issuer", "--to", accountA, "--amount", "1", "--wait")
	n.stop()
	files := func() (names []string) {
		t.Helper()
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			names = append(names, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	before := files()
	out, _ := program(t, 0, "repair", "-r", dir)
	checkHas(t, out, "the ledger is sound, with 1 block: nothing was changed")
	if after := files(); !slices.Equal(after, before) {
		t.Errorf("there is %q now, and was %q", after, before)
	}
}
