// Package run executes a plan, and finishes what a run that was cut off left.
//
// Databend commits every DDL at once. So a run reads what its plan writes, journals it, and puts a mark ahead of every statement; when
// a statement fails, or the process is stopped, or another finds the run unfinished, package savepoint moves the objects back. The
// unit that is put back is a migration; of an atomic plan, and in redo, the whole run.
//
// A run is three things: how it speaks with the server (wire.go), what it knows of the objects (objects.go), and where it is: the
// savepoint that a failure goes back to, and the steps that are finished (position, below).
//
//	run.go          from the lock to the journal's end, step by step
//	statement.go    one statement; transaction.go, DML in a transaction with its journal row
//	mark.go         what is written ahead; evidence.go, how one sees later what ran, and what shares a mark
//	savepoint.go    the state to go back to; rollback.go, going back to it
//	interrupted.go  an unfinished run, decoded; recover.go, what becomes of it
//	ledger.go       what becomes of the ledger of tables that a plan rebuilds
//	record.go       the journal's rows of an outcome
//	provider.go     goose's part: its Provider applies the versions, its Store is the journal
package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// Run is one run of a plan.
type Run struct {
	*wire
	know *objects
	position
	plan    plan.Plan
	history state.History
	moves   LedgerMoves
	secrets secret.Set
	indexed []sqltext.Object // plan.Indexed

	marked   mark // the last one
	markedAt time.Time
}

// position is where a run is.
type position struct {
	start    place // a resumed run begins here
	save     Savepoint
	finished []finished
	ran      finished // the step that came to its end, until goose has recorded it
	shown    int      // of finished, as events
	ended    bool     // the journal has the end
	ids      []string // query ids of the statements of the step at hand
	// undecided says why it is not known whether a migration of one statement ran: then nothing is put back.
	undecided error
}

// finished is a step that came to its end.
type finished struct {
	step int
	took time.Duration
	ids  []string
}

// begun is what the journal's begin keeps of a run beside its steps.
type begun struct {
	Atomic  bool     `json:"atomic,omitempty"`
	Writes  []string `json:"writes,omitempty"`
	Secrets []string `json:"secrets,omitempty"`
	// Ran and Start are those of the run that this one resumes.
	Ran   []Ran  `json:"ran,omitempty"`
	Start *place `json:"start,omitempty"`
}

// Execute takes the lock, writes the journal's begin, runs the steps, and writes the end; or puts back what failed. before is what the
// plan writes, as it was read. It returns *Error, or, before anything was written, why that was so.
func Execute(
	ctx context.Context, env *Env, p plan.Plan, h state.History, before Reading, moves LedgerMoves, secrets secret.Set,
) error {
	w, err := acquire(ctx, env, h, loadsOff(p.Steps, moves))
	if err != nil {
		return err
	}
	defer w.release(ctx)
	if len(h.Unfinished) > 0 {
		// Its owner lived when the journal was read, and has given the lock back since, or is gone: then it is put back first. The
		// journal may still be as it was read.
		return state.ErrMoved
	}
	r := &Run{wire: w, plan: p, history: h, moves: moves, secrets: secrets, know: newObjects(before), indexed: plan.Indexed(p.Steps)}
	r.saw(before)
	if err := r.holdLoadsOff(ctx, before.State); err != nil {
		return err
	}
	var ahead sync.WaitGroup
	ahead.Go(crash.Caught(func() { r.markFirst(ctx) }))
	err = r.begin(ctx, before.State, nil, nil)
	ahead.Wait()
	if err != nil {
		return err
	}
	return r.steps(ctx)
}

// markFirst writes the first mark beside the journal's begin: no statement is sent before both are there, and a claim with a mark of a
// run that the journal does not know is one that never began. Where the first step reads something before its mark, or when this one
// fails, the step marks for itself.
func (r *Run) markFirst(ctx context.Context) {
	if first := (place{}); len(r.plan.Steps) > 0 && r.sole(first.Step) {
		if _, known := r.evidenceBefore(first, evidenceOf(r.at(first).Effect), nil); known {
			_ = r.mark(ctx, first, nil)
		}
	}
}

// giveWay is how long a load that has just begun has to see our claim and give its lock back: without it both would end with 5.
const giveWay = 2 * time.Second

// holdLoadsOff makes sure that no load writes a table that the plan writes, or copies into another. A table that is not there is not being
// loaded into.
func (r *Run) holdLoadsOff(ctx context.Context, before catalog.State) error {
	there := slices.Clone(r.moves.copied)
	for _, b := range before.Objects {
		if b.Kind == sqltext.Table && b.Exists && !slices.Contains(there, b.Object) {
			there = append(there, b.Object)
		}
	}
	told := false
	for began := time.Now(); len(there) > 0; {
		held, err := r.lock.HeldTables(ctx, state.LockOptions{
			TTL: r.LockTTL, Wait: r.LockWait, Run: r.ID, Actor: r.Actor,
			Note: func(text string) { r.Note(event.Warn, "%s", text) },
		}, there)
		switch {
		case err != nil:
			return err
		case held == nil:
			return nil
		case time.Since(began) > r.LockWait && (held.Age > giveWay || time.Since(began) > giveWay):
			return held
		}
		if !told && r.LockWait > 0 {
			told = true
			r.Note(event.Warn, "waiting up to %s: %s", r.LockWait, held)
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// loadsOff are the names (database.table) of the tables that no load may write while the steps run, for the lock: those that they write,
// or copy into others; database.* of a whole database. Each mark carries them, so that of very many it says the databases. ["*"] is said
// when a statement's effect is unknown.
func loadsOff(steps []plan.Step, moves LedgerMoves) []string {
	const many = 200
	var out, databases []string
	for _, e := range plan.Effects(steps) {
		if e.Unknown {
			return []string{"*"}
		}
	}
	objects := plan.Writes(steps)
	for _, o := range moves.copied {
		if !slices.Contains(objects, o) {
			objects = append(objects, o)
		}
	}
	for _, o := range objects {
		switch o.Kind {
		case sqltext.Table:
			out, databases = append(out, o.Display()), append(databases, o.Database+".*")
		case sqltext.Database:
			out, databases = append(out, o.Name+".*"), append(databases, o.Name+".*")
		}
	}
	if len(out) > many {
		slices.Sort(databases)
		return slices.Compact(databases)
	}
	return out
}

// begin writes the run ahead: one INSERT. more are rows that go with it.
func (r *Run) begin(ctx context.Context, before catalog.State, resumed *begun, more []state.Row) error {
	if err := r.keepable(before); err != nil {
		return err
	}
	b := begun{Atomic: r.plan.Atomic, Writes: loadsOff(r.plan.Steps, r.moves), Secrets: r.plan.Secrets()}
	if resumed != nil {
		b.Ran, b.Start = resumed.Ran, resumed.Start
	}
	objects, err := json.Marshal(before)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	detail, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	rows := []state.Row{{Event: journal.EventBegin, Name: r.plan.Command, Before: string(objects), Detail: string(detail)}}
	for _, s := range r.plan.Steps {
		rows = append(rows, state.Row{
			Event: journal.EventPlan, Version: s.Version, Name: s.Name, Direction: s.Direction, Sums: s.Sums,
			UpText: s.UpText, DownText: s.DownText, Detail: journal.FileDetail(s.FileText), Statements: int64(len(s.Statements)),
		})
	}
	return r.lock.Begin(ctx, r.history, append(rows, more...)...)
}

// steps runs the plan through goose, one version at a time, in the plan's order.
func (r *Run) steps(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go crash.Caught(func() {
		select {
		case <-r.lock.Lost():
			cancel(state.ErrRobbed) // ends the statement that runs
		case <-ctx.Done():
		}
	})()
	next := r.start.Step
	step := func(ctx context.Context, version int64, direction event.Direction) error {
		if s := r.plan.Steps[next]; s.Version != version || s.Direction != direction {
			return fmt.Errorf("goose runs version %d %s, the plan has %d %s", version, direction, s.Version, s.Direction)
		}
		return r.step(ctx, next)
	}
	provider, err := newProvider(r.Project, r.history, r.plan.Steps, step, func() { r.finished = append(r.finished, r.ran) })
	if err != nil {
		return err
	}
	for ; next < len(r.plan.Steps); next++ {
		s := &r.plan.Steps[next]
		// Ahead of goose, which does not come to the step when ctx has ended: the step before is done, and is not put back.
		if !r.plan.Atomic && next != r.start.Step || r.start == (place{}) && next == 0 {
			r.save = Savepoint{From: next, Base: r.know.now}
		}
		if _, err := provider.ApplyVersion(ctx, s.Version, s.Direction == event.Up); err != nil {
			return r.failed(ctx, next, cause(ctx, err))
		}
	}
	return r.end(context.WithoutCancel(ctx))
}

// cause is why a step failed, without goose's words.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); errors.Is(c, state.ErrRobbed) {
		return c
	}
	if se, ok := errors.AsType[*stepError](err); ok {
		return se
	}
	return err
}

// stepError carries a step's error through goose.
type stepError struct {
	statement int // from 1; 0: none
	err       error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

func (r *Run) at(p place) plan.Statement { return at(r.plan.Steps, p) }

// step runs one section.
func (r *Run) step(ctx context.Context, i int) error {
	s := &r.plan.Steps[i]
	first := 0
	if i == r.start.Step {
		first = r.start.Statement
	}
	r.ids = nil
	began := time.Now()
	if err := ctx.Err(); err != nil {
		return &stepError{0, err}
	}
	alone := r.sole(i)
	if !alone {
		if err := r.prepare(ctx, i); err != nil {
			return &stepError{0, err}
		}
	}
	r.openWork()
	for j := first; j < len(s.Statements); j++ {
		r.Sink(event.Progress{What: fmt.Sprintf("migrate %s", s), Done: int64(j), Total: int64(len(s.Statements)), ETA: -1})
		n := j
		err := r.see(ctx, place{i, j})
		switch {
		case err != nil:
		case alone:
			err = r.alone(ctx, place{i, j})
		case s.Statements[j].Unit != 0:
			j, err = r.unit(ctx, place{i, j})
			n = j
		default:
			err = r.statement(ctx, place{i, j})
			if err == nil && s.Statements[j].Effect.Unknown && j+1 < len(s.Statements) {
				err = r.prepare(ctx, i)
			}
		}
		if err != nil {
			return &stepError{n + 1, err}
		}
		if err := ctx.Err(); err != nil && j+1 < len(s.Statements) {
			return &stepError{0, err}
		}
	}
	if err := r.carryLedger(ctx, r.moves, r.plan, i); err != nil {
		return &stepError{0, err}
	}
	if leavesTraces(s) {
		r.dropWork()
	}
	r.ran = finished{step: i, took: time.Since(began), ids: r.ids}
	return nil
}

// leavesTraces reports whether a migration's session is not to be inherited by the next one: it said USE or SET, or made the database
// in which it should be.
func leavesTraces(s *plan.Step) bool {
	return slices.ContainsFunc(s.Statements, func(st plan.Statement) bool {
		return st.Effect.Use != "" || st.Effect.Session || st.Effect.Unknown ||
			slices.ContainsFunc(st.Effect.Writes, func(w effect.Write) bool { return w.Kind == sqltext.Database })
	})
}

// prepare sees to it that tables which step i changes can be taken back to where they are: what is known of its objects is read again
// where it is old, tables that were never written get a first snapshot, and the files that COPY takes for loaded are noted.
func (r *Run) prepare(ctx context.Context, i int) error {
	touched := r.save.touched(r.plan.Steps)
	together := r.plan.Steps[i : i+1] // under one savepoint from here on
	if r.plan.Atomic && r.save.empty() {
		together = r.plan.Steps[i:]
	}
	known := func(o sqltext.Object) bool { // what a role was granted is found right before its statement, by the names of then
		return touched.has(o) || o.Kind == sqltext.Role && touched.moved
	}
	r.save.learn(r.know.later(without(plan.Writes(together), known)))
	objects := found(r.plan.Steps[i].Statements...)
	for _, o := range plan.Writes(r.plan.Steps[i : i+1]) {
		// An earlier migration took it away, or put another in its place: what was there then is no longer what to go back to.
		if r.know.dirty[o] && !slices.Contains(objects, o) {
			objects = append(objects, o)
		}
	}
	objects = without(objects, known)
	if slices.ContainsFunc(objects, func(o sqltext.Object) bool { return r.know.dirty[o] || r.know.age(o) > fresh }) {
		if err := r.read(ctx, objects); err != nil {
			return err
		}
	}
	seeds, copies := savepoint.Changed(r.know.now, plan.Effects(together))
	if seeds = without(seeds, touched.has); len(seeds) > 0 {
		seeded, err := savepoint.Seed(ctx, r.guarded(), r.know.now, seeds)
		if err != nil {
			return err
		}
		seeds = slices.DeleteFunc(seeds, func(o sqltext.Object) bool {
			a, _ := r.know.now.Find(o)
			b, _ := seeded.Find(o)
			return a.Head == b.Head
		})
		r.learn(seeded, seeds)
	}
	if copies = without(copies, touched.has); len(copies) > 0 {
		loaded, err := savepoint.Loaded(ctx, r.Store.Conn(), r.know.now, copies)
		if err != nil {
			return err
		}
		r.learn(loaded, copies)
	}
	return nil
}

// found are the objects that statements go on with when they find them there: a plain CREATE fails then, and so does a RENAME.
func found(statements ...plan.Statement) []sqltext.Object {
	var out []sqltext.Object
	for _, st := range statements {
		for _, w := range st.Effect.Writes {
			if w.Verb != effect.Create && w.Verb != effect.RenameIn && w.Kind != sqltext.Unknown && !slices.Contains(out, w.Object) {
				out = append(out, w.Object)
			}
		}
	}
	return out
}

// read reads objects, none of which the savepoint's statements touched.
func (r *Run) read(ctx context.Context, objects []sqltext.Object) error {
	now, err := r.Capture(ctx, objects, r.indexed...)
	if err != nil {
		return err
	}
	r.saw(now)
	r.learn(now.State, objects)
	return nil
}

// learn takes what was read of objects as what is there, and as what a rollback goes back to.
func (r *Run) learn(s catalog.State, objects []sqltext.Object) {
	r.know.learn(s, objects)
	touched := r.save.touched(r.plan.Steps)
	part := catalog.State{Server: s.Server, At: s.At}
	for _, o := range objects {
		now, ok := s.Find(o)
		was, known := r.save.Base.Find(o)
		if now.ID == was.ID && touched.has(sqltext.Object{Kind: sqltext.Role, Name: was.Owner}) && now.Owner == databend.AccountAdmin {
			now.Owner = was.Owner // its role was dropped, and gets it again
		}
		moved := o.Kind == sqltext.Index && touched.moved && known && was.Exists && now.Exists
		if moved && now.Facts["as"] == was.Facts["as"] { // its table has another name now
			now.Facts = was.Facts
		}
		renamed := slices.ContainsFunc(r.save.Base.Objects, func(t catalog.ObjectState) bool { // by another session, behind ours
			return o.Kind == sqltext.Table && now.Exists && t.Exists && t.Object != o && t.ID == now.ID && touched.has(t.Object)
		})
		if now = keepLoaded(now, was); ok && !renamed && !(known && same(was, now)) {
			part.Objects = append(part.Objects, now)
		}
	}
	r.save.learn(part)
}

func without(objects []sqltext.Object, those func(sqltext.Object) bool) []sqltext.Object {
	return slices.DeleteFunc(slices.Clone(objects), those)
}

// end writes what the run did: one INSERT.
func (r *Run) end(ctx context.Context) error {
	rows, err := r.outcomeRows(ctx, r.plan, r.finished)
	if err == nil {
		err = r.lock.Append(ctx, append(rows, state.Row{Event: journal.EventEnd})...)
	}
	if err != nil {
		e := &Error{Left: true, Err: fmt.Errorf("everything ran, but it could not be recorded: %w", err), Applied: versions(r.plan, r.finished)}
		if n := len(r.finished); n > 0 {
			s := r.plan.Steps[r.finished[n-1].step]
			e.Version, e.Name, e.Direction = s.Version, s.Name, s.Direction
		}
		return e
	}
	r.ended = true
	r.flush()
	return nil
}

// flush shows the steps that are certain now: a later mark or the end is written. Under one savepoint none is before the end.
func (r *Run) flush() {
	if r.plan.Atomic && !r.ended {
		return
	}
	for ; r.shown < len(r.finished); r.shown++ {
		r.show(r.plan, r.finished[r.shown])
	}
}

func (w *wire) show(p plan.Plan, f finished) {
	s := p.Steps[f.step]
	e := event.Migration{Version: s.Version, Name: s.Name, State: journal.Applied, Direction: s.Direction, TookMS: f.took.Milliseconds()}
	if s.Direction == event.Down {
		e.State = journal.Pending
	} else if at := w.clock(); !at.IsZero() {
		e.AppliedAt = &at
	}
	w.Sink(e)
}

// versions are those of the finished steps.
func versions(p plan.Plan, all []finished) []int64 {
	var out []int64
	for _, f := range all {
		out = append(out, p.Steps[f.step].Version)
	}
	return out
}
