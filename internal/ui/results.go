package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
)

// migrationTable is `migrate status`. The state stands first: it is what is looked for, and what carries colour.
func (t *text) migrationTable(ms []event.Migration) string {
	slices.SortStableFunc(ms, func(a, b event.Migration) int { return cmp.Compare(a.Version, b.Version) }) // pending and skipped come apart
	var rows [][]string
	for _, m := range ms {
		ms := ""
		if m.TookMS > 0 {
			ms = took(m.TookMS)
		}
		rows = append(rows, []string{string(m.State), strconv.FormatInt(m.Version, 10), m.Name, timeText(m.AppliedAt), ms, m.Reason})
	}
	return table([]column{{"STATE", word}, {"VERSION", word}, {"NAME", name}, {"APPLIED AT", word}, {"TOOK", word}, {"NOTE", note}},
		rows, t.width(), t.o.OutColor)
}

// ran is one migration that has just run.
func (t *text) ran(m event.Migration) {
	word := string(m.State)
	if m.Direction == event.Down && m.State == event.Pending {
		word = string(m.Direction)
	}
	line := fmt.Sprintf("%s %d %s", pad(word, 11), m.Version, m.Name)
	if m.TookMS > 0 {
		line += "  " + took(m.TookMS)
	}
	if m.Reason != "" {
		line += "  (" + m.Reason + ")"
	}
	t.result(word, line[1:])
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
	counts := map[event.Result]int64{}
	for _, r := range all {
		counts[r.Outcome]++
	}
	for _, outcome := range []event.Result{event.Restored, event.Untouched} {
		if n := counts[outcome]; n > 0 {
			t.rollback(event.Rollback{Outcome: outcome, Object: event.Plural(n, "object") + " (-v names each)"})
		}
	}
}

func (t *text) rollback(r event.Rollback) {
	line := pad(string(r.Outcome), 11) + r.Object
	if r.Detail != "" {
		line += ": " + r.Detail
	}
	t.result(string(r.Outcome), line)
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
	does := fmt.Sprintf("%3d. %s", s.Index, s.Kind)
	for i, w := range s.Writes {
		sep := ", "
		if i == 0 {
			sep = " → "
		}
		does += visible(sep + w.Kind + " " + w.Name)
	}
	b.WriteString(Wrap(fmt.Sprintf("%s  (line %d)", does, s.Line), t.width(), 7) + "\n")
	class := "     " + s.Class
	undone := class
	if s.Reason != "" {
		undone += ": " + s.Reason
	}
	if s.Undo != "" {
		undone += "; undo: " + s.Undo
	}
	b.WriteString("     " + t.paint(s.Class) + strings.TrimPrefix(Wrap(undone, t.width(), 7), class) + "\n")
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
	case event.FileFailed, event.FileInvalid:
		return true
	}
	switch f.Before {
	case event.Changed, event.Emptied, event.Unfinished, event.Failed:
		return true
	}
	return false
}

// fileList is what is shown of the files of one load: those that need a look, the first of the others, and how many there are of each sort.
type fileList struct {
	load, table string
	rows        [][]string
	files       int // all of them
	listed      int // those that are listed as long as there are few
	sorts       []*fileSort
}

// fileSort is the files with one outcome that were in one state before.
type fileSort struct {
	outcome            event.FileOutcome
	before             event.FileState
	files, bytes, rows int64
}

// file adds a file to the list.
func (t *text) file(f event.File) {
	if t.files == nil {
		t.files = &fileList{load: f.Load, table: f.Table}
	}
	l := t.files
	at := slices.IndexFunc(l.sorts, func(s *fileSort) bool { return s.outcome == f.Outcome && s.before == f.Before })
	if at < 0 {
		at = len(l.sorts)
		l.sorts = append(l.sorts, &fileSort{outcome: f.Outcome, before: f.Before})
	}
	s := l.sorts[at]
	s.files++
	s.bytes += f.Bytes
	s.rows += f.Rows
	l.files++
	show := t.o.Verbose || remarkable(f)
	if !show && !t.o.Quiet && (brought(f) || f.Outcome == event.FileValid) {
		l.listed++
		show = l.listed <= shownFiles
	}
	if show {
		l.rows = append(l.rows, []string{string(f.Outcome), string(f.Before), rowsOf(f), event.Bytes(f.Bytes), f.Path, fault(f)})
	}
}

// fileTable is the list, below the name of the load and its table.
func (t *text) fileTable(l *fileList) string {
	var b strings.Builder
	if len(l.rows) > 0 {
		b.WriteString(table([]column{{"FILE", word}, {"WAS", word}, {"ROWS", number}, {"SIZE", number}, {"PATH", name}, {"NOTE", note}},
			l.rows, t.width(), t.o.OutColor))
	}
	if len(l.rows) < l.files && !t.o.Quiet {
		for _, s := range l.sorts {
			outcome := string(s.outcome)
			b.WriteString(t.paint(outcome) + pad(outcome, 8) + " " + event.Plural(s.files, "file") + " (" + string(s.before) + "), " +
				event.Bytes(s.bytes))
			if s.rows > 0 {
				b.WriteString(", " + event.Plural(s.rows, "row"))
			}
			b.WriteString("\n")
		}
		if more := int64(l.listed - shownFiles); more > 0 {
			b.WriteString(event.Plural(more, "more file") + " not listed; -v lists each\n")
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return Wrap(visible("load "+l.load+" → "+l.table), t.width(), 2) + "\n" + b.String()
}

// brought says that a file's rows are in the table now.
func brought(f event.File) bool {
	return f.Outcome == event.FileLoaded || f.Outcome == event.FileReplaced
}

func rowsOf(f event.File) string {
	if f.Rows == 0 && !brought(f) {
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
	said := f.Row == nil && strings.Contains(f.Reason, f.Column)
	for _, place := range []string{"column ", "row ", "line "} {
		said = said || strings.HasPrefix(f.Reason, place)
	}
	if len(at) == 0 || said {
		return f.Reason
	}
	return strings.Join(at, ", ") + ": " + f.Reason
}

// fileStates says how the number of files in a state is shown, in the order of the columns.
var fileStates = []struct {
	state event.FileState
	kind  cellKind
}{
	{event.New, number},
	{event.Loaded, number},
	{event.Changed, alarm},
	{event.Failed, alarm},
	{event.Emptied, alarm},
	{event.Expired, number},
	{event.Ignored, number},
	{event.Quarantined, number},
	{event.Unfinished, number},
	{event.Vanished, number},
}

// loadTable is `load --list`, a column for each state that any load has.
func (t *text) loadTable(ls []event.LoadState) string {
	columns := []column{{"LOAD", name}, {"TABLE", name}}
	for _, s := range fileStates {
		columns = append(columns, column{strings.ToUpper(string(s.state)), s.kind})
	}
	columns = append(columns, column{"ROWS", number}, column{"LAST RUN", word}, column{"NOTE", note})
	var rows [][]string
	for _, l := range ls {
		r := []string{l.Load, l.Table}
		for _, s := range fileStates {
			r = append(r, event.Count(l.Counts[s.state]))
		}
		if l.Outside > 0 {
			r[2] += fmt.Sprintf(" (+%s outside)", event.Count(l.Outside))
		}
		says, missing := strings.TrimPrefix(l.Reason, "load "+l.Load+": "), ""
		if l.Missing > 0 {
			missing = event.Number(l.Missing, "row of its files is", "rows of its files are") + " not in the table any more"
		}
		for _, more := range []string{l.Late, missing, l.Failure} {
			if more != "" {
				says = strings.TrimPrefix(says+"; "+more, "; ")
			}
		}
		rows = append(rows, append(r, event.Count(l.Rows), timeText(l.LastRun), says))
	}
	return table(columns, rows, t.width(), t.o.OutColor)
}

// loadRunTable is `load --history NAME`.
func (t *text) loadRunTable(runs []event.LoadRun) string {
	var rows [][]string
	for _, r := range runs {
		says := r.Reason
		if r.Marked > 0 {
			says = event.Plural(r.Marked, "file") + " marked: " + says
		}
		rows = append(rows, []string{
			timeText(&r.At), event.Count(r.Files), event.Count(r.Failed), event.Count(r.Rows), event.Bytes(r.Bytes),
			took(r.TookMS), says,
		})
	}
	return table([]column{
		{"WHEN", word}, {"FILES", number}, {"FAILED", alarm}, {"ROWS", number}, {"BYTES", number}, {"TOOK", word}, {"NOTE", note},
	}, rows, t.width(), t.o.OutColor)
}
