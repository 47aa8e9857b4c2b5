// Package fault says why a load did not do all it was asked to: the error with its exit code and the command to type, and the engine's
// words about a COPY read: whether they are about its files, about which of them, and what they mean.
package fault

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Error is a load that did not do all it was asked to.
type Error struct {
	Load   string
	Msg    string
	Short  string // Msg without what the lines of the files have said already; may be empty
	Advice string // the command to type, may be empty
	Exit   exit.Code
	At     sqltext.Place // of the mistake in the load's file; none: the cause's
	Err    error         // cause, may be nil
}

func (e *Error) Error() string {
	text := e.At.Tell("load " + e.Load + ": " + e.Msg)
	if e.Err != nil {
		if e.Msg != "" {
			text += ": "
		}
		text += e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Where is the place in the load's file.
func (e *Error) Where() sqltext.Place {
	if e.At.File == "" {
		return sqltext.PlaceOf(e.Err)
	}
	return e.At
}

// Brief is the error for a reader who has seen the lines of the files.
func (e *Error) Brief() string {
	if e.Short != "" {
		return "load " + e.Load + ": " + e.Short
	}
	return e.Error()
}

// ExitCode is how the error ends dbctl.
func (e *Error) ExitCode() exit.Code { return e.Exit }

// Hint is what to type next; where it is "" that of the cause holds.
func (e *Error) Hint() string { return e.Advice }

// Again is a command on a load, as a hint that can be pasted.
func Again(load string, args ...string) string {
	return "`" + shell.Join(append([]string{"dbctl", "load", load}, args...)...) + "`"
}

// GiveUp is the command after which a file is never loaded.
func GiveUp(load, path string) string {
	return Again(load, "--mark", "quarantined", "--path", Exactly(path), "--reason", "why")
}

// Exactly is the glob of --path that is about one file.
func Exactly(path string) string {
	path = globbed.ReplaceAllString(path, `\$0`)
	if !strings.Contains(path, "/") {
		return "/" + path
	}
	return path
}

var globbed = regexp.MustCompile(`[\\*?\[{},]`)

// Errorf makes an Error that ends the load with exit.
func Errorf(load string, code exit.Code, advice, format string, args ...any) *Error {
	return &Error{Load: load, Exit: code, Advice: advice, Msg: fmt.Sprintf(format, args...)}
}

// Placed is the error with its place.
func (e *Error) Placed(at sqltext.Place) *Error {
	e.At = at
	return e
}

// Wrap gives err the load's name; a cause that knows its own exit code keeps it.
func Wrap(load, doing string, err error) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	code := exit.Failed
	if coded, ok := errors.AsType[exit.Coder](err); ok { // of an unreachable server: nothing is loaded, see partly
		code = coded.ExitCode()
	}
	out := &Error{Load: load, Msg: doing, Exit: code, Err: err}
	if m := unfilled.FindStringSubmatch(databend.Message(err)); m != nil {
		out.Advice = fmt.Sprintf("let the COPY fill column %s, or give it a DEFAULT", m[1])
	} else if strings.Contains(databend.Message(err), "Expected FUSE engine") {
		out.Advice = "a COPY fills tables of the default engine: name another table, or make this one without ENGINE ="
	} else if strings.Contains(databend.Message(err), "Number of columns in select list") {
		out.Advice = "name the columns that the select list fills: COPY INTO table (column, …) FROM (SELECT …)"
	} else if skipped.MatchString(databend.Message(err)) {
		out.Advice = "this server reads no TSV of which a select list leaves out a field ahead of the last: " +
			`write TYPE = CSV FIELD_DELIMITER = '\t'`
	}
	return out
}

var skipped = regexp.MustCompile(leavesOut)

// LoadsError joins the errors of several loads.
type LoadsError struct {
	Of   int // loads that were run
	Errs []error
}

func (e *LoadsError) Error() string {
	lines := make([]string, len(e.Errs))
	for i, err := range e.Errs {
		lines[i] = err.Error()
	}
	return fmt.Sprintf("%d of %d loads did not end well:\n  %s", len(e.Errs), e.Of, strings.Join(lines, "\n  "))
}

func (e *LoadsError) Unwrap() []error { return e.Errs }
