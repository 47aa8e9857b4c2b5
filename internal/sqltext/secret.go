package sqltext

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// Placeholder is one {{ secret "NAME" }} of an expanded text.
type Placeholder struct {
	Name       string
	Start, End int
	Quoted     bool // it stands inside '…'
}

// Placeholders finds the secrets of an expanded text. One where no literal can stand (a comment, an identifier, a stage path,
// $$…$$, glued to another token), where the engine would keep it in clear (the body of a task, procedure, function, view or
// policy; what CREATE and ALTER define, but for the keys) or where it would be read as SQL (EXECUTE IMMEDIATE) is an *Error.
func Placeholders(sql string) ([]Placeholder, error) {
	if !strings.Contains(sql, secretOpen) {
		return nil, nil
	}
	tokens, err := Scan(sql)
	if err != nil {
		return nil, err
	}
	stored, err := storedBodies(sql, tokens)
	if err != nil {
		return nil, err
	}
	var found []Placeholder
	for from := 0; ; {
		i := strings.Index(sql[from:], secretOpen)
		if i < 0 {
			return found, nil
		}
		i += from
		n := secretLen(sql[i:])
		k := sort.Search(len(tokens), func(k int) bool { return tokens[k].End > i })
		t := tokens[k]
		if n == 0 || i+n > t.End && t.Kind == String {
			return nil, errorAt(sql, i, "malformed placeholder", `write {{ secret "NAME" }}`)
		}
		p := Placeholder{Name: secretName(sql[i : i+n]), Start: i, End: i + n, Quoted: t.Kind == String}
		const hint = "a secret stands where a string literal may stand, bare or inside '…'"
		switch {
		case t.Kind != Secret && t.Kind != String:
			return nil, errorAt(sql, i, fmt.Sprintf("secret %q inside %s", p.Name, describe(sql, t)), hint)
		case t.Kind == Secret && (k > 0 && gluesTo(tokens[k-1]) || k+1 < len(tokens) && gluesTo(tokens[k+1])):
			return nil, errorAt(sql, i, fmt.Sprintf("secret %q touches another token", p.Name),
				"put a space between them, or write one string: 'text{{ secret \""+p.Name+"\" }}'")
		case t.Kind == String && endsInEscape(sql[t.Start+1:i]):
			return nil, errorAt(sql, i, fmt.Sprintf("secret %q after an unfinished escape", p.Name), `write a backslash as \\`)
		}
		for _, b := range stored {
			if i >= b.start && i < b.end {
				return nil, errorAt(sql, i, fmt.Sprintf("secret %q inside %s", p.Name, b.what), b.hint)
			}
		}
		found = append(found, p)
		from = i + n
	}
}

// unfinishedEscape matches an escape at the end of a text that the characters after it would join.
var unfinishedEscape = regexp.MustCompile(`^\\(?:|x[0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|[0-7]+)$`)

// endsInEscape says whether s, the inside of a string up to a placeholder, ends in an escape that is not complete.
func endsInEscape(s string) bool {
	last := strings.LastIndexByte(s, '\\')
	if last < 0 || !unfinishedEscape.MatchString(s[last:]) {
		return false
	}
	start := last
	for start > 0 && s[start-1] == '\\' {
		start--
	}
	return (last-start)%2 == 0
}

// gluesTo says whether a literal next to t would be read together with it.
func gluesTo(t Token) bool {
	switch t.Kind {
	case Space, Comment, Semicolon, Symbol:
		return false
	}
	return true
}

// SecretNames are the names of the secrets of an expanded text, sorted; an error where Placeholders has one.
func SecretNames(sql string) ([]string, error) {
	places, err := Placeholders(sql)
	var names []string
	for _, p := range places {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// Splice returns the edits that put value(name) in the place of each placeholder, as a correctly escaped literal (or, inside '…', escaped
// text), among given ones, to which a placeholder within them gives way. An error of value, a value that is not UTF-8, or a placeholder
// that Placeholders refuses ends it; no error holds a value.
func Splice(sql string, given []Edit, value func(name string) (string, error)) ([]Edit, error) {
	places, err := Placeholders(sql)
	if err != nil {
		return nil, err
	}
	edits := slices.Clone(given)
	for _, p := range places {
		if slices.ContainsFunc(given, func(e Edit) bool { return e.Start <= p.Start && p.End <= e.End }) {
			continue
		}
		v, err := value(p.Name)
		if err != nil {
			return nil, err
		}
		if !utf8.ValidString(v) {
			return nil, errorAt(sql, p.Start, fmt.Sprintf("secret %q is not UTF-8", p.Name), "Databend's literals hold text only")
		}
		literal := Quote(v)
		if p.Quoted {
			literal = literal[1 : len(literal)-1]
		}
		edits = append(edits, Edit{p.Start, p.End, literal})
	}
	slices.SortStableFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Start, b.Start) })
	return edits, nil
}

// storedBody is a part of a text that the engine keeps in clear or reads as SQL.
type storedBody struct {
	start, end int
	what, hint string
}

const inClear = "the engine keeps this text in clear; use a connection or stage that holds the secret"

// storedBodies finds, statement by statement, what the engine keeps as text and shows to whoever asks, and what EXECUTE IMMEDIATE runs.
func storedBodies(src string, tokens []Token) ([]storedBody, error) {
	kept := significant(append([]Token(nil), tokens...))
	var bodies []storedBody
	for i := 0; i < len(kept); {
		end, err := statementEnd(src, kept, i)
		if err != nil {
			return nil, err
		}
		stop := len(src)
		if end < len(kept) {
			stop = kept[end].Start
		}
		p := &Reader{Words: Words{src, kept[:end]}, I: i}
		for p.Is(p.I, "SETTINGS") && p.Symbol(p.I+1, "(") {
			p.I++
			p.SkipBrackets()
		}
		if p.I == end {
			i = end + 1
			continue
		}
		switch first := p.Upper(p.I); {
		case p.Take("EXECUTE", "IMMEDIATE"):
			bodies = append(bodies, storedBody{
				p.EndOffset(), stop, "EXECUTE IMMEDIATE",
				"its text is read as SQL once more; write the statement itself",
			})
		case slices.Contains([]string{"CREATE", "ALTER", "ATTACH", "COMMENT"}, first):
			bodies = append(bodies, definition(p.Words, p.I, stop)...)
		case p.Take("SET", "GLOBAL"):
			bodies = append(bodies, storedBody{p.EndOffset(), stop, "a global setting", inClear})
		case slices.Contains([]string{"DROP", "UNDROP", "RENAME", "GRANT", "REVOKE"}, first):
			bodies = append(bodies, storedBody{p.Offset(), stop, "a name", "names are shown everywhere: write it, or use {{ var }}"})
		}
		i = end + 1
	}
	return bodies, nil
}

// definition finds what the engine keeps in clear of the CREATE, ALTER, ATTACH or COMMENT at i: all but the keys and passwords, which
// it hides, and the rows of CREATE TABLE AS.
func definition(w Words, i, stop int) []storedBody {
	made := func(kind string) bool {
		return w.Is(i, "CREATE") && (w.Is(i+1, kind) || w.Is(i+1, "OR") && w.Is(i+3, kind))
	}
	connection, catalog := made("CONNECTION"), made("CATALOG")
	what := storedKind(w, i+1)
	var bodies []storedBody
	depth, keys, hidden := 0, false, false // in brackets whose keys, and all of whose values, the engine hides
	for j := i + 1; j < len(w.Tokens); j++ {
		switch {
		case w.Symbol(j, "("):
			if depth == 0 {
				hidden = w.Symbol(j-1, "=") && (w.Is(j-2, "WEBHOOK") || w.Is(j-2, "CONNECTION") && catalog)
				keys = w.Symbol(j-1, "=") && w.Is(j-2, "CONNECTION") || w.Is(j-1, "SOURCE")
			}
			depth++
		case w.Symbol(j, ")"):
			depth--
		case depth == 0 && w.Is(j, "AS") && (what != "" || w.Is(i, "CREATE")):
			if what != "" {
				bodies = append(bodies, storedBody{w.Tokens[j].End, stop, what, inClear})
			}
			return bodies
		case !strings.Contains(w.Text(j), secretOpen):
		case depth == 0 && (connection && w.Symbol(j-1, "=") || w.Is(j-1, "BY") && keyBefore(w, j)),
			depth > 0 && w.Symbol(j-1, "=") && (hidden || keys && (keyBefore(w, j) || w.Is(j-2, "ROLE_ARN"))):
		default:
			bodies = append(bodies, storedBody{w.Tokens[j].Start, w.Tokens[j].End, "a definition", inClear})
		}
	}
	return bodies
}

// storedKinds name what CREATE and ALTER make, by its word: the text after AS that is stored; "" where none is.
var storedKinds = map[string]string{
	"TASK": "a task's body", "PROCEDURE": "a procedure's body", "FUNCTION": "a function's body", "VIEW": "a view's text",
	"DYNAMIC": "a dynamic table's text", "POLICY": "a policy's body", "INDEX": "an index's query", "PIPE": "a pipe's text",
	"TABLE": "", "STAGE": "", "CONNECTION": "", "DICTIONARY": "", "DATABASE": "", "USER": "", "ROLE": "", "STREAM": "", "SEQUENCE": "",
}

// storedKind is that of a statement, which stands within the first words: CREATE OR REPLACE MATERIALIZED VIEW.
func storedKind(w Words, i int) string {
	for j := i; j < min(i+5, len(w.Tokens)); j++ {
		if what, ok := storedKinds[w.Upper(j)]; ok {
			return what
		}
	}
	return ""
}
