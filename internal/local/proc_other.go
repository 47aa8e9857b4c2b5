//go:build !unix

package local

import (
	"context"
	"syscall"
)

// The engine has no wheel for this system; what follows lets dbctl be built for it.

func lockFile(context.Context, string) (func(), error) { return nil, &PythonError{} }

func tryLockFile(string) (func(), error) { return nil, &PythonError{} }

func ownGroup() *syscall.SysProcAttr { return nil }

func ownSession() *syscall.SysProcAttr { return nil }

func keepFromChildren(int) {}
