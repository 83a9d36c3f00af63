package pay

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/durable"
)

// A keyMaker holds the flags of keygen.
type keyMaker struct {
	file, dir               string
	asJSON, ofNode, protect bool
	pass                    passphraseFlags
}

// NewKeygenCmd returns the command keygen.
func NewKeygenCmd(env node.LookupEnv) *cobra.Command {
	var k keyMaker
	cmd := &cobra.Command{
		Use:     "keygen -o FILE | --node",
		Short:   "Make a key, for an account that only you can send from, or for a node",
		GroupID: term.GroupPay,
		Args: func(cmd *cobra.Command, args []string) error {
			if k.protect && len(args) > 0 {
				return passphraseGiven()
			}
			return term.NoArgs(cmd, args)
		},
		Long: `Make an Ed25519 key. The file is PKCS#8 in PEM, readable by you only.

The key makes an account. Its UUID is derived from the public key, and only
transactions that the key signed can spend from it. A lost key cannot be
recovered.

With --passphrase the file is encrypted with age (https://age-encryption.org), and every
use of the key asks for the passphrase. A lost passphrase cannot be recovered either.
A script gives it in a file (--passphrase-file) or in the variable FOXCHAIN_PASSPHRASE.

With --node it is the key of a node, made in its data directory before the node
runs for the first time. A network's file can name it as a builder. It has no
passphrase, since a node starts when nobody is there to type it.`,
		Example: `  foxchain keygen -o me.pem                                    prints its ACCOUNT
  foxchain keygen -o me.key --passphrase                       the same, with a passphrase
  foxchain send --from issuer --to ACCOUNT --amount 100        so that it has something to spend
  foxchain send --key me.pem --to 00000000-0000-0000-0000-000000000003 --amount 5
  foxchain keygen --node -r 9000.db                            prints the node's key`,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.run(cmd) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if bad := (*pflag.InvalidValueError)(nil); errors.As(err, &bad) && bad.GetFlag().Name == "passphrase" {
			return passphraseGiven()
		}
		return term.Usagef("%w", node.FlagError(err))
	})
	cmd.Flags().StringVarP(&k.file, "out", "o", "", "`file` for the key; it must not exist")
	cmd.Flags().BoolVar(&k.protect, "passphrase", false, "protect the key with a passphrase, which is asked for twice")
	node.WithoutEnv(cmd.Flags(), "passphrase") // whose variable has the passphrase itself
	k.pass.add(cmd.Flags(), env)
	cmd.Flags().BoolVar(&k.ofNode, "node", false, "make or print the key of a node in its data directory")
	node.WithoutEnv(cmd.Flags(), "node")
	cmd.Flags().StringVarP(&k.dir, "dir", "r", "9000.db", "data `directory` of the node, for --node")
	cmd.Flags().BoolVar(&k.asJSON, "json", false, "print JSON")
	return cmd
}

func (k *keyMaker) run(cmd *cobra.Command) error {
	switch {
	case k.ofNode && k.file != "":
		return term.Usagef("-o and --node cannot go together: the key of a node is in its data directory, -r")
	case k.ofNode && (k.protect || node.HowGiven(cmd.Flags(), "passphrase-file") == node.ByFlag):
		return term.Usagef("a passphrase and --node cannot go together: a node starts when nobody is there to type it")
	case k.ofNode:
		return nodeKey(cmd, k.dir, k.asJSON)
	case node.HowGiven(cmd.Flags(), "dir") == node.ByFlag:
		return term.Usagef("-r is for --node: the key of an account is in a file of its own, -o")
	case k.file == "":
		return term.Usagef("keygen needs -o FILE, the file for the key, or --node")
	}
	passphrase, err := k.pass.given()
	if err == nil && passphrase == "" && k.protect {
		passphrase, err = choosePassphrase(cmd)
	}
	if err != nil {
		return err
	}
	pub, err := generateKeyFile(k.file, passphrase)
	if err != nil {
		return err
	}
	account, advice := ledger.AccountOf(pub), "keep it secret, and keep a copy"
	if passphrase != "" {
		advice = "it has a passphrase; keep a copy of both"
	}
	if k.asJSON {
		err = term.PrintJSON(cmd.OutOrStdout(), map[string]string{"file": k.file, "account": account.String(), "public_key": pub.String()})
	} else {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "key         %s (%s)\naccount     %s\npublic key  %s\n", term.Clean(k.file), advice, account, pub)
	}
	return term.Hint(err, "The key was made all the same, for the account %s, and is in %s: keep it secret", account, term.OneLine(k.file))
}

// passphraseGiven is the error of a passphrase among the arguments, which it does not repeat.
func passphraseGiven() error {
	return term.Usagef("--passphrase takes no passphrase: it is asked for, since everybody on this machine can read the arguments of a program, and a shell keeps them. Choose another one")
}

func generateKeyFile(file, passphrase string) (pub ledger.PublicKey, err error) {
	key := node.NewKey()
	text, err := node.EncodeKey(key, passphrase)
	if err != nil {
		return pub, err
	}
	return node.PublicKey(key), node.KeyFileError(file, durable.Create(file, 0o600, durable.Content(text)))
}

// nodeKey prints the key of the node of a data directory, and makes it the first time.
func nodeKey(cmd *cobra.Command, dir string, asJSON bool) error {
	d, err := node.OpenDataDir(dir)
	if err != nil {
		return err
	}
	key, notice, err := d.NodeKey()
	if err != nil {
		return err
	}
	if notice != "" {
		cmd.PrintErrln(term.Clean(notice))
	}
	if asJSON {
		return term.PrintJSON(cmd.OutOrStdout(), map[string]string{"dir": d.Path, "node_key": key.String()})
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), `node key  %s
next      name it under "builders" in the network's file, then: foxchain node -r %s --network FILE.json
`, key, term.OneLine(term.ShellWord(dir)))
	return err
}
