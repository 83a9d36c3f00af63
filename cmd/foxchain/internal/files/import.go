package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

const (
	importBlocks = 100
	// importLine is the longest line. A full block takes some 4 MB.
	importLine = 12 << 20
	// importCerts is how many certificates a node takes at once.
	importCerts = 1000
	// maxClashes is how many transactions that clashed are named.
	maxClashes = 20
)

// NewImportCmd returns the command import.
func NewImportCmd() *cobra.Command {
	var a ask.Flags
	cmd := &cobra.Command{
		Use:     "import FILE",
		Short:   "Give a running node the blocks of an export",
		GroupID: term.GroupFiles,
		Args:    term.NArgs(1, 1, `the file of an export, or - for standard input`),
		Long: `Give a running node the blocks of an export, so that a USB stick brings two networks
together that never meet.

The node checks each block as it does those of other nodes, and skips what it has.
Afterwards it has the better chain of the two, its own or the file's, and announces
it to other nodes. It also takes the transactions of the file's pool that did not
expire here. A final block stays on both sides. Transactions of blocks that left the
chain return to the pool, unless the better chain excludes them. The command prints
what was new, what moved and what clashed. An interrupted import can be run again.`,
		Example: `  foxchain import chain.jsonl
  gunzip < chain.jsonl.gz | foxchain import -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := node.OpenText(cmd.Context(), args[0], cmd.InOrStdin())
			if err != nil {
				return term.Hint(fmt.Errorf("read the export: %w", err), "To make one: foxchain export -o FILE")
			}
			return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				before, err := c.Info(ctx)
				if err != nil {
					return err
				}
				im := &importing{c: c, live: term.NewLiveLine(cmd.ErrOrStderr())}
				err = im.read(ctx, in)
				im.live.Set("")
				if err != nil {
					return err
				}
				moved, after, err := movesSince(ctx, c, &before)
				if err != nil {
					return err
				}
				if err := im.report(ctx, cmd.OutOrStdout(), &before, after); err != nil || after.Tip == before.Tip {
					return err
				}
				return moved.print(cmd.OutOrStdout())
			})
		},
	}
	a.AddNodeFlags(cmd.Flags())
	return cmd
}

// An importing gives a node the lines of an export.
type importing struct {
	c     *client.Client
	live  *term.LiveLine
	line  int // that was read last
	n     int // blocks so far
	batch []jsontext.Value
	first int // line of the first of batch
	size  int
	hash  string // of the last block of batch
	last  string // hash of the last block that the node took or had

	pool    int           // transactions of the file's pool
	clashed []api.Refused // of these
}

// send gives the node the blocks that wait.
func (im *importing) send(ctx context.Context) error {
	if len(im.batch) == 0 {
		return nil
	}
	if err := im.c.MergeBlocks(ctx, im.batch); err != nil {
		var refused *client.ReplyError
		err = fmt.Errorf("%s from line %d on: %w", term.Count(len(im.batch), "block"), im.first, err)
		switch {
		case !errors.As(err, &refused):
		case strings.Contains(refused.Reply.Reason, "not a block that is known here"):
			err = term.Hint(err, "The file begins above the last block that this node has in common with it: write it again with an earlier --since, or without")
		case refused.Reply.Reason != "":
			err = term.Hint(err, "The file was changed, or is of another network than the node's, which this shows: foxchain network show")
		}
		return err
	}
	im.live.Show("%d blocks", im.n)
	im.batch, im.size, im.last = nil, 0, im.hash
	return nil
}

func (im *importing) read(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, importLine)
	for lines.Scan() {
		im.line++
		line := jsontext.Value(bytes.TrimSpace(lines.Bytes())).Clone()
		if len(line) == 0 {
			continue
		}
		if !line.IsValid() {
			return term.Hint(fmt.Errorf("line %d is not JSON: the file is not an export, or it is cut off", im.line), "To make one: foxchain export -o FILE")
		}
		if take := im.behind(line); take != nil {
			if err := im.send(ctx); err != nil {
				return err
			}
			if err := take(ctx, line); err != nil {
				return err
			}
			continue
		}
		var block struct {
			Hash string `json:"hash"`
		}
		if json.Unmarshal(line, &block) != nil || block.Hash == "" { // a node that builds would seal it
			return fmt.Errorf("line %d is no block with its hash: the file is not an export", im.line)
		}
		if im.size+len(line) > ask.MaxMessage || len(im.batch) == importBlocks {
			if err := im.send(ctx); err != nil {
				return err
			}
		}
		if len(im.batch) == 0 {
			im.first = im.line
		}
		im.batch, im.size, im.hash = append(im.batch, line), im.size+len(line), block.Hash
		im.n++
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than any block: the file is not an export", im.line+1)
	} else if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	return im.send(ctx)
}

// behind returns what takes a line that stands behind the blocks, nil for a block.
func (im *importing) behind(line jsontext.Value) func(context.Context, jsontext.Value) error {
	switch {
	case bytes.HasPrefix(line, []byte(`{"certificates":`)):
		return im.certify
	case bytes.HasPrefix(line, []byte(`{"pool":`)):
		return im.submit
	}
	return nil
}

// certify gives the node the certificates and evidence of a line.
func (im *importing) certify(ctx context.Context, line jsontext.Value) error {
	var all api.Certificates
	if err := json.Unmarshal(line, &all); err != nil {
		return fmt.Errorf("the certificates of what is final: %w", err)
	}
	for rest := all.Certificates; len(rest) > 0; {
		n, size := 0, 0
		for ; n < min(len(rest), importCerts) && (n == 0 || size+len(rest[n]) <= ask.MaxMessage); n++ {
			size += len(rest[n])
		}
		if _, err := im.c.Do(ctx, "certify", api.Certificates{Certificates: rest[:n]}); err != nil {
			return fmt.Errorf("the certificates of what is final: %w", err)
		}
		rest = rest[n:]
	}
	if len(all.Evidence) == 0 {
		return nil
	}
	if _, err := im.c.Do(ctx, "certify", api.Certificates{Certificates: []string{}, Evidence: all.Evidence}); err != nil {
		return fmt.Errorf("the evidence that a builder voted twice: %w", err)
	}
	return nil
}

// submit gives the node the transactions of a line.
func (im *importing) submit(ctx context.Context, line jsontext.Value) error {
	var waiting api.PoolOf[jsontext.Value]
	if err := json.Unmarshal(line, &waiting); err != nil || len(waiting.Pool) == 0 {
		return err
	}
	refused, err := im.c.MergeCarried(ctx, waiting.Pool)
	if len(refused) == 0 && err != nil {
		return fmt.Errorf("the transactions that were in no block: %w", err)
	}
	im.pool += len(waiting.Pool)
	im.clashed = append(im.clashed, refused...)
	return nil
}

// poolReport returns what became of the file's pool.
func (im *importing) poolReport() string {
	if im.pool == 0 {
		return ""
	}
	text := fmt.Sprintf("pool: %s of the file's pool read, of which the node has %d\n", term.Count(im.pool, "transaction"), im.pool-len(im.clashed))
	for _, r := range im.clashed[:min(len(im.clashed), maxClashes)] {
		text += fmt.Sprintf("  %s clashed: %s\n", r.ID, r.Reason)
	}
	if more := len(im.clashed) - maxClashes; more > 0 {
		text += fmt.Sprintf("  and %d more\n", more)
	}
	return term.Clean(text)
}

// report prints how the chain and what is final changed.
func (im *importing) report(ctx context.Context, w io.Writer, before, after *api.Info) error {
	_, err := fmt.Fprintf(w, "%s read; the node's chain had %s and has %d\n", term.Count(im.n, "block"), term.Count(before.Blocks, "block"), after.Blocks)
	if now := finalTo(after); err == nil && now > finalTo(before) {
		_, err = fmt.Fprintf(w, "final up to height %d, as the file's certificate shows\n", now)
	}
	if err == nil {
		_, err = io.WriteString(w, im.poolReport())
	}
	if err != nil || im.last == "" {
		return err
	}
	_, on, err := blockOf(ctx, im.c, im.last)
	switch {
	case err != nil:
	case !on:
		why := "this node's chain has more work"
		if after.Voting != nil {
			why = "the builders prefer this node's chain, or it has more work"
		}
		_, err = fmt.Fprintf(w, "the file's last block is not on the chain: %s. It is kept beside it, and its transactions are not in the pool\n", why)
	case after.Tip == before.Tip:
		_, err = fmt.Fprintln(w, "nothing was new")
	}
	return err
}

// blockOf returns a block, nil if the node has none with that hash, and whether it is on the
// node's chain. One that left it may be dropped.
func blockOf(ctx context.Context, c *client.Client, hash string) (b *api.Block, on bool, err error) {
	var reply api.BlockReplyOf[*api.Block]
	if err := c.Get(ctx, "block", map[string]string{"hash": hash}, &reply); err != nil {
		if ask.IsUnknown(err) {
			err = nil
		}
		return nil, false, err
	}
	return reply.Block, reply.OnChain, nil
}

// finalTo is the height of the last final block, -1 if there is none.
func finalTo(in *api.Info) int64 {
	if in.Final == nil || in.Final.Final == nil {
		return -1
	}
	return int64(in.Final.Height)
}

// moves are the blocks that joined and left a chain, and what became of transactions.
type moves struct {
	c                       *client.Client
	in, out                 int  // blocks
	dropped                 bool // the node does not have all that left the chain
	inTxs, both, back, wait int  // transactions
	clashed                 int
	clashes                 []string // the first of them
}

// countTries is how often an import counts what moved while the chain moves on.
const countTries = 3

// movesSince counts what moved since before, and returns the state up to which it did. It
// counts again where a reorg came in between, since blocks were then counted on two branches.
func movesSince(ctx context.Context, c *client.Client, before *api.Info) (*moves, *api.Info, error) {
	now, err := c.Info(ctx)
	for try := 1; err == nil; try++ {
		m, after := &moves{c: c}, now
		if after.Tip != before.Tip {
			err = m.count(ctx, before, &after)
		}
		if err == nil {
			now, err = c.Info(ctx)
		}
		if err == nil && (now.Reorgs == after.Reorgs || try == countTries) {
			return m, &after, nil
		}
	}
	return nil, nil, err
}

// count goes from the tip before down to the chain as it is now, and from there up to the
// tip after.
func (m *moves) count(ctx context.Context, before, after *api.Info) error {
	height := before.Blocks // of the first block that joined
	for hash := before.Tip; height > 0; height-- {
		b, on, err := blockOf(ctx, m.c, hash.String())
		if err != nil {
			return err
		} else if on {
			break
		} else if b == nil {
			m.dropped = true
			return nil
		}
		m.out++
		for i := range b.Items {
			if err := m.left(ctx, &b.Items[i]); err != nil {
				return err
			}
		}
		if b.PrevHash != nil {
			hash = *b.PrevHash
		}
	}
	for next := &height; next != nil && *next < after.Blocks; {
		var page api.Blocks
		if err := m.c.Get(ctx, "blocks", map[string]any{"start": *next, "items": false}, &page); err != nil {
			return err
		}
		for _, b := range page.Blocks {
			if b.Height < after.Blocks { // or it was built just now
				m.in++
				m.inTxs += int(b.Count)
			}
		}
		next = page.Next
	}
	return nil
}

// left counts a transaction of a block that left the chain.
func (m *moves) left(ctx context.Context, tx *api.Tx) error {
	var r api.Receipt
	err := m.c.Get(ctx, "tx", map[string]any{"id": tx.ID, "sender": tx.Sender}, &r)
	if ask.IsUnknown(err) {
		r.Reason = "it is neither in the pool nor in a block any more"
	} else if err != nil {
		return err
	}
	same := r.Tx.Receiver == tx.Receiver && r.Tx.Amount == tx.Amount
	switch {
	case same && r.State == api.StateConfirmed:
		m.both++
	case same && r.State == api.StatePooled:
		m.back++
	case same && r.State == api.StateWaiting:
		m.wait++
	default:
		m.clashed++
		if len(m.clashes) < maxClashes {
			for _, o := range r.Others {
				if o.State == api.StateGone {
					r.Reason = o.Reason
				}
			}
			m.clashes = append(m.clashes, fmt.Sprintf("  %s (%d): %s", tx.ID, tx.Amount, r.Reason))
		}
	}
	return nil
}

func (m *moves) print(w io.Writer) error {
	text := fmt.Sprintf("new: %s joined the chain, with %s\n", term.Count(m.in, "block"), term.Count(m.inTxs, "transaction"))
	if m.dropped {
		text = "new: the chain switched to another branch. The node no longer has all blocks of the old one, so the blocks that joined are not counted, nor all that left\n"
	}
	if m.out > 0 {
		text += fmt.Sprintf("moved: %s left the chain. Of their transactions %d are in the new blocks, too, %d are in the pool again, of which %d cannot be paid now\n",
			term.Count(m.out, "block"), m.both, m.back+m.wait, m.wait)
	}
	if m.clashed > 0 {
		text += fmt.Sprintf("clashed: %s cannot be on this chain:\n%s\n", term.Count(m.clashed, "transaction"), strings.Join(m.clashes, "\n"))
	}
	if more := m.clashed - len(m.clashes); more > 0 {
		text += fmt.Sprintf("  and %d more\n", more)
	}
	_, err := io.WriteString(w, term.Clean(text))
	return err
}
