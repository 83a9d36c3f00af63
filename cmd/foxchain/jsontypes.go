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

// receiptWords returns the state of a transaction in words.
func receiptWords(r *api.Receipt) string {
	switch r.State {
	case api.StateWaiting:
		return "waits in the pool and cannot be paid yet: " + r.Reason
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

// networkOf returns the network that a node reports, after a check that the rules
// have the reported ID.
func networkOf(in *api.Info) (*ledger.Network, error) {
	n := in.Network
	rules := ledger.Network{Name: n.Name, Bits: n.Bits, Builders: n.Builders, KeyedOnly: n.KeyedOnly}
	for _, text := range n.Issuers {
		id, err := ledger.ParseUUID(text)
		if err != nil {
			return nil, fmt.Errorf("the node reports the issuer %q, which %w", text, err)
		}
		rules.Issuers = append(rules.Issuers, id)
	}
	network, err := ledger.NewNetwork(rules)
	if err != nil {
		return nil, fmt.Errorf("the node's network: %w", err)
	}
	if network.ID() != n.ID {
		return nil, fmt.Errorf("the node's network has rules that this program does not know: use foxchain of the node's version (%s)", in.Version)
	}
	return network, nil
}

// each decodes every value of a list and calls f with it.
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
	return unixSeconds(*tx.T)
}
