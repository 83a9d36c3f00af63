package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/client"
)

// askTimeout bounds one question to a node, connecting included.
const askTimeout = 30 * time.Second

// An ask has the flags of every command that asks a running node.
type ask struct {
	node  string
	dir   string
	token string
	json  bool // one object a line for programs
	full  bool // whole hashes and accounts in tables
	color term.ColorWhen
	ink   term.Ink // what color comes to, known once a node is asked
}

func (a *ask) addNodeFlags(flags *pflag.FlagSet) {
	flags.StringVar(&a.node, "node", "ws://localhost:9000/ws", "the node to ask: its WebSocket's URL, or host:port, or only the port")
	flags.StringVarP(&a.dir, "dir", "r", "", "ask the node that runs on this data directory (finds its port and token)")
	flags.StringVar(&a.token, "token", "", "the node's token, where it asks for one (the file token in its data directory)")
}

func (a *ask) addFlags(flags *pflag.FlagSet) {
	a.addNodeFlags(flags)
	flags.BoolVar(&a.json, "json", false, "print JSON for programs, one object a line")
	flags.BoolVar(&a.full, "full", false, "print whole hashes and accounts in tables")
	a.addColorFlag(flags)
}

func (a *ask) addColorFlag(flags *pflag.FlagSet) {
	a.color = term.ColorAuto
	flags.Var(&a.color, "color", "colours: auto is on a terminal, unless NO_COLOR is set")
}

// endpoint is the node to ask. Of --node and -r the one wins that is set more
// directly: a flag over the environment.
func (a *ask) endpoint(flags *pflag.FlagSet) (node.Endpoint, error) {
	byNode, byDir := node.HowGiven(flags, "node"), node.HowGiven(flags, "dir")
	if byNode == node.ByFlag && byDir == node.ByFlag {
		return node.Endpoint{}, &term.UsageError{Err: errors.New("--node and -r both name a node: give one of them")}
	}
	if byDir > byNode {
		e, err := node.ReadEndpoint(a.dir)
		if a.token != "" {
			e.Token = a.token
		}
		return e, err
	}
	wsURL, err := nodeURL(a.node)
	if err != nil {
		return node.Endpoint{}, term.Usagef("--node is %q: %w", a.node, err)
	}
	return node.Endpoint{URL: wsURL, Token: a.token}, nil
}

// nodeURL completes what people write for a node: 9001, fox.local:9001,
// http://fox.local:9001/ and ws://fox.local:9001/ws all name one.
func nodeURL(text string) (string, error) {
	const form = "must be a URL such as ws://localhost:9000/ws, host:port, or a port"
	if port, err := strconv.Atoi(text); err == nil {
		if port < 1 || port > 65535 {
			return "", errors.New("a port is a number from 1 to 65535")
		}
		return fmt.Sprintf("ws://localhost:%d/ws", port), nil
	}
	if !strings.Contains(text, "://") {
		text = "ws://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", errors.New(form)
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

// withoutToken is a node's URL as it may be shown.
func withoutToken(wsURL string) string {
	shown, _, _ := strings.Cut(wsURL, "?")
	return shown
}

// dial connects to the node; its errors have a hint.
func (a *ask) dial(cmd *cobra.Command) (*client.Client, error) {
	at, err := a.endpoint(cmd.Flags())
	if err != nil {
		return nil, err
	}
	a.ink = a.color.InkFor(cmd.OutOrStdout())
	ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
	defer cancel()
	return dialNode(ctx, at)
}

func dialNode(ctx context.Context, at node.Endpoint) (*client.Client, error) {
	client, err := client.Dial(ctx, at.URL, at.Token)
	if err != nil {
		return nil, hintDial(err, at)
	}
	return client, nil
}

// withNode connects, calls f, and closes.
func (a *ask) withNode(cmd *cobra.Command, f func(ctx context.Context, c *client.Client) error) error {
	client, err := a.dial(cmd)
	if err != nil {
		return err
	}
	return errors.Join(hintAnswer(f(cmd.Context(), client)), client.Close())
}

// question asks for one op, with patience, and reads its response into into.
func question(ctx context.Context, c *client.Client, op string, args, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.Get(ctx, op, args, into)
}

// printJSONs writes every value on a line of its own.
func printJSONs(w io.Writer, list []jsontext.Value) error {
	for _, value := range list {
		if err := printJSON(w, value); err != nil {
			return err
		}
	}
	return nil
}

// printJSON writes one value on a line of its own.
func printJSON(w io.Writer, value jsontext.Value) error {
	line := value.Clone()
	if err := line.Compact(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", line)
	return err
}

// table and facts print in the colours that were asked for.
func (a *ask) table(header ...string) *term.Table {
	t := term.NewTable(header...)
	t.Ink = a.ink
	return t
}

func (a *ask) facts() *term.Facts {
	f := term.NewFacts()
	f.T.Ink = a.ink
	return f
}

// hash and account show values in tables, whole with --full. Equal hashes have
// equal colours.
func (a *ask) hash(s string) string {
	if a.full {
		return s
	}
	return term.ShortHash(s)
}

func (a *ask) inkedHash(s string) term.Styled {
	return term.Styled{Value: a.hash(s), Style: term.HashStyle(s)}
}

func (a *ask) account(id uuid.UUID) string {
	if a.full {
		return id.String()
	}
	return term.ShortAccount(id.String())
}
