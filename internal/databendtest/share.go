package databendtest

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// enough Envs are served by an engine: it looks up each database that it ever dropped whenever someone reads those, which takes 2 ms of
// CPU for each, and a new engine starts in half a second.
const enough = 20

// sharing gives the test functions of a binary their engines, one for each core, in turn. All Envs that a function has at once are of one
// engine.
type sharing struct {
	mu     sync.Mutex
	newest []*Engine // of each core, at most four
	turn   int
	of     map[string]*Engine // by the functions that have Envs now
	envs   map[string]int     // the same
	failed error              // to start one: that is not tried again
}

var shared = sharing{
	newest: make([]*Engine, min(runtime.NumCPU(), 4)), turn: os.Getpid(), of: map[string]*Engine{}, envs: map[string]int{},
}

// use is the engine for one more Env, which ends with the test.
func (x *sharing) use(t testing.TB) (*Engine, error) {
	function, _, _ := strings.Cut(t.Name(), "/")
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.of[function]
	if s == nil {
		if s = x.fresh(); s == nil {
			return nil, x.failed
		}
		x.of[function] = s
	}
	s.served++
	x.envs[function]++
	t.Cleanup(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.envs[function]--; x.envs[function] == 0 {
			delete(x.of, function)
			x.end(s)
		}
	})
	return s, nil
}

// fresh is the newest engine of the next core, or one newer than it when it has served enough; nil when none can be started.
func (x *sharing) fresh() *Engine {
	x.turn++
	newest := &x.newest[x.turn%len(x.newest)]
	old := *newest
	if x.failed != nil || old != nil && (old.embedded == nil || old.served < enough) {
		return old
	}
	*newest, x.failed = start(x.turn)
	if old != nil {
		x.end(old)
	}
	return *newest
}

// end closes an engine that no function has any more, if no other will get it. The newest end with the process, as their stdin does.
func (x *sharing) end(s *Engine) {
	for _, used := range x.of {
		if used == s {
			return
		}
	}
	if !slices.Contains(x.newest, s) {
		_ = s.embedded.Close()
	}
}
