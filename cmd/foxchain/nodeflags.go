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

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// askTimeout bounds one request to a node, with its connection.
const askTimeout = 30 * time.Second

// nodeFlags are the flags of every command that asks a running node.
type nodeFlags struct {
	node  string
	dir   string
	token string
	json  bool     // one object a line for programs
	full  bool     // whole hashes and accounts in tables
	ink   term.Ink // set by dial

	namesFile string
	names     *names.List // read by dial; nil: the command shows no accounts
}

func (a *nodeFlags) addNodeFlags(flags *pflag.FlagSet) {
	flags.StringVar(&a.node, "node", "ws://localhost:9000/ws", "node to ask: `URL` of its WebSocket, host:port, or port")
	flags.StringVarP(&a.dir, "dir", "r", "", "ask the node that runs on this data `directory`; its port and token are read there")
	flags.StringVar(&a.token, "token", "", "the node's `token`, needed from other machines (file \"token\" in its data directory)")
}

func (a *nodeFlags) addFlags(flags *pflag.FlagSet) {
	a.addNodeFlags(flags)
	flags.BoolVar(&a.json, "json", false, "print JSON, one object a line")
	flags.BoolVar(&a.full, "full", false, "print whole hashes and accounts in tables")
	a.addNamesFlag(flags)
}

func (a *nodeFlags) addNamesFlag(flags *pflag.FlagSet) {
	flags.StringVar(&a.namesFile, "names", names.DefaultFile(), "`file` with your names of accounts (foxchain names)")
}

// endpoint returns the node to ask. A flag wins over the environment, whichever of
// --node and -r it is.
func (a *nodeFlags) endpoint(flags *pflag.FlagSet) (node.Endpoint, error) {
	byNode, byDir := node.HowGiven(flags, "node"), node.HowGiven(flags, "dir")
	if byNode == node.ByFlag && byDir == node.ByFlag {
		return node.Endpoint{}, &term.UsageError{Err: errors.New("--node and -r both name a node: use one of them")}
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

// nodeURL returns the WebSocket's URL for 9001, fox.local:9001,
// http://fox.local:9001/ or ws://fox.local:9001/ws.
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

// withoutToken returns a node's URL without its query, which may hold the token.
func withoutToken(wsURL string) string {
	shown, _, _ := strings.Cut(wsURL, "?")
	return shown
}

// dial connects to the node. Its errors have hints.
func (a *nodeFlags) dial(cmd *cobra.Command) (*client.Client, error) {
	at, err := a.endpoint(cmd.Flags())
	if err != nil {
		return nil, err
	}
	a.ink = term.InkFor(cmd.OutOrStdout())
	if a.names, err = names.Read(a.namesFile); err != nil {
		return nil, err
	}
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
func (a *nodeFlags) withNode(cmd *cobra.Command, f func(ctx context.Context, c *client.Client) error) error {
	client, err := a.dial(cmd)
	if err != nil {
		return err
	}
	return errors.Join(hintAnswer(f(cmd.Context(), client)), client.Close())
}

// question requests one op within askTimeout and reads its response into into.
func question(ctx context.Context, c *client.Client, op string, args, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.Get(ctx, op, args, into)
}

// show requests one op and prints its response: as JSON, or by print.
func show[T any](ctx context.Context, a *nodeFlags, w io.Writer, c *client.Client, op string, args any, print func(io.Writer, *T) error) error {
	var raw jsontext.Value
	if err := question(ctx, c, op, args, &raw); err != nil {
		return err
	}
	if a.json {
		return printJSON(w, raw)
	}
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return err
	}
	return print(w, v)
}

// printList prints the values of a list: as JSON, or as t, to which add adds each.
func printList[T any](a *nodeFlags, w io.Writer, list []jsontext.Value, t *term.Table, add func(*T)) error {
	for _, raw := range list {
		if a.json {
			if err := printJSON(w, raw); err != nil {
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
	if a.json || len(list) == 0 {
		return nil
	}
	return t.Print(w)
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

// table and facts return a table and facts in colours where the terminal has them.
func (a *nodeFlags) table(header ...string) *term.Table {
	t := term.NewTable(header...)
	t.Ink = a.ink
	return t
}

func (a *nodeFlags) facts() *term.Facts {
	f := term.NewFacts()
	f.T.Ink = a.ink
	return f
}

// hash, inkedHash, account and builder return values for tables: accounts and builders
// by the names that the user gave them, and whole with --full.
func (a *nodeFlags) hash(s string) string {
	if a.full {
		return s
	}
	return term.ShortHash(s)
}

func (a *nodeFlags) inkedHash(s string) term.Styled {
	return term.Styled{Value: a.hash(s), Style: term.HashStyle(s)}
}

func (a *nodeFlags) account(id uuid.UUID) string {
	switch name := a.names.Of(id); {
	case a.full:
		return besides(id.String(), name)
	case name != "":
		return name
	}
	return term.ShortAccount(id.String())
}

func (a *nodeFlags) builder(key ledger.PublicKey) term.Styled {
	shown := term.Styled{Value: a.hash(key.String()), Style: term.HashStyle(key.String())}
	switch name := a.names.OfKey(key); {
	case a.full:
		shown.Value = besides(key.String(), name)
	case name != "":
		shown.Value = name
	}
	return shown
}

// called returns what people know a builder by: your own name of it, else what its node calls
// itself. With the name that you gave another one it is told apart by its key.
func (a *nodeFlags) called(key ledger.PublicKey, itself string) string {
	if own := a.names.OfKey(key); own != "" {
		return own
	}
	if _, taken := a.names.Account(itself); taken {
		return itself + " (" + key.String()[:8] + ")"
	}
	return itself
}

// callBuilders puts your own names in what is said of builders that signed, and of others.
func (a *nodeFlags) callBuilders(f *api.Final, members []api.Member) {
	for i := range members {
		members[i].Name = a.called(members[i].Key, members[i].Name)
	}
	for i := 0; f != nil && i < min(len(f.Names), len(f.Signers)); i++ {
		f.Names[i] = a.called(f.Signers[i], f.Names[i])
	}
}

// settledWords returns how safe a block is from being taken back.
func (a *nodeFlags) settledWords(s *api.Settled) string {
	var away []api.Member
	if s.NotFinal != nil {
		away = s.NotFinal.Away
	}
	a.callBuilders(s.FinalBy, away)
	return s.Words()
}

// whole returns an account and its name.
func (a *nodeFlags) whole(id uuid.UUID) string {
	name := a.names.Of(id)
	if name == "" && id == (uuid.UUID{}) {
		name = term.IssuerWord
	}
	return besides(id.String(), name)
}

// besides returns text with a name behind it, if there is one.
func besides(text, name string) string {
	if name == "" {
		return text
	}
	return text + " (" + name + ")"
}

// since returns the age of a time by another clock. A time in the future is "now".
func since(t time.Time) string { return term.Age(time.Since(t)) }

func sinceAgo(t time.Time) string { return term.Ago(time.Since(t)) }

func unixSeconds(t float64) time.Time { return time.UnixMicro(int64(t * 1e6)) }

func unixMillis(ms uint64) time.Time { return time.UnixMilli(int64(ms)) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// txTime returns when a node accepted tx.
func txTime(tx *api.Tx) time.Time {
	if tx.T == nil {
		return time.Time{}
	}
	return unixSeconds(float64(*tx.T))
}
