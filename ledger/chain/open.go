package chain

import (
	"errors"
	"log/slog"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/store"
)

// checkCommits looks for a gap in the commit counters. With a gap, LevelDB has lost a
// part in the middle of its journal, and the later state cannot be trusted. If only the
// end is gone, the rest is an earlier state, and valid.
func checkCommits(s *store.Store, how store.Opened, log *slog.Logger) error {
	gap, err := s.CommitsMissing(s.Info.Commits)
	if err != nil {
		return err
	}
	switch {
	case gap:
		return store.Damaged("its journal", errors.New("a part in the middle is missing"))
	case how.Torn:
		log.Warn("the end of the ledger's journal was torn (a power cut?); the node continues from the last whole step. If the power did not fail, the disk did: transactions accepted in the torn part are lost", "blocks", s.Info.Blocks)
	case how.Emptied:
		log.Warn("the ledger's journal is empty. If the node was not stopped within moments of its start, the file was emptied, and transactions accepted since the start before are lost", "blocks", s.Info.Blocks)
	}
	return nil
}

// readInfo reads the info record, or makes the first one. A ledger that never held
// anything takes the given network.
func readInfo(s *store.Store, net *ledger.Network) (err error) {
	s.Info, err = s.ReadInfo()
	if errors.Is(err, ledger.ErrUnknown) {
		id := net.ID()
		w := s.Begin()
		w.Info = store.Info{Schema: store.SchemaVersion, Name: net.Name, Network: id, Tip: id}
		return w.Write(true)
	} else if err != nil {
		return err
	}
	s.Info.Schema = store.SchemaVersion // from the next commit on, since older programs cannot read what it writes
	foreign := s.Info.CheckNetwork(net)
	if foreign == nil || s.Info.Blocks > 0 || s.Info.Arrival > 0 || s.Info.Target != (ledger.Hash{}) {
		return foreign
	}
	// Certificates come before the blocks, and would count on the given network.
	err = s.EachProof(func(string, *finality.Certificate, *finality.Evidence, error) error { return foreign })
	if err != nil {
		return err
	}
	w := s.Begin()
	w.Info.Name, w.Info.Network, w.Info.Tip = net.Name, net.ID(), net.ID()
	return w.Write(true)
}
