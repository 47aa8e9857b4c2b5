package sqltext

import (
	"cmp"
	"errors"
	"fmt"
)

// Place is where something stands in a file. File is "" where it is in none; Line and Column are 0 as far as they are not known.
type Place struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// In is the place in the file whose text p is a place of.
func (p Pos) In(file string) Place { return Place{File: file, Line: p.Line, Column: p.Column} }

// PlaceOf is the place that an error has.
func PlaceOf(err error) Place {
	if located, ok := errors.AsType[interface {
		error
		Where() Place
	}](err); ok {
		return located.Where()
	}
	return Place{}
}

// Where is the place itself: an error that embeds it can be asked for it.
func (p Place) Where() Place { return p }

// Tell puts the place before a message, in the form that editors jump to: file:line:column: message.
func (p Place) Tell(msg string) string {
	switch {
	case p.File == "":
		return msg
	case p.Line == 0:
		return p.File + ": " + msg
	case p.Column == 0:
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, msg)
}

// Compare puts places in order: by file, and in it from the first line to the last.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}
