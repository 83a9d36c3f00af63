package rpc

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"foxchain/ledger"
)

// TestShort checks that a hash or ID that is shown short is found by its beginning,
// wherever it is. Where more than one fits they are named.
func TestShort(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	l.submit(mint(1, 10))
	first := l.build()
	l.submit(mint(2, 10))
	second := l.build()
	tx := mint(3, 1)
	branch := l.extend(l.header(first, tx), []*ledger.Transaction{tx})
	tx = mint(4, 1)
	tip := l.extend(l.header(branch, tx), []*ledger.Transaction{tx}) // so that the second lost
	l.submit(&ledger.Transaction{ID: numbered(7), Sender: numbered(1), Receiver: numbered(9876), Amount: 3})
	short := func(b *ledger.Block, digits int) string { return b.Hash().String()[:digits] }
	for _, b := range []*ledger.Block{first, second, tip} {
		c.has(`{"op":"block","args":{"hash":"`+short(b, 13)+`"}}`, `"hash":"`+b.Hash().String())
		c.has(`{"op":"block","args":{"hash":"`+strings.ToUpper(short(b, 12))+`…`+b.Hash().String()[60:]+`"}}`, `"hash":"`+b.Hash().String())
	}
	c.has(`{"op":"block","args":{"hash":"`+short(first, 12)+`…"}}`, `"height":0`)
	c.has(`{"op":"block","args":{"hash":"ffff"}}`, `404`, "A block that begins with ffff is not known here")
	c.has(`{"op":"block","args":{"hash":"000"}}`, "args.hash: must be 64 hex digits")

	id := func(n int) string { return numbered(n).String() }
	c.has(`{"op":"tx","args":{"id":"`+id(1)[:35]+`"}}`, "more than one begins with", id(1), id(4), "and 1 more")
	c.has(`{"op":"tx","args":{"id":"0000…0007"}}`, `"state":"`, id(7))
	c.has(`{"op":"tx","args":{"id":"0000...0002"}}`, `"state":"`, id(2))
	c.has(`{"op":"tx","args":{"id":"0000…9999"}}`, "404", "A transaction that begins with 0000 and ends with 9999 is not known here")
	c.has(`{"op":"account","args":{"account":"00000000…9876"}}`, `"account":"`+id(9876)) // only the pool has it
	c.has(`{"op":"account","args":{"account":"0000…0000"}}`, `"kind":"issuer"`)
}

// TestBlockAsWritten checks that digits are a height. Where there is none so high, they
// are the beginning of a hash without letters.
func TestBlockAsWritten(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	digits := regexp.MustCompile(`^[1-9][0-9]{3}`)
	var b *ledger.Block
	for n := 1; b == nil || !digits.MatchString(b.Hash().String()); n++ { // some 8 blocks
		l.submit(mint(n, 10))
		b = l.build()
	}
	hash := b.Hash().String()
	for _, text := range []string{hash[:4], hash, fmt.Sprint(b.Height), "-1"} {
		c.has(`{"op":"block","args":{"block":"`+text+`"}}`, `"hash":"`+hash)
		if got := l.http(http.MethodGet, "/v1/block/"+text, "").body; !strings.Contains(got, `"hash":"`+hash) {
			t.Errorf("/v1/block/%s: %s", text, got)
		}
	}
	c.has(`{"op":"block","args":{"block":"99999999"}}`, `404`, "Block 99999999 is not known here")
	c.has(`{"op":"block","args":{"block":"0000"}}`, `404`, "A block that begins with 0000 is not known here")
	c.has(`{"op":"block","args":{"block":"xyz"}}`, "args.block: must be 64 hex digits")
}

// has checks that the reply to a message has all parts.
func (c *client) has(msg string, parts ...string) {
	c.t.Helper()
	reply := c.ask(msg)
	for _, part := range parts {
		if !strings.Contains(reply, part) {
			c.t.Errorf("%s\nhas no %q:\n%s", msg, part, reply)
		}
	}
}

// TestShortIsBounded checks that where too many begin alike, they are not looked at.
func TestShortIsBounded(t *testing.T) {
	l := newLab(t).start()
	var txs []*ledger.Transaction
	for n := range maxAlike {
		txs = append(txs, mint(n+1, 1))
	}
	l.submit(txs...)
	c := l.client()
	refusal := fmt.Sprintf("args.id: %d or more begin with 0000", maxAlike)
	c.has(`{"op":"tx","args":{"id":"0000"}}`, refusal)
	l.build()
	c.has(`{"op":"tx","args":{"id":"0000"}}`, refusal)
	c.has(`{"op":"tx","args":{"id":"`+numbered(23).String()[:35]+`"}}`, "more than one begins with", "and 6 more")
}
