//go:build !windows

package term

import (
	"os/signal"
	"syscall"
)

// WriteFromBackground lets a program in the background write to a terminal that would
// stop it for that (stty tostop).
func WriteFromBackground() { signal.Ignore(syscall.SIGTTOU) }
