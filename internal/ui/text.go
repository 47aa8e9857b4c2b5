package ui

import (
	"fmt"
	"strings"
	"sync"

	"github.com/dbctl/dbctl/internal/event"
)

// text shows events to a person. Events that make a table together (migrations of a status, files of a load, load states) are held
// until one of another sort comes.
type text struct {
	o      Options
	status *status // nil: quiet

	migrations []event.Migration
	files      *fileList // of one load, until it is over
	loads      []event.LoadState
	loadRuns   []event.LoadRun
	back       []event.Rollback // objects that a rollback put back, of which nothing else is to be said
	holds      string           // the type of the events whose table grows
	list       string           // which migration or load the last statement belonged to
}

func newText(o Options, lock sync.Locker) *text {
	t := &text{o: o}
	if !o.Quiet {
		t.status = &status{o: o, lock: lock}
	}
	return t
}

func (t *text) event(e event.Event) {
	switch e := e.(type) {
	case event.Progress:
		if t.status != nil {
			t.status.show(e)
		}
		return
	case event.Note:
		if t.files != nil { // the load goes on
			t.note(e)
			return
		}
	case event.Migration:
		if e.Direction == "" {
			t.hold(e)
			t.migrations = append(t.migrations, e)
			return
		}
	case event.File:
		if t.files != nil && t.files.load != e.Load {
			t.flush()
		}
		t.hold(e)
		t.file(e)
		return
	case event.LoadState:
		t.hold(e)
		t.loads = append(t.loads, e)
		return
	case event.Rollback:
		if e.Detail == "" && (e.Outcome == event.Restored || e.Outcome == event.Untouched) && !t.o.Verbose {
			t.hold(e)
			t.back = append(t.back, e)
			return
		}
	case event.LoadRun:
		t.hold(e)
		t.loadRuns = append(t.loadRuns, e)
		return
	}
	t.flush()
	switch e := e.(type) {
	case event.Target:
		if !t.o.Quiet {
			t.tell("", visible(fmt.Sprintf("environment %s  host %s  database %s  project %s", e.Env, e.Host, e.Database, e.Project)))
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
			t.out(resultText(e, t.width(), t.o.OutColor))
		} else {
			t.out(previewText(e, t.width(), t.o.OutColor))
		}
	case event.Finding:
		t.finding(e)
	case event.Check:
		t.check(e)
	case event.Summary:
		t.end()
		if !t.o.Quiet && e.Text != "" {
			t.result("", e.Text)
		}
	}
}

func (t *text) fail(f Failure) {
	t.flush()
	t.end()
	msg := f.Message
	if rest, ok := strings.CutPrefix(msg, f.File); ok {
		msg = visible(f.File) + rest // a name is part of a line
	} else {
		msg = visible(f.Tell("")) + msg
	}
	t.tell("dbctl:", msg)
	if f.Caret != "" {
		t.err(indent(drawn(f.Caret, max(width(t.o.ErrWidth)-2, 0)), "  ") + "\n")
	}
	if f.Hint != "" {
		t.tell("hint:", f.Hint)
	}
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
	t.err(Wrap(question, width(t.o.ErrWidth), 2))
}

func (t *text) close() {
	t.flush()
	if t.status != nil {
		t.status.close()
	}
}

// hold writes the table that was held, unless e goes into it.
func (t *text) hold(e event.Event) {
	if t.holds != e.Type() {
		t.flush()
	}
	t.holds = e.Type()
}

// flush writes the table that was held.
func (t *text) flush() {
	t.holds = ""
	if len(t.migrations) > 0 {
		t.out(t.migrationTable(t.migrations))
	}
	if len(t.back) > 0 {
		t.putBack(t.back)
	}
	if t.files != nil {
		t.out(t.fileTable(t.files))
	}
	if len(t.loads) > 0 {
		t.out(t.loadTable(t.loads))
	}
	if len(t.loadRuns) > 0 {
		t.out(t.loadRunTable(t.loadRuns))
	}
	t.migrations, t.back, t.files, t.loads, t.loadRuns = nil, nil, nil, nil, nil
}

// width is how many columns a line on a stream may take, 0 for any.
func width(of func() int) int {
	if of == nil {
		return 0
	}
	return of()
}

func (t *text) width() int { return width(t.o.OutWidth) }

// result writes a line that begins with a word, which has its colour, on Out; tell does so on Err.
func (t *text) result(word, s string) {
	t.out(lead(word, s, t.width(), t.o.OutColor))
}

func (t *text) tell(word, s string) {
	t.err(lead(word, s, width(t.o.ErrWidth), t.o.ErrColor))
}

// lead is a word and what follows it, in lines of at most width columns.
func lead(word, s string, width int, color bool) string {
	if word == "" {
		return Wrap(s, width, 2) + "\n"
	}
	return paint(word, color) + strings.TrimPrefix(Wrap(word+" "+s, width, 2), word) + "\n"
}

// out writes a result, err what is about the work. Both make room: the status line is drawn again by its ticker.
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

// paint gives a word on stdout its colour.
func (t *text) paint(word string) string { return paint(word, t.o.OutColor) }

func paint(word string, on bool) string {
	return colored(colorOf(word), word, on)
}

func (t *text) note(n event.Note) {
	switch {
	case n.Level == event.Warn:
		t.tell("warning:", n.Text)
	case n.Level == event.Hint:
		t.tell("hint:", n.Text)
	case n.Level == event.Detail && t.o.Verbose, n.Level != event.Detail && !t.o.Quiet:
		t.tell("", n.Text)
	}
}
