package files

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger/durable"
	"foxchain/rpc/client"
)

// NewBackupCmd returns the command backup.
func NewBackupCmd() *cobra.Command {
	var a ask.Flags
	var file, network string
	var withKey bool
	cmd := &cobra.Command{
		Use:     "backup -o FILE",
		Short:   "Write a backup of a running node, or of a stopped one's directory",
		GroupID: term.GroupFiles,
		Args:    term.NoArgs,
		Long: `Write a backup of a running node: its whole ledger as of one moment, with pool,
receipts, certificates, evidence, address book and the network's file. The node keeps
running. With -r it may also be stopped. A token needs the scope all.

Without --with-key the file has no secret: neither the node's key, nor the tokens of
other nodes in their URLs. A directory restored from it is a new node. With the key it
is the same node again: keep the file as secret as the key, and never run both. A
restored builder does not vote until the others have gone on without it, since it may
have voted after the backup.`,
		Example: `  foxchain backup -r 9000.db -o monday.backup
  foxchain backup -r 9000.db --with-key -o monday.backup`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return term.Usagef("backup needs -o FILE, the file to write")
			}
			dir, _ := cmd.Flags().GetString("dir")
			var key ed25519.PrivateKey
			if withKey {
				if dir == "" {
					return term.Usagef("--with-key needs the node's directory, -r: a node never sends its key")
				}
				var err error
				if key, err = node.ReadKey(filepath.Join(dir, "node.key"), nil); err != nil {
					return err
				}
			}
			write := func(w io.Writer) error { return backupRunning(cmd, &a, w) }
			if node.HowGiven(cmd.Flags(), "dir") > node.HowGiven(cmd.Flags(), "node") && !node.InUse(dir) {
				d, net, err := stoppedLedger(cmd, dir, network)
				if err != nil {
					return err
				}
				write = func(w io.Writer) error { return d.Explain(d.BackupStopped(cmd.Context(), w, net)) }
			}
			return keepBackup(cmd, file, key, write)
		},
	}
	a.AddNodeFlags(cmd.Flags())
	cmd.Flags().StringVarP(&file, "out", "o", "", "`file` to write to; it must not exist")
	cmd.Flags().StringVar(&network, "network", "", "of a stopped node: `name` or file of the network (default the directory's)")
	cmd.Flags().BoolVar(&withKey, "with-key", false, "put the node's secret key and other nodes' tokens into the file, so that a restored node is the same one")
	return cmd
}

func backupRunning(cmd *cobra.Command, a *ask.Flags, w io.Writer) error {
	at, err := a.Endpoint(cmd.Flags())
	if err != nil {
		return err
	}
	from, err := client.Backup(cmd.Context(), at.URL, at.Token)
	if errors.Is(err, client.ErrNoNode) || errors.Is(err, client.ErrRefused) {
		return ask.HintDial(err, at)
	} else if err != nil {
		return err
	}
	_, err = io.Copy(w, from)
	return errors.Join(err, from.Close())
}

// keepBackup copies what write writes into a file, with the checksum.
func keepBackup(cmd *cobra.Command, file string, key ed25519.PrivateKey, write func(io.Writer) error) error {
	var head *node.BackupHead
	err := durable.Create(file, 0o600, func(w io.Writer) (err error) {
		r, pipe := io.Pipe()
		go func() { pipe.CloseWithError(write(pipe)) }() // ends at once when r is closed
		head, err = node.KeepBackup(w, r, key)
		return errors.Join(err, r.CloseWithError(context.Canceled))
	})
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return printHead(cmd.OutOrStdout(), file, head, "")
}

func printHead(w io.Writer, file string, head *node.BackupHead, dir string) error {
	f := term.NewFacts()
	f.Add("backup", file)
	f.Add("made", fmt.Sprintf("%s by foxchain %s", head.Time.Local().Format(time.DateTime), head.Version))
	f.Add("network", head.NetworkID)
	f.Add("blocks", head.Blocks)
	f.Add("tip", head.Tip)
	key := "not in it: a restored directory is a new node"
	if head.SecretKey != "" {
		key = "in it: keep the file as secret as the key, and never run the copy beside the original"
	}
	f.Add("secret key", key)
	if dir != "" {
		f.Add("directory", dir)
	}
	return f.Print(w)
}

// NewRestoreCmd returns the command restore.
func NewRestoreCmd() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "restore FILE -r DIR",
		Short:   "Make a data directory from a backup",
		GroupID: term.GroupFiles,
		Args:    term.NArgs(1, 1, "the file of a backup"),
		Long: `Make the data directory of a node from a backup. The directory must not exist, or be
empty. The checksum of the file, the whole ledger from its first block, and each
signature of the builders are verified before a node can use the directory. A damaged
backup leaves nothing behind. An interrupted restore can be run again.

If the node's secret key is in the backup, the directory is that node again: never run
both. A builder does not vote until the others have gone on without it. If the key is
not in the file, the directory is a new node.`,
		Example: `  foxchain restore monday.backup -r 9000.db && foxchain node -r 9000.db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return term.Usagef("restore needs -r DIR, the directory to make")
			}
			in, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			live := term.NewLiveLine(cmd.ErrOrStderr())
			head, report, err := node.Restore(cmd.Context(), in, dir, func(n, of uint64) { live.Show("block %d of %d verified", n, of) })
			live.Set("")
			if err != nil {
				return term.Hint(term.HintSystem(fmt.Errorf("restore %s: %w", args[0], err)), "To make a backup: foxchain backup -r DIR -o FILE")
			}
			out := cmd.OutOrStdout()
			if err := printHead(out, args[0], head, dir); err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "\nverified: %s, %s, %s, %d in the pool\nnext: foxchain node -r %s --network %s\n",
				term.Count(report.Blocks, "block"), term.Count(report.Txs, "transaction"), term.Count(report.Accounts, "account"), report.Pool,
				term.ShellWord(dir), term.ShellWord(filepath.Join(dir, "network.json")))
			return err
		},
	}
	cmd.Flags().StringVarP(&dir, "dir", "r", "", "data `directory` to make")
	return cmd
}
