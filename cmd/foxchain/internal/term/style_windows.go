package term

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableSequences makes a console act on escape sequences. Older consoles print
// them otherwise.
func enableSequences(f *os.File) error {
	var mode uint32
	h := windows.Handle(f.Fd())
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return err
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_PROCESSED_OUTPUT|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING)
}
