package ask

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// Labels are what tables and sentences call accounts, hashes and builders.
type Labels struct {
	Names *names.List // read by dial; nil: the command shows no accounts

	full     bool                 // whole hashes and accounts in tables
	ink      term.Ink             // set by dial
	in       *api.Info            // of Learn; nil: not known
	builders map[string]api.Named // of learnBuilders, by their keys
}

// hash, inkedHash, account and builder return values for tables: accounts and builders
// by the names that the user gave them, and whole with --full.
func (l *Labels) hash(s string) string {
	if l.full {
		return s
	}
	return term.ShortHash(s)
}

func (l *Labels) inkedHash(s string) term.Styled {
	return term.Styled{Value: l.hash(s), Style: term.HashStyle(s)}
}

func (l *Labels) account(id uuid.UUID) string {
	if l.full {
		return l.Whole(id)
	}
	return l.Called(id)
}

// Called returns what a table calls an account: the user's name of it, or issuer, or its
// two ends.
func (l *Labels) Called(id uuid.UUID) string {
	issuers := l.issuers()
	switch name := l.Names.Of(id); {
	case name != "":
		return name
	case issuers[0] == id.String():
		return term.IssuerWord
	case slices.Contains(issuers, id.String()):
		return term.IssuerWord + " " + term.ShortAccount(id.String())
	}
	return term.ShortAccount(id.String())
}

// issuers returns the accounts that mint, the first of which commands call issuer.
func (l *Labels) issuers() []string {
	if l.in == nil || len(l.in.Network.Issuers) == 0 {
		return []string{term.ZeroAccount}
	}
	return l.in.Network.Issuers
}

func (l *Labels) builder(key ledger.PublicKey) term.Styled {
	shown := term.Styled{Value: l.hash(key.String()), Style: term.HashStyle(key.String())}
	switch name := l.builderName(key); {
	case l.full:
		shown.Value = besides(key.String(), name)
	case name != "":
		shown.Value = term.Fit(name, 2*nameCells)
	}
	return shown
}

// learnBuilders asks the node what the builders call themselves, and since when those that
// are gone are. It reports no error: texts do without.
func (l *Labels) learnBuilders(ctx context.Context, c *client.Client) {
	var p api.Peers
	if l.in != nil && c.Get(ctx, "peers", nil, &p) == nil {
		l.builders = p.Called(l.in.Key.String(), l.in.Name)
	}
}

// builderName returns what people call a builder: the user's own name of it, else the one
// that its node gave itself, and when that was last seen if it is gone; empty where neither
// is known.
func (l *Labels) builderName(key ledger.PublicKey) string {
	n, own := l.builders[key.String()], l.Names.OfKey(key)
	switch {
	case own != "" || n.Name == "":
		return own
	case n.Gone && n.Seen > 0:
		return fmt.Sprintf("%s (last seen %s)", l.called(key, term.OneLine(n.Name)), sinceAgo(unixSeconds(n.Seen)))
	case n.Gone:
		return l.called(key, term.OneLine(n.Name)) + " (gone)"
	}
	return l.called(key, term.OneLine(n.Name))
}

// called returns the name of a builder: the user's own for its key, else the one that its
// node gives itself. Where the user gave that name to another account, the first digits of
// the key follow it.
func (l *Labels) called(key ledger.PublicKey, itself string) string {
	if own := l.Names.OfKey(key); own != "" {
		return own
	}
	if _, taken := l.Names.Account(itself); taken {
		return itself + " (" + key.String()[:8] + ")"
	}
	return itself
}

// callBuilders replaces the names of signers and members by the user's own.
func (l *Labels) callBuilders(f *api.Final, members []api.Member) {
	for i := range members {
		members[i].Name = l.called(members[i].Key, members[i].Name)
	}
	for i := 0; f != nil && i < min(len(f.Names), len(f.Signers)); i++ {
		f.Names[i] = l.called(f.Signers[i], f.Names[i])
	}
}

// settledWords returns how safe a block is from being taken back.
func (l *Labels) settledWords(s *api.Settled) string {
	var away []api.Member
	if s.NotFinal != nil {
		away = s.NotFinal.Away
	}
	l.callBuilders(s.FinalBy, away)
	return s.Words()
}

// Whole returns an account as a whole UUID, with its name behind it if it has one.
func (l *Labels) Whole(id uuid.UUID) string {
	name := l.Names.Of(id)
	if name == "" && slices.Contains(l.issuers(), id.String()) {
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
