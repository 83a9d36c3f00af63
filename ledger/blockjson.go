package ledger

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A GivenBlock is a block as a client gave it, sealed or in the original's form
// (only items and prev_hash). Its form is checked, the hash that it names, and the
// links of its items. Check does the rest.
type GivenBlock struct {
	Txs    []*Transaction
	Sealed *Block // nil: the original's form

	// Parent is the block that prev_hash names, and the network's ID where that is
	// null. It is nil where prev_hash is no block hash of this program, as the SHA-1
	// links of an original node are.
	Parent *Hash
}

// Check checks what can be checked of the block alone: [Network.CheckBlock], or
// without a header [Network.CheckBody].
func (g *GivenBlock) Check(net *Network) error {
	if g.Sealed != nil {
		return net.CheckBlock(g.Sealed)
	}
	return net.CheckBody(&Header{Count: uint32(len(g.Txs)), Root: Root(g.Txs)}, g.Txs)
}

// ParseBlocks reads the value of a merge's "blocks", a list of at most limit
// blocks. The error is a *FieldError. Its Item is "blocks[i]" or
// "blocks[i].items[j]".
func ParseBlocks(net *Network, list jsontext.Value, limit int) ([]*GivenBlock, error) {
	w := newWalker("blocks", list)
	var blocks []*GivenBlock
	err := w.list("a list of blocks", func(i int) error {
		if i >= limit {
			return &FieldError{Item: w.root, Rule: fmt.Sprintf("must hold at most %d blocks", limit)}
		}
		if w.dec.PeekKind() != jsontext.KindBeginObject {
			return w.unexpected("a block: an object with items and prev_hash")
		}
		var f blockForm
		if err := json.UnmarshalDecode(w.dec, &f, strict, sealNotNull); err != nil {
			return w.syntax(err)
		}
		g, bad := f.check(net)
		if bad != nil {
			bad.Item = strings.TrimSuffix(w.path(w.dec.StackPointer())+"."+bad.Item, ".")
			return bad
		}
		blocks = append(blocks, g)
		return nil
	})
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return nil, err
	}
	return blocks, nil
}

// A blockForm is a block as JSON gave it. What is nil is absent, and of a prev_hash also
// null. A sealed block has every key, and the original's form the first two.
type blockForm struct {
	Items     givenItems `json:"items"`
	PrevHash  *string    `json:"prev_hash"`
	Hash      *Hash      `json:"hash"`
	Version   *uint8     `json:"version"`
	Height    *uint64    `json:"height"`
	Time      *uint64    `json:"time"`
	Bits      *uint8     `json:"bits"`
	Nonce     *Nonce     `json:"nonce"`
	Builder   *PublicKey `json:"builder"`
	Root      *Hash      `json:"root"`
	Signature *Signature `json:"signature"`
}

// sealNotNull is notNull for each type in a seal. notNull[any] would double the allocations
// of a block with one transaction.
var sealNotNull = json.WithUnmarshalers(json.JoinUnmarshalers(
	notNull[**Hash](), notNull[**uint8](), notNull[**uint64](), notNull[**Nonce](), notNull[**PublicKey](), notNull[**Signature](),
))

// sealKeys are the keys that a sealed block has and the original's form lacks.
var sealKeys = keysOf(reflect.TypeFor[blockForm]())[2:]

// givenItems are the transactions of a block.
type givenItems struct {
	txs   []*Transaction // nil: none were given
	prevs []*Link        // the prev_hash of each
}

// UnmarshalJSONFrom reads the items one by one, as ParsePool does.
func (g *givenItems) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	w := &walker{dec: dec, root: "blocks"}
	g.txs = []*Transaction{}
	return w.list("a list of transactions", func(i int) error {
		if i == MaxBlockTxs {
			return At(w.root, dec.StackPointer().Parent(), ruleItems)
		}
		tx, prev, err := w.transaction(nil)
		if err != nil {
			return err
		}
		g.txs = append(g.txs, tx)
		g.prevs = append(g.prevs, prev)
		return nil
	})
}

// check checks the form. The Item of its error is inside the block.
func (f *blockForm) check(net *Network) (*GivenBlock, *FieldError) {
	switch {
	case f.Items.txs == nil:
		return nil, &FieldError{Field: "items", Rule: ruleGiven}
	case len(f.Items.txs) == 0:
		return nil, &FieldError{Field: "items", Rule: ruleItems}
	}
	sealed, bad := f.isSealed()
	if bad != nil {
		return nil, bad
	}
	g := &GivenBlock{Txs: f.Items.txs, Parent: new(net.ID())}
	var err error
	if f.PrevHash != nil {
		err = g.Parent.UnmarshalText([]byte(*f.PrevHash))
	}
	switch {
	case err != nil && sealed:
		return nil, &FieldError{Field: "prev_hash", Rule: err.Error()}
	case err != nil:
		g.Parent = nil
	case sealed:
		if g.Sealed, bad = f.seal(g); bad != nil {
			return nil, bad
		}
	}
	return g, f.checkLinks()
}

// isSealed reports whether the block is sealed. A block with one of sealKeys must
// have them all.
func (f *blockForm) isSealed() (bool, *FieldError) {
	has, lacks := "", ""
	fields := reflect.ValueOf(f).Elem()
	for i, key := range sealKeys {
		if fields.Field(i + 2).IsNil() {
			lacks = key
		} else {
			has = key
		}
	}
	if has != "" && lacks != "" {
		return false, &FieldError{
			Field: lacks,
			Rule:  fmt.Sprintf("%s: a sealed block (this one has %s) needs %s", ruleGiven, has, strings.Join(sealKeys, ", ")),
		}
	}
	return has != "", nil
}

// seal returns the sealed block, whose hash must be the one given.
func (f *blockForm) seal(g *GivenBlock) (*Block, *FieldError) {
	h := Header{
		Version: *f.Version, Height: *f.Height, Parent: *g.Parent, Root: *f.Root, Count: uint32(len(g.Txs)),
		Time: *f.Time, Bits: *f.Bits, Builder: *f.Builder, Nonce: *f.Nonce,
	}
	switch hash := h.Hash(); {
	case h.Height == 0 && f.PrevHash != nil:
		return nil, &FieldError{Field: "prev_hash", Rule: "must be null at height 0"}
	case h.Height > 0 && f.PrevHash == nil:
		return nil, &FieldError{Field: "prev_hash", Rule: "must be the hash of the block below: null is for height 0 only"}
	case hash != *f.Hash:
		rule := fmt.Sprintf("must be the SHA-256 of this block's header on this network, which is %s", hash)
		return nil, &FieldError{Field: "hash", Rule: rule}
	}
	return &Block{SealedHeader: SealedHeader{Header: h, Signature: *f.Signature}, Txs: g.Txs}, nil
}

// checkLinks checks the prev_hash of each item.
func (f *blockForm) checkLinks() *FieldError {
	links := Links(f.Items.txs)
	for i, prev := range f.Items.prevs {
		item := fmt.Sprintf("items[%d]", i)
		switch {
		case i == 0 && prev != nil:
			return &FieldError{Item: item, Field: "prev_hash", Rule: "must be null in the first item of a block"}
		case i > 0 && (prev == nil || *prev != links[i-1]):
			rule := fmt.Sprintf("must be %s, the SHA-1 link of the item before it", links[i-1])
			return &FieldError{Item: item, Field: "prev_hash", Rule: rule}
		}
	}
	return nil
}
