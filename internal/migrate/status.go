package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/migrate/run"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// Status is every migration and its state.
type Status struct {
	Migrations []event.Migration
	Notes      []event.Note
}

// Status reads the state of every migration, and what rollbacks kept beside: two requests beside each other, nothing written. It
// emits nothing; Show does.
func (m *Migrator) Status(ctx context.Context) (Status, error) {
	var h state.History
	var left []string
	asked, both := errgroup.WithContext(ctx)
	asked.Go(crash.Caught(func() (err error) {
		h, err = m.store.History(both)
		return err
	}))
	asked.Go(crash.Caught(func() (err error) {
		session := m.o.Server.Session(nil)
		defer session.Close()
		left, err = savepoint.Leftovers(both, session, m.p.Env.Database)
		return err
	}))
	if err := asked.Wait(); err != nil {
		return Status{}, err
	}
	was, err := m.texts(ctx, h)
	if err != nil {
		return Status{}, err
	}
	s := statusOf(m.p, h, was)
	if len(left) > 0 && len(h.Unfinished) == 0 { // a run that goes on, or was cut off, has them for its own way back
		s.Notes = append(s.Notes, event.Note{Level: event.Warn, Text: "a rollback kept these beside: " + strings.Join(left, ", ")})
	}
	return s, nil
}

// Show emits a status as events.
func (m *Migrator) Show(s Status) {
	for _, n := range s.Notes {
		m.o.Sink(n)
	}
	for _, e := range s.Migrations {
		m.o.Sink(e)
	}
}

// statusOf compares the folder with the journal, offline.
func statusOf(p *project.Project, h state.History, was plan.Texts) Status {
	var s Status
	byVersion := map[int64]*event.Migration{}
	add := func(version int64, name string, st event.MigrationState, reason string, v state.Version) *event.Migration {
		e := &event.Migration{Version: version, Name: name, State: st, Reason: reason}
		if !v.At.IsZero() && v.State == journal.Applied {
			at := v.At
			e.AppliedAt, e.TookMS = &at, v.Took.Milliseconds()
		}
		byVersion[version] = e
		return e
	}
	for i := range p.Migrations {
		m := &p.Migrations[i]
		v := h.Versions[m.Version]
		st, reason := journal.Pending, ""
		switch v.State {
		case journal.Applied, journal.RolledBack, journal.Partial:
			st, reason = v.State, v.Reason
		case journal.Unsupported:
			if v.Sums == plan.SumsOf(m) {
				st, reason = v.State, v.Reason
			}
		}
		add(m.Version, m.Name, st, reason, v)
	}
	for _, v := range h.Versions {
		if byVersion[v.Version] == nil && v.State == journal.Partial {
			add(v.Version, v.Name, v.State, v.Reason, v)
		}
	}
	notes, problems := plan.Compare(p, h, was, func(version int64, st event.MigrationState, reason string) {
		v := h.Versions[version]
		add(version, v.Name, st, reason, v)
	})
	s.Notes = append(s.Notes, notes...)
	for _, err := range problems {
		if e, ok := errors.AsType[*PlanError](err); ok && byVersion[e.Version] != nil {
			s.Notes = append(s.Notes, event.Note{
				Level: event.Hint,
				Text:  fmt.Sprintf("%d is %s: %s", e.Version, byVersion[e.Version].State, e.Hint()),
			})
		}
	}
	for _, r := range h.Unfinished {
		if r.Alive {
			s.Notes = append(s.Notes, event.Note{Level: event.Info, Text: run.Describe(r)})
			continue
		}
		next := "dbctl migrate recover, or the next up, down or redo, puts it back"
		if r.Partial {
			next = "something of it could not be put back; mend it, then: dbctl migrate recover"
		}
		s.Notes = append(s.Notes, event.Note{Level: event.Warn, Text: run.Describe(r) + ": " + next})
		if !r.Partial {
			interrupted(r, byVersion, add)
		}
	}
	for _, e := range byVersion {
		s.Migrations = append(s.Migrations, *e)
	}
	slices.SortFunc(s.Migrations, func(a, b event.Migration) int { return int(a.Version - b.Version) })
	return s
}

// interrupted gives the versions of a run that was cut off their states: what its mark passed is done, though the journal does
// not say so yet.
func interrupted(
	r state.Run, byVersion map[int64]*event.Migration, add func(int64, string, event.MigrationState, string, state.Version) *event.Migration,
) {
	from, last := 0, len(r.Plan)-1
	if f, l, ok := run.Progress(r.Claim); ok {
		from, last = f, l
	}
	for i, p := range r.Plan {
		e := byVersion[p.Version]
		if e == nil {
			e = add(p.Version, p.Name, "", "", state.Version{})
		}
		switch {
		case i < from && p.Direction == event.Down:
			e.State, e.Reason = journal.Pending, "taken back by an unfinished run"
		case i < from:
			e.State, e.Reason = journal.Applied, "by an unfinished run"
		case i <= last:
			e.State, e.Reason = event.Interrupted, "by an unfinished run"
		}
	}
}

// Accept records the checksums of edited files as those that were applied: of all of them, or of none.
func (m *Migrator) Accept(ctx context.Context, versions []int64, reason string) error {
	if reason == "" {
		return plan.NeedsReason(plan.Edited, versions[0], "accepting an edit")
	}
	return m.record(ctx, func(h state.History) (rows []state.Row, events []event.Migration, err error) {
		for _, version := range versions {
			f := m.p.Migration(version)
			if f == nil {
				return nil, nil, plan.NoSuchVersion(version)
			}
			v := h.Versions[version]
			if v.State != journal.Applied {
				return nil, nil, plan.NotApplied(f)
			}
			rows = append(rows, plan.Record(journal.EventAccept, f, reason))
			events = append(events, event.Migration{
				Version: version, Name: f.Name, State: journal.Applied, AppliedAt: &v.At, Reason: "accepted: " + reason,
			})
		}
		return rows, events, nil
	})
}

// Baseline records every migration up to version as applied, without running it: for a database that is as they would make it.
func (m *Migrator) Baseline(ctx context.Context, version int64, reason string) error {
	return m.record(ctx, func(h state.History) ([]state.Row, []event.Migration, error) {
		if m.p.Migration(version) == nil {
			return nil, nil, plan.NoSuchVersion(version)
		}
		var rows []state.Row
		var events []event.Migration
		for i := range m.p.Migrations {
			f := &m.p.Migrations[i]
			if f.Version > version || h.Versions[f.Version].State == journal.Applied {
				continue
			}
			rows = append(rows, plan.Record(journal.EventBaseline, f, reason))
			events = append(events, event.Migration{Version: f.Version, Name: f.Name, State: journal.Applied, Reason: "recorded, not run"})
		}
		return rows, events, nil
	})
}

// record writes rows that say something without running anything.
func (m *Migrator) record(ctx context.Context, make func(state.History) ([]state.Row, []event.Migration, error)) error {
	for range replans {
		h, err := m.store.History(ctx)
		if err != nil {
			return err
		}
		if left, ok := unfinished(h); ok && !left.Alive {
			return plan.LeftUnfinished("dbctl migrate recover", "%s must be finished first", run.Describe(left))
		}
		rows, events, err := make(h)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			m.env.Note(event.Info, "all that is recorded as applied already: nothing was written")
			return nil
		}
		l, err := m.store.Acquire(ctx, state.LockOptions{
			TTL: m.o.LockTTL, Wait: m.o.LockWait, Run: m.o.Run, Actor: m.o.Actor,
			Note: func(text string) { m.env.Note(event.Warn, "%s", text) },
		}, h)
		if err != nil {
			return err
		}
		err = l.Begin(ctx, h, rows...)
		m.env.NoteHeld(l, l.Release(context.WithoutCancel(ctx)))
		if errors.Is(err, state.ErrMoved) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if err == nil {
			for _, e := range events {
				m.o.Sink(e)
			}
		}
		return err
	}
	return state.ErrMoved
}
