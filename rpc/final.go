package rpc

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/store"
	"foxchain/rpc/api"
)

// startFinal sets where final events begin, and returns it for the reply, nil on a network
// without finality.
func (sub *subscription) startFinal(a *args) *uint64 {
	chain := sub.s.cfg.Chain
	st := chain.Status()
	next := int64(0)
	if st.Final != nil {
		next = int64(st.Final.Block.Height) + 1
	}
	from := a.integer("from_final", next)
	if sub.s.node.committee == nil {
		return nil
	}
	sub.final = fromEnd(from, st.Tip.Blocks)
	return &sub.final
}

// sendFinal sends the certificates of final blocks that the client does not have yet,
// lowest first. It reports whether there are more. A client that follows
// the blocks too receives each block before its certificate.
func (sub *subscription) sendFinal(ctx context.Context) (more bool, err error) {
	s := sub.s
	name := s.node.names()
	for range blocksPerLook {
		f, err := s.node.final(sub.final, name)
		if f == nil || err != nil || slices.Contains(sub.kinds, "block") && f.Height >= sub.at.Next {
			return false, err
		}
		if err := sub.sendValue(ctx, "final", f); err != nil {
			return false, err
		}
		sub.final = f.Height + 1
	}
	return true, nil
}

// sendEvidence sends kept evidence that the client does not have yet.
func (sub *subscription) sendEvidence(ctx context.Context) error {
	s := sub.s
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
	name := s.node.names()
	for _, e := range kept {
		if sub.evidence[e] {
			continue
		}
		if err := sub.sendValue(ctx, "evidence", s.node.shownEvidence(&e, name)); err != nil {
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
	list, name := api.EvidenceList{Evidence: []api.Evidence{}}, s.names()
	for _, e := range kept {
		list.Evidence = append(list.Evidence, *s.shownEvidence(&e, name))
	}
	return out.respond(list)
}

func (s *nodeOps) shownEvidence(e *finality.Evidence, name keyNames) *api.Evidence {
	committee := s.committee
	shown := func(v *finality.Vote) api.Vote {
		return api.Vote{
			Kind: v.Kind.String(), View: v.View, Parent: v.Parent, Height: v.Block.Height, Hash: v.Block.Hash,
			Signed: hex.EncodeToString(committee.Signed(v.Statement)), Signature: v.Signature,
		}
	}
	out := &api.Evidence{Builder: committee.Key(e.A.Builder), View: e.A.View, Votes: [2]api.Vote{shown(&e.A), shown(&e.B)}}
	out.Name = name(out.Builder)
	if out.Kind = e.A.Kind.String(); e.A.Kind != e.B.Kind {
		out.Kind = "nullify and finalize"
	}
	return out
}

// final returns what made the chain's block at height final, or nil.
func (s *nodeOps) final(height uint64, name keyNames) (*api.Final, error) {
	cert, at, err := s.cfg.Chain.Votes().FinalFrom(height)
	if cert == nil || err != nil {
		return nil, err
	}
	committee := s.committee
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

// voting returns the state of the votes, with the names of the builders.
func (s *nodeOps) voting() *api.Voting {
	v := s.cfg.Voting()
	if v != nil {
		name := s.names()
		for i := range v.Members {
			v.Members[i].Name = name(v.Members[i].Key)
		}
	}
	return v
}

// settled returns how safe a block is from being taken back.
func (s *nodeOps) settled(v *store.View, onChain bool, at ledger.BlockRef) (set api.Settled, err error) {
	switch {
	case s.committee == nil:
		if onChain {
			set.Seen = s.seenOn(v, at)
		}
		return set, nil
	case onChain:
		if set.FinalBy, err = s.final(at.Height, s.names()); err != nil {
			return set, err
		}
		if voting := s.voting(); set.FinalBy == nil && voting != nil {
			set.NotFinal = voting.Lacks()
		}
	}
	set.Final = new(set.FinalBy != nil)
	return set, nil
}

// seenOn counts the nodes that have a block of the chain.
func (s *nodeOps) seenOn(v *store.View, at ledger.BlockRef) *api.Seen {
	type answer struct{ known, has bool }
	tips := make(map[string]answer) // since many nodes have the same tip
	seen := &api.Seen{On: 1, Of: 1}
	for _, n := range s.cfg.Peers.Nodes() {
		if !n.Here() {
			continue
		}
		a, asked := tips[n.Tip]
		if !asked {
			a.known, a.has = s.descends(v, n.Tip, at)
			tips[n.Tip] = a
		}
		seen.Of++
		switch {
		case !a.known:
			seen.Unknown++
		case a.has:
			seen.On++
		}
	}
	return seen
}

// maxBack is how many blocks off the chain are followed down from a tip that a node
// reports. A longer branch counts as not known.
const maxBack = 100

// descends reports whether a tip is the chain's block at or descends from it, if that is
// known here.
func (s *nodeOps) descends(v *store.View, tip string, at ledger.BlockRef) (known, has bool) {
	hash, err := ledger.ParseHash(tip)
	if err == nil && hash == s.cfg.Chain.Network().ID() { // an empty chain
		return true, false
	}
	for range maxBack {
		if err != nil {
			break
		}
		if height, err := v.Height(hash); err == nil {
			return true, height >= at.Height
		}
		var h *ledger.SealedHeader
		if h, err = s.cfg.Chain.HeaderByHash(hash); err == nil && h.Height == 0 {
			return true, false
		} else if err == nil {
			hash = h.Parent
		}
	}
	return false, false
}

// A keyNames returns the name that is shown for a builder's key.
type keyNames func(ledger.PublicKey) string

// names returns the names of the nodes that are or were known. A key of another node is
// shown by its first digits.
func (s *nodeOps) names() keyNames {
	called := sync.OnceValue(func() map[string]api.Named {
		known := s.known()
		return known.Called(s.cfg.Key.String(), s.cfg.Name)
	})
	return func(key ledger.PublicKey) string { return cmp.Or(called()[key.String()].Name, key.String()[:8]) }
}

const (
	maxCertificates = 1000            // of one certify, and as much evidence
	certifyTime     = 5 * time.Second // for which certify waits until the final blocks are applied
)

var errNoFinality = &opError{status: 500, text: "This network has no finality: its file names no builders, or too many"}

// certificates returns the certificates that a node needs to go on, as hex of their CBOR,
// lowest view first, and with the last page the evidence.
func (s *nodeOps) certificates(_ context.Context, q *request, out *reply) error {
	if s.committee == nil {
		return errNoFinality
	}
	start := q.args.within("start", 0, 0, 1<<53)
	if q.args.err != nil {
		return q.args.err
	}
	certs, err := s.cfg.Chain.Votes().Certificates()
	if err != nil {
		return err
	}
	kept, err := s.cfg.Chain.Votes().Evidence() // small, since at most one of each builder is kept
	if err != nil {
		return err
	}
	list, room := api.Certificates{Certificates: []string{}}, out.limit-closing
	for _, e := range kept {
		pair := [2]string{hex.EncodeToString(e.A.Encode()), hex.EncodeToString(e.B.Encode())}
		list.Evidence = append(list.Evidence, pair)
		room -= len(pair[0]) + len(pair[1]) + len(`["",""],`)
	}
	for _, c := range certs {
		if c.View < uint64(start) {
			continue
		}
		text := hex.EncodeToString(c.Encode())
		if room -= len(text) + len(`"",`); room < 0 && len(list.Certificates) > 0 {
			list.Evidence, list.Next = nil, &c.View
			break
		}
		list.Certificates = append(list.Certificates, text)
	}
	return out.respond(list)
}

// certify takes certificates from a client's file.
func (s *nodeOps) certify(ctx context.Context, q *request, out *reply) error {
	if s.committee == nil || s.cfg.Certify == nil {
		return errNoFinality
	}
	var texts []unhexed
	if err := json.Unmarshal(q.args.get("certificates"), &texts); err != nil || len(texts) > maxCertificates {
		return badArg("args.certificates", fmt.Sprintf("must be a list of at most %d texts of hex", maxCertificates))
	}
	votes, err := s.readEvidence(q)
	if err != nil {
		return err
	}
	var certs []*finality.Certificate
	var last *finality.Certificate // the highest final one
	for i, text := range texts {
		cert, err := finality.DecodeCertificate(text)
		if err == nil {
			err = s.committee.VerifyCertificate(cert)
		}
		if err != nil {
			return badArg(fmt.Sprintf("args.certificates[%d]", i), "is no certificate of this network's builders: "+err.Error())
		}
		certs = append(certs, cert)
		if cert.Kind == finality.Finalize {
			if err := s.contradicts(cert.Block); err != nil {
				return err
			}
			if last == nil || cert.View > last.View {
				last = cert
			}
		}
	}
	s.cfg.Certify(ctx, votes, certs)
	out.accepted()
	if last == nil {
		return nil
	}
	return s.untilFinal(ctx, last.Block.Height)
}

// An unhexed holds bytes that are written as hex.
type unhexed []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *unhexed) UnmarshalText(text []byte) (err error) {
	*u, err = hex.DecodeString(string(text))
	return err
}

// readEvidence returns the votes in the evidence of a certify, in pairs.
func (s *nodeOps) readEvidence(q *request) (votes []finality.Vote, err error) {
	var pairs [][2]unhexed
	if raw := q.args.get("evidence"); raw != nil && json.Unmarshal(raw, &pairs) != nil || len(pairs) > maxCertificates {
		return nil, badArg("args.evidence", fmt.Sprintf("must be a list of at most %d pairs of texts of hex", maxCertificates))
	}
	for i, pair := range pairs {
		name := fmt.Sprintf("args.evidence[%d]", i)
		for _, text := range pair {
			v, err := finality.DecodeVote(text)
			if err == nil {
				err = s.committee.VerifyVote(&v)
			}
			if err != nil {
				return nil, badArg(name, "is not of this network's builders: "+err.Error())
			}
			votes = append(votes, v)
		}
		if a, b := votes[2*i], votes[2*i+1]; a.Builder != b.Builder || !a.Excludes(b.Statement) {
			return nil, badArg(name, "must be two votes of one builder, of which an honest one signs one")
		}
	}
	return votes, nil
}

// contradicts returns an error if a final block cannot be on a chain with the last final
// block of this node.
func (s *nodeOps) contradicts(b ledger.BlockRef) error {
	last := s.cfg.Chain.Status().Final
	if last == nil {
		return nil
	}
	_, err := s.cfg.Chain.HeaderByHash(b.Hash)
	known := err == nil
	if err != nil && !errors.Is(err, ledger.ErrUnknown) {
		return err
	}
	votes, own := s.cfg.Chain.Votes(), last.Block
	if b.Height > own.Height && (!known || votes.Extends(b, own)) || b.Height <= own.Height && votes.Extends(own, b) {
		return nil
	}
	return &opError{status: 500, text: fmt.Sprintf("The builders made block %s at height %d final, and here they made %s at height %d final, which is on another branch. "+
		"At least a third of them signed both, or one key is used twice. Neither is taken back, and nothing was changed", b.Hash.Short(), b.Height, own.Hash.Short(), own.Height)}
}

// untilFinal waits until a height is final, for certifyTime at most.
func (s *nodeOps) untilFinal(ctx context.Context, height uint64) error {
	late := time.NewTimer(certifyTime)
	defer late.Stop()
	for {
		changed := s.cfg.Chain.Changed()
		if f := s.cfg.Chain.Status().Final; f != nil && f.Block.Height >= height {
			return nil
		}
		select {
		case <-changed:
		case <-late.C:
			return nil
		case <-s.cfg.Chain.Failed():
			return s.cfg.Chain.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
