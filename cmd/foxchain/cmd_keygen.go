package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/durable"
)

func newKeygenCmd() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "keygen -o FILE",
		Short:   "Make a key for an account that only its holder can send from",
		GroupID: groupTools,
		Args:    noArgs,
		Long: `Make an Ed25519 key. The file is PKCS#8 in PEM, readable by you only.

The key makes an account. Its UUID is derived from the public key, and only
transactions that the key signed can spend from it. A lost key cannot be
recovered.`,
		Example: `  foxchain keygen -o me.pem                                    prints its ACCOUNT
  foxchain send --from issuer --to ACCOUNT --amount 100        so that it has something to spend
  foxchain send --key me.pem --to 00000000-0000-0000-0000-000000000003 --amount 5`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return term.Usagef("keygen needs -o FILE, the file for the key")
			}
			pub, err := generateKeyFile(file)
			if err != nil {
				return err
			}
			account := ledger.AccountOf(pub)
			if asJSON {
				line, err := json.Marshal(map[string]string{"file": file, "account": account.String(), "public_key": pub.String()}, json.Deterministic(true))
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", line)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "key         %s (keep it secret, and keep a copy)\naccount     %s\npublic key  %s\n", term.Clean(file), account, pub)
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "out", "o", "", "`file` for the key; it must not exist")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func generateKeyFile(file string) (pub ledger.PublicKey, err error) {
	key, err := node.NewKey()
	if err != nil {
		return pub, err
	}
	text, err := node.EncodeKey(key)
	if err != nil {
		return pub, err
	}
	if err := durable.Create(file, 0o600, durable.Content(text)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return pub, term.Hint(fmt.Errorf("%s exists, and a key is never overwritten", file), "Choose another name with -o, or move the old file away")
		}
		return pub, term.Hint(fmt.Errorf("write the key: %w", err), "Choose another file with -o")
	}
	return node.PublicKey(key), nil
}
