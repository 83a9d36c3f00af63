package sync

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
)

// An invalidBlock is what is wrong with a block, and what becomes of its sender.
type invalidBlock struct {
	name string
	// make crafts the block on the honest chain's tip.
	make func(a *attack) *ledger.Block
	// ban is in the reason for which the sender is banned. It is empty where an honest
	// node may have forwarded the header, so that no node is banned.
	ban string
	// marked is whether the block's own hash commits to the fault.
	marked bool
}

func invalidBlocks() []invalidBlock {
	header := func(change func(a *attack, h *ledger.Header)) func(a *attack) *ledger.Block {
		return func(a *attack) *ledger.Block {
			h := a.next()
			change(a, &h)
			return a.seal(a.bad, h, a.mint(1))
		}
	}
	body := func(txs func(a *attack) []*ledger.Transaction) func(a *attack) *ledger.Block {
		return func(a *attack) *ledger.Block { return a.seal(a.bad, a.next(), txs(a)) }
	}
	// after changes a sealed block and signs it again, so that only its hash
	// or what it claims about its body is wrong.
	after := func(change func(b *ledger.Block)) func(a *attack) *ledger.Block {
		return func(a *attack) *ledger.Block {
			b := a.seal(a.bad, a.next(), a.mint(2))
			change(b)
			if b.Header.Count <= ledger.MaxBlockTxs && b.Header.Count > 0 {
				b.Header.Search(0, func() bool { return false })
			}
			b.SealedHeader = b.Header.Sign(a.net, a.bad.key)
			return b
		}
	}
	return []invalidBlock{
		{"an unknown parent", header(func(_ *attack, h *ledger.Header) { h.Parent[5]++ }), "", false},
		{"a height too high", header(func(_ *attack, h *ledger.Header) { h.Height += 7 }), "", true},
		{"another network's first block", header(func(_ *attack, h *ledger.Header) { h.Height, h.Parent = 0, ledger.Hash{1} }), "prev_hash", false},
		{"a version of the future", header(func(_ *attack, h *ledger.Header) { h.Version = 2 }), "version", false},
		{"bits of its own", header(func(_ *attack, h *ledger.Header) { h.Bits = 0 }), "bits", false},
		{"no transactions", after(func(b *ledger.Block) { b.Header.Count = 0 }), "count", false},
		{"too many transactions", after(func(b *ledger.Block) { b.Header.Count = ledger.MaxBlockTxs + 1 }), "count", false},
		{"no work", func(a *attack) *ledger.Block {
			b := a.seal(a.bad, a.next(), a.mint(1))
			for h := b.Hash(); h[0] < 0x80; h = b.Hash() { // the lab's networks want one bit
				b.Nonce[7]++
			}
			b.SealedHeader = b.Header.Sign(a.net, a.bad.key)
			return b
		}, "hash", false},
		{"another's signature", func(a *attack) *ledger.Block {
			b := a.seal(a.bad, a.next(), a.mint(1))
			b.SealedHeader = b.Header.Sign(a.net, ledgertest.Key(77))
			return b
		}, "signature", false},
		{"a signature for another network", func(a *attack) *ledger.Block {
			b := a.seal(a.bad, a.next(), a.mint(1))
			other, err := ledger.NamedNetwork("other")
			if err != nil {
				a.t.Fatal(err)
			}
			b.SealedHeader = b.Header.Sign(other, a.bad.key)
			return b
		}, "signature", false},
		{"a root of other transactions", after(func(b *ledger.Block) { b.Header.Root[3]++ }), "root is another", false},
		{"a count of more than it has", after(func(b *ledger.Block) { b.Header.Count = 3 }), "2 short IDs", false},
		{"a duplicate of the chain", body(func(a *attack) []*ledger.Transaction {
			old, err := a.bad.Chain.BlockByHash(a.bad.Chain.Tip().Hash)
			if err != nil {
				a.t.Fatal(err)
			}
			return old.Txs
		}), "", true},
		{"a duplicate within it", body(func(a *attack) []*ledger.Transaction {
			tx := a.mint(1)[0]
			return []*ledger.Transaction{tx, tx}
		}), "", true},
		{"a spender without money", body(func(a *attack) []*ledger.Transaction {
			txs := a.mint(2)
			txs[1].Sender, txs[1].Receiver = uuid.UUID{15: 99}, uuid.UUID{15: 98}
			return txs
		}), "", true},
		{"a balance too high", body(func(a *attack) []*ledger.Transaction {
			txs := a.mint(2)
			txs[0].Amount, txs[1].Amount = ledger.MaxAmount, ledger.MaxAmount
			return txs
		}), "", true},
		{"a height too low", header(func(_ *attack, h *ledger.Header) { h.Height-- }), "", true},
		{"a time beyond all limits", header(func(_ *attack, h *ledger.Header) { h.Time = 1 << 53 }), "time", false},
		{"an amount beyond the limit", body(func(a *attack) []*ledger.Transaction {
			txs := a.mint(1)
			txs[0].Amount = ledger.MaxAmount + 1
			return txs
		}), "", true},
		{"a signature of another network", body(func(a *attack) []*ledger.Transaction {
			other, err := ledger.NamedNetwork("other")
			if err != nil {
				a.t.Fatal(err)
			}
			txs := a.mint(1)
			txs[0].Sign(other, a.bad.key)
			return txs
		}), "", true},
		{"a keyed account without a signature", body(func(a *attack) []*ledger.Transaction {
			txs := a.mint(1)
			txs[0].Sender = ledger.AccountOf(ledgertest.Public(a.bad.key))
			return txs
		}), "", true},
		{"an amount of zero", body(func(a *attack) []*ledger.Transaction {
			txs := a.mint(1)
			txs[0].Amount = 0
			return txs
		}), "", true},
	}
}

// TestAttackInvalidBlocks has a hostile builder gossip a block with proof of work that
// breaks one rule, and serve its body. No node follows it, and all take the true block.
// Its sender is banned where only a hostile node sends that.
func TestAttackInvalidBlocks(t *testing.T) {
	for _, c := range invalidBlocks() {
		t.Run(c.name, func(t *testing.T) {
			inAttack(t, func(t *testing.T, a *attack) {
				before := a.honest[0].Chain.Tip().Hash
				b := c.make(a)
				a.serves(map[ledger.Hash][]*ledger.Transaction{b.Hash(): b.Txs})
				a.strike()
				time.Sleep(statusEvery)
				a.gossip("block", ledger.EncodeHeader(&b.SealedHeader))
				if c.ban != "" {
					a.bannedFor(c.ban)
				} else {
					time.Sleep(2 * statusEvery)
					a.noneBanned()
				}
				for _, n := range a.honest {
					if got := n.Chain.Tip().Hash; got != before {
						t.Errorf("node %d follows it", n.number())
					}
					if marked := n.Chain.FailedBlock(b.Hash()) != nil; marked != c.marked {
						t.Errorf("node %d has the block marked as failed: %v, want %v", n.number(), marked, c.marked)
					}
				}
				a.goesOn()
			})
		})
	}
}

// TestAttackTrueBlock has a hostile node get hold of a true block first, and pass
// it on with a broken signature, or with another body. No node may refuse the true
// block for that.
func TestAttackTrueBlock(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(a *attack, b *ledger.Block) (*ledger.SealedHeader, []*ledger.Transaction)
		ban   string
	}{
		{"with a broken signature", func(_ *attack, b *ledger.Block) (*ledger.SealedHeader, []*ledger.Transaction) {
			h := b.SealedHeader
			h.Signature[9]++
			return &h, b.Txs
		}, "signature"},
		{"with another body", func(a *attack, b *ledger.Block) (*ledger.SealedHeader, []*ledger.Transaction) {
			return &b.SealedHeader, a.mint(len(b.Txs))
		}, "root is another"},
		{"with a longer body", func(a *attack, b *ledger.Block) (*ledger.SealedHeader, []*ledger.Transaction) {
			return &b.SealedHeader, append(a.mint(1), b.Txs...)
		}, "short IDs"},
		{"without its body", func(_ *attack, b *ledger.Block) (*ledger.SealedHeader, []*ledger.Transaction) {
			return &b.SealedHeader, nil
		}, "short IDs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inAttack(t, func(t *testing.T, a *attack) {
				b := a.seal(a.honest[0], a.next(), a.mint(2))
				h, txs := c.alter(a, b)
				a.serves(map[ledger.Hash][]*ledger.Transaction{b.Hash(): txs})
				a.strike()
				time.Sleep(statusEvery)
				a.gossip("block", ledger.EncodeHeader(h))
				a.bannedFor(c.ban)
				a.take(a.honest[0], b)
				a.follow(b)
				a.goesOn()
			})
		})
	}
}

// TestAttackBuilderNotAllowed checks that on a network with a list of builders, the block
// of another is refused and its sender banned.
func TestAttackBuilderNotAllowed(t *testing.T) {
	builders := []ledger.PublicKey{ledgertest.Public(ledgertest.Key(0)), ledgertest.Public(ledgertest.Key(1))}
	attackOn(t, ledger.Network{Name: "mesh", Bits: 4, Builders: builders}, func(t *testing.T, a *attack) {
		a.strike()
		time.Sleep(statusEvery)
		b := a.seal(a.bad, a.next(), a.mint(1))
		a.gossip("block", ledger.EncodeHeader(&b.SealedHeader))
		a.bannedFor("builder")
		a.goesOn()
	})
}
