package main

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
)

// receiptWords returns what became of the transaction.
func receiptWords(r *api.Receipt) string {
	switch r.State {
	case api.StateWaiting:
		return "waits in the pool, it cannot be paid yet: " + r.Reason
	case api.StatePooled:
		return "is in the pool and waits for a block"
	case api.StateConfirmed:
		if r.Block == nil {
			return "is in a block"
		}
		return fmt.Sprintf("is in block %d (%s)", r.Block.Height, term.Count(r.Confirmations, "confirmation"))
	case api.StateGone:
		return "is gone: " + r.Reason
	}
	return "is " + r.State
}

// networkOf makes the network that a node names, and checks that its rules
// have the ID that it names.
func networkOf(in *api.Info) (*ledger.Network, error) {
	n := in.Network
	rules := ledger.Network{Name: n.Name, Bits: n.Bits, Builders: n.Builders, KeyedOnly: n.KeyedOnly}
	for _, text := range n.Issuers {
		id, err := ledger.ParseUUID(text)
		if err != nil {
			return nil, fmt.Errorf("the node names the issuer %q: it %w", text, err)
		}
		rules.Issuers = append(rules.Issuers, id)
	}
	network, err := ledger.NewNetwork(rules)
	if err != nil {
		return nil, fmt.Errorf("the node's network: %w", err)
	}
	if network.ID() != n.ID {
		return nil, fmt.Errorf("the node's network has rules that this program does not know: use the foxchain of the node's version (%s)", in.Version)
	}
	return network, nil
}

// each decodes every value of a list and hands it on.
func each[T any](list []jsontext.Value, f func(T) error) error {
	for _, raw := range list {
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// since is the age of a time that another clock gave; one from the future, as
// wrong clocks make them, is "now".
func since(t time.Time) string { return term.Age(time.Since(t)) }

func sinceAgo(t time.Time) string { return term.Ago(time.Since(t)) }

func unixSeconds(t float64) time.Time { return time.UnixMicro(int64(t * 1e6)) }

func unixMillis(ms uint64) time.Time { return time.UnixMilli(int64(ms)) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// txTime is when the node that accepted tx did so.
func txTime(tx *api.Tx) time.Time {
	if tx.T == nil {
		return time.Time{}
	}
	return unixSeconds(*tx.T)
}
