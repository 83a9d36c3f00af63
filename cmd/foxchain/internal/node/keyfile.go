package node

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"filippo.io/age"
	"filippo.io/age/armor"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
)

// A key file is PKCS#8 in PEM, as openssl writes it. With a passphrase that text is
// encrypted by age (https://age-encryption.org/v1), so "age -d FILE" decrypts it.
const (
	pemType    = "PRIVATE KEY" // PKCS#8, RFC 7468 section 10
	maxKeyFile = 64 << 10

	// maxScrypt bounds the work that a file can demand of its reader, as a power of two,
	// 1 GiB of memory. EncodeKey uses 2^18, some 256 MiB and a second.
	maxScrypt = 20

	noKeyHint = "Restore it from a copy, or make a new key: foxchain keygen -o FILE"
)

// MaxPassphrase bounds the bytes of a passphrase.
const MaxPassphrase = 1024

// A Passphrase returns the passphrase of a key file that has one.
type Passphrase func(file string) (string, error)

// NewKey makes an Ed25519 key.
func NewKey() ed25519.PrivateKey {
	_, key, _ := ed25519.GenerateKey(nil) // the system's random numbers do not fail
	return key
}

// keyText returns the text of a key's file without a passphrase.
func keyText(key ed25519.PrivateKey) []byte {
	der, _ := x509.MarshalPKCS8PrivateKey(key) // which takes every key of this type
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
}

// EncodeKey returns the text of a key's file, encrypted unless passphrase is empty.
func EncodeKey(key ed25519.PrivateKey, passphrase string) ([]byte, error) {
	text := keyText(key)
	if passphrase == "" {
		return text, nil
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	armored := armor.NewWriter(&b)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(text)
	err = errors.Join(err, w.Close(), armored.Close())
	return b.Bytes(), err
}

// ReadKey reads an Ed25519 key from its file, and calls ask for the passphrase if the
// file has one. With a nil ask such a file is refused, as for a node, which starts
// without a person. A file that others may read is made 0600, if the system allows it.
func ReadKey(file string, ask Passphrase) (ed25519.PrivateKey, error) {
	text, err := ReadText(file, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if err := checkKeyText(file, text); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte(armor.Header)) {
		if ask == nil {
			return nil, fmt.Errorf("%s has a passphrase, and a node starts when nobody is there to type it: use a key without one, or take it off with age -d", file)
		}
		if text, err = decrypt(file, text, ask); err != nil {
			return nil, err
		}
	}
	key, err := parseKey(file, text)
	if err != nil {
		return nil, err
	}
	if OthersCanRead(file) {
		if err := os.Chmod(file, 0o600); err != nil && !errors.Is(err, fs.ErrPermission) && !term.IsReadOnly(err) {
			return nil, fmt.Errorf("keep %s from others: %w", file, err)
		}
	}
	return key, nil
}

// OthersCanRead reports whether the mode of a file lets other users read or change it, if
// the system has modes.
func OthersCanRead(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows"
}

// checkKeyText refuses text that is no key or only part of one, before ask is called.
func checkKeyText(file string, text []byte) error {
	has := func(part string) bool { return bytes.Contains(text, []byte(part)) }
	why := ""
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		why = "is empty"
	case has("-----BEGIN ") && !has("-----END "):
		why = "is cut off: the last line of a key is missing"
	case has(armor.Header) || has("-----BEGIN "+pemType+"-----"):
		return nil
	case has("-----BEGIN PUBLIC KEY-----"):
		why = "holds a public key; its private one signs"
	case has("-----BEGIN ENCRYPTED PRIVATE KEY-----"):
		why = "has a passphrase of openssl's: take it off with openssl pkey"
	case has("-----BEGIN OPENSSH PRIVATE KEY-----"):
		why = "holds a key of ssh; an account needs one of its own"
	default:
		why = fmt.Sprintf("is not an Ed25519 key in PEM (\"BEGIN %s\")", pemType)
	}
	return term.Hint(fmt.Errorf("%s %s", file, why), noKeyHint)
}

// decrypt returns the text that a passphrase protects.
func decrypt(file string, text []byte, ask Passphrase) ([]byte, error) {
	damaged := func(err error) error {
		return term.Hint(fmt.Errorf("%s is damaged, so that no passphrase opens it: %w", file, err), "Restore it from a copy")
	}
	raw, err := io.ReadAll(armor.NewReader(bytes.NewReader(text)))
	if err != nil {
		return nil, damaged(err)
	}
	if !bytes.HasPrefix(raw, []byte("age-encryption.org/v1\n-> scrypt ")) {
		return nil, fmt.Errorf("%s is encrypted for a key of age, not with a passphrase: decrypt it with age -d", file)
	}
	passphrase, err := ask(file)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxScrypt)
	r, err := age.Decrypt(bytes.NewReader(raw), id)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, term.Hint(fmt.Errorf("that is not the passphrase of %s", file), "Try again. Nobody can recover a passphrase, and without it the key is lost")
	}
	if err != nil {
		return nil, damaged(err)
	}
	if text, err = io.ReadAll(io.LimitReader(r, maxKeyFile)); err != nil {
		return nil, damaged(err)
	}
	return text, nil
}

func parseKey(file string, text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(bytes.TrimSpace(text))
	if block == nil || block.Type != pemType {
		return nil, term.Hint(fmt.Errorf("%s is not an Ed25519 key in PEM (\"BEGIN %s\"), or is damaged", file, pemType), noKeyHint)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, term.Hint(fmt.Errorf("%s holds no readable key: %w", file, err), noKeyHint)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, term.Hint(fmt.Errorf("%s holds a %T: foxchain's keys are Ed25519", file, parsed), "To make one: foxchain keygen -o FILE")
	}
	return key, nil
}

// PublicKey returns the public half of a key.
func PublicKey(key ed25519.PrivateKey) ledger.PublicKey {
	return ledger.PublicKey(key.Public().(ed25519.PublicKey))
}

// KeyFileError adds a hint to the error of making a key file.
func KeyFileError(file string, err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return term.Hint(fmt.Errorf("%s exists, and a key is never overwritten", file), "Choose another file, or move the old one away")
	case err != nil:
		return term.Hint(term.HintSystem(fmt.Errorf("write the key: %w", err)), "Choose another file")
	}
	return nil
}
