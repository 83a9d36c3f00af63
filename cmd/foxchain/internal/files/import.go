package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/client"
)

const (
	importBlocks = 100
	// importLine is the longest line. A full block takes some 4 MB.
	importLine = 12 << 20
)

// NewImportCmd returns the command import.
func NewImportCmd() *cobra.Command {
	var a ask.Flags
	cmd := &cobra.Command{
		Use:     "import FILE",
		Short:   "Give a running node the blocks of an export",
		GroupID: term.GroupTools,
		Args:    term.NArgs(1, 1, `the file of an export, or - for standard input`),
		Long: `Give a running node the blocks of an export, one JSON object a line. The node
checks each block like those of other nodes and skips what it has. Afterwards it
has the better chain of the two, its own or the file's, and announces it to other
nodes. An interrupted import can be run again.`,
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
				live := term.NewLiveLine(cmd.ErrOrStderr())
				n, err := importFrom(ctx, c, in, live)
				if err := errors.Join(err, live.Set("")); err != nil {
					return err
				}
				after, err := c.Info(ctx)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s read; the node's chain had %s and has %d\n", term.Count(n, "block"), term.Count(before.Blocks, "block"), after.Blocks)
				return err
			})
		},
	}
	a.AddNodeFlags(cmd.Flags())
	return cmd
}

func importFrom(ctx context.Context, c *client.Client, in io.Reader, live *term.LiveLine) (n int, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, importLine)
	var batch []jsontext.Value
	size := 0
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := c.MergeBlocks(ctx, batch); err != nil {
			return fmt.Errorf("lines %d to %d: %w", n-len(batch)+1, n, err)
		}
		live.Show("%d blocks", n)
		batch, size = nil, 0
		return nil
	}
	for lines.Scan() {
		line := jsontext.Value(bytes.TrimSpace(lines.Bytes())).Clone()
		if len(line) == 0 {
			continue
		}
		if !line.IsValid() {
			return n, fmt.Errorf("line %d is not JSON: the file is not an export, or it is cut off", n+1)
		}
		if size+len(line) > ask.MaxMessage || len(batch) == importBlocks {
			if err := send(); err != nil {
				return n, err
			}
		}
		batch, size = append(batch, line), size+len(line)
		n++
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return n, fmt.Errorf("line %d is longer than any block: the file is not an export", n+1)
	} else if err != nil {
		return n, fmt.Errorf("read the export: %w", err)
	}
	return n, send()
}
