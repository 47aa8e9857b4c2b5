package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
)

// tally is a sink that counts what a status or plan says, for --check and for status's two lines. It hands on what show accepts.
type tally struct {
	migrations map[event.MigrationState]int64
	files      map[event.FileState]int64
	loads      int64
	rows       int64
	newBytes   int64             // of the files that are new
	unasked    []event.LoadState // loads whose files could not be listed, or that would be stopped
	asked      []string          // the others
	next       event.Sink
	show       func(event.Event) bool
}

func newTally(next event.Sink, show func(event.Event) bool) *tally {
	return &tally{migrations: map[event.MigrationState]int64{}, files: map[event.FileState]int64{}, next: next, show: show}
}

// sink is an event.Sink.
func (t *tally) sink(e event.Event) {
	switch e := e.(type) {
	case event.Migration:
		t.migrations[e.State]++
	case event.Summary:
		if e.Command == "migrate up" { // a dry run says what is pending in its summary
			t.migrations[event.Pending] += e.Counts["migrations"]
		}
	case event.LoadState:
		t.loads++
		t.rows += e.Rows
		t.newBytes += e.NewBytes
		for s, n := range e.Counts {
			t.files[s] += n
		}
		if e.Reason == "" {
			e.Reason = e.Late
		}
		if e.Reason != "" {
			t.unasked = append(t.unasked, e)
		} else {
			t.asked = append(t.asked, e.Load)
		}
	}
	if t.show(e) {
		t.next(e)
	}
}

// What --check finds, and the command that brings it in step or says what is in its way. Unsupported and ahead versions do not count:
// nothing that is here can change them.
const (
	migrateUp, migrateRecover, migrateStatus = "`dbctl migrate up`", "`dbctl migrate recover`", "`dbctl migrate status`"
	loadAll, loadList                        = "`dbctl load --all`", "`dbctl load --list`"
)

var (
	checkedMigrations = []struct {
		state event.MigrationState
		next  string
	}{
		{event.Pending, migrateUp},
		{event.RolledBack, migrateUp},
		{event.Partial, migrateRecover},
		{event.Interrupted, migrateRecover},
		{event.Edited, migrateStatus},
		{event.Stale, migrateStatus},
		{event.Missing, migrateStatus},
	}
	checkedFiles = []struct {
		state event.FileState
		next  string
	}{{event.New, loadAll}, {event.Changed, loadList}, {event.Failed, loadList}, {event.Emptied, loadList}}
)

// found is the error of --check, or nil when all is in step.
func (t *tally) found() error {
	var parts, next []string
	add := func(part, command string) {
		parts = append(parts, part)
		if !slices.Contains(next, command) {
			next = append(next, command)
		}
	}
	for _, c := range checkedMigrations {
		if n := t.migrations[c.state]; n > 0 {
			add(fmt.Sprintf("%s %s", event.Plural(n, "migration"), c.state), c.next)
		}
	}
	for _, c := range checkedFiles {
		if n := t.files[c.state]; n > 0 {
			add(fmt.Sprintf("%s %s", event.Plural(n, "file"), c.state), c.next)
		}
	}
	if n := len(t.unasked); n > 0 {
		add(event.Plural(n, "load")+" not ready", loadList)
	}
	if len(parts) == 0 {
		return nil
	}
	return &mistake{"not in step: " + strings.Join(parts, ", "), strings.Join(next, ", "), exit.Check}
}

// statusStates are the states of migrations in the order in which status counts them.
var statusStates = []event.MigrationState{
	event.Applied, event.Unsupported, event.Pending, event.RolledBack, event.Partial, event.Interrupted, event.Edited, event.Stale,
	event.Missing, event.Ahead,
}

func (t *tally) migrationLine() string {
	line := counted(t.migrations, statusStates)
	if line == "" {
		line = "none"
	}
	return "migrations  " + line
}

// fileStates likewise.
var fileStates = []event.FileState{
	event.New, event.Loaded, event.Changed, event.Failed, event.Expired, event.Emptied, event.Unfinished, event.Vanished, event.Quarantined,
}

func (t *tally) loadLine() string {
	line := fmt.Sprintf("loads       %s", event.Plural(t.loads, "load"))
	if files := counted(t.files, fileStates); files != "" {
		line += ": files " + files
	}
	if t.rows > 0 {
		line += fmt.Sprintf("; %s", event.Plural(t.rows, "row"))
	}
	if n := len(t.unasked); n > 0 {
		line += fmt.Sprintf("; %s not ready (`dbctl load --list` says why)", event.Count(n))
	}
	return line
}

// counted is "8 applied, 2 pending": what there is of the states, in their order; an unknown state last.
func counted[S ~string](counts map[S]int64, order []S) string {
	states := slices.Clone(order)
	for s := range counts {
		if !slices.Contains(order, s) {
			states = append(states, s)
		}
	}
	slices.Sort(states[len(order):])
	var parts []string
	for _, s := range states {
		if n := counts[s]; n > 0 {
			parts = append(parts, event.Count(n)+" "+string(s))
		}
	}
	return strings.Join(parts, ", ")
}

// byName is counts as a summary has them.
func byName[S ~string](counts map[S]int64) map[string]int64 {
	out := make(map[string]int64, len(counts))
	for s, n := range counts {
		out[string(s)] = n
	}
	return out
}
