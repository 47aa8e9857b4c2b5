package project

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Error is a mistake in a project's file, or in what was asked of the project.
type Error struct {
	File         string // "" when the mistake is not in a file
	Line, Column int    // 0: unknown
	Msg          string
	Hint         string
	Caret        string // source line and caret, may be empty
}

func (e *Error) Error() string {
	switch {
	case e.File == "":
		return e.Msg
	case e.Line == 0:
		return e.File + ": " + e.Msg
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// ExitCode is that of a mistake in the project.
func (*Error) ExitCode() exit.Code { return exit.Usage }

// inOrder joins the mistakes of one file, from its first line to its last.
func inOrder(errs ...error) error {
	all := exit.Each(errors.Join(errs...))
	slices.SortStableFunc(all, func(a, b error) int {
		x, _ := errors.AsType[*Error](a)
		y, _ := errors.AsType[*Error](b)
		if x == nil || y == nil {
			return 0
		}
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
	return errors.Join(all...)
}

// unreadable is a file or folder that the system does not let us read.
func unreadable(file string, err error) *Error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err // the path is named already
	}
	e := &Error{File: file, Msg: "cannot be read: " + err.Error()}
	if errors.Is(err, errOutside) || errors.Is(err, errNotRegular) {
		e.Hint = "put the file itself there: dbctl reads regular files inside the project's folder only"
	}
	return e
}

// errorAt is a mistake at an offset of the file.
func (s *source) errorAt(offset int, msg, hint string) *Error {
	line, column := s.position(offset)
	if s.excerpts == nil {
		all := sqltext.ExcerptsOf(s.text)
		s.excerpts = &all
	}
	caret := s.excerpts.At(sqltext.Pos{Line: line, Column: column})
	return &Error{File: s.path, Line: line, Column: column, Msg: msg, Hint: hint, Caret: caret}
}

// fromSQL makes an *Error of each error of sqltext, whose positions are of the file src itself.
func (s *source) fromSQL(err error) error {
	var mistakes []error
	for _, err := range exit.Each(err) {
		if se, ok := err.(*sqltext.Error); ok {
			mistakes = append(mistakes, s.errorAt(se.Pos.Offset, se.Msg, se.Hint))
		} else if err != nil {
			mistakes = append(mistakes, &Error{File: s.path, Msg: err.Error()})
		}
	}
	return errors.Join(mistakes...)
}
