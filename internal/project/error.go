package project

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Error is a mistake in a project's file, or in what was asked of the project.
type Error struct {
	sqltext.Place
	Msg    string
	Advice string // the Hint
	Caret  string // source line and caret, may be empty
}

func (e *Error) Error() string { return e.Tell(e.Msg) }

// Hint is what to write instead, or "".
func (e *Error) Hint() string { return e.Advice }

// ExitCode is that of a mistake in the project.
func (*Error) ExitCode() exit.Code { return exit.Usage }

// inOrder joins the mistakes of one file, from its first line to its last.
func inOrder(errs ...error) error {
	all := exit.Each(errors.Join(errs...))
	slices.SortStableFunc(all, func(a, b error) int { return sqltext.PlaceOf(a).Compare(sqltext.PlaceOf(b)) })
	return errors.Join(all...)
}

// unreadable is a file or folder that the system does not let us read.
func unreadable(file string, err error) *Error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err // the path is named already
	}
	e := &Error{Place: sqltext.Place{File: file}, Msg: "cannot be read: " + err.Error()}
	if errors.Is(err, errOutside) || errors.Is(err, errNotRegular) {
		e.Advice = "put the file itself there: dbctl reads regular files inside the project's folder only"
	}
	return e
}

// errorAt is a mistake at an offset of the file.
func (s *source) errorAt(offset int, msg, hint string) *Error {
	at := s.position(offset)
	if s.excerpts == nil {
		all := sqltext.ExcerptsOf(s.text)
		s.excerpts = &all
	}
	return &Error{Place: at.In(s.path), Msg: msg, Advice: hint, Caret: s.excerpts.At(at)}
}

// fromSQL makes an *Error of each error of sqltext, whose positions are of the file src itself.
func (s *source) fromSQL(err error) error {
	var mistakes []error
	for _, err := range exit.Each(err) {
		if se, ok := err.(*sqltext.Error); ok {
			mistakes = append(mistakes, s.errorAt(se.Pos.Offset, se.Msg, se.Hint))
		} else if err != nil {
			mistakes = append(mistakes, &Error{Place: sqltext.Place{File: s.path}, Msg: err.Error()})
		}
	}
	return errors.Join(mistakes...)
}
