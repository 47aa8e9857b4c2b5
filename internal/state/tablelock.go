package state

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// AcquireTable takes the lock of loads into one table (database.table). It returns *HeldError when another load holds it, or when
// a migration is writing the table or left it unfinished. The lock's own table is the claim: years of loads leave nothing.
func (s *Store) AcquireTable(ctx context.Context, database, target string, o LockOptions) (*Lock, error) {
	name := TableLock(database, target)
	l := s.newLock(o, name, "loads into "+database+"."+target)
	l.table, l.begun = name, true
	l.claim.Token = databend.NewID()
	for wait := newWaiter(o); ; {
		v, err := s.view(ctx)
		if err != nil {
			return nil, err
		}
		t := v.find(name)
		ours := t != nil && strings.Contains(t.comment, l.claim.Token) // the answer was lost
		held := tableHeld(v, t)
		if ours || held == nil {
			if !ours {
				if taken, err := l.tryTable(ctx, o, v); err != nil {
					return nil, err
				} else if !taken {
					continue
				}
			}
			if held, err = l.checkTable(ctx, database+"."+target); err != nil {
				return nil, err
			}
			if held == nil {
				l.start()
				return l, nil
			}
		}
		if err := wait.wait(ctx, held); err != nil {
			return nil, err
		}
	}
}

// tableHeld says who holds the table lock t, nil when nobody does.
func tableHeld(v view, t *table) *HeldError {
	if t == nil {
		return nil
	}
	c, ok := parseClaim(*t)
	if !ok || c.dead(v.now) {
		return nil
	}
	return &HeldError{What: c.What, Owner: c.who(), Age: c.age(v.now)}
}

// tryTable tries once to make the lock ours, from what v shows. Whether it is, checkTable knows.
func (l *Lock) tryTable(ctx context.Context, o LockOptions, v view) (bool, error) {
	lost := func(err error) bool {
		return databend.IsCode(err, databend.CodeUnknownTable, databend.CodeTableExists, databend.CodeVersionMismatch) || databend.IsUnknownOutcome(err)
	}
	keep := "" // put aside now: it stops whoever wanted to put it aside later
	if held := v.find(l.name); held != nil {
		if c, ok := parseClaim(*held); ok {
			o.note("%s: taking over from %s: %s", l.what, c.who(), c.reason(v.now))
		}
		aside := stalePrefix + held.id
		keep = aside
		if err := l.exec(ctx, "ALTER TABLE "+l.store.name(l.name)+" RENAME TO "+sqltext.Ident(aside)); lost(err) {
			return false, nil
		} else if err != nil {
			return false, fmt.Errorf("take lock over: %w", err)
		}
		// Given back and taken by another meanwhile: it is theirs.
		now, err := l.store.view(ctx)
		if err != nil {
			return false, err
		}
		if tableHeld(now, now.find(aside)) != nil {
			if err := l.exec(ctx, "ALTER TABLE "+l.store.name(aside)+" RENAME TO "+sqltext.Ident(l.name)); err != nil && !lost(err) {
				return false, err
			}
			return false, nil
		}
		if err := l.sweep(ctx, now, aside); err != nil {
			return false, err
		}
		v = now
	}
	l.claim.Phase = phaseHolding
	holding := literal(l.claim.comment())
	free := v.find(l.name + freeSuffix)
	if free == nil {
		err := l.exec(ctx, "CREATE TABLE "+l.store.name(l.name)+" (x INT) COMMENT="+holding)
		if databend.IsCode(err, databend.CodeUnknownDatabase) {
			return false, l.store.EnsureTables(ctx)
		}
		if lost(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("take lock: %w", err)
		}
		// One that was killed while it took the free table left that aside.
		return true, l.sweep(ctx, v, keep)
	}
	// The free table gets its claim aside, under a name that only one can give it, and is the lock only then: whoever reads the
	// lock reads who holds it, and whoever is killed on the way leaves no lock.
	aside := stalePrefix + free.id
	for _, text := range []string{
		"ALTER TABLE " + l.store.name(free.name) + " RENAME TO " + sqltext.Ident(aside),
		"ALTER TABLE " + l.store.name(aside) + " COMMENT=" + holding,
		"ALTER TABLE " + l.store.name(aside) + " RENAME TO " + sqltext.Ident(l.name),
	} {
		switch err := l.exec(ctx, text); {
		case databend.IsCode(err, databend.CodeTableExists):
			// Another made a lock meanwhile.
			return false, l.exec(ctx, "DROP TABLE IF EXISTS "+l.store.name(aside))
		case lost(err):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("take lock: %w", err)
		}
	}
	return true, nil
}

// sweep drops the tables of this lock that were put aside, but for one.
func (l *Lock) sweep(ctx context.Context, v view, keep string) error {
	for _, t := range v.tables {
		if strings.HasPrefix(t.name, stalePrefix) && t.name != keep && strings.Contains(t.comment, claimOf(l.name)) {
			if err := l.exec(ctx, "DROP TABLE IF EXISTS "+l.store.name(t.name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTable makes sure that the lock is ours, and that no migration writes the table: it writes its claim before it looks for
// locks, as we took ours before we look for claims. When one does, the lock is given back.
func (l *Lock) checkTable(ctx context.Context, target string) (*HeldError, error) {
	sent := time.Now()
	h, err := l.store.runs(ctx)
	if err == nil && !h.Exists {
		if err = l.store.EnsureTables(ctx); err == nil {
			h, err = l.store.runs(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	t := h.view().find(l.name)
	if t == nil || !strings.Contains(t.comment, l.claim.Token) {
		held := &HeldError{What: l.what, Owner: "a load that is just starting"}
		if t != nil {
			if other := tableHeld(h.view(), t); other != nil {
				held = other
			}
		}
		return held, nil
	}
	l.id, l.confirmed, l.token = t.id, sent, h.token+1
	held := h.writer(l.store, target)
	if held != nil {
		if err := l.giveBack(ctx); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// Release ends the heartbeat and gives the lock back. A lock that was taken over is left alone.
func (l *Lock) Release(ctx context.Context) error {
	close(l.stop)
	l.beating.Wait()
	if err := l.Fresh(ctx); err != nil {
		if l.robbed {
			return nil
		}
		return fmt.Errorf("give lock back: %w", err)
	}
	if err := l.giveBack(ctx); err != nil {
		return err
	}
	if !strings.HasPrefix(l.table, runPrefix) {
		return nil
	}
	if err := l.dropRun(ctx, l.run); err != nil {
		return fmt.Errorf("give lock back: %w", err)
	}
	return nil
}

// giveBack renames the lock to its free name.
func (l *Lock) giveBack(ctx context.Context) error {
	err := l.exec(ctx, "ALTER TABLE "+l.store.name(l.name)+" RENAME TO "+sqltext.Ident(l.name+freeSuffix))
	if databend.IsCode(err, databend.CodeTableExists) {
		// A second free table can come from a take-over: one is enough.
		err = l.exec(ctx, "DROP TABLE "+l.store.name(l.name))
	}
	if err == nil || databend.IsCode(err, databend.CodeUnknownTable) || databend.IsUnknownOutcome(err) {
		return nil
	}
	return fmt.Errorf("give lock back: %w", err)
}

// HeldTables says which of the tables (database.table) are being loaded into, and puts the locks of loads aside whose owners are
// gone, so that what they may still have under way cannot commit: one request when there are none. Call it after Acquire,
// whose claim makes later loads refuse.
func (l *Lock) HeldTables(ctx context.Context, o LockOptions, targets []string) (*HeldError, error) {
	v, err := l.store.view(ctx)
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		database, name, _ := strings.Cut(target, ".")
		t := v.find(TableLock(database, name))
		if t == nil {
			continue
		}
		if held := tableHeld(v, t); held != nil {
			return held, nil
		}
		if c, ok := parseClaim(*t); ok {
			o.note("%s: the lock of %s is put aside: %s", c.What, c.who(), c.reason(v.now))
		}
		aside := stalePrefix + t.id
		if err := l.exec(ctx, "ALTER TABLE "+l.store.name(t.name)+" RENAME TO "+sqltext.Ident(aside)); err != nil && !databend.IsCode(err, databend.CodeUnknownTable, databend.CodeTableExists) {
			return nil, fmt.Errorf("put lock aside: %w", err)
		}
	}
	return nil, nil
}
