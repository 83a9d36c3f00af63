// Package ask has the commands that ask a running node, and what all commands need to
// connect to one.
//
// [Flags] name the node by --node, or by -r with the data directory, from which its port
// and token are read. [Flags.WithNode] connects, asks, and adds to each error what to try
// (hint.go). The answers are the shapes of package api, printed as tables, or with --json
// as the node sent them, one object a line. blocks and block add what is known of the
// finality of each. Commands use nothing that another client could not ask for.
//
// Each command has a file of its name. watch prints events as events.go words them.
package ask
