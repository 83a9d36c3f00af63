package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/files"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/pay"
	"foxchain/cmd/foxchain/internal/term"
)

func main() {
	// A write to a pipe without a reader is an error like any other, not the end.
	signal.Ignore(syscall.SIGPIPE)
	term.WriteFromBackground()
	ctx, stop := untilSignal()
	cobra.EnableCommandSorting = false // they stand in the order in which people meet them
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.LookupEnv)
	stop()
	os.Exit(code)
}

// untilSignal returns a context that ends with Ctrl-C, with SIGTERM, or with the
// terminal of the program.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, unhook := context.Background(), context.CancelFunc(func() {})
	// Under nohup the program outlives its terminal.
	if !signal.Ignored(syscall.SIGHUP) {
		// For good: a closed terminal may send the signal twice.
		ctx, unhook = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	// The first Ctrl-C gives the signal back to the system, so that the second
	// ends the program at once.
	ctx, release := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release)
	return ctx, func() { release(); unhook() }
}

// run runs the program and returns its exit code. Output is a courtesy of what runs:
// see package term. A command that asks waits until its answer is read.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, env node.LookupEnv) int {
	root := newRoot(env)
	root.SetArgs(ask.HeightLast(args))
	errs := term.NewOutput(stderr)
	root.SetErr(errs)
	root.SetOut(term.Until{Ctx: ctx, W: stdout})
	readEnv := root.PersistentPreRunE
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.GroupID == term.GroupRun && term.Same(stdout, stderr) {
			root.SetOut(errs)
		} else if cmd.GroupID == term.GroupRun {
			root.SetOut(term.NewOutput(stdout))
		}
		return readEnv(cmd, args)
	}
	cmd, err := root.ExecuteContextC(ctx)
	code := exitCode(err)
	if err != nil && !errors.Is(err, term.ErrGone) && !(errors.Is(err, context.Canceled) && ctx.Err() != nil) {
		printError(errs, cmd, term.HintSystem(err))
	}
	if cmd.GroupID == term.GroupRun {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		ctx = ended
	}
	if o, ok := root.OutOrStdout().(*term.Output); ok {
		o.Close(ctx)
	}
	errs.Close(ctx)
	return code
}

// printError prints in one write, so that it is dropped or printed as a whole.
func printError(w io.Writer, cmd *cobra.Command, err error) {
	text := fmt.Sprintf("foxchain: %s\n", term.Clean(err.Error()))
	if usage := (*term.UsageError)(nil); errors.As(err, &usage) {
		text += fmt.Sprintf("See: %s --help\n", strings.TrimSuffix(cmd.CommandPath(), " help"))
	}
	io.WriteString(w, text) // there is no other place to report a failure
}

// newRoot returns the tree of commands.
func newRoot(env node.LookupEnv) *cobra.Command {
	root := &cobra.Command{
		Use:   "foxchain",
		Short: "A small distributed ledger for a local network",
		Long: `A small distributed ledger for a local network.

Start several nodes and they find each other: no tracker, no coordinator, no
configuration. Every node accepts transactions on a local WebSocket, and all
nodes hold the same chain of blocks. A page on each node shows it live.`,
		Example: `  foxchain node                          start a node; its page is at http://localhost:9000/
  foxchain devnet -n 3                   run three nodes in one process, to try things
  foxchain lab                           a network to teach with: split it, heal it, lie
  foxchain send --from issuer --to 00000000-0000-0000-0000-000000000003 --amount 5
  foxchain blocks                        list the last blocks; --json for programs
  foxchain watch                         follow events, like tail -f`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			if alike := cmd.SuggestionsFor(args[0]); len(alike) > 0 {
				return term.Usagef("there is no command %q; did you mean %s?", args[0], strings.Join(alike, " or "))
			}
			return term.Usagef("there is no command %q", args[0])
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			links, err := node.ReadEnv(cmd.Flags(), env)
			if len(links) > 0 {
				warnOfLinks(cmd, "passed over "+strings.Join(links, " and ")+" in the environment: Kubernetes or Docker sets it for a service that is named foxchain. To set it all the same, use the flag")
			}
			return err
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if before := cmd.Flags().Args(); cmd == root && len(before) > 0 {
			return root.Args(root, before) // an unknown command has no flags
		}
		asks := cmd.Flags().Lookup("node") // of keygen it is no URL
		if f := (*pflag.NotExistError)(nil); errors.As(err, &f) && (f.GetSpecifiedName() == "p" || f.GetSpecifiedName() == "port") && asks != nil && asks.Value.Type() == "string" {
			return term.Usagef("-p is a flag of commands that run a node. To ask the node at a port: --node PORT")
		}
		return term.Usagef("%w", node.FlagError(err))
	})
	root.SetVersionTemplate("foxchain {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.SetUsageTemplate(strings.NewReplacer(".FlagUsages ", ".FlagUsagesWrapped 100 ",
		"{{if .Runnable}}", "{{if not .HasAvailableSubCommands}}",
		"{{if .HasHelpSubCommands}}", "{{if .HasAvailableLocalFlags}}\n\nMost flags are also read from the environment: --like-this is FOXCHAIN_LIKE_THIS.{{end}}{{if .HasHelpSubCommands}}").Replace(root.UsageTemplate()))
	addCommands(root, env)
	root.SetHelpCommandGroupID(term.GroupTools)
	root.SetCompletionCommandGroupID(term.GroupTools)
	refuseUnknownTopics(root)
	shortenHelp(root)
	return root
}

// refuseUnknownTopics has "help nosuch" fail as "nosuch" does, where cobra prints the help
// of the program.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Args = func(_ *cobra.Command, topic []string) error {
		if cmd, _, _ := root.Find(topic); cmd == root {
			return root.Args(root, topic)
		}
		return nil
	}
}

// addCommands adds the commands in their groups.
func addCommands(root *cobra.Command, env node.LookupEnv) {
	root.AddGroup(&cobra.Group{ID: term.GroupRun, Title: "Run:"},
		&cobra.Group{ID: term.GroupAsk, Title: "Ask a running node:"},
		&cobra.Group{ID: term.GroupPay, Title: "Pay, and prove it:"},
		&cobra.Group{ID: term.GroupSetup, Title: "Set a network up:"},
		&cobra.Group{ID: term.GroupFiles, Title: "Keep and carry a ledger:"},
		&cobra.Group{ID: term.GroupTools, Title: "Tools:"})
	root.AddCommand(
		newNodeCmd(), newBuilderCmd(), newDevnetCmd(), newLabCmd(),
		ask.NewInfoCmd(), ask.NewPeersCmd(), ask.NewPoolCmd(), ask.NewBlocksCmd(), ask.NewBlockCmd(), ask.NewTxCmd(), ask.NewAccountCmd(), ask.NewAccountsCmd(), files.NewStatementCmd(),
		ask.NewWatchCmd(), ask.NewRegisterCmd(), ask.NewForgetCmd(),
		pay.NewSendCmd(env), pay.NewKeygenCmd(env), pay.NewNamesCmd(), pay.NewSignCmd(env), pay.NewSubmitCmd(), ask.NewProofCmd(),
		newNetworkCmd(), newPSKCmd(), newTokenCmd(), newDoctorCmd(),
		files.NewVerifyCmd(), files.NewRepairCmd(), files.NewBackupCmd(), files.NewRestoreCmd(), files.NewExportCmd(), files.NewImportCmd(),
		newBenchCmd(), newVersionCmd(),
	)
}

// shortenHelp leaves out of help texts what is the same in each: --help itself, and that a
// switch may have a value.
func shortenHelp(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			switch {
			case f.Name == "help" || f.Name == "version":
				f.Hidden = true
			case f.Value.Type() == "bool":
				f.Value = onOff{f.Value}
			}
		})
	}
	for _, c := range cmd.Commands() {
		shortenHelp(c)
	}
}

// An onOff is a switch whose help does not list its two values.
type onOff struct{ pflag.Value }

// Type returns the name of a type whose values are not listed.
func (onOff) Type() string { return "boolfunc" }

// warnOfLinks warns in the form of the command's log, if it has one.
func warnOfLinks(cmd *cobra.Command, text string) {
	if f := cmd.Flags().Lookup("log-format"); f != nil && f.Value.String() == "json" {
		if log, err := node.NewLogger(cmd.ErrOrStderr(), "warn", "json"); err == nil {
			log.Warn(text)
			return
		}
	}
	cmd.PrintErrf("foxchain: %s\n", text)
}

func exitCode(err error) int {
	var usage *term.UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	case errors.Is(err, term.ErrGone):
		return 128 + int(syscall.SIGPIPE)
	case ask.IsUnknown(err):
		return 3
	}
	return 1
}
