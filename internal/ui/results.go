package ui

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/event"
)

// migrationTable is `migrate status`. The state stands first: it is what is looked for, and what carries colour.
func (t *text) migrationTable(ms []event.Migration) string {
	slices.SortStableFunc(ms, func(a, b event.Migration) int { return cmp.Compare(a.Version, b.Version) }) // pending and skipped come apart
	rows := [][]string{{"STATE", "VERSION", "NAME", "APPLIED AT", "TOOK", "NOTE"}}
	for _, m := range ms {
		ms := ""
		if m.TookMS > 0 {
			ms = took(m.TookMS)
		}
		rows = append(rows, []string{m.State, strconv.FormatInt(m.Version, 10), m.Name, timeText(m.AppliedAt), ms, shorten(m.Reason, 100)})
	}
	return t.paintLines(table(fitted(rows, t.width())))
}

// ran is one migration that has just run.
func (t *text) ran(m event.Migration) {
	word := m.State
	if m.Direction == "down" && m.State == "pending" {
		word = "down"
	}
	line := fmt.Sprintf("%s%s %d %s", t.paint(word), pad(word, 11), m.Version, m.Name)
	if m.TookMS > 0 {
		line += "  " + took(m.TookMS)
	}
	if m.Reason != "" {
		line += "  (" + m.Reason + ")"
	}
	t.out(hanging(line) + "\n")
}

func pad(word string, width int) string { return strings.Repeat(" ", max(width-len(word), 0)) }

// shownBack is how many objects that were put back are listed; more are counted, unless -v asks for each.
const shownBack = 10

// putBack tells what a rollback put back.
func (t *text) putBack(all []event.Rollback) {
	if len(all) <= shownBack {
		for _, r := range all {
			t.rollback(r)
		}
		return
	}
	counts := map[string]int64{}
	for _, r := range all {
		counts[r.Outcome]++
	}
	for _, outcome := range []string{"restored", "untouched"} {
		if n := counts[outcome]; n > 0 {
			t.rollback(event.Rollback{Outcome: outcome, Object: event.Plural(n, "object") + " (-v names each)"})
		}
	}
}

func (t *text) rollback(r event.Rollback) {
	line := t.paint(r.Outcome) + pad(r.Outcome, 11) + " " + r.Object
	if r.Detail != "" {
		line += ": " + r.Detail
	}
	t.out(hanging(line) + "\n")
}

// statement is one line of a list, its SQL below it where that was asked for.
func (t *text) statement(s event.Statement) {
	list := "load " + s.Load
	if s.Load == "" {
		list = fmt.Sprintf("migration %d %s", s.Version, s.Direction)
	}
	var b strings.Builder
	if list != t.list {
		t.list = list
		b.WriteString(visible(list) + "\n")
	}
	fmt.Fprintf(&b, "%3d. %s", s.Index, s.Kind)
	for i, w := range s.Writes {
		sep := ", "
		if i == 0 {
			sep = " → "
		}
		b.WriteString(visible(sep + w.Kind + " " + w.Name))
	}
	fmt.Fprintf(&b, "  (line %d)\n", s.Line)
	b.WriteString("     " + t.paint(s.Class))
	if s.Reason != "" {
		b.WriteString(hanging(": " + s.Reason))
	}
	if s.Undo != "" {
		b.WriteString(hanging("; undo: " + s.Undo))
	}
	b.WriteString("\n")
	if t.o.FullSQL || t.o.Verbose {
		b.WriteString(indent(s.SQL, "     │ ") + "\n")
	}
	t.out(b.String())
}

// shownFiles is how many files of one load are listed when -v does not ask for all.
const shownFiles = 20

// remarkable says that a file is listed however many there are.
func remarkable(f event.File) bool {
	switch f.Outcome {
	case "failed", "invalid":
		return true
	}
	switch f.Before {
	case "changed", "emptied", "unfinished", "failed":
		return true
	}
	return false
}

// fileTable is the files of one load: those that need a look, the first of the others, and how many there are of each sort.
func (t *text) fileTable(fs []event.File) string {
	type sort struct{ outcome, before string }
	type sum struct{ files, bytes, rows int64 }
	var order []sort
	sums := map[sort]*sum{}
	rows := [][]string{}
	listed := 0
	for _, f := range fs {
		k := sort{f.Outcome, f.Before}
		if sums[k] == nil {
			sums[k] = &sum{}
			order = append(order, k)
		}
		sums[k].files++
		sums[k].bytes += f.Bytes
		sums[k].rows += f.Rows
		show := t.o.Verbose || remarkable(f)
		if !show && !t.o.Quiet && (f.Outcome == "loaded" || f.Outcome == "replaced" || f.Outcome == "valid") {
			listed++
			show = listed <= shownFiles
		}
		if show {
			rows = append(rows, []string{f.Outcome, f.Before, rowsOf(f), event.Bytes(f.Bytes), f.Path, fault(f)})
		}
	}
	head := visible("load "+fs[0].Load+" → "+fs[0].Table) + "\n"
	titles := [][]string{{"FILE", "WAS", "ROWS", "SIZE", "PATH", "NOTE"}}
	if head == t.loadHead { // the next COPY of the same load
		head, titles = "", nil
	} else {
		t.loadHead = head
	}
	var b strings.Builder
	if len(rows) > 0 {
		b.WriteString(t.paintLines(table(fitted(append(titles, rows...), t.width()))))
	}
	if len(rows) < len(fs) && !t.o.Quiet {
		for _, k := range order {
			s := sums[k]
			b.WriteString(t.paint(k.outcome) + pad(k.outcome, 8) + " " + event.Plural(s.files, "file") + " (" + k.before + "), " +
				event.Bytes(s.bytes))
			if s.rows > 0 {
				b.WriteString(", " + event.Plural(s.rows, "row"))
			}
			b.WriteString("\n")
		}
		if listed > shownFiles {
			fmt.Fprintf(&b, "%d more files not listed; -v lists each\n", listed-shownFiles)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return head + b.String()
}

func rowsOf(f event.File) string {
	if f.Rows == 0 && f.Outcome != "loaded" && f.Outcome != "replaced" {
		return ""
	}
	return event.Count(f.Rows)
}

// fault is where in the file the reason is, and the reason.
func fault(f event.File) string {
	var at []string
	if f.Column != "" {
		at = append(at, "column "+f.Column)
	}
	if f.Row != nil {
		at = append(at, "row "+event.Count(*f.Row))
	}
	if f.Value != "" {
		at = append(at, "value "+shorten(f.Value, 40))
	}
	said := strings.HasPrefix(f.Reason, "row ") || strings.HasPrefix(f.Reason, "line ") || f.Row == nil && strings.Contains(f.Reason, f.Column)
	if len(at) == 0 || said {
		return f.Reason
	}
	return strings.Join(at, ", ") + ": " + f.Reason
}

// loadTable is `load --list`, a column for each state that any load has.
func (t *text) loadTable(ls []event.LoadState) string {
	usual := []string{"new", "loaded", "changed", "failed"}
	seen := map[string]bool{}
	for _, s := range usual {
		seen[s] = true
	}
	var extra []string
	for _, l := range ls {
		for s, n := range l.Counts {
			if n > 0 && !seen[s] {
				seen[s] = true
				extra = append(extra, s)
			}
		}
	}
	sort.Strings(extra)
	states := append(usual, extra...)
	head := []string{"LOAD", "TABLE"}
	for _, s := range states {
		head = append(head, strings.ToUpper(s))
	}
	rows := [][]string{append(head, "ROWS", "LAST RUN", "NOTE")}
	for _, l := range ls {
		r := []string{l.Load, l.Table}
		for _, s := range states {
			r = append(r, event.Count(l.Counts[s]))
		}
		if l.Outside > 0 {
			r[2] += fmt.Sprintf(" (+%s outside)", event.Count(l.Outside))
		}
		note := strings.TrimPrefix(l.Reason, "load "+l.Load+": ")
		for _, more := range []string{l.Late, l.Failure} {
			if more != "" {
				note = strings.TrimPrefix(note+"; "+more, "; ")
			}
		}
		rows = append(rows, append(r, event.Count(l.Rows), timeText(l.LastRun), shorten(note, 100)))
	}
	return table(fitted(rows, t.width()))
}

// loadRunTable is `load --history NAME`.
func loadRunTable(runs []event.LoadRun) string {
	rows := [][]string{{"WHEN", "FILES", "FAILED", "ROWS", "BYTES", "TOOK", "NOTE"}}
	for _, r := range runs {
		note := r.Reason
		if r.Marked > 0 {
			note = event.Plural(r.Marked, "file") + " marked: " + note
		}
		rows = append(rows, []string{
			timeText(&r.At), event.Count(r.Files), event.Count(r.Failed), event.Count(r.Rows), event.Bytes(r.Bytes),
			(time.Duration(r.TookMS) * time.Millisecond).String(), shorten(note, 100),
		})
	}
	return table(rows)
}
