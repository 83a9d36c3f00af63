package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeyFiles reads a key in both forms, and refuses each bad file with one clear
// error, before it asks for a passphrase where it can.
func TestKeyFiles(t *testing.T) {
	key, plain := newKey(t)
	protected, err := EncodeKey(key, "fox den")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind, body string) string {
		return "-----BEGIN " + kind + "-----\n" + body + "-----END " + kind + "-----\n"
	}
	const age = "AGE ENCRYPTED FILE"
	half := len(protected) / 2
	for name, c := range map[string]struct {
		text, passphrase string // empty: it must not be asked for
		reason           string // empty: it is the key
	}{
		"plain":            {string(plain), "", ""},
		"protected":        {string(protected), "fox den", ""},
		"with text around": {"my key\n" + string(plain), "", ""},
		"wrong passphrase": {string(protected), "fox", "that is not the passphrase of"},
		"empty":            {"\n", "", "is empty"},
		"not a key":        {"hello", "", "is not an Ed25519 key in PEM"},
		"cut plain":        {string(plain[:60]), "", "is cut off"},
		"cut protected":    {string(protected[:half]), "", "is cut off"},
		"a hole":           {string(protected[:half]) + string(protected[half+64:]), "fox den", "is damaged"},
		"a line gone":      {block(age, "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCA=\n"), "fox den", "is damaged"},
		"for a key of age": {block(age, "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSA=\n"), "", "is encrypted for a key of age"},
		"no base64":        {block("PRIVATE KEY", "!!!\n"), "", "or is damaged"},
		"no PKCS#8":        {block("PRIVATE KEY", "AAAA\n"), "", "holds no readable key"},
		"public":           {block("PUBLIC KEY", "AAAA\n"), "", "holds a public key"},
		"of ssh":           {block("OPENSSH PRIVATE KEY", "AAAA\n"), "", "holds a key of ssh"},
		"of openssl":       {block("ENCRYPTED PRIVATE KEY", "AAAA\n"), "", "has a passphrase of openssl's"},
		"another kind":     {string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})), "", "foxchain's keys are Ed25519"},
		"large":            {strings.Repeat("x", maxKeyFile+1), "", "more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "my.key")
			save(t, file, c.text)
			got, err := ReadKey(file, func(string) (string, error) {
				if c.passphrase == "" {
					t.Error("asked for a passphrase")
					return "", errors.New("none")
				}
				return c.passphrase, nil
			})
			switch {
			case c.reason == "":
				if err != nil || !got.Equal(key) {
					t.Errorf("%v", err)
				}
			case err == nil || !strings.Contains(err.Error(), c.reason) || !strings.Contains(err.Error(), file):
				t.Errorf("%v", err)
			}
		})
	}
}

// TestNodeKeyHasNoPassphrase checks that a node's key with a passphrase is refused, since
// a node may start with no user there to type it.
func TestNodeKeyHasNoPassphrase(t *testing.T) {
	d := &DataDir{Path: t.TempDir()}
	text := []byte("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n")
	save(t, d.file("node.key"), string(text))
	if _, err := d.identity(false, false); err == nil || !strings.Contains(err.Error(), "a node starts when nobody is there to type it") {
		t.Errorf("%v", err)
	}
}
