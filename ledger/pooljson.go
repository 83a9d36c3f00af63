package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// ParsePool reads the value of a merge's "pool", a list of at most limit
// transactions. Where id is absent or null, it makes a v4 UUID. Where t is, it calls
// stamp for the time in Unix seconds. A keyed sender must give both, since its
// signature covers them. prev_hash must be null, absent or 40 hex digits, and is
// otherwise ignored. ParsePool checks every field, but no signature, no rule of the
// network and no state. The error is a *FieldError whose Item is "pool[i]" ("pool"
// when it is not a list).
func ParsePool(list jsontext.Value, stamp func() float64, limit int) ([]*Transaction, error) {
	w := newWalker("pool", list)
	var txs []*Transaction
	err := w.list("a list of transactions", func(i int) error {
		if i >= limit {
			return &FieldError{Item: w.root, Rule: fmt.Sprintf("must hold at most %d transactions", limit)}
		}
		tx, _, err := w.transaction(stamp)
		txs = append(txs, tx)
		return err
	})
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return nil, err
	}
	return txs, nil
}

// ParseTransaction reads one transaction as ParsePool reads each of its list. The Item
// of its error is "transaction".
func ParseTransaction(v jsontext.Value, stamp func() float64) (*Transaction, error) {
	w := newWalker("transaction", v)
	tx, _, err := w.transaction(stamp)
	if err == nil {
		err = w.end()
	}
	return tx, err
}

// A givenTx is a transaction as JSON gave it.
type givenTx struct {
	Transaction
	prev *Link // nil: null or absent

	// Whether each was given. Null counts as absent where it is allowed.
	hasID, hasSender, hasReceiver, hasAmount, hasT, hasKey, hasSignature bool

	publicKey PublicKey
	signature Signature
}

// transaction reads one transaction, and the prev_hash beside it.
func (w *walker) transaction(stamp func() float64) (*Transaction, *Link, error) {
	var g givenTx
	if err := w.fields(&g); err != nil {
		return nil, nil, err
	}
	if err := g.complete(stamp); err != nil {
		err.Item = w.path(w.dec.StackPointer())
		return nil, nil, err
	}
	tx := g.Transaction // a copy, so that the rest of g is not kept
	return &tx, g.prev, nil
}

// fields reads the object of a transaction.
func (w *walker) fields(g *givenTx) error {
	if w.dec.PeekKind() != jsontext.KindBeginObject {
		return w.unexpected("a transaction: an object with sender, receiver and amount")
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return w.syntax(err)
	}
	for w.more(jsontext.KindEndObject) {
		name, err := w.value()
		if err != nil {
			return err
		}
		key, err := unquote(name)
		if err != nil {
			return err // not reached: the decoder read it
		}
		v, err := w.value()
		if err != nil {
			return err
		}
		if err := g.set(key, v); err != nil {
			return atKey(w.root, w.dec.StackPointer(), err.Error())
		}
	}
	_, err := w.dec.ReadToken()
	return w.syntax(err)
}

func (g *givenTx) set(key []byte, v jsontext.Value) (err error) {
	switch string(key) {
	case "id":
		if !isNull(v) {
			g.ID, err = parseAccount(v)
			g.hasID = true
		}
	case "sender":
		g.Sender, err = parseAccount(v)
		g.hasSender = true
	case "receiver":
		g.Receiver, err = parseAccount(v)
		g.hasReceiver = true
	case "amount":
		g.Amount, err = integer(v, MaxAmount)
		if err != nil || !goodAmount(g.Amount) {
			return errors.New(ruleAmount)
		}
		g.hasAmount = true
	case "t":
		if !isNull(v) {
			g.T, err = parseT(v)
			g.hasT = true
		}
	case "prev_hash":
		if !isNull(v) {
			g.prev = new(Link)
			err = digits(v, g.prev[:])
		}
	case "public_key":
		if !isNull(v) {
			err = digits(v, g.publicKey[:])
			g.hasKey = true
		}
	case "signature":
		if !isNull(v) {
			err = digits(v, g.signature[:])
			g.hasSignature = true
		}
	default:
		return errors.New("is not a key of a transaction: " +
			"those are id, sender, receiver, amount, t, prev_hash, public_key and signature")
	}
	return err
}

// complete checks that nothing is missing, and fills in id and t. With a nil stamp,
// as inside a block, these must be given too.
func (g *givenTx) complete(stamp func() float64) *FieldError {
	const (
		inside  = ruleGiven + " inside a block"
		ofKeyed = ruleGiven + ": the sender is a keyed account"
		covered = ofKeyed + ", and its signature covers it"
		ofOpen  = "must not be given: the sender is an open account, which has no key"
	)
	keyed := IsKeyed(g.Sender)
	for _, need := range [...]struct {
		ok          bool
		field, rule string
	}{
		{g.hasSender, "sender", ruleGiven},
		{g.hasReceiver, "receiver", ruleGiven},
		{g.hasAmount, "amount", ruleGiven},
		{g.hasID || stamp != nil, "id", inside},
		{g.hasT || stamp != nil, "t", inside},
		{keyed || !g.hasKey, "public_key", ofOpen},
		{keyed || !g.hasSignature, "signature", ofOpen},
		{g.hasKey || !keyed, "public_key", ofKeyed},
		{g.hasSignature || !keyed, "signature", ofKeyed},
		{g.hasID || !keyed, "id", covered},
		{g.hasT || !keyed, "t", covered},
	} {
		if !need.ok {
			return &FieldError{Field: need.field, Rule: need.rule}
		}
	}
	if keyed {
		g.Auth = &Auth{PublicKey: g.publicKey, Signature: g.signature}
	}
	if !g.hasID {
		id, err := uuid.NewRandom()
		if err != nil {
			return &FieldError{Field: "id", Rule: "could not be made: " + err.Error()}
		}
		g.ID = id
	}
	if !g.hasT {
		g.T = stamp()
	}
	return nil
}

func parseAccount(v jsontext.Value) (uuid.UUID, error) {
	s, err := unquote(v)
	if err != nil {
		return uuid.UUID{}, errors.New("must be a UUID in quotes")
	}
	return parseUUID(s)
}

// parseT reads a time. It refuses every minus, since -0 would be a second encoding
// of 0, and -1e-999 would read as -0.
func parseT(v jsontext.Value) (float64, error) {
	if v.Kind() != '0' || bytes.HasPrefix(v, []byte("-")) {
		return 0, errors.New(ruleT)
	}
	t, err := strconv.ParseFloat(string(v), 64)
	if err != nil || !goodT(t) {
		return 0, errors.New(ruleT)
	}
	return t, nil
}
