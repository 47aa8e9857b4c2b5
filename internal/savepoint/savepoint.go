// Package savepoint captures the state of a set of objects and moves what is there now back to what was there then.
//
// A savepoint is state, not a list of inverse statements. Capture notes of each object whether it exists, its id, its
// definition and the id of its newest snapshot. Restore looks at what is there now and converges on that by ids: a wrong
// table under a name is parked (renamed), the right one renamed or UNDROPped into place, its content FLASHBACKed behind a
// short fence. The state decides what to do; what may have run (Reached) bounds what may be touched. Restore decides every
// step from what is live, so it may be killed anywhere and repeated, and a second one writes nothing.
//
// What nothing in Databend can hold off: a transaction that another session left open, and that commits in the instant between
// the last look at a fenced table and its FLASHBACK (one request), goes with it. One that commits before or after is kept.
package savepoint

import (
	"context"
	"errors"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Conn is the session that captures and restores: names are always qualified, its current database does not matter. It must
// speak the dialect "PostgreSQL" (the default) and have no transaction open.
type Conn interface {
	Query(ctx context.Context, st databend.Statement) (databend.Result, error)
	Exec(ctx context.Context, st databend.Statement) (databend.Result, error)
}

var _ Conn = (*databend.Session)(nil)

// Reached is a statement that ran or may have run, in the order of the run.
type Reached struct {
	Effect effect.Effect
	// At is the server's time of the statement's mark, zero when unknown. An object that was absent and is there now is ours only
	// if it was created at or after it.
	At time.Time
	// Heads has the head snapshot of each table that the statement writes, read right before it (from the mark): table id → id.
	Heads map[string]string
	// Own has what the statement's own transaction journaled of the tables whose rows it changed: the snapshot id, and the names
	// (fuse_block's block_location) of the blocks that this snapshot has and the one before it lacks. Rows that were appended are
	// ours only by this; a DDL needs none. A table of which it changed no row must not be in it: the head may have moved by
	// another's commit, whose rows would then be taken for ours.
	Own []string
	// Recaptured is what was captured again right before it. Objects of it replace those of the state before.
	Recaptured catalog.State
}

// Options are the choices of one Restore.
type Options struct {
	// Redefine gives dbctl's own earlier definition of an object that the engine cannot give back, with secrets as of now.
	// It returns ErrNoDefinition when there is none. Optional.
	Redefine func(sqltext.Object) ([]databend.Statement, error)
	Report   func(Outcome) // called once per object, at the end. Optional.
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
