// Package sqltext knows Databend's SQL as text: tokens, statements, literals, names of objects, places, goose's annotations. Of the
// packages below it, effect knows what a statement does, define what it defines, copytext the parts of a COPY. None does I/O. Offsets are
// bytes; lines and columns count from 1, columns in runes.
//
// Tokens follow the engine's own lexer (databend src/query/ast/src/parser/token.rs), so that a semicolon ends a statement here
// exactly where it does there. A statement's text travels with placeholders {{ secret "NAME" }}; Splice puts the values in at
// the moment of sending, Mask takes hand-written ones out of what is shown.
package sqltext

import (
	"strings"
	"unicode/utf8"
)

// Pos is a place in a text.
type Pos struct{ Offset, Line, Column int }

// Error is a text that cannot be read, and where.
type Error struct {
	Pos  Pos
	Msg  string
	Hint string // what to type or write instead; may be empty
}

func (e *Error) Error() string { return e.Msg }

// PosAt returns the place of offset in src. A BOM at the start takes no column; an offset outside src is moved to its nearest end.
func PosAt(src string, offset int) Pos {
	offset = min(max(offset, 0), len(src))
	before := src[:offset]
	line := 1 + strings.Count(before, "\n")
	last := before[strings.LastIndexByte(before, '\n')+1:]
	if line == 1 {
		last = strings.TrimPrefix(last, bom)
	}
	return Pos{Offset: offset, Line: line, Column: 1 + utf8.RuneCountInString(last)}
}

func errorAt(src string, offset int, msg, hint string) *Error {
	return &Error{Pos: PosAt(src, offset), Msg: msg, Hint: hint}
}

const bom = "\ufeff"

// Edit replaces the bytes [Start, End) of a text.
type Edit struct {
	Start, End int
	Text       string
}

// Apply is src after the edits, which are in order.
func Apply(src string, edits []Edit) string {
	var b strings.Builder
	from := 0
	for _, e := range edits {
		b.WriteString(src[from:e.Start])
		b.WriteString(e.Text)
		from = e.End
	}
	b.WriteString(src[from:])
	return b.String()
}

// indexFold returns the offset of an ASCII word, in any case, in s from offset from on, or -1.
func indexFold(s, word string, from int) int {
	for i := from; i+len(word) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(word)], word) {
			return i
		}
	}
	return -1
}
