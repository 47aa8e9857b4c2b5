package ui

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/event"
)

// text shows events to a person. Events that make a table together (migrations of a status, files of a load, load states) are held
// until one of another sort comes.
type text struct {
	o      Options
	status *status // nil when Err is no terminal

	migrations []event.Migration
	loadHead   string // of the load whose files were listed last
	files      []event.File
	loads      []event.LoadState
	loadRuns   []event.LoadRun
	lastStep   string // of the last plain progress line
	stepAt     time.Time
	tickAt     time.Time
	back       []event.Rollback // objects that a rollback put back, of which nothing else is to be said
	list       string           // which migration or load the last statement belonged to
}

func newText(o Options, lock sync.Locker) *text {
	t := &text{o: o}
	if o.ErrTerminal && !o.Quiet {
		t.status = &status{o: o, lock: lock}
	}
	return t
}

func (t *text) event(e event.Event) {
	switch e := e.(type) {
	case event.Progress:
		t.progress(e)
		return
	case event.Migration:
		if e.Direction == "" {
			t.flushBut("migrations")
			t.migrations = append(t.migrations, e)
			return
		}
	case event.File:
		if len(t.files) > 0 && t.files[0].Load != e.Load {
			t.flush()
		}
		t.flushBut("files")
		t.files = append(t.files, e)
		return
	case event.LoadState:
		t.flushBut("loads")
		t.loads = append(t.loads, e)
		return
	case event.Rollback:
		if e.Detail == "" && (e.Outcome == "restored" || e.Outcome == "untouched") && !t.o.Verbose {
			t.flushBut("back")
			t.back = append(t.back, e)
			return
		}
	case event.LoadRun:
		t.flushBut("runs")
		t.loadRuns = append(t.loadRuns, e)
		return
	}
	t.flush()
	switch e := e.(type) {
	case event.Target:
		if !t.o.Quiet {
			t.err(visible(fmt.Sprintf("environment %s  host %s  database %s  project %s", e.Env, e.Host, e.Database, e.Project)) + "\n")
		}
	case event.Note:
		t.note(e)
	case event.Statement:
		t.statement(e)
	case event.Migration:
		t.end()
		t.ran(e)
	case event.Rollback:
		t.rollback(e)
	case event.Preview:
		if e.Load == "" { // the rows of a query of no load
			t.out(resultText(e, t.width()))
		} else {
			t.out(previewText(e))
		}
	case event.Finding:
		t.finding(e)
	case event.Check:
		t.check(e)
	case event.Summary:
		t.end()
		if !t.o.Quiet && e.Text != "" {
			t.out(hanging(e.Text) + "\n")
		}
	}
}

func (t *text) fail(f Failure) {
	t.flush()
	t.end()
	var b strings.Builder
	b.WriteString(paint("dbctl:", t.o.ErrColor) + " ")
	if f.File != "" && !strings.HasPrefix(f.Message, f.File) {
		b.WriteString(place(f) + ": ")
	}
	b.WriteString(hanging(f.Message) + "\n")
	if f.Caret != "" {
		b.WriteString(indent(f.Caret, "  ") + "\n")
	}
	if f.Hint != "" {
		b.WriteString(paint("hint:", t.o.ErrColor) + " " + hanging(f.Hint) + "\n")
	}
	t.err(b.String())
}

func place(f Failure) string {
	s := f.File
	if f.Line > 0 {
		s += fmt.Sprintf(":%d", f.Line)
		if f.Column > 0 {
			s += fmt.Sprintf(":%d", f.Column)
		}
	}
	return s
}

func (t *text) record(_, text string, _ any) {
	t.flush()
	t.out(strings.TrimRight(text, "\n") + "\n")
}

// about is for programs: people read the Target event.
func (t *text) about(Head) {}

func (t *text) prompt(question string) {
	t.flush()
	t.end()
	t.err(hanging(question))
}

func (t *text) close() {
	t.flush()
	if t.status != nil {
		t.status.close()
	}
}

// flush writes the tables that were held.
func (t *text) flush() { t.flushBut("") }

// flushBut is flush without the table that goes on growing.
func (t *text) flushBut(keep string) {
	if len(t.migrations) > 0 && keep != "migrations" {
		t.out(t.migrationTable(t.migrations))
		t.migrations = nil
	}
	if len(t.back) > 0 && keep != "back" {
		t.putBack(t.back)
		t.back = nil
	}
	if len(t.files) > 0 && keep != "files" {
		t.out(t.fileTable(t.files))
		t.files = nil
	}
	if len(t.loads) > 0 && keep != "loads" {
		t.out(t.loadTable(t.loads))
		t.loads = nil
	}
	if len(t.loadRuns) > 0 && keep != "runs" {
		t.out(loadRunTable(t.loadRuns))
		t.loadRuns = nil
	}
}

// out writes a result, err what is about the work. Both make room: the status line is drawn again by its ticker.
// width is what a table may take, 0 where nothing bounds it.
func (t *text) width() int {
	if t.o.TableWidth == nil {
		return 0
	}
	return t.o.TableWidth()
}

func (t *text) out(s string) { t.erase(); write(t.o.Out, printable(s)) }
func (t *text) err(s string) { t.erase(); write(t.o.Err, printable(s)) }

func (t *text) erase() {
	if t.status != nil {
		t.status.erase()
	}
}

func (t *text) end() {
	if t.status != nil {
		t.status.end()
	}
}

// hanging moves the further lines of a text to the right: no name or message of others begins a line of ours.
func hanging(s string) string { return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") }

// paint gives a word on stdout its colour.
func (t *text) paint(word string) string { return paint(word, t.o.OutColor) }

func paint(word string, on bool) string {
	c := colorOf(word)
	if !on || c == "" {
		return word
	}
	return c + word + reset
}

// paintLines colours the first word of each line of a table whose first column holds states; the header line is left.
func (t *text) paintLines(s string) string {
	if !t.o.OutColor {
		return s
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if i == 0 {
			continue
		}
		word, rest, _ := strings.Cut(l, " ")
		if c := colorOf(word); c != "" {
			lines[i] = c + word + reset + " " + rest
		}
	}
	return strings.Join(lines, "\n")
}

func (t *text) note(n event.Note) {
	switch n.Level {
	case event.Warn:
		t.err(paint("warning:", t.o.ErrColor) + " " + hanging(n.Text) + "\n")
	case event.Hint:
		t.err(paint("hint:", t.o.ErrColor) + " " + hanging(n.Text) + "\n")
	case event.Detail:
		if t.o.Verbose {
			t.err(hanging(n.Text) + "\n")
		}
	default:
		if !t.o.Quiet {
			t.err(hanging(n.Text) + "\n")
		}
	}
}

// tickEvery is how often a step that goes on is a line where there is no status line: a COPY of hours must not look dead in a log.
const tickEvery = 30 * time.Second

// phaseLasts is how long a phase goes on before it is worth a line.
const phaseLasts = 2 * time.Second

// progress feeds the status line of a terminal; elsewhere a step that is done is a line, and a statement's ticking seldom is.
func (t *text) progress(p event.Progress) {
	if t.status != nil {
		t.status.show(p)
		return
	}
	if t.o.Quiet {
		return
	}
	step := fmt.Sprintf("%s %s %d", p.What, p.Phase, p.Done)
	now := time.Now()
	if step != t.lastStep {
		t.lastStep, t.stepAt = step, now
		if p.Phase != "" { // most are over at once; it is told again when not
			t.tickAt = now.Add(phaseLasts - tickEvery)
			return
		}
	} else if now.Sub(t.tickAt) < tickEvery {
		return
	}
	t.tickAt = now
	t.flush()
	t.err(visible(progressText(p, now.Sub(t.stepAt))) + "\n")
}
