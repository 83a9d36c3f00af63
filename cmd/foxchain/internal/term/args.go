package term

import (
	"strings"

	"github.com/spf13/cobra"
)

// The groups in which a help text lists the commands.
const (
	GroupRun   = "run"
	GroupAsk   = "ask"
	GroupPay   = "pay"
	GroupSetup = "setup"
	GroupFiles = "files"
	GroupTools = "tools"
)

// NArgs checks the number of arguments. Its errors name what is expected.
func NArgs(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && least > 0 {
			return Usagef("%s needs %s", Name(cmd), what)
		}
		if len(args) < least || len(args) > most {
			return Usagef("%s takes %s, not %s", Name(cmd), what, Count(len(args), "argument"))
		}
		return nil
	}
}

// NoArgs refuses arguments.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("%s takes no arguments, only flags, not %s", Name(cmd), strings.Join(args, " "))
	}
	return nil
}

// Commands refuses what is none of the commands below another one.
func Commands(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return Usagef("%s takes %s, not %s", Name(cmd), what, args[0])
		}
		return nil
	}
}

// CheckID refuses what cannot be the ID of a transaction, whole or its first digits.
func CheckID(text string) error {
	if !IsShort(text) {
		return Usagef("the ID %q must be a UUID as 8-4-4-4-12 hex digits, of which the first ones are enough, %d or more", text, MinShort)
	}
	return nil
}

// Name returns the words of a command behind the program's name.
func Name(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}
