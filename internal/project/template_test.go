package project

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func testRenderer() *renderer {
	return &renderer{
		env:   &Environment{Name: "dev", Database: "db", Vars: map[string]string{"bucket": "b1", "long": strings.Repeat("x", 50), "region": "eu"}},
		unset: map[string]string{}, loads: []Load{},
	}
}

// offsetAt is the inverse of source.position.
func offsetAt(s *source, line, column int) int {
	s.position(0)
	at := s.lines[line-1]
	if line == 1 && strings.HasPrefix(s.text, bom) {
		at += len(bom)
	}
	for range column - 1 {
		_, n := utf8.DecodeRuneInString(s.text[at:])
		at += n
	}
	return at
}

// TestExpandPositions leads each word of the expanded text that stands in the file as well (W1, W2, …) back to its place
// there, and each that an action wrote to the action.
func TestExpandPositions(t *testing.T) {
	t.Parallel()
	const text = "W1 {{ var \"long\" }} W2\r\n" +
		"ü W3 {{- if has \"bucket\" -}}   W4 {{ var \"bucket\" }} W5\n" +
		"{{- else }} never {{ end }} W6\n" +
		"{{ if has \"no\" }} never {{ else if true }}\n\n  W7{{ secret \"K\" }}W8\n{{ end -}}   \n\n W9\n" +
		"{{/* a comment */}}W10 {{ range $i := 2 }}W17 {{ $i }}{{ end }}" +
		"{{ with var \"region\" }} W11 {{ . }} W12{{ end }}\n" +
		"{{ define \"d\" }} W13 {{ var \"bucket\" }} W14 {{ end }}{{ template \"d\" }}{{ template \"d\" }} W15 {{ \"W99\" }}{{ 1 }}\n" +
		"{{ $x := var \"bucket\" }}{{ $x }} W16 é{{ printf \"%s\" $x }}"
	src := &source{path: "f", text: "first line\n" + text}
	part := src.text[len("first line\n"):]
	e, err := testRenderer().expand(src, part, len("first line\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields("W1 W2 W3 W4 W5 W6 W7 W8 W9 W10 W11 W12 W13 W14 W15 W16 W17") {
		found := 0
		for at := 0; ; {
			i := strings.Index(e.text[at:], word)
			if i < 0 {
				break
			}
			at += i + len(word)
			if at < len(e.text) && e.text[at] >= '0' && e.text[at] <= '9' {
				continue // W1 of W10
			}
			found++
			in := e.origin(at - len(word))
			at := src.position(in)
			if !strings.HasPrefix(src.text[in:], word) || offsetAt(src, at.Line, at.Column) != in {
				t.Errorf("%s leads to %q (%d:%d)", word, src.text[in:min(len(src.text), in+12)], at.Line, at.Column)
			}
		}
		if found == 0 {
			t.Errorf("%s is not in %q", word, e.text)
		}
	}
	for written, action := range map[string]string{
		strings.Repeat("x", 20): `{{ var "long" }}`, `{{ secret "K" }}`: `{{ secret "K" }}`, "W99": `{{ "W99" }}`, "eu": "{{ . }}", "b1 W16": "{{ $x }}",
	} {
		i := strings.Index(e.text, written)
		if i < 0 {
			t.Errorf("%s is not in %q", written, e.text)
			continue
		}
		if in := e.origin(i); !strings.HasPrefix(src.text[in:], action) {
			t.Errorf("%s leads to %q, want %q", written, src.text[in:min(len(src.text), in+12)], action)
		}
	}
	if !strings.HasSuffix(e.text, "éb1") || !strings.HasPrefix(src.text[e.origin(len(e.text)):], "{{ printf") {
		t.Errorf("the end leads to %q", src.text[e.origin(len(e.text)):])
	}
}

// TestStatementPos checks At as databend uses it: an offset of a statement's text.
func TestStatementPos(t *testing.T) {
	t.Parallel()
	p := open(t, files{"migrations/1_a.sql": "\ufeff-- +goose Up\r\nSELECT 'é', {{ var \"bucket\" }}, zz;\r\n" +
		"{{ if has \"bucket\" -}}\r\n  SELECT {{ var \"bucket\" }} FROM nope;\r\n{{ end }}"})
	up := p.Migrations[0].Up
	at := func(i int, word string) [2]int {
		s := up.Statements[i]
		p := s.At(strings.Index(s.SQL, word))
		return [2]int{p.Line, p.Column}
	}
	got := [][2]int{at(0, "SELECT"), at(0, "é"), at(0, "b1"), at(0, "zz"), at(1, "SELECT"), at(1, "b1"), at(1, "nope")}
	want := [][2]int{{2, 1}, {2, 9}, {2, 13}, {2, 33}, {4, 3}, {4, 10}, {4, 34}}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("got, want: %s", d)
	}
	s := up.Statements[1]
	if p := s.At(len(s.SQL) + 100); p.Line != 4 || p.Column != 38 {
		t.Errorf("behind the end: got %v", p)
	}
	if p := s.At(-1); p != s.Place {
		t.Errorf("before the start: got %v", p)
	}
}

// FuzzExpand expands any text: what is verbatim is the same in both texts, segments are in order, and errors have a place.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{
		"SELECT {{ var \"bucket\" }};", "{{ if has \"x\" }}a{{ else }}b{{ end }}", "{{- secret \"A\" -}} x", "{{ range $i := 3 }}{{ $i }},{{ end }}",
		"{{ define \"a\" }}x{{ end }}{{ template \"a\" }}", "{{", "}}", "{{/* c */ -}}\n x", "{{ var \"no\" }}", "a\r\n{{ nope }}", "{{ block \"b\" . }}{{ . }}{{ end }}",
		"{{ quote (ident (var \"bucket\")) }}", "{{ printf \"%d\" 1 }}{{ println }}", "{{ with $x := 1 }}{{ $x }}{{ break }}{{ end }}", "{{ .x }}", "{{ load \"a\" }}",
	} {
		f.Add(seed, "head\n")
	}
	f.Fuzz(func(t *testing.T, text, head string) {
		if strings.Contains(text, "printf") || strings.Contains(text, "range") && strings.ContainsAny(text, "3456789") {
			t.Skip() // a width or a count may ask for any amount of memory and time
		}
		src := &source{path: "f", text: head + text + "tail"}
		e, err := testRenderer().expand(src, text, len(head))
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("got %T: %v", err, err)
			}
			return
		}
		for i, s := range e.segments {
			end := len(e.text)
			if i+1 < len(e.segments) {
				end = e.segments[i+1].out
			}
			if s.out > end || s.in < len(head) || s.in > len(head)+len(text) {
				t.Fatalf("segment %d of %q is %+v", i, e.text, s)
			}
			if s.verbatim && src.text[s.in:s.in+end-s.out] != e.text[s.out:end] {
				t.Fatalf("segment %d: %q is not %q", i, src.text[s.in:s.in+end-s.out], e.text[s.out:end])
			}
			if !s.verbatim && !strings.HasPrefix(src.text[s.in:], "{{") {
				t.Fatalf("segment %d of %q leads to %q", i, e.text, src.text[s.in:])
			}
		}
	})
}
