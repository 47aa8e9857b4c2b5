package run

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// interrupted is a run that was cut off, as the journal, its last mark and the catalogue tell.
type interrupted struct {
	id       string
	plan     plan.Plan
	before   catalog.State // of the run's begin
	save     Savepoint
	finished []finished
	next     place // the statement that comes next; in step len(plan.Steps): all are finished
	back     bool  // its rollback has begun
	rec      state.Record
}

// over reports whether all of it ran.
func (x *interrupted) over() bool { return x.next.Step >= len(x.plan.Steps) }

// current is the step that was interrupted.
func (x *interrupted) current() *plan.Step { return &x.plan.Steps[x.next.Step] }

// decode reads what the journal has of a run: its plan, made again from the journaled texts, the state before it, and its last mark.
// What of the mark's group ran is asked next (look).
func decode(p *project.Project, id string, rec state.Record) (*interrupted, mark, error) {
	x := &interrupted{id: id, rec: rec}
	k := mark{Last: place{0, -1}}
	bad := func(what string, err error) error { return fmt.Errorf("read the %s of run %s: %w", what, id, err) }
	var before catalog.State
	trails := map[[2]int]trailRow{} // by step and number
	for _, row := range rec.Rows {
		switch {
		case row.Event == journal.EventBegin && row.Run == id:
			var b begun
			if err := json.Unmarshal([]byte(row.Before), &before); err != nil {
				return nil, k, bad("begin", err)
			}
			if err := json.Unmarshal([]byte(row.Detail), &b); err != nil {
				return nil, k, bad("begin", err)
			}
			x.plan.Command, x.plan.Atomic = row.Name, b.Atomic
			k.Ran = b.Ran
			if b.Start != nil {
				k.Next, k.Last = *b.Start, place{b.Start.Step, b.Start.Statement - 1}
			}
		case row.Event == journal.EventPlan && row.Run == id:
			s, err := plan.Journaled(p, row)
			if err != nil {
				return nil, k, err
			}
			x.plan.Steps = append(x.plan.Steps, s)
		case row.Event == journal.EventRecapture && row.Run == id:
			var t trailRow
			if err := json.Unmarshal([]byte(row.Detail), &t); err != nil {
				return nil, k, bad("trail", err)
			}
			trails[[2]int{t.From, t.Number}] = t
		}
	}
	x.before = before
	x.plan.Steps = plan.Consuming(x.plan.Steps, before)
	if len(rec.Mark) > 0 {
		k = mark{}
		if err := json.Unmarshal(rec.Mark, &k); err != nil {
			return nil, k, bad("mark", err)
		}
	}
	x.save = Savepoint{From: k.From, Base: before}
	for n := range k.Trail {
		t, ok := trails[[2]int{k.From, n}]
		if !ok {
			return nil, k, fmt.Errorf("read the trail of run %s: part %d of step %d is missing", id, n, k.From)
		}
		x.save.follow(t.trail)
		x.save.move()
	}
	x.save.follow(k.trail)
	for i := range k.From {
		x.finished = append(x.finished, finished{step: i})
	}
	x.next, x.back = k.Next, k.Back
	return x, k, nil
}

// follow takes a part of the trail.
func (s *Savepoint) follow(t trail) {
	s.Ran = append(s.Ran, t.Ran...)
	if t.Later != nil {
		s.learn(*t.Later)
	}
}

// look works out what ran of the group that the last mark covers: all up to the last statement whose evidence is there. One without
// evidence, and a transaction, may have run.
func (x *interrupted) look(ctx context.Context, env *Env, k mark) error {
	if k.Last.before(k.Next) { // no mark was made yet, or its rollback has begun
		return x.save.learnOwn(x.plan, x.rec.Rows)
	}
	steps := x.plan.Steps
	if len(k.Before) == 0 {
		for p := k.Next; !k.Last.before(p); p = after(steps, p) {
			if e := at(steps, p).Effect; e.Class != effect.None || e.Unknown {
				x.save.Ran = append(x.save.Ran, Ran{Place: p, At: k.At, Heads: k.Heads, Maybe: true})
			}
		}
		if err := x.save.learnOwn(x.plan, x.rec.Rows); err != nil {
			return err
		}
		if all := x.save.all(); len(all) > 0 && !all[len(all)-1].Place.before(k.Next) {
			x.next = place{k.Last.Step, k.Last.Statement + 1} // of the same step, which is not finished: it may not have run
		}
		return nil
	}
	var group []place
	var statements []plan.Statement
	for p := k.Next; !k.Last.before(p); p = after(steps, p) {
		group, statements = append(group, p), append(statements, at(steps, p))
	}
	if len(group) != len(k.Before) {
		return fmt.Errorf("read the mark of run %s: it covers %d statements and describes %d", x.id, len(group), len(k.Before))
	}
	now, err := env.Capture(ctx, written(statements...))
	if err != nil {
		return fmt.Errorf("look what run %s did: %w", x.id, err)
	}
	ran := 0
	for i, st := range statements {
		if evidenceOf(st.Effect).shows(st.Effect, k.Before[i], now.State, k.At, x.save.until) {
			ran = i + 1
		}
	}
	for i, p := range group[:ran] {
		x.save.Ran = append(x.save.Ran, Ran{Place: p, At: k.At, Heads: k.Heads})
		x.next = place{p.Step, p.Statement + 1}
		// A migration with a savepoint is finished when something behind it ran.
		behind := i+1 < ran && group[i+1].Step > p.Step
		alone := sole(x.plan, p.Step) && !(k.Carries && p.Step == k.Next.Step)
		if !x.plan.Atomic && (behind || alone) {
			x.finish(p.Step + 1)
		}
	}
	return x.save.learnOwn(x.plan, x.rec.Rows)
}

// finish notes that the steps before i are finished: the savepoint begins there.
func (x *interrupted) finish(i int) {
	for n := len(x.finished); n < i; n++ {
		x.finished = append(x.finished, finished{step: n})
	}
	x.save = Savepoint{From: i, Base: x.save.Base, until: x.save.until}
	x.next = place{i, 0}
}

// Progress says what of an unfinished run is certain without looking at the catalogue: the steps before from are finished, those up to
// last were under way. ok is false when it made no mark.
func Progress(claim *state.Claim) (from, last int, ok bool) {
	var k mark
	if claim == nil || len(claim.Mark) == 0 || json.Unmarshal(claim.Mark, &k) != nil || k.Prefix == "" {
		return 0, 0, false
	}
	return k.From, k.Last.Step, true
}
