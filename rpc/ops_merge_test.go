package rpc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/go-json-experiment/json"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
)

func TestMergePool(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	one := mint(1, 3000)
	c.wants(mergePool(one), acceptedMsg)
	c.wants(mergePool(one), acceptedMsg) // again, though it is held
	c.wants(mergePool(), acceptedMsg)
	c.wants(`{"op":"pool"}`, `{"status":200,"error":"OK","response":{"pool":[`+txJSON(one)+`]}}`)

	t.Run("stamped", func(t *testing.T) {
		now := time.Unix(1620811762, 0)
		l := newLab(t, func(c *Config) { c.Now = func() time.Time { return now } }).start()
		c := l.client()
		c.wants(`{"op":"merge","args":{"pool":[{"sender":"00000000-0000-0000-0000-000000000000","receiver":"00000000-0000-0000-0000-000000000007","amount":5}]}}`, acceptedMsg)
		pool := response[struct {
			Pool []struct {
				ID string         `json:"id"`
				T  jsontext.Value `json:"t"`
			} `json:"pool"`
		}](c, `{"op":"pool"}`).Pool
		if len(pool) != 1 || len(pool[0].ID) != 36 || pool[0].ID[14] != '4' || string(pool[0].T) != "1620811762.0" {
			t.Errorf("the pool holds %+v", pool)
		}
	})
	other := mint(1, 2999)
	reason := l.refusal(other)
	entry := fmt.Sprintf(`"refused":[{"index":%%d,"id":"00000000-0000-0000-0000-000000000001","reason":%q}]`, reason)
	t.Run("all refused", func(t *testing.T) {
		c := l.client()
		c.wants(mergePool(other), fmt.Sprintf(`{"status":500,"error":%q,"response":null,`, "pool[0]: "+reason)+fmt.Sprintf(entry, 0)+`}`)
	})
	t.Run("some refused", func(t *testing.T) {
		c := l.client()
		c.wants(mergePool(mint(2, 1), other), `{"status":202,"error":"Accepted",`+fmt.Sprintf(entry, 1)+`}`)
	})
	t.Run("held counts", func(t *testing.T) {
		c := l.client()
		c.wants(mergePool(other, one), `{"status":202,"error":"Accepted",`+fmt.Sprintf(entry, 0)+`}`)
	})
	t.Run("a bad signature", func(t *testing.T) {
		tx := *mint(3, 1)
		tx.Sign(l.chain.Network(), l.sealer.key)
		tx.Amount = 2
		c := l.client()
		got := c.ask(mergePool(mint(4, 1), &tx))
		if want := `{"status":500,"error":"pool[1].signature: must be`; !strings.HasPrefix(got, want) {
			t.Errorf("got %s", got)
		}
		if n := l.chain.Status().Pool; n != 2 {
			t.Errorf("the pool holds %d transactions: one of the refused message was taken", n)
		}
	})
}

// TestManyRefused checks that a reply names as many refused transactions as it can hold,
// and counts the rest.
func TestManyRefused(t *testing.T) {
	txs, outcomes := make([]*ledger.Transaction, 1000), make([]chain.Outcome, 1000)
	for i := range txs {
		txs[i], outcomes[i].Refused = mint(i+1, 1), strings.Repeat("x", 100)
	}
	outcomes[1].Taken = true
	refused, n := refusals(txs, outcomes, 100<<10)
	text, err := json.Marshal(refused)
	if err != nil || n != 999 || len(refused.Refused)+refused.LeftOut != n || refused.Refused[1].Index != 2 || len(text) < 60<<10 || len(text) > 84<<10 {
		t.Errorf("%d of %d in %d bytes: %v", len(refused.Refused), n, len(text), err)
	}
}

// TestMergeCarried checks that what expired here does not come back by a file that
// another node wrote, and does when its owner submits it again.
func TestMergeCarried(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		c, err := chain.Open(chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "carried"}), Storage: storage.NewMemStorage(), Expiry: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		poor := &ledger.Transaction{ID: numbered(1), Sender: numbered(2), Receiver: numbered(3), Amount: 4, T: 1}
		chaintest.Submit(t, c, pool.FromClient, poor)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		s := &mergeOps{chain: c, now: time.Now}
		for _, tt := range [][2]string{{`,"carried":1`, "carried: must be"}, {`,"carried":true`, "gone here for good: expired"}, {"", "<nil>"}, {`,"carried":true`, "<nil>"}} {
			a, err := newReader([]byte(`{"pool":[` + txJSON(poor) + `]` + tt[0] + `}`)).args()
			if err != nil {
				t.Fatal(err)
			}
			err = s.merge(t.Context(), &request{args: a}, &reply{limit: 1 << 20})
			if got := fmt.Sprint(err); !strings.Contains(got, tt[1]) {
				t.Errorf("%s: %s, want %s", tt[0], got, tt[1])
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second) // LevelDB's buffer pool ends its goroutine a while after Close
	})
}

// refusal asks the chain why it refuses a transaction.
func (l *lab) refusal(tx *ledger.Transaction) string {
	l.t.Helper()
	out, err := l.chain.Submit(l.t.Context(), []*ledger.Transaction{tx}, pool.FromClient)
	if err != nil || out[0].Refused == "" {
		l.t.Fatalf("was not refused: %+v, %v", out, err)
	}
	return out[0].Refused
}

func TestMergeBlocks(t *testing.T) {
	from := newLab(t)
	from.submit(mint(1, 10), mint(2, 20))
	first := from.build()
	from.submit(mint(3, 30))
	second := from.build()
	list := func(blocks ...string) string {
		return `{"op":"merge","args":{"blocks":[` + strings.Join(blocks, ",") + `]}}`
	}
	a, b := string(first.AppendJSON(nil)), string(second.AppendJSON(nil))

	l := newLab(t).start()
	c := l.client()
	c.wants(list(a, b), acceptedMsg)
	c.wants(list(a, b), acceptedMsg)
	c.wants(`{"op":"blocks"}`, `{"status":200,"error":"OK","response":{"blocks":[`+a+`,`+b+`]}}`)

	t.Run("original form on the tip", func(t *testing.T) {
		c := l.client()
		c.wants(list(`{"items":[`+txJSON(mint(4, 40))+`],"prev_hash":"`+second.Hash().String()+`"}`), acceptedMsg)
		got := response[struct {
			Blocks []blockJSON `json:"blocks"`
		}](c, `{"op":"blocks","args":{"start":-1}}`).Blocks[0]
		if got.Height != 2 || got.Builder != ledgertest.Public(l.sealer.key).String() || len(got.Items) != 1 {
			t.Errorf("built %+v", got)
		}
	})
	t.Run("duplicate", func(t *testing.T) {
		tip := l.chain.Tip().Hash.String()
		c := l.client()
		got := c.ask(list(`{"items":[` + txJSON(mint(1, 10)) + `],"prev_hash":"` + tip + `"}`))
		want := fmt.Sprintf(`{"status":500,"error":%q}`, "Duplicate transaction in blockchain: "+txJSON(mint(1, 10)))
		if got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("malicious", func(t *testing.T) {
		c := l.client()
		for name, block := range map[string]string{
			"hash":      strings.Replace(a, `"hash":"`+first.Hash().String()[:4], `"hash":"0000`, 1),
			"signature": strings.Replace(a, first.Signature.String()[:8], "00000000", 1),
			"amount":    strings.Replace(a, `"amount":10,`, `"amount":11,`, 1),
			"missing":   `{"prev_hash":null}`,
			"poor":      `{"items":[` + txJSON(&ledger.Transaction{ID: numbered(9), Sender: numbered(9), Receiver: numbered(1), Amount: 1}) + `],"prev_hash":"` + l.chain.Tip().Hash.String() + `"}`,
		} {
			if got := c.ask(list(block)); !strings.HasPrefix(got, `{"status":500,"error":"Malicious block is detected.","reason":"blocks[0]`) {
				t.Errorf("%s: got %s", name, got)
			}
		}
	})
}
