package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// failed puts the savepoint back after step i failed with err, and journals what became of it. It goes on when ctx has ended.
func (r *Run) failed(ctx context.Context, i int, err error) error {
	s := r.plan.Steps[i]
	e := &Error{Version: s.Version, Name: s.Name, Direction: s.Direction, Err: err}
	if se, ok := errors.AsType[*stepError](err); ok {
		e.Statement, e.Err = se.statement, se.err
	}
	e.Interrupted = ctx.Err() != nil && !errors.Is(err, state.ErrRobbed)
	if r.plan.Atomic {
		r.finished = nil // put back with the rest
	}
	r.flush()
	e.Applied = versions(r.plan, r.finished)
	if errors.Is(err, state.ErrRobbed) {
		e.Left = true
		return e
	}
	if e.Interrupted {
		r.Note(event.Warn, "interrupted: putting migration %s back", s.String())
	}
	detached := context.WithoutCancel(ctx)
	report, restoreErr := r.putBack(detached, i)
	e.wayOut = cmp.Or(r.withoutDatabase(detached, e.Err), r.withoutDatabase(detached, restoreErr))
	e.Outcomes = outcomes(report, s.Version)
	for _, o := range e.Outcomes {
		r.Sink(o)
	}
	what := irreversibly(r.plan, r.save)
	e.Left = restoreErr != nil || !report.Clean() || what != ""
	if r.undecided != nil {
		e.Err = errors.Join(e.Err, r.undecided)
		return e
	}
	if restoreErr != nil {
		// The journal has the run without an end: the next command that writes goes on here.
		e.Err = errors.Join(e.Err, fmt.Errorf("put back: %w", restoreErr))
		return e
	}
	if what != "" {
		r.Note(event.Warn, "%s ran, and cannot be undone", what)
	}
	if err := r.recordFailure(detached, report, e); err != nil {
		e.Left = true
		e.Err = errors.Join(e.Err, fmt.Errorf("record the rollback: %w", err))
		return e
	}
	if e.Interrupted && r.save.empty() {
		return e
	}
	for j, x := range r.plan.Steps[:i+1] {
		if j < r.save.From || slices.ContainsFunc(r.plan.Steps[r.save.From:j], func(y plan.Step) bool { return y.Version == x.Version }) {
			continue
		}
		ev := event.Migration{Version: x.Version, Name: x.Name, State: journal.RolledBack, Direction: x.Direction}
		if e.Left {
			ev.State = journal.Partial
		}
		r.Sink(ev)
	}
	return e
}

// withoutDatabase is how to go on where an error says that a database is not there, and it is the environment's own; else "".
func (w *wire) withoutDatabase(ctx context.Context, err error) string {
	if !databend.IsCode(err, databend.CodeUnknownDatabase) {
		return ""
	}
	own := w.Project.Env.Database
	res, err := w.Store.Conn().Query(ctx, databend.Statement{
		SQL: "SELECT name FROM system.databases WHERE name=" + sqltext.Quote(own), Reads: true,
	})
	if err != nil || len(res.Rows) > 0 {
		return ""
	}
	return "the environment's database was dropped; this brings it back: `" +
		shell.Join("dbctl", "sql", "UNDROP DATABASE "+sqltext.Object{Kind: sqltext.Database, Name: own}.Pasted()) + "`"
}

// irreversibly names a statement that ran by consent and cannot be undone.
func irreversibly(p plan.Plan, save Savepoint) string {
	for _, x := range save.all() {
		s := p.Steps[x.Place.Step]
		if st := s.Statements[x.Place.Statement]; st.Effect.Class == effect.Irreversible || st.Effect.Unknown {
			return fmt.Sprintf("%s:%d: %s", st.File, st.Line, st.Effect.Kind)
		}
	}
	return ""
}

// putBack waits until nothing of ours runs any more, and restores the savepoint, after a failure in step i.
func (r *Run) putBack(ctx context.Context, i int) (savepoint.Report, error) {
	r.dropWork()
	if r.save.empty() {
		return savepoint.Report{}, r.undecided
	}
	if n := len(r.save.Ran); n > 0 && r.save.Ran[n-1].Maybe && r.save.Ran[n-1].id != "" {
		wait, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := r.Server.Settle(wait, r.save.Ran[n-1].id); err != nil {
			return savepoint.Report{}, err
		}
	}
	if slices.ContainsFunc(r.save.all(), func(x Ran) bool { return r.at(x.Place).Effect.DML }) {
		rows, err := r.Store.RowsOf(ctx, r.ID)
		if err != nil {
			return savepoint.Report{}, err
		}
		if err := r.save.learnOwn(r.plan, rows); err != nil {
			return savepoint.Report{}, err
		}
	}
	x := &interrupted{id: r.ID, plan: r.plan, save: r.save, finished: r.finished, next: place{i, 0}}
	return r.rollBack(ctx, x, r.given)
}

// given are secrets that were resolved before the first write.
func (r *Run) given(ctx context.Context, names []string) (secret.Set, error) {
	if slices.ContainsFunc(names, func(n string) bool { _, ok := r.secrets[n]; return !ok }) {
		return r.Env.Secrets(ctx, names)
	}
	return r.secrets, nil
}

// learnOwn takes what the journal has of the transactions since the savepoint. One that may have been committed and has no row there was
// not.
func (s *Savepoint) learnOwn(p plan.Plan, rows []state.Row) error {
	parts := [][]Ran{s.earlier, s.Ran}
	for _, row := range rows {
		if row.Event != journal.EventSnapshot {
			continue
		}
		w, err := parseSnapshot(row.Detail)
		if err != nil {
			return err
		}
		for _, ran := range parts {
			for i := range ran {
				if x := ran[i].Place; x.Step != w.step || x.Statement < w.from || x.Statement > w.last {
					continue
				}
				heads := maps.Clone(w.heads)
				maps.Copy(heads, ran[i].Heads)
				maps.Copy(heads, w.heads)
				ran[i].Own, ran[i].Maybe, ran[i].Heads = w.own, false, heads
			}
		}
	}
	know := newObjects(Reading{State: s.Base})
	s.Ran = slices.DeleteFunc(s.Ran, func(x Ran) bool { // one that may have run is the last
		st := at(p.Steps, x.Place)
		return x.Maybe && st.Effect.DML && (st.Unit != 0 || len(know.fuse(p.Steps, []plan.Statement{st})) > 0)
	})
	return nil
}

// abreast is how many objects a rollback puts back beside each other: mostly it waits for a server that is far away.
const abreast = 8

// rollBack moves everything back to the savepoint of a run, whoever made it. It tries again as long as the server is not heard: every try
// goes on from what is there.
func (w *wire) rollBack(ctx context.Context, x *interrupted, secrets plan.Secrets) (savepoint.Report, error) {
	reached := x.save.reached(x.plan.Steps)
	var since []plan.Statement
	for _, f := range x.finished {
		since = append(since, x.plan.Steps[f.step].Statements...)
	}
	base := x.save.Base
	if plan.SetsRole(x.plan.Steps[x.save.From:]) {
		base.Role = ""
	}
	definitions := plan.NewDefinitions(w.Project, w.Store)
	o := savepoint.Options{
		Redefine: func(o sqltext.Object) ([]databend.Statement, error) {
			return definitions.Redefine(ctx, o, since, secrets)
		},
		Run: w.ID, Again: x.back,
		Gave: func(o catalog.ObjectState) (string, error) { return w.gave(ctx, o, x, definitions, since, secrets) },
	}
	for range abreast {
		s := w.Server.Session(nil)
		defer s.Close()
		o.More = append(o.More, &guarded{w, s})
	}
	w.Sink(event.Progress{
		What: "rollback", Phase: "putting back what " + event.Plural(len(reached), "statement") + " did", ETA: -1,
	})
	if err := w.markBack(ctx, x); err != nil {
		return savepoint.Report{}, err
	}
	var report savepoint.Report
	err := w.patiently(ctx, "putting it back", func() (err error) {
		report, err = savepoint.Restore(ctx, w.guarded(), base, reached, o)
		o.Again = true
		return err
	})
	return report, err
}

// gave says why the keys of an object are none that a statement of ours gave it, before the savepoint (since) or behind it: the server
// shows how they end, and values of that statement do too. What a stage took from a connection stands in none.
func (w *wire) gave(
	ctx context.Context, o catalog.ObjectState, x *interrupted, d *plan.Definitions, since []plan.Statement, secrets plan.Secrets,
) (why string, err error) {
	histories := [][]plan.Statement{since}
	for _, ran := range x.save.all() {
		if st := at(x.plan.Steps, ran.Place); slices.Contains(written(st), o.Object) {
			histories = append(histories, append(slices.Clone(histories[len(histories)-1]), st))
		}
	}
	for _, h := range histories {
		statements, err := d.Redefine(ctx, o.Object, h, secrets)
		switch {
		case errors.Is(err, savepoint.ErrNoDefinition):
			continue
		case err != nil:
			return "whether another session changed its keys is not known: " + databend.Message(err), nil
		}
		why = "its keys are none that this project gave it: another session changed them, or its secrets are others by now"
		ours, err := w.endSo(statements, o.KeyEnds())
		if ours || err != nil {
			return "", err
		}
	}
	return why, nil
}

// endSo reports whether each of the ends is that of a value in the statements, or they take the keys of a connection.
func (w *wire) endSo(statements []databend.Statement, ends []string) (bool, error) {
	for _, st := range statements {
		values, err := w.Server.Values(st)
		if err != nil {
			return false, err
		}
		names := effect.Analyze(st.SQL, "").Names
		if slices.ContainsFunc(names, func(o sqltext.Object) bool { return o.Kind == sqltext.Connection }) {
			return true, nil
		}
		ends = slices.DeleteFunc(ends, func(end string) bool {
			return slices.ContainsFunc(values, func(v secret.Text) bool { return strings.HasSuffix(v.Reveal(), end) })
		})
	}
	return len(ends) == 0, nil
}

// markBack journals ahead of a rollback's first write what it puts back: from then on the evidence of what ran goes away with it, and a
// rollback that is cut off is gone on with from this row. Where the server refuses to write it, the rollback goes on without: then what is
// there has to tell how far both came.
func (w *wire) markBack(ctx context.Context, x *interrupted) error {
	if x.back {
		return nil
	}
	k := mark{
		From: x.save.From, Next: x.next, Last: place{x.next.Step, x.next.Statement - 1}, Prefix: w.prefix,
		trail: x.save.trail, Trail: x.save.moved, Back: true,
	}
	if k.Later != nil && w.keepable(*k.Later) != nil {
		return nil
	}
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	err = w.patiently(ctx, "marking what is put back", func() error {
		return w.lock.Append(ctx, state.Row{Event: journal.EventPutBack, Subject: x.id, Detail: string(b)})
	})
	if databend.IsAnswered(err) && !passing(err) {
		return nil
	}
	return err
}

// outcomes are a report as events.
func outcomes(report savepoint.Report, version int64) []event.Rollback {
	out := make([]event.Rollback, len(report.Outcomes))
	for i, o := range report.Outcomes {
		out[i] = event.Rollback{Version: version, Object: o.Word + " " + o.Object.Display(), Outcome: o.Result, Detail: o.Detail}
	}
	return out
}
