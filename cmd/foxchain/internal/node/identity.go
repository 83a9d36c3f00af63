package node

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/go-json-experiment/json"

	"foxchain/ledger"
	"foxchain/ledger/durable"
)

// Two nodes with one key cannot connect with each other. So beside node.key is a mark of
// that very file. In a copied or restored directory the file does not have the mark, and
// the node gets a new identity.

// A fileMark is what a file system keeps for a file and changes in a copy. A zero field
// is unknown or unreliable.
type fileMark struct {
	Birth int64  `json:"birth,omitzero"` // Unix nanoseconds
	ID    uint64 `json:"id,omitzero"`    // inode, or the file ID of Windows
}

// another reports whether the two marks are certainly of two files. A remount, a reboot,
// a rename or a move within a disk must never cost a node its identity. On file systems
// whose marks have a birth time no tool can set it, so it decides alone. resize2fs
// changes inodes.
func (m fileMark) another(now fileMark) bool {
	if m.Birth != 0 && now.Birth != 0 {
		return m.Birth != now.Birth
	}
	return m.ID != 0 && now.ID != 0 && m.ID != now.ID
}

// or returns the mark with its unknown fields taken from m2.
func (m fileMark) or(m2 fileMark) fileMark {
	return fileMark{Birth: cmp.Or(m.Birth, m2.Birth), ID: cmp.Or(m.ID, m2.ID)}
}

// A keyMark is the content of the file node.key.mark.
type keyMark struct {
	Key  string   `json:"key"` // the public key of node.key, hex
	File fileMark `json:"file"`
	Old  string   `json:"old,omitzero"` // the public key that was replaced in a copied directory
}

// An identity is a node's key, and what this start changed about it.
type identity struct {
	key    ed25519.PrivateKey
	notice string // the change, for people; empty for none
}

// identity reads the node's key, or makes it the first time. used is as for key. In a
// copied directory it makes a new one, unless keep is set since the original is gone for
// good.
func (d *DataDir) identity(used, keep bool) (identity, error) {
	key, err := d.key(used)
	if err != nil {
		return identity{}, err
	}
	now, err := d.mark()
	if err != nil {
		return identity{}, err
	}
	was, err := d.readMark()
	if err != nil {
		return identity{}, err
	}
	if keep {
		if err := d.loseVotes(); err != nil {
			return identity{}, err
		}
	}
	own := PublicKey(key).String()
	switch {
	case keep && was.Key == own && was.Old != "" && !was.File.another(now): // not a copy of a copy, which keeps its own key
		return d.restoreKey(was.Old)
	case was.Key == own && was.File.another(now) && !keep:
		return d.replaceKey(key)
	case was.Key == own && !keep:
		// Fields unknown here, as on a FAT stick, are kept for the next copy.
		now = now.or(was.File)
		if was.File == now {
			return identity{key: key}, nil
		}
		return identity{key: key}, d.writeMark(keyMark{Key: own, File: now, Old: was.Old})
	}
	// This is the first start with a mark, or another key was put here, or the original
	// of a copy is gone.
	return identity{key: key}, d.writeMark(keyMark{Key: own, File: now})
}

// NodeKey returns the key with which the directory's node signs its blocks. The first
// time it makes it, as the node would. The notice reports other changes, as in a copied
// directory.
func (d *DataDir) NodeKey() (key ledger.PublicKey, notice string, err error) {
	_, missing := os.Stat(d.Chain())
	id, err := d.identity(missing == nil, false)
	if err != nil {
		return key, "", err
	}
	return PublicKey(id.key), id.notice, nil
}

// mark returns the mark of node.key. It is zero for a link, since the key is kept
// elsewhere and may be written anew there.
func (d *DataDir) mark() (fileMark, error) {
	file := d.file("node.key")
	info, err := os.Lstat(file)
	if err == nil && !info.Mode().IsRegular() {
		return fileMark{}, nil
	}
	var m fileMark
	if err == nil {
		m, err = markOf(file)
	}
	if err != nil {
		return m, fmt.Errorf("read the mark of the node's key file: %w", err)
	}
	return m, nil
}

// replaceKey gives a copied directory a key, a port and a token of its own. The old key
// is saved before the new one replaces it. After a crash in between, the next start does
// it again, or finds the new key without a mark.
func (d *DataDir) replaceKey(old ed25519.PrivateKey) (identity, error) {
	if err := durable.Replace(d.file("node.key.old"), keyText(old)); err != nil {
		return identity{}, fmt.Errorf("keep the old key of a copied directory: %w", err)
	}
	for _, name := range []string{"token", "tokens", "port", "endpoint"} {
		if err := os.RemoveAll(d.file(name)); err != nil {
			return identity{}, fmt.Errorf("make a copied directory a node of its own: %w", err)
		}
	}
	key := NewKey()
	if err := d.writeKey(key); err != nil {
		return identity{}, err
	}
	mark, err := d.mark()
	if err != nil {
		return identity{}, err
	}
	return identity{key: key, notice: fmt.Sprintf("this data directory is a copy, so the node has a new identity, token and port; the old key is in %s. "+
			"If the directory that it was copied from is gone for good, start once with --keep-identity to restore the old identity", d.file("node.key.old"))},
		d.writeMark(keyMark{Key: PublicKey(key).String(), File: mark, Old: PublicKey(old).String()})
}

// restoreKey puts back the key that replaceKey replaced.
func (d *DataDir) restoreKey(old string) (identity, error) {
	key, err := ReadKey(d.file("node.key.old"), nil)
	if err != nil {
		return identity{}, fmt.Errorf("--keep-identity: the old key is missing: %w", err)
	}
	if PublicKey(key).String() != old {
		return identity{}, fmt.Errorf("--keep-identity: %s is not the key that this directory had", d.file("node.key.old"))
	}
	if err := d.writeKey(key); err != nil {
		return identity{}, err
	}
	mark, err := d.mark()
	if err != nil {
		return identity{}, err
	}
	return identity{key: key, notice: "the node has its old identity again"}, d.writeMark(keyMark{Key: old, File: mark})
}

// readMark returns the zero mark if there is none or it is damaged, since in doubt the
// directory is the same.
func (d *DataDir) readMark() (m keyMark, err error) {
	text, err := os.ReadFile(d.file("node.key.mark"))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	} else if err != nil {
		return m, fmt.Errorf("read the mark of the node's key: %w", err)
	}
	if json.Unmarshal(text, &m) != nil {
		return keyMark{}, nil
	}
	return m, nil
}

func (d *DataDir) writeMark(m keyMark) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = durable.Replace(d.file("node.key.mark"), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the mark of the node's key: %w", err)
	}
	return nil
}
