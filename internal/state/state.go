// Package state is dbctl's own memory in the state database, three ideas in packages of their own: the journal (who ran what when), the
// ledger (what is known of each file) and the locks (who may write now). They and package store are the only places that know the
// tables' columns.
package state

import (
	"context"

	"github.com/dbctl/dbctl/internal/state/journal"
	"github.com/dbctl/dbctl/internal/state/ledger"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// What most callers need of the packages below.
type (
	Scope   = store.Scope
	Session = store.Session
	Actor   = store.Actor

	History     = journal.History
	Version     = journal.Version
	Run         = journal.Run
	Row         = journal.Row
	Record      = journal.Record
	Sums        = journal.Sums
	AppliedText = journal.AppliedText
	Lock        = journal.Writer // of migrations: with the pen of its run

	LedgerRow    = ledger.Row
	LedgerSource = ledger.Source
	Origin       = ledger.Origin
	FillNote     = ledger.FillNote

	LoadLock    = lock.Lock // of a load's table
	LockOptions = lock.Options
	LockInfo    = lock.Info
	Locks       = lock.View
	HeldError   = lock.HeldError
	Claim       = lock.Claim
	Fence       = lock.Fence
)

// The errors that callers tell apart.
var (
	ErrRobbed = lock.ErrRobbed
	ErrMoved  = journal.ErrMoved
)

// Store is all of it, for one scope over one session.
type Store struct {
	*store.DB
	*journal.Journal
	*ledger.Ledger
}

// Open makes a Store. Nothing is sent. Nothing else may use session but through Conn.
func Open(session Session, scope Scope) *Store {
	db := store.Open(session, scope)
	return &Store{DB: db, Journal: journal.Of(db), Ledger: ledger.Of(db)}
}

// Acquire takes the lock of the scope's migrations. h is the history as read last.
func (s *Store) Acquire(ctx context.Context, o LockOptions, h History) (*Lock, error) {
	l, err := lock.Acquire(ctx, s.DB, o, h.Locks, s.Unended)
	if err != nil {
		return nil, err
	}
	return s.Writer(l, o.Actor, h), nil
}

// AcquireTable takes the lock of loads into a table (database.table), unless a migration is writing that or left it unfinished.
func (s *Store) AcquireTable(ctx context.Context, database, target string, o LockOptions) (*lock.Lock, error) {
	return lock.AcquireTable(ctx, s.DB, database, target, o, s.Standing)
}

// Holdings says what the ledger has for tables, and whose rows they were filled with by migrations that the journal has not as put back.
func (s *Store) Holdings(ctx context.Context, ids, names []string) ([]ledger.Holding, []Origin, error) {
	return s.Ledger.Holdings(ctx, ids, names, s.UndoneSQL())
}

// Former is the ledger's, but for what was put back.
func (s *Store) Former(ctx context.Context, target, id, place string) (map[string]ledger.Former, error) {
	return s.Ledger.Former(ctx, target, id, place, s.UndoneSQL())
}

// SeeLocks looks at the locks: one request.
func (s *Store) SeeLocks(ctx context.Context) (lock.View, error) { return lock.Look(ctx, s.DB) }

// Guarded looks whether a fence holds, and which id (decimal; "": none) a table has at the same moment.
func (s *Store) Guarded(ctx context.Context, f *Fence, database, table string) (id string, err error) {
	return lock.Guarded(ctx, s.DB, f, database, table)
}

// Unlock releases the locks whose owners are gone; with force the others too.
func (s *Store) Unlock(ctx context.Context, force bool) (released, left []LockInfo, err error) {
	return lock.Unlock(ctx, s.DB, force)
}

// Owns reports whether a table is nobody's to write but dbctl's: any of the state database, and where that is the environment's own the
// journal, the ledger, locks and claims.
func Owns(s Scope, database, table string) bool {
	return database == s.StateDatabase &&
		(s.StateDatabase != s.Database || table == store.JournalTable || table == store.LedgerTable || lock.Owns(table))
}
