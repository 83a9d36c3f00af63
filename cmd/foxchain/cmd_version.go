package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

func newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		GroupID: term.GroupTools,
		Args:    term.NoArgs,
		Example: "  foxchain version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "foxchain "+versionLine())
			return err
		},
	}
}

// versionLine returns the version, and the commit that Go notes in what it builds, if any.
func versionLine() string {
	built := ""
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		built = " (" + info.Main.Version + ")"
	}
	return fmt.Sprintf("%s%s, %s, %s/%s", node.ProgramVersion, built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
