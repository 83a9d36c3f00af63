package rpc

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/store"
)

// Bounds of short forms.
const (
	minShort = 4    // digits of its beginning; even
	maxAlike = 1000 // candidates that are looked at
	maxNamed = 4    // candidates in an error
)

// A short is a hash or UUID by its first hex digits, and perhaps its last ones, as it is
// shown: 00001cb303d5, d83c01b5…d3ae.
type short struct{ begin, end string }

// parseShort reports whether text is a short form of something with so many hex digits.
func parseShort(text string, digits int) (short, bool) {
	text = strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(text), "...", "…"), "-", "")
	begin, end, _ := strings.Cut(text, "…")
	noHex := strings.Trim(begin+end, "0123456789abcdef")
	return short{begin, end}, len(begin) >= minShort && len(begin)+len(end) <= digits && noHex == ""
}

func (s short) String() string {
	if s.end == "" {
		return "begins with " + s.begin
	}
	return "begins with " + s.begin + " and ends with " + s.end
}

// only returns the one of found that s matches. All of them begin like s. what names
// their kind in an error.
func (s short) only(arg, what string, found []string) (string, error) {
	if len(found) >= maxAlike {
		return "", badArg(arg, fmt.Sprintf("%d or more begin with %s: give more digits", maxAlike, s.begin))
	}
	found = slices.DeleteFunc(found, func(id string) bool { return !strings.HasSuffix(id, s.end) })
	slices.Sort(found)
	switch found = slices.Compact(found); len(found) {
	case 0:
		return "", notKnown(fmt.Sprintf("%s that %s", what, s))
	case 1:
		return found[0], nil
	}
	var named []string
	for _, id := range found[:min(len(found), maxNamed)] {
		if account, err := uuid.Parse(id); err == nil {
			id = account.String()
		}
		named = append(named, id)
	}
	if more := len(found) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	return "", badArg(arg, fmt.Sprintf("more than one %s: %s", s, strings.Join(named, ", ")))
}

// A lookUp returns the UUIDs that begin with hex digits, without dashes, at most maxAlike
// from each source.
type lookUp func(v *store.View, begin string) ([]string, error)

// A finder finds what short forms stand for.
type finder struct{ chain *chain.Chain }

// uuidOf returns an argument that is a UUID, or a short one that find finds. what
// names its kind.
func (f *finder) uuidOf(op, name, what string, a *args, find lookUp) (id uuid.UUID, err error) {
	text, given := a.text(name)
	if !given {
		return id, missing(op, strconv.Quote(name))
	}
	id, whole := ledger.ParseUUID(text)
	if whole == nil || a.err != nil {
		return id, a.err
	}
	begins, short := parseShort(text, 2*len(id))
	if !short {
		a.bad(name, fmt.Sprintf("%v; its first digits are enough, %d or more", whole, minShort))
		return id, a.err
	}
	v, err := f.chain.View()
	if err != nil {
		return id, err
	}
	defer v.Close()
	found, err := find(v, begins.begin)
	if err != nil {
		return id, err
	}
	digits, err := begins.only("args."+name, what, found)
	if err != nil {
		return id, err
	}
	return uuid.Parse(digits)
}

// txIDsFrom looks in the pool, the chain and the receipts.
func (f *finder) txIDsFrom(v *store.View, begin string) ([]string, error) {
	found, err := v.TxIDsFrom(begin, maxAlike)
	return append(found, f.pooledFrom(begin, false)...), err
}

// accountsFrom looks in the chain and the pool.
func (f *finder) accountsFrom(v *store.View, begin string) ([]string, error) {
	found, err := v.AccountsFrom(begin, maxAlike)
	return append(found, f.pooledFrom(begin, true)...), err
}

// pooledFrom returns the IDs of the pool's transactions, or their accounts, that begin
// with hex digits, in one pass over the pool.
func (f *finder) pooledFrom(begin string, accounts bool) []string {
	first, _ := hex.DecodeString(begin[:minShort]) // parseShort has checked them
	found := make(map[string]bool)
	note := func(id *uuid.UUID) {
		if bytes.HasPrefix(id[:], first) {
			if digits := hex.EncodeToString(id[:]); strings.HasPrefix(digits, begin) {
				found[digits] = true
			}
		}
	}
	f.chain.Pool().Each(func(tx *ledger.Transaction) bool {
		if accounts {
			note(&tx.Sender)
			note(&tx.Receiver)
		} else {
			note(&tx.ID)
		}
		return len(found) < maxAlike
	})
	return slices.Collect(maps.Keys(found))
}
