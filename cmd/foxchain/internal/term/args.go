package term

import "github.com/spf13/cobra"

// The groups in which a help text lists the commands.
const (
	GroupRun   = "run"
	GroupAsk   = "ask"
	GroupTools = "tools"
)

// NArgs checks the number of arguments. Its errors name what is expected.
func NArgs(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return Usagef("%s takes %s, not %d arguments", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

// NoArgs refuses arguments.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("%s takes no arguments, only flags, not %q", cmd.CommandPath(), args)
	}
	return nil
}
