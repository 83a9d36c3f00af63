package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"foxchain/ledger"
	"foxchain/ledger/store"
)

// Errors of Open that have words of their own. Match them with errors.Is.
var (
	// ErrForeign: the store belongs to another network.
	ErrForeign = errors.New("this is the ledger of another network")
	// ErrNewer: a newer program wrote the store.
	ErrNewer = errors.New("a newer version of foxchain wrote this ledger")
)

// checkCommits looks for a hole in the commit counters: LevelDB then lost a part
// in the middle of its journal, and the state behind it cannot be trusted. Where
// only the end is gone, what is left is an earlier state and nothing is wrong
// with it.
func checkCommits(s *store.Store, how store.Opened, log *slog.Logger) error {
	interrupted, err := store.Has(s.DB, []byte{store.KeyMending})
	if err != nil {
		return err
	}
	gap, err := commitsMissing(s)
	if err != nil {
		return err
	}
	switch {
	case gap:
		return store.Damaged("its journal", errors.New("a part in the middle is missing"))
	case interrupted:
		return store.Damaged("its state", errors.New("an older version began to mend it and was interrupted"))
	case how.Torn:
		log.Warn("the end of the ledger's journal was torn (a power cut?); the node continues from the last whole step. If the power did not fail, the disk did: transactions accepted in the torn part are lost", "blocks", s.Info.Blocks)
	case how.Emptied:
		log.Warn("the ledger's journal is empty. If the node was not stopped within moments of its start, the file was emptied, and transactions accepted since the start before are lost", "blocks", s.Info.Blocks)
	}
	return nil
}

// commitsMissing reports whether the commit counters have a gap.
func commitsMissing(s *store.Store) (gap bool, err error) {
	var last uint64
	err = s.Scan([]byte{store.KeyCommit}, func(key, _ []byte) error {
		n := binary.BigEndian.Uint64(key[1:])
		gap = gap || last != 0 && n != last+1
		last = n
		return nil
	})
	return gap || last != s.Info.Commits, err
}

// readInfo reads the info record, or makes the first one.
func readInfo(s *store.Store, net *ledger.Network) error {
	b, err := store.Get(s.DB, []byte{store.KeyInfo})
	if errors.Is(err, ledger.ErrUnknown) {
		id := net.ID()
		w := s.Begin()
		w.Info = store.Info{Schema: store.SchemaVersion, Name: net.Name, Network: id, Tip: id}
		return w.Write(true)
	} else if err != nil {
		return err
	}
	s.Info, err = decodeInfo(b, net)
	return err
}

// decodeInfo reads the info record of a store that must be of the network net.
func decodeInfo(b []byte, net *ledger.Network) (in store.Info, err error) {
	if in, err = decodeAnyInfo(b); err != nil {
		return in, err
	}
	if in.Network != net.ID() {
		return in, fmt.Errorf("%w: it is %q (%s), this node is to run %q (%s): give the other --network, or another directory",
			ErrForeign, in.Name, in.Network.Short(), net.Name, net.ID().Short())
	}
	return in, nil
}

// decodeAnyInfo reads the info record of a store of any network.
func decodeAnyInfo(b []byte) (in store.Info, err error) {
	// The schema number stands first, so that it is read even where a newer
	// version put more behind it.
	if len(b) > 1 && b[1] < 24 && uint64(b[1]) > store.SchemaVersion {
		return in, fmt.Errorf("%w (schema %d, this one knows %d): use that version, or another directory", ErrNewer, b[1], store.SchemaVersion)
	}
	if err := ledger.Unmarshal(b, &in); err != nil {
		return store.Info{}, store.Damaged("the info record", err)
	}
	return in, nil
}

// checkTip checks that the newest blocks hang together.
func checkTip(s *store.Store) error {
	in := &s.Info
	want := in.Tip
	for height := in.Blocks; height > 0 && height+10 > in.Blocks; height-- {
		hash, err := store.ReadHash(s.DB, height-1)
		if err == nil && hash != want {
			err = fmt.Errorf("it holds %s where %s belongs", hash.Short(), want.Short())
		}
		if err != nil {
			return store.Damaged(fmt.Sprintf("block %d", height-1), err)
		}
		h, err := store.ReadHeader(s.DB, hash)
		if err != nil {
			return store.Damaged(fmt.Sprintf("header %d", height-1), err)
		}
		want = h.Parent
	}
	return nil
}
