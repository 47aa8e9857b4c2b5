package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// DefaultTTL is the age from which an owner that does not beat is taken for dead.
const DefaultTTL = 30 * time.Second

const (
	runPrefix   = "run_"
	lockPrefix  = "lock_"
	stalePrefix = "lock_stale_"
	freeSuffix  = "_free"
)

// ErrRobbed is returned when somebody took this run's lock over: nothing more may be sent for it.
var ErrRobbed = errors.New("the lock was taken over by another run: nothing more was sent")

// Fence is a condition that holds only as long as a lock is ours: its table still exists, with its id and token. It is checked
// by the server inside the statement that it guards, or asked for right before the COMMIT of a transaction (Guarded).
type Fence struct {
	Database, Table, TableID, Token string
}

// condition is the fence as an SQL condition.
func (f *Fence) condition() string {
	c := "EXISTS (SELECT 1 FROM system.tables WHERE database=" + literal(f.Database) + " AND name=" + literal(f.Table)
	if f.TableID != "" {
		c += " AND table_id=" + f.TableID
	}
	if f.Token != "" {
		c += " AND position(" + literal(f.Token) + " IN comment)>0"
	}
	return c + ")"
}

// Guarded looks whether the fence holds, and which id (decimal; "": none) another table has at the same moment: one request, for a
// transaction that does not carry its fence itself. It returns ErrRobbed when the fence is broken.
func (s *Store) Guarded(ctx context.Context, f *Fence, database, table string) (id string, err error) {
	named := func(database, table string) string {
		return "(database=" + literal(database) + " AND name=" + literal(table) + ")"
	}
	res, err := s.db.Query(ctx, databend.Statement{SQL: "SELECT database, name, to_string(table_id), comment FROM system.tables WHERE " + named(f.Database, f.Table) + " OR " + named(database, table)})
	if err != nil {
		return "", fmt.Errorf("look at the lock: %w", err)
	}
	err = ErrRobbed
	for _, r := range res.Rows {
		switch [2]string{r[0].String, r[1].String} {
		case [2]string{f.Database, f.Table}:
			if (f.TableID == "" || r[2].String == f.TableID) && strings.Contains(r[3].String, f.Token) {
				err = nil
			}
		case [2]string{database, table}:
			id = r[2].String
		}
	}
	return id, err
}

// LockOptions say how to take a lock.
type LockOptions struct {
	TTL   time.Duration // default DefaultTTL
	Wait  time.Duration // how long to wait for it; 0: not at all
	Run   string        // id of the run or load
	Actor Actor
	// Session carries the marks and heartbeats of the lock; nothing else may use it. Default: the Store's, where a long
	// statement keeps the heart from beating.
	Session Session
	Writes  []string          // migrations: the tables (database.table) that will be written; ["*"]: any
	Note    func(text string) // told when waiting and when taking over; may be nil
}

func (o LockOptions) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

// HeldError says who holds a lock (exit 5).
type HeldError struct {
	What  string // "migrations of citydrive in default", "loads into default.videos"
	Owner string // user@host pid 1 (run …)
	Age   time.Duration
	Dead  bool // the owner is gone or left it unfinished: a person or `migrate recover` must act
}

func (e *HeldError) Error() string {
	if e.Dead {
		return fmt.Sprintf("%s: left unfinished by %s", e.What, e.Owner)
	}
	return fmt.Sprintf("%s: locked by %s, last heard of %s ago", e.What, e.Owner, e.Age.Round(time.Second/10))
}

// ExitCode is 5.
func (e *HeldError) ExitCode() int { return 5 }

// Hint says how to go on.
func (e *HeldError) Hint() string {
	if e.Dead {
		return "dbctl migrate recover"
	}
	return "wait for it with --lock-wait 10m, or, if that process is gone: dbctl unlock"
}

// migrationLock is the name of the lock of this project's migrations in this database.
func (s *Store) migrationLock() string {
	return lockName("migrate", s.scope.Project, s.scope.Database)
}

// TableLock is the name of the lock of loads into a table, whatever the project.
func TableLock(database, table string) string { return lockName("load", database, table) }

func lockName(kind, a, b string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + a + "\x00" + b))
	slug := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(a+"_"+b))
	return lockPrefix + kind + "_" + slug[:min(len(slug), 60)] + "_" + hex.EncodeToString(sum[:6])
}

// Acquire takes the lock of this scope's migrations. h is the history as read last; without locks in it they are read. The run's
// own table is made first, so that a lock without a live claim is known to be nobody's. It returns *HeldError when somebody
// else works.
func (s *Store) Acquire(ctx context.Context, o LockOptions, h History) (*Lock, error) {
	what := fmt.Sprintf("migrations of %s in %s", s.scope.Project, s.scope.Database)
	l := s.newLock(o, s.migrationLock(), what)
	l.table = runPrefix + o.Run
	l.claim.Writes = o.Writes
	l.token = h.token + 1
	l.begun = h.Exists
	v := view{tables: h.locks, now: h.Now, read: h.Read}
	for wait := newWaiter(o); ; {
		if h.Exists && v.now.IsZero() || time.Since(v.read) > l.ttl/3 {
			var err error
			if v, err = s.view(ctx); err != nil {
				return nil, err
			}
		}
		done, err := l.tryMigrations(ctx, o, v)
		if err != nil {
			l.abandon(ctx)
			return nil, err
		}
		if done {
			l.start()
			return l, nil
		}
		if v, err = s.view(ctx); err != nil {
			l.abandon(ctx)
			return nil, err
		}
		if held := l.heldBy(v); held != nil {
			l.abandon(ctx)
			if err := wait.wait(ctx, held); err != nil {
				return nil, err
			}
			v = view{}
			h.Exists = true
		}
	}
}

// tryMigrations tries once, from what v shows. Neither done nor an error: look again.
func (l *Lock) tryMigrations(ctx context.Context, o LockOptions, v view) (done bool, err error) {
	if l.heldBy(v) != nil {
		return false, nil
	}
	if err := l.make(ctx); err != nil {
		return false, err
	}
	held, free := v.find(l.name), v.find(l.name+freeSuffix)
	if held != nil {
		if ok, err := l.putAside(ctx, o, v, *held); !ok || err != nil {
			return false, err
		}
	}
	if free != nil {
		err = l.exec(ctx, "ALTER TABLE "+l.store.name(free.name)+" RENAME TO "+sqltext.Ident(l.name))
	} else {
		err = l.exec(ctx, "CREATE TABLE "+l.store.name(l.name)+" (x INT) COMMENT="+literal(Claim{Lock: l.name, What: l.what}.comment()))
	}
	if databend.IsCode(err, databend.CodeUnknownTable, databend.CodeTableExists) || databend.IsUnknownOutcome(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take lock: %w", err)
	}
	// Claims of the dead: from now on no mark of theirs succeeds.
	for _, c := range v.claims(l.name) {
		if c.Run == l.run || !c.dead(v.now) {
			continue
		}
		if err := l.dropRun(ctx, c.Run); err != nil {
			return false, err
		}
	}
	return true, nil
}

// putAside renames the held lock of an owner who is gone, so that its name is free: the name that it gets has the table's id, so
// of two who try only one succeeds. It reports whether it did.
func (l *Lock) putAside(ctx context.Context, o LockOptions, v view, held table) (bool, error) {
	aside := stalePrefix + held.id
	for _, c := range v.claims(l.name) {
		if c.Run != l.run {
			o.note("%s: taking over from %s: %s", l.what, c.who(), c.reason(v.now))
		}
	}
	err := l.exec(ctx, "ALTER TABLE "+l.store.name(l.name)+" RENAME TO "+sqltext.Ident(aside))
	if databend.IsCode(err, databend.CodeUnknownTable, databend.CodeTableExists) || databend.IsUnknownOutcome(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take lock over: %w", err)
	}
	// Between the look and the rename the owner may have come back, given the lock back, and another may have taken it.
	now, err := l.store.view(ctx)
	if err != nil {
		return false, err
	}
	if held := l.heldBy(now); held != nil {
		err := l.exec(ctx, "ALTER TABLE "+l.store.name(aside)+" RENAME TO "+sqltext.Ident(l.name))
		if databend.IsCode(err, databend.CodeUnknownTable, databend.CodeTableExists) {
			err = nil
		}
		return false, err
	}
	return true, l.sweep(ctx, now, aside)
}

// heldBy says who else works under the lock, nil when nobody does.
func (l *Lock) heldBy(v view) *HeldError {
	held := v.find(l.name) != nil
	var owner *Claim
	for _, c := range v.claims(l.name) {
		if c.Run == l.run || c.dead(v.now) || !held && c.Phase != phaseHolding {
			continue
		}
		if owner == nil || c.Phase == phaseHolding {
			owner = &c
		}
	}
	if owner == nil {
		return nil
	}
	return &HeldError{What: l.what, Owner: owner.who(), Age: owner.age(v.now)}
}

// make makes the run's own table, once.
func (l *Lock) make(ctx context.Context) error {
	if l.made {
		return nil
	}
	if !l.begun {
		if err := l.store.EnsureTables(ctx); err != nil {
			return err
		}
		l.begun = true
	}
	sent := time.Now()
	err := l.exec(ctx, "CREATE TABLE "+l.store.name(l.table)+" (x INT) COMMENT="+literal(l.claim.comment()))
	// The name is ours alone: when it exists, an earlier answer was lost.
	if err != nil && !databend.IsCode(err, databend.CodeTableExists) {
		return fmt.Errorf("take lock: %w", err)
	}
	l.made, l.confirmed = true, sent
	return nil
}

// abandon takes the claim back when the lock was not got.
func (l *Lock) abandon(ctx context.Context) {
	if !l.made {
		return
	}
	l.made = false
	// What cannot be dropped now is dropped by the next who takes the lock.
	_ = l.dropRun(context.WithoutCancel(ctx), l.run)
}

func (l *Lock) dropRun(ctx context.Context, run string) error {
	return l.exec(ctx, "DROP TABLE IF EXISTS "+l.store.name(runPrefix+run))
}

// waiter waits between two tries, at most as long as the options say.
type waiter struct {
	o     LockOptions
	until time.Time
	told  bool
}

func newWaiter(o LockOptions) *waiter { return &waiter{o: o, until: time.Now().Add(o.Wait)} }

// wait returns held when the time is over.
func (w *waiter) wait(ctx context.Context, held *HeldError) error {
	left := time.Until(w.until)
	if left <= 0 {
		return held
	}
	if !w.told {
		w.told = true
		w.o.note("waiting up to %s: %s", w.o.Wait, held)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(left, 500*time.Millisecond)):
		return nil
	}
}
