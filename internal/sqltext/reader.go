package sqltext

import (
	"slices"
	"strings"
)

// Words are the significant tokens of a text: comments and space are left out, and hints, which may stand between any two words and change
// nothing of what a statement does.
type Words struct {
	Src    string
	Tokens []Token
}

// Text is the text of token i.
func (w Words) Text(i int) string { return w.Src[w.Tokens[i].Start:w.Tokens[i].End] }

// Upper is the text of token i in upper case.
func (w Words) Upper(i int) string { return strings.ToUpper(w.Text(i)) }

// Is says whether token i is the keyword.
func (w Words) Is(i int, keyword string) bool {
	return i >= 0 && i < len(w.Tokens) && w.Tokens[i].Kind == Word && strings.EqualFold(w.Text(i), keyword)
}

// Symbol says whether token i is the symbol.
func (w Words) Symbol(i int, s string) bool {
	return i >= 0 && i < len(w.Tokens) && w.Tokens[i].Kind == Symbol && w.Text(i) == s
}

// bracket is 1 where token i opens a bracket, -1 where it closes one, else 0.
func (w Words) bracket(i int) int {
	if i < len(w.Tokens) && w.Tokens[i].Kind == Symbol {
		switch w.Text(i) {
		case "(", "[", "{":
			return 1
		case ")", "]", "}":
			return -1
		}
	}
	return 0
}

// Mentions says whether one of the words is the name, whatever its case: bare or quoted, and not inside a literal.
func (w Words) Mentions(name string) bool {
	for i, t := range w.Tokens {
		if t.Kind != Word && t.Kind != Quoted {
			continue
		}
		if word, _ := unquoteIdent(w.Text(i)); strings.EqualFold(word, name) {
			return true
		}
	}
	return false
}

// CallsBare reports whether a function is called without arguments: now(), uuid(). Many of these give another value each time.
func (w Words) CallsBare() bool {
	for i := range w.Tokens {
		if w.Symbol(i, "(") && w.Symbol(i+1, ")") {
			return true
		}
	}
	return false
}

// ReadsFrom reports whether FROM stands before a name that is qualified with the database.
func (w Words) ReadsFrom(database string) bool {
	for i := range w.Tokens {
		p := Reader{Words: w, I: i + 1}
		if w.Is(i, "FROM") {
			if name, ok := p.Ident(); ok && name == database && p.TakeSymbol(".") {
				return true
			}
		}
	}
	return false
}

// Slice is the words from a token to another, which is not among them.
func (w Words) Slice(from, to int) Words { return Words{w.Src, w.Tokens[from:to]} }

// ReadWords scans src. With an error come the words before the place that cannot be read.
func ReadWords(src string) (Words, error) {
	tokens, err := Scan(src)
	return Words{src, significant(tokens)}, err
}

// SameWords reports whether two texts differ in comments and white space at most. Texts that do not scan are the same when they are equal.
func SameWords(a, b string) bool {
	x, err := Scan(a)
	y, err2 := Scan(b)
	if err != nil || err2 != nil {
		return a == b
	}
	blank := func(t Token) bool { return t.Kind == Space || t.Kind == Comment }
	return slices.EqualFunc(slices.DeleteFunc(x, blank), slices.DeleteFunc(y, blank), func(s, t Token) bool {
		return s.Kind == t.Kind && a[s.Start:s.End] == b[t.Start:t.End]
	})
}

// ReadStatement scans src, which is one statement, with or without its semicolon.
func ReadStatement(src string) (Words, error) {
	w, err := ReadWords(src)
	if err != nil {
		return w, err
	}
	for len(w.Tokens) > 0 && w.Tokens[len(w.Tokens)-1].Kind == Semicolon {
		w.Tokens = w.Tokens[:len(w.Tokens)-1]
	}
	end, err := statementEnd(src, w.Tokens, 0)
	if err == nil && end < len(w.Tokens) {
		return w, errorAt(src, w.Tokens[end].Start, "it is more than one statement", "")
	}
	return w, err
}

// Reader reads words one after the other; I is the next one.
type Reader struct {
	Words
	I int
}

// Peek returns the next token, and whether there is one.
func (p *Reader) Peek() (Token, bool) {
	if p.I >= len(p.Tokens) {
		return Token{}, false
	}
	return p.Tokens[p.I], true
}

// Offset is where the next token starts, or the end of the text.
func (p *Reader) Offset() int {
	if t, ok := p.Peek(); ok {
		return t.Start
	}
	return len(p.Src)
}

// EndOffset is where the last token ended.
func (p *Reader) EndOffset() int { return p.Tokens[p.I-1].End }

// Fail is an error at the next token.
func (p *Reader) Fail(msg, hint string) *Error { return errorAt(p.Src, p.Offset(), msg, hint) }

// Describe names the next token for people.
func (p *Reader) Describe() string { return describe(p.Src, p.Tokens[p.I]) }

// IsWord says whether the keyword is next.
func (p *Reader) IsWord(keyword string) bool { return p.Is(p.I, keyword) }

// Take moves past the keywords, when all of them follow.
func (p *Reader) Take(keywords ...string) bool {
	for k, keyword := range keywords {
		if !p.Is(p.I+k, keyword) {
			return false
		}
	}
	p.I += len(keywords)
	return true
}

// TakeSymbol moves past the symbol, when it is next.
func (p *Reader) TakeSymbol(s string) bool {
	if !p.Symbol(p.I, s) {
		return false
	}
	p.I++
	return true
}

// SkipBrackets moves past ( … ), [ … ] or { … }, which start here, or to the end when they do not close.
func (p *Reader) SkipBrackets() bool {
	for depth := 0; p.I < len(p.Tokens); {
		depth += p.bracket(p.I)
		p.I++
		if depth <= 0 {
			return true
		}
	}
	return false
}

// Skip moves past the next token, or past the whole bracket that starts here.
func (p *Reader) Skip() {
	if p.bracket(p.I) > 0 {
		p.SkipBrackets()
	} else {
		p.I++
	}
}

// Find returns the place of the first of the keywords, from here on and outside of brackets, or -1.
func (p *Reader) Find(keywords ...string) int {
	for q := (Reader{p.Words, p.I}); q.I < len(q.Tokens); q.Skip() {
		if slices.ContainsFunc(keywords, q.IsWord) {
			return q.I
		}
	}
	return -1
}

// List reads ( item, item … ), in which item reads one.
func (p *Reader) List(item func() bool) bool {
	if !p.TakeSymbol("(") {
		return false
	}
	for item() {
		if p.TakeSymbol(")") {
			return true
		}
		if !p.TakeSymbol(",") {
			return false
		}
	}
	return false
}

// Ident reads one identifier and folds it.
func (p *Reader) Ident() (string, bool) {
	t, ok := p.Peek()
	if !ok || t.Kind != Word && t.Kind != Quoted {
		return "", false
	}
	p.I++
	return FoldIdent(p.Text(p.I - 1)), true
}

// Name reads a.b.c, each part folded.
func (p *Reader) Name() ([]string, bool) {
	first, ok := p.Ident()
	if !ok {
		return nil, false
	}
	parts := []string{first}
	for p.Symbol(p.I, ".") && p.I+1 < len(p.Tokens) && (p.Tokens[p.I+1].Kind == Word || p.Tokens[p.I+1].Kind == Quoted) {
		p.I++
		part, _ := p.Ident()
		parts = append(parts, part)
	}
	return parts, true
}
