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

func versionLine() string {
	return fmt.Sprintf("%s%s, %s, %s/%s", node.ProgramVersion, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// revision returns the commit that the program was built from, or the version that Go
// gave it where there is no commit.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	set := make(map[string]string)
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	switch commit := set["vcs.revision"]; {
	case commit != "" && set["vcs.modified"] == "true":
		return fmt.Sprintf(" (commit %.12s of %s, changed)", commit, set["vcs.time"])
	case commit != "":
		return fmt.Sprintf(" (commit %.12s of %s)", commit, set["vcs.time"])
	case info.Main.Version == "" || info.Main.Version == "(devel)":
		return ""
	}
	return " (" + info.Main.Version + ")"
}
