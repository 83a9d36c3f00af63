package rpc

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/rpc/api"
)

// startFinal sets where final events begin, and returns it for the reply, nil on a network
// without finality.
func (sub *subscription) startFinal(a args) (*uint64, error) {
	chain := sub.c.s.cfg.Chain
	st := chain.Status()
	next := int64(0)
	if st.Final != nil {
		next = int64(st.Final.Block.Height) + 1
	}
	from, err := a.integer("from_final", next)
	if err != nil || finality.NewCommittee(chain.Network()) == nil {
		return nil, err
	}
	sub.final = fromEnd(from, st.Tip.Blocks)
	return &sub.final, nil
}

// sendFinal sends the certificates of final blocks that the client does not have yet,
// lowest first. It reports whether there are more. To a client that follows the blocks too
// none is sent before its block.
func (sub *subscription) sendFinal(ctx context.Context) (more bool, err error) {
	s := sub.c.s
	for range blocksPerLook {
		f, err := s.node.final(sub.final)
		if f == nil || err != nil || slices.Contains(sub.kinds, "block") && f.Height >= sub.at.Next {
			return false, err
		}
		data, err := appendJSON(nil, f)
		if err != nil {
			return false, err
		}
		if err := sub.send(ctx, "final", data); err != nil {
			return false, err
		}
		sub.final = f.Height + 1
	}
	return true, nil
}

// sendEvidence sends the evidence that is kept and that the client does not have yet.
func (sub *subscription) sendEvidence(ctx context.Context) error {
	s := sub.c.s
	proofs := s.cfg.Chain.Status().Evidence
	if sub.evidence != nil && proofs == sub.proofs {
		return nil
	}
	kept, err := s.cfg.Chain.Votes().Evidence()
	if err != nil {
		return err
	}
	if sub.proofs = proofs; sub.evidence == nil {
		sub.evidence = make(map[finality.Evidence]bool)
	}
	for _, e := range kept {
		if sub.evidence[e] {
			continue
		}
		data, err := appendJSON(nil, s.node.shownEvidence(&e))
		if err != nil {
			return err
		}
		if err := sub.send(ctx, "evidence", data); err != nil {
			return err
		}
		sub.evidence[e] = true
	}
	return nil
}

// evidence is the op: the kept proofs that builders broke the rules of voting.
func (s *nodeOps) evidence(_ context.Context, _ *request, out *reply) error {
	kept, err := s.cfg.Chain.Votes().Evidence()
	if err != nil {
		return err
	}
	list := api.EvidenceList{Evidence: []api.Evidence{}}
	for _, e := range kept {
		list.Evidence = append(list.Evidence, *s.shownEvidence(&e))
	}
	return out.respond(list)
}

func (s *nodeOps) shownEvidence(e *finality.Evidence) *api.Evidence {
	committee := finality.NewCommittee(s.cfg.Chain.Network())
	shown := func(v *finality.Vote) api.Vote {
		return api.Vote{
			Kind: v.Kind.String(), View: v.View, Parent: v.Parent, Height: v.Block.Height, Hash: v.Block.Hash,
			Signed: hex.EncodeToString(committee.Signed(v.Statement)), Signature: v.Signature,
		}
	}
	out := &api.Evidence{Builder: committee.Key(e.A.Builder), View: e.A.View, Votes: [2]api.Vote{shown(&e.A), shown(&e.B)}}
	out.Name = s.names()(out.Builder)
	if out.Kind = e.A.Kind.String(); e.A.Kind != e.B.Kind {
		out.Kind = "nullify and finalize"
	}
	return out
}

// final returns what made the chain's block at height final, nil when it is not.
func (s *nodeOps) final(height uint64) (*api.Final, error) {
	cert, at, err := s.cfg.Chain.Votes().FinalFrom(height)
	if cert == nil || err != nil {
		return nil, err
	}
	committee, name := finality.NewCommittee(s.cfg.Chain.Network()), s.names()
	f := &api.Final{
		Height: cert.Block.Height, Hash: cert.Block.Hash, View: cert.View,
		Signers: []ledger.PublicKey{}, Names: []string{}, Need: finality.Quorum(committee.Size()), Builders: committee.Size(),
	}
	if !at.IsZero() {
		f.Time = ledger.UnixSeconds(at)
	}
	for _, b := range cert.Builders() {
		key := committee.Key(b)
		f.Signers, f.Names = append(f.Signers, key), append(f.Names, name(key))
	}
	return f, nil
}

// names returns what people know a key by: what its node calls itself, and where another
// one does so too, or nothing is known, the key's first digits.
func (s *nodeOps) names() func(ledger.PublicKey) string {
	called := map[string]string{s.cfg.Key.String(): s.cfg.Name}
	for _, n := range s.cfg.Network.Nodes() {
		if n.Key != "" {
			called[n.Key] = cmp.Or(called[n.Key], n.Name)
		}
	}
	bearers := make(map[string]int)
	for _, name := range called {
		bearers[name]++
	}
	return func(key ledger.PublicKey) string {
		hex := key.String()
		switch name := called[hex]; {
		case name == "":
			return hex[:8]
		case bearers[name] > 1:
			return name + " (" + hex[:8] + ")"
		default:
			return name
		}
	}
}
