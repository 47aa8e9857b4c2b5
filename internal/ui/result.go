package ui

import (
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/dbctl/dbctl/internal/event"
)

// resultText is the rows of a query: a table where that fits into width, else its widest columns cut; a single row that does not fit, or
// whose values have several lines, is written downwards. A width of 0 is any.
func resultText(p event.Preview, width int) string {
	rows := [][]string{p.Columns}
	lines := false
	for _, r := range p.Rows {
		cells := make([]string, len(r))
		for i, v := range r {
			if cells[i] = "NULL"; v != nil {
				cells[i] = *v
				lines = lines || strings.Contains(*v, "\n")
			}
		}
		rows = append(rows, cells)
	}
	total := -2
	for _, w := range widthsOf(rows) {
		total += w + 2
	}
	if len(p.Rows) == 1 && (lines || width > 0 && total > width) {
		return downwards(rows)
	}
	for _, r := range rows {
		for i, c := range r {
			if width > 0 {
				r[i] = strings.Join(strings.Fields(c), " ")
			}
			if r[i] == "" { // an empty text is a value: its column stays
				r[i] = " "
			}
		}
	}
	return table(fitted(rows, width)) + event.Plural(int64(len(p.Rows)), "row") + "\n"
}

// widest is the index of the largest width; second the largest of the others.
func widest(widths []int) int {
	at := 0
	for i, w := range widths {
		if w > widths[at] {
			at = i
		}
	}
	return at
}

func second(widths []int, but int) int {
	n := 0
	for i, w := range widths {
		if i != but {
			n = max(n, w)
		}
	}
	return n
}

// downwards is a head and one row, a value a line; further lines of a value stand below its first.
func downwards(rows [][]string) string {
	width := 0
	for _, name := range rows[0] {
		width = max(width, runewidth.StringWidth(name))
	}
	var b strings.Builder
	for i, name := range rows[0] {
		gap := width - runewidth.StringWidth(name)
		value := strings.ReplaceAll(strings.TrimRight(rows[1][i], "\n"), "\n", "\n"+strings.Repeat(" ", width+2))
		b.WriteString(name + strings.Repeat(" ", gap) + "  " + value + "\n")
	}
	return b.String()
}
