package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
)

// run is one run of a plan.
type run struct {
	m       *Migrator
	plan    Plan
	h       state.History
	before  captured // of all objects that the plan writes
	moves   ledgerMoves
	secrets secret.Set

	lock   *state.Lock
	marks  *databend.Session // the lock's
	claim  string            // the last claim of the run that is put back, for a partial one
	work   *databend.Session // the migration's own statements
	prefix string            // of query ids
	sent   int               // query ids given

	// The savepoint: since step from, what ran, and the state to go back to.
	from     int
	ran      []ran
	base     catalog.State
	again    catalog.State // the part of base that was captured after the journal's begin
	againRow string
	start    place // a resumed run begins here
	// undecided says why it is not known whether a migration of one statement ran: then nothing is put back.
	undecided error

	marked   mark
	markedAt time.Time

	written map[sqltext.Object]bool // by this run
	dirty   map[sqltext.Object]bool // and not captured since
	latest  catalog.State           // of everything, as it was captured last
	seen    map[sqltext.Object]look

	ids      []string // query ids of the statements of the step at hand
	finished []finished
	shown    int  // of finished, as events
	ended    bool // the journal has the end
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
	Ran   []ran  `json:"ran,omitempty"`
	Start *place `json:"start,omitempty"`
}

// do takes the lock, writes the journal's begin, runs the steps, and writes the end; or puts back what failed.
func (r *run) do(ctx context.Context) (err error) {
	if err := r.open(ctx); err != nil {
		return err
	}
	defer func() {
		if rel := r.release(ctx); err == nil {
			err = rel
		}
	}()
	if err := r.begin(ctx, nil, nil); err != nil {
		return err
	}
	return r.steps(ctx)
}

// open takes the lock, and makes sure that no load writes a table of the plan.
func (r *run) open(ctx context.Context) error {
	m := r.m
	o, err := r.acquire(ctx, tables(r.plan.Steps))
	if err != nil {
		return err
	}
	// A table that is not there is not being loaded into.
	var there []string
	for _, b := range r.before.Objects {
		if b.Kind == sqltext.Table && b.Exists {
			there = append(there, b.Object.Database+"."+b.Object.Name)
		}
	}
	told := false
	for until := time.Now().Add(m.o.LockWait); len(there) > 0; {
		held, err := r.lock.HeldTables(ctx, o, there)
		if err == nil && held == nil {
			break
		}
		if err == nil && time.Now().Before(until) {
			if !told {
				told = true
				m.note("warn", "waiting up to %s: %s", m.o.LockWait, held)
			}
			err = sleep(ctx, 500*time.Millisecond)
			if err == nil {
				continue
			}
		}
		if err == nil {
			err = held
		}
		return errors.Join(err, r.release(ctx))
	}
	return nil
}

// acquire takes the lock, with a session of its own for the marks.
func (r *run) acquire(ctx context.Context, writes []string) (state.LockOptions, error) {
	m := r.m
	o := state.LockOptions{
		TTL: m.o.LockTTL, Wait: m.o.LockWait, Run: m.o.Run, Actor: m.o.Actor, Writes: writes,
		Note: func(text string) { m.note("warn", "%s", text) },
	}
	marks, err := m.srv.Session(ctx, nil)
	if err != nil {
		return o, err
	}
	o.Session = marks
	if r.lock, err = m.store.Acquire(ctx, o, r.h); err != nil {
		return o, errors.Join(err, marks.Close())
	}
	r.marks = marks
	r.prefix = databend.NewID()[:24]
	r.written, r.dirty = map[sqltext.Object]bool{}, map[sqltext.Object]bool{}
	return o, nil
}

// release ends the run's session and gives the lock back, also when ctx has ended.
func (r *run) release(ctx context.Context) error {
	if r.work != nil {
		_ = r.work.Close()
		r.work = nil
	}
	err := r.lock.Release(context.WithoutCancel(ctx))
	_ = r.marks.Close()
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// begin writes the run ahead: one INSERT. more are rows that go with it.
func (r *run) begin(ctx context.Context, resumed *begun, more []state.Row) error {
	before, err := json.Marshal(r.before.State)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	b := begun{Atomic: r.plan.atomic, Writes: tables(r.plan.Steps), Secrets: r.plan.Secrets()}
	if resumed != nil {
		b.Ran, b.Start = resumed.Ran, resumed.Start
	}
	detail, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	rows := []state.Row{{Event: state.EventBegin, Name: r.plan.Command, Before: string(before), Detail: string(detail)}}
	for _, s := range r.plan.Steps {
		rows = append(rows, state.Row{
			Event: state.EventPlan, Version: s.Version, Name: s.Name, Direction: s.Direction, Sums: s.Sums,
			UpText: s.UpText, DownText: s.DownText, Statements: int64(len(s.Statements)),
		})
	}
	return r.lock.Begin(ctx, r.h, append(rows, more...)...)
}

// steps runs the plan through goose, one version at a time, in the plan's order.
func (r *run) steps(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-r.lock.Lost():
			cancel(state.ErrRobbed) // ends the statement that runs
		case <-ctx.Done():
		}
	}()

	r.latest, r.base = r.before.State, r.before.State
	r.seen = map[sqltext.Object]look{}
	for _, o := range r.before.Objects {
		r.seen[o.Object] = look{read: r.before.read}
	}
	next := r.start.Step
	provider, err := newProvider(r.m.p, r.h, r.plan.Steps, func(ctx context.Context, version int64, direction string) error {
		if s := r.plan.Steps[next]; s.Version != version || s.Direction != direction {
			return fmt.Errorf("goose runs version %d %s, the plan has %d %s", version, direction, s.Version, s.Direction)
		}
		return r.step(ctx, next)
	})
	if err != nil {
		return err
	}
	for ; next < len(r.plan.Steps); next++ {
		s := &r.plan.Steps[next]
		// Ahead of goose, which does not come to the step when ctx has ended: the step before is done, and is not put back.
		if !r.plan.atomic && next != r.start.Step || r.start == (place{}) && next == 0 {
			r.from, r.ran, r.again, r.againRow = next, nil, catalog.State{}, ""
		}
		if _, err := provider.ApplyVersion(ctx, s.Version, s.Direction == Up); err != nil {
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

// step runs one section.
func (r *run) step(ctx context.Context, i int) error {
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
	sole := r.sole(i)
	r.base = r.latest
	if !sole {
		if err := r.prepare(ctx, i); err != nil {
			return &stepError{0, err}
		}
	}
	if err := r.openWork(ctx, s); err != nil {
		return &stepError{0, err}
	}
	for j := first; j < len(s.Statements); j++ {
		r.m.o.Sink(event.Progress{What: fmt.Sprintf("migrate %s", s), Done: int64(j), Total: int64(len(s.Statements)), ETA: -1})
		n := j
		var err error
		switch {
		case sole:
			err = r.runSole(ctx, i)
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
	if err := r.carryLedger(ctx, i); err != nil {
		return &stepError{0, err}
	}
	r.closeWork(s)
	r.finished = append(r.finished, finished{step: i, took: time.Since(began), ids: r.ids})
	return nil
}

// fresh is how old a capture may be before what exists is captured again.
const fresh = 2 * time.Second

// look is when an object was captured last.
type look struct {
	read  time.Time
	later bool // after the journal's begin: a recovery needs to be told
}

// prepare sees to it that what step i will write is known as it is right before it: what exists already or may, and what this run
// wrote in an earlier step, is captured again, together with what the next steps will ask for; and never-written tables that the
// step changes get a first snapshot.
func (r *run) prepare(ctx context.Context, i int) error {
	step := r.plan.Steps[i]
	under := r.under()
	together := r.plan.Steps[i : i+1] // under one savepoint from here on
	if r.plan.atomic && len(r.ran) == 0 {
		together = r.plan.Steps[i:]
	}
	objects := writes(r.plan.Steps[i : i+1])
	if slices.ContainsFunc(objects, func(o sqltext.Object) bool { return r.stale(step, o, under, fresh) }) {
		if err := r.captureAgain(ctx, i, under); err != nil {
			return err
		}
	}
	seeds, copies := savepoint.Changed(r.latest, effects(together))
	conn := r.m.store.Conn()
	if copies = without(copies, under); len(copies) > 0 {
		loaded, err := savepoint.Loaded(ctx, conn, r.latest, copies)
		if err != nil {
			return err
		}
		r.learn(loaded, copies)
	}
	if seeds = without(seeds, under); len(seeds) > 0 {
		seeded, err := savepoint.Seed(ctx, r.guarded(), r.latest, seeds)
		if err != nil {
			return err
		}
		seeds = slices.DeleteFunc(seeds, func(o sqltext.Object) bool {
			a, _ := r.latest.Find(o)
			b, _ := seeded.Find(o)
			return a.Head == b.Head
		})
		r.learn(seeded, seeds)
	}
	r.base = r.latest
	return r.rememberAgain(ctx, writes(together))
}

// stale reports whether what is known of an object that a step writes may be out of date.
func (r *run) stale(s Step, o sqltext.Object, under map[sqltext.Object]bool, age time.Duration) bool {
	if under[o] {
		return false
	}
	was, known := r.latest.Find(o)
	return r.dirty[o] || (known && was.Exists || mayFind(s, o)) && time.Since(r.seen[o].read) > age
}

// mayFind reports whether a statement of the step goes on where it finds the object there already.
func mayFind(s Step, o sqltext.Object) bool {
	for _, st := range s.Statements {
		for _, w := range st.Effect.Writes {
			if w.Object == o && (w.Verb == effect.Replace || w.Verb == effect.CreateNew) {
				return true
			}
		}
	}
	return false
}

// captureAgain captures what step i needs, and at no more requests what the steps after it need and none before them writes.
func (r *run) captureAgain(ctx context.Context, i int, under map[sqltext.Object]bool) error {
	// A few names are looked up; from about twenty on the whole catalogue is read, which costs more than it saves here.
	const few, ahead = 8, 20
	var again []sqltext.Object
	taken := map[sqltext.Object]bool{}
	for j := i; j < len(r.plan.Steps) && j < i+ahead && (j == i || len(again) < few); j++ {
		objects := writes(r.plan.Steps[j : j+1])
		for _, o := range objects {
			if !taken[o] && !under[o] && (j == i || r.stale(r.plan.Steps[j], o, under, 0)) {
				again = append(again, o)
			}
		}
		for _, o := range objects {
			taken[o] = true
		}
	}
	now, err := r.m.capture(ctx, again)
	if err != nil {
		return err
	}
	r.learn(now.State, again)
	return nil
}

// learn takes the state of objects as the latest.
func (r *run) learn(s catalog.State, objects []sqltext.Object) {
	part := catalog.State{Server: s.Server, At: s.At}
	for _, o := range objects {
		if now, ok := s.Find(o); ok {
			part.Objects = append(part.Objects, now)
			r.seen[o] = look{read: time.Now(), later: true}
			delete(r.dirty, o)
		}
	}
	r.latest = r.latest.Merge(part)
}

// under are the objects that statements wrote since the savepoint, with databases their tables: the state to go back to is older
// than they are now.
func (r *run) under() map[sqltext.Object]bool {
	out, databases := map[sqltext.Object]bool{}, map[string]bool{}
	for _, x := range r.ran {
		for _, w := range r.statementAt(x.Place).Effect.Writes {
			out[w.Object] = true
			databases[w.Name] = databases[w.Name] || w.Kind == sqltext.Database
		}
	}
	for _, o := range r.latest.Objects {
		if o.Kind == sqltext.Table && databases[o.Database] {
			out[o.Object] = true
		}
	}
	return out
}

func without(objects []sqltext.Object, set map[sqltext.Object]bool) []sqltext.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o sqltext.Object) bool { return set[o] })
}

// openWork opens the session of the migrations' own statements, with the settings that a run relies on.
func (r *run) openWork(ctx context.Context, s *Step) error {
	if r.work != nil || len(s.Statements) == 0 {
		return nil
	}
	var err error
	r.work, err = r.m.srv.Session(ctx, databend.MigrationSettings(fmt.Sprintf("dbctl %s/%s", r.m.p.Name, r.m.o.Run)))
	return err
}

// closeWork throws the session away after a migration that said USE or SET, so that the next one does not inherit that; and after
// one that made the database in which it should be.
func (r *run) closeWork(s *Step) {
	for _, st := range s.Statements {
		stale := st.Effect.Use != "" || st.Effect.Session || st.Effect.Unknown
		for _, w := range st.Effect.Writes {
			stale = stale || w.Kind == sqltext.Database
		}
		if stale && r.work != nil {
			_ = r.work.Close()
			r.work = nil
			return
		}
	}
}

// end writes what the run did: one INSERT.
func (r *run) end(ctx context.Context) error {
	rows, err := r.outcomeRows(ctx)
	if err == nil {
		err = r.lock.Append(ctx, append(rows, state.Row{Event: state.EventEnd})...)
	}
	if err != nil {
		e := &RunError{Left: true, Err: fmt.Errorf("everything ran, but it could not be recorded: %w", err), Applied: r.versions()}
		if n := len(r.finished); n > 0 {
			s := r.plan.Steps[r.finished[n-1].step]
			e.Version, e.Name, e.Direction = s.Version, s.Name, s.Direction
		}
		return e
	}
	r.ended = true
	r.flush()
	r.m.showSkipped(r.plan)
	return nil
}

// outcomeRows are the journal's rows of the finished steps, with the definitions as they are now, and of those that were skipped.
func (r *run) outcomeRows(ctx context.Context) ([]state.Row, error) {
	var steps []Step
	for _, f := range r.finished {
		steps = append(steps, r.plan.Steps[f.step])
	}
	var after catalog.State
	if objects := writes(steps); len(objects) > 0 {
		var err error
		if after, err = catalog.Capture(ctx, r.m.store.Conn(), objects); err != nil {
			return nil, fmt.Errorf("capture the state after: %w", err)
		}
	}
	var rows []state.Row
	for i, f := range r.finished {
		s := steps[i]
		own := catalog.State{Server: after.Server, At: after.At}
		for _, o := range writes(steps[i : i+1]) {
			if now, ok := after.Find(o); ok {
				own.Objects = append(own.Objects, now)
			}
		}
		b, err := json.Marshal(own)
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		row := state.Row{
			Event: state.EventApplied, Version: s.Version, Name: s.Name, Direction: s.Direction, Sums: s.Sums,
			Statements: int64(len(s.Statements)), After: string(b), TookMS: f.took.Milliseconds(), QueryIDs: strings.Join(f.ids, ","),
		}
		if s.Direction == Down {
			row.Event = state.EventDown
		}
		rows = append(rows, row)
	}
	for _, s := range r.plan.Skipped {
		if !s.known {
			rows = append(rows, state.Row{Event: state.EventUnsupported, Version: s.Version, Name: s.Name, Direction: Up, Sums: s.Sums, Reason: s.Reason})
		}
	}
	return rows, nil
}

// flush shows the steps that are certain now: a later mark or the end is written. Under one savepoint none is before the end.
func (r *run) flush() {
	if r.plan.atomic && !r.ended {
		return
	}
	for ; r.shown < len(r.finished); r.shown++ {
		f := r.finished[r.shown]
		s := r.plan.Steps[f.step]
		e := event.Migration{Version: s.Version, Name: s.Name, State: state.Applied, Direction: s.Direction, TookMS: f.took.Milliseconds()}
		if s.Direction == Down {
			e.State = "pending"
		} else if at := r.clock(); !at.IsZero() {
			e.AppliedAt = &at
		}
		r.m.o.Sink(e)
	}
}

// versions are those that the run finished.
func (r *run) versions() []int64 {
	var out []int64
	for _, f := range r.finished {
		out = append(out, r.plan.Steps[f.step].Version)
	}
	return out
}
