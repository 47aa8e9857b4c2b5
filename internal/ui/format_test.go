package ui

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// TestTablesFit: a table takes no more columns of a terminal than there are, whatever is written in it, and its columns stand below
// each other; off a terminal nothing is cut.
func TestTablesFit(t *testing.T) {
	t.Parallel()
	for name, long := range map[string]string{
		"path": strings.Repeat("year=2026/", 20) + "a.parquet", "CJK": strings.Repeat("東京都の交通", 20), "emoji": strings.Repeat("🚦", 60),
		"escapes": strings.Repeat("\x1b[2J", 30),
	} {
		for _, width := range []int{80, 140, 0} {
			var out bytes.Buffer
			u := New(Options{Out: &out, Err: &out, OutWidth: func() int { return width }, ErrWidth: func() int { return width }})
			show := func(e event.Event) string {
				out.Reset()
				u.Event(e)
				u.Event(event.Summary{})
				return out.String()
			}
			u.Event(event.Migration{Version: 2, State: "pending", Name: long})
			for what, got := range map[string]string{
				"migrations": show(event.Migration{Version: 1, State: "applied", Name: "a", Reason: long}),
				"loads":      show(event.LoadState{Load: "a", Table: "db." + long, Reason: long, Counts: map[event.FileState]int64{"new": 1}}),
				"files":      show(event.File{Load: "a", Table: "t", Path: long, Outcome: "failed", Reason: "because of " + long}),
				"runs":       show(event.LoadRun{At: at, Files: 1, Failed: 2, Reason: strings.Repeat("some words ", 30)}),
				"preview": show(event.Preview{
					Load: "a", Columns: []string{"a", "b"}, Types: []string{"String", "Int"}, Rows: [][]*string{{&long, ptr("1")}, {nil, nil}},
				}),
				"wide preview": show(event.Preview{Load: "a", Columns: make([]string, 30), Rows: [][]*string{slices.Repeat([]*string{&long}, 30)}}),
				"note":         show(event.Note{Text: strings.Repeat("some words ", 30)}),
				"summary":      show(event.Summary{Text: strings.Repeat("some words ", 30)}),
				"finding":      show(event.Finding{Level: "error", Place: sqltext.Place{File: "a.sql"}, Message: strings.Repeat("some words ", 30), Hint: strings.Repeat("words ", 30)}),
				"check":        show(event.Check{Name: "stage 東京", Detail: strings.Repeat("some words ", 30)}),
			} {
				for line := range strings.Lines(got) {
					if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); width > 0 && n > width && strings.Contains(strings.TrimSpace(line), " ") {
						t.Errorf("%s of %s at %d: a line takes %d: %s", what, name, width, n, line)
					}
				}
				if width == 0 && what == "migrations" && !strings.Contains(got, visible(long)) {
					t.Errorf("%s: off a terminal it is cut: %s", name, got)
				}
				if what == "migrations" && strings.Index(got, "applied") > strings.Index(got, "pending") {
					t.Errorf("%s: version 2 stands above 1: %s", name, got)
				}
			}
		}
	}
}

// TestTable: columns stand below each other; what says nothing is left out; a sentence goes on below, where it has no room beside.
func TestTable(t *testing.T) {
	t.Parallel()
	columns := []column{{"A", word}, {"N", number}, {"BAD", alarm}, {"PATH", name}, {"NOTE", note}}
	for name, tc := range map[string]struct {
		width int
		color bool
		rows  [][]string
		want  string
	}{
		"aligned": {
			0, false,
			[][]string{{"東京", "12", "1", "x", ""}, {"abc", "3", "0", "yy", "why not"}},
			"A      N  BAD  PATH  NOTE\n東京  12    1  x\nabc    3    0  yy    why not\n",
		},
		"zeros": {0, false, [][]string{{"abc", "0", "0", "x", ""}}, "A    PATH\nabc  x\n"},
		"none":  {0, false, nil, "\n"},
		"in its room": {
			45, false,
			[][]string{{"abc", "1", "0", "a/b", "one two three four five six seven"}},
			"A    N  PATH  NOTE\nabc  1  a/b   one two three four five six\n              seven\n",
		},
		"below": {
			30, false,
			[][]string{{"abc", "1", "0", "a/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/c", "one two three four five six seven"}},
			"A    N  PATH\nabc  1  a/bbbbb…bbbbbbbbbbbb/c\n    one two three four five\n    six seven\n",
		},
		"colour": {
			0, true,
			[][]string{{"failed", "0", "7", "x", ""}, {"ok", "1", "0", "x", ""}},
			bold + "A" + reset + "       " + bold + "N" + reset + "  " + bold + "BAD" + reset + "  " + bold + "PATH" + reset + "\n" +
				red + "failed" + reset + "  " + dim + "0" + reset + "    " + red + "7" + reset + "  x\n" +
				green + "ok" + reset + "      1    " + dim + "0" + reset + "  x\n",
		},
	} {
		if got := table(columns, tc.rows, tc.width, tc.color); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}

// TestHang: lines break at blanks; what stands between backquotes is there to be pasted, and stays in one line.
func TestHang(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		s     string
		width int
		want  string
	}{
		{"a bb ccc", 0, "a bb ccc"},
		{"a bb ccc", 8, "a bb ccc"},
		{"a bb ccc", 7, "a bb\n  ccc"},
		{"one\ntwo", 0, "one\n  two"},
		{"mend it: `dbctl load a --path x`, or not", 20, "mend it:\n  `dbctl load a --path x`,\n  or not"},
		{"it's ` alone in here", 10, "it's `\n  alone in\n  here"},
		{"  indented words here", 12, "  indented\n  words here"},
		{"東京都 の 交通", 8, "東京都\n  の\n  交通"},
	} {
		if got := Wrap(tc.s, tc.width, 2); got != tc.want {
			t.Errorf("Wrap(%q, %d): got\n%s\nwant\n%s", tc.s, tc.width, got, tc.want)
		}
	}
}

// TestDrawn: the caret stands below its character, whatever stands before it; of a long line the part around it is shown.
func TestDrawn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a, ", 50)
	for _, tc := range []struct {
		caret string
		width int
		want  string
	}{
		{"SELECT x\n       ^", 80, "SELECT x\n       ^"},
		{"SELECT '東京', x\n              ^", 0, "SELECT '東京', x\n                ^"},
		{"\tx\n\t^", 0, "    x\n    ^"},
		{long + "x\n" + strings.Repeat(" ", len(long)) + "^", 20, "… a, a, a, x\n           ^"},
		{"x" + long + "\n^", 10, "xa, a, a,…\n^"},
		{"only a line", 0, "only a line"},
	} {
		if got := drawn(tc.caret, tc.width); got != tc.want {
			t.Errorf("drawn(%q, %d): got\n%s\nwant\n%s", tc.caret, tc.width, got, tc.want)
		}
	}
}
