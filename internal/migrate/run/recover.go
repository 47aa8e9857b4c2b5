package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// recovery is the finishing of a run that was cut off: under our lock, once nothing of it is under way any more.
type recovery struct {
	*wire
	interrupted
	claim string // its last one, for a version that is left in part
	blind bool   // it is nowhere any more: what ran is not known
}

// recovering takes the unfinished run over, lets f finish it, and gives the lock back.
func recovering(ctx context.Context, env *Env, h state.History, left state.Run, f func(*recovery) error) error {
	env.Note(event.Warn, "%s is found", Describe(left))
	w, err := acquire(ctx, env, h, []string{"*"})
	if err != nil {
		return err
	}
	defer w.release(ctx)
	x := &recovery{wire: w}
	switch err := x.takeOver(ctx, left.ID); {
	case err != nil && ctx.Err() != nil: // a signal has a code of its own
		return err
	case err != nil:
		return &Error{Left: true, Err: fmt.Errorf("take run %s over: %w", left.ID, err)}
	}
	return f(x)
}

// Describe says what an unfinished run was.
func Describe(r state.Run) string {
	who := r.Actor.OSUser + "@" + r.Actor.Host
	what := "an unfinished `migrate " + r.Command + "`"
	if r.Alive {
		what = "a running `migrate " + r.Command + "`"
	}
	return fmt.Sprintf("%s of %s (run %s, %s)", what, who, r.ID, r.At.UTC().Format(time.RFC3339))
}

// takeOver fences the run off, waits for what is under way, journals its last mark, and works out what ran.
func (x *recovery) takeOver(ctx context.Context, id string) error {
	if err := x.lock.FenceRun(ctx, id); err != nil {
		return err
	}
	rec, err := x.Store.Record(ctx, id, nil)
	if err != nil {
		return err
	}
	x.blind = rec.Claim == nil // each run made one before its begin
	var k mark
	if len(rec.Mark) > 0 {
		if err := json.Unmarshal(rec.Mark, &k); err != nil {
			return fmt.Errorf("read the mark of run %s: %w", id, err)
		}
	}
	if err := x.settle(ctx, id, k.Prefix); err != nil {
		return err
	}
	if k.Prefix != "" {
		// Ours look like that run's, so that who finds us cut off as well finds them; its own count from 1.
		x.prefix = k.Prefix
		x.sent.Store(1<<31 + rand.Int64N(1<<30))
	}
	// What it still journaled while it was being fenced off counts.
	if rec, err = x.Store.Record(ctx, id, rec.Claim); err != nil {
		return err
	}
	taken := rec.TakeoverRow(id)
	if err := x.lock.Append(ctx, taken); err != nil {
		return err
	}
	x.claim = taken.Detail
	was, k, err := decode(x.Project, id, rec)
	if err != nil {
		return err
	}
	x.interrupted = *was
	x.save.until = endedAt(rec)
	return x.look(ctx, x.Env, k)
}

// endedAt is when a run did nothing more: it said itself what it could not put back, or another recovery took it over. Else it is so long
// after its last sign of life that nothing that it sent can be under way: the server ends a query whose answer nobody asks for.
func endedAt(rec state.Record) time.Time {
	for _, row := range rec.Rows {
		if row.Event == journal.EventTakeover || row.Event == journal.EventPartial {
			return row.At
		}
	}
	if c := rec.Claim; c != nil && !c.Silent().IsZero() {
		return c.Silent().Add(patience)
	}
	return time.Time{}
}

// settle waits until no statement of the run is under way: first as long as one may be on its way to the server, then for those that
// run there.
func (x *recovery) settle(ctx context.Context, id, prefix string) error {
	if prefix == "" {
		return nil
	}
	x.Sink(event.Progress{What: "migrate recover", Phase: "waiting until no statement of that run is under way", ETA: -1})
	if err := sleep(ctx, min(x.lock.TTL()/30, time.Second)); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		res, err := x.Store.Conn().Query(wait, databend.Statement{
			SQL: "SELECT current_query_id FROM system.processes WHERE left(current_query_id, " + fmt.Sprint(len(prefix)) + ")=" +
				sqltext.Quote(prefix),
			Reads: true,
		})
		if err != nil {
			return fmt.Errorf("look for what run %s still does: %w", id, err)
		}
		if len(res.Rows) == 0 {
			return nil
		}
		for _, row := range res.Rows {
			x.Note(event.Info, "ending statement %s of run %s", row[0].String, id)
			if err := x.Server.Settle(wait, row[0].String); err != nil {
				return err
			}
		}
	}
}

// PutBack puts an unfinished run back to its savepoint. What it had finished before stays applied.
func PutBack(ctx context.Context, env *Env, h state.History, left state.Run) error {
	return recovering(ctx, env, h, left, func(x *recovery) error { return x.putBack(ctx) })
}

func (x *recovery) putBack(ctx context.Context) error {
	if x.blind {
		return plan.LeftUnfinished(`look at what its migrations left, mend it, then: dbctl migrate recover --mark-rolled-back --reason "why"`,
			"run %s was cut off, and %s", x.id, forgotten)
	}
	if x.over() {
		x.Note(event.Info, "it had finished: recording that")
		if err := x.record(ctx, savepoint.Report{}, &Error{Err: errors.New("not recorded by its own run")}); err != nil {
			return &Error{Left: true, Err: fmt.Errorf("record the end of run %s: %w", x.id, err)}
		}
		x.showFinished()
		return nil
	}
	s := x.current()
	e := &Error{
		Version: s.Version, Name: s.Name, Direction: s.Direction, Applied: versions(x.plan, x.finished),
		Err: fmt.Errorf("run %s was cut off", x.id),
	}
	var report savepoint.Report
	if !x.save.empty() {
		x.Note(event.Info, "putting migration %s back", s.String())
		var err error
		if report, err = x.rollBack(ctx, &x.interrupted, x.Secrets); err != nil {
			e.Left, e.wayOut = true, x.withoutDatabase(ctx, err)
			e.Err = fmt.Errorf("put run %s back: %w", x.id, err)
			return e
		}
	}
	e.Outcomes = outcomes(report, s.Version)
	for _, o := range e.Outcomes {
		x.Sink(o)
	}
	what := irreversibly(x.plan, x.save)
	e.Left = !report.Clean() || what != ""
	if what != "" {
		x.Note(event.Warn, "%s ran, and cannot be undone", what)
	}
	if err := x.record(ctx, report, e); err != nil {
		e.Left = true
		e.Err = fmt.Errorf("record the recovery of run %s: %w", x.id, err)
		return e
	}
	x.showFinished()
	if e.Left {
		x.Sink(event.Migration{Version: s.Version, Name: s.Name, State: journal.Partial, Direction: s.Direction})
		return e
	}
	x.Sink(event.Migration{Version: s.Version, Name: s.Name, State: journal.RolledBack, Direction: s.Direction, Reason: "recovered"})
	x.Sink(event.Summary{Command: "migrate recover", Text: "run " + x.id + " is put back"})
	return nil
}

// showFinished shows the steps that it finished; under one savepoint that is none, unless all of it ran.
func (x *recovery) showFinished() {
	if x.plan.Atomic && !x.over() {
		return
	}
	for _, f := range x.finished {
		x.show(x.plan, f)
	}
}

// record journals what became of the run, as rows about it.
func (x *recovery) record(ctx context.Context, report savepoint.Report, e *Error) error {
	rows, err := x.finishedRows(ctx)
	if err != nil {
		return err
	}
	if !x.over() {
		failed, err := failureRows(x.plan, x.save, e, x.claim, nil)
		if err != nil {
			return err
		}
		rows = append(rows, failed...)
	}
	if !e.Left {
		rows = append(rows, state.Row{Event: journal.EventEnd})
	}
	if err := x.undone(ctx, x.plan, x.save, report); err != nil {
		return err
	}
	return x.lock.Append(ctx, x.about(rows)...)
}

// about makes rows be about the run that was cut off.
func (x *recovery) about(rows []state.Row) []state.Row {
	for i := range rows {
		rows[i].Subject = x.id
	}
	return rows
}

// finishedRows are the outcomes of what it finished, except those that the journal has from an earlier recovery that could not put all
// back. What the run itself said of its outcome counts no more, now that it was taken over.
func (x *recovery) finishedRows(ctx context.Context) ([]state.Row, error) {
	rows, err := x.outcomeRows(ctx, x.plan, x.finished)
	return slices.DeleteFunc(rows, func(r state.Row) bool {
		return slices.ContainsFunc(x.rec.Rows, func(k state.Row) bool {
			return k.Run != x.id && k.Event == r.Event && k.Version == r.Version && k.Direction == r.Direction
		})
	}), err
}

// TakeWord takes a person's word that the interrupted migration is as after it (applied), or as before it.
func TakeWord(ctx context.Context, env *Env, h state.History, left state.Run, applied bool, reason string) error {
	return recovering(ctx, env, h, left, func(x *recovery) error {
		if x.over() {
			return x.putBack(ctx) // records that it had finished
		}
		if err := x.tellLedger(ctx, h, applied); err != nil {
			return err
		}
		rows, err := x.finishedRows(ctx)
		if err != nil {
			return err
		}
		var said []event.Migration
		// Of a version that went down and up again, the last direction says what it is then.
		for _, s := range oneEach(x.save.steps(x.plan, x.current().Version), applied) {
			ev, becomes := journal.EventMarkUndone, journal.RolledBack
			switch {
			case applied && s.Direction == event.Down:
				ev, becomes = journal.EventMarkApplied, journal.Pending
			case applied:
				ev, becomes = journal.EventMarkApplied, journal.Applied
			}
			rows = append(rows, state.Row{
				Event: ev, Version: s.Version, Name: s.Name, Direction: s.Direction, Sums: s.Sums, Reason: reason,
			})
			said = append(said, event.Migration{Version: s.Version, Name: s.Name, State: becomes, Direction: s.Direction, Reason: reason})
		}
		rows = append(rows, state.Row{Event: journal.EventEnd, Reason: reason})
		if err := x.lock.Append(context.WithoutCancel(ctx), x.about(rows)...); err != nil {
			return err
		}
		for _, e := range said {
			x.Sink(e)
		}
		return nil
	})
}

// forgotten is why nothing is decided about a run that is blind.
const forgotten = "how far it came is not known: its marks were dropped, and Databend has forgotten them"

// Resume goes on with the interrupted migration at the statement that is really next, as a run of its own that has the same savepoint.
// What of the unfinished run comes after that migration is left to the next up.
func Resume(ctx context.Context, env *Env, h state.History, left state.Run) error {
	return recovering(ctx, env, h, left, func(x *recovery) error {
		switch {
		case x.blind:
			return noResume(forgotten)
		case left.Partial || x.back:
			return noResume("something of it was put back already")
		case x.plan.Atomic:
			return noResume("it was one run under one savepoint")
		case x.over():
			return x.putBack(ctx) // records that it had finished
		}
		return x.resume(ctx)
	})
}

func (x *recovery) resume(ctx context.Context) error {
	step := *x.current()
	if all := x.save.all(); len(all) > 0 && all[len(all)-1].Maybe {
		last := all[len(all)-1].Place
		return noResume("whether statement %d (%s) ran cannot be seen", last.Statement+1, at(x.plan.Steps, last).Effect.Kind)
	}
	if f := x.Project.Migration(step.Version); f != nil {
		now, err := plan.NewStep(f, step.Direction, x.Project.Env)
		if err != nil {
			return err
		}
		same := func(a, b plan.Statement) bool { return sqltext.Mask(a.SQL) == sqltext.Mask(b.SQL) }
		if !slices.EqualFunc(now.Statements, step.Statements, same) {
			return noResume("%s was edited since", f.Path)
		}
		step = plan.Consuming([]plan.Step{now}, x.save.Base)[0]
	}
	// What it finished before, and that it ends here: with the begin of ours, which has its savepoint.
	rows, err := x.finishedRows(ctx)
	if err != nil {
		return err
	}
	rows = x.about(append(rows, state.Row{Event: journal.EventEnd, Reason: "resumed"}))
	steps := []plan.Step{step}
	r := &Run{
		wire: x.wire, plan: plan.Plan{Command: x.plan.Command, Steps: steps}, know: newObjects(Reading{State: x.save.Base}),
		indexed: plan.Indexed(steps),
	}
	if r.secrets, err = x.Secrets(ctx, step.Secrets); err != nil {
		return err
	}
	r.save = Savepoint{Base: x.save.Base}
	r.save.Base.Role = "" // it may be another's now
	for _, ran := range x.save.all() {
		ran.Place.Step = 0
		r.save.Ran = append(r.save.Ran, ran)
		r.know.ran(r.at(ran.Place))
	}
	r.start = place{0, x.next.Statement}
	if r.history, err = r.Store.History(ctx); err != nil {
		return err
	}
	if r.moves, err = r.FollowLedger(ctx, r.history, r.plan.Steps, x.save.Base, false); err != nil {
		return err
	}
	// goose is to apply it; the journal may say so of an earlier time only.
	if err := r.begin(ctx, r.save.Base, &begun{Ran: r.save.Ran, Start: &r.start}, rows); err != nil {
		return err
	}
	r.openWork()
	if err := r.sayAgain(ctx, &step, r.start.Statement); err != nil {
		return err
	}
	r.Note(event.Info, "going on with migration %s at statement %d of %d", step.String(), r.start.Statement+1, len(step.Statements))
	if err := r.steps(ctx); err != nil {
		return err
	}
	r.Sink(event.Summary{Command: "migrate recover", Text: fmt.Sprintf("migration %s is finished", step.String())})
	return nil
}

// noResume refuses to go on with an interrupted run.
func noResume(format string, args ...any) error {
	return plan.LeftUnfinished("dbctl migrate recover puts it back; dbctl migrate up then runs it again",
		"it cannot be resumed: "+format, args...)
}

// sayAgain says the USE and SET among the first n statements of a step, which an earlier session said, in this one.
func (r *Run) sayAgain(ctx context.Context, step *plan.Step, n int) error {
	for _, st := range step.Statements[:n] {
		if st.Effect.Use == "" && !st.Effect.Session {
			continue
		}
		if _, err := r.sendNext(ctx, step, st); err != nil {
			return errors.Join(noResume("its USE and SET cannot be said again"), err)
		}
	}
	return nil
}

// TakeLock takes the lock and gives it back: whoever held it, or died with it, may have the journal's begin under way; once the lock
// was ours, that comes no more.
func TakeLock(ctx context.Context, env *Env, h state.History) error {
	w, err := acquire(ctx, env, h, []string{"*"})
	if err != nil {
		return err
	}
	w.release(ctx)
	return nil
}
