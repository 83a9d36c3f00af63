package ask

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewBlocksCmd returns the command blocks.
func NewBlocksCmd() *cobra.Command {
	var a Flags
	var start int64
	var limit int
	cmd := a.asks(&cobra.Command{
		Use:   "blocks",
		Short: "List blocks of the chain, by default the last 20",
		Args:  term.NoArgs,
		Example: `  foxchain blocks                       the last 20
  foxchain blocks --start 0 --limit 0   all from the first on
  foxchain blocks --start -1 --json     the last one, as JSON`,
		PreRunE: func(*cobra.Command, []string) error {
			if limit < 0 {
				return term.Usagef("--limit is %d: must be a number of blocks, or 0 for all", limit)
			}
			return nil
		},
	}, func(ctx context.Context, w io.Writer, c *client.Client, _ []string) error {
		a.learnBuilders(ctx, c)
		return printBlocks(ctx, &a, w, c, start, limit)
	})
	cmd.Flags().Int64Var(&start, "start", -20, "height of the first block; negative: counted from the end")
	node.WithoutEnv(cmd.Flags(), "start")
	cmd.Flags().IntVar(&limit, "limit", 100, "most to list; 0: all")
	return cmd
}

// printBlocks prints page by page, so that a long chain needs little memory. Columns
// are aligned within a page.
func printBlocks(ctx context.Context, a *Flags, w io.Writer, c *client.Client, start int64, limit int) error {
	printed := 0
	for {
		args := map[string]int64{"start": start}
		if limit > 0 {
			args["limit"] = int64(limit - printed)
		}
		var page struct {
			api.BlocksOf[jsontext.Value]
			Final jsontext.Value `json:"final"` // the last one's height, or null; nil: the network has no finality
		}
		if err := c.Get(ctx, "blocks", args, &page); err != nil {
			return err
		}
		columns := []string{">HEIGHT", "HASH", ">TXS", ">AGE", "BUILDER"}
		line := int64(-1)
		if page.Final != nil {
			columns = append(columns, "FINAL")
			if err := markFinal(page.Blocks, page.Final, &line); err != nil {
				return err
			}
		}
		t := term.NewTable(columns...)
		if err := printList(a, w, page.Blocks, t, func(b *api.Block) {
			row := []any{b.Height, a.inkedHash(b.Hash.String()), len(b.Items), term.Styled{Value: since(unixMillis(b.Time)), Style: term.Dim}, a.builder(b.Builder)}
			if page.Final != nil {
				row = append(row, finalMark(int64(b.Height) <= line))
			}
			t.Add(row...)
		}); err != nil {
			return err
		}
		printed += len(page.Blocks)
		switch {
		case printed == 0 && !a.JSON:
			_, err := fmt.Fprintln(w, "No blocks at these heights.")
			return err
		case page.Next == nil || len(page.Blocks) == 0:
			return nil
		case limit > 0 && printed >= limit:
			if a.JSON {
				return nil
			}
			_, err := fmt.Fprintf(w, "More: foxchain blocks --start %d%s\n", *page.Next, a.same)
			return err
		}
		start = int64(*page.Next)
	}
}

// markFinal adds to each block whether it is final, and sets line to the height of the last
// one that is.
func markFinal(blocks []jsontext.Value, final jsontext.Value, line *int64) error {
	if final.Kind() == '0' { // not null
		if err := json.Unmarshal(final, line); err != nil {
			return err
		}
	}
	for i, raw := range blocks {
		var b struct {
			Height int64 `json:"height"`
		}
		if err := json.Unmarshal(raw, &b); err != nil {
			return err
		}
		var err error
		if blocks[i], err = withFinal(raw, new(b.Height <= *line), nil); err != nil {
			return err
		}
	}
	return nil
}

// withFinal adds to the JSON of a block what is known of its finality, if anything.
func withFinal(block jsontext.Value, final *bool, by *api.Final) (jsontext.Value, error) {
	more, err := json.Marshal(api.Settled{Final: final, FinalBy: by})
	if err != nil || final == nil {
		return block, err
	}
	return fmt.Appendf(nil, "%s,%s", bytes.TrimSuffix(block, []byte("}")), more[1:]), nil
}

// finalMark is the cell of a block that is final.
func finalMark(is bool) term.Styled {
	if is {
		return term.Styled{Value: "final", Style: term.Green}
	}
	return term.Styled{Value: "not yet", Style: term.Dim}
}

// NewBlockCmd returns the command block.
func NewBlockCmd() *cobra.Command {
	var a Flags
	return a.asks(&cobra.Command{
		Use:   "block HEIGHT|HASH",
		Short: "Show one block and its transactions",
		Args:  term.NArgs(1, 1, "a height (0 is the first block, -1 the last), or a hash or its first digits"),
		Example: `  foxchain block 0
  foxchain block -1                       the last one
  foxchain block 17 --json
  foxchain block 00005a0f6bb1             by its hash, of which some digits are enough`,
		PreRunE: func(_ *cobra.Command, args []string) error {
			if _, err := strconv.ParseInt(args[0], 10, 54); err != nil && !term.IsShort(args[0]) {
				return term.Usagef("%q is neither a height nor a hash of 64 hex digits, of which the first ones are enough, %d or more", args[0], term.MinShort)
			}
			return nil
		},
	}, func(ctx context.Context, w io.Writer, c *client.Client, args []string) error {
		var response api.BlockReplyOf[jsontext.Value]
		if err := c.Get(ctx, "block", map[string]any{"block": args[0]}, &response); err != nil {
			return err
		}
		a.learnBuilders(ctx, c)
		return printBlock(&a, w, response)
	})
}

// HeightLast moves a negative height of the command block to the end, behind a "--",
// so that it is not read as a flag.
func HeightLast(args []string) []string {
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

func printBlock(a *Flags, w io.Writer, r api.BlockReplyOf[jsontext.Value]) error {
	if a.JSON {
		block, err := withFinal(r.Block, r.Final, r.FinalBy)
		if err != nil {
			return err
		}
		return term.PrintJSON(w, block)
	}
	var b api.Block
	if err := json.Unmarshal(r.Block, &b); err != nil {
		return err
	}
	parent := term.Styled{Value: "none: this is the first block", Style: term.Plain}
	if b.PrevHash != nil {
		parent = term.Styled{Value: *b.PrevHash, Style: term.HashStyle(b.PrevHash.String())}
	}
	facts := term.NewFacts()
	facts.Add("block", b.Height)
	facts.Add("hash", term.Styled{Value: b.Hash, Style: term.HashStyle(b.Hash.String())})
	facts.Add("parent", parent)
	facts.Add("root", b.Root)
	facts.Add("built", fmt.Sprintf("%s (%s, by the builder's clock)", unixMillis(b.Time).Format(time.RFC3339), sinceAgo(unixMillis(b.Time))))
	facts.Add("builder", term.Styled{Value: besides(b.Builder.String(), a.builderName(b.Builder)), Style: term.HashStyle(b.Builder.String())})
	facts.Add("work", fmt.Sprintf("%d bits, nonce %s", b.Bits, b.Nonce))
	if r.OnChain {
		facts.Add("confirmations", r.Confirmations)
		facts.Add("final", term.OneLine(a.settledWords(&r.Settled)))
	} else {
		facts.Add("confirmations", term.Styled{Value: "none: it is on a side branch, and another block has its height in the chain", Style: term.Yellow})
	}
	if err := facts.Print(w); err != nil {
		return err
	}
	t := term.NewTable("ID", "FROM", "TO", ">AMOUNT")
	for _, tx := range b.Items {
		t.Add(tx.ID, a.account(tx.Sender), a.account(tx.Receiver), tx.Amount)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", term.Count(len(b.Items), "transaction"))
	if err != nil {
		return err
	}
	return t.Print(w)
}
