package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/durable"
	"foxchain/ledger/finality"
	"foxchain/rpc/api"
)

// A builder's own votes are beside the ledger and not in it, so that they stay when an older copy
// of the ledger is put back, and when it is damaged or repaired. The file votes has the record of
// the key and network that voted last. The file voted has all keys with which this directory has
// voted, each with its network, one a line. A key without a network counts for every network. A
// key in voted without a record has lost it, and must not vote as if it had never voted.
type ownVotes struct {
	dir     *DataDir
	key     ledger.PublicKey
	network ledger.Hash
	file    durable.Slots
	noted   bool // the file voted has the key
}

// line is the key's line in the file voted.
func (o *ownVotes) line() string { return o.key.String() + "/" + o.network.String() }

func (o *ownVotes) isIn(lines []string) bool {
	return slices.Contains(lines, o.line()) || slices.Contains(lines, o.key.String())
}

// recordPlace bounds a record. That of 100 builders has some 5,500 bytes.
const recordPlace = 16 << 10

type recordForm struct {
	_           struct{} `cbor:",toarray"`
	Network     ledger.Hash
	Key         ledger.PublicKey
	View        uint64
	Votes       [][]byte
	Certificate []byte // empty for none
	Floor       uint64
}

// voted returns the keys with which this directory has voted.
func (o *ownVotes) voted() ([]string, error) {
	b, err := os.ReadFile(o.dir.file("voted"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read whether this node has voted: %w", err)
	}
	return strings.Fields(string(b)), nil
}

// load returns the record of the key's votes, an empty one if it never voted, nil if the
// record is lost.
func (o *ownVotes) load() (*finality.Record, error) {
	record, err := o.read()
	if record != nil || err != nil {
		return record, err
	}
	keys, err := o.voted()
	if err != nil {
		return nil, err
	}
	if o.noted = o.isIn(keys); !o.noted {
		return &finality.Record{}, nil
	}
	return nil, nil
}

// read returns the record in the file, nil if it is damaged or of another key.
func (o *ownVotes) read() (*finality.Record, error) {
	b, err := o.file.Get()
	if b == nil || errors.Is(err, durable.ErrSlots) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the votes of this node: %w", err)
	}
	var form recordForm
	if ledger.Unmarshal(b, &form) != nil || form.Key != o.key || form.Network != o.network {
		return nil, nil
	}
	r := &finality.Record{View: form.View, Floor: form.Floor}
	for _, b := range form.Votes {
		v, err := finality.DecodeVote(b)
		if err != nil {
			return nil, nil
		}
		r.Votes = append(r.Votes, v)
	}
	if len(form.Certificate) > 0 {
		if r.Certificate, err = finality.DecodeCertificate(form.Certificate); err != nil {
			return nil, nil
		}
	}
	return r, nil
}

// save makes a record durable. nil makes it lost. The record is written before the key is noted,
// so that a crash in between does not look like a loss.
func (o *ownVotes) save(r *finality.Record) error {
	form := recordForm{Network: o.network, Key: o.key, Votes: [][]byte{}, Certificate: []byte{}}
	if r == nil {
		form.Key = ledger.PublicKey{} // no key's
	} else {
		form.View, form.Floor = r.View, r.Floor
		for _, v := range r.Votes {
			form.Votes = append(form.Votes, v.Encode())
		}
		if r.Certificate != nil {
			form.Certificate = r.Certificate.Encode()
		}
	}
	b, err := ledger.Marshal(form)
	if err == nil {
		err = o.file.Put(b)
	}
	if err == nil && !o.noted {
		err = o.note()
	}
	if err != nil {
		return fmt.Errorf("write the votes of this node: %w", err)
	}
	return nil
}

// note makes it durable that the key has voted.
func (o *ownVotes) note() error {
	keys, err := o.voted()
	if err == nil && !o.isIn(keys) {
		err = durable.Replace(o.dir.file("voted"), []byte(strings.Join(append(keys, o.line()), "\n")+"\n"))
	}
	o.noted = err == nil
	return err
}

// voting returns the state of the votes, nil on a network without finality.
func (n *Node) voting() *api.Voting {
	if n.voter == nil {
		return nil
	}
	committee, st := n.voter.Committee(), n.voter.State()
	v := &api.Voting{
		View: st.View, Need: finality.Quorum(committee.Size()), Builders: n.Chain.Network().Builders,
		Away: []ledger.PublicKey{}, Evidence: []ledger.PublicKey{}, Mute: st.Mute, KeyTwice: st.Copied, VoteCount: make(map[string]uint64),
	}
	now := n.Cfg.Hooks.Now
	if now == nil {
		now = time.Now
	}
	for _, k := range v.Builders {
		m := api.Member{Key: k}
		if since := n.P2P.AwaySince(k); !since.IsZero() {
			m.Away = api.Shown(since, now())
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
