package node

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/term"
)

func nodeFlags() (*Config, *pflag.FlagSet) {
	c, flags := new(Config), pflag.NewFlagSet("node", pflag.ContinueOnError)
	c.AddFlags(flags)
	return c, flags
}

// settingsFrom reads a node's settings as the command does.
func settingsFrom(t *testing.T, vars map[string]string, args ...string) (*Config, *pflag.FlagSet, error) {
	t.Helper()
	c, flags := nodeFlags()
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	_, err := ReadEnv(flags, func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	c.Complete(flags)
	return c, flags, err
}

func TestMaxWaitRule(t *testing.T) {
	for name, c := range map[string]struct {
		vars map[string]string
		args []string
		want time.Duration
	}{
		"default":                       {want: 5 * time.Minute},
		"-k alone means blocks of k":    {args: []string{"-k", "4"}, want: 0},
		"-k from the environment too":   {vars: map[string]string{"FOXCHAIN_BLOCK_TXS": "4"}, want: 0},
		"both":                          {args: []string{"-k", "4", "--max-wait", "1m"}, want: time.Minute},
		"-k with max-wait from env":     {vars: map[string]string{"FOXCHAIN_MAX_WAIT": "30"}, args: []string{"-k", "4"}, want: 30 * time.Second},
		"max-wait alone":                {args: []string{"--max-wait=0"}, want: 0},
		"flag wins over environment":    {vars: map[string]string{"FOXCHAIN_MAX_WAIT": "30s"}, args: []string{"--max-wait=7s"}, want: 7 * time.Second},
		"an empty variable is no value": {vars: map[string]string{"FOXCHAIN_MAX_WAIT": ""}, want: 5 * time.Minute},
	} {
		got, _, err := settingsFrom(t, c.vars, c.args...)
		if err != nil || time.Duration(got.MaxWait) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, time.Duration(got.MaxWait), err, c.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	c, flags, err := settingsFrom(t, map[string]string{
		"FOXCHAIN_PEER": "ws://a:9000/ws, ws://b:9000/ws",
		"FOXCHAIN_MDNS": "false",
		"FOXCHAIN_PORT": "9100",
		"FOXCHAIN_NAME": "reed",
	}, "--name", "fox")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ws://a:9000/ws", "ws://b:9000/ws"}; !slices.Equal(c.Peers, want) {
		t.Errorf("peers %q, want %q", c.Peers, want)
	}
	if c.MDNS || c.Port != 9100 || c.Name != "fox" || c.Dir != "9100.db" {
		t.Errorf("got mdns %t, port %d, name %q, dir %q", c.MDNS, c.Port, c.Name, c.Dir)
	}
	for flag, want := range map[string]given{"name": ByFlag, "port": byEnv, "quic": ByDefault, "none": ByDefault} {
		if got := HowGiven(flags, flag); got != want {
			t.Errorf("howGiven(%s) = %d, want %d", flag, got, want)
		}
	}
	_, _, err = settingsFrom(t, map[string]string{"FOXCHAIN_PORT": "many"})
	var usage *term.UsageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "FOXCHAIN_PORT") {
		t.Errorf("a wrong variable gave %v", err)
	}
}

// TestServiceLinks checks that what Kubernetes and Docker set for a service that is named
// foxchain is no setting.
func TestServiceLinks(t *testing.T) {
	for _, c := range []struct {
		vars  map[string]string
		links string
	}{
		{map[string]string{"FOXCHAIN_PORT": "tcp://10.96.0.12:9000", "FOXCHAIN_SERVICE_HOST": "10.96.0.12", "FOXCHAIN_PORT_9000_TCP_PROTO": "tcp"}, "FOXCHAIN_PORT"},
		{map[string]string{"FOXCHAIN_PORT": "udp://[fd00::1]:9000"}, "FOXCHAIN_PORT"},
		{map[string]string{"FOXCHAIN_PORT": "tcp://172.17.0.5:9000", "FOXCHAIN_NAME": "/web/foxchain"}, "FOXCHAIN_NAME FOXCHAIN_PORT"},
		{map[string]string{"FOXCHAIN_NAME": "/web/foxchain"}, ""},
		{map[string]string{"FOXCHAIN_PEER": "ws://a:9000/ws"}, ""},
	} {
		cfg, flags := nodeFlags()
		links, err := ReadEnv(flags, func(name string) (string, bool) { v, ok := c.vars[name]; return v, ok })
		slices.Sort(links)
		if err != nil || strings.Join(links, " ") != c.links {
			t.Errorf("%v: passed over %q, %v", c.vars, links, err)
		}
		if c.links != "" && cfg.Port != DefaultPort {
			t.Errorf("%v: port %d", c.vars, cfg.Port)
		}
	}
}

// TestWrongValuesInWords checks that no error has the words of a parser.
func TestWrongValuesInWords(t *testing.T) {
	_, flags := nodeFlags()
	flags.Uint64("count", 0, "")
	flags.StringSlice("events", nil, "")
	for arg, want := range map[string]string{
		"--port=many":    `--port is "many": must be an integer`,
		"-pmany":         `--port is "many": must be an integer`,
		"-p=0x":          `--port is "0x": must be an integer`,
		"--count=-1":     `--count is "-1": must be a non-negative integer`,
		"--mdns=perhaps": `--mdns is "perhaps": must be true or false`,
		`--events=a"b`:   `--events is "a\"b": must be words with commas between them, without quotes`,
		"--expiry=soon":  `--expiry is "soon": must be a time span such as 30s, 5m or 24h, or a number of seconds`,
	} {
		if err := FlagError(flags.Parse([]string{arg})); err == nil || err.Error() != want {
			t.Errorf("%s gave\n%v, want\n%s", arg, err, want)
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if strings.HasPrefix(arg, "--") {
			_, err := ReadEnv(flags, func(asked string) (string, bool) { return value, asked == envName(name) })
			if _, rule, _ := strings.Cut(want, ": "); err == nil || !strings.HasSuffix(err.Error(), rule) {
				t.Errorf("%s in the environment gave %v", arg, err)
			}
		}
	}
}

// TestOneVariableOneMeaning checks that FOXCHAIN_FROM is the sender, and no place in a list.
func TestOneVariableOneMeaning(t *testing.T) {
	for _, place := range []bool{false, true} {
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		from := flags.String("from", "", "")
		if place {
			WithoutEnv(flags, "from")
		}
		if _, err := ReadEnv(flags, func(string) (string, bool) { return "issuer", true }); err != nil || (*from == "") != place {
			t.Errorf("a place %t: %q, %v", place, *from, err)
		}
	}
}

// TestTwoNodesTwoNames checks that nodes of one machine have names that differ.
func TestTwoNodesTwoNames(t *testing.T) {
	first, _, err1 := settingsFrom(t, nil)
	second, _, err2 := settingsFrom(t, nil, "-p", "9001")
	if err1 != nil || err2 != nil || second.Name != first.Name+"-9001" {
		t.Errorf("%q and %q, %v, %v", first.Name, second.Name, err1, err2)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "2": 2 * time.Second, "0.5": time.Second / 2, "0": 0, "5m": 5 * time.Minute, "24h": 24 * time.Hour,
	} {
		var d Duration
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %s, %v; want %s", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{"", "-1", "-5m", "NaN", "1e300", "soon"} {
		if err := new(Duration).Set(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	for d, want := range map[time.Duration]string{5 * time.Minute: "5m", 24 * time.Hour: "24h", 90 * time.Second: "1m30s", 0: "0s", 10 * time.Second: "10s"} {
		if got := (*Duration)(&d).String(); got != want {
			t.Errorf("%d shows as %q, want %q", d, got, want)
		}
	}
}
