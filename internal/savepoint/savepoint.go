// Package savepoint moves what is there now back to what was there when package catalog captured it.
//
// A savepoint is state, not a list of inverse statements. The capture notes of each object whether it exists, its id, its
// definition and the id of its newest snapshot. Restore looks at what is there now and converges on that by ids: a wrong
// table under a name is parked (renamed), the right one renamed or UNDROPped into place, its content FLASHBACKed behind a
// short fence. The state decides what to do; what may have run bounds what may be touched (package blame). Restore decides every
// step from what is live, so it may be killed anywhere and repeated, and a second one writes nothing.
//
// Only the parts of an object that reached statements wrote are moved, and only while they hold what those made of them. A statement
// that the server refuses is that object's outcome; the others are restored.
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
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Conn is the session that captures and restores: names are always qualified, its current database does not matter. It must
// speak the dialect "PostgreSQL" (the default) and have no transaction open.
type Conn interface {
	Query(ctx context.Context, st databend.Statement) (databend.Result, error)
	Exec(ctx context.Context, st databend.Statement) (databend.Result, error)
}

var _ Conn = (*databend.Session)(nil)

// Options are the choices of one Restore.
type Options struct {
	// Redefine gives dbctl's own earlier definition of an object that the engine cannot give back, with secrets as of now.
	// It returns ErrNoDefinition when there is none. Optional.
	Redefine func(sqltext.Object) ([]databend.Statement, error)
	// Gave says of an object whose keys are shown in part, and were not seen behind the statement that wrote it, why they are not those of
	// statements of ours: "" where they can be. Optional.
	Gave   func(catalog.ObjectState) (why string, err error)
	Report func(Outcome) // called once per object, at the end. Optional.
	Drain  time.Duration // how long the fence waits for statements that started before it; default 2 s
	Run    string        // id of the run, for the comment of tables that are kept
	More   []Conn        // further sessions, for requests about different objects, which are sent beside each other. Optional.
	// Again says that an earlier restore of the same may have been cut off: what is there may be its half.
	Again bool
}

// ErrNoDefinition is returned by Options.Redefine when the journal has no earlier definition of an object.
var ErrNoDefinition = errors.New("no earlier definition in the journal")

// Result is what became of an object. Package event says what each means.
type Result = event.Result

// The results of an Outcome.
const (
	Restored  = event.Restored
	Untouched = event.Untouched
	Kept      = event.Kept
	Differs   = event.Differs
)

// Outcome is what became of one object.
type Outcome struct {
	Object sqltext.Object
	Word   string // what people call its kind: view, where Object says table
	Result Result
	Detail string // for people: what was kept, what differs, which table holds it, "secret as of now"
}

// Report is what Restore did.
type Report struct {
	Outcomes []Outcome
	Uncopied []string // ids of tables whose COPYs are rolled back: the engine may take the files for loaded, and the ledger is to say more
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
