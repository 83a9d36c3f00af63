package rpc

import (
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// pages asks for all pages of a list.
func pages(c *client, args string) (all []api.Holding) {
	c.t.Helper()
	for more := ""; ; {
		page := response[api.Accounts](c, `{"op":"accounts","args":{`+args+more+`}}`)
		all = append(all, page.Accounts...)
		if page.Next == "" {
			return all
		}
		more = fmt.Sprintf(`,"from":%q`, page.Next)
	}
}

// TestAccounts lists accounts by pages, in both orders, and compares each with the op
// account.
func TestAccounts(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	var txs []*ledger.Transaction
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 60 {
		tx := mint(n+1, uint64(random.IntN(5)+1)) // many hold the same
		if n%2 == 0 {
			tx.Receiver = uuid.NewSHA1(tx.ID, nil)
		}
		txs = append(txs, tx)
	}
	l.submit(txs...)
	l.build()
	byAccount := pages(c, `"limit":7`)
	byBalance := pages(c, `"by":"balance","limit":7`)
	if len(byAccount) != 61 || len(byBalance) != 61 || byBalance[0].Kind != "issuer" {
		t.Fatalf("%d and %d accounts, the first %+v", len(byAccount), len(byBalance), byBalance[0])
	}
	if !slices.IsSortedFunc(byAccount, func(a, b api.Holding) int { return strings.Compare(a.Account, b.Account) }) ||
		!slices.IsSortedFunc(byBalance[1:], func(a, b api.Holding) int {
			return 4*int(*b.Balance-*a.Balance) + strings.Compare(a.Account, b.Account)
		}) {
		t.Error("not in order")
	}
	for _, h := range append(byAccount, byBalance...) {
		alone := response[api.Account](c, fmt.Sprintf(`{"op":"account","args":{"account":%q}}`, h.Account))
		got, _ := json.Marshal(h)
		want, _ := json.Marshal(alone.Holding)
		if string(got) != string(want) {
			t.Errorf("listed %s, alone %s", got, want)
		}
	}
	zeros := pages(c, `"prefix":"00000000-0","limit":7`)
	if want := pages(c, `"by":"balance","prefix":"000000000","limit":9`); len(zeros) != 31 || len(want) != 31 {
		t.Errorf("%d and %d begin with zeros, want 31", len(zeros), len(want))
	}
	for args, want := range map[string]string{
		`"prefix":"xy"`:                     "args.prefix: must be the first hex digits of accounts",
		`"by":"name"`:                       `args.by: must be \"account\" or \"balance\"`,
		`"by":"balance","from":"1"`:         `args.from: must be what \"next\" was`,
		`"from":"1"`:                        `args.from: must be what \"next\" was`,
		`"limit":1001`:                      "args.limit: must be an integer from 1 to 1000",
		`"prefix":"` + zeroDigits(33) + `"`: "args.prefix: must be",
	} {
		if got := c.ask(`{"op":"accounts","args":{` + args + `}}`); !strings.Contains(got, want) {
			t.Errorf("%s: %s", args, got)
		}
	}
}

func zeroDigits(n int) string { return strings.Repeat("0", n) }

// TestAccountsAfterReorg checks that an account of a branch that lost is not listed.
func TestAccountsAfterReorg(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	first := mint(1, 1)
	base := l.extend(l.header(nil, first), []*ledger.Transaction{first})
	lost := mint(2, 1)
	l.extend(l.header(base, lost), []*ledger.Transaction{lost})
	parent := base
	for n := range 2 {
		tx := mint(n+3, 1)
		parent = l.extend(l.header(parent, tx), []*ledger.Transaction{tx})
	}
	var listed []string
	for _, h := range pages(c, `"by":"balance"`) {
		listed = append(listed, h.Account)
	}
	if want := []string{numbered(0).String(), numbered(1).String(), numbered(3).String(), numbered(4).String()}; !slices.Equal(listed, want) {
		t.Errorf("%v, want %v", listed, want)
	}
}

// TestStatementOp compares a statement with the history of the op account, and refuses to
// go on where the chain changed.
func TestStatementOp(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	for n := range 5 {
		tx := mint(n+1, 10)
		tx.Receiver = numbered(1)
		l.submit(tx)
		l.build()
	}
	l.submit(&ledger.Transaction{ID: numbered(6), Sender: numbered(1), Receiver: numbered(2), Amount: 7},
		&ledger.Transaction{ID: numbered(7), Sender: numbered(1), Receiver: numbered(1), Amount: 3})
	last := l.build()
	ask := func(more string) api.Statement {
		return response[api.Statement](c, fmt.Sprintf(`{"op":"statement","args":{"account":"%s"%s}}`, numbered(1), more))
	}
	acc := response[api.Account](c, fmt.Sprintf(`{"op":"account","args":{"account":"%s"}}`, numbered(1)))
	var lines []api.StatementLine
	page := ask(`,"limit":2`)
	for lines = page.Lines; page.Next != nil; lines = append(lines, page.Lines...) {
		next, _ := json.Marshal(page.Next)
		page = ask(`,"limit":2,"from":` + string(next))
	}
	if len(lines) != len(acc.History) || page.Tip != last.Hash() || page.Blocks != 6 || *page.Balance != 43 {
		t.Fatalf("%d lines of %d: %+v", len(lines), len(acc.History), page)
	}
	for i, h := range acc.History {
		with := h.Tx.Sender
		if h.Direction == "out" {
			with = h.Tx.Receiver
		}
		if want := (api.StatementLine{Height: h.Block.Height, Index: h.Block.Index, T: *h.Tx.T, ID: h.Tx.ID, With: with, Direction: h.Direction, Amount: h.Tx.Amount}); lines[i] != want {
			t.Errorf("line %d is %+v, want %+v", i, lines[i], want)
		}
	}
	got := c.ask(fmt.Sprintf(`{"op":"statement","args":{"account":"%s","from":{"height":4,"index":0,"hash":"%s"}}}`, numbered(1), last.Hash()))
	if !strings.Contains(got, "args.from: ") {
		t.Errorf("another block at that height: %s", got)
	}
}

// TestPageAccounts lists accounts on the page and downloads a statement, in both
// languages.
func TestPageAccounts(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 3000), mint(2, 500), mint(3, 700))
	l.build()
	l.submit(&ledger.Transaction{ID: numbered(9), Sender: numbered(1), Receiver: numbered(2), Amount: 100, T: 1620811763})
	l.build()
	p := openPage(t, "http://"+l.addr()+"/#/accounts")
	p.until(`[...document.querySelectorAll("#account-rows tr")].map((tr) => tr.querySelector("a").title.slice(-1)).join("") === "0132"`)
	p.shows("#account-rows", "4,200 minted")
	p.shows("#account-rows", "2,900")
	p.run(`{ const by = document.getElementById("accounts-by"); by.value = "account"; by.dispatchEvent(new Event("change")); }`)
	p.until(`[...document.querySelectorAll("#account-rows tr")].map((tr) => tr.querySelector("a").title.slice(-1)).join("") === "0123"`)
	p.run(`{ const field = document.getElementById("accounts-prefix"); field.value = "ff"; field.dispatchEvent(new Event("input")); }`)
	p.shows(".view-accounts", "No account begins with these digits")
	p.shot("accounts-en")
	p.run(`document.getElementById("language").click()`)
	p.shows("#account-rows", "发行账户")
	p.shot("accounts-zh")

	p.run(`HTMLAnchorElement.prototype.click = () => {}; URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return "#/"; }`)
	for _, c := range []struct {
		account                int
		held, opening, closing string
		want                   string // of what stands behind each line
	}{
		{1, "余额", "期初余额", "期末余额", "0 3000 2900 2900"},
		{1, "Balance", "opening balance", "closing balance", "0 3000 2900 2900"},
		{0, "收回减发行", "期初收回减发行", "期末收回减发行", "0 -3000 -3500 -4200 -4200"},
		{0, "Redeemed less minted", "opening redeemed less minted", "closing redeemed less minted", "0 -3000 -3500 -4200 -4200"},
	} {
		p.goTo("#/account/" + numbered(c.account).String())
		p.shows("th.behind", c.held)
		p.run(`window.saved = undefined; document.querySelector(".statement").requestSubmit()`)
		p.until(`window.saved !== undefined`)
		text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`window.saved`))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\uFEFF"))).ReadAll()
		if err != nil || len(rows) < 3 {
			t.Fatalf("%v: %q", err, rows)
		}
		var behind []string
		for _, row := range rows[1:] {
			behind = append(behind, row[5])
		}
		if strings.Join(behind, " ") != c.want || rows[0][5] != c.held || rows[1][2] != c.opening || rows[len(rows)-1][2] != c.closing {
			t.Errorf("%+v: %q", c, rows)
		}
		p.shot("statement-" + c.opening)
		p.run(`document.getElementById("language").click()`)
	}
	p.check(l)
}

// BenchmarkAccounts measures a page by balance among 100,000 accounts, and a statement of
// 100,000 lines.
func BenchmarkAccounts(b *testing.B) {
	l := newLab(b).start()
	for n := range 10 {
		var txs []*ledger.Transaction
		for i := range ledger.MaxBlockTxs {
			tx := mint(1+n*ledger.MaxBlockTxs+i, uint64(1+i%977))
			tx.Receiver = uuid.NewSHA1(tx.ID, nil)
			txs = append(txs, tx)
		}
		tip := l.chain.Tip()
		h := ledger.Header{Version: 1, Height: tip.Blocks, Parent: tip.Hash, Root: ledger.Root(txs), Count: uint32(len(txs)), Time: uint64(time.Now().UnixMilli()), Bits: l.chain.Network().Bits}
		sealed, err := l.sealer.Seal(context.Background(), h)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.chain.AddBlock(context.Background(), &ledger.Block{SealedHeader: sealed, Txs: txs}); err != nil {
			b.Fatal(err)
		}
	}
	c := l.client()
	b.Run("by balance", func(b *testing.B) {
		for b.Loop() {
			if n := len(response[api.Accounts](c, `{"op":"accounts","args":{"by":"balance","limit":1000}}`).Accounts); n != 1000 {
				b.Fatal(n)
			}
		}
	})
	b.Run("statement", func(b *testing.B) {
		for b.Loop() {
			lines, more := 0, ""
			for {
				page := response[api.Statement](c, fmt.Sprintf(`{"op":"statement","args":{"account":"%s"%s}}`, numbered(0), more))
				lines += len(page.Lines)
				if page.Next == nil {
					break
				}
				next, _ := json.Marshal(page.Next)
				more = `,"from":` + string(next)
			}
			if lines != 100_000 {
				b.Fatal(lines)
			}
		}
	})
}
