package migrate

import (
	"strings"
	"testing"
)

// TestEditLoop: edit, redo, again. What is taken down is what was applied, whatever the file says now; an edit of comments, or of a template
// that renders the same, is none.
func TestEditLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE first (x INT);\n--down\nDROP TABLE first;\n")
	w.Migration(2, "CREATE TABLE a (x INT, y INT);\n--down\nDROP TABLE a;\n")
	w.must(w.up())

	w.Migration(2, "-- why\nCREATE TABLE a (x INT,\n  y /* here */ INT);\n--down\nDROP TABLE a;\n")
	w.must(w.up())
	if got := w.said(); w.states() != "1 applied, 2 applied" || !strings.Contains(got, "in comments and white space alone") {
		t.Errorf("comments: got %s, said %s", w.states(), got)
	}
	w.Migration(2, "CREATE TABLE a (x INT, {{ \"y\" }} INT);\n--down\nDROP TABLE a;\n")
	w.must(w.up())
	if got := w.said(); w.states() != "1 applied, 2 applied" || !strings.Contains(got, "renders to the same text") {
		t.Errorf("a template: got %s, said %s", w.states(), got)
	}

	for _, name := range []string{"b", "c"} {
		w.Migration(2, "CREATE TABLE "+name+" (x INT);\n--down\nDROP TABLE "+name+";\n")
		if got := w.states(); got != "1 applied, 2 edited" {
			t.Errorf("edited to %s: got %s", name, got)
		}
		w.must(w.migrator(Options{}).Redo(t.Context()))
		if got := w.states(); got != "1 applied, 2 applied" || w.tables() != name+" first" {
			t.Errorf("redo to %s: got %s with tables %q, want %[1]s and first", name, got, w.tables())
		}
	}

	// The file is edited, and the journal's Down undoes what was applied.
	w.Migration(2, "CREATE TABLE d (x INT);\n--down\nDROP TABLE d;\n")
	w.must(w.migrator(Options{}).Down(t.Context(), 0, true))
	if got := w.tables(); got != "first" {
		t.Errorf("down of an edited file: got tables %q, want first alone", got)
	}
}
