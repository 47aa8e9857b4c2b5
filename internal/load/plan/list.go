package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
)

// List emits a LoadState for each load: its files by state, its rows and its last run; of a load with a window
// the new files outside of it by themselves. It is a constant number of queries for all of them; where one of them cannot be asked (its
// stage is not there), one more for each.
func (l *Planner) List(ctx context.Context, loads []project.Load, sink event.Sink) error {
	var jobs []*source.Load
	var wrong []error // of loads that cannot be read: the others are listed all the same
	for _, ld := range loads {
		j, err := source.New(ld, l.Scope.Project, l.Scope.Database)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		jobs = append(jobs, j)
	}
	return errors.Join(append([]error{l.list(ctx, jobs, sink)}, wrong...)...)
}

// list emits a LoadState for each load.
func (l *Planner) list(ctx context.Context, jobs []*source.Load, sink event.Sink) error {
	if len(jobs) == 0 {
		return nil
	}
	places, err := l.places(ctx, jobs...)
	if err != nil {
		return err
	}
	plans := make([]*Plan, len(jobs))
	for i, j := range jobs {
		plans[i] = l.newPlan(j, places[i], Want{Vanished: true})
		plans[i].scope.sums = true
	}
	if err := l.recent(ctx, false, plans...); err != nil {
		return err
	}
	for _, p := range plans {
		if p.Windowed() { // what lies outside is named, too
			p.scope.recent, p.scope.prefixes = p.scope.prefixes, []string{p.Job.Prefix}
		}
	}
	reasons, err := l.count(ctx, plans)
	if err != nil {
		return err
	}
	for i, p := range plans {
		e := event.LoadState{
			Load: p.Load, Table: p.Table, Counts: map[State]int64{}, Rows: p.knownRows - p.emptiedRows,
			NoTable: p.TableID == "", Reason: reasons[i],
		}
		if p.scope.place.fuse && p.TableRows == 0 {
			e.Rows = 0
		}
		if p.scope.place.fuse {
			e.Missing = max(0, e.Rows-p.TableRows)
		}
		for s, c := range p.Counts {
			e.Counts[s] = c.Files
		}
		e.NewBytes = p.Counts[New].Bytes
		if p.lastWord > 0 {
			at := time.UnixMicro(p.lastWord).UTC()
			e.LastRun = &at
		}
		e.Outside, e.Late = p.outside, p.late()
		if p.failedPath != "" {
			e.Failure = fmt.Sprintf("failed %s: %s: %s", p.lastFailed.at.Format(time.DateTime), p.failedPath, p.lastFailed.text)
		}
		if p.TableRows > 0 && !p.Known && e.Reason == "" { // another load may fill it
			if p.Known, err = l.knows(ctx, p); err != nil {
				return fault.Wrap(p.Load, "read the ledger", err)
			}
		}
		if err := p.Refusal(Options{}); e.Reason == "" && err != nil {
			e.Reason = err.Error()
		}
		sink(e)
	}
	return nil
}

// late says how long ago the last file was loaded, where that is longer than the load expects; "" when it is not.
func (p *Plan) late() string {
	expect := p.Job.ExpectEvery
	if expect == 0 {
		return ""
	}
	if p.lastLoaded == 0 {
		return fmt.Sprintf("late: nothing loaded yet, expected every %s", hours(expect))
	}
	if age := p.At().Sub(time.UnixMicro(p.lastLoaded)); age > expect {
		return fmt.Sprintf("late: nothing loaded for %s, expected every %s", hours(age), hours(expect))
	}
	return ""
}

// hours is a length of time as a header has it: 36h, 3d.
func hours(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
	return d.Truncate(time.Minute).String()
}

// count counts the files of plans, all at once, or one by one where that fails. It returns why some could not be looked at, in the
// server's words; an error is of the way to it.
func (l *Planner) count(ctx context.Context, plans []*Plan) (reasons []string, err error) {
	reasons = make([]string, len(plans))
	var there []*Plan
	for i, p := range plans {
		if p.TableID == "" {
			reasons[i] = p.Job.NoTable().Error()
			continue
		}
		if err := p.scope.place.err; err != nil {
			reasons[i] = err.Error()
			continue
		}
		there = append(there, p)
	}
	if err := l.files(ctx, there, false); err == nil {
		return reasons, nil
	}
	for i, p := range plans {
		if reasons[i] != "" {
			continue
		}
		*p = *p.fresh()
		if err := l.files(ctx, []*Plan{p}, false); err != nil {
			if e, ok := errors.AsType[*databend.Error](err); ctx.Err() != nil || !ok || e.Code == 0 {
				return nil, fault.Wrap(p.Load, "look at the files", err)
			}
			reasons[i] = p.Job.Placed(err).Error()
		}
	}
	return reasons, nil
}
