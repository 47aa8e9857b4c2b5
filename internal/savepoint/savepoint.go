// Package savepoint captures the state of a set of objects and moves what is there now back to what was there then.
//
// A savepoint is state, not a list of inverse statements. Capture notes of each object whether it exists, its id, its
// definition and the id of its newest snapshot. Restore looks at what is there now and converges on that by ids: a wrong
// table under a name is parked (renamed), the right one renamed or UNDROPped into place, its content FLASHBACKed behind a
// short fence. The state decides what to do; what may have run (Reached) bounds what may be touched. Restore decides every
// step from what is live, so it may be killed anywhere and repeated, and a second one writes nothing.
package savepoint

import (
	"context"
	"errors"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Conn is the session that captures and restores: names are always qualified, its current database does not matter. It must
// speak the dialect "PostgreSQL" (the default) and have no transaction open.
type Conn interface {
	Query(ctx context.Context, st databend.Statement) (databend.Result, error)
	Exec(ctx context.Context, st databend.Statement) (databend.Result, error)
}

var _ Conn = (*databend.Session)(nil)

// State is the state of a set of objects at one moment. It is kept in the journal as JSON and holds no secret.
type State struct {
	Server  string        `json:"server"` // version() of the engine
	At      string        `json:"at"`     // server's clock, UTC, "2006-01-02 15:04:05.000000"
	Objects []ObjectState `json:"objects"`
}

// Reached is a statement that ran or may have run, in the order of the run.
type Reached struct {
	Effect sqltext.Effect
	// At is the server's time of the statement's mark, "" when unknown. An object that was absent and is there now is ours only
	// if it was created at or after it.
	At string
	// Heads has the head snapshot of each table that the statement writes, read right before it (from the mark): table id → id.
	Heads map[string]string
	// Own has the snapshot ids and new block names (fuse_block's block_location) journaled in the statement's own transaction.
	Own []string
	// Recaptured is what was captured again right before it. Objects of it replace those of the state before.
	Recaptured State
	// Maybe says that it may not have run: true for the last one only.
	Maybe bool
}

// Options are the choices of one Restore.
type Options struct {
	// Redefine gives dbctl's own earlier definition of an object that the engine cannot give back, with secrets as of now.
	// It returns ErrNoDefinition when there is none. Optional.
	Redefine func(sqltext.Object) ([]databend.Statement, error)
	Report   func(Outcome) // called once per object, as it becomes known. Optional.
	Drain    time.Duration // how long the fence waits for statements that started before it; default 2 s
	Run      string        // id of the run, for the comment of tables that are kept
}

// ErrNoDefinition is returned by Options.Redefine when the journal has no earlier definition of an object.
var ErrNoDefinition = errors.New("no earlier definition in the journal")

// The results of an Outcome.
const (
	Restored  = "restored"  // moved back, and checked
	Untouched = "untouched" // was as before already
	Kept      = "kept"      // holds something of others: left as it is, or kept beside
	Differs   = "differs"   // could not be moved back, and why
)

// Outcome is what became of one object.
type Outcome struct {
	Object sqltext.Object
	Result string // Restored, Untouched, Kept, Differs
	Detail string // for people: what was kept, what differs, which table holds it, "secret as of now"
}

// CopiedFiles are files that a rolled back COPY loaded and that the engine still takes for loaded.
type CopiedFiles struct {
	Table   sqltext.Object
	TableID string
	Files   []string // as copy_history() names them
}

// Report is what Restore did.
type Report struct {
	Outcomes []Outcome
	Files    []CopiedFiles // the next load of these files needs FORCE: write ledger rows
}

// Clean reports whether everything is as before: nothing kept, nothing differing.
func (r Report) Clean() bool {
	for _, o := range r.Outcomes {
		if o.Result == Kept || o.Result == Differs {
			return false
		}
	}
	return true
}

// Capture reads the state of objects: two requests whatever their number, one more per exotic kind.
func Capture(ctx context.Context, c Conn, objects []sqltext.Object) (State, error) {
	panic("not built yet")
}

// Merge returns s with the objects of later replaced or added: a capture right before a statement knows better.
func (s State) Merge(later State) State { panic("not built yet") }

// Restore moves the objects of before (with what the reached statements re-captured) back to what they were. An error means
// that it did not come to its end: call it again. Objects that cannot be restored are outcomes, not errors.
func Restore(ctx context.Context, c Conn, before State, reached []Reached, o Options) (Report, error) {
	panic("not built yet")
}

// Verify captures again and compares ids and fingerprints with before, for every object that reached statements may have
// touched.
func Verify(ctx context.Context, c Conn, before State, reached []Reached) ([]Outcome, error) {
	panic("not built yet")
}

// Seed gives never-written tables a first, empty snapshot, without which FLASHBACK has nothing to go back to. Call it after the
// journal's begin, for the tables of captured that will be altered or written. A table that somebody wrote meanwhile is
// left alone: its new head is returned just so. The result is captured with the new heads.
func Seed(ctx context.Context, c Conn, captured State, tables []sqltext.Object) (State, error) {
	panic("not built yet")
}

// Heads reads the head snapshots of tables in one request: table id → snapshot id ("" for a never-written table).
func Heads(ctx context.Context, c Conn, tables []sqltext.Object) (map[string]string, error) {
	panic("not built yet")
}

// Leftovers lists the tables of a database that a restore left fenced, parked or kept.
func Leftovers(ctx context.Context, c Conn, database string) ([]string, error) {
	panic("not built yet")
}

// Retention lists what would break UNDROP or FLASHBACK of the captured tables if a migration took took: one sentence a line.
func Retention(ctx context.Context, c Conn, captured State, took time.Duration) ([]string, error) {
	panic("not built yet")
}
