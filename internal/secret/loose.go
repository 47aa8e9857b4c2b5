package secret

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minPrefix is how much of the beginning of a secret is one in a text about a statement that carried it.
const minPrefix = 6

// NewStatementScrubber returns a Scrubber for texts about one statement that carried the secrets it is told: the server repeats its
// values in lower case, in one line, or cut off. It matches in any case, with any white space for any other, and from the beginning
// of a value on, from 6 bytes. For other texts it would find too much.
func NewStatementScrubber() *Scrubber {
	s := NewScrubber()
	s.loose = true
	return s
}

// fold writes text without what escapes: backslashes, and quotes that are doubled; a loose one in lower case too, with one blank for each
// run of white space. at has, for each byte of it and its end, the offset in text.
func fold(text string, loose bool) (folded string, at []int) {
	var b strings.Builder
	at = make([]int, 0, len(text)+1)
	var before rune // the last one written
	slashed := false
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		from := b.Len()
		wasSlashed := slashed
		slashed = r == '\\'
		if control, ok := escapedControls[r]; ok && wasSlashed {
			r = control
		}
		switch {
		case slashed, r == before && (r == '\'' || r == '"'), loose && unicode.IsSpace(r) && unicode.IsSpace(before):
		case r == utf8.RuneError && n == 1:
			b.WriteByte(text[i])
			before = r
		case loose && unicode.IsSpace(r):
			b.WriteByte(' ')
			before = r
		case loose:
			b.WriteRune(unicode.ToLower(r))
			before = r
		default:
			b.WriteRune(r)
			before = r
		}
		for range b.Len() - from {
			at = append(at, i)
		}
		i += n
	}
	return b.String(), append(at, len(text))
}

var escapedControls = map[rune]rune{'n': '\n', 'r': '\r', 't': '\t'}

// looseForms are the forms of value that a server repeats, folded: itself, and of JSON each text in it. Those of base64 and hexadecimal are
// for the strict Scrubber: their beginnings tell nothing.
func looseForms(value string) []string {
	parts := []string{value}
	var v any
	if json.Unmarshal([]byte(value), &v) == nil {
		parts = append(parts, textsIn(v)...)
	}
	var all []string
	for i, part := range parts {
		folded, _ := fold(strings.TrimSpace(part), true)
		if len(folded) >= minLength && i == 0 || len(folded) >= minLine {
			all = append(all, folded)
		}
	}
	return all
}

// textsIn are the texts among the values of JSON, however deep.
func textsIn(v any) []string {
	var all []string
	switch v := v.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, e := range v {
			all = append(all, textsIn(e)...)
		}
	case map[string]any:
		for _, e := range v {
			all = append(all, textsIn(e)...)
		}
	}
	return all
}

// scrubFolded takes out of text what stands there but for its escapes.
func (s *Scrubber) scrubFolded(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.known) == 0 {
		return text
	}
	folded, at := fold(text, s.loose)
	var b strings.Builder
	plain := 0 // text[plain:] is to be copied
	for i := 0; i < len(folded); {
		n := 0
		if s.folded.starts[folded[i]] {
			n = s.folded.longest(folded[i:], s.loose)
		}
		if n == 0 {
			i++
			continue
		}
		b.WriteString(text[plain:at[i]])
		b.WriteString(Redacted)
		i += n
		for i < len(folded) && at[i] == at[i-1] { // within a character
			i++
		}
		_, last := utf8.DecodeRuneInString(text[at[i-1]:])
		plain = at[i-1] + last
	}
	if plain == 0 {
		return text
	}
	return b.String() + text[plain:]
}

// longest is the length of the longest form at the start of text, or of the longest beginning of one where beginnings count.
func (s *trie) longest(text string, beginnings bool) int {
	at, length := int32(0), 0
	for i := range len(text) {
		if at = s.step(at, text[i]); at == 0 {
			break
		}
		if s.nodes[at].end || beginnings && i+1 >= minPrefix {
			length = i + 1
		}
	}
	return length
}
