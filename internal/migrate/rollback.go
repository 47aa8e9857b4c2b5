package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
)

// patience is how long a rollback waits for the end of a statement that still runs, and how long it tries again while the server is
// not heard.
const patience = 2 * time.Minute

// failed puts the savepoint back after step i failed with err, and journals what became of it. It goes on when ctx has ended.
func (r *run) failed(ctx context.Context, i int, err error) error {
	s := r.plan.Steps[i]
	e := &RunError{Version: s.Version, Name: s.Name, Direction: s.Direction, Err: err}
	if se, ok := errors.AsType[*stepError](err); ok {
		e.Statement, e.Err = se.statement, se.err
	}
	e.Interrupted = ctx.Err() != nil && !errors.Is(err, state.ErrRobbed)
	if r.plan.atomic {
		r.finished = nil // put back with the rest
	}
	r.flush()
	e.Applied = r.versions()
	if errors.Is(err, state.ErrRobbed) {
		e.Left = true
		return e
	}
	if e.Interrupted {
		r.m.note("warn", "interrupted: putting migration %s back", s.String())
	}
	detached := context.WithoutCancel(ctx)
	report, restoreErr := r.putBack(detached)
	e.Outcomes = r.outcomes(report, s.Version)
	for _, o := range e.Outcomes {
		r.m.o.Sink(o)
	}
	e.Left = restoreErr != nil || !report.Clean() || r.irreversibly() != ""
	if r.undecided != nil {
		e.Err = errors.Join(e.Err, r.undecided)
		return e
	}
	if restoreErr != nil {
		// The journal has the run without an end: the next command that writes goes on here.
		e.Err = errors.Join(e.Err, fmt.Errorf("put back: %w", restoreErr))
		return e
	}
	if what := r.irreversibly(); what != "" {
		r.m.note("warn", "%s ran, and cannot be undone", what)
	}
	if err := r.recordFailure(detached, report, e); err != nil {
		e.Left = true
		e.Err = errors.Join(e.Err, fmt.Errorf("record the rollback: %w", err))
		return e
	}
	if e.Interrupted && len(r.ran) == 0 {
		return e
	}
	for j, x := range r.plan.Steps[:i+1] {
		if j < r.from || slices.ContainsFunc(r.plan.Steps[r.from:j], func(y Step) bool { return y.Version == x.Version }) {
			continue
		}
		ev := event.Migration{Version: x.Version, Name: x.Name, State: state.RolledBack, Direction: x.Direction}
		if e.Left {
			ev.State = "partial"
		}
		r.m.o.Sink(ev)
	}
	return e
}

// irreversibly names a statement that ran by consent and cannot be undone.
func (r *run) irreversibly() string {
	for _, x := range r.ran {
		s := r.plan.Steps[x.Place.Step]
		if st := s.Statements[x.Place.Statement]; st.Effect.Class == effect.Irreversible || st.Effect.Unknown {
			return fmt.Sprintf("%s:%d: %s", s.File, st.Line, st.Effect.Kind)
		}
	}
	return ""
}

// putBack waits until nothing of ours runs any more, and restores the savepoint.
func (r *run) putBack(ctx context.Context) (savepoint.Report, error) {
	if r.work != nil {
		_ = r.work.Close()
		r.work = nil
	}
	if len(r.ran) == 0 {
		return savepoint.Report{}, r.undecided
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if last := r.ran[len(r.ran)-1]; last.maybe && last.id != "" {
		if err := r.m.srv.Settle(wait, last.id); err != nil {
			return savepoint.Report{}, err
		}
	}
	if err := r.readOwn(ctx, r.m.o.Run); err != nil {
		return savepoint.Report{}, err
	}
	return r.restore(ctx)
}

// readOwn reads from the journal what the run's transactions wrote.
func (r *run) readOwn(ctx context.Context, run string) error {
	if !slices.ContainsFunc(r.ran, func(x ran) bool { return r.statementAt(x.Place).Effect.DML }) {
		return nil
	}
	rec, err := r.m.store.Record(ctx, run)
	if err != nil {
		return err
	}
	return r.learnOwn(rec)
}

// learnOwn takes what the journal has of the run's transactions. One that may have been committed and has no row there was not.
func (r *run) learnOwn(rec state.Record) error {
	for _, row := range rec.Rows {
		if row.Event != state.EventSnapshot {
			continue
		}
		w, err := parseSnapshot(row.Detail)
		if err != nil {
			return err
		}
		for i := range r.ran {
			if p := r.ran[i].Place; p.Step == w.step && p.Statement >= w.from && p.Statement <= w.last {
				r.ran[i].own, r.ran[i].maybe = w.own, false
				if r.ran[i].Heads == nil {
					r.ran[i].Heads = map[string]string{}
				}
				for id, head := range w.heads {
					r.ran[i].Heads[id] = head
				}
			}
		}
	}
	r.ran = slices.DeleteFunc(r.ran, func(x ran) bool {
		st := r.statementAt(x.Place)
		return x.maybe && st.Effect.DML && (st.Unit != 0 || len(r.fuse([]Statement{st})) > 0)
	})
	return nil
}

func (r *run) statementAt(p place) Statement { return r.plan.Steps[p.Step].Statements[p.Statement] }

// restore moves everything back. It tries again as long as the server is not heard: every try goes on from what is there.
func (r *run) restore(ctx context.Context) (savepoint.Report, error) {
	reached := make([]blame.Reached, len(r.ran))
	for i, x := range r.ran {
		st := r.statementAt(x.Place)
		reached[i] = blame.Reached{Effect: st.Effect, At: x.At, Heads: x.Heads, Own: x.own}
	}
	defs := &definitions{m: r.m}
	for _, f := range r.finished {
		defs.since = append(defs.since, r.plan.Steps[f.step].Statements...)
	}
	o := savepoint.Options{
		Redefine: func(o sqltext.Object) ([]databend.Statement, error) { return defs.redefine(ctx, o) },
		Run:      r.m.o.Run,
	}
	until, said := time.Now().Add(patience), time.Time{}
	for {
		report, err := savepoint.Restore(ctx, r.guarded(), r.base, reached, o)
		if err == nil || errors.Is(err, state.ErrRobbed) || time.Now().After(until) || !passing(err) {
			return report, err
		}
		if time.Since(said) > patience/4 {
			said = time.Now()
			r.m.note("warn", "putting it back, trying for %s more: %s", time.Until(until).Round(time.Second), err)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return report, err
		}
	}
}

// passing reports whether err may be gone at the next try: the server was not heard, or somebody changed a table meanwhile.
func passing(err error) bool {
	e, ok := errors.AsType[*databend.Error](err)
	return ok && (e.Code == 0 || e.Code == databend.CodeVersionMismatch || e.Code == databend.CodeConflict)
}

// outcomes are a report as events.
func (r *run) outcomes(report savepoint.Report, version int64) []event.Rollback {
	out := make([]event.Rollback, len(report.Outcomes))
	for i, o := range report.Outcomes {
		out[i] = event.Rollback{Version: version, Object: o.Object.String(), Outcome: string(o.Result), Detail: o.Detail}
	}
	return out
}

// recordFailure journals what became of a run that failed: what it finished before stays, the rest is rolled back, or partly so
// and then without an end.
func (r *run) recordFailure(ctx context.Context, report savepoint.Report, e *RunError) error {
	rows, err := r.outcomeRows(ctx)
	if err != nil {
		return err
	}
	r.claim = r.lock.Claim()
	failed, err := r.failureRows(e)
	if err != nil {
		return err
	}
	rows = append(rows, failed...)
	if !e.Left {
		rows = append(rows, state.Row{Event: state.EventEnd})
	}
	if err := r.undone(ctx, report); err != nil {
		return err
	}
	return r.lock.Append(ctx, rows...)
}

// failureRows are the rows of the versions that were put back: those of the savepoint that began.
func (r *run) failureRows(e *RunError) ([]state.Row, error) {
	ev := state.EventRolledBack
	if e.Left {
		ev = state.EventPartial
	}
	detail, err := json.Marshal(e.Outcomes)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	last := r.from
	for i, s := range r.plan.Steps {
		if i >= r.from && s.Version == e.Version {
			last = i
		}
	}
	seen := map[int64]bool{}
	var rows []state.Row
	if e.Interrupted && len(r.ran) == 0 {
		return nil, nil // between two migrations: none was tried
	}
	for i := r.from; i <= last; i++ {
		// Of a version that went down and up again, the first direction says what it was before.
		s := r.plan.Steps[i]
		if seen[s.Version] {
			continue
		}
		seen[s.Version] = true
		row := state.Row{
			Event: ev, Version: s.Version, Name: s.Name, Direction: s.Direction, Sums: s.Sums, Detail: string(detail),
			Reason: oneLine(e.Err.Error()),
		}
		if e.Left {
			row.Before = r.claim
		}
		if s.Version == e.Version {
			row.QueryIDs = strings.Join(r.ids, ",")
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// undone tells the ledger what a rollback changed for loads: it writes rows for files that a COPY of ours loaded and that were rolled back: the engine still takes them for loaded.
func (r *run) undone(ctx context.Context, report savepoint.Report) error {
	var rows []state.LedgerRow
	for _, c := range report.Files {
		stages, err := r.stagesOf(ctx, c.Table)
		if err != nil {
			return err
		}
		for stage, url := range stages {
			for _, f := range c.Files {
				rows = append(rows, state.LedgerRow{
					Run: r.m.o.Run, Table: c.Table.Database + "." + c.Table.Name, TableID: c.TableID, Stage: stage, StageURL: url,
					Path: strings.TrimPrefix(f, url), State: state.FileUndone, Source: state.SourceDBCTL,
					Reason: "a migration that loaded it was rolled back",
				})
			}
		}
	}
	if err := r.tellRestored(ctx, report); err != nil || len(rows) == 0 {
		return err
	}
	return r.m.store.AppendLedger(ctx, rows, r.lock.Fence())
}

// stagesOf are the stages from which COPYs of the run loaded into a table, with their URLs as the ledger has them.
func (r *run) stagesOf(ctx context.Context, table sqltext.Object) (map[string]string, error) {
	out := map[string]string{}
	for _, x := range r.ran {
		st := r.statementAt(x.Place)
		if !st.Effect.Copy || !slices.ContainsFunc(st.Effect.Writes, func(w effect.Write) bool { return w.Object == table }) {
			continue
		}
		c, err := copytext.Parse(st.SQL)
		if err != nil {
			continue // from a place that is no stage: the ledger knows none
		}
		res, err := r.m.store.Conn().Query(ctx, databend.Statement{
			SQL: "SELECT coalesce((SELECT url FROM system.stages WHERE name=" + sqltext.Quote(c.Stage) + "), " + sqltext.Quote("@"+c.Stage+"/") + ")",
		})
		if err != nil {
			return nil, fmt.Errorf("read where stage %s is: %w", c.Stage, err)
		}
		if len(res.Rows) == 1 {
			out[c.Stage] = res.Rows[0][0].String
		}
	}
	return out, nil
}

// guarded is the Store's session, which sends nothing any more once the lock was taken over. Its query ids are the run's: who finds
// this run cut off ends what is still under way of its restore, too.
func (r *run) guarded() savepoint.Conn { return &guarded{r} }

type guarded struct{ r *run }

func (g *guarded) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if err := g.r.lock.Fresh(ctx); err != nil {
		return databend.Result{}, err
	}
	st.ID = g.r.id()
	return g.r.m.store.Conn().Query(ctx, st)
}

func (g *guarded) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if err := g.r.lock.Fresh(ctx); err != nil {
		return databend.Result{}, err
	}
	st.ID, st.SendBy = g.r.id(), g.r.lock.SendBy()
	return g.r.m.store.Conn().Exec(ctx, st)
}
