// Package crash catches what would end the process: a panic, in whichever goroutine. The Go runtime prints what a goroutine panicked with
// to stderr, past all that takes secrets out, and exits with a code that means something else here. So every goroutine of dbctl is started
// through Caught, which a test holds.
package crash

import (
	"runtime/debug"
	"sync/atomic"
)

// Panic is what a goroutine ended with, and where.
type Panic struct {
	Value any
	Stack []byte
}

var handler atomic.Pointer[func(Panic)]

// Handle sets what is told of the panics from now on; it must end the process. Without it, as in most tests, they end it themselves.
func Handle(f func(Panic)) { handler.Store(&f) }

// Caught is f with its panic caught. What it was to give is not given then, so its goroutine stays until the process ends.
func Caught[F func() | func() error](f F) F {
	switch f := any(f).(type) {
	case func() error:
		return any(func() error {
			defer catch()
			return f()
		}).(F)
	case func():
		return any(func() {
			defer catch()
			f()
		}).(F)
	}
	return f
}

func catch() {
	h := handler.Load()
	if h == nil {
		return
	}
	if p := recover(); p != nil {
		(*h)(Panic{p, debug.Stack()})
		select {}
	}
}
