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
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

const (
	importBlocks = 100
	// importLine is the longest line. A full block takes some 4 MB.
	importLine = 12 << 20
	// maxClashes is how many transactions that clashed are named.
	maxClashes = 20
)

// NewImportCmd returns the command import.
func NewImportCmd() *cobra.Command {
	var a ask.Flags
	cmd := &cobra.Command{
		Use:     "import FILE",
		Short:   "Give a running node the blocks of an export",
		GroupID: term.GroupTools,
		Args:    term.NArgs(1, 1, `the file of an export, or - for standard input`),
		Long: `Give a running node the blocks of an export, one JSON object a line. So two
networks that never meet are brought together by a USB stick. Start the node first.

It is as if the other network were there. The node checks each block like those of
other nodes and skips what it has. Afterwards it has the better chain of the two, its
own or the file's, and announces it to other nodes. A final block stays, on both
sides. Transactions of blocks that left the chain return to the pool, unless others
of the better chain exclude them. What was new, what moved and what clashed is
printed. An interrupted import can be run again.`,
		Example: `  foxchain import chain.jsonl
  gunzip < chain.jsonl.gz | foxchain import -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := node.OpenText(cmd.Context(), args[0], cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("read the export: %w", err)
			}
			return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				before, err := c.Info(ctx)
				if err != nil {
					return err
				}
				im := &importing{c: c, live: term.NewLiveLine(cmd.ErrOrStderr())}
				err = im.read(ctx, in)
				if err := errors.Join(err, im.live.Set("")); err != nil {
					return err
				}
				after, err := c.Info(ctx)
				if err != nil {
					return err
				}
				if err := im.report(ctx, cmd.OutOrStdout(), &before, &after); err != nil || after.Tip == before.Tip {
					return err
				}
				return a.WithNode(cmd, func(ctx context.Context, events *client.Client) error {
					moved := &moves{c: c, tip: after.Tip}
					if err := moved.follow(ctx, events, &before); err != nil {
						return err
					}
					return moved.print(cmd.OutOrStdout())
				})
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
	n     int // lines so far
	batch []jsontext.Value
	size  int
	last  string // hash of the last block
}

// send gives the node the blocks that wait.
func (im *importing) send(ctx context.Context) error {
	if len(im.batch) == 0 {
		return nil
	}
	if err := im.c.MergeBlocks(ctx, im.batch); err != nil {
		var refused *client.ReplyError
		err = fmt.Errorf("lines %d to %d: %w", im.n-len(im.batch)+1, im.n, err)
		if errors.As(err, &refused) && strings.Contains(refused.Reply.Reason, "not a block that is known here") {
			err = term.Hint(err, "The file begins above the last block that this node has in common with it: write it again with an earlier --since, or without")
		}
		return err
	}
	var block struct {
		Hash string `json:"hash"`
	}
	if err := json.Unmarshal(im.batch[len(im.batch)-1], &block); err != nil {
		return err
	}
	im.live.Show("%d blocks", im.n)
	im.batch, im.size, im.last = nil, 0, block.Hash
	return nil
}

func (im *importing) read(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, importLine)
	for lines.Scan() {
		line := jsontext.Value(bytes.TrimSpace(lines.Bytes())).Clone()
		if len(line) == 0 {
			continue
		}
		if !line.IsValid() {
			return fmt.Errorf("line %d is not JSON: the file is not an export, or it is cut off", im.n+1)
		}
		if bytes.HasPrefix(line, []byte(`{"certificates":`)) { // behind the blocks
			if err := im.send(ctx); err != nil {
				return err
			}
			if err := im.certify(ctx, line); err != nil {
				return err
			}
			continue
		}
		if im.size+len(line) > ask.MaxMessage || len(im.batch) == importBlocks {
			if err := im.send(ctx); err != nil {
				return err
			}
		}
		im.batch, im.size = append(im.batch, line), im.size+len(line)
		im.n++
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than any block: the file is not an export", im.n+1)
	} else if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	return im.send(ctx)
}

// certify gives the node the certificates of a line.
func (im *importing) certify(ctx context.Context, line jsontext.Value) error {
	var certs struct {
		List []string `json:"certificates"`
	}
	if err := json.Unmarshal(line, &certs); err != nil || len(certs.List) == 0 {
		return err
	}
	if _, err := im.c.Do(ctx, "certify", line); err != nil {
		return fmt.Errorf("the certificates of what is final: %w", err)
	}
	return nil
}

// report prints how the chain and what is final changed.
func (im *importing) report(ctx context.Context, w io.Writer, before, after *api.Info) error {
	_, err := fmt.Fprintf(w, "%s read; the node's chain had %s and has %d\n", term.Count(im.n, "block"), term.Count(before.Blocks, "block"), after.Blocks)
	if err == nil && after.Final != nil && after.Final.Final != nil && (before.Final.Final == nil || before.Final.Height < after.Final.Height) {
		_, err = fmt.Fprintf(w, "final up to height %d, as the file's certificate shows\n", after.Final.Height)
	}
	if err != nil || im.last == "" {
		return err
	}
	var block struct {
		OnChain bool `json:"on_chain"`
	}
	if err := ask.Question(ctx, im.c, "block", map[string]string{"hash": im.last}, &block); err != nil {
		return err
	}
	switch {
	case !block.OnChain:
		why := "this node's chain has more work"
		if after.Final != nil {
			why = "the builders prefer this node's chain, or it has more work"
		}
		_, err = fmt.Fprintf(w, "the file's last block is not on the chain: %s. It is kept beside it, and its transactions are not in the pool\n", why)
	case after.Tip == before.Tip:
		_, err = fmt.Fprintln(w, "nothing was new")
	}
	return err
}

// moves are the blocks that joined and left a chain, and what became of transactions.
type moves struct {
	c                       *client.Client
	tip                     ledger.Hash // where to stop
	in, out                 int         // blocks
	inTxs, both, back, wait int         // transactions
	clashed                 int
	clashes                 []string // the first of them
}

// follow reads the events from the tip before to the one after.
func (m *moves) follow(ctx context.Context, events *client.Client, before *api.Info) error {
	after := api.Place{Height: int64(before.Blocks) - 1}
	if before.Blocks > 0 {
		after.Hash = &before.Tip
	}
	list, err := events.Subscribe(ctx, api.Subscription{Events: []string{"block"}, After: &after})
	if err != nil {
		return err
	}
	for e := range list {
		var b api.BlockEvent
		if err := json.Unmarshal(e.Data, &b); err != nil {
			return err
		}
		if b.Change == "in" {
			m.in++
			m.inTxs += b.Block.Count
		} else {
			m.out++
			if err := m.outBlock(ctx, b.Block.Hash); err != nil {
				return err
			}
		}
		if last := b.Last(); last.Hash != nil && *last.Hash == m.tip {
			return nil
		}
	}
	return events.Err()
}

// outBlock counts the transactions of a block that left the chain.
func (m *moves) outBlock(ctx context.Context, hash ledger.Hash) error {
	var reply api.BlockReply
	var b api.Block
	err := ask.Question(ctx, m.c, "block", map[string]ledger.Hash{"hash": hash}, &reply)
	if err == nil {
		err = json.Unmarshal(reply.Block, &b)
	}
	for i := 0; err == nil && i < len(b.Items); i++ {
		err = m.left(ctx, &b.Items[i])
	}
	return err
}

// left counts a transaction of a block that left the chain.
func (m *moves) left(ctx context.Context, tx *api.Tx) error {
	var r api.Receipt
	err := ask.Question(ctx, m.c, "tx", map[string]any{"id": tx.ID, "sender": tx.Sender}, &r)
	if err != nil {
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
	if m.out > 0 {
		text += fmt.Sprintf("moved: %s left the chain. Of their transactions %d are in the new blocks, too, %d are in the pool again, and %d there cannot be paid now\n",
			term.Count(m.out, "block"), m.both, m.back, m.wait)
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
