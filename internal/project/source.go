package project

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/sqltext"
)

const bom = "\ufeff"

// source is the text of a SQL file, and where its lines start.
type source struct {
	path     string // as errors show it: relative to the project's folder
	text     string
	lines    []int             // offsets of line starts; made at the first use
	runes    []int             // how many characters begin before each block of the text; made at the first use
	excerpts *sqltext.Excerpts // what an error shows; made at the first use
}

// readSource reads a SQL file. Bytes that no SQL text holds are refused here, so that nothing below has to expect them.
func readSource(dir, path string) (*source, error) {
	text, err := ReadFile(dir, path, maxSQL)
	if err != nil {
		return nil, unreadable(path, err)
	}
	s := &source{path: path, text: string(text)}
	if at, what := badEncoding(s.text); what != "" {
		return nil, s.errorAt(at, what, saveUTF8)
	}
	return s, nil
}

const saveUTF8 = "save the file as UTF-8"

// badEncoding says where and how a text is not what an editor writes as UTF-8; "" where it is.
func badEncoding(text string) (at int, what string) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return 0, "text is UTF-16"
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return i, "NUL byte"
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i, "text is not UTF-8"
		}
		i += n
	}
	return 0, ""
}

// position is the place of an offset; a BOM takes no column.
func (s *source) position(offset int) sqltext.Pos {
	if s.lines == nil {
		s.lines = []int{0}
		for i := range len(s.text) {
			if s.text[i] == '\n' {
				s.lines = append(s.lines, i+1)
			}
		}
	}
	line := sort.SearchInts(s.lines, offset+1)
	start := s.lines[line-1]
	if line == 1 && strings.HasPrefix(s.text[:offset], bom) {
		start = len(bom)
	}
	return sqltext.Pos{Offset: offset, Line: line, Column: 1 + s.charactersBefore(offset) - s.charactersBefore(start)}
}

// block is how many bytes are counted anew for each position: a line may be as long as the file, and have a statement in every few of them.
const block = 256

// charactersBefore is how many characters begin before an offset.
func (s *source) charactersBefore(offset int) int {
	if s.runes == nil {
		s.runes = make([]int, 1, len(s.text)/block+1)
		for at := block; at <= len(s.text); at += block {
			s.runes = append(s.runes, s.runes[len(s.runes)-1]+characters(s.text[at-block:at]))
		}
	}
	return s.runes[offset/block] + characters(s.text[offset/block*block:offset])
}

// characters is how many characters begin in a part of a text.
func characters(part string) int {
	n := 0
	for i := range len(part) {
		if utf8.RuneStart(part[i]) {
			n++
		}
	}
	return n
}

// checksum is "v1:" and the SHA-256 of text without a BOM and with LF line ends, so that neither an editor's choice of them
// nor git's changes it.
func checksum(text string) string {
	text = strings.ReplaceAll(strings.TrimPrefix(text, bom), "\r\n", "\n")
	sum := sha256.Sum256([]byte(text))
	return "v1:" + hex.EncodeToString(sum[:])
}

// expansion is the text that a template made of a part of a source, and the way back.
type expansion struct {
	src      *source
	text     string
	segments []segment // in the order of out; the first has out 0 when text is not empty
}

// segment says where a run of the expanded text comes from.
type segment struct {
	out, in  int  // offsets: in the expanded text, in the source
	verbatim bool // the run is a copy of the source; else in is the action that wrote it
}

// origin leads from an offset of the expanded text to one of the source.
func (e *expansion) origin(offset int) int {
	i := sort.Search(len(e.segments), func(i int) bool { return e.segments[i].out > offset }) - 1
	if i < 0 {
		return 0
	}
	s := e.segments[i]
	if s.verbatim {
		return s.in + offset - s.out
	}
	return s.in
}

// fail makes an *Error of an error of sqltext whose position is in the expanded text.
func (e *expansion) fail(err error) error {
	se, ok := err.(*sqltext.Error)
	if !ok {
		return &Error{Place: sqltext.Place{File: e.src.path}, Msg: err.Error()}
	}
	return e.errorAt(se.Pos.Offset, se.Msg, se.Hint)
}

func (e *expansion) errorAt(offset int, msg, hint string) *Error {
	return e.src.errorAt(e.origin(offset), msg, hint)
}

// statement is one statement of the expanded text, with its place.
func (e *expansion) statement(s sqltext.Statement) Statement {
	at := func(offset int) sqltext.Place {
		return e.src.position(e.origin(s.Start + min(max(offset, 0), len(s.Text)))).In(e.src.path)
	}
	return Statement{SQL: s.Text, Place: at(0), At: at}
}

// secrets returns the names of the secrets in the expanded text, sorted, each once; an error where a secret may not stand.
func (e *expansion) secrets() ([]string, error) {
	if !strings.Contains(e.text, "{{") {
		return nil, nil
	}
	names, err := sqltext.SecretNames(e.text)
	if err != nil {
		return nil, e.fail(err)
	}
	return names, nil
}
