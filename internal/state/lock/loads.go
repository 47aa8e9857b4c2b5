package lock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/store"
)

// Standing says, at the moment of a View, which migration is writing a table or left it unfinished; nil: none is. It is the journal's
// word.
type Standing func(ctx context.Context, target string) (View, *HeldError, error)

// AcquireTable takes the lock of loads into one table (database.table). It returns *HeldError when another load holds it, or when
// a migration is writing the table or left it unfinished. The lock's own table is the claim: years of loads leave nothing.
func AcquireTable(ctx context.Context, db *store.DB, database, target string, o Options, standing Standing) (*Lock, error) {
	name := TableName(database, target)
	l := newLock(db, o, name, "loads into "+database+"."+target)
	l.table, l.begun = name, true
	l.claim.Token = databend.NewID()
	if err := l.acquireTable(ctx, database+"."+target, o, standing); err != nil {
		l.letGo(ctx)
		return nil, err
	}
	l.start()
	return l, nil
}

// letGo gives a lock back that we hold although not all went well on the way to it: this process goes on, and its other loads into the
// table would wait for it. When that fails too, the claim grows old.
func (l *Lock) letGo(ctx context.Context) {
	if l.confirmed.IsZero() {
		return // it was never asked for
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), l.SendBy())
	defer cancel()
	if v, err := Look(ctx, l.db); err == nil {
		if t := v.find(l.name); t != nil && strings.Contains(t.comment, l.claim.Token) {
			_ = l.giveBack(ctx)
		}
	}
}

// acquireTable tries until the lock is ours.
func (l *Lock) acquireTable(ctx context.Context, target string, o Options, standing Standing) error {
	v := o.Seen
	for wait := newWaiter(o); ; v = (View{}) {
		if v.Read.IsZero() || time.Since(v.Read) > l.ttl/3 {
			var err error
			if v, err = Look(ctx, l.db); err != nil {
				return err
			}
		}
		t := v.find(l.name)
		ours := t != nil && strings.Contains(t.comment, l.claim.Token) // the answer was lost
		held := tableHeld(v, t)
		if ours || held == nil {
			if !ours {
				if taken, err := l.tryTable(ctx, o, v); err != nil {
					return err
				} else if !taken {
					continue
				}
			}
			var err error
			if held, err = l.checkTable(ctx, target, o, standing); err != nil || held == nil {
				return err
			}
		}
		if err := wait.wait(ctx, held); err != nil {
			return err
		}
	}
}

// tableHeld says who holds the table lock t, nil when nobody does.
func tableHeld(v View, t *table) *HeldError {
	if t == nil {
		return nil
	}
	c, ok := parseClaim(*t)
	if !ok || c.Dead(v.Now) {
		return nil
	}
	return &HeldError{What: c.What, Owner: c.who(), Age: c.age(v.Now)}
}

// tryTable tries once to make the lock ours, from what v shows. Whether it is, checkTable knows.
func (l *Lock) tryTable(ctx context.Context, o Options, v View) (bool, error) {
	keep := "" // put aside now
	if held := v.find(l.name); held != nil {
		var claims []Claim
		if c, ok := parseClaim(*held); ok {
			claims = append(claims, c)
		}
		alive := func(now View, aside string) bool { return tableHeld(now, now.find(aside)) != nil }
		free, now, aside, err := l.takeOver(ctx, o, v, *held, claims, alive)
		if err != nil || !free {
			return false, err
		}
		v, keep = now, aside
	}
	l.claim.Phase, l.confirmed = phaseHolding, time.Now()
	holding := sqltext.Literal(l.claim.Comment())
	free := v.find(l.name + freeSuffix)
	if free == nil {
		err := l.db.Exec(ctx, "CREATE TABLE "+l.db.Name(l.name)+" (x INT) COMMENT="+holding)
		if databend.IsCode(err, databend.CodeUnknownDatabase) {
			return false, l.db.Ensure(ctx)
		}
		if beaten(err) {
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
	err := l.db.Script(ctx,
		renaming(l.db, free.name, aside),
		"ALTER TABLE "+l.db.Name(aside)+" COMMENT="+holding,
		renaming(l.db, aside, l.name),
	)
	switch {
	case databend.IsCode(err, databend.CodeTableExists):
		// Another made a lock meanwhile.
		return false, l.db.Exec(ctx, "DROP TABLE IF EXISTS "+l.db.Name(aside))
	case beaten(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("take lock: %w", err)
	}
	return true, nil
}

// checkTable makes sure that the lock is ours, and that no migration writes the table: it writes its claim before it looks for
// locks, as we took ours before we look for claims. When one does, the lock is given back.
func (l *Lock) checkTable(ctx context.Context, target string, o Options, standing Standing) (*HeldError, error) {
	sent := time.Now()
	var besides error
	var both sync.WaitGroup
	if o.Beside != nil {
		both.Go(crash.Caught(func() { besides = o.Beside(ctx) }))
	}
	v, writer, err := standing(ctx, target)
	both.Wait()
	err = cmp.Or(err, besides)
	if err == nil && v.Missing {
		if err = l.db.Ensure(ctx); err == nil {
			v, writer, err = standing(ctx, target)
		}
	}
	if err != nil {
		return nil, err
	}
	t := v.find(l.name)
	if t == nil || !strings.Contains(t.comment, l.claim.Token) {
		held := &HeldError{What: l.what, Owner: "a load that is just starting"}
		if t != nil {
			if other := tableHeld(v, t); other != nil {
				held = other
			}
		}
		return held, nil
	}
	l.id, l.confirmed = t.id, sent
	if writer != nil {
		if err := l.giveBack(ctx); err != nil {
			return nil, err
		}
	}
	return writer, nil
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
	// A lock without a live claim is nobody's, so it does not matter which of the two comes first.
	var dropped error
	var both sync.WaitGroup
	if strings.HasPrefix(l.table, runPrefix) {
		text := dropRun(l.db, l.run)
		if l.Unended {
			text = fenceRun(l.db, l.run)
		}
		both.Go(crash.Caught(func() {
			if _, err := l.marks.Exec(ctx, databend.Statement{SQL: text}); err != nil {
				dropped = fmt.Errorf("give lock back: %w", err)
			}
		}))
	}
	err := l.giveBack(ctx)
	both.Wait()
	return errors.Join(err, dropped)
}

// Unreleased is what to say where Release failed.
func (l *Lock) Unreleased(err error) string {
	return fmt.Sprintf("the lock could not be given back; it is free %s after this: %s", l.ttl, err)
}

// giveBack renames the lock to its free name.
func (l *Lock) giveBack(ctx context.Context) error {
	// A process that is stopped here for long does not give back what another has taken over meanwhile.
	send := func(text string) error {
		_, err := l.db.Conn().Exec(ctx, databend.Statement{SQL: text, SendBy: l.SendBy()})
		return err
	}
	err := send("ALTER TABLE " + l.db.Name(l.name) + " RENAME TO " + sqltext.Ident(l.name+freeSuffix))
	if databend.IsCode(err, databend.CodeTableExists) {
		// A second free table can come from a take-over: one is enough.
		err = send("DROP TABLE " + l.db.Name(l.name))
	}
	if err == nil || databend.IsCode(err, databend.CodeUnknownTable) || databend.IsUnknownOutcome(err) {
		return nil
	}
	return fmt.Errorf("give lock back: %w", err)
}

// HeldTables says which of the tables (database.table) are being loaded into, and puts the locks of loads aside whose owners are
// gone, so that what they may still have under way cannot commit: one request when there are none. Call it after Acquire,
// whose claim makes later loads refuse.
func (l *Lock) HeldTables(ctx context.Context, o Options, targets []sqltext.Object) (*HeldError, error) {
	v, err := Look(ctx, l.db)
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		t := v.find(TableName(target.Database, target.Name))
		if t == nil {
			continue
		}
		if held := tableHeld(v, t); held != nil {
			return held, nil
		}
		if c, ok := parseClaim(*t); ok {
			o.note("%s: the lock of %s is put aside: %s", c.What, c.who(), c.reason(v.Now))
		}
		if _, _, err := putAside(ctx, l.db, *t); err != nil {
			return nil, fmt.Errorf("put lock aside: %w", err)
		}
	}
	return nil, nil
}
