package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/finality"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// All final certificates of the newest keptFinal heights are kept, and below them one in
// finalStride heights, since the certificate of a block covers all blocks below it.
const (
	keptFinal   = 10_000
	finalStride = 64
)

// The names of keys under v.
const (
	nameCertificate = "c" // view(8) kind(1)
	nameEvidence    = "e" // digest(32)
	nameFinalTime   = "t" // height(8); Unix milliseconds (8 raw bytes)
)

func encodeVotes(votes ...finality.Vote) [][]byte {
	list := make([][]byte, len(votes))
	for i, v := range votes {
		list[i] = v.Encode()
	}
	return list
}

func decodeVotes(list [][]byte) (votes []finality.Vote, err error) {
	for _, b := range list {
		v, err := finality.DecodeVote(b)
		if err != nil {
			return nil, err
		}
		votes = append(votes, v)
	}
	return votes, nil
}

// PutCertificates writes certificates and evidence in one batch, not synced, since peers have
// them too. Other certificates of views below the newest final one are deleted. If two views
// make a block final, the first certificate and its time are kept.
func (s *Store) PutCertificates(certs []*finality.Certificate, evidence []finality.Evidence) error {
	var batch leveldb.Batch
	for _, c := range certs {
		key := certificateKey(c)
		if c.Kind == finality.Finalize {
			key = numberKey(keyFinal, c.Block.Height)
			kept, err := s.FinalBelow(c.Block.Height + 1)
			if err == nil && kept != nil && kept.Block == c.Block {
				continue // a later view made the block final again
			}
			if err := errors.Join(err, s.thinFinal(&batch, c.Block.Height), s.dropBelow(&batch, c.View)); err != nil {
				return err
			}
			batch.Put(finalTimeKey(key[1:]), binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli())))
		}
		batch.Put(key, c.Encode())
	}
	if err := s.putEvidence(&batch, evidence); err != nil {
		return err
	}
	if err := s.DB.Write(&batch, nil); err != nil {
		return fmt.Errorf("write certificates to the ledger's database: %w", markDamage(err))
	}
	return nil
}

// CopyVotes copies the certificates, the evidence and the times of another store, and returns the
// number of unreadable records.
func (s *Store) CopyVotes(from Reader) (unread int, err error) {
	var batch leveldb.Batch
	for _, kind := range []byte{keyFinal, keyVotes} {
		err := from.scan([]byte{kind}, func(key, value []byte) error {
			var err error
			switch {
			case key[0] == keyFinal || string(key[1]) == nameCertificate:
				_, err = finality.DecodeCertificate(value)
			case string(key[1]) == nameEvidence:
				_, err = decodeEvidence(value)
			}
			if err != nil {
				unread++
				return nil
			}
			batch.Put(key, value)
			return nil
		})
		if err != nil {
			return unread, err
		}
	}
	if err := s.DB.Write(&batch, nil); err != nil {
		return unread, fmt.Errorf("write certificates to the ledger's database: %w", markDamage(err))
	}
	return unread, nil
}

// putEvidence adds evidence to a batch, the first of each builder. More would prove
// nothing new, and a builder that goes on lying would fill the store.
func (s *Store) putEvidence(batch *leveldb.Batch, evidence []finality.Evidence) error {
	if len(evidence) == 0 { // the usual case, without reading the kept ones
		return nil
	}
	kept, err := s.Evidence()
	if err != nil {
		return err
	}
	proven := make(map[int]bool)
	for _, e := range kept {
		proven[e.A.Builder] = true
	}
	for _, e := range evidence {
		if proven[e.A.Builder] {
			continue
		}
		proven[e.A.Builder] = true
		b, err := ledger.Marshal(encodeVotes(e.A, e.B))
		if err != nil {
			return err
		}
		digest := sha256.Sum256(b)
		batch.Put(votesKey(nameEvidence+string(digest[:])), b)
	}
	return nil
}

// thinFinal deletes final certificates that are no longer among the newest heights. These
// may be many at once, since a view may make many blocks final. The first of a stride
// stays.
func (s *Store) thinFinal(batch *leveldb.Batch, newest uint64) error {
	if newest < keptFinal {
		return nil
	}
	before, err := s.FinalBelow(math.MaxUint64)
	if before == nil || err != nil {
		return err
	}
	old, last := before.Block.Height-min(before.Block.Height, keptFinal), uint64(math.MaxUint64)
	keys := &util.Range{Start: numberKey(keyFinal, old-old%finalStride), Limit: numberKey(keyFinal, newest-keptFinal+1)}
	return s.scanRange(keys, nil, func(key, _ []byte) error {
		stride := binary.BigEndian.Uint64(key[1:]) / finalStride
		if stride == last {
			batch.Delete(key)
			batch.Delete(finalTimeKey(key[1:]))
		}
		last = stride
		return nil
	})
}

// dropBelow deletes the certificates that are not final, of views below a final one.
func (s *Store) dropBelow(batch *leveldb.Batch, view uint64) error {
	keys := &util.Range{Start: votesKey(nameCertificate), Limit: binary.BigEndian.AppendUint64(votesKey(nameCertificate), view)}
	return s.scanRange(keys, nil, func(key, _ []byte) error {
		batch.Delete(key)
		return nil
	})
}

// Certificates returns what a finality machine continues from: the newest final
// certificate, and all others that were kept.
func (r Reader) Certificates() (list []*finality.Certificate, err error) {
	newest, err := r.FinalBelow(math.MaxUint64)
	if err != nil {
		return nil, err
	}
	if newest != nil {
		list = append(list, newest)
	}
	others, err := r.CertificatesFrom(0, math.MaxInt)
	return append(list, others...), err
}

// EachProof calls f with each kept certificate and evidence. what names the record. err is
// set if the record cannot be read, or has the key of another.
func (r Reader) EachProof(f func(what string, c *finality.Certificate, e *finality.Evidence, err error) error) error {
	for what, prefix := range map[string]string{"final certificate": string(keyFinal), "certificate": string(keyVotes) + nameCertificate, "evidence": string(keyVotes) + nameEvidence} {
		if err := r.scan([]byte(prefix), func(key, value []byte) error {
			if what == "evidence" {
				e, err := decodeEvidence(value)
				return f(what, nil, &e, err)
			}
			c, err := finality.DecodeCertificate(value)
			if err == nil {
				want := certificateKey(c)
				if key[0] == keyFinal {
					want = numberKey(keyFinal, c.Block.Height)
				}
				if !bytes.Equal(key, want) || (c.Kind == finality.Finalize) != (key[0] == keyFinal) {
					err = errors.New("it stands in the place of another")
				}
			}
			return f(what, c, nil, err)
		}); err != nil {
			return err
		}
	}
	return nil
}

// CertificatesFrom returns the kept certificates of the views from one on, without final
// ones, at most limit, lowest first.
func (r Reader) CertificatesFrom(view uint64, limit int) (list []*finality.Certificate, err error) {
	all := util.BytesPrefix(votesKey(nameCertificate))
	all.Start = binary.BigEndian.AppendUint64(all.Start, view)
	it := r.db.NewIterator(all, nil)
	defer it.Release()
	for len(list) < limit && it.Next() {
		c, err := finality.DecodeCertificate(it.Value())
		if err != nil {
			return nil, r.damaged("a certificate", err)
		}
		list = append(list, c)
	}
	if err := it.Error(); err != nil {
		return nil, r.failed(err)
	}
	return list, nil
}

// FinalBelow returns the highest final certificate below a height, or nil.
func (r Reader) FinalBelow(height uint64) (*finality.Certificate, error) {
	it := r.db.NewIterator(&util.Range{Start: []byte{keyFinal}, Limit: numberKey(keyFinal, height)}, nil)
	defer it.Release()
	return r.final(it, it.Last(), it.Prev)
}

// FinalFrom returns the lowest final certificate at a height or above, or nil, and when
// it was written, zero if not known.
func (r Reader) FinalFrom(height uint64) (*finality.Certificate, time.Time, error) {
	it := r.db.NewIterator(&util.Range{Start: numberKey(keyFinal, height), Limit: []byte{keyFinal + 1}}, nil)
	defer it.Release()
	c, err := r.final(it, it.First(), it.Next)
	if c == nil || err != nil {
		return nil, time.Time{}, err
	}
	at, err := r.get(finalTimeKey(it.Key()[1:]))
	if err != nil || len(at) != 8 {
		return c, time.Time{}, nil
	}
	return c, time.UnixMilli(int64(binary.BigEndian.Uint64(at))), nil
}

// final reads the first final certificate from where it stands, in the direction of next.
func (r Reader) final(it iterator.Iterator, found bool, next func() bool) (*finality.Certificate, error) {
	for found && !isKey(it.Key()) {
		found = next()
	}
	if !found {
		if err := it.Error(); err != nil {
			return nil, r.failed(err)
		}
		return nil, nil
	}
	c, err := finality.DecodeCertificate(it.Value())
	if err != nil {
		return nil, r.damaged("a final certificate", err)
	}
	return c, nil
}

// Evidence returns the kept evidence.
func (r Reader) Evidence() (list []finality.Evidence, err error) {
	err = r.scan(votesKey(nameEvidence), func(_, value []byte) error {
		e, err := decodeEvidence(value)
		if err != nil {
			return r.damaged("evidence", err)
		}
		list = append(list, e)
		return nil
	})
	return list, err
}

func decodeEvidence(b []byte) (e finality.Evidence, err error) {
	var form [2][]byte
	err = ledger.Unmarshal(b, &form)
	votes, damage := decodeVotes(form[:])
	if err = cmp.Or(err, damage); err != nil {
		return e, err
	}
	return finality.Evidence{A: votes[0], B: votes[1]}, nil
}

func finalTimeKey(height []byte) []byte { return append(votesKey(nameFinalTime), height...) }

func votesKey(name string) []byte { return append([]byte{keyVotes}, name...) }

func certificateKey(c *finality.Certificate) []byte {
	k := binary.BigEndian.AppendUint64(votesKey(nameCertificate), c.View)
	return append(k, byte(c.Kind))
}
