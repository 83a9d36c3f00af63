package ledger

import (
	"errors"
	"fmt"
	"math"
	"strings"

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
		f, err := w.block()
		if err != nil {
			return err
		}
		g, err := f.check(net)
		if err != nil {
			return w.within(err)
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

// within prefixes the Item of an error with the path of the value that was read
// last.
func (w *walker) within(err error) error {
	var field *FieldError
	if !errors.As(err, &field) {
		return err
	}
	item := w.path(w.dec.StackPointer())
	if field.Item != "" {
		item += "." + field.Item
	}
	return &FieldError{Item: item, Field: field.Field, Rule: field.Rule}
}

// sealKeys are the keys that a sealed block has and the original's form lacks.
var sealKeys = [...]string{"hash", "version", "height", "time", "bits", "nonce", "builder", "root", "signature"}

// A blockForm is a block as JSON gave it.
type blockForm struct {
	txs     []*Transaction
	prevs   []*Link // the prev_hash of each
	items   bool    // items were given
	parent  *Hash
	badPrev error // prev_hash is text, but not that of a hash
	hash    Hash
	sealed  SealedHeader // without parent and count
	given   [len(sealKeys)]bool
}

// block reads the fields of one block. It does not compare them: check does.
func (w *walker) block() (*blockForm, error) {
	f := new(blockForm)
	err := w.object("a block: an object with items and prev_hash", func(key []byte) error {
		if string(key) == "items" {
			f.items = true
			return w.items(f)
		}
		v, err := w.value()
		if err != nil {
			return err
		}
		if err := f.set(string(key), v); err != nil {
			return w.badField(key, err.Error())
		}
		return nil
	})
	return f, err
}

func (w *walker) items(f *blockForm) error {
	return w.list("a list of transactions", func(i int) error {
		if i == MaxBlockTxs {
			block := w.dec.StackPointer().Parent().Parent() // of the last item
			return &FieldError{Item: w.path(block), Field: "items", Rule: ruleItems}
		}
		tx, prev, err := w.transaction(nil)
		if err != nil {
			return err
		}
		f.txs = append(f.txs, tx)
		f.prevs = append(f.prevs, prev)
		return nil
	})
}

func (f *blockForm) set(key string, v jsontext.Value) error {
	if key == "prev_hash" {
		if isNull(v) {
			return nil
		}
		text, err := unquote(v)
		if err != nil {
			return err
		}
		var h Hash
		if f.badPrev = unhex(h[:], text); f.badPrev == nil {
			f.parent = &h
		}
		return nil
	}
	for i, name := range sealKeys {
		if name == key {
			f.given[i] = true
			return f.setSeal(key, v)
		}
	}
	return errors.New("is not a key of a block: those are items, prev_hash, " + strings.Join(sealKeys[:], ", "))
}

func (f *blockForm) setSeal(key string, v jsontext.Value) (err error) {
	h := &f.sealed
	var n uint64
	switch key {
	case "hash":
		err = digits(v, f.hash[:])
	case "version":
		n, err = integer(v, math.MaxUint8)
		h.Version = uint8(n)
	case "height":
		h.Height, err = integer(v, maxJSONInteger)
	case "time":
		h.Time, err = integer(v, maxJSONInteger)
	case "bits":
		n, err = integer(v, math.MaxUint8)
		h.Bits = uint8(n)
	case "nonce":
		err = digits(v, h.Nonce[:])
	case "builder":
		err = digits(v, h.Builder[:])
	case "root":
		err = digits(v, h.Root[:])
	case "signature":
		err = digits(v, h.Signature[:])
	}
	return err
}

// check checks the form. The Item of its error, a *FieldError, is inside the block.
func (f *blockForm) check(net *Network) (*GivenBlock, error) {
	if !f.items {
		return nil, &FieldError{Field: "items", Rule: ruleGiven}
	}
	if len(f.txs) == 0 {
		return nil, &FieldError{Field: "items", Rule: ruleItems}
	}
	sealed, err := f.isSealed()
	if err != nil {
		return nil, err
	}
	if sealed {
		if f.badPrev != nil {
			return nil, &FieldError{Field: "prev_hash", Rule: f.badPrev.Error()}
		}
		if err := f.checkHash(net); err != nil {
			return nil, err
		}
	}
	if err := f.checkLinks(); err != nil {
		return nil, err
	}
	g := &GivenBlock{Txs: f.txs, Parent: f.parent}
	if f.parent == nil && f.badPrev == nil {
		id := net.ID()
		g.Parent = &id
	}
	if !sealed {
		return g, nil
	}
	g.Sealed = &Block{SealedHeader: f.sealed, Txs: f.txs}
	return g, nil
}

// isSealed reports whether the block is sealed. A block with one of sealKeys must
// have them all.
func (f *blockForm) isSealed() (bool, error) {
	has, lacks := -1, -1
	for i, given := range f.given {
		if given {
			has = i
		} else {
			lacks = i
		}
	}
	if has >= 0 && lacks >= 0 {
		return false, &FieldError{
			Field: sealKeys[lacks],
			Rule:  fmt.Sprintf("%s: a sealed block (this one has %s) needs %s", ruleGiven, sealKeys[has], strings.Join(sealKeys[:], ", ")),
		}
	}
	return has >= 0, nil
}

// checkHash completes the header, and checks that its hash is the one given.
func (f *blockForm) checkHash(net *Network) error {
	h := &f.sealed.Header
	switch {
	case h.Height == 0 && f.parent != nil:
		return &FieldError{Field: "prev_hash", Rule: "must be null at height 0"}
	case h.Height > 0 && f.parent == nil:
		return &FieldError{Field: "prev_hash", Rule: "must be the hash of the block below: null is for height 0 only"}
	case f.parent != nil:
		h.Parent = *f.parent
	default:
		h.Parent = net.ID()
	}
	h.Count = uint32(len(f.txs))
	if hash := h.Hash(); hash != f.hash {
		rule := fmt.Sprintf("must be the SHA-256 of this block's header on this network, which is %s", hash)
		return &FieldError{Field: "hash", Rule: rule}
	}
	return nil
}

// checkLinks checks the prev_hash of each item.
func (f *blockForm) checkLinks() error {
	links := Links(f.txs)
	for i, prev := range f.prevs {
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
