package rpc

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/ledger"
	"foxchain/ledger/finality"
)

const (
	maxCertificates = 1000            // of one certify
	certifyTime     = 5 * time.Second // that it waits for what is final to be applied
)

var errNoFinality = &opError{status: 500, text: "This network has no finality: its file names no builders, or too many"}

// certificates returns those from which a node goes on, as hex of their CBOR.
func (s *nodeOps) certificates(_ context.Context, _ *request, out *reply) error {
	if s.committee == nil {
		return errNoFinality
	}
	_, certs, err := s.cfg.Chain.Votes().Records()
	if err != nil {
		return err
	}
	list := make([]string, len(certs))
	for i, c := range certs {
		list[i] = hex.EncodeToString(c.Encode())
	}
	return out.respond(map[string][]string{"certificates": list})
}

// certify takes certificates that came by a file.
func (s *nodeOps) certify(ctx context.Context, q *request, out *reply) error {
	if s.committee == nil || s.cfg.Certify == nil {
		return errNoFinality
	}
	var texts []string
	if err := json.Unmarshal(q.args.get("certificates"), &texts); err != nil || len(texts) == 0 || len(texts) > maxCertificates {
		return badArg("args.certificates", fmt.Sprintf("must be a list of 1 to %d texts", maxCertificates))
	}
	var certs []*finality.Certificate
	var last *finality.Certificate // the highest final one
	for i, text := range texts {
		name := fmt.Sprintf("args.certificates[%d]", i)
		raw, err := hex.DecodeString(text)
		if err != nil {
			return badArg(name, "must be hex")
		}
		cert, err := finality.DecodeCertificate(raw)
		if err == nil {
			err = s.committee.VerifyCertificate(cert)
		}
		if err != nil {
			return badArg(name, "is no certificate of this network's builders: "+err.Error())
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
	s.cfg.Certify(ctx, certs)
	out.accepted()
	if last == nil {
		return nil
	}
	return s.untilFinal(ctx, last.Block.Height)
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

// untilFinal waits until a height is final, for a while.
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
