package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
)

// resume goes on with the interrupted migration at the statement that is really next, as a run of its own that has the same savepoint.
// What of the unfinished run comes after that migration is left to the next up.
func (m *Migrator) resume(ctx context.Context, h state.History, left state.Run) error {
	c, err := m.takeOver(ctx, h, left)
	if err != nil {
		return err
	}
	err = c.goOn(ctx)
	if rel := c.release(ctx); err == nil {
		err = rel
	}
	return err
}

func (c *cutOff) goOn(ctx context.Context) error {
	m := c.m
	if c.left.Partial {
		return noResume("something of it was put back already")
	}
	if c.plan.atomic {
		return noResume("it was one run under one savepoint")
	}
	if c.current >= len(c.plan.Steps) {
		return c.rollBack(ctx) // records that it had finished
	}
	step := c.plan.Steps[c.current]
	next, err := c.next(ctx)
	if err != nil {
		return err
	}
	f := m.p.Migration(step.Version)
	if f != nil {
		now, err := newStep(f, step.Direction, m.p.Env.Database)
		if err != nil {
			return err
		}
		if !sameStatements(now, step) {
			return noResume("%s was edited since", f.Path)
		}
		step = now
		consume([]Step{step}, c.base)
	}
	for _, st := range step.Statements[:min(next.Statement, len(step.Statements))] {
		if st.Unit != 0 && next.Statement < len(step.Statements) && step.Statements[next.Statement].Unit == st.Unit {
			return noResume("it stopped inside BEGIN … COMMIT")
		}
	}
	// What it finished before, and that it ends here: with the begin of ours, which has its savepoint.
	rows, err := c.outcomeRows(ctx)
	if err != nil {
		return err
	}
	rows = append(slices.DeleteFunc(rows, c.known), state.Row{Event: state.EventEnd, Reason: "resumed"})
	for i := range rows {
		rows[i].Subject = c.left.ID
	}
	for i := range c.ran {
		c.ran[i].Place.Step = 0
	}
	secrets, err := m.secrets(ctx, step.Secrets)
	if err != nil {
		return err
	}
	r := c.run
	r.plan = Plan{Command: c.left.Command, Steps: []Step{step}}
	r.secrets, r.start, r.from, r.finished = secrets, next, 0, nil
	r.before.State = r.base
	r.again = catalog.State{}
	if r.h, err = m.store.History(ctx); err != nil {
		return err
	}
	if r.moves, err = m.followLedger(ctx, r.h, r.plan.Steps, r.before.State); err != nil {
		return err
	}
	// goose is to apply it; the journal may say so of an earlier time only.
	if err := r.begin(ctx, &begun{Ran: r.ran, Start: &next}, rows); err != nil {
		return err
	}
	if err := r.openWork(ctx, &step); err != nil {
		return err
	}
	if err := r.sayAgain(ctx, &step, next.Statement); err != nil {
		return err
	}
	m.note("info", "going on with migration %s at statement %d of %d", step.String(), next.Statement+1, len(step.Statements))
	if err := r.steps(ctx); err != nil {
		return err
	}
	m.o.Sink(event.Summary{Command: "migrate recover", Text: fmt.Sprintf("migration %s is finished", step.String())})
	return nil
}

// noResume refuses to go on with an interrupted run.
func noResume(format string, args ...any) error {
	return &PlanError{
		Kind: Unfinished, Msg: "it cannot be resumed: " + fmt.Sprintf(format, args...),
		hint: "dbctl migrate recover puts it back; dbctl migrate up then runs it again", code: 4,
	}
}

// next is the statement of the current step that really comes next. Whether one ran whose answer is missing, it looks.
func (c *cutOff) next(ctx context.Context) (place, error) {
	next := place{0, c.k.Next.Statement}
	if c.k.Next.Step != c.current {
		next.Statement = 0
	}
	n := len(c.ran)
	if n == 0 {
		return next, nil
	}
	last := &c.ran[n-1]
	next.Statement = last.Place.Statement + 1
	if !last.maybe {
		return next, nil
	}
	did, err := c.did(ctx, *last)
	if err != nil {
		return next, err
	}
	switch did {
	case unclear:
		return next, noResume("whether statement %d (%s) ran cannot be seen", last.Place.Statement+1, c.statementAt(last.Place).Effect.Kind)
	case yes:
		last.maybe = false
	case no:
		next.Statement--
		c.ran = c.ran[:n-1]
	}
	return next, nil
}

// sayAgain says the USE and SET among the first n statements of a step, which an earlier session said, in this one.
func (r *run) sayAgain(ctx context.Context, step *Step, n int) error {
	for _, st := range step.Statements[:n] {
		if st.Effect.Use == "" && !st.Effect.Session {
			continue
		}
		if _, err := r.send(ctx, step, st); err != nil {
			return errors.Join(noResume("its USE and SET cannot be said again"), err)
		}
	}
	return nil
}

func sameStatements(a, b Step) bool {
	return slices.EqualFunc(a.Statements, b.Statements, func(x, y Statement) bool { return sqltext.Mask(x.SQL) == sqltext.Mask(y.SQL) })
}

// answer says whether a statement ran.
type answer int

const (
	unclear answer = iota
	yes
	no
)

// did finds out whether a statement that may have run did, from what is there now.
func (c *cutOff) did(ctx context.Context, x ran) (answer, error) {
	st := c.statementAt(x.Place)
	if len(st.Effect.Writes) == 0 || st.Effect.Unknown || st.Effect.DML {
		return unclear, nil
	}
	var objects []sqltext.Object
	for _, w := range st.Effect.Writes {
		objects = append(objects, w.Object)
	}
	now, err := catalog.Capture(ctx, c.m.store.Conn(), objects)
	if err != nil {
		return unclear, fmt.Errorf("look whether the last statement ran: %w", err)
	}
	// Only the first write decides, and only where no earlier statement of the savepoint wrote the same object.
	w := st.Effect.Writes[0]
	is, _ := now.Find(w.Object)
	was, _ := c.base.Find(w.Object)
	first := !slices.ContainsFunc(c.ran[:len(c.ran)-1], func(e ran) bool {
		return slices.ContainsFunc(c.statementAt(e.Place).Effect.Writes, func(o effect.Write) bool { return o.Object == w.Object })
	})
	if ev := evidenceOf(st.Effect); ev != "" && first {
		before, _ := c.base.Find(ev.object(st.Effect))
		if did := ev.shows(st.Effect, ev.in(before, st.Effect), now, x.At); did != unclear {
			return did, nil
		}
	}
	say := func(b bool) (answer, error) {
		if b {
			return yes, nil
		}
		return no, nil
	}
	switch w.Verb {
	case effect.Create, effect.Undrop, effect.RenameIn:
		return say(is.Exists)
	case effect.Drop, effect.RenameOut:
		return say(!is.Exists)
	case effect.CreateNew:
		if is.Exists {
			return yes, nil // once more changes nothing, and not at all either
		}
		return no, nil
	case effect.Alter, effect.WriteData:
		head := x.Heads[is.ID]
		if head == "" && first {
			head = was.Head
		}
		if head != "" && !w.Changes(effect.Indexes|effect.Options|effect.Constraints) {
			return say(is.Head != head)
		}
		if first && is.Exists && was.Exists && is.Definition() != was.Definition() {
			return yes, nil
		}
	}
	return unclear, nil
}
