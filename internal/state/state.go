// Package state owns dbctl's own tables in the state database: journal, ledger and locks. It is the only place that knows
// their columns.
//
//	journal        append-only: who ran what when, and what is needed to put an unfinished run back (journal.go, history.go)
//	ledger         append-only: one fact about one file a row (ledger.go)
//	lock_…         one per project and database for migrations, one per target table for loads; held while it has this name,
//	               free while it ends in _free (lock.go, tablelock.go)
//	run_<run>      the claim of one migration run: its comment is who runs, heartbeat and write-ahead mark (mark.go)
//	lock_stale_…   a lock that was taken from an owner who was gone, kept until the next such case
//
// Every row has an event id; readers drop repeats, so a write whose answer was lost is simply sent again. The journal's row
// with event "schema" holds the version of these tables in its column version: it comes with every History, and its columns
// event and version never change their names, so that an older binary can read it whatever else a newer one changed.
package state

import (
	"context"
	"fmt"
	"sync"

	"github.com/dbctl/dbctl/internal/databend"
)

// Scope is the key of everything: one project in one database, with its state database.
type Scope struct {
	Project, Database, StateDatabase string
}

// Schema is the version of the state tables that this binary writes; a newer one is refused with *NewerSchemaError.
const Schema = 1

// NewerSchemaError says that the state tables were made by a newer dbctl (exit 2).
type NewerSchemaError struct {
	Database string
	Found    int64
}

func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("the state tables in %s have schema %d, this dbctl knows %d", e.Database, e.Found, Schema)
}

// ExitCode is 2.
func (e *NewerSchemaError) ExitCode() int { return 2 }

// Hint says how to go on.
func (e *NewerSchemaError) Hint() string {
	return "use the dbctl that made them, or a newer one: dbctl version"
}

// Session is what a Store needs of a session.
type Session interface {
	Query(ctx context.Context, st databend.Statement) (databend.Result, error)
	Exec(ctx context.Context, st databend.Statement) (databend.Result, error)
}

// Store reads and writes the state tables over a session of its own, with qualified names. It is safe for concurrent use.
type Store struct {
	db    *serial
	scope Scope
}

// Open makes a Store. Nothing is sent. Nothing else may use session but through Conn.
func Open(session Session, scope Scope) *Store {
	return &Store{db: &serial{s: session}, scope: scope}
}

// Conn is the Store's session for others, one statement at a time.
func (s *Store) Conn() Session { return s.db }

// serial lets several goroutines share a session.
type serial struct {
	mu sync.Mutex
	s  Session
}

func (l *serial) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.s.Query(ctx, st)
}

func (l *serial) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.s.Exec(ctx, st)
}

// Actor is who acts: written into every journal row.
type Actor struct {
	OSUser, Host, GitCommit, Label, DBCTLVersion string
	GitDirty                                     bool
	Flags                                        string
}
