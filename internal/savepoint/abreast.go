package savepoint

import (
	"context"
	"sync"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
)

// turns is a Conn over one session, and over more of them while abreast is under way: a request then gives the turn to the next object for
// as long as the server takes. What is between two requests is done by one at a time.
type turns struct {
	first Conn
	free  chan Conn // of the others, those that send nothing now
	turn  sync.Mutex
	under bool // abreast is under way
}

func newTurns(first Conn, more []Conn) *turns {
	t := &turns{first: first, free: make(chan Conn, len(more))}
	for _, c := range more {
		t.free <- c
	}
	return t
}

func (t *turns) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	return t.send(func(c Conn) (databend.Result, error) { return c.Query(ctx, st) })
}

func (t *turns) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	return t.send(func(c Conn) (databend.Result, error) { return c.Exec(ctx, st) })
}

func (t *turns) send(f func(Conn) (databend.Result, error)) (databend.Result, error) {
	if !t.under {
		return f(t.first)
	}
	t.turn.Unlock()
	defer t.turn.Lock()
	c := <-t.free
	defer func() { t.free <- c }()
	return f(c)
}

// abreast does f for each of several objects that have nothing to do with each other, in order, but that their requests are under way
// beside each other. f opens no transaction. At the first error no further one is begun.
func abreast[T any](t *turns, all []T, f func(T) error) error {
	sessions := min(cap(t.free), len(all)/2) // a session is worth its while for two
	if sessions < 2 {
		for _, one := range all {
			if err := f(one); err != nil {
				return err
			}
		}
		return nil
	}
	t.under = true
	defer func() { t.under = false }()
	var failed error
	next := 0
	var working sync.WaitGroup
	for range sessions {
		working.Go(crash.Caught(func() {
			t.turn.Lock()
			defer t.turn.Unlock()
			for next < len(all) && failed == nil {
				next++
				if err := f(all[next-1]); err != nil && failed == nil {
					failed = err
				}
			}
		}))
	}
	working.Wait()
	return failed
}
