package secret

import (
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

// fold writes text in lower case with one blank for each run of white space. at has, for each byte of it and its end, the offset in text.
func fold(text string) (folded string, at []int) {
	var b strings.Builder
	at = make([]int, 0, len(text)+1)
	blank := false
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		from := b.Len()
		switch {
		case unicode.IsSpace(r):
			if !blank {
				b.WriteByte(' ')
			}
		case r == utf8.RuneError && n == 1:
			b.WriteByte(text[i])
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		blank = unicode.IsSpace(r)
		for range b.Len() - from {
			at = append(at, i)
		}
		i += n
	}
	return b.String(), append(at, len(text))
}

// looseForms are the forms of value that a server repeats, folded. Those of base64 and hexadecimal are for the strict Scrubber: their
// beginnings tell nothing.
func looseForms(value string) []string {
	var all []string
	for _, form := range append(sqlForms(value), value, jsonForm(value), rustDebug(value)) {
		folded, _ := fold(strings.TrimSpace(form))
		if len(folded) >= minLength {
			all = append(all, folded)
		}
	}
	return all
}

// scrubLoose is String for a loose Scrubber.
func (s *Scrubber) scrubLoose(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.known) == 0 {
		return text
	}
	folded, at := fold(text)
	var b strings.Builder
	plain := 0 // text[plain:] is to be copied
	for i := 0; i < len(folded); {
		n := 0
		if s.starts[folded[i]] {
			n = s.longest(folded[i:])
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
		plain = at[i]
	}
	if plain == 0 {
		return text
	}
	return b.String() + text[plain:]
}

// longest is the length of the longest form, or of the longest beginning of one that is long enough, at the start of text.
func (s *Scrubber) longest(text string) int {
	at, length := int32(0), 0
	for i := range len(text) {
		if at = s.step(at, text[i]); at == 0 {
			break
		}
		if s.nodes[at].end || i+1 >= minPrefix {
			length = i + 1
		}
	}
	return length
}
