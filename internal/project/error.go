package project

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

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

// errorAt is a mistake at an offset of a SQL file. src is the whole file.
func errorAt(file, src string, offset int, msg, hint string) *Error {
	pos := sqltext.PosAt(src, offset)
	return &Error{File: file, Line: pos.Line, Column: pos.Column, Msg: msg, Hint: hint, Caret: caret(src, pos)}
}

// caret draws the line of pos with a caret below its column. A line that belongs to a literal which Mask takes out of the
// statement is not drawn: it may hold a secret written by hand.
func caret(src string, pos sqltext.Pos) string {
	lines, masked := strings.Split(src, "\n"), strings.Split(sqltext.Mask(src), "\n")
	if pos.Line < 1 || pos.Line > len(lines) || len(lines) != len(masked) || lines[pos.Line-1] != masked[pos.Line-1] {
		return ""
	}
	line := strings.TrimRight(strings.TrimPrefix(lines[pos.Line-1], bom), "\r")
	runes := []rune(line)
	if pos.Column > len(runes)+1 {
		return line
	}
	var pad strings.Builder
	for _, r := range runes[:pos.Column-1] {
		if r != '\t' { // a tab keeps its width
			r = ' '
		}
		pad.WriteRune(r)
	}
	return line + "\n" + pad.String() + "^"
}

// fromSQL makes an *Error of an error of sqltext whose positions are of the file src itself.
func fromSQL(file, src string, err error) error {
	se, ok := err.(*sqltext.Error)
	if !ok {
		return &Error{File: file, Msg: err.Error()}
	}
	return errorAt(file, src, se.Pos.Offset, se.Msg, se.Hint)
}
