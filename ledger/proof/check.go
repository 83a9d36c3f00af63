package proof

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
)

// A Finding is what a file proves, and what it does not.
type Finding struct {
	Network   ledger.Hash // its ID
	Proven    []string    // sentences for people
	NotProven []string
}

// Check checks a proof or evidence, without network, disk or clock. It must be of the
// network own. If own is nil, the rules in the file are accepted, and the finding says
// so. The error is a *ledger.FieldError.
func Check(file []byte, own *ledger.Network) (*Finding, error) {
	if len(file) > MaxSize {
		return nil, fault("", fmt.Sprintf("must have at most %d bytes", MaxSize))
	}
	var keys map[string]jsontext.Value
	if err := ledger.ReadJSON(file, &keys); err != nil {
		return nil, err
	}
	switch {
	case keys["evidence"] != nil:
		var list EvidenceList
		if err := read(file, &list); err != nil {
			return nil, err
		}
		return list.check(own)
	case keys["votes"] != nil:
		var e Evidence
		if err := read(file, &e); err != nil {
			return nil, err
		}
		return (&EvidenceList{[]Evidence{e}}).check(own)
	}
	var p Proof
	if err := read(file, &p); err != nil {
		return nil, err
	}
	return p.check(own)
}

func (p *Proof) check(own *ledger.Network) (*Finding, error) {
	if p.Version != Version {
		return nil, fault("/version", fmt.Sprintf("must be %d: another version of this program made the file", Version))
	}
	net, err := p.checkNetwork(own)
	if err != nil {
		return nil, err
	}
	tx, err := p.checkTransaction(net)
	if err != nil {
		return nil, err
	}
	if err := p.checkHeaders(net); err != nil {
		return nil, err
	}
	first := &p.Headers[0]
	if p.Index >= first.Count {
		return nil, fault("/index", fmt.Sprintf("must be below the count of headers[0], which is %d", first.Count))
	}
	root, ok := ledger.RootFrom(tx.Digest(), int(p.Index), int(first.Count), p.Path)
	if !ok {
		return nil, fault("/path", fmt.Sprintf("must have the length of the path of transaction %d of %d, not %d", p.Index, first.Count, len(p.Path)))
	}
	if root != first.Root {
		return nil, fault("/path", fmt.Sprintf("must lead from the transaction to the root of headers[0], not to %s", root))
	}
	if err := p.checkEnd(net); err != nil {
		return nil, err
	}
	return p.finding(net, tx, own != nil), nil
}

func (p *Proof) checkNetwork(own *ledger.Network) (*ledger.Network, error) {
	file, err := json.Marshal(p.Network)
	if err != nil {
		return nil, err
	}
	net, err := ledger.ParseNetwork(file)
	if err != nil {
		return nil, within("network", err)
	}
	if err := sameForm("/network", p.Network, net.File()); err != nil {
		return nil, err
	}
	if p.NetworkID != net.ID() {
		return nil, fault("/network_id", fmt.Sprintf("must be SHA-256 of the rules in network, which is %s", net.ID()))
	}
	return net, sameNetwork("/network_id", p.NetworkID, own)
}

// sameNetwork checks that id is that of own, unless own is nil.
func sameNetwork(at jsontext.Pointer, id ledger.Hash, own *ledger.Network) error {
	if own == nil || id == own.ID() {
		return nil
	}
	return fault(at, fmt.Sprintf("must be that of your network, %s: this is of another one, %s", own.ID(), id))
}

func (p *Proof) checkTransaction(net *ledger.Network) (*ledger.Transaction, error) {
	t := &p.Transaction
	tx := &ledger.Transaction{ID: t.ID, Sender: t.Sender, Receiver: t.Receiver, Amount: t.Amount, T: t.T}
	switch {
	case t.PublicKey != nil && t.Signature != nil:
		tx.Auth = &ledger.Auth{PublicKey: *t.PublicKey, Signature: *t.Signature}
	case t.PublicKey != nil:
		return nil, fault("/transaction/signature", "must be given beside public_key")
	case t.Signature != nil:
		return nil, fault("/transaction/public_key", "must be given beside signature")
	}
	return tx, within("transaction", tx.CheckFields(net))
}

func (p *Proof) checkHeaders(net *ledger.Network) error {
	if n := len(p.Headers); n < 1 || n > MaxHeaders {
		return fault("/headers", fmt.Sprintf("must be 1 to %d headers, not %d", MaxHeaders, n))
	}
	for i := range p.Headers {
		h := &p.Headers[i]
		at := jsontext.Pointer(fmt.Sprintf("/headers/%d", i))
		sealed := h.sealed(net)
		switch hash := sealed.Hash(); {
		case (h.Height == 0) != (h.PrevHash == nil):
			return fault(at+"/prev_hash", "must be null at height 0, and only there")
		case i > 0 && h.Height != p.Headers[i-1].Height+1:
			return fault(at+"/height", fmt.Sprintf("must be %d, one more than in the header before", p.Headers[i-1].Height+1))
		case i > 0 && *h.PrevHash != p.Headers[i-1].Hash:
			return fault(at+"/prev_hash", "must be the hash of the header before")
		case h.Hash != hash:
			return fault(at+"/hash", fmt.Sprintf("must be SHA-256 of the header on this network, which is %s", hash))
		}
		if err := net.CheckHeader(sealed); err != nil {
			return within(fmt.Sprintf("headers[%d]", i), err)
		}
	}
	return nil
}

// checkEnd checks that the headers end at the certificate's block or the tip.
func (p *Proof) checkEnd(net *ledger.Network) error {
	last := &p.Headers[len(p.Headers)-1]
	switch {
	case p.Certificate != nil && p.Tip != nil:
		return fault("/tip", "must not be given beside certificate")
	case p.Certificate != nil:
		return p.Certificate.check(net, last)
	case p.Tip == nil:
		return fault("/certificate", "must be given, or tip where nothing is final")
	case p.Tip.Height != last.Height:
		return fault("/tip/height", "must be that of the last header")
	case p.Tip.Hash != last.Hash:
		return fault("/tip/hash", "must be that of the last header")
	}
	return nil
}

func (c *Certificate) check(net *ledger.Network, last *Header) error {
	builders := committee.New(net)
	switch {
	case builders == nil:
		return fault("/certificate", "must not be given: this network names no builders that could vote")
	case c.Kind != finality.Finalize.String():
		return fault("/certificate/kind", "must be finalize")
	case c.Height != last.Height:
		return fault("/certificate/height", "must be that of the last header")
	case c.Hash != last.Hash:
		return fault("/certificate/hash", "must be that of the last header")
	case len(c.Signers) < finality.Quorum(builders.Size()):
		return fault("/certificate/signers", fmt.Sprintf("must be %d of the %d builders or more, not %d", finality.Quorum(builders.Size()), builders.Size(), len(c.Signers)))
	case len(c.Signatures) != len(c.Signers):
		return fault("/certificate/signatures", "must be one of each signer")
	}
	s := finality.Statement{Kind: finality.Finalize, View: c.View, Parent: c.Parent, Block: ledger.BlockRef{Height: c.Height, Hash: c.Hash}}
	before := -1
	for i, key := range c.Signers {
		b := builders.Index(key)
		if b <= before {
			return fault(jsontext.Pointer(fmt.Sprintf("/certificate/signers/%d", i)), "must be a builder of the network, in the order of its list, none twice")
		}
		before = b
		if err := builders.VerifyVote(&finality.Vote{Statement: s, Builder: b, Signature: c.Signatures[i]}); err != nil {
			return fault(jsontext.Pointer(fmt.Sprintf("/certificate/signatures/%d", i)), fmt.Sprintf("must be that of builder %s for this certificate", key))
		}
	}
	return nil
}

// within puts the place of a value before the field in the error of a ledger's rule.
func within(place string, err error) error {
	var field *ledger.FieldError
	var block *ledger.BlockError
	switch {
	case errors.As(err, &field):
		return &ledger.FieldError{Item: place, Field: field.Field, Rule: field.Rule}
	case errors.As(err, &block):
		return &ledger.FieldError{Item: place, Field: block.Field, Rule: block.Rule}
	}
	return err
}

func (p *Proof) finding(net *ledger.Network, tx *ledger.Transaction, own bool) *Finding {
	first, last := &p.Headers[0], &p.Headers[len(p.Headers)-1]
	n, need := len(net.Builders), finality.Quorum(len(net.Builders))
	v := values{
		"network": net.Name, "network_id": net.ID().String(), "id": tx.ID.String(), "sender": account(net, tx.Sender), "receiver": account(net, tx.Receiver),
		"amount": fmt.Sprint(tx.Amount), "number": fmt.Sprint(p.Index + 1), "count": fmt.Sprint(first.Count), "height": fmt.Sprint(first.Height),
		"hash": first.Hash.String(), "builder": first.Builder.String(), "end": fmt.Sprint(last.Height), "end_hash": last.Hash.String(),
		"blocks": fmt.Sprint(len(p.Headers)), "work": net.Work(uint64(len(p.Headers))).String(), "of": fmt.Sprint(n), "need": fmt.Sprint(need), "liars": fmt.Sprint(2*need - n),
	}
	f := &Finding{Network: net.ID()}
	f.prove("payment", v)
	f.prove("place", v)
	if tx.Auth != nil {
		f.prove("signed", v)
	} else {
		f.doubt("open_sender", v)
	}
	switch {
	case p.Certificate != nil:
		v["signed"], v["signers"] = fmt.Sprint(len(p.Certificate.Signers)), joined(p.Certificate.Signers)
		f.prove("final", v)
		f.doubt("liars", v)
	case committee.New(net) != nil:
		f.prove("work", v)
		f.doubt("not_final", v)
	default:
		f.prove("work", v)
		f.doubt("open_network", v)
	}
	f.doubt("rules", v)
	f.doubt("time", v)
	f.stranger(own, v)
	return f
}

// account returns an account in words.
func account(net *ledger.Network, id uuid.UUID) string {
	if net.IsIssuer(id) {
		return say("issuer", values{"account": id.String()})
	}
	return id.String()
}

func joined[T fmt.Stringer](list []T) string {
	var texts []string
	for _, e := range list {
		texts = append(texts, e.String())
	}
	return strings.Join(texts, ", ")
}

func (f *Finding) prove(key string, v values) { f.Proven = append(f.Proven, say(key, v)) }
func (f *Finding) doubt(key string, v values) { f.NotProven = append(f.NotProven, say(key, v)) }

// stranger adds a sentence on whether the network was compared with the reader's own. If not,
// only the file has its rules.
func (f *Finding) stranger(own bool, v values) {
	if own {
		f.prove("own_network", v)
	} else {
		f.doubt("network", v)
	}
}
