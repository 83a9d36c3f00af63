package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/durable"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewExportCmd returns the command export.
func NewExportCmd() *cobra.Command {
	var a ask.Flags
	var file, since string
	cmd := &cobra.Command{
		Use:     "export [--since HEIGHT|HASH] [-o FILE]",
		Short:   "Write the chain of a running node as JSON, one block a line",
		GroupID: term.GroupFiles,
		Args:    term.NoArgs,
		Long: `Write the chain of a running node as JSON lines, one block a line, the first block
first. Each line holds all that is needed to check the block again. After the blocks
come the builders' certificates and the proofs that one voted twice, where the network
has finality, and at the end the transactions that are in no block yet.

--since writes a part of the chain, to carry it to another network. A height is that of
the first block to write, counted from the end if it is negative. A hash is that of the
last block that the other side has, as foxchain info shows it there. To read the file
into a node: foxchain import.`,
		Example: `  foxchain export -o chain.jsonl
  foxchain export --since 1200 -o stick.jsonl
  foxchain export -r 9000.db | gzip > chain.jsonl.gz`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				e, err := exportSince(ctx, c, since)
				if err != nil {
					return err
				}
				if file == "" {
					return e.write(ctx, cmd.OutOrStdout())
				}
				return e.toFile(ctx, file, cmd.ErrOrStderr())
			})
		},
	}
	a.AddNodeFlags(cmd.Flags())
	cmd.Flags().StringVarP(&file, "out", "o", "", "`file` to write to; it must not exist (default standard output)")
	cmd.Flags().StringVar(&since, "since", "", "first `height` to write, or the hash of the block below it (default all)")
	return cmd
}

// An export writes the blocks of a node from a height on.
type export struct {
	c     *client.Client
	start int64
	last  *string // hash of the block that was written last, or is below the first; nil: not known
	n     int     // blocks so far
}

// exportSince returns the export that begins at --since.
func exportSince(ctx context.Context, c *client.Client, since string) (*export, error) {
	if since == "" {
		return &export{c: c}, nil
	}
	if height, err := strconv.ParseInt(since, 10, 54); err == nil && len(since) < 2*len(ledger.Hash{}) {
		return &export{c: c, start: height}, nil
	}
	var below api.BlockReplyOf[api.Header]
	hash, err := ledger.ParseHash(since)
	if err != nil {
		return nil, term.Usagef("--since is %q: must be a height, or a hash of 64 hex digits", since)
	}
	err = c.Get(ctx, "block", map[string]ledger.Hash{"hash": hash}, &below)
	if err == nil && !below.OnChain {
		err = fmt.Errorf("the block %s is on another branch than this node's chain", hash.Short())
	}
	if err != nil {
		return nil, term.Hint(err, "The two networks parted below that block: give a height from before they did, or leave --since out")
	}
	return &export{c: c, start: int64(below.Block.Height) + 1, last: new(hash.String())}, nil
}

func (e *export) toFile(ctx context.Context, file string, log io.Writer) error {
	err := durable.Create(file, 0o644, func(w io.Writer) (err error) { return e.write(ctx, w) })
	if err != nil {
		return fmt.Errorf("write the chain: %w", err)
	}
	_, err = fmt.Fprintln(log, term.Count(e.n, "block"))
	return err
}

// write writes all blocks, the certificates, and the pool. It fails if there is a reorg
// meanwhile, because the blocks would not be one chain, or would not begin above --since. It
// asks for the certificates and the pool first: what they make final is then among the
// blocks, and what leaves the pool for a block is in the file, however fast the chain grows.
func (e *export) write(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	info, err := e.c.Info(ctx)
	if err != nil {
		return err
	}
	var certs, pool bytes.Buffer
	if info.Voting != nil { // the network has finality
		if err := exportCertificates(ctx, e.c, &certs); err != nil {
			return err
		}
	}
	if err := exportPool(ctx, e.c, &pool); err != nil {
		return err
	}
	if err := e.blocks(ctx, out); err != nil {
		return err
	}
	_, err = io.Copy(out, io.MultiReader(&certs, &pool))
	return errors.Join(err, out.Flush())
}

func (e *export) blocks(ctx context.Context, out io.Writer) error {
	request := map[string]any{"start": e.start}
	for {
		var page api.BlocksOf[jsontext.Value]
		if err := e.c.Get(ctx, "blocks", request, &page); err != nil {
			return err
		}
		for _, b := range page.Blocks {
			var link struct {
				Hash *string `json:"hash"`
				Prev *string `json:"prev_hash"`
			}
			if err := json.Unmarshal(b, &link); err != nil {
				return err
			}
			if e.last != nil && (link.Prev == nil || *link.Prev != *e.last) {
				return errors.New("the chain changed while it was written: run the export again")
			}
			e.last = link.Hash
			if err := term.PrintJSON(out, b); err != nil {
				return err
			}
			e.n++
		}
		if page.Next == nil {
			return nil
		}
		request["start"] = *page.Next
	}
}

// exportCertificates writes the certificates and the evidence, a page on a line.
func exportCertificates(ctx context.Context, c *client.Client, out io.Writer) error {
	request := map[string]any{}
	for {
		var page jsontext.Value
		var more api.Certificates
		err := c.Get(ctx, "certificates", request, &page)
		if err == nil {
			err = json.Unmarshal(page, &more)
		}
		if err == nil {
			err = term.PrintJSON(out, page)
		}
		if err != nil || more.Next == nil {
			return err
		}
		request["start"] = *more.Next
	}
}

// exportPool writes the transactions that are in no block, some on a line.
func exportPool(ctx context.Context, c *client.Client, out io.Writer) error {
	request := map[string]any{}
	for {
		var page api.PoolOf[jsontext.Value]
		if err := c.Get(ctx, "pool", request, &page); err != nil {
			return err
		}
		if len(page.Pool) > 0 {
			if err := term.PrintJSON(out, api.PoolOf[jsontext.Value]{Pool: page.Pool}); err != nil {
				return err
			}
		}
		if page.Next == nil {
			return nil
		}
		request["start"] = *page.Next
	}
}
