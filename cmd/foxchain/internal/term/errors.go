package term

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"runtime"
	"syscall"
)

// IsDiskFull reports whether a disk is full, or the user's part of it.
func IsDiskFull(err error) bool {
	if runtime.GOOS == "windows" {
		const handleDiskFull, diskFull = syscall.Errno(39), syscall.Errno(112)
		return errors.Is(err, handleDiskFull) || errors.Is(err, diskFull)
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsReadOnly reports whether a file system cannot be written.
func IsReadOnly(err error) bool {
	if runtime.GOOS == "windows" {
		const writeProtect = syscall.Errno(19)
		return errors.Is(err, writeProtect)
	}
	return errors.Is(err, syscall.EROFS)
}

// isPipeClosed reports whether a pipe that is written has no reader any more.
func isPipeClosed(err error) bool {
	if runtime.GOOS == "windows" {
		const brokenPipe, noData = syscall.Errno(109), syscall.Errno(232)
		return errors.Is(err, brokenPipe) || errors.Is(err, noData)
	}
	return errors.Is(err, syscall.EPIPE)
}

// A UsageError is a wrong flag or argument. The exit code is 2, and the command's
// help is named below the error.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError with a formatted text.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// IsCanceled reports whether err is that of a context that ended.
func IsCanceled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// A hinted error names, on a line of its own, what to try next.
type hinted struct {
	err error
	try string
}

func (e *hinted) Error() string { return e.err.Error() + "\n" + e.try }
func (e *hinted) Unwrap() error { return e.err }

// HintSystem adds what to do about what the system refuses.
func HintSystem(err error) error {
	const wsaAccess, wsaNoAddress = syscall.Errno(10013), syscall.Errno(10049) // of Windows
	var socket *net.OpError
	listens := errors.As(err, &socket) && socket.Op == "listen"
	switch {
	case listens && (errors.Is(err, fs.ErrPermission) || errors.Is(err, wsaAccess)):
		return Hint(err, "This user may not use that port: choose another one, such as -p 9001")
	case listens && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, wsaNoAddress)):
		return Hint(err, "This machine does not have that address, or not yet: give one of its own, or 0.0.0.0 for all")
	case IsDiskFull(err):
		return Hint(err, "The disk is full: make room, or choose another place")
	case IsReadOnly(err):
		return Hint(err, "This disk cannot be written: choose another place")
	case errors.Is(err, fs.ErrPermission):
		return Hint(err, "Check the owner and the permissions, or choose another place")
	case errors.Is(err, fs.ErrExist):
		return Hint(err, "Choose another name: nothing is overwritten")
	case errors.Is(err, fs.ErrNotExist):
		return Hint(err, "Check the name, and the directory that you are in")
	}
	return err
}

// Hint adds what to try next to an error. An earlier hint is nearer to the cause and
// stays alone. A wrong flag or argument gets none: the command's help is named.
func Hint(err error, format string, args ...any) error {
	var already *hinted
	var usage *UsageError
	if err == nil || errors.As(err, &already) || errors.As(err, &usage) {
		return err
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}
