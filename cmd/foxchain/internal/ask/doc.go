// Package ask has the commands that ask a running node, and what every command needs
// that talks to one.
//
// [Flags] name the node: --node, or -r with the data directory, in which its port and
// token are read. [Flags.WithNode] connects, asks, and adds to each error what to try
// (hint.go). The answers are the shapes of package api, printed as tables, or with --json
// as the node sent them, one object a line. A command knows nothing that another client
// could not ask for.
//
// Each command has a file of its name; watch prints what events.go makes of an event.
package ask
