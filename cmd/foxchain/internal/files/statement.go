package files

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewStatementCmd returns the command statement.
func NewStatementCmd() *cobra.Command {
	s := &statement{balance: new(big.Int), end: 1 << 53}
	var from, to string
	cmd := &cobra.Command{
		Use:     "statement ACCOUNT [--from DATE|HEIGHT] [--to DATE|HEIGHT] [--csv]",
		Short:   "Print all transactions of an account with the balance after each",
		GroupID: term.GroupAsk,
		Args:    term.NArgs(1, 1, `an account's UUID, your name of it, or the word "issuer"`),
		Long: `Print the transactions of an account in the order of the chain, the balance after
each, and the balance before the first and after the last. Transactions in the pool
are not in it.

A period covers whole blocks, so each opening balance is the closing balance of the
period before. --from and --to are heights, or dates of this machine's time zone:
2026-11-29, or 2026-11-29T10:00:00Z. A date stands for the first block that was built
then, by the clock of its builder, and --to for all of its day. The date of a line is
when a node accepted the transaction.

--csv writes a table for spreadsheets (RFC 4180, UTF-8), with your names in a column of
their own. An issuer has no balance. Its column is what it redeemed less what it
minted: with one issuer, the amount in circulation, negated.`,
		Example: `  foxchain statement ada
  foxchain statement ada --from 2026-11-01 --to 2026-11-30 --csv > november.csv
  foxchain statement issuer --from 100`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.WithNode(cmd, func(ctx context.Context, c *client.Client) (err error) {
				dir, _ := cmd.Flags().GetString("dir")
				if s.spool, err = makeSpool(os.TempDir(), dir, "."); err != nil {
					return err
				}
				err = s.make(ctx, c, args[0], from, to)
				if err == nil {
					err = s.print(cmd.OutOrStdout())
				}
				return errors.Join(err, s.spool.Close(), os.Remove(s.spool.Name()))
			})
		},
	}
	s.AddNodeFlags(cmd.Flags())
	s.AddNamesFlag(cmd.Flags())
	cmd.Flags().StringVar(&from, "from", "", "first `date or height` of the period (default the first block)")
	cmd.Flags().StringVar(&to, "to", "", "last `date or height` of the period (default the last block)")
	cmd.Flags().BoolVar(&s.csv, "csv", false, "write a table for spreadsheets")
	node.WithoutEnv(cmd.Flags(), "from")
	node.WithoutEnv(cmd.Flags(), "to")
	return cmd
}

// make reads the lines of an account in a period.
func (s *statement) make(ctx context.Context, c *client.Client, account, from, to string) (err error) {
	request := map[string]any{"account": account}
	if !term.IsShort(account) {
		if request["account"], err = s.Resolve(ctx, c, account); err != nil {
			return term.Usagef("%w", err)
		}
	}
	if from != "" {
		if s.start, err = bound(ctx, c, from, false); err != nil {
			return badBound("from", from, err)
		}
	}
	if to != "" {
		if s.end, err = bound(ctx, c, to, true); err != nil {
			return badBound("to", to, err)
		}
	}
	return s.read(ctx, c, request)
}

// makeSpool makes a file in the first directory that takes one: a container may have no
// /tmp, and nothing that its user may write but the node's directory.
func makeSpool(dirs ...string) (f *os.File, err error) {
	for _, dir := range dirs {
		if f, err = os.CreateTemp(dir, "foxchain-statement-*"); err == nil {
			return f, nil
		}
	}
	return nil, term.Hint(fmt.Errorf("make a file for the lines of the statement: %w", err), "Set TMPDIR to a directory that this user may write")
}

func badBound(flag, text string, err error) error {
	var answer *client.ReplyError
	if errors.As(err, &answer) || errors.Is(err, client.ErrEnded) {
		return err
	}
	return term.Usagef("--%s is %q: %w", flag, text, err)
}

// bound returns the height where a period begins, or behind which it ends.
func bound(ctx context.Context, c *client.Client, text string, last bool) (uint64, error) {
	if height, err := strconv.ParseUint(text, 10, 53); err == nil {
		if last {
			height++
		}
		return height, nil
	}
	at, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err == nil && last {
		at = at.AddDate(0, 0, 1)
	}
	if err != nil {
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return 0, errors.New("must be a height, or a date such as 2026-11-29 or 2026-11-29T10:00:00Z")
		}
		if last {
			at = at.Add(time.Second)
		}
	}
	in, err := c.Info(ctx)
	if err != nil {
		return 0, err
	}
	found := sort.Search(int(in.Blocks), func(height int) bool {
		var page api.Blocks
		if err == nil {
			err = c.Get(ctx, "blocks", map[string]any{"start": height, "limit": 1, "items": false}, &page)
		}
		return err != nil || len(page.Blocks) == 0 || int64(page.Blocks[0].Time) >= at.UnixMilli()
	})
	return uint64(found), err
}

// A statement is read from the newest line down and printed from the oldest up. Its
// pages, of at most 10,000 lines, wait in a file, so that memory does not grow with them.
type statement struct {
	ask.Flags
	csv        bool
	start, end uint64 // heights of the period, end is behind it
	holding    api.Holding
	blocks     uint64 // of the chain when the statement was made
	final      *uint64

	balance         *big.Int // behind the line that is read next, at last the opening one
	closing         string   // empty until the period is reached
	lines, notFinal int
	spool           *os.File
	ends            []int64 // of the pages in spool, newest first
}

func (s *statement) read(ctx context.Context, c *client.Client, request map[string]any) error {
	for {
		var page api.Statement
		if err := c.Get(ctx, "statement", request, &page); err != nil {
			if s.blocks > 0 {
				err = term.Hint(err, "A reorg may have changed the chain while the statement was read: run the command again")
			}
			return err
		}
		if s.blocks == 0 {
			s.holding, s.blocks, s.final = page.Holding, page.Blocks, page.Final
			s.balance = page.Held()
			request["account"] = page.Account
		}
		more, err := s.take(page.Lines)
		if err != nil {
			return err
		}
		if !more || page.Next == nil {
			if s.closing == "" {
				s.closing = s.balance.String()
			}
			if page.Next == nil && more && s.balance.Sign() != 0 {
				return fmt.Errorf("the transactions do not add up to the balance, %s are missing: check the node's ledger with foxchain verify", s.balance)
			}
			return nil
		}
		request["from"] = page.Next
	}
}

// take writes the lines of a page that are in the period into the spool, the oldest first.
// It returns false when the period began above the last of them.
func (s *statement) take(lines []api.StatementLine) (more bool, err error) {
	var shown [][]string
	more = true
	for i := range lines {
		l := &lines[i]
		if l.Height < s.start {
			more = false
			break
		}
		if l.Height < s.end {
			if s.closing == "" {
				s.closing = s.balance.String()
			}
			if s.final != nil && l.Height > *s.final {
				s.notFinal++
			}
			s.lines++
			shown = append(shown, s.row(l))
		}
		api.Undo(s.balance, l.Direction, l.Amount)
	}
	slices.Reverse(shown)
	var b bytes.Buffer
	if err := s.write(&b, shown); err != nil {
		return false, err
	}
	if _, err := s.spool.Write(b.Bytes()); err != nil {
		return false, fmt.Errorf("keep the lines of the statement: %w", err)
	}
	var before int64
	if len(s.ends) > 0 {
		before = s.ends[len(s.ends)-1]
	}
	s.ends = append(s.ends, before+int64(b.Len()))
	return more, nil
}

// row returns the cells of a line of the statement.
func (s *statement) row(l *api.StatementLine) []string {
	amount := strconv.FormatUint(l.Amount, 10)
	in, out := "", ""
	if l.Direction != "out" {
		in = amount
	}
	if l.Direction != "in" {
		out = amount
	}
	at := time.UnixMicro(int64(l.T * 1e6)).Format(time.DateTime)
	return []string{at, strconv.FormatUint(l.Height, 10), l.Direction, in, out, s.balance.String(), l.With.String(), s.Names.Of(l.With), l.ID.String()}
}

// write writes rows, as CSV or in columns.
func (s *statement) write(w io.Writer, rows [][]string) error {
	if !s.csv {
		for _, r := range rows {
			with := r[7]
			if with == "" {
				with = s.Called(uuid.MustParse(r[6]))
			}
			_, err := fmt.Fprintf(w, "%s\n", strings.TrimRight(fmt.Sprintf("%-19s  %9s  %16s  %16s  %20s  %-36s  %s", r[0], r[1], r[3], r[4], r[5], r[8], term.OneLine(with)), " "))
			if err != nil {
				return err
			}
		}
		return nil
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	return out.WriteAll(rows) // a name begins with a letter, so that no spreadsheet takes it for a formula
}

// print prints the whole statement from the spool.
func (s *statement) print(w io.Writer) error {
	held := "balance"
	if s.holding.Balance == nil { // an issuer has none
		held = "redeemed less minted"
	}
	columns := [][]string{{"date", "block", "what", "in", "out", held, "account", "name", "transaction"}}
	total := func(what, balance string) [][]string {
		return [][]string{{"", "", what, "", "", balance, "", "", ""}}
	}
	if s.csv {
		if err := s.write(w, append(columns, total("opening "+held, s.balance.String())...)); err != nil {
			return err
		}
		if err := s.replay(w); err != nil {
			return err
		}
		return s.write(w, total("closing "+held, s.closing))
	}
	f := term.NewFacts()
	id := s.holding.Account
	if account, err := ask.NamedAccount(s.Names, id); err == nil {
		id = s.Whole(account)
	}
	f.Add("account", id)
	f.Add("blocks", s.period())
	f.Add("opening "+held, s.balance)
	f.Add("closing "+held, s.closing)
	if err := f.Print(w); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\n%-19s  %9s  %16s  %16s  %20s  %-36s  %s\n", "DATE", "BLOCK", "IN", "OUT", strings.ToUpper(held), "TRANSACTION", "WITH"); err != nil {
		return err
	}
	if err := s.replay(w); err != nil {
		return err
	}
	text := term.Count(s.lines, "transaction")
	if s.notFinal > 0 {
		text += fmt.Sprintf(", of which %d are not final yet and may still be taken back", s.notFinal)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", text)
	return err
}

func (s *statement) period() string {
	end := min(s.end, s.blocks)
	switch {
	case end <= s.start:
		return fmt.Sprintf("none of %d are in the period", s.blocks)
	case end == s.blocks:
		return fmt.Sprintf("%d to %d, the last one", s.start, end-1)
	}
	return fmt.Sprintf("%d to %d of %d", s.start, end-1, s.blocks)
}

// replay copies the pages of the spool, the oldest first.
func (s *statement) replay(w io.Writer) error {
	for i, end := range slices.Backward(s.ends) {
		var begin int64
		if i > 0 {
			begin = s.ends[i-1]
		}
		if _, err := io.Copy(w, io.NewSectionReader(s.spool, begin, end-begin)); err != nil {
			return err
		}
	}
	return nil
}
