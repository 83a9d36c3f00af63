package node

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"foxchain/cmd/foxchain/internal/term"
)

// LookupEnv is os.LookupEnv, or a test's.
type LookupEnv func(name string) (string, bool)

// Annotations of a flag.
const (
	fromEnv = "foxchain_from_env" // its value came from the environment
	noEnv   = "foxchain_no_env"   // it has no environment variable
)

// envName returns a flag's environment variable, FOXCHAIN_MAX_WAIT for --max-wait.
func envName(flag string) string {
	return "FOXCHAIN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// ReadEnv sets each flag that is not on the command line from its environment variable.
// Lists are separated by commas or spaces. An empty variable counts as missing. It
// returns the variables that were ignored as service links.
func ReadEnv(flags *pflag.FlagSet, env LookupEnv) (links []string, failed error) {
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := env(envName(f.Name))
		value = strings.TrimSpace(value) // since a file of variables may have CRLF
		if f.Changed || !ok || value == "" || !hasEnv(f) || failed != nil {
			return
		}
		if isServiceLink(f.Name, value, env) {
			links = append(links, envName(f.Name))
			return
		}
		values := []string{value}
		if _, list := f.Value.(pflag.SliceValue); list {
			values = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		}
		for _, v := range values {
			if err := flags.Set(f.Name, v); err != nil {
				failed = term.Usagef("environment variable %s is %q: %w", envName(f.Name), value, flagRule(err))
				return
			}
		}
		if err := flags.SetAnnotation(f.Name, fromEnv, []string{"true"}); err != nil {
			failed = err
		}
	})
	return links, failed
}

// isServiceLink reports whether a variable is one that Kubernetes, Docker and Podman set
// for a service named foxchain, such as FOXCHAIN_PORT=tcp://10.96.0.12:9000, and in
// Docker also FOXCHAIN_NAME=/web/foxchain.
func isServiceLink(flag, value string, env LookupEnv) bool {
	isURL := func(text string) bool {
		scheme, rest, ok := strings.Cut(text, "://")
		return ok && rest != "" && slices.Contains([]string{"tcp", "udp", "sctp"}, strings.ToLower(scheme))
	}
	port, _ := env(envName("port"))
	return isURL(value) || flag == "name" && strings.HasPrefix(value, "/") && isURL(port)
}

// FlagError returns the error of a flag's value in words, with the flag, the value and
// the rule.
func FlagError(err error) error {
	var invalid *pflag.InvalidValueError
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) && strings.Trim(unknown.GetSpecifiedName(), "0123456789") == "" {
		return fmt.Errorf("-%s is no flag, and a number here must not be negative", unknown.GetSpecifiedName())
	}
	if !errors.As(err, &invalid) {
		return err
	}
	name := "--" + invalid.GetFlag().Name
	return fmt.Errorf("%s is %q: %w", name, invalid.GetValue(), flagRule(err))
}

// flagRule returns what a flag's value must be.
func flagRule(err error) error {
	var invalid *pflag.InvalidValueError
	switch {
	case !errors.As(err, &invalid):
		return err
	case invalid.GetFlag().Value.Type() == "stringSlice": // has the words of a CSV reader
		return errors.New("must be words with commas between them, without quotes")
	}
	return errors.Unwrap(invalid)
}

// WithoutEnv marks a flag that has no environment variable, since flags of that name
// differ in meaning between commands.
func WithoutEnv(flags *pflag.FlagSet, name string) {
	flags.Lookup(name).Annotations = map[string][]string{noEnv: {"true"}}
}

// hasEnv reports whether a flag has an environment variable.
func hasEnv(f *pflag.Flag) bool {
	return f.Name != "help" && f.Name != "version" && f.Annotations[noEnv] == nil
}

// A given is the source of a flag's value. The greater one wins.
type given uint8

const (
	ByDefault given = iota
	byEnv
	ByFlag
)

func HowGiven(flags *pflag.FlagSet, name string) given {
	f := flags.Lookup(name)
	switch {
	case f == nil || !f.Changed:
		return ByDefault
	case f.Annotations[fromEnv] != nil:
		return byEnv
	}
	return ByFlag
}

// A Duration is a flag's time span, in Go's form ("1m30s") or as a plain number of
// seconds. It is never negative.
type Duration time.Duration

func (d *Duration) String() string {
	text := time.Duration(*d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (d *Duration) Type() string { return "duration" }

func (d *Duration) Set(text string) error {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		text += "s"
	}
	span, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return fmt.Errorf("must be a time span such as 30s, 5m or 24h, or a number of seconds")
	case span < 0:
		return fmt.Errorf("must not be negative")
	}
	*d = Duration(span)
	return nil
}
