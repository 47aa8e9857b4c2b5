package migrate

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/state"
)

// The kinds of a PlanError.
const (
	Edited       = "Edited"       // an applied file was edited
	Missing      = "Missing"      // an applied version has no file
	OutOfOrder   = "OutOfOrder"   // older than the newest applied version
	Irreversible = "Irreversible" // cannot be undone, and nobody consented
	Unsupported  = "Unsupported"  // the server lacks what it needs
	Transaction  = "Transaction"  // DDL inside a user's own BEGIN … COMMIT, or a transaction without its end
	Setting      = "Setting"      // it sets what dbctl pins
	Adopt        = "Adopt"        // replaces an account-wide object that is not ours
	NoDown       = "NoDown"       // nothing says how to go down
	NoVersion    = "NoVersion"    // no such version
	Unfinished   = "Unfinished"   // an earlier run must be finished first
)

// PlanError refuses a run before its first write.
type PlanError struct {
	Kind         string
	Version      int64
	File         string
	Line, Column int // 0: the file as a whole
	Msg          string
	hint         string
	code         int
}

func (e *PlanError) Error() string {
	switch {
	case e.File != "" && e.Line != 0:
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
	case e.File != "":
		return e.File + ": " + e.Msg
	}
	return e.Msg
}

// ExitCode is 1, or 4 where an earlier run left something for a person.
func (e *PlanError) ExitCode() int {
	if e.code != 0 {
		return e.code
	}
	return 1
}

// Hint is the command or line that mends it.
func (e *PlanError) Hint() string { return e.hint }

// RunError is a run that stopped. Err says at which statement and why.
type RunError struct {
	Version   int64
	Name      string
	Direction string
	Statement int     // from 1, of the section; 0 when it was none
	Applied   []int64 // versions that this run applied or took back before, and that stay so
	// Outcomes is what became of each object of the savepoint; empty when nothing had run.
	Outcomes []event.Rollback
	// Left says that something was kept or could not be put back, or is not known: `migrate recover` or a person must act.
	Left        bool
	Interrupted bool // by the context, and put back
	Err         error
}

func (e *RunError) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	switch {
	case e.Left && len(e.Outcomes) == 0:
		fmt.Fprintf(&b, "\nmigration %d %s is not put back yet", e.Version, e.Name)
	case e.Left:
		fmt.Fprintf(&b, "\nmigration %d %s could not be put back whole", e.Version, e.Name)
	}
	return b.String()
}

func (e *RunError) Unwrap() error { return e.Err }

// ExitCode is 1 after a clean rollback, 4 when something is left. A server that was never reached is left to its own error.
func (e *RunError) ExitCode() int {
	switch {
	case e.Left:
		return 4
	case e.Interrupted:
		return 130
	}
	return 1
}

// Hint is what to type next.
func (e *RunError) Hint() string {
	switch {
	case errors.Is(e.Err, state.ErrRobbed):
		return "the run that took the lock over puts it back: dbctl migrate status"
	case e.Left && len(e.Outcomes) == 0:
		return "once the server answers again, dbctl migrate recover puts it back (as up, down and redo do first)"
	case e.Left:
		return "mend what is named above, then: dbctl migrate recover"
	}
	if d, ok := errors.AsType[*databend.Error](e.Err); ok {
		if d.Hint == "" && d.Kind == databend.KindUnknown {
			return "everything is as it was before; once the server answers again: dbctl migrate " + cmp.Or(e.Direction, Up)
		}
		return d.Hint
	}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](e.Err); ok {
		return h.Hint()
	}
	return ""
}
