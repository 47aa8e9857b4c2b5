package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/event"
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

// cutMiddle cuts a path or a name: its end tells it from the others.
func cutMiddle(s string, n int) string {
	w := runewidth.StringWidth(s)
	if w <= n {
		return s
	}
	head := runewidth.Truncate(s, n/3, "")
	return head + runewidth.TruncateLeft(s, w-(n-runewidth.StringWidth(head)-1), "…")
}

// Wrap writes s in lines of at most width columns, 0 for any, the second and further ones moved to the right by in: no name or message of
// others begins a line of ours. Words stay whole, and so does what stands between backquotes, which is there to be pasted.
func Wrap(s string, width, in int) string {
	var lines []string
	margin := strings.Repeat(" ", in)
	for i, l := range strings.Split(strings.TrimRight(s, "\n"), "\n") {
		if i > 0 {
			l = margin + l
		}
		lines = append(lines, wrapped(l, width, margin)...)
	}
	return strings.Join(lines, "\n")
}

// wrapped breaks a line at blanks; all but the first of what it returns begin with margin.
func wrapped(line string, width int, margin string) []string {
	if width <= 0 || runewidth.StringWidth(line) <= width {
		return []string{line}
	}
	begin := len(line) - len(strings.TrimLeft(line, " "))
	at, quoted := -1, false
	for i, r := range line {
		if r == '`' {
			quoted = !quoted && strings.Contains(line[i+1:], "`")
		}
		if r != ' ' || quoted || i < begin {
			continue
		}
		if at >= 0 && runewidth.StringWidth(line[:i]) > width {
			break
		}
		at = i
	}
	if at < 0 {
		return []string{line}
	}
	return append([]string{strings.TrimRight(line[:at], " ")}, wrapped(margin+strings.TrimLeft(line[at:], " "), width, margin)...)
}

// drawn is a line of a file and the caret below one of its characters, in at most width columns.
func drawn(caret string, width int) string {
	line, mark, ok := strings.Cut(caret, "\n")
	if !ok {
		return visible(line)
	}
	runes := []rune(line)
	at := min(len([]rune(mark))-1, len(runes))
	shown := func(part []rune) string { return visible(strings.ReplaceAll(string(part), "\t", "    ")) }
	before, after := shown(runes[:at]), shown(runes[at:])
	if width > 0 {
		if w := runewidth.StringWidth(before); w > width*2/3 && w+runewidth.StringWidth(after) > width {
			before = runewidth.TruncateLeft(before, w-width/2, "…")
		}
		after = cut(after, width-runewidth.StringWidth(before))
	}
	return before + after + "\n" + strings.Repeat(" ", runewidth.StringWidth(before)) + "^"
}

// indent puts prefix before each line of s.
func indent(s, prefix string) string {
	return prefix + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+prefix)
}

// colorOf is the colour of a state, an outcome, a class or a mark. Colour only repeats what the word says.
func colorOf(word string) string {
	switch word {
	case string(event.Applied), string(event.FileLoaded), string(event.FileReplaced), string(event.Restored), string(event.FileValid),
		string(event.Up), string(event.Down), "exact", "flashback", "none", "ok":
		return green
	case string(event.Pending), string(event.FilePlanned), string(event.New), string(event.Unsupported), string(event.Stale),
		string(event.Ahead), string(event.Changed), string(event.FileSkipped), string(event.Unfinished), string(event.Expired),
		"redefine", "warning:", "warning":
		return yellow
	case string(event.RolledBack), string(event.Partial), string(event.Interrupted), string(event.Edited), string(event.Missing),
		string(event.Failed), string(event.FileInvalid), string(event.Quarantined), string(event.Kept), string(event.Differs),
		"irreversible", "dbctl:", "error", "fail":
		return red
	case string(event.Untouched), string(event.Ignored), string(event.Vanished), string(event.Emptied), "hint:":
		return dim
	}
	return ""
}
