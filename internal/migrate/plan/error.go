package plan

import (
	"cmp"
	"fmt"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// The kinds of an Error.
const (
	Edited       = "Edited"       // an applied file was edited
	Missing      = "Missing"      // an applied version has no file
	OutOfOrder   = "OutOfOrder"   // older than the newest applied version
	Irreversible = "Irreversible" // cannot be undone, and nobody consented
	Unsupported  = "Unsupported"  // the server lacks what it needs
	Transaction  = "Transaction"  // DDL inside a user's own BEGIN … COMMIT, or a transaction without its end
	Setting      = "Setting"      // it sets what dbctl pins
	Script       = "Script"       // a script that stands by itself, which Databend does not parse
	Own          = "Own"          // it takes away the environment's own database, or dbctl's state
	Adopt        = "Adopt"        // replaces an account-wide object that is not ours
	NoDown       = "NoDown"       // nothing says how to go down
	NoVersion    = "NoVersion"    // no such version
	Unfinished   = "Unfinished"   // an earlier run must be finished first
	Preflight    = "Preflight"    // proved to fail, by package preflight
)

// Error refuses a run before its first write.
type Error struct {
	Kind    string
	Version int64
	sqltext.Place
	Msg  string
	hint string
	code exit.Code // 0: exit.Failed
}

func (e *Error) Error() string { return e.Tell(e.Msg) }

// ExitCode is 1; 2 for wrong usage; 4 where an earlier run left something for a person.
func (e *Error) ExitCode() exit.Code { return cmp.Or(e.code, exit.Failed) }

// Hint is the command or line that mends it.
func (e *Error) Hint() string { return e.hint }

// WouldFail is something that cannot work, and where it stands.
func WouldFail(at sqltext.Place, msg, hint string) *Error {
	return &Error{Kind: Preflight, Place: at, Msg: msg, hint: hint}
}

// LeftUnfinished refuses because an earlier run needs a person first (exit 4).
func LeftUnfinished(hint, format string, args ...any) error {
	return &Error{Kind: Unfinished, Msg: fmt.Sprintf(format, args...), hint: hint, code: exit.Partly}
}

// NeedsReason refuses what a person says without a reason (exit 2).
func NeedsReason(kind string, version int64, what string) error {
	return &Error{Kind: kind, Version: version, Msg: what + " needs a reason", hint: "add --reason \"why\"", code: exit.Usage}
}

// NoSuchVersion refuses a version that neither a file nor the journal has (exit 2).
func NoSuchVersion(v int64) error {
	return &Error{Kind: NoVersion, Version: v, Msg: fmt.Sprintf("there is no migration %d", v), hint: "dbctl migrate status", code: exit.Usage}
}

// NotApplied refuses to accept the edit of a migration that is not applied.
func NotApplied(m *project.Migration) error {
	return &Error{
		Kind: NoVersion, Version: m.Version, Place: sqltext.Place{File: m.Path}, Msg: "is not applied: there is nothing to accept",
		hint: "dbctl migrate up",
	}
}

// NothingApplied refuses to show what was applied of a version of which nothing is (exit 2).
func NothingApplied(v int64) error {
	return &Error{
		Kind: NoVersion, Version: v, Msg: fmt.Sprintf("version %d is not applied: the journal has no text of it", v),
		hint: "dbctl migrate status", code: exit.Usage,
	}
}

// HoldsSecret refuses to write an object whose comment, or another text of it, holds the value of a secret: the journal would have to keep
// the text to put it back after a kill, and keeps no secret.
func HoldsSecret(o sqltext.Object) error {
	return &Error{
		Kind: Irreversible, Msg: fmt.Sprintf("a text of %s (a comment, a default, a query) holds the value of a secret: dbctl does not write it "+
			"down, and could not put it back", o),
		hint: "take the value out of it, and give the secret another one: whoever sees the object has read it",
	}
}

// KeysNotKept refuses to write back a file that had keys written by hand.
func KeysNotKept(v int64, name string) error {
	return &Error{
		Kind: Missing, Version: v, Msg: fmt.Sprintf("version %d %s had keys written by hand, which the journal does not keep", v, name),
		hint: fmt.Sprintf("`dbctl show %d --applied` prints the rest; take the file from version control", v),
	}
}
