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
	stale bool    // the plan is not what it would be now
	rate  float64 // of earlier COPYs
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
			t.stale, t.rate, t.err = r.stale(ctx, at, id)
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
	r.taking, r.lock, r.rate = nil, t.lock, t.rate
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
// are older than the plan. On the way it learns how fast, in bytes a second, the last month's COPYs into the table were: with a vector
// index it takes 13 to 18 times as long.
func (r *run) stale(ctx context.Context, at place, tableID string) (stale bool, rate float64, err error) {
	id, s := sqltext.Ident, sqltext.Quote
	res, err := r.l.store.Conn().Query(ctx, databend.Statement{SQL: "SELECT coalesce(sum(fresh), 0), coalesce(sum_if(bytes, ms>0), 0), coalesce(sum_if(ms, ms>0), 0) FROM (" +
		"SELECT count_if(" + id(state.ColAt) + ">=" + s(at.at) + ") AS fresh, sum(" + id(state.ColSize) + ") AS bytes, max(" + id(state.ColTookMS) + ") AS ms FROM " +
		r.l.store.LedgerName() + " WHERE " + r.l.store.LedgerScope("") + " AND " + id(state.ColTableID) + "=" + s(tableID) + " AND " + id(state.ColState) + "<>" + s(state.FileBegin) +
		" AND " + id(state.ColAt) + ">date_sub(day, 30, now()) GROUP BY " + id(state.ColQueryID) + ")"})
	if err != nil {
		return false, 0, wrap(r.j.Name, "read the ledger", err)
	}
	row := res.Rows[0]
	if ms := number(row[2].String); ms > 0 {
		rate = float64(number(row[1].String)) / float64(ms) * 1000
	}
	return at.held || row[0].String != "0", rate, nil
}
