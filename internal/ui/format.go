package ui

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// took is a duration of ms in the shortest form that still says something.
func took(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", ms)
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// timeText is RFC 3339 in UTC, to the second.
func timeText(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// shorten cuts s to at most n runes on one line, the last one an ellipsis.
func shorten(s string, n int) string {
	return cut(strings.Join(strings.Fields(s), " "), n)
}

// cut is shorten for a text that is one line already.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// indent puts prefix before each line of s.
func indent(s, prefix string) string {
	return prefix + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+prefix)
}

// table aligns rows below their head. A column that is empty in all of them is left out, and empty last cells leave no blanks.
func table(rows [][]string) string {
	rows = withoutEmpty(rows)
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = visible(c)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush() // a Buffer takes everything
	lines := strings.Split(b.String(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}

func withoutEmpty(rows [][]string) [][]string {
	used := map[int]bool{}
	for _, r := range rows[1:] {
		for i, c := range r {
			used[i] = used[i] || c != ""
		}
	}
	out := make([][]string, len(rows))
	for n, r := range rows {
		for i, c := range r {
			if used[i] || len(rows) == 1 {
				out[n] = append(out[n], c)
			}
		}
	}
	return out
}

// colorOf is the colour of a state, an outcome or a class. Colour only repeats what the word says.
func colorOf(word string) string {
	switch word {
	case "applied", "loaded", "replaced", "restored", "valid", "exact", "flashback", "up", "down", "none", "ok":
		return green
	case "pending", "planned", "new", "unsupported", "stale", "ahead", "changed", "skipped", "unfinished", "expired", "redefine",
		"warning:", "warning":
		return yellow
	case "rolled_back", "partial", "interrupted", "edited", "missing", "failed", "invalid", "quarantined", "kept", "differs", "irreversible",
		"dbctl:", "error", "fail":
		return red
	case "untouched", "ignored", "vanished", "emptied", "hint:":
		return dim
	}
	return ""
}
