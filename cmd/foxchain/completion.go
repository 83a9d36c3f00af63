package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/bench"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
)

// complete adds the shells' completion of arguments and of the values of flags.
// Files are completed only where files are read.
func complete(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	words := func(list ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
	}
	file := cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	dir := cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	issuer := words(term.IssuerWord)
	flags := map[string]cobra.CompletionFunc{
		"events":     words(api.EventKinds()...),
		"color":      words(string(term.ColorAuto), string(term.ColorAlways), string(term.ColorNever)),
		"log-level":  words("debug", "info", "warn", "error"),
		"log-format": words("text", "json"),
		"to":         issuer,
		"only":       words(bench.Rows()...),
		"key":        file, "out": file, "psk": file, "network": file,
		"dir": dir, "data": dir,
	}
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "account":
			cmd.ValidArgsFunction = issuer
		case "import":
			cmd.ValidArgsFunction = file
		case "send":
			_ = cmd.RegisterFlagCompletionFunc("from", issuer) // fails only for an unknown flag
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if values := flags[f.Name]; values != nil {
				_ = cmd.RegisterFlagCompletionFunc(f.Name, values)
			}
		})
	}
}
