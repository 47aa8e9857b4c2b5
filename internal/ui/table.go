package ui

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// column is one of a table: its heading and what stands below it.
type column struct {
	title string
	kind  cellKind
}

type cellKind int

const (
	value  cellKind = iota // of a query: cut at its end where there is no room
	name                   // of a file or an object: cut in its middle
	word                   // one of ours, which has its colour: never cut
	number                 // stands to the right; zeros are dim, and a column of nothing else is left out
	alarm                  // a number that should be zero: red where it is not
	note                   // a sentence, in the last column: goes on in the next line, or stands below its row
)

// least is how narrow a column may be made; leastNote the same for a sentence.
const (
	least     = 8
	leastNote = 30
)

// table aligns rows below their headings, in at most width columns of a terminal, 0 for any. Columns without anything to say are left out.
func table(columns []column, rows [][]string, width int, color bool) string {
	columns, rows = telling(columns, rows)
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = runewidth.StringWidth(c.title)
		for _, r := range rows {
			r[i] = visible(r[i])
			widths[i] = max(widths[i], runewidth.StringWidth(r[i]))
		}
	}
	below := fit(columns, widths, width)
	if below {
		columns, widths = columns[:len(columns)-1], widths[:len(widths)-1]
	}
	var b strings.Builder
	line := func(cells []string, paint func(int, string) string) {
		var l strings.Builder
		in := 0 // where the cell begins
		for i, c := range columns {
			cell := fitted(cells[i], c.kind, widths[i], in)
			gap := widths[i] - runewidth.StringWidth(cell)
			if c.kind == note {
				gap = 0
			}
			lead, trail := "", strings.Repeat(" ", max(gap, 0))
			if c.kind == number || c.kind == alarm {
				lead, trail = trail, ""
			}
			l.WriteString(lead + paint(i, cell) + trail + "  ")
			in += widths[i] + 2
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
		if below && cells[len(columns)] != "" {
			b.WriteString(Wrap("    "+cells[len(columns)], width, 4) + "\n")
		}
	}
	titles := make([]string, len(columns)+1)
	for i, c := range columns {
		titles[i] = c.title
	}
	line(titles, func(_ int, s string) string { return colored(bold, s, color) })
	for _, r := range rows {
		line(r, func(i int, s string) string { return colored(columns[i].color(s), s, color) })
	}
	return b.String()
}

// telling leaves out the columns that are empty, or zero, in all rows.
func telling(columns []column, rows [][]string) ([]column, [][]string) {
	var kept []column
	out := make([][]string, len(rows))
	for i, c := range columns {
		says := len(rows) == 0 && c.kind == value
		for _, r := range rows {
			says = says || r[i] != "" && (r[i] != "0" || c.kind < number) || c.kind == value
		}
		if !says {
			continue
		}
		kept = append(kept, c)
		for n, r := range rows {
			out[n] = append(out[n], r[i])
		}
	}
	return kept, out
}

// fit makes widths of a table that fits into width, and says whether its last column, a note, has to stand below the rows.
func fit(columns []column, widths []int, width int) (below bool) {
	if width <= 0 || len(columns) == 0 {
		return false
	}
	last := len(columns) - 1
	total := -2
	for _, w := range widths {
		total += w + 2
	}
	if columns[last].kind == note && total > width {
		total -= widths[last] + 2
		if room := width - total - 2; room >= leastNote {
			widths[last] = room
			return false
		}
		below, widths = true, widths[:last]
	}
	for total > width {
		at := -1
		for i, w := range widths {
			if columns[i].kind <= name && w > least && (at < 0 || w > widths[at]) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		widths[at]--
		total--
	}
	return below
}

// fitted is a cell in its column, which begins behind in others.
func fitted(s string, kind cellKind, width, in int) string {
	switch kind {
	case note:
		margin := strings.Repeat(" ", in)
		lines := wrapped(s, width, "")
		return strings.Join(lines, "\n"+margin)
	case name:
		return cutMiddle(s, width)
	case value, word, number, alarm:
	}
	return cut(s, width)
}

// color is the colour of a cell.
func (c column) color(s string) string {
	switch {
	case c.kind == word:
		return colorOf(s)
	case (c.kind == number || c.kind == alarm) && s == "0":
		return dim
	case c.kind == alarm:
		return red
	}
	return ""
}

func colored(color, s string, on bool) string {
	if !on || color == "" || s == "" {
		return s
	}
	return color + s + reset
}
