package lock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/store"
)

// defaultTTL is the age from which an owner that does not beat is taken for dead.
const defaultTTL = 30 * time.Second

const (
	runPrefix   = "run_"
	lockPrefix  = "lock_"
	stalePrefix = "lock_stale_"
	// fencedPrefix: the claim of a run that sends no more marks and has no end in the journal, kept for its last one. Databend forgets a
	// table that was dropped after a day.
	fencedPrefix = "lock_claim_"
	freeSuffix   = "_free"
)

// ErrRobbed is returned when somebody took this run's lock over: nothing more may be sent for it.
var ErrRobbed = errors.New("the lock was taken over by another run: nothing more was sent")

// Fence is a condition that holds only as long as a lock is ours: its table still exists, with its id and token. It is checked
// by the server inside the statement that it guards, or asked for right before the COMMIT of a transaction (Guarded).
type Fence struct {
	Database, Table, TableID, Token string
}

// SQL is the fence as a condition.
func (f *Fence) SQL() string {
	c := "EXISTS (SELECT 1 FROM system.tables WHERE database=" + sqltext.Literal(f.Database) + " AND name=" + sqltext.Literal(f.Table)
	if f.TableID != "" {
		c += " AND table_id=" + f.TableID
	}
	if f.Token != "" {
		c += " AND position(" + sqltext.Literal(f.Token) + " IN comment)>0"
	}
	return c + ")"
}

// Guarded looks whether the fence holds, and which id (decimal; "": none) another table has at the same moment: one request, for a
// transaction that does not carry its fence itself. It returns ErrRobbed when the fence is broken.
func Guarded(ctx context.Context, db *store.DB, f *Fence, database, table string) (id string, err error) {
	named := func(database, table string) string {
		return "(database=" + sqltext.Literal(database) + " AND name=" + sqltext.Literal(table) + ")"
	}
	res, err := db.Query(ctx, "SELECT database, name, to_string(table_id), comment FROM system.tables WHERE "+
		named(f.Database, f.Table)+" OR "+named(database, table))
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

// Options say how to take a lock.
type Options struct {
	TTL   time.Duration // default defaultTTL
	Wait  time.Duration // how long to wait for it; 0: not at all
	Run   string        // id of the run or load
	Actor store.Actor
	Owner *Owner // the process behind the claim; nil: this one
	// Session carries the marks and heartbeats of the lock; nothing else may use it. Default: the Store's, where a long
	// statement keeps the heart from beating.
	Session store.Session
	Writes  []string          // migrations: the tables (database.table) that loads keep off; database.*: all of it; ["*"]: any
	Note    func(text string) // told when waiting and when taking over; may be nil
	// Loads: what was seen of the locks a moment ago, zero: nothing; and what is asked beside the last question, when nobody else can
	// write the table any more; nil: nothing.
	Seen   View
	Beside func(ctx context.Context) error
}

func (o Options) note(format string, args ...any) {
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

// ExitCode is that of a lock that another run holds.
func (e *HeldError) ExitCode() exit.Code { return exit.Locked }

// Hint says how to go on.
func (e *HeldError) Hint() string {
	if e.Dead {
		return "dbctl migrate recover"
	}
	return "wait for it with --lock-wait 10m, or, if that process is gone: dbctl unlock"
}

// migrationLock is the name of the lock of a project's migrations in a database.
func migrationLock(s store.Scope) string {
	return lockName("migrate", s.Project, s.Database)
}

// Owns reports whether a table of the state database is a lock or a claim.
func Owns(table string) bool {
	return strings.HasPrefix(table, lockPrefix) || strings.HasPrefix(table, runPrefix)
}

// TableName is the name of the lock of loads into a table, whatever the project.
func TableName(database, table string) string { return lockName("load", database, table) }

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

// Unfinished says of a run of the scope whether the journal has its begin and not its end, as it is now.
type Unfinished func(ctx context.Context, run string) (bool, error)

// Acquire takes the lock of the scope's migrations. seen is what was seen last; too old, or of no moment, it is looked at again. The
// run's own table is made first, so that a lock without a live claim is known to be nobody's. It returns *HeldError when somebody else
// works.
func Acquire(ctx context.Context, db *store.DB, o Options, seen View, unfinished Unfinished) (*Lock, error) {
	scope := db.Scope()
	l := newLock(db, o, migrationLock(scope), fmt.Sprintf("migrations of %s in %s", scope.Project, scope.Database))
	l.table = runPrefix + o.Run
	l.claim.Writes = o.Writes
	l.begun = !seen.Missing
	v := seen
	for wait := newWaiter(o); ; {
		if l.begun && v.Now.IsZero() || time.Since(v.Read) > l.ttl/3 {
			var err error
			if v, err = Look(ctx, db); err != nil {
				return nil, err
			}
		}
		done, err := l.tryMigrations(ctx, o, v, unfinished)
		if err != nil {
			l.abandon(ctx)
			return nil, err
		}
		if done {
			l.start()
			return l, nil
		}
		if v, err = Look(ctx, db); err != nil {
			l.abandon(ctx)
			return nil, err
		}
		if held := l.heldBy(v); held != nil {
			l.abandon(ctx)
			if err := wait.wait(ctx, held); err != nil {
				return nil, err
			}
			v = View{}
			l.begun = true
		}
	}
}

// tryMigrations tries once, from what v shows. Neither done nor an error: look again.
func (l *Lock) tryMigrations(ctx context.Context, o Options, v View, unfinished Unfinished) (done bool, err error) {
	if l.heldBy(v) != nil {
		return false, nil
	}
	held, free := v.find(l.name), v.find(l.name+freeSuffix)
	if held != nil {
		if err := l.make(ctx); err != nil {
			return false, err
		}
		alive := func(now View, _ string) bool { return l.heldBy(now) != nil }
		if ok, _, _, err := l.takeOver(ctx, o, v, *held, v.claims(l.name), alive); !ok || err != nil {
			return false, err
		}
	}
	take := "CREATE TABLE " + l.db.Name(l.name) + " (x INT) COMMENT=" + sqltext.Literal(Claim{Lock: l.name, What: l.what}.Comment())
	if free != nil {
		take = renaming(l.db, free.name, l.name)
	}
	if err := l.make(ctx, take); beaten(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	// Claims of the dead: from now on no mark of theirs succeeds.
	for _, c := range v.claims(l.name) {
		if c.Run == l.run || !c.Dead(v.Now) {
			continue
		}
		left, err := unfinished(ctx, c.Run)
		switch {
		case err != nil:
		case left:
			err = l.FenceRun(ctx, c.Run)
		default:
			err = l.db.Exec(ctx, "DROP TABLE IF EXISTS "+l.db.Name(c.table.name))
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// heldBy says who else works under the lock, nil when nobody does.
func (l *Lock) heldBy(v View) *HeldError {
	held := v.find(l.name) != nil
	var owner *Claim
	for _, c := range v.claims(l.name) {
		if c.Run == l.run || c.Dead(v.Now) || !held && c.Phase != phaseHolding {
			continue
		}
		if owner == nil || c.Phase == phaseHolding {
			owner = &c
		}
	}
	if owner == nil {
		return nil
	}
	return &HeldError{What: l.what, Owner: owner.who(), Age: owner.age(v.Now)}
}

// make makes the run's own table, once, with the state's tables where they are missing, and sends more behind it: one request.
func (l *Lock) make(ctx context.Context, more ...string) error {
	texts, send := more, l.db.Script
	if !l.made {
		// The name is ours alone: when it exists, an earlier answer was lost.
		create := "CREATE TABLE IF NOT EXISTS " + l.db.Name(l.table) + " (x INT) COMMENT=" + sqltext.Literal(l.claim.Comment())
		texts = append([]string{create}, more...)
	}
	switch {
	case !l.begun:
		send = l.db.Ensure
	case len(texts) == 0:
		return nil
	}
	made, sent := l.made, time.Now()
	err := send(ctx, texts...)
	e, ok := errors.AsType[*databend.Error](err)
	l.made = made || !ok || e.Kind != databend.KindUnreachable // or it may be: the answer was lost, or what stands behind it failed
	if err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	l.begun = true
	if !made {
		l.confirmed = sent
	}
	return nil
}

// abandon takes the claim back when the lock was not got.
func (l *Lock) abandon(ctx context.Context) {
	if !l.made {
		return
	}
	l.made = false
	// What cannot be dropped now is dropped by the next who takes the lock.
	_ = l.db.Exec(context.WithoutCancel(ctx), dropRun(l.db, l.run))
}

// dropRun drops the table of a run's claim: from then on no mark of its owner succeeds.
func dropRun(db *store.DB, run string) string {
	return "DROP TABLE IF EXISTS " + db.Name(runPrefix+run)
}

// fenceRun gives it another name, for the same, and its last mark stays readable.
func fenceRun(db *store.DB, run string) string {
	return "ALTER TABLE " + db.Name(runPrefix+run) + " RENAME TO " + sqltext.Ident(fencedPrefix+run)
}

// FenceRun takes its claim from a run: from then on no mark of its owner succeeds. The last one stays readable until ForgetRun.
func (l *Lock) FenceRun(ctx context.Context, run string) error {
	if slices.Contains(l.fenced, run) {
		return nil
	}
	err := fence(ctx, l.db, run)
	if err == nil {
		l.fenced = append(l.fenced, run)
	}
	return err
}

func fence(ctx context.Context, db *store.DB, run string) error {
	for try := 0; ; try++ {
		err := store.Again(ctx, func() error { return db.Exec(ctx, fenceRun(db, run)) })
		switch {
		case err == nil, databend.IsCode(err, databend.CodeUnknownTable): // fenced before, or its claim is gone
			return nil
		case databend.IsCode(err, databend.CodeVersionMismatch) && try < 5: // a mark of its owner came between
		default:
			return fmt.Errorf("fence run %s: %w", run, err)
		}
	}
}

// ForgetRun drops the claim that was taken from a run: the journal has its end.
func (l *Lock) ForgetRun(ctx context.Context, run string) {
	// What cannot be dropped now is dropped by the next who takes the lock.
	_ = l.db.Exec(ctx, "DROP TABLE IF EXISTS "+l.db.Name(fencedPrefix+run))
}

// LastClaim is the last claim of a run, from its table, or where that was dropped from the catalogue's history; nil when that has
// forgotten it.
func LastClaim(ctx context.Context, db *store.DB, run string) (*Claim, error) {
	res, err := db.Query(ctx, "SELECT "+strings.Join(ViewColumns, ",")+" FROM system.tables_with_history WHERE database="+
		sqltext.Literal(db.Scope().StateDatabase)+" AND name IN ("+sqltext.Literals([]string{runPrefix + run, fencedPrefix + run})+")")
	if err != nil {
		return nil, fmt.Errorf("read mark: %w", err)
	}
	var last *Claim
	for _, r := range res.Rows {
		if c, ok := parseClaim(readTable(r)); ok && (last == nil || c.Beat >= last.Beat) {
			last = &c
		}
	}
	return last, nil
}

// Alone is the condition that a run still has its claim, and that no other run holds the lock: one look at the claims, since each look
// more costs the server as much as the rest of an INSERT.
func (l *Lock) Alone() string {
	s := sqltext.Literal
	return fmt.Sprintf("(SELECT count_if(name=%[1]s)=1 AND "+
		"count_if(name<>%[1]s AND position(%[2]s IN comment)>0 AND position(%[3]s IN comment)>0)=0 "+
		"FROM system.tables WHERE database=%[4]s AND left(name,4)=%[5]s)",
		s(l.table), s(claimOf(l.name)), s(claimHolding), s(l.db.Scope().StateDatabase), s(runPrefix))
}

// waiter waits between two tries, at most as long as the options say.
type waiter struct {
	o     Options
	until time.Time
	told  bool
}

func newWaiter(o Options) *waiter { return &waiter{o: o, until: time.Now().Add(o.Wait)} }

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
