package ui

import (
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/dbctl/dbctl/internal/event"
)

// resultText is the rows of a query as a table. A single row that does not fit into width, 0 for any, or whose values have several lines,
// is written downwards, whole.
func resultText(p event.Preview, width int, color bool) string {
	rows := make([][]string, len(p.Rows))
	lines, wide := false, make([]int, len(p.Columns))
	for i, name := range p.Columns {
		wide[i] = runewidth.StringWidth(name)
	}
	for n, r := range p.Rows {
		rows[n] = make([]string, len(r))
		for i, v := range r {
			if rows[n][i] = "NULL"; v != nil {
				rows[n][i] = *v
				lines = lines || strings.Contains(*v, "\n")
			}
			wide[i] = max(wide[i], runewidth.StringWidth(rows[n][i]))
		}
	}
	total := -2
	for _, w := range wide {
		total += w + 2
	}
	if len(rows) == 1 && (lines || width > 0 && total > width) {
		return downwards(p.Columns, rows[0], color)
	}
	if width > 0 {
		for _, r := range rows {
			for i, c := range r {
				r[i] = strings.Join(strings.Fields(c), " ")
			}
		}
	}
	return valueTable(p.Columns, rows, width, color) + event.Plural(len(rows), "row") + "\n"
}

// valueTable is a table of values; where it has too many columns for width, each row is written downwards.
func valueTable(names []string, rows [][]string, width int, color bool) string {
	columns := make([]column, len(names))
	for i, n := range names {
		columns[i] = column{visible(n), value}
	}
	if width <= 0 || len(names)*(least+2)-2 <= width || len(rows) == 0 {
		return table(columns, rows, width, color)
	}
	var b strings.Builder
	for i, r := range rows {
		if i > 0 {
			b.WriteString("\n")
		}
		for j := range r {
			r[j] = cut(r[j], max(width/2, least))
		}
		b.WriteString(downwards(names, r, color))
	}
	return b.String()
}

// downwards is one row, a value a line; further lines of a value stand below its first.
func downwards(names, row []string, color bool) string {
	width := 0
	for _, name := range names {
		width = max(width, runewidth.StringWidth(visible(name)))
	}
	var b strings.Builder
	for i, name := range names {
		name = visible(name)
		gap := strings.Repeat(" ", width-runewidth.StringWidth(name))
		value := strings.ReplaceAll(strings.TrimRight(row[i], "\n"), "\n", "\n"+strings.Repeat(" ", width+2))
		b.WriteString(colored(bold, name, color) + gap + "  " + value + "\n")
	}
	return b.String()
}
