package run

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/state"
)

// Error is a run that stopped. Err says at which statement and why.
type Error struct {
	Version   int64
	Name      string
	Direction event.Direction
	Statement int     // from 1, of the section; 0 when it was none
	Applied   []int64 // versions that this run applied or took back before, and that stay so
	// Outcomes is what became of each object of the savepoint; empty when nothing had run.
	Outcomes []event.Rollback
	// Left says that something was kept or could not be put back, or is not known: `migrate recover` or a person must act.
	Left        bool
	Interrupted bool // by the context, and put back
	wayOut      string
	Err         error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	switch {
	case e.Left && e.Version == 0: // what it was about is not known yet
		b.WriteString("\nit is not put back yet")
	case e.Left && len(e.Outcomes) == 0:
		fmt.Fprintf(&b, "\nmigration %d %s is not put back yet", e.Version, e.Name)
	case e.Left:
		fmt.Fprintf(&b, "\nmigration %d %s could not be put back whole", e.Version, e.Name)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is 1 after a clean rollback, 4 when something is left. A server that was never reached is left to its own error.
func (e *Error) ExitCode() exit.Code {
	switch {
	case e.Left:
		return exit.Partly
	case e.Interrupted:
		return exit.Interrupted
	}
	return exit.Failed
}

// Hint is what to type next.
func (e *Error) Hint() string {
	switch {
	case e.wayOut != "":
		return e.wayOut
	case errors.Is(e.Err, state.ErrRobbed):
		return "the run that took the lock over puts it back: dbctl migrate status"
	case e.Left && len(e.Outcomes) == 0:
		return "once the server answers again, dbctl migrate recover puts it back (as up, down and redo do first)"
	case e.Left:
		return "mend what is named above, then: dbctl migrate recover"
	}
	hint := exit.Hint(e.Err)
	if d, ok := errors.AsType[*databend.Error](e.Err); ok && hint == "" && d.Kind == databend.KindUnknown {
		return "everything is as it was before; once the server answers again: dbctl migrate " + string(cmp.Or(e.Direction, event.Up))
	}
	return hint
}
