package sqltext

import "strings"

// words reads tokens as keywords.
type words struct {
	src    string
	tokens []Token
}

func (w words) text(i int) string { return w.src[w.tokens[i].Start:w.tokens[i].End] }

//go:noinline
func (w words) upper(i int) string { return strings.ToUpper(w.text(i)) }

// is says whether tokens[i] is the keyword. Inlined at its hundreds of calls it would take much room in the binary.
//
//go:noinline
func (w words) is(i int, keyword string) bool {
	return i >= 0 && i < len(w.tokens) && w.tokens[i].Kind == Word && strings.EqualFold(w.text(i), keyword)
}

//go:noinline
func (w words) symbol(i int, s string) bool {
	return i >= 0 && i < len(w.tokens) && w.tokens[i].Kind == Symbol && w.text(i) == s
}

// parser reads significant tokens one after the other.
type parser struct {
	words
	i int
}

func (p *parser) peek() (Token, bool) {
	if p.i >= len(p.tokens) {
		return Token{}, false
	}
	return p.tokens[p.i], true
}

// offset is where the next token starts, or the end of the text.
func (p *parser) offset() int {
	if t, ok := p.peek(); ok {
		return t.Start
	}
	return len(p.src)
}

// endOffset is where the last token ended.
func (p *parser) endOffset() int { return p.tokens[p.i-1].End }

//go:noinline
func (p *parser) isWord(keyword string) bool { return p.is(p.i, keyword) }

// take moves past the keywords, when all of them follow.
//
//go:noinline
func (p *parser) take(keywords ...string) bool {
	for k, keyword := range keywords {
		if !p.is(p.i+k, keyword) {
			return false
		}
	}
	p.i += len(keywords)
	return true
}

//go:noinline
func (p *parser) takeSymbol(s string) bool {
	if !p.symbol(p.i, s) {
		return false
	}
	p.i++
	return true
}

func (p *parser) skipHints() {
	for p.i < len(p.tokens) && p.tokens[p.i].Kind == Hint {
		p.i++
	}
}

// skipBrackets moves past ( … ), which start here.
func (p *parser) skipBrackets() bool {
	depth := 0
	for ; p.i < len(p.tokens); p.i++ {
		switch {
		case p.symbol(p.i, "("):
			depth++
		case p.symbol(p.i, ")"):
			depth--
			if depth == 0 {
				p.i++
				return true
			}
		}
	}
	return false
}

// ident reads one identifier and folds it.
func (p *parser) ident() (string, bool) {
	t, ok := p.peek()
	if !ok || t.Kind != Word && t.Kind != Quoted {
		return "", false
	}
	p.i++
	return foldIdent(p.text(p.i - 1)), true
}

// name reads a.b.c.
func (p *parser) name() ([]string, bool) {
	first, ok := p.ident()
	if !ok {
		return nil, false
	}
	parts := []string{first}
	for p.symbol(p.i, ".") && p.i+1 < len(p.tokens) && (p.tokens[p.i+1].Kind == Word || p.tokens[p.i+1].Kind == Quoted) {
		p.i++
		part, _ := p.ident()
		parts = append(parts, part)
	}
	return parts, true
}
