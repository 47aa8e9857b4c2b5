package sqltext

import "strings"

// Excerpts draws places of a text: a line of it, and a caret below one of its characters.
type Excerpts struct {
	lines []string // "" for one that Mask changes: somebody may have written a secret there by hand
}

// ExcerptsOf is what may be shown of a text.
func ExcerptsOf(text string) Excerpts {
	safe := map[string]bool{}
	for line := range strings.SplitSeq(Mask(text), "\n") {
		safe[line] = true
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !safe[line] {
			lines[i] = ""
		}
	}
	return Excerpts{lines}
}

// At is the line of a place, a break, and the caret; "" for a line that is not shown.
func (x Excerpts) At(p Pos) string {
	line := strings.TrimRight(strings.TrimPrefix(x.lines[p.Line-1], bom), "\r")
	runes := []rune(line)
	if line == "" || p.Column > len(runes)+1 {
		return line
	}
	pad := strings.Map(func(r rune) rune {
		if r == '\t' { // a tab keeps its width
			return r
		}
		return ' '
	}, string(runes[:p.Column-1]))
	return line + "\n" + pad + "^"
}
