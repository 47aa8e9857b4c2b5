package load

import (
	"context"
	"errors"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// taking is the lock of the target table being taken.
type taking struct {
	done  chan struct{} // closed when the rest holds
	lock  *state.Lock
	err   error
	stale bool // the plan is not what it would be now
}

// failure is why nothing may be written, nil when all may.
func (t *taking) failure() error {
	if t.err == nil && t.stale {
		return errAgain{errors.New("another load into the table was under way")}
	}
	return t.err
}

// take starts to take the lock; held waits for it.
func (r *run) take(ctx context.Context) {
	t := &taking{done: make(chan struct{})}
	r.taking = t
	at, id := r.plan.scope.place, r.plan.TableID
	go func() {
		defer close(t.done)
		if t.lock, t.err = r.acquire(ctx, at); t.err == nil {
			t.stale, t.err = r.stale(ctx, at, id)
		}
	}()
}

// held waits until the lock is ours, and says why not. An errAgain means that it is, and that the plan is too old.
func (r *run) held() error {
	t := r.taking
	if t == nil {
		return nil
	}
	<-t.done
	r.taking, r.lock = nil, t.lock
	return t.failure()
}

// acquire takes the lock of the target table.
func (r *run) acquire(ctx context.Context, at place) (*state.Lock, error) {
	if !at.ledger {
		if err := r.l.store.EnsureTables(ctx); err != nil {
			return nil, wrap(r.j.Name, "", err)
		}
	}
	lock, err := r.l.store.AcquireTable(ctx, r.j.database, r.j.table, state.LockOptions{
		Wait: r.l.cfg.LockWait, Run: r.l.cfg.Run, Actor: r.l.cfg.Actor,
		Note: func(text string) { r.l.cfg.Sink(event.Note{Level: "info", Text: text}) },
	})
	var held *state.HeldError
	if errors.As(err, &held) {
		return nil, &Error{Load: r.j.Name, Exit: exitLocked, Err: err, Advice: "try again later, or give --lock-wait a duration; `dbctl unlock` if its owner is gone"}
	}
	return lock, wrap(r.j.Name, "lock "+r.j.target, err)
}

// release gives the lock back, once, also after an interruption.
func (r *run) release(ctx context.Context) error {
	_ = r.held() // what came of it was said where it mattered
	if r.lock == nil || r.released {
		return nil
	}
	r.released = true
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	return wrap(r.j.Name, "give the lock back", r.lock.Release(free))
}

// stale reports whether another run wrote about this table since the plan, or may have: one that held the lock then commits rows that
// are older than the plan.
func (r *run) stale(ctx context.Context, at place, tableID string) (bool, error) {
	if at.held {
		return true, nil
	}
	id, s := sqltext.Ident, sqltext.Quote
	res, err := r.l.store.Conn().Query(ctx, databend.Statement{SQL: "SELECT 1" + wordsAbout(r.l.store, tableID) + " AND " + id(state.ColAt) + ">=" + s(at.at) + " LIMIT 1"})
	return len(res.Rows) > 0, wrap(r.j.Name, "read the ledger", err)
}
