package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// hostile are texts that a file, a bucket or a server may hold.
var hostile = map[string]string{
	"up and erase":       "videos\x1b[2A\r\x1b[J ok",
	"title":              "\x1b]0;owned\x07x",
	"hyperlink":          "\x1b]8;;http://x\x1b\\click\x1b]8;;\x1b\\",
	"carriage return":    "DROP TABLE t\rSELECT 1    ",
	"backspaces":         "bad\b\b\bok ",
	"C1 CSI":             "a\u009b2Jb",
	"C1 as a byte":       "a\x9b2Jb",
	"bell, delete, NUL":  "a\x07\x7f\x00b",
	"form feed, VT, tab": "a\fb\vc\td",
	"right to left":      "a\u202elqs.\u202c\u2066\u2069\u200f\u061cb",
	"invisible":          "a\u200b\u2060\ufeff\U000e0041b",
	"line separators":    "a\u2028b\u2029c",
	"forged line":        "x\nrestored    table default.t\ndbctl: done",
	"our own colours":    "a\ufdd2b\ufdd4",
	"tabwriter's escape": "a\xffb\tc\xff",
	"device query":       "\x1b[6n\x1b[c\x1bP$qm\x1b\\",
}

// with returns v with each text in it replaced.
func with[T any](v T, text string) T { return values(v, func(string) string { return text }).(T) }

// widgets are every event and result with text in all of its fields.
func widgets(text string) map[string]func(*UI) {
	all := map[string]func(*UI){
		"record": func(u *UI) {
			u.Record("dev", strings.ReplaceAll(text, "\n", " "), map[string]any{"a": text, "b": []string{text}})
		},
		"prompt":  func(u *UI) { u.Prompt(text) },
		"about":   func(u *UI) { u.About(Head{Project: text, Env: text, Database: text}); u.Record("x", "", struct{}{}) },
		"failure": func(u *UI) { u.Fail(with(failed, text)) },
	}
	for i, e := range story {
		all[fmt.Sprintf("%d %T", i, e)] = func(u *UI) { u.Event(with(e, text)) }
	}
	return all
}

// ours are the control sequences that dbctl itself sends: colours, and the status line's.
var ours = regexp.MustCompile("\x1b\\[(0|1|2|31|32|33)m|\r\x1b\\[K")

// shown is all that a widget writes, 100 columns wide, its line of progress drawn at the end.
func shown(o Options, show func(*UI)) string {
	var out bytes.Buffer
	o.Out, o.Err, o.Now, o.OutWidth, o.ErrWidth = &out, &out, func() time.Time { return at }, func() int { return 100 }, func() int { return 100 }
	u := New(o)
	show(u)
	if s := statusOf(u); s != nil && s.now != nil {
		u.mu.Lock()
		s.draw()
		u.mu.Unlock()
	}
	u.Close()
	return out.String()
}

// TestHostileTexts: whatever a text holds, a terminal shows it and obeys none of it; no line begins with what it says.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		for what, show := range widgets(text) {
			for _, o := range []Options{{}, {Verbose: true, FullSQL: true, OutColor: true, ErrColor: true}, {JSON: true}, {ErrTerminal: true}} {
				out := shown(o, show)
				got := ours.ReplaceAllString(out, "")
				if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && r != '\t' && obeyed(r) }); i >= 0 || !utf8.ValidString(got) {
					t.Errorf("%s in %s (%+v): the output holds what a terminal obeys: %q", name, what, o.JSON, got)
				}
				for line := range strings.Lines(got) {
					if strings.HasPrefix(line, "restored    table default.t") || strings.HasPrefix(line, "dbctl: done") {
						t.Errorf("%s in %s: a text of others begins a line: %q", name, what, got)
					}
				}
				if o.OutColor && strings.Contains(out, "a\x1b[31mb") {
					t.Errorf("%s in %s: a text of others chooses a colour", name, what)
				}
			}
		}
	}
}

// TestPlaceIsOneLine: a file's name with a line break stands in the line of its error, whether the message begins with it or not.
func TestPlaceIsOneLine(t *testing.T) {
	t.Parallel()
	const file = "loads/a\ndbctl: done.sql"
	for _, message := range []string{file + ":1:2: no COPY", "no COPY"} {
		var out bytes.Buffer
		u := New(Options{Out: &out, Err: &out})
		u.Fail(Failure{Place: sqltext.Place{File: file, Line: 1, Column: 2}, Message: message})
		u.Close()
		if want := `dbctl: loads/a\ndbctl: done.sql:1:2: no COPY` + "\n"; out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	}
}

// TestHostileJSON: programs get each text as it is.
func TestHostileJSON(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		var out bytes.Buffer
		u := New(Options{Out: &out, JSON: true})
		u.Event(event.Note{Text: text})
		var got struct{ Text string }
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := strings.ToValidUTF8(text, "\ufffd"); got.Text != want {
			t.Errorf("%s: got %q, want %q", name, got.Text, want)
		}
	}
}

// TestSecretsOfAnyShape: a secret is taken out of every widget and every JSON value before it is cut, folded or padded, and one that is
// a word or a number of ours breaks no line of JSON and no table.
func TestSecretsOfAnyShape(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		strings.Repeat("long", 60) + "end", "two words  and\ttabs", "line one is here\nline two is here", "type", "2026", "state", "applied", "null", `{"a":"b c"}`,
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "ünï-ço∂é-väl", `quote'"back\slash`,
	} {
		scrub := secret.NewScrubber()
		scrub.Add(secret.New(value))
		text := "before " + value + " after " + value
		for what, show := range widgets(text) {
			for _, o := range []Options{{}, {Verbose: true, FullSQL: true}, {JSON: true}, {ErrTerminal: true}} {
				var out bytes.Buffer
				o.Out, o.Err, o.Clean, o.Now = &out, &out, scrub.String, func() time.Time { return at }
				u := New(o)
				show(u)
				u.Close()
				got := out.String()
				for _, part := range pieces(value) {
					if strings.Contains(got, part) {
						t.Errorf("%s (json %v): %q of the secret %q is shown: %s", what, o.JSON, part, value, got)
					}
				}
				if !o.JSON {
					continue
				}
				for line := range strings.Lines(got) {
					var fields map[string]any
					if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["type"] == nil || fields["v"] != 1.0 {
						t.Errorf("%s: the secret %q broke a line of JSON: %s", what, value, line)
					}
				}
			}
		}
	}
}

// pieces are the parts of a value that would tell it; of a short one, which is a word of ours, none can be looked for.
func pieces(value string) []string {
	if len(value) < 8 {
		return nil
	}
	runes := []rune(value)
	return []string{string(runes[:6]), strings.Join(strings.Fields(value), " "), strings.ToLower(value)}
}

// TestValuesKeepsTheRest: only texts are changed: no time, number, nil or key.
func TestValuesKeepsTheRest(t *testing.T) {
	t.Parallel()
	same := func(s string) string { return s }
	for _, e := range story {
		if got := values(e, same); !reflect.DeepEqual(got, e) {
			t.Errorf("%T: got %+v, want %+v", e, got, e)
		}
	}
	var none *string
	for _, v := range []any{none, map[string]any{"a": nil, "b": 1}, []any{nil, true, 1.5}, struct{ A *time.Time }{&at}, []string(nil)} {
		if got := values(v, same); !reflect.DeepEqual(got, v) {
			t.Errorf("got %#v, want %#v", got, v)
		}
	}
	if unicode.IsPrint('\ufdd0') {
		t.Error("a colour's stand-in can be printed")
	}
}

func statusOf(u *UI) *status {
	t, ok := u.r.(*text)
	if !ok {
		return nil
	}
	return t.status
}
