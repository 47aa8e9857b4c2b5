package databend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Kind is what sort of thing went wrong.
type Kind string

// The kinds. Any other Databend code has its own name as kind ("UnknownTable").
const (
	KindUnreachable Kind = "Unreachable"    // nothing was tried: exit 6
	KindAuth        Kind = "Authentication" // wrong user, password or token; nothing was tried
	KindUnknown     Kind = "UnknownOutcome" // sent, and no trustworthy answer: it may or may not have run
	KindCanceled    Kind = "Canceled"       // ended by us on the server; it did not take effect
	KindTimeout     Kind = "Timeout"        // ended by --timeout
)

// Error is a statement or connection that failed. No field holds a secret.
type Error struct {
	Kind    Kind
	Code    int    // Databend's, 0 if none
	Name    string // of Code: "UnknownTable"
	Message string // scrubbed, without stack traces and without the server's excerpt of the statement
	QueryID string
	SQL     string // masked, placeholders for secrets
	// Place is that of the offending word when the server names it, else of the statement.
	sqltext.Place
	Caret  string // source line and caret, may be empty
	Advice string // the Hint
	Err    error  // cause
}

// Hint is what to do about it, or "".
func (e *Error) Hint() string { return e.Advice }

// Error is the message with its place, name and code, on one line.
func (e *Error) Error() string {
	msg := e.Message
	if e.Code != 0 {
		msg += fmt.Sprintf(" (%s)", strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, e.Name)))
	}
	return e.Tell(msg)
}

func (e *Error) Unwrap() error { return e.Err }

// ExitCode tells a server that was not reached, so that nothing was tried, from everything else.
func (e *Error) ExitCode() exit.Code {
	if e.Kind == KindUnreachable {
		return exit.Unreachable
	}
	return exit.Failed
}

// IsCode reports whether err is an Error with one of these codes.
func IsCode(err error, codes ...int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code != 0 && slices.Contains(codes, e.Code)
}

// IsAnswered reports whether err is the server's own word that a statement failed: it did nothing then.
func IsAnswered(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code != 0
}

// Message is what the server said, without the words around it; "" of no error.
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// severalMatch is what the server says of a MERGE several of whose source rows match one row, with the code of a conflict.
const severalMatch = "multi rows from source match"

// IsConflict reports whether another session's transaction is why a statement failed: run again, it may succeed.
func IsConflict(err error) bool {
	return IsCode(err, CodeConflict) && !strings.Contains(err.Error(), severalMatch)
}

// IsUnknownOutcome reports whether err leaves open whether the statement ran.
func IsUnknownOutcome(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == KindUnknown
}

// IsAsleep reports whether err is of a server that did nothing and may be there in a moment: it starts, or what stands before it is busy.
func IsAsleep(err error) bool {
	_, ok := errors.AsType[*asleep](err)
	return ok
}

// ended is the error of something that ctx ended. parent is the caller's context: when that still runs, it was --timeout.
func ended(parent, ctx context.Context, what string) *Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &Error{Kind: KindCanceled, Message: "canceled" + what, Err: context.Canceled}
	}
	hint := ""
	if parent.Err() == nil {
		hint = "raise --timeout (DBCTL_TIMEOUT), or leave it out"
	}
	return &Error{Kind: KindTimeout, Message: "timed out" + what, Advice: hint, Err: context.DeadlineExceeded}
}
