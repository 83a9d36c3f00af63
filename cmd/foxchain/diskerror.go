package main

import (
	"errors"
	"runtime"
	"syscall"
)

// isDiskFull and isReadOnly know the errors of a disk by the system's numbers.
func isDiskFull(err error) bool {
	if runtime.GOOS == "windows" {
		const handleDiskFull, diskFull = syscall.Errno(39), syscall.Errno(112)
		return errors.Is(err, handleDiskFull) || errors.Is(err, diskFull)
	}
	return errors.Is(err, syscall.ENOSPC)
}

func isReadOnly(err error) bool {
	if runtime.GOOS == "windows" {
		const writeProtect = syscall.Errno(19)
		return errors.Is(err, writeProtect)
	}
	return errors.Is(err, syscall.EROFS)
}
