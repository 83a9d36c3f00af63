package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"foxchain/ledger"
)

const (
	pemType    = "PRIVATE KEY" // PKCS#8, RFC 7468 section 10
	maxKeyFile = 64 << 10
)

// NewKey makes an Ed25519 key.
func NewKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// EncodeKey returns a key as PKCS#8 in PEM (RFC 8410), as openssl writes it.
func EncodeKey(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// ReadKey reads an Ed25519 key from a PEM file. A file that others may read is made
// 0600, where the system allows it.
func ReadKey(file string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("read the key: %s is not a key file: it has %d bytes", file, info.Size())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("%s is not an Ed25519 key in PEM (\"BEGIN %s\"): restore it from a copy, or make a new key with foxchain keygen", file, pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no readable key: %w", file, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T: foxchain's keys are Ed25519", file, parsed)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		if err := os.Chmod(file, 0o600); err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("keep %s from others: %w", file, err)
		}
	}
	return key, nil
}

// PublicKey returns the public half of a key.
func PublicKey(key ed25519.PrivateKey) ledger.PublicKey {
	return ledger.PublicKey(key.Public().(ed25519.PublicKey))
}
