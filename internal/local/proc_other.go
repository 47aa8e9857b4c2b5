//go:build !unix

package local

import (
	"context"
	"net"
	"os"
	"syscall"
)

// The engine has no wheel for this system; what follows lets dbctl be built for it.

func lockFile(context.Context, string) (func(), error) { return nil, &PythonError{} }

func openOwn(path string, flags int) (*os.File, error) { return os.OpenFile(path, flags, 0o600) }

func isOurs(os.FileInfo) bool { return true }

func tryLockFile(string) (func(), error) { return nil, &PythonError{} }

func ownGroup() *syscall.SysProcAttr { return nil }

func ownSession() *syscall.SysProcAttr { return nil }

func keepFromChildren(int) {}

func keepAllFromChildren() {}

func channel() (ours, theirs *os.File, err error) { return nil, nil, &PythonError{} }

func receive(context.Context, *os.File) (net.Listener, error) { return nil, &PythonError{} }
