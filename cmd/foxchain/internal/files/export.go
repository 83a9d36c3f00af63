package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger/durable"
	"foxchain/rpc/client"
)

// NewExportCmd returns the command export.
func NewExportCmd() *cobra.Command {
	var a ask.Flags
	var file string
	cmd := &cobra.Command{
		Use:     "export [-o FILE]",
		Short:   "Write the chain of a running node as JSON, one block a line",
		GroupID: term.GroupTools,
		Args:    term.NoArgs,
		Long: `Write the chain of a running node as JSON lines, one block a line, the first block
first. Each line holds all that is needed to check the block again. The pool is
not exported. To read the file into a node: foxchain import.`,
		Example: `  foxchain export -o chain.jsonl
  foxchain export -r 9000.db | gzip > chain.jsonl.gz`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				if file == "" {
					_, err := exportTo(ctx, c, cmd.OutOrStdout())
					return err
				}
				return exportFile(ctx, c, file, cmd.ErrOrStderr())
			})
		},
	}
	a.AddNodeFlags(cmd.Flags())
	cmd.Flags().StringVarP(&file, "out", "o", "", "file to write to; it must not exist (default standard output)")
	return cmd
}

func exportFile(ctx context.Context, c *client.Client, file string, log io.Writer) error {
	var n int
	err := durable.Create(file, 0o644, func(w io.Writer) (err error) {
		n, err = exportTo(ctx, c, w)
		return err
	})
	if err != nil {
		return fmt.Errorf("write the chain: %w", err)
	}
	_, err = fmt.Fprintln(log, term.Count(n, "block"))
	return err
}

// exportTo writes all blocks. It fails if there is a reorg meanwhile, because the
// blocks would not be one chain.
func exportTo(ctx context.Context, c *client.Client, w io.Writer) (n int, err error) {
	out := bufio.NewWriterSize(w, 1<<20)
	var last *string
	for next := new(uint64); next != nil; {
		var page struct {
			Blocks []jsontext.Value `json:"blocks"`
			Next   *uint64          `json:"next"`
		}
		if err := ask.Question(ctx, c, "blocks", map[string]any{"start": *next}, &page); err != nil {
			return n, err
		}
		for _, b := range page.Blocks {
			var link struct {
				Hash *string `json:"hash"`
				Prev *string `json:"prev_hash"`
			}
			if err := json.Unmarshal(b, &link); err != nil {
				return n, err
			}
			if n > 0 && (link.Prev == nil || last == nil || *link.Prev != *last) {
				return n, errors.New("the chain changed while it was written: run the export again")
			}
			last = link.Hash
			if err := ask.PrintJSON(out, b); err != nil {
				return n, err
			}
			n++
		}
		next = page.Next
	}
	return n, out.Flush()
}
