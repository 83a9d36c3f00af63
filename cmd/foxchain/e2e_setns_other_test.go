//go:build !linux

package main_test

import (
	"context"
	"errors"
	"net"
)

// dialIn connects from inside a named network namespace: only Linux has them.
func dialIn(context.Context, string, string, string) (net.Conn, error) {
	return nil, errors.New("network namespaces need Linux")
}
