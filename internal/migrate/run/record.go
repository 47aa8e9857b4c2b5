package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// outcomeRows are the journal's rows of the finished steps, with the definitions as they are now, and of those that were skipped.
func (w *wire) outcomeRows(ctx context.Context, p plan.Plan, done []finished) ([]state.Row, error) {
	var steps []plan.Step
	for _, f := range done {
		steps = append(steps, p.Steps[f.step])
	}
	var after catalog.State
	if writes := plan.Writes(steps); len(writes) > 0 {
		var err error
		if after, err = catalog.Left(ctx, w.Store.Conn(), writes); err != nil {
			return nil, fmt.Errorf("after the run: %w", err)
		}
	}
	var rows []state.Row
	for i, f := range done {
		s := steps[i]
		own := catalog.State{Server: after.Server, At: after.At}
		for _, o := range plan.Writes(steps[i : i+1]) {
			if now, ok := after.Find(o); ok {
				own.Objects = append(own.Objects, now)
			}
		}
		b, err := json.Marshal(own)
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		row := state.Row{
			Event: journal.EventApplied, Version: s.Version, Name: s.Name, Direction: s.Direction, Sums: s.Sums,
			Statements: int64(len(s.Statements)), After: string(b), TookMS: f.took.Milliseconds(), QueryIDs: strings.Join(f.ids, ","),
		}
		if s.Direction == event.Down {
			row.Event = journal.EventDown
		}
		rows = append(rows, row)
	}
	for _, s := range p.Skipped {
		if !s.Known {
			rows = append(rows, state.Row{
				Event: journal.EventUnsupported, Version: s.Version, Name: s.Name, Direction: event.Up, Sums: s.Sums,
				Reason: s.Reason, Statements: int64(s.Refused),
			})
		}
	}
	return rows, nil
}

// recordFailure journals what became of a run that failed: what it finished before stays, the rest is rolled back, or partly so
// and then without an end.
func (r *Run) recordFailure(ctx context.Context, report savepoint.Report, e *Error) error {
	rows, err := r.outcomeRows(ctx, r.plan, r.finished)
	if err != nil {
		return err
	}
	failed, err := failureRows(r.plan, r.save, e, r.lock.Claim(), r.ids)
	if err != nil {
		return err
	}
	rows = append(rows, failed...)
	if !e.Left {
		rows = append(rows, state.Row{Event: journal.EventEnd})
	}
	if err := r.undone(ctx, r.plan, r.save, report); err != nil {
		return err
	}
	return r.lock.Append(ctx, rows...)
}

// failureRows are the rows of the versions that were put back: those of the savepoint that began. claim is the last of the run, for one
// that is left in part; ids are the query ids of the version that failed.
func failureRows(p plan.Plan, save Savepoint, e *Error, claim string, ids []string) ([]state.Row, error) {
	if e.Interrupted && save.empty() {
		return nil, nil // between two migrations: none was tried
	}
	detail, err := json.Marshal(e.Outcomes)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var rows []state.Row
	// Of a version that went down and up again, the first direction says what it was before.
	for _, s := range oneEach(save.steps(p, e.Version), false) {
		row := state.Row{
			Event: journal.EventRolledBack, Version: s.Version, Name: s.Name, Direction: s.Direction, Sums: s.Sums, Detail: string(detail),
			Reason: firstLine(e.Err.Error()),
		}
		if e.Left {
			row.Event, row.Before = journal.EventPartial, claim
		}
		if s.Version == e.Version {
			row.QueryIDs = strings.Join(ids, ",")
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// steps are those that a rollback to the savepoint takes back when a version fails.
func (s *Savepoint) steps(p plan.Plan, failed int64) []plan.Step {
	last := s.From
	for i, step := range p.Steps {
		if i >= s.From && step.Version == failed {
			last = i
		}
	}
	return p.Steps[s.From : last+1]
}

// oneEach are the first steps of each version, or the last.
func oneEach(steps []plan.Step, last bool) []plan.Step {
	var out []plan.Step
	for _, s := range steps {
		i := slices.IndexFunc(out, func(x plan.Step) bool { return x.Version == s.Version })
		switch {
		case i < 0:
			out = append(out, s)
		case last:
			out[i] = s
		}
	}
	return out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
