package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

func newBlocksCmd() *cobra.Command {
	var a ask
	var start int64
	var limit int
	cmd := &cobra.Command{
		Use:     "blocks",
		Short:   "List blocks of the chain, the last ones unless told otherwise",
		GroupID: groupAsk,
		Args:    noArgs,
		Example: `  foxchain blocks                       the last 20
  foxchain blocks --start 0 --limit 0   all from the first one on
  foxchain blocks --start -1 --json     the last one, as JSON`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit is %d: must be a number of blocks, or 0 for all", limit)
			}
			return a.withNode(cmd, func(ctx context.Context, c *client.Client) error {
				return a.printBlocks(ctx, cmd.OutOrStdout(), c, start, limit)
			})
		},
	}
	a.addFlags(cmd.Flags())
	cmd.Flags().Int64Var(&start, "start", -20, "height to begin with; negative: so many before the end")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many; 0: all")
	return cmd
}

// printBlocks prints page by page, so that a long chain needs little memory. A
// table's columns are aligned within a page.
func (a *ask) printBlocks(ctx context.Context, w io.Writer, c *client.Client, start int64, limit int) error {
	printed := 0
	for {
		args := map[string]int64{"start": start}
		if limit > 0 {
			args["limit"] = int64(limit - printed)
		}
		var page struct {
			Blocks []jsontext.Value `json:"blocks"`
			Next   *int64           `json:"next"`
		}
		if err := question(ctx, c, "blocks", args, &page); err != nil {
			return err
		}
		if err := a.printBlockPage(w, page.Blocks); err != nil {
			return err
		}
		printed += len(page.Blocks)
		switch {
		case printed == 0 && !a.json:
			_, err := fmt.Fprintln(w, "No blocks there.")
			return err
		case page.Next == nil || len(page.Blocks) == 0:
			return nil
		case limit > 0 && printed >= limit:
			if a.json {
				return nil
			}
			_, err := fmt.Fprintf(w, "More: foxchain blocks --start %d\n", *page.Next)
			return err
		}
		start = *page.Next
	}
}

func (a *ask) printBlockPage(w io.Writer, blocks []jsontext.Value) error {
	if a.json {
		return printJSONs(w, blocks)
	}
	if len(blocks) == 0 {
		return nil
	}
	t := a.table(">HEIGHT", "HASH", ">TXS", ">AGE", "BUILDER")
	if err := each(blocks, func(b api.Block) error {
		t.add(b.Height, a.inkedHash(b.Hash.String()), len(b.Items), styled{since(unixMillis(b.Time)), dim}, a.inkedHash(b.Builder.String()))
		return nil
	}); err != nil {
		return err
	}
	return t.writeTo(w)
}

func newBlockCmd() *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:     "block HEIGHT|HASH",
		Short:   "Show one block and its transactions",
		GroupID: groupAsk,
		Args:    nArgs(1, 1, "a height (0 is the first block, -1 the last) or a hash of 64 hex digits"),
		Example: `  foxchain block 0
  foxchain block -1                               the last one
  foxchain block 17 --json
  foxchain block 00005a0f6bb1c0a5b7be04ae3e9fbe94a4b1a51ae6f2f4a44e1b1b4a1f1f2f3c`,
		RunE: func(cmd *cobra.Command, args []string) error {
			which, err := blockArgs(args[0])
			if err != nil {
				return usagef("%w", err)
			}
			return a.withNode(cmd, func(ctx context.Context, c *client.Client) error {
				var response api.BlockReply
				if err := question(ctx, c, "block", which, &response); err != nil {
					return err
				}
				return a.printBlock(cmd.OutOrStdout(), response)
			})
		},
	}
	a.addFlags(cmd.Flags())
	return cmd
}

// heightLast moves a negative height of the command block to the end, behind
// the "--" that keeps it from being read as flags.
func heightLast(args []string) []string {
	isHeight := func(arg string) bool {
		height, err := strconv.ParseInt(arg, 10, 64)
		return err == nil && height < 0
	}
	at := slices.IndexFunc(args, isHeight)
	if len(args) == 0 || args[0] != "block" || at < 0 || slices.Contains(args, "--") {
		return args
	}
	return append(slices.Delete(slices.Clone(args), at, at+1), "--", args[at])
}

func blockArgs(text string) (map[string]any, error) {
	if height, err := strconv.ParseInt(text, 10, 54); err == nil {
		return map[string]any{"height": height}, nil
	}
	hash, err := ledger.ParseHash(text)
	if err != nil {
		return nil, fmt.Errorf("%q is neither a height nor a whole hash of 64 hex digits (foxchain blocks --full shows them whole)", text)
	}
	return map[string]any{"hash": hash.String()}, nil
}

func (a *ask) printBlock(w io.Writer, r api.BlockReply) error {
	if a.json {
		return printJSON(w, r.Block)
	}
	return each([]jsontext.Value{r.Block}, func(b api.Block) error {
		parent := styled{"none: this is the first block", plain}
		if b.PrevHash != nil {
			parent = styled{*b.PrevHash, hashStyle(b.PrevHash.String())}
		}
		facts := a.facts()
		facts.add("block", b.Height)
		facts.add("hash", styled{b.Hash, hashStyle(b.Hash.String())})
		facts.add("parent", parent)
		facts.add("root", b.Root)
		facts.add("built", fmt.Sprintf("%s (%s, by the builder's clock)", unixMillis(b.Time).Format(time.RFC3339), sinceAgo(unixMillis(b.Time))))
		facts.add("builder", styled{b.Builder, hashStyle(b.Builder.String())})
		facts.add("work", fmt.Sprintf("%d bits, nonce %s", b.Bits, b.Nonce))
		if r.OnChain {
			facts.add("confirmations", r.Confirmations)
		} else {
			facts.add("confirmations", styled{"none: it is on a side branch, another block has its place in the chain", yellow})
		}
		if err := facts.writeTo(w); err != nil {
			return err
		}
		t := a.table("ID", "FROM", "TO", ">AMOUNT")
		for _, tx := range b.Items {
			t.add(tx.ID, a.account(tx.Sender), a.account(tx.Receiver), tx.Amount)
		}
		_, err := fmt.Fprintf(w, "\n%s\n", count(len(b.Items), "transaction"))
		if err != nil {
			return err
		}
		return t.writeTo(w)
	})
}
