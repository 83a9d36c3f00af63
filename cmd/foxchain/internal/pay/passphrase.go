package pay

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

// passphraseEnv has a passphrase itself. No flag has one, since everybody on a machine
// can read the flags of a process.
const passphraseEnv = "FOXCHAIN_PASSPHRASE"

// passphraseHelp is for the help of each command that reads a key.
const passphraseHelp = `The passphrase of a key is asked for on the terminal. A script gives it in a file
(--passphrase-file) or in the variable FOXCHAIN_PASSPHRASE.`

// passphraseFlags are where a passphrase comes from.
type passphraseFlags struct {
	file string
	env  node.LookupEnv
}

func (p *passphraseFlags) add(flags *pflag.FlagSet, env node.LookupEnv) {
	p.env = env
	flags.StringVar(&p.file, "passphrase-file", "", "`file` with the key's passphrase, for scripts")
}

// given returns the passphrase of a script, empty if it gives none.
func (p *passphraseFlags) given() (string, error) {
	text, _ := p.env(passphraseEnv)
	from := passphraseEnv
	if p.file != "" {
		from = p.file
		raw, err := node.ReadText(p.file, node.MaxPassphrase+1)
		if err != nil {
			return "", fmt.Errorf("--passphrase-file: %w", err)
		}
		text = strings.TrimSuffix(string(raw), "\n")
	}
	if text == "" && p.file == "" {
		return "", nil
	}
	if err := checkPassphrase(text); err != nil {
		return "", fmt.Errorf("%s: %w", from, err)
	}
	return text, nil
}

func checkPassphrase(text string) error {
	switch {
	case text == "":
		return errors.New("the passphrase is empty")
	case len(text) > node.MaxPassphrase:
		return fmt.Errorf("a passphrase has at most %d bytes", node.MaxPassphrase)
	case strings.Contains(text, "\n"):
		return errors.New("a passphrase is one line")
	}
	return nil
}

// ask returns the passphrase that a script gave, or asks for it.
func (p *passphraseFlags) ask(cmd *cobra.Command) node.Passphrase {
	return func(file string) (string, error) {
		text, err := p.given()
		if text != "" || err != nil {
			return text, err
		}
		text, err = term.AskSecret(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), "Passphrase of "+term.OneLine(file)+": ")
		switch {
		case errors.Is(err, term.ErrNoTerminal):
			return "", term.Hint(fmt.Errorf("%s has a passphrase, and %w", file, err), "Give it with --passphrase-file FILE or in %s", passphraseEnv)
		case err != nil:
			return "", fmt.Errorf("ask for the passphrase of %s: %w", file, err)
		}
		return text, checkPassphrase(text)
	}
}

// choosePassphrase asks twice for the passphrase of a new key.
func choosePassphrase(cmd *cobra.Command) (_ string, err error) {
	var typed [2]string
	for i, question := range []string{"Passphrase for the new key: ", "The same again: "} {
		typed[i], err = term.AskSecret(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), question)
		if errors.Is(err, term.ErrNoTerminal) {
			return "", term.Hint(fmt.Errorf("--passphrase: %w", err), "Give it with --passphrase-file FILE or in %s", passphraseEnv)
		} else if err != nil {
			return "", fmt.Errorf("ask for the passphrase: %w", err)
		}
		if err := checkPassphrase(typed[i]); err != nil {
			return "", err
		}
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passphrases differ, so no key was made: try again")
	}
	return typed[0], nil
}
