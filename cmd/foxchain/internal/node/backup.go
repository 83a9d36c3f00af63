package node

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/durable"
	"foxchain/ledger/store"
	"foxchain/p2p"
)

// A backup is a line of JSON, the BackupHead, then the records of the ledger, each after
// the lengths of key and value, then a zero in place of a length, the number of records,
// and the SHA-256 of all that. Numbers are encoding/binary's Uvarint. A node sends all but
// the checksum. The program that writes the file adds it.

// A BackupHead describes a backup.
type BackupHead struct {
	Format    int              `json:"foxchain_backup"` // 1
	Network   jsontext.Value   `json:"network"`         // its file
	NetworkID ledger.Hash      `json:"network_id"`
	Blocks    uint64           `json:"blocks"`
	Tip       ledger.Hash      `json:"tip"`
	Time      time.Time        `json:"time"`
	Version   string           `json:"version"` // of the program
	NodeKey   ledger.PublicKey `json:"node_key"`
	SecretKey string           `json:"secret_key,omitempty"` // PEM; empty if the key is not in it
}

const (
	backupFormat = 1
	maxHead      = 4 << 20 // bytes
	maxRecordKey = 4 << 10
	maxRecord    = 64 << 20
)

// backup writes a backup of the running node.
func (n *Node) backup(ctx context.Context, w io.Writer) error {
	c, err := n.Chain.Copy()
	if err != nil {
		return err
	}
	defer c.Close()
	return writeBackup(ctx, w, c, n.Chain.Network(), n.key)
}

// BackupStopped writes a backup of a directory that no node uses. net is its network, nil
// if it has the built-in rules.
func (d *DataDir) BackupStopped(ctx context.Context, w io.Writer, net *ledger.Network) error {
	s, _, err := store.Open(store.Config{Dir: d.Chain(), ReadOnly: true})
	if err != nil {
		return err
	}
	err = d.backupStore(ctx, w, s, net)
	return errors.Join(err, s.Close())
}

func (d *DataDir) backupStore(ctx context.Context, w io.Writer, s *store.Store, net *ledger.Network) error {
	key, err := ReadKey(d.file("node.key"), nil)
	if err != nil {
		return err
	}
	c, err := s.Copy()
	if err != nil {
		return err
	}
	defer c.Close()
	if net == nil {
		if net, err = ledger.NamedNetwork(c.Info.Name); err != nil {
			return err
		}
	}
	if net.ID() != c.Info.Network {
		return fmt.Errorf("the ledger is of the network %q (%s), which has rules of its own: give its file with --network", c.Info.Name, c.Info.Network.Short())
	}
	return writeBackup(ctx, w, c, net, PublicKey(key))
}

func writeBackup(ctx context.Context, w io.Writer, c *store.Copy, net *ledger.Network, key ledger.PublicKey) error {
	file, err := json.Marshal(net.File(), json.Deterministic(true))
	if err != nil {
		return err
	}
	head := BackupHead{
		Format: backupFormat, Network: file, NetworkID: net.ID(), Blocks: c.Info.Blocks, Tip: c.Info.Tip,
		Time: time.Now().UTC().Truncate(time.Second), Version: ProgramVersion, NodeKey: key,
	}
	if err := head.write(w); err != nil {
		return err
	}
	out := recordWriter{w: w}
	if err := c.Each(func(key, value []byte) error { return errors.Join(out.put(key, value), ctx.Err()) }); err != nil {
		return err
	}
	return out.end()
}

// A recordWriter writes the records of a backup.
type recordWriter struct {
	w       io.Writer
	lengths []byte
	count   uint64
}

func (r *recordWriter) put(key, value []byte) error {
	r.count++
	r.lengths = binary.AppendUvarint(binary.AppendUvarint(r.lengths[:0], uint64(len(key))), uint64(len(value)))
	for _, part := range [][]byte{r.lengths, key, value} {
		if _, err := r.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (r *recordWriter) end() error {
	_, err := r.w.Write(binary.AppendUvarint([]byte{0}, r.count))
	return err
}

func (h *BackupHead) write(w io.Writer) error {
	b, err := json.Marshal(h)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}

// KeepBackup copies a backup from a node into a file, with the checksum. A key that is
// not nil must be the node's, and is put into the file. Without it the file has no
// secret, since the tokens in the address book's URLs of other nodes are left out too.
func KeepBackup(w io.Writer, from io.Reader, key ed25519.PrivateKey) (*BackupHead, error) {
	in := &recordReader{in: bufio.NewReaderSize(from, 1<<20)}
	head, _, err := readHead(in.in)
	if err != nil {
		return nil, err
	}
	if key != nil {
		if PublicKey(key) != head.NodeKey {
			return nil, errors.New("the key of the directory is not that of the node")
		}
		head.SecretKey = string(keyText(key))
	}
	sum := sha256.New()
	buffered := bufio.NewWriterSize(w, 1<<20)
	out := io.MultiWriter(buffered, sum)
	if err := head.write(out); err != nil {
		return nil, err
	}
	if err := keepRecords(out, in, key == nil); err != nil {
		return nil, err
	}
	if _, err := buffered.Write(sum.Sum(nil)); err != nil {
		return nil, err
	}
	return head, buffered.Flush()
}

func keepRecords(w io.Writer, in *recordReader, public bool) error {
	out := recordWriter{w: w}
	for {
		key, value, err := in.record()
		if err == nil && key == nil {
			break
		}
		if name, ok := store.BookName(key); ok && public {
			key = store.BookKey(p2p.WithoutSecret(name))
		}
		if err == nil {
			err = out.put(key, value)
		}
		if err != nil {
			return fmt.Errorf("the node sent only part of the backup: %w", err)
		}
	}
	n, err := binary.ReadUvarint(in)
	if _, more := in.ReadByte(); err == nil && more != io.EOF { // a node's error comes at the end of what it sent
		err = cmp.Or(more, errors.New("something stands behind the records"))
	}
	if err != nil || n != out.count {
		return errors.Join(errors.New("the node sent only part of the backup: run the command again"), err)
	}
	return out.end()
}

var errNoBackup = errors.New("it is not a backup that this version of foxchain knows, or its beginning is damaged")

// readHead also returns the line as it was read.
func readHead(in *bufio.Reader) (head *BackupHead, line []byte, err error) {
	for more := true; more; {
		part, isPrefix, err := in.ReadLine()
		if err != nil && err != io.EOF {
			return nil, nil, err // the writer's error, if it could not make a backup
		}
		if line, more = append(line, part...), isPrefix; err != nil || len(line) > maxHead {
			return nil, nil, errNoBackup
		}
	}
	head = new(BackupHead)
	if json.Unmarshal(line, head) != nil || head.Format != backupFormat {
		return nil, nil, errNoBackup
	}
	return head, line, nil
}

// A recordReader reads the records of a backup, and computes their checksum.
type recordReader struct {
	in   *bufio.Reader
	sum  hash.Hash // nil for none
	n    int64     // bytes so far
	both []byte    // the record that was read last
}

func (r *recordReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.add(p[:n])
	return n, err
}

func (r *recordReader) ReadByte() (byte, error) {
	b, err := r.in.ReadByte()
	if err == nil {
		r.add([]byte{b})
	}
	return b, err
}

func (r *recordReader) add(b []byte) {
	if r.n += int64(len(b)); r.sum != nil {
		r.sum.Write(b)
	}
}

var errChecksum = errors.New("the file is damaged: its contents do not match its checksum")

// restoring is a directory in a data directory that is locked while a restore makes the
// rest. No node starts in a data directory with it.
const restoring = "restoring"

// restored lists what a restore makes before the key, which it makes last and never
// removes.
var restored = []string{"chain", "network.json", "voted"}

// Restore makes a data directory from a backup, in a new directory or an empty one, which
// may be the root of a disk. A killed restore can be run again. After an error nothing is
// left.
func Restore(ctx context.Context, from io.Reader, dir string, progress func(block, of uint64)) (*BackupHead, *chain.Report, error) {
	made := os.Mkdir(dir, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return nil, nil, made
	}
	d := &DataDir{Path: dir}
	if err := d.isEmpty(); err != nil {
		return nil, nil, err
	}
	removeEmpty := func() {
		if made == nil {
			_ = os.Remove(dir) // fails unless it is empty
		}
	}
	lock, err := storage.OpenFile(d.file(restoring), false)
	if err != nil {
		_ = os.Remove(d.file(restoring)) // which is empty if a full disk left it without a lock
		removeEmpty()
		return nil, nil, fmt.Errorf("another restore may be running in %s: %w", dir, err)
	}
	var head *BackupHead
	var report *chain.Report
	if err = d.isEmpty(); err == nil { // checked again under the lock, since another restore may have ended meanwhile
		if err = d.removeRestored(); err == nil { // of a killed restore
			head, report, err = d.restore(ctx, from, progress)
		}
		if err != nil {
			err = errors.Join(err, d.removeRestored())
		}
	}
	err = errors.Join(err, lock.Close())
	gone := os.RemoveAll(d.file(restoring))
	for n := 0; n < 9 && gone != nil; n++ { // again, since another restore, which will be refused, may make its lock there
		gone = os.RemoveAll(d.file(restoring))
	}
	if err = errors.Join(err, gone); err != nil {
		removeEmpty()
		return nil, nil, err
	}
	err = durable.SameOwner(dir, ".", append(restored, "node.key")...)
	return head, report, errors.Join(err, durable.SyncDir(dir), durable.SyncDir(filepath.Dir(dir)))
}

// Restored returns an error while a restore into the directory has not ended, since the
// directory is not whole.
func (d *DataDir) Restored() error {
	if _, err := os.Stat(d.file(restoring)); err != nil {
		return nil
	}
	return fmt.Errorf("a restore into the data directory %s did not end: run it again. If that is refused, remove what is in the directory first", d.Path)
}

// isEmpty returns an error if a directory has files that neither a file system nor a
// killed restore left.
func (d *DataDir) isEmpty() error {
	own := []string{"lost+found"}
	inside, err := os.ReadDir(d.file(restoring))
	foreign := func(f fs.DirEntry) bool { return !slices.Contains([]string{"LOCK", "LOG", "LOG.old"}, f.Name()) }
	if err == nil && !slices.ContainsFunc(inside, foreign) {
		own = append(own, restoring) // if empty, its restore was killed before it had the lock
		if len(inside) > 0 {
			own = append(own, restored...)
		}
	}
	files, err := os.ReadDir(d.Path)
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err != nil || slices.ContainsFunc(files, func(f fs.DirEntry) bool { return !slices.Contains(own, f.Name()) && filepath.Ext(f.Name()) != ".tmp" }) {
		return term.Hint(fmt.Errorf("%s exists already and is no empty directory", d.Path), "Choose another one, since nothing is overwritten")
	}
	return nil
}

func (d *DataDir) removeRestored() (err error) {
	for _, name := range restored {
		err = errors.Join(err, os.RemoveAll(d.file(name)))
	}
	return err
}

func (d *DataDir) restore(ctx context.Context, from io.Reader, progress func(block, of uint64)) (*BackupHead, *chain.Report, error) {
	in := &recordReader{in: bufio.NewReaderSize(from, 1<<20), sum: sha256.New()}
	head, err := d.load(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	net, err := ledger.ParseNetwork(head.Network)
	if err != nil || net.ID() != head.NetworkID {
		return nil, nil, errNoBackup
	}
	report, err := chain.Verify(ctx, chain.VerifyConfig{Network: net, Dir: d.Chain(), Progress: progress})
	if err != nil {
		return nil, nil, err
	}
	if len(report.Problems) > 0 || report.Blocks != head.Blocks || report.Tip != head.Tip {
		return nil, nil, fmt.Errorf("the ledger in the file is wrong: %d blocks up to %s, where its first line has %d up to %s, and %v",
			report.Blocks, report.Tip.Short(), head.Blocks, head.Tip.Short(), report.Problems)
	}
	return head, report, d.complete(head)
}

// load makes the ledger from the records, and verifies the checksum.
func (d *DataDir) load(ctx context.Context, in *recordReader) (*BackupHead, error) {
	head, line, err := readHead(in.in)
	if err != nil {
		return nil, err
	}
	in.sum.Write(append(line, '\n'))
	count := uint64(0)
	err = store.Load(d.Chain(), func() (key, value []byte, done bool, err error) {
		if key, value, err = in.record(); err == nil && key != nil {
			count++
		}
		return key, value, key == nil, errors.Join(err, ctx.Err())
	})
	if err != nil {
		return nil, err
	}
	if n, err := binary.ReadUvarint(in); err != nil || n != count {
		return nil, errors.Join(errChecksum, err)
	}
	sum := in.sum.Sum(nil)
	rest, err := io.ReadAll(io.LimitReader(in.in, sha256.Size+1))
	if err != nil || !bytes.Equal(rest, sum) {
		return nil, errors.Join(errChecksum, err)
	}
	return head, nil
}

// record reads a record, with a nil key after the last. Both slices are valid only until
// the next call.
func (r *recordReader) record() (key, value []byte, err error) {
	keys, err := binary.ReadUvarint(r)
	if err == nil && keys == 0 {
		return nil, nil, nil
	}
	var values uint64
	if err == nil {
		values, err = binary.ReadUvarint(r)
	}
	if err == nil && (keys > maxRecordKey || values > maxRecord) {
		return nil, nil, fmt.Errorf("the file is damaged at byte %d of its records", r.n)
	}
	if err == nil {
		r.both = slices.Grow(r.both[:0], int(keys+values))[:keys+values]
		if _, err = io.ReadFull(r, r.both); err == nil {
			return r.both[:keys], r.both[keys:], nil
		}
	}
	return nil, nil, fmt.Errorf("the file is cut off or damaged: its records end at byte %d: %w", r.n, err)
}

// complete writes the files beside the ledger. voted notes that the key of the backup's
// node has lost the record of its votes, even if the key is put here only later. So it
// does not vote before the others have gone on without it. A key that was put here
// meanwhile stays.
func (d *DataDir) complete(head *BackupHead) error {
	if err := durable.Replace(d.file("network.json"), append(head.Network, '\n')); err != nil {
		return err
	}
	if err := durable.Replace(d.file("voted"), []byte(head.NodeKey.String()+"\n")); err != nil {
		return err
	}
	if head.SecretKey == "" {
		_, err := d.key(false)
		return err
	}
	file, text := d.file("node.key"), []byte(head.SecretKey)
	if key, err := parseKey("the backup", text); err != nil || PublicKey(key) != head.NodeKey {
		return errNoBackup
	}
	return KeyFileError(file, durable.Create(file, 0o600, durable.Content(text)))
}
