package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// MaxMessage bounds the bytes of a list in one request, so that the node reads it.
const MaxMessage = 4 << 20

// Flags are the flags of every command that asks a running node.
type Flags struct {
	node  string
	dir   string
	token string
	JSON  bool // one object a line for programs

	NamesFile string
	Labels

	same string // the flags of the command line that name the node, for a command to copy
}

func (a *Flags) AddNodeFlags(flags *pflag.FlagSet) {
	flags.StringVar(&a.node, "node", "ws://localhost:9000/ws", "node to ask: `URL` of its WebSocket, host, host:port, or port")
	flags.StringVarP(&a.dir, "dir", "r", "", "ask the node that runs on this data `directory`; its port and token are read there")
	flags.StringVar(&a.token, "token", "", "the node's `token`, needed from other machines (file \"token\" in its data directory)")
}

func (a *Flags) addFlags(flags *pflag.FlagSet) {
	a.AddNodeFlags(flags)
	flags.BoolVar(&a.JSON, "json", false, "print JSON, one object a line")
	flags.BoolVar(&a.full, "full", false, "print whole hashes and accounts in tables")
	a.AddNamesFlag(flags)
}

func (a *Flags) AddNamesFlag(flags *pflag.FlagSet) {
	flags.StringVar(&a.NamesFile, "names", names.DefaultFile(), "`file` with your names of accounts (foxchain names)")
}

// Endpoint returns the node to ask. A flag wins over the environment, whichever of
// --node, -r and --token it is.
func (a *Flags) Endpoint(flags *pflag.FlagSet) (node.Endpoint, error) {
	byNode, byDir := node.HowGiven(flags, "node"), node.HowGiven(flags, "dir")
	if byNode == node.ByFlag && byDir == node.ByFlag {
		return node.Endpoint{}, &term.UsageError{Err: errors.New("--node and -r both name a node: use one of them")}
	}
	switch node.ByFlag {
	case byNode:
		a.same = " --node " + term.ShellWord(node.WithoutToken(a.node))
	case byDir:
		a.same = " -r " + term.ShellWord(a.dir)
	}
	if byDir > byNode {
		e, err := node.ReadEndpoint(a.dir)
		if node.HowGiven(flags, "token") >= byDir {
			e.Token = a.token
		}
		return e, err
	}
	wsURL, err := nodeURL(a.node)
	if err != nil {
		return node.Endpoint{}, term.Usagef("--node is %q: %w", node.WithoutToken(a.node), err)
	}
	return node.Endpoint{URL: wsURL, Token: a.token}, nil
}

// Same returns the flags that name the node, for a command that asks it too, with a blank
// before. It is empty if no flag named it.
func (a *Flags) Same() string { return a.same }

// nodeURL returns the WebSocket's URL for 9001, fox.local, fox.local:9001,
// http://fox.local:9001/ or ws://fox.local:9001/ws. A bare host has the default port of a
// node, and a URL that of its scheme, since a proxy may stand there.
func nodeURL(text string) (string, error) {
	const form = "must be a URL such as ws://localhost:9000/ws, host, host:port, or a port"
	if _, err := strconv.Atoi(text); err == nil {
		text = "localhost:" + text
	}
	scheme := strings.Contains(text, "://")
	if !scheme {
		text = "ws://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", errors.New(form)
	}
	if strings.Contains(u.Hostname(), ":") && u.Host[0] != '[' {
		return "", errors.New("an IPv6 address is written in brackets, such as [::1]:9000")
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || port == 0) {
		return "", errors.New("a port is a number from 1 to 65535")
	}
	if !scheme && u.Port() == "" {
		u.Host = fmt.Sprintf("%s:%d", strings.TrimSuffix(u.Host, ":"), node.DefaultPort)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	default:
		return "", errors.New(form)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/ws"
	}
	u.Fragment = ""
	return u.String(), nil
}

// dial connects to the node. Its errors have hints.
func (a *Flags) dial(cmd *cobra.Command) (*client.Client, error) {
	at, err := a.Endpoint(cmd.Flags())
	if err != nil {
		return nil, err
	}
	a.ink = term.InkFor(cmd.OutOrStdout())
	if a.Names, err = names.Read(a.NamesFile); err != nil {
		return nil, err
	}
	return Dial(cmd.Context(), at)
}

func Dial(ctx context.Context, at node.Endpoint) (*client.Client, error) {
	client, err := client.Dial(ctx, at.URL, at.Token)
	if err != nil {
		return nil, HintDial(err, at)
	}
	return client, nil
}

// WithNode connects, calls f, and closes.
func (a *Flags) WithNode(cmd *cobra.Command, f func(ctx context.Context, c *client.Client) error) error {
	client, err := a.dial(cmd)
	if err != nil {
		return err
	}
	a.Learn(cmd.Context(), client)
	return errors.Join(hintAnswer(f(cmd.Context(), client), a.same), client.Close())
}

// asks completes a command that asks the node: run gets a connection and the output.
func (a *Flags) asks(cmd *cobra.Command, run func(ctx context.Context, w io.Writer, c *client.Client, args []string) error) *cobra.Command {
	cmd.GroupID = term.GroupAsk
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error { return run(ctx, cmd.OutOrStdout(), c, args) })
	}
	a.addFlags(cmd.Flags())
	return cmd
}

// Learn asks the node for its network and its pool, which texts for people name. It
// reports no error: the next question meets it too, and the texts do without.
func (a *Flags) Learn(ctx context.Context, c *client.Client) {
	in := new(api.Info)
	if !a.JSON && c.Get(ctx, "info", nil, in) == nil {
		a.in = in
	}
}

// show requests one op and prints its response: as JSON, or by print.
func show[T any](ctx context.Context, a *Flags, w io.Writer, c *client.Client, op string, args any, print func(*Flags, io.Writer, *T) error) error {
	var raw jsontext.Value
	if err := c.Get(ctx, op, args, &raw); err != nil {
		return err
	}
	if a.JSON {
		return term.PrintJSON(w, raw)
	}
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return err
	}
	return print(a, w, v)
}

// printList prints the values of a list: as JSON, or as t, to which add adds each.
func printList[T any](a *Flags, w io.Writer, list []jsontext.Value, t *term.Table, add func(*T)) error {
	for _, raw := range list {
		if a.JSON {
			if err := term.PrintJSON(w, raw); err != nil {
				return err
			}
			continue
		}
		v := new(T)
		if err := json.Unmarshal(raw, v); err != nil {
			return err
		}
		add(v)
	}
	if a.JSON || len(list) == 0 {
		return nil
	}
	return t.Print(w)
}

// since returns the age of a time by another clock. A time in the future is "now".
func since(t time.Time) string { return term.Age(time.Since(t)) }

func sinceAgo(t time.Time) string { return term.Ago(time.Since(t)) }

func unixSeconds(t float64) time.Time { return time.UnixMicro(int64(t * 1e6)) }

func unixMillis(ms uint64) time.Time { return time.UnixMilli(int64(ms)) }

func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// txTime returns when a node accepted tx.
func txTime(tx *api.Tx) time.Time {
	if tx.T == nil {
		return time.Time{}
	}
	return unixSeconds(float64(*tx.T))
}
