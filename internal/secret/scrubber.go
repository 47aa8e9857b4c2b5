package secret

import (
	"io"
	"slices"
	"strings"
	"sync"
)

// minLength is the length in bytes below which a value is not scrubbed: taking every "a" or "42" out of the output would
// make it unreadable, and its holes would tell the value. Such a secret is still never printed by a Text.
const minLength = 4

// Scrubber replaces every known secret by [redacted]: raw, and as SQL, URL, JSON, Go, Rust, HTML, base64 and hex write
// it (see forms); a value of several lines also line by line. Overlapping finds are taken out whole.
//
// It is safe for concurrent use.
type Scrubber struct {
	loose bool      // see NewStatementScrubber
	long  *Scrubber // see Long

	mu     sync.RWMutex
	known  map[string]bool
	forms  trie // as they stand in a text; none of a loose one
	folded trie // as they stand in a text without its escapes (fold)
}

// trie holds texts, and is walked from each byte that can start one.
type trie struct {
	starts [256]bool
	nodes  []node // nodes[0] is the root; none: nothing was added yet
}

// node is a node of the trie: its children are a linked list, since most have one.
type node struct {
	child, next int32 // index, 0 for none
	b           byte
	end         bool
}

// NewScrubber returns an empty Scrubber. It is safe for concurrent use.
func NewScrubber() *Scrubber {
	s := empty()
	s.long = empty()
	return s
}

func empty() *Scrubber { return &Scrubber{known: map[string]bool{}} }

// In returns the secrets that stand in a text, as they are or as a literal of SQL, in any case and with any white space.
func (s *Scrubber) In(text string) []Text {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []Text
	text, _ = fold(text, true)
	for value := range s.known {
		if slices.ContainsFunc(looseForms(value), func(form string) bool { return strings.Contains(text, form) }) {
			found = append(found, New(value))
		}
	}
	return found
}

// minLong is the length from which a secret is no word or name that something else has as well.
const minLong = 12

// Long is String for texts that are read again, as a captured definition is: only secrets that are long enough to be nothing else are
// taken out. A password that is the name of the database would make the text useless.
func (s *Scrubber) Long(text string) string {
	if s == nil {
		return text
	}
	return s.long.String(text)
}

// Add makes the Scrubber know t. On a nil Scrubber it does nothing.
func (s *Scrubber) Add(t Text) {
	value := t.Reveal()
	if s == nil || len(value) < minLength {
		return
	}
	if len(value) >= minLong {
		s.long.Add(t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[value] {
		return
	}
	s.known[value] = true
	if s.loose {
		for _, form := range looseForms(value) {
			s.folded.insert(form)
		}
		return
	}
	for _, form := range forms(value) {
		s.forms.insert(form)
	}
	for _, part := range parts(value) {
		if folded, _ := fold(part, false); len(folded) >= minLength {
			s.folded.insert(folded)
		}
	}
}

func (s *trie) insert(form string) {
	if s.nodes == nil {
		s.nodes = make([]node, 1)
	}
	s.starts[form[0]] = true
	at := int32(0)
	for i := range len(form) {
		next := s.step(at, form[i])
		if next == 0 {
			next = int32(len(s.nodes))
			s.nodes = append(s.nodes, node{next: s.nodes[at].child, b: form[i]})
			s.nodes[at].child = next
		}
		at = next
	}
	s.nodes[at].end = true
}

// step returns the child of node at for b, or 0.
func (s *trie) step(at int32, b byte) int32 {
	n := s.nodes[at].child
	for n != 0 && s.nodes[n].b != b {
		n = s.nodes[n].next
	}
	return n
}

// match walks text from its start: the length of the longest form there, and whether text ends inside a longer one. The beginning of
// a form is one where somebody cut it and said so.
func (s *trie) match(text string) (length int, open bool) {
	at := int32(0)
	for i := range len(text) {
		if at = s.step(at, text[i]); at == 0 {
			if rest := text[i:]; length == 0 && i >= minPrefix && (strings.HasPrefix(rest, "…") || strings.HasPrefix(rest, "...")) {
				length = i
			}
			return length, false
		}
		if s.nodes[at].end {
			length = i + 1
		}
	}
	return length, s.nodes[at].child != 0
}

// String returns text without any known secret. A nil Scrubber returns text as it is.
func (s *Scrubber) String(text string) string {
	if s == nil || text == "" {
		return text
	}
	if !s.loose {
		var b strings.Builder
		if _, _, same := s.scrub(&b, text, 0, true); !same {
			text = b.String()
		}
		if !strings.Contains(text, `\`) && !strings.Contains(text, "''") && !strings.Contains(text, `""`) {
			return text // as it is when folded
		}
	}
	return s.scrubFolded(text)
}

// scrub writes text without secrets to b. The first covered bytes belong to a secret that was replaced before. Unless
// final, it stops at the first byte that may start a form that goes on behind the text: it returns how much it used and
// how many of the bytes after that are covered. When same is true, text holds no secret and b was left empty.
func (s *Scrubber) scrub(b *strings.Builder, text string, covered int, final bool) (used, left int, same bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	same = covered == 0
	plain := covered // text[plain:i] is to be copied
	i := 0
	for ; i < len(text); i++ {
		if !s.forms.starts[text[i]] {
			continue
		}
		n, open := s.forms.match(text[i:])
		if open && !final {
			break
		}
		if n == 0 {
			continue
		}
		if i >= covered { // a new hole, not one that overlaps the last
			b.WriteString(text[plain:i])
			b.WriteString(Redacted)
			same = false
		}
		covered = max(covered, i+n)
		plain = covered
	}
	if same && i == len(text) {
		return i, 0, true
	}
	if plain < i {
		b.WriteString(text[plain:i])
	}
	return i, max(0, covered-i), false
}

// Writer returns a writer that scrubs, holding back what may be the start of a secret until Flush. s may be nil.
func (s *Scrubber) Writer(w io.Writer) *Writer { return &Writer{s: s, w: w} }

// Writer is a scrubbing writer. It is safe for concurrent use; each Write becomes at most one Write below it.
type Writer struct {
	s *Scrubber
	w io.Writer

	mu      sync.Mutex
	held    string // what may be the start of a secret
	covered int    // so many bytes of held belong to a secret that was replaced already
}

// Write writes p without secrets. It reports all of p as written, also what it holds back.
func (w *Writer) Write(p []byte) (int, error) {
	if w.s == nil {
		return w.w.Write(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(p), w.emit(w.held+string(p), false)
}

// Flush writes what was held back. Call it where no more is to come, and before waiting for a person.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.emit(w.held, true)
}

func (w *Writer) emit(text string, final bool) error {
	if text == "" {
		return nil
	}
	var b strings.Builder
	used, left, same := w.s.scrub(&b, text, w.covered, final)
	w.held, w.covered = text[used:], left
	out := b.String()
	if same {
		out = text
	}
	if out == "" {
		return nil
	}
	_, err := io.WriteString(w.w, out)
	return err
}
