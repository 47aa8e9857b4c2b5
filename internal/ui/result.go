package ui

import (
	"strings"
	"unicode/utf8"

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
	widths := make([]int, len(p.Columns))
	total := -2
	for i := range widths {
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
		total += widths[i] + 2
	}
	if len(p.Rows) == 1 && (lines || width > 0 && total > width) {
		return downwards(rows)
	}
	for width > 0 && total > width {
		i := widest(widths)
		if widths[i] <= 8 {
			break
		}
		by := min(total-width, widths[i]-max(8, second(widths, i)))
		by = max(by, 1)
		widths[i] -= by
		total -= by
	}
	var cut [][]string
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, c := range r {
			if cells[i] = c; width > 0 {
				cells[i] = shorten(c, widths[i])
			}
			if cells[i] == "" { // an empty text is a value: its column stays
				cells[i] = " "
			}
		}
		cut = append(cut, cells)
	}
	return table(cut) + event.Plural(int64(len(p.Rows)), "row") + "\n"
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
		width = max(width, utf8.RuneCountInString(name))
	}
	var b strings.Builder
	for i, name := range rows[0] {
		gap := width - utf8.RuneCountInString(name)
		value := strings.ReplaceAll(strings.TrimRight(rows[1][i], "\n"), "\n", "\n"+strings.Repeat(" ", width+2))
		b.WriteString(name + strings.Repeat(" ", gap) + "  " + value + "\n")
	}
	return b.String()
}
