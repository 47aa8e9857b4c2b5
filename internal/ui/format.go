package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
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

// shorten cuts s to at most n columns of a terminal on one line, the last one an ellipsis.
func shorten(s string, n int) string {
	return cut(strings.Join(strings.Fields(s), " "), n)
}

// cut is shorten for a text that is one line already.
func cut(s string, n int) string {
	return runewidth.Truncate(s, n, "…")
}

// indent puts prefix before each line of s.
func indent(s, prefix string) string {
	return prefix + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+prefix)
}

// table aligns rows below their head. A column that is empty in all of them is left out, and empty last cells leave no blanks.
func table(rows [][]string) string {
	rows = withoutEmpty(rows)
	cells := make([][]string, len(rows))
	for n, r := range rows {
		for _, c := range r {
			cells[n] = append(cells[n], visible(c))
		}
	}
	widths := widthsOf(cells)
	var b strings.Builder
	for _, r := range cells {
		var line strings.Builder
		for i, c := range r {
			line.WriteString(runewidth.FillRight(c, widths[i]) + "  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// widthsOf is how many columns of a terminal each column of a table takes.
func widthsOf(rows [][]string) []int {
	var widths []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(c))
		}
	}
	return widths
}

// least is how narrow a column may be made.
const least = 8

// fitted cuts the widest columns of a table until it fits into width; a width of 0 is any.
func fitted(rows [][]string, width int) [][]string {
	if width <= 0 {
		return rows
	}
	rows = withoutEmpty(rows)
	shown := make([][]string, len(rows))
	for n, r := range rows {
		for _, c := range r {
			shown[n] = append(shown[n], visible(c))
		}
	}
	widths := widthsOf(shown)
	total := -2
	for _, w := range widths {
		total += w + 2
	}
	for total > width {
		i := widest(widths)
		if widths[i] <= least {
			break
		}
		by := max(1, min(total-width, widths[i]-max(least, second(widths, i))))
		widths[i] -= by
		total -= by
	}
	for _, r := range shown {
		for i, c := range r {
			r[i] = cut(c, widths[i])
		}
	}
	return shown
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
