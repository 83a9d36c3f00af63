package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/bench"
	"foxchain/cmd/foxchain/internal/term"
)

// complete adds the shells' completion of arguments and of the values of flags.
// Files are completed only where files are read.
func complete(root *cobra.Command) {
	words := map[string][]cobra.Completion{
		"events":     eventKinds(),
		"color":      {string(term.ColorAuto), string(term.ColorAlways), string(term.ColorNever)},
		"log-level":  {"debug", "info", "warn", "error"},
		"log-format": {"text", "json"},
		"from":       {term.IssuerWord},
		"to":         {term.IssuerWord},
		"only":       bench.Rows(),
	}
	files := map[string]cobra.CompletionFunc{
		"key": fileCompletion, "out": fileCompletion, "psk": fileCompletion, "network": fileCompletion,
		"dir": dirCompletion, "data": dirCompletion,
	}
	for _, cmd := range root.Commands() {
		switch {
		case cmd.Name() == "account":
			cmd.ValidArgsFunction = cobra.FixedCompletions([]cobra.Completion{term.IssuerWord}, cobra.ShellCompDirectiveNoFileComp)
		case cmd.GroupID != groupTools: // tools read files
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			values := files[f.Name]
			switch list := words[f.Name]; {
			case values != nil:
			case len(list) > 0 && (cmd.Name() == "send" || f.Name != "from"):
				values = cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
			default:
				values = cobra.NoFileCompletions
			}
			_ = cmd.RegisterFlagCompletionFunc(f.Name, values) // fails only for an unknown flag
		})
	}
}

func dirCompletion(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func fileCompletion(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}
