package ledger

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// nothing is the state of an empty chain.
type nothing struct{}

func (nothing) Account(uuid.UUID) (*AccountState, error) { return new(AccountState), nil }
func (nothing) Place(TxKey) (*Place, error)              { return nil, nil }

// TestTransfersModel applies random transfers under random rules, each as a block, beside
// a model in big integers. The same are refused, with the true numbers, and no balance
// leaves its bounds. Then Revert brings every account back.
func TestTransfersModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		floors := rapid.SampledFrom([]uint64{0, 1, 20, MaxAmount})
		rules := Network{Name: "model", CreditDefault: floors.Draw(t, "default"), Credit: make(map[uuid.UUID]uint64)}
		mayOwe := map[uuid.UUID]uint64{{1}: rules.CreditDefault, {2}: rules.CreditDefault}
		for id := range mayOwe {
			if rapid.Bool().Draw(t, "named") {
				rules.Credit[id] = floors.Draw(t, "floor")
				mayOwe[id] = rules.Credit[id]
			}
		}
		net, err := NewNetwork(rules)
		if err != nil {
			t.Fatal(err)
		}
		state, holds := NewOverlay(nothing{}, 0), map[uuid.UUID]*big.Int{{1}: new(big.Int), {2}: new(big.Int)}
		var done [][]StoredTx
		var before []map[uuid.UUID]AccountState
		for i := range rapid.IntRange(1, 30).Draw(t, "transfers") {
			account := rapid.SampledFrom([]uuid.UUID{{}, {1}, {2}})
			tx := &Transaction{ID: uuid.UUID{15: byte(i)}, Sender: account.Draw(t, "sender"), Receiver: account.Draw(t, "receiver"),
				Amount: rapid.OneOf(rapid.Uint64Range(1, 30), rapid.SampledFrom([]uint64{MaxAmount, MaxAmount / 2})).Draw(t, "amount")}
			was := copyAccounts(state)
			items, next := make([]StoredTx, 1), state.Above()
			err := Apply(net, next, &Block{Txs: []*Transaction{tx}}, items)
			if want := reckon(holds, mayOwe, tx); want == "" && err != nil || want != "" && (err == nil || !errorIs(err, want)) {
				t.Fatalf("%d from %x to %x: %v, want %q", tx.Amount, tx.Sender[0], tx.Receiver[0], err, want)
			}
			if err == nil {
				state.Take(next)
				done, before = append(done, items), append(before, was)
				if at, _ := state.Place(tx.Key()); at == nil {
					t.Fatal("what was applied stands nowhere")
				}
			}
			for id, want := range holds {
				a, _ := state.Account(id)
				if a.Balance != want.Int64() || a.Balance < -int64(mayOwe[id]) || a.Balance > MaxAmount {
					t.Fatalf("%x holds %d, want %s, and may owe %d", id[0], a.Balance, want, mayOwe[id])
				}
			}
		}
		for i := len(done) - 1; i >= 0; i-- {
			if err := Revert(net, state, done[i]); err != nil {
				t.Fatal(err)
			}
			for id, was := range before[i] {
				if a, _ := state.Account(id); a.Balance != was.Balance || a.Newest != was.Newest || Plus(a.Minted, 0).Cmp(Plus(was.Minted, 0)) != 0 || Plus(a.Redeemed, 0).Cmp(Plus(was.Redeemed, 0)) != 0 {
					t.Fatalf("after a revert %x is %v, was %v", id[0], a, was)
				}
			}
		}
	})
}

// reckon moves the amount of tx if the rules allow it. Otherwise it returns the rule.
func reckon(holds map[uuid.UUID]*big.Int, mayOwe map[uuid.UUID]uint64, tx *Transaction) string {
	after := maps.Clone(holds)
	amount := new(big.Int).SetUint64(tx.Amount)
	if from := after[tx.Sender]; from != nil {
		after[tx.Sender] = new(big.Int).Sub(from, amount)
		owes := new(big.Int).Neg(after[tx.Sender])
		if most := mayOwe[tx.Sender]; owes.Cmp(new(big.Int).SetUint64(most)) > 0 && most > 0 {
			return fmt.Sprintf("sender holds %s and needs %d, may owe %d", from, tx.Amount, most)
		} else if owes.Sign() > 0 && most == 0 {
			return fmt.Sprintf("sender holds %s and needs %s more", from, owes)
		}
	}
	if to := after[tx.Receiver]; to != nil {
		after[tx.Receiver] = new(big.Int).Add(to, amount)
		if after[tx.Receiver].Cmp(big.NewInt(MaxAmount)) > 0 {
			return NoRoom
		}
	}
	maps.Copy(holds, after)
	return ""
}

func errorIs(err error, rule string) bool {
	var broken *BlockError
	return errors.As(err, &broken) && broken.Fault == FaultBlock && broken.Field == "items[0].amount" && broken.Rule == rule
}

func copyAccounts(o *Overlay) map[uuid.UUID]AccountState {
	all := make(map[uuid.UUID]AccountState)
	for id, a := range o.Accounts {
		all[id] = *a
	}
	return all
}

// TestApplyTwice checks that a transaction of an earlier block of the same branch is
// refused by item and rule, and taken again once it is reverted.
func TestApplyTwice(t *testing.T) {
	net := mustNetwork(t, Network{Name: "test"})
	tx, next := &Transaction{ID: uuid.UUID{1}, Receiver: uuid.UUID{15: 7}, Amount: 1}, &Transaction{ID: uuid.UUID{2}, Receiver: uuid.UUID{15: 7}, Amount: 1}
	state, items := NewOverlay(nothing{}, 0), make([]StoredTx, 1)
	if err := Apply(net, state, &Block{Txs: []*Transaction{tx}}, items); err != nil {
		t.Fatal(err)
	}
	again := Block{Txs: []*Transaction{next, tx}}
	again.Height = 1
	var broken *BlockError
	var dup *DuplicateError
	err := Apply(net, state.Above(), &again, make([]StoredTx, 2))
	if !errors.As(err, &broken) || !errors.As(err, &dup) || broken.Fault != FaultBlock || broken.Field != "items[1].id" || broken.Height != 1 {
		t.Errorf("%v", err)
	}
	if err := Revert(net, state, items); err != nil {
		t.Fatal(err)
	}
	if err := Apply(net, state.Above(), &again, make([]StoredTx, 2)); err != nil {
		t.Errorf("after a revert: %v", err)
	}
}

// TestSearchStops checks that a search asks whether to stop before its first try,
// wherever it starts.
func TestSearchStops(t *testing.T) {
	for _, start := range []uint64{0, 1, 4095} {
		var h Header
		if h.Search(start, func() bool { return true }) || h.Nonce != (Nonce{}) {
			t.Errorf("from %d: a nonce was found", start)
		}
	}
}
