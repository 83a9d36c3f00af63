package ask

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// Resolve parses an account or a name of one. The word "issuer" is the first issuer of
// the node's network.
func (a *Flags) Resolve(ctx context.Context, c *client.Client, text string) (uuid.UUID, error) {
	if text != term.IssuerWord {
		return AccountOf(a.Names, text)
	}
	var in api.Info
	if err := Question(ctx, c, "info", nil, &in); err != nil {
		return uuid.UUID{}, err
	}
	if len(in.Network.Issuers) == 0 {
		return uuid.UUID{}, term.Hint(fmt.Errorf("the network %s has no issuer", in.Network.Name), "Give the account's UUID")
	}
	return ledger.ParseUUID(in.Network.Issuers[0])
}

// AccountOf returns the account that text is, or that has it as its name, for a command
// that knows the word "issuer", too.
func AccountOf(known *names.List, text string) (uuid.UUID, error) {
	id, err := NamedAccount(known, text)
	if err != nil {
		err = fmt.Errorf(`the account %q %w, or the word "issuer"`, text, err)
	}
	return id, err
}

// NamedAccount returns the account that text is, or that has it as its name. Its error
// says what an account must be.
func NamedAccount(known *names.List, text string) (uuid.UUID, error) {
	id, err := ledger.ParseUUID(text)
	if err == nil {
		return id, nil
	}
	if named, ok := known.Account(text); ok {
		return named, nil
	}
	return id, fmt.Errorf("%w, or a name of yours (foxchain names)", err)
}
