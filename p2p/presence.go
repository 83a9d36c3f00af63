package p2p

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"foxchain/ledger"
)

// A presence says, signed by a node's key, that one run of the node has been up
// for so long, and which other runs of its key it has heard of lately. Others
// pass it on, as two runs of one key cannot speak with each other.
//
// Anybody may keep a presence and show it years later, so by itself it proves
// nothing about now. That it names a run does: nobody can name an instance
// number before it is drawn, nor an uptime before it is signed. So a presence of
// another run of our key which names our run at uptime u was signed when we had
// been up for u or longer. None of our earlier runs can have done that, however
// many there were, and whatever a power cut made us forget: nothing is stored.
//
// Which of two runs began first, both know by what they name of each other (see
// rival): all of it is signed, so that nobody who passes it on can make a run
// look older than it is.
type presence struct {
	_         struct{} `cbor:",toarray"`
	Key       ledger.PublicKey
	Instance  uint64   // drawn at start, rising with the clock
	Uptime    uint64   // milliseconds
	Named     []naming // at most maxNamed
	Signature ledger.Signature
}

// A naming is what a run says of another run of its key.
type naming struct {
	_        struct{} `cbor:",toarray"`
	Instance uint64
	Uptime   uint64 // milliseconds, the highest that was heard of it
	Lead     int64  // milliseconds: who names began before that run by this at most
}

// maxNamed is how many runs a presence names: those heard of last. Of more
// copies of one directory each is named in turn, as they speak in turn.
const maxNamed = 4

func (p *presence) message(net *ledger.Network) []byte {
	id := net.ID()
	b := fmt.Appendf(nil, "foxchain instance 1%s%s%016x%016x", id[:], p.Key[:], p.Instance, p.Uptime)
	for _, m := range p.Named {
		b = fmt.Appendf(b, "%016x%016x%016x", m.Instance, m.Uptime, uint64(m.Lead))
	}
	return b
}

func (p *presence) sign(net *ledger.Network, key ed25519.PrivateKey) {
	p.Signature = ledger.Signature(ed25519.Sign(key, p.message(net)))
}

// verify reports whether p is within its bound and signed by its key. What it
// takes is passed on in our own status lines, which have to stay within theirs.
func (p *presence) verify(net *ledger.Network) bool {
	return len(p.Named) <= maxNamed && ed25519.Verify(p.Key[:], p.message(net), p.Signature[:])
}

// naming gives what p says of a run.
func (p *presence) naming(instance uint64) (naming, bool) {
	i := slices.IndexFunc(p.Named, func(m naming) bool { return m.Instance == instance })
	if i < 0 {
		return naming{}, false
	}
	return p.Named[i], true
}

func (p *presence) names(instance uint64) bool {
	_, ok := p.naming(instance)
	return ok
}
