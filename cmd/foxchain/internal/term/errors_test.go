package term

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestHintSystem checks that the hint fits what the system refuses.
func TestHintSystem(t *testing.T) {
	full := syscall.EDQUOT
	if runtime.GOOS == "windows" {
		full = syscall.Errno(112)
	}
	for want, err := range map[string]error{
		"choose another one, such as -p 9001": &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)},
		"does not have that address":          &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)},
		"Check the owner":                     &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES},
		"The disk is full":                    &fs.PathError{Op: "write", Path: "x", Err: full},
		"nothing is overwritten":              &fs.PathError{Op: "create", Path: "x", Err: fs.ErrExist},
		"Check the name":                      &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist},
	} {
		if got := HintSystem(err); !errors.Is(got, err) || !strings.Contains(got.Error(), "\n") || !strings.Contains(got.Error(), want) {
			t.Errorf("%v, want %q", got, want)
		}
	}
}
