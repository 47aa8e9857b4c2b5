package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/ui"
)

// inPlace adds to each command of dbctl in a hint the flags that said which project and environment this one is about: pasted without
// them it would be about another.
func (a *app) inPlace(hint string) string {
	const dbctl = "dbctl "
	var b strings.Builder
	for len(a.where) > 0 {
		i := strings.Index(hint, dbctl)
		if i < 0 {
			break
		}
		end := i + len(dbctl)
		verb := hint[end:]
		if n := strings.IndexFunc(verb, func(r rune) bool { return r < 'a' || r > 'z' }); n >= 0 {
			verb = verb[:n]
		}
		b.WriteString(hint[:end])
		if cmd := find(verb); cmd != nil && verb != "help" && (i == 0 || strings.ContainsRune(" `", rune(hint[i-1]))) {
			b.WriteString(shell.Join(a.where...) + " ")
		}
		hint = hint[end:]
	}
	return b.String() + hint
}

// mistake is an error that the command line or its environment made.
type mistake struct {
	msg, hint string
	code      exit.Code
}

func (e *mistake) Error() string       { return e.msg }
func (e *mistake) ExitCode() exit.Code { return e.code }
func (e *mistake) Hint() string        { return e.hint }

func usageError(msg, hint string) error { return &mistake{msg, hint, exit.Usage} }

// helpRequest is -h: not an error, but it ends the run as one does.
type helpRequest struct{ text string }

func (*helpRequest) Error() string { return "help" }

// failure is err as people and programs are told it.
func failure(err error) ui.Failure {
	f := ui.Failure{Place: sqltext.PlaceOf(err), Message: err.Error(), Hint: exit.Hint(err), Exit: int(exit.Of(err))}
	if l, ok := err.(*load.Error); ok {
		f.Message = l.Brief()
	}
	if p, ok := errors.AsType[*migrate.PlanError](err); ok {
		f.Kind = p.Kind
	}
	if p, ok := errors.AsType[*project.Error](err); ok {
		f.Kind, f.Caret = "Project", p.Caret
	}
	if d, ok := errors.AsType[*databend.Error](err); ok {
		f.Code, f.Kind, f.QueryID, f.Caret = d.Code, string(d.Kind), d.QueryID, d.Caret
		if d.File != "" { // the user's own
			f.SQL = d.SQL
			// Behind what others put before it the place would be told twice: it stands first.
			if before, after, ok := strings.Cut(f.Message, d.Tell("")); ok && before != "" {
				f.Message = before + after
			}
		}
	}
	if f.Hint == "" && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
		f.Hint = "let your user read and write there, or work in a copy of the project"
	}
	return f
}

// afterSignal is the error of a run that a signal ended: its code, unless something is left that a person must look at.
type afterSignal struct {
	err  error
	code exit.Code
}

func (e *afterSignal) Error() string {
	if errors.Is(e.err, context.Canceled) {
		return "interrupted"
	}
	return fmt.Sprintf("interrupted: %v", e.err)
}

func (e *afterSignal) Unwrap() error { return e.err }

func (e *afterSignal) ExitCode() exit.Code {
	if exit.Of(e.err) == exit.Partly {
		return exit.Partly
	}
	return e.code
}
