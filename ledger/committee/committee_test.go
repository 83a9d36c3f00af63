package committee

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"

	"foxchain/ledger"
	"foxchain/ledger/finality"
)

// maxView is the highest view number.
const maxView = 1<<53 - 1

func null(v uint64) finality.Statement { return finality.Statement{Kind: finality.Nullify, View: v} }

func says(k finality.Kind, view, parent uint64, b ledger.BlockRef) finality.Statement {
	return finality.Statement{Kind: k, View: view, Parent: parent, Block: b}
}

func block(path string) ledger.BlockRef {
	r := ledger.BlockRef{Height: uint64(len(path))}
	copy(r.Hash[:], path)
	return r
}

// committee returns n builders with their keys in order.
func committee(tb testing.TB, n int) (*Committee, []ed25519.PrivateKey) {
	tb.Helper()
	var keys []ed25519.PrivateKey
	net := &ledger.Network{Name: "test"}
	for i := range n {
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = byte(i)
		keys = append(keys, ed25519.NewKeyFromSeed(seed))
	}
	slices.SortFunc(keys, func(a, b ed25519.PrivateKey) int { return bytes.Compare(a[32:], b[32:]) })
	for _, k := range keys {
		net.Builders = append(net.Builders, ledger.PublicKey(k[32:]))
	}
	return New(net), keys
}

func signed(c *Committee, keys []ed25519.PrivateKey, s finality.Statement, builders ...int) *finality.Certificate {
	x := &finality.Certificate{Statement: s, Signers: make([]byte, (len(keys)+7)/8)}
	for _, b := range builders {
		v := c.Sign(s, b, keys[b])
		x.Signers[b/8] |= 1 << (b % 8)
		x.Signatures = append(x.Signatures, v.Signature[:]...)
	}
	return x
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func TestQuorum(t *testing.T) {
	for n, q := range map[int]int{1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5, 10: 7, 30: 21, 100: 67} {
		if finality.Quorum(n) != q {
			t.Errorf("%d builders: %d", n, finality.Quorum(n))
		}
	}
	if New(&ledger.Network{}) != nil || New(&ledger.Network{Builders: make([]ledger.PublicKey, ledger.MaxVoters+1)}) != nil {
		t.Error("a committee of no or too many builders")
	}
	for _, n := range []int{8, 16, ledger.MaxVoters} { // whole bytes of the bitmap, and the last builder
		c, keys := committee(t, n)
		if c == nil {
			t.Fatalf("no committee of %d builders", n)
		}
		if err := c.VerifyCertificate(signed(c, keys, null(1), upTo(n)[n-finality.Quorum(n):]...)); err != nil {
			t.Errorf("of %d builders: %v", n, err)
		}
	}
}

func TestVoteCodec(t *testing.T) {
	c, keys := committee(t, 4)
	for _, s := range []finality.Statement{null(1), says(finality.Notarize, 7, 3, block("ab")), says(finality.Finalize, maxView, maxView-1, block("a"))} {
		v := c.Sign(s, 2, keys[2])
		b := v.Encode()
		again, err := finality.DecodeVote(b)
		if err != nil || again != v || c.VerifyVote(&again) != nil {
			t.Errorf("%v: %v %v", s, again, err)
		}
		for i := range b {
			for _, bad := range [][]byte{b[:i], append(b[:i:i], append([]byte{b[i] ^ 1}, b[i+1:]...)...)} {
				if v, err := finality.DecodeVote(bad); err == nil && c.VerifyVote(&v) == nil {
					t.Fatalf("byte %d is not checked", i)
				} else if err != nil && !errors.Is(err, finality.ErrForged) {
					t.Fatal(err)
				}
			}
		}
		if _, err := finality.DecodeVote(append(b, 0)); !errors.Is(err, finality.ErrForged) {
			t.Error("a byte after the vote")
		}
		long := append([]byte{0x83, 0x85, 0x18, byte(s.Kind)}, b[3:]...) // the kind in two bytes
		if _, err := finality.DecodeVote(long); !errors.Is(err, finality.ErrForged) {
			t.Error("a number that is not the shortest")
		}
	}
}

func TestVerifyVoteRefuses(t *testing.T) {
	c, keys := committee(t, 4)
	for name, s := range map[string]finality.Statement{
		"kind":                says(3, 1, 0, block("a")),
		"view 0":              null(0),
		"huge view":           null(maxView + 1),
		"nullify of a block":  says(finality.Nullify, 1, 0, block("a")),
		"nullify of a parent": says(finality.Nullify, 2, 1, ledger.BlockRef{}),
		"no block":            says(finality.Notarize, 1, 0, ledger.BlockRef{}),
		"own parent":          says(finality.Finalize, 2, 2, block("a")),
		"huge height":         says(finality.Notarize, 1, 0, ledger.BlockRef{Height: maxView + 1, Hash: block("a").Hash}),
	} {
		v := c.Sign(s, 1, keys[1])
		if err := c.VerifyVote(&v); !errors.Is(err, finality.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v := c.Sign(null(1), 1, keys[1])
	for _, b := range []int{-1, 0, 2, 4, 1 << 40} {
		v.Builder = b
		if err := c.VerifyVote(&v); !errors.Is(err, finality.ErrForged) {
			t.Errorf("builder %d: %v", b, err)
		}
	}
	v.Builder = 1
	other := *c
	other.label = append([]byte(Label), bytes.Repeat([]byte{1}, 32)...)
	if err := other.VerifyVote(&v); !errors.Is(err, finality.ErrForged) {
		t.Error("a vote of another network")
	}
}

func TestCertificateCodec(t *testing.T) {
	c, keys := committee(t, 10)
	s := says(finality.Notarize, 7, 3, block("ab"))
	good := signed(c, keys, s, 0, 1, 3, 4, 5, 8, 9)
	again, err := finality.DecodeCertificate(good.Encode())
	if err != nil || c.VerifyCertificate(again) != nil || !bytes.Equal(again.Encode(), good.Encode()) {
		t.Fatal(err)
	}
	if !slices.Equal(again.Builders(), []int{0, 1, 3, 4, 5, 8, 9}) {
		t.Errorf("signers %v", again.Builders())
	}
	for name, change := range map[string]func(*finality.Certificate){
		"too few":           func(x *finality.Certificate) { *x = *signed(c, keys, s, 0, 1, 3, 4, 5, 8) },
		"another kind":      func(x *finality.Certificate) { x.Kind = finality.Finalize },
		"another block":     func(x *finality.Certificate) { x.Block = block("xy") },
		"a signature twice": func(x *finality.Certificate) { copy(x.Signatures[64:], x.Signatures[:64]) },
		"in another order": func(x *finality.Certificate) {
			x.Signatures = slices.Concat(x.Signatures[64:128], x.Signatures[:64], x.Signatures[128:])
		},
		"one signature more":  func(x *finality.Certificate) { x.Signatures = append(x.Signatures, x.Signatures[:64]...) },
		"one signature fewer": func(x *finality.Certificate) { x.Signatures = x.Signatures[64:] },
		"half a signature":    func(x *finality.Certificate) { x.Signatures = x.Signatures[32:] },
		"one signer more":     func(x *finality.Certificate) { x.Signers[0] |= 4 },
		"no such signer":      func(x *finality.Certificate) { x.Signers[1] = x.Signers[1]&^2 | 4 },
		"a long bitmap":       func(x *finality.Certificate) { x.Signers = append(x.Signers, 0) },
		"a short bitmap":      func(x *finality.Certificate) { x.Signers = x.Signers[:1] },
		"no bitmap":           func(x *finality.Certificate) { x.Signers, x.Signatures = nil, nil },
		"view 0":              func(x *finality.Certificate) { x.View, x.Parent = 0, 0 },
	} {
		bad, _ := finality.DecodeCertificate(good.Encode())
		change(bad)
		if err := c.VerifyCertificate(bad); !errors.Is(err, finality.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	huge := *good
	huge.Signers = bytes.Repeat([]byte{255}, 1<<20)
	if spent := testing.AllocsPerRun(1, func() { _ = c.VerifyCertificate(&huge) }); spent > 20 {
		t.Errorf("a bitmap of 1 MiB is read, in %v allocations", spent)
	}
	for _, b := range [][]byte{nil, append(good.Encode(), 0), good.Encode()[1:]} {
		if _, err := finality.DecodeCertificate(b); !errors.Is(err, finality.ErrForged) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestCertificateSize(t *testing.T) {
	c, keys := committee(t, 30)
	s := says(finality.Finalize, maxView, maxView-1, ledger.BlockRef{Height: maxView, Hash: block("a").Hash})
	if size := len(signed(c, keys, s, upTo(21)...).Encode()); size >= 2000 {
		t.Errorf("%d bytes", size)
	} else {
		t.Logf("a certificate of 30 builders has %d bytes at most", size)
	}
}

func FuzzDecode(f *testing.F) {
	c, keys := committee(f, 4)
	v := c.Sign(says(finality.Notarize, 2, 1, block("a")), 1, keys[1])
	f.Add(v.Encode())
	f.Add(signed(c, keys, null(1), 0, 1, 2).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := finality.DecodeVote(b); err == nil {
			_ = c.VerifyVote(&v)
			if !bytes.Equal(v.Encode(), b) {
				t.Error("a vote has two forms")
			}
		}
		if x, err := finality.DecodeCertificate(b); err == nil {
			_ = c.VerifyCertificate(x)
			if !bytes.Equal(x.Encode(), b) {
				t.Error("a certificate has two forms")
			}
		}
	})
}

func BenchmarkVerifyCertificate(b *testing.B) {
	c, keys := committee(b, 30)
	cert := signed(c, keys, says(finality.Finalize, 7, 3, block("ab")), upTo(21)...)
	for b.Loop() {
		c.verified.Purge()
		if err := c.VerifyCertificate(cert); err != nil {
			b.Fatal(err)
		}
	}
}

// TestVerifiedOnce checks that a signature is verified once, in a vote or in any
// certificate, and a wrong one each time.
func TestVerifiedOnce(t *testing.T) {
	c, keys := committee(t, 4)
	s := says(finality.Notarize, 7, 3, block("ab"))
	for i, builders := range [][]int{{0, 1, 2}, {1, 2, 3}, {0, 1, 3}} {
		if err := c.VerifyCertificate(signed(c, keys, s, builders...)); err != nil {
			t.Fatal(err)
		}
		v := c.Sign(s, 0, keys[0])
		if err := c.VerifyVote(&v); err != nil {
			t.Fatal(err)
		}
		if n := c.verified.Len(); n != min(3+i, 4) {
			t.Errorf("%d signatures were verified", n)
		}
		v.Signature[0] ^= 1
		for range 2 {
			if err := c.VerifyVote(&v); !errors.Is(err, finality.ErrForged) {
				t.Error("a wrong signature passes")
			}
		}
	}
}
