package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/durable"
	"foxchain/ledger/finality"
	"foxchain/rpc/api"
)

// The file voted names the key with which this directory has voted for final blocks.
// The votes themselves are in the ledger. If that is lost while the key is not, the key
// must not vote as if it never had.

// voted reports whether key has voted.
func (d *DataDir) voted(key ledger.PublicKey) (bool, error) {
	b, err := os.ReadFile(d.file("voted"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read whether this node has voted: %w", err)
	}
	return strings.TrimSpace(string(b)) == key.String(), nil
}

// setVoted makes it durable that key has voted.
func (d *DataDir) setVoted(key ledger.PublicKey) error {
	if known, err := d.voted(key); known || err != nil {
		return err
	}
	if err := durable.Replace(d.file("voted"), []byte(key.String()+"\n")); err != nil {
		return fmt.Errorf("note that this node votes: %w", err)
	}
	return nil
}

// voting returns how the votes stand, nil on a network without finality.
func (n *Node) voting() *api.Voting {
	if n.voter == nil {
		return nil
	}
	committee, st := n.voter.Committee(), n.voter.State()
	v := &api.Voting{
		View: st.View, Need: finality.Quorum(committee.Size()), Builders: n.Chain.Network().Builders,
		Away: []ledger.PublicKey{}, Evidence: []ledger.PublicKey{}, Mute: st.Mute, KeyTwice: st.Copied, VoteCount: make(map[string]uint64),
	}
	for _, k := range v.Builders {
		m := api.Member{Key: k}
		if since := n.P2P.AwaySince(k); !since.IsZero() {
			m.Away = api.Shown(since, time.Now())
			v.Away = append(v.Away, k)
		}
		v.Members = append(v.Members, m)
	}
	for _, i := range st.Liars {
		v.Evidence = append(v.Evidence, committee.Key(i))
	}
	for k, count := range st.Votes {
		v.VoteCount[finality.Kind(k).String()] = count
	}
	return v
}
