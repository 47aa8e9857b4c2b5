package sqltext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is the kind of a Token.
type Kind uint8

// The kinds of tokens.
const (
	Space     Kind = iota // blanks, tabs, line ends, form feeds, a BOM at the start
	Comment               // -- to the end of the line, or /* */ (they do not nest)
	Hint                  // /*+ … */ with what is in it
	Word                  // an identifier or keyword
	Quoted                // "…" or `…`: an identifier
	String                // '…'
	Code                  // $$…$$
	At                    // @stage/path
	Number                // 1, 1_000, 1.5e3, 0xFF, x'FF'
	Variable              // $name or $1
	Symbol                // an operator or a bracket
	Semicolon             // ;
	Secret                // {{ secret "NAME" }}
	Template              // {{ … }} in a text that is not yet expanded; only ParseFile and Headers see it
	Other                 // a character that Databend's lexer refuses
)

// Token is one token of Databend's SQL, or a secret's placeholder {{ secret "NAME" }}. Comments and white space are tokens too.
type Token struct {
	Kind       Kind
	Start, End int
}

// Scan returns all tokens of src; their spans cover it whole. A placeholder inside '…' is part of that String. A string,
// quoted identifier, block comment, hint or $$ without its end is an *Error, and so are brackets nested too deeply; what stands before
// it is returned with that.
func Scan(src string) ([]Token, error) { return scan(src, false) }

// scan is Scan; with template, {{ … }} of text/template are tokens, and may hold quotes wherever they stand.
func scan(src string, template bool) ([]Token, error) {
	s := scanner{src: src, template: template}
	tokens := make([]Token, 0, len(src)/4+4)
	depth := 0
	for s.pos < len(src) {
		start := s.pos
		kind, err := s.next()
		if err != nil {
			return tokens, err
		}
		if kind == Symbol {
			switch src[start] {
			case '(', '[', '{':
				if depth++; depth > deepest {
					return tokens, s.fail(start, fmt.Sprintf("brackets are nested more than %d deep", deepest), "")
				}
			case ')', ']', '}':
				depth = max(0, depth-1)
			}
		}
		tokens = append(tokens, Token{kind, start, s.pos})
	}
	return tokens, nil
}

// deepest is how far brackets may be nested: by hand nobody comes near it, and what reads them takes long far beyond.
const deepest = 1000

type scanner struct {
	src      string
	pos      int
	template bool
	unclosed int // before this offset no {{ that has an end begins
}

// action returns the length of the {{ … }} of text/template that begins at i, or 0. Behind one without an end the rest of the line is not
// looked at again: text/template refuses the whole text.
func (s *scanner) action(i int) int {
	if i < s.unclosed || !strings.HasPrefix(s.src[i:], "{{") {
		return 0
	}
	n, seen := templateLen(s.src[i:])
	if n == 0 {
		s.unclosed = i + seen
	}
	return n
}

func (s *scanner) fail(at int, msg, hint string) error { return errorAt(s.src, at, msg, hint) }

// next moves past one token.
func (s *scanner) next() (Kind, error) {
	src, start := s.src, s.pos
	if start == 0 && strings.HasPrefix(src, bom) {
		s.pos = len(bom)
		return Space, nil
	}
	c := src[start]
	if c == '_' || isASCIILetter(c) && c != 'x' && c != 'X' {
		s.pos++
		s.identRest()
		return Word, nil
	}
	switch {
	case isSpace(c):
		for s.pos < len(src) && isSpace(src[s.pos]) {
			s.pos++
		}
		return Space, nil
	case c == ';':
		s.pos++
		return Semicolon, nil
	case c == '\'':
		return s.closed(String, s.quoted(start, '\''), "string", "close it with ' (inside, write '' or \\')")
	case c == '"':
		return s.closed(Quoted, s.quoted(start, '"'), "quoted identifier", `close it with "`)
	case c == '`':
		return s.closed(Quoted, s.past(start+1, "`"), "quoted identifier", "close it with `")
	case strings.HasPrefix(src[start:], "--"):
		i := strings.IndexAny(src[start:], "\n\f")
		if i < 0 {
			i = len(src) - start
		}
		s.pos = start + i
		return Comment, nil
	case strings.HasPrefix(src[start:], "/*+"):
		return s.hint()
	case strings.HasPrefix(src[start:], "/*"):
		return s.closed(Comment, s.past(start+2, "*/"), "comment", "close it with */")
	case c == '$':
		return s.dollar()
	case c == '@':
		return s.at(), nil
	case c == '{':
		if n := secretLen(src[start:]); n > 0 && !s.template {
			s.pos += n
			return Secret, nil
		}
		if s.template {
			if n := s.action(start); n > 0 {
				s.pos += n
				return Template, nil
			}
		}
	case (c == 'x' || c == 'X') && hexStringLen(src[start+1:]) > 0:
		s.pos += 1 + hexStringLen(src[start+1:])
		return Number, nil
	case c >= '0' && c <= '9', c == '.' && start+1 < len(src) && isDigit(src[start+1]):
		s.number()
		return Number, nil
	}
	if n := symbolLen(src[start:]); n > 0 {
		s.pos += n
		return Symbol, nil
	}
	r, n := utf8.DecodeRuneInString(src[start:])
	s.pos += n
	if !identStart(r) {
		return Other, nil
	}
	s.identRest()
	return Word, nil
}

// closed moves past a token that ends before the offset end; -1: nothing closes what began here.
func (s *scanner) closed(kind Kind, end int, what, hint string) (Kind, error) {
	if end < 0 {
		return 0, s.fail(s.pos, what+" is not closed", hint)
	}
	s.pos = end
	return kind, nil
}

// past returns the offset past the next end, looked for behind from, or -1.
func (s *scanner) past(from int, end string) int {
	if i := strings.Index(s.src[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return -1
}

// quoted returns the offset past the '…' or "…" that opens at start, or -1.
func (s *scanner) quoted(start int, q byte) int {
	src := s.src
	for i := start + 1; i < len(src); {
		switch c := src[i]; {
		case c == '\\':
			i += 2
		case c == q && i+1 < len(src) && src[i+1] == q:
			i += 2
		case c == q:
			return i + 1
		case c == '{' && s.template:
			i += max(1, s.action(i))
		default:
			i++
		}
	}
	return -1
}

// hint reads /*+ … */. The engine reads tokens in it, so a quoted */ does not end it.
func (s *scanner) hint() (Kind, error) {
	start := s.pos
	s.pos += 3
	for s.pos < len(s.src) {
		if strings.HasPrefix(s.src[s.pos:], "*/") {
			s.pos += 2
			return Hint, nil
		}
		// A hint does not nest; a second opening is read as symbols.
		if strings.HasPrefix(s.src[s.pos:], "/*+") {
			s.pos += 3
			continue
		}
		if _, err := s.next(); err != nil {
			return 0, err
		}
	}
	return 0, s.fail(start, "hint is not closed", "close it with */")
}

func (s *scanner) dollar() (Kind, error) {
	src, start := s.src, s.pos
	rest := src[start+1:]
	switch {
	case strings.HasPrefix(rest, "$"):
		return s.closed(Code, s.past(start+2, "$$"), "$$", "close the body with $$")
	case rest != "" && isDigit(rest[0]):
		s.pos++
		for s.pos < len(src) && isDigit(src[s.pos]) {
			s.pos++
		}
		return Variable, nil
	case rest != "" && (rest[0] == '_' || isASCIILetter(rest[0])):
		s.pos++
		for s.pos < len(src) && (src[s.pos] == '_' || src[s.pos] == '$' || isASCIILetter(src[s.pos]) || isDigit(src[s.pos])) {
			s.pos++
		}
		return Variable, nil
	}
	s.pos++
	return Symbol, nil
}

// at reads @stage/path: everything up to a blank, comma, semicolon, quote or bracket; a backslash takes a blank or quote in.
func (s *scanner) at() Kind {
	src, start := s.src, s.pos
	i := start + 1
	for i < len(src) {
		if s.template && src[i] == '{' {
			if n := s.action(i); n > 0 {
				i += n
				continue
			}
		}
		r, n := utf8.DecodeRuneInString(src[i:])
		if r == '\\' && i+1 < len(src) {
			if q, m := utf8.DecodeRuneInString(src[i+1:]); q == '\'' || q == '"' || unicode.IsSpace(q) {
				i += 1 + m
				continue
			}
		}
		if unicode.IsSpace(r) || strings.ContainsRune(",`;'\"()", r) {
			break
		}
		i += n
	}
	if i == start+1 {
		s.pos = i
		return Symbol
	}
	if i == start+2 && strings.ContainsRune(">?@", rune(src[start+1])) {
		s.pos = i
		return Symbol
	}
	s.pos = i
	return At
}

func (s *scanner) number() {
	src := s.src
	digits := func() {
		for s.pos < len(src) && isDigit(src[s.pos]) {
			s.pos++
		}
	}
	if src[s.pos] == '0' && s.pos+2 < len(src) && (src[s.pos+1] == 'x' || src[s.pos+1] == 'X') && isHex(src[s.pos+2]) {
		s.pos += 2
		for s.pos < len(src) && isHex(src[s.pos]) {
			s.pos++
		}
		return
	}
	start := s.pos
	digits()
	if s.pos > start && s.pos < len(src) && src[s.pos] == '_' {
		for s.pos < len(src) && (isDigit(src[s.pos]) || src[s.pos] == '_') {
			s.pos++
		}
		return
	}
	if s.pos < len(src) && src[s.pos] == '.' {
		s.pos++
		digits()
	}
	if s.pos < len(src) && (src[s.pos] == 'e' || src[s.pos] == 'E') {
		i := s.pos + 1
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if i < len(src) && isDigit(src[i]) {
			s.pos = i
			digits()
		}
	}
}

func (s *scanner) identRest() {
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		if c < utf8.RuneSelf {
			if c != '_' && c != '$' && !isASCIILetter(c) && !isDigit(c) {
				return
			}
			s.pos++
			continue
		}
		r, n := utf8.DecodeRuneInString(s.src[s.pos:])
		if !identStart(r) && !unicode.IsNumber(r) {
			return
		}
		s.pos += n
	}
}

// symbols3 and symbols2 are the engine's operators of more than one character; the longest wins, so that `||/*` opens no comment.
var (
	symbols3 = []string{"<=>", "->>", "#>>", "!~*", "||/"}
	symbols2 = []string{
		"==", "<>", "!=", "<=", ">=", "//", "||", "::", ":=", "->", "=>", "#>", "~*", "!~", "<<", ">>", "!!", "|/", "?|", "?&",
		"<@", "#-", "*/",
	}
)

// symbolBytes are the bytes that operators are made of.
const symbolBytes = "=<>!+-*/%|(),.:\\[]^{}#~&?"

func symbolLen(s string) int {
	if strings.IndexByte(symbolBytes, s[0]) < 0 {
		return 0
	}
	// Brackets and what stands alone are most.
	if len(s) == 1 || strings.IndexByte("=<>|/:*&-@", s[1]) < 0 {
		if s[0] != '!' || len(s) == 1 || s[1] != '!' && s[1] != '~' {
			return 1
		}
	}
	for _, op := range symbols3 {
		if strings.HasPrefix(s, op) {
			return 3
		}
	}
	for _, op := range symbols2 {
		if strings.HasPrefix(s, op) {
			return 2
		}
	}
	return 1
}

const (
	secretOpen  = `{{ secret "`
	secretClose = `" }}`
)

// secretLen returns the length of the placeholder that s starts with, or 0. A name has no quote, backslash or line end, so
// that a placeholder changes nothing for the tokens around it.
func secretLen(s string) int {
	if !strings.HasPrefix(s, secretOpen) {
		return 0
	}
	n := strings.IndexAny(s[len(secretOpen):], "\"'`\\\r\n")
	if n <= 0 || !strings.HasPrefix(s[len(secretOpen)+n:], secretClose) {
		return 0
	}
	return len(secretOpen) + n + len(secretClose)
}

func secretName(s string) string { return s[len(secretOpen) : len(s)-len(secretClose)] }

// templateLen returns the length of the {{ … }} of text/template that s starts with, or 0 and how much of s shows that it has no end. Its
// strings may hold }}.
func templateLen(s string) (length, seen int) {
	if strings.HasPrefix(strings.TrimPrefix(s[2:], "- "), "/*") {
		if end := strings.Index(s, "*/"); end >= 0 {
			if i := strings.Index(s[end:], "}}"); i >= 0 {
				return end + i + 2, 0
			}
		}
		return 0, len(s)
	}
	for i := 2; i < len(s); {
		switch c := s[i]; c {
		case '"', '`', '\'':
			j := i + 1
			for j < len(s) && s[j] != c && s[j] != '\n' {
				if s[j] == '\\' && c != '`' {
					j++
				}
				j++
			}
			if j >= len(s) || s[j] == '\n' {
				return 0, min(j, len(s))
			}
			i = j + 1
		case '}':
			if strings.HasPrefix(s[i:], "}}") {
				return i + 2, 0
			}
			i++
		case '\n':
			return 0, i
		default:
			i++
		}
	}
	return 0, len(s)
}

// hexStringLen returns the length of the '…' of x'FF' that s starts with, or 0.
func hexStringLen(s string) int {
	if s == "" || s[0] != '\'' {
		return 0
	}
	i := 1
	for i < len(s) && isHex(s[i]) {
		i++
	}
	if i < len(s) && s[i] == '\'' {
		return i + 1
	}
	return 0
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f'
}

func isDigit(c byte) bool       { return c >= '0' && c <= '9' }
func isHex(c byte) bool         { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
func isASCIILetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// identStart is Rust's is_alphabetic, which the engine's lexer asks, and the underscore.
func identStart(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || r >= utf8.RuneSelf && (unicode.Is(unicode.Nl, r) || unicode.Is(unicode.Other_Alphabetic, r))
}
