package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
		j, err := l.Ready(ld)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		jobs = append(jobs, j)
	}
	return errors.Join(append([]error{l.listAll(ctx, jobs, sink)}, wrong...)...)
}

// listAll emits a LoadState for each load.
func (l *Planner) listAll(ctx context.Context, jobs []*source.Load, sink event.Sink) error {
	if len(jobs) == 0 {
		return nil
	}
	places, err := l.places(ctx, jobs...)
	if err != nil {
		return err
	}
	looks := make([]*look, len(jobs))
	for i, j := range jobs {
		looks[i] = newListed(j, places[i])
	}
	if err := l.window(ctx, looks); err != nil {
		return err
	}
	reasons, err := l.count(ctx, looks)
	if err != nil {
		return err
	}
	for i, k := range looks {
		e := k.listed()
		if e.Reason = reasons[i]; e.Reason == "" {
			if err := l.account(ctx, k.Plan); err != nil { // another load may fill it
				return err
			}
			if err := k.Refusal(Options{}); err != nil {
				e.Reason = err.Error()
			}
		}
		sink(e)
	}
	return nil
}

// newListed is a look for the list.
func newListed(j *source.Load, at place) *look {
	k := newLook(j, at, Want{Vanished: true})
	k.sums = true
	return k
}

// listed is what the list says of a load.
func (k *look) listed() event.LoadState {
	t, fuse := k.tally, k.scope.place.fuse
	e := event.LoadState{
		Load: k.Load, Table: k.Table, Counts: map[event.FileState]int64{}, Rows: t.total.Rows - t.emptiedRows,
		NewBytes: k.Counts[event.New].Bytes,
		NoTable:  k.TableID == "", Outside: t.outside, Late: k.late(),
	}
	if fuse && k.TableRows == 0 {
		e.Rows = 0
	}
	if fuse {
		e.Missing = max(0, e.Rows-k.TableRows)
	}
	for s, c := range k.Counts {
		e.Counts[s] = c.Files
	}
	if said := t.total.Said; !said.IsZero() {
		e.LastRun = &said
	}
	if t.failedPath != "" {
		e.Failure = fmt.Sprintf("failed %s: %s: %s", t.failed.At.Format(time.DateTime), t.failedPath, t.failed.Text)
	}
	return e
}

// late says how long ago the last file was loaded, where that is longer than the load expects; "" when it is not.
func (k *look) late() string {
	expect, loaded := k.Job.ExpectEvery, k.tally.total.Loaded
	if expect == 0 {
		return ""
	}
	if loaded.IsZero() {
		return fmt.Sprintf("late: nothing loaded yet, expected every %s", hours(expect))
	}
	if age := k.At().Sub(loaded); age > expect {
		return fmt.Sprintf("late: nothing loaded for %s, expected every %s", hours(age), hours(expect))
	}
	return ""
}

// hours is a length of time as a header has it: 36h, 3d.
func hours(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
	text := strings.Replace(d.Truncate(time.Minute).String(), "m0s", "m", 1)
	return strings.Replace(text, "h0m", "h", 1)
}

// count counts the files of looks, all at once, or one by one where that fails. It returns why some could not be looked at, in the
// server's words or in ours; an error is of the way to the server.
func (l *Planner) count(ctx context.Context, looks []*look) (reasons []string, err error) {
	reasons = make([]string, len(looks))
	var there []*look
	for i, k := range looks {
		if k.TableID == "" {
			reasons[i] = k.Job.NoTable().Msg
		} else if err := k.scope.place.err; err != nil {
			reasons[i] = err.Error()
		} else {
			there = append(there, k)
		}
	}
	if l.see(ctx, there) == nil {
		return reasons, nil
	}
	for i, k := range looks {
		if reasons[i] != "" {
			continue
		}
		scope := k.scope
		*k = *newListed(k.Job, scope.place)
		k.scope = scope
		if err := l.see(ctx, []*look{k}); err != nil {
			ours, _ := errors.AsType[*fault.Error](err)
			said := ours != nil && ours.Err == nil // about a file by HTTP
			if ctx.Err() != nil || !said && !databend.IsAnswered(err) {
				return nil, fault.Wrap(k.Load, "look at the files", err)
			}
			reasons[i] = k.Job.Placed(err).Error()
		}
	}
	return reasons, nil
}
