package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// The ways of Recover.
const (
	RollBack       = ""                 // put it back
	Resume         = "resume"           // go on with the interrupted migration
	MarkApplied    = "mark-applied"     // a person says that it is as after it
	MarkRolledBack = "mark-rolled-back" // a person says that it is as before it
)

// Recover finishes an unfinished run: of a process that was killed, or that could not put everything back. how is RollBack, Resume,
// MarkApplied or MarkRolledBack, the last two with a reason.
func (m *Migrator) Recover(ctx context.Context, how, reason string) error {
	h, err := m.store.History(ctx)
	if err != nil {
		return err
	}
	left, ok := unfinished(h)
	if !ok && h.Claimed {
		// Whoever holds the lock, or died with it, may have the journal's begin under way: once the lock is ours, that comes no more.
		r := &run{m: m, h: h}
		if _, err := r.acquire(ctx, []string{"*"}); err != nil {
			return err
		}
		if err := r.release(ctx); err != nil {
			return err
		}
		if h, err = m.store.History(ctx); err != nil {
			return err
		}
		left, ok = unfinished(h)
	}
	if !ok {
		m.o.Sink(event.Summary{Command: "migrate recover", Text: "nothing is unfinished"})
		return nil
	}
	if (how == MarkApplied || how == MarkRolledBack) && reason == "" {
		return &PlanError{Kind: Unfinished, Msg: "a person's word needs a reason", hint: "add --reason \"why\"", code: 2}
	}
	switch how {
	case RollBack:
		return m.putBack(ctx, h, left)
	case Resume:
		return m.resume(ctx, h, left)
	}
	return m.mark(ctx, h, left, how, reason)
}

// cutOff is an unfinished run as it was read and fenced off by another one.
type cutOff struct {
	*run    // as it was: its plan, savepoint and what ran; with our lock
	left    state.Run
	rec     state.Record
	k       mark
	current int // the step that was interrupted; len(plan.Steps) when all are finished
}

// takeOver takes the lock, makes sure that nothing of the unfinished run is under way any more, journals its last mark and reads
// how far it came. The caller releases the lock.
func (m *Migrator) takeOver(ctx context.Context, h state.History, left state.Run) (*cutOff, error) {
	m.note("warn", "%s is found", describe(left))
	r := &run{m: m, h: h}
	if _, err := r.acquire(ctx, []string{"*"}); err != nil {
		return nil, err
	}
	c := &cutOff{run: r, left: left}
	if err := c.read(ctx); err != nil {
		return nil, errors.Join(err, r.release(ctx))
	}
	return c, nil
}

// read fences the run off, waits for what is under way, journals the mark, and works out what ran.
func (c *cutOff) read(ctx context.Context) error {
	m := c.m
	if err := c.lock.FenceRun(ctx, c.left.ID); err != nil {
		return err
	}
	var err error
	if c.rec, err = m.store.Record(ctx, c.left.ID); err != nil {
		return err
	}
	if err := c.readPlan(); err != nil {
		return err
	}
	if len(c.rec.Mark) > 0 {
		if err := json.Unmarshal(c.rec.Mark, &c.k); err != nil {
			return fmt.Errorf("read the mark of run %s: %w", c.left.ID, err)
		}
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	if c.k.Prefix != "" {
		// Ours look like that run's, so that who finds us cut off as well finds them; its own count from 1.
		c.prefix, c.sent = c.k.Prefix, 1<<31+rand.IntN(1<<30)
	}
	// What it still journaled while it was being fenced off counts.
	if c.rec, err = m.store.Record(ctx, c.left.ID); err != nil {
		return err
	}
	taken := c.rec.TakeoverRow(c.left.ID)
	if err := c.lock.Append(ctx, taken); err != nil {
		return err
	}
	c.claim = taken.Detail
	return c.reached(ctx)
}

// readPlan makes the run's plan again from the journal's texts.
func (c *cutOff) readPlan() error {
	c.plan = Plan{Command: c.left.Command}
	for _, row := range c.rec.Rows {
		switch row.Event {
		case state.EventBegin:
			if row.Run != c.left.ID {
				continue
			}
			if err := json.Unmarshal([]byte(row.Before), &c.before.State); err != nil {
				return fmt.Errorf("read the begin of run %s: %w", c.left.ID, err)
			}
			var b begun
			if err := json.Unmarshal([]byte(row.Detail), &b); err != nil {
				return fmt.Errorf("read the begin of run %s: %w", c.left.ID, err)
			}
			c.plan.atomic = b.Atomic
			c.k.Ran = b.Ran
			if b.Start != nil {
				c.start = *b.Start
				c.k.Next, c.k.Last = *b.Start, place{b.Start.Step, b.Start.Statement - 1}
			} else {
				c.k.Last = place{0, -1}
			}
		case state.EventPlan:
			s := Step{
				Version: row.Version, Name: row.Name, Direction: row.Direction, Sums: row.Sums, UpText: row.UpText, DownText: row.DownText,
				consent: map[string]bool{},
			}
			if f := c.m.p.Migration(row.Version); f != nil {
				s.File = f.Path
			}
			text := row.UpText
			if row.Direction == Down {
				text = row.DownText
			}
			statements, err := c.m.journaled(row.Version, row.Direction, text)
			if err == nil {
				err = s.analyze(statements, c.m.p.Env.Database)
			}
			if err != nil {
				return fmt.Errorf("read the journal's text of version %d: %w", row.Version, err)
			}
			c.plan.Steps = append(c.plan.Steps, s)
		}
	}
	consume(c.plan.Steps, c.before.State)
	return nil
}

// settle waits until no statement of the run is under way: first as long as one may be on its way to the server, then for those that
// run there.
func (c *cutOff) settle(ctx context.Context) error {
	if c.k.Prefix == "" {
		return nil
	}
	if err := sleep(ctx, min(c.lock.TTL()/30, time.Second)); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		res, err := c.m.store.Conn().Query(wait, databend.Statement{
			SQL: "SELECT current_query_id FROM system.processes WHERE left(current_query_id, " + fmt.Sprint(len(c.k.Prefix)) + ")=" + sqltext.Quote(c.k.Prefix),
		})
		if err != nil {
			return fmt.Errorf("look for what run %s still does: %w", c.left.ID, err)
		}
		if len(res.Rows) == 0 {
			return nil
		}
		for _, row := range res.Rows {
			c.m.note("info", "ending statement %s of run %s", row[0].String, c.left.ID)
			if err := c.m.srv.Settle(wait, row[0].String); err != nil {
				return err
			}
		}
	}
}

// reached works out what ran: everything before the mark's next statement, and perhaps what the mark covers.
func (c *cutOff) reached(ctx context.Context) error {
	k := c.k
	c.from, c.ran = k.From, k.Ran
	c.base = c.before.State
	again := k.Again
	if k.AgainRow != "" {
		for _, row := range c.rec.Rows {
			if row.EventID == k.AgainRow {
				again = &catalog.State{}
				if err := json.Unmarshal([]byte(row.Detail), again); err != nil {
					return fmt.Errorf("read the mark of run %s: %w", c.left.ID, err)
				}
			}
		}
	}
	if again != nil {
		c.again = *again
		c.base = c.base.Merge(*again)
	}
	c.current = k.Next.Step
	if k.Last.before(k.Next) { // no mark was made yet
		return nil
	}
	if k.Sole != nil {
		return c.soleReached(ctx)
	}
	last := k.Last
	if k.Next != k.Last && c.statementAt(k.Next).Unit == 0 {
		var err error
		if last, err = c.groupReached(ctx, k); err != nil {
			return err
		}
	}
	for p := k.Next; !last.before(p); {
		if p.Step > c.current && !c.plan.atomic {
			// A group of plain CREATEs went on into this step: those before are finished.
			c.from, c.ran, c.current = p.Step, nil, p.Step
		}
		c.current = max(c.current, p.Step)
		st := c.statementAt(p)
		if st.Effect.Txn == "" {
			c.ran = append(c.ran, ran{Place: p, At: k.At, Heads: k.Heads, maybe: p == last})
		}
		if p.Statement++; p.Statement >= len(c.plan.Steps[p.Step].Statements) {
			p = place{p.Step + 1, 0}
			if p.Step >= len(c.plan.Steps) {
				break
			}
		}
	}
	for i := range c.from {
		c.finished = append(c.finished, finished{step: i})
	}
	if c.k.Next != c.k.Last && last.Statement == len(c.plan.Steps[last.Step].Statements)-1 && c.statementAt(k.Next).Unit == 0 && !c.plan.atomic {
		// The whole group is there, to the end of its step.
		c.finished = append(c.finished, finished{step: last.Step})
		c.current, c.from, c.ran = last.Step+1, last.Step+1, nil
	}
	if err := c.learnOwn(c.rec); err != nil {
		return err
	}
	for _, x := range c.ran {
		for _, w := range c.statementAt(x.Place).Effect.Writes {
			c.written[w.Object] = true
		}
	}
	return nil
}

// groupReached finds how far a group of plain CREATEs came: up to the first whose object is neither there nor was dropped since.
func (c *cutOff) groupReached(ctx context.Context, k mark) (place, error) {
	var objects []sqltext.Object
	var at []place
	for p := k.Next; !k.Last.before(p); {
		for _, w := range c.statementAt(p).Effect.Writes {
			objects = append(objects, w.Object)
			at = append(at, p)
		}
		if p.Statement++; p.Statement >= len(c.plan.Steps[p.Step].Statements) {
			p = place{p.Step + 1, 0}
		}
	}
	now, err := catalog.Capture(ctx, c.m.store.Conn(), objects)
	if err != nil {
		return place{}, fmt.Errorf("look what run %s made: %w", c.left.ID, err)
	}
	last := place{k.Next.Step, k.Next.Statement - 1}
	for i, o := range objects {
		is, _ := now.Find(o)
		was, _ := c.before.Find(o)
		if !is.Exists && len(is.Gone) <= len(was.Gone) {
			break
		}
		last = at[i]
	}
	return last, nil
}

// putBack puts an unfinished run back to its savepoint. What it had finished before stays applied.
func (m *Migrator) putBack(ctx context.Context, h state.History, left state.Run) error {
	c, err := m.takeOver(ctx, h, left)
	if err != nil {
		return err
	}
	err = c.rollBack(context.WithoutCancel(ctx))
	if rel := c.release(ctx); err == nil {
		err = rel
	}
	return err
}

func (c *cutOff) rollBack(ctx context.Context) error {
	m := c.m
	if c.current >= len(c.plan.Steps) {
		m.note("info", "it had finished: recording that")
		err := c.record(ctx, savepoint.Report{}, &RunError{Err: errors.New("not recorded by its own run")})
		if err == nil {
			c.ended = true
			c.flush()
		}
		return err
	}
	s := c.plan.Steps[c.current]
	e := &RunError{Version: s.Version, Name: s.Name, Direction: s.Direction, Applied: c.versions(), Err: fmt.Errorf("run %s was cut off", c.left.ID)}
	var report savepoint.Report
	if len(c.ran) > 0 {
		m.note("info", "putting migration %s back", s.String())
		var err error
		if report, err = c.restore(ctx); err != nil {
			e.Left = true
			e.Err = fmt.Errorf("put run %s back: %w", c.left.ID, err)
			return e
		}
	}
	e.Outcomes = c.outcomes(report, s.Version)
	for _, o := range e.Outcomes {
		m.o.Sink(o)
	}
	e.Left = !report.Clean() || c.irreversibly() != ""
	if what := c.irreversibly(); what != "" {
		m.note("warn", "%s ran, and cannot be undone", what)
	}
	if err := c.record(ctx, report, e); err != nil {
		e.Left = true
		e.Err = fmt.Errorf("record the recovery of run %s: %w", c.left.ID, err)
		return e
	}
	c.flush()
	if e.Left {
		m.o.Sink(event.Migration{Version: s.Version, Name: s.Name, State: "partial", Direction: s.Direction})
		return e
	}
	m.o.Sink(event.Migration{Version: s.Version, Name: s.Name, State: state.RolledBack, Direction: s.Direction, Reason: "recovered"})
	m.o.Sink(event.Summary{Command: "migrate recover", Text: "run " + c.left.ID + " is put back"})
	return nil
}

// record journals what became of the run, as rows about it.
func (c *cutOff) record(ctx context.Context, report savepoint.Report, e *RunError) error {
	rows, err := c.outcomeRows(ctx)
	if err != nil {
		return err
	}
	if c.current < len(c.plan.Steps) {
		failed, err := c.failureRows(e)
		if err != nil {
			return err
		}
		rows = append(rows, failed...)
	}
	rows = slices.DeleteFunc(rows, c.known)
	if !e.Left {
		rows = append(rows, state.Row{Event: state.EventEnd})
	}
	for i := range rows {
		rows[i].Subject = c.left.ID
	}
	if err := c.undone(ctx, report); err != nil {
		return err
	}
	return c.lock.Append(ctx, rows...)
}

// known reports whether the journal has this outcome of the run already, from an earlier recovery that could not put all back. What
// the run itself said of its outcome counts no more, now that it was taken over.
func (c *cutOff) known(r state.Row) bool {
	return (r.Event == state.EventApplied || r.Event == state.EventDown) && slices.ContainsFunc(c.rec.Rows, func(k state.Row) bool {
		return k.Run != c.left.ID && k.Event == r.Event && k.Version == r.Version && k.Direction == r.Direction
	})
}

// mark takes a person's word on what an unfinished run left.
func (m *Migrator) mark(ctx context.Context, h state.History, left state.Run, how, reason string) (err error) {
	c, err := m.takeOver(ctx, h, left)
	if err != nil {
		return err
	}
	defer func() {
		if rel := c.release(ctx); err == nil {
			err = rel
		}
	}()
	ev := state.EventMarkUndone
	if how == MarkApplied {
		ev = state.EventMarkApplied
	}
	if err := c.tellLedger(ctx, how); err != nil {
		return err
	}
	rows, err := c.outcomeRows(ctx)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, c.known)
	if c.current < len(c.plan.Steps) {
		failed, err := c.failureRows(&RunError{Version: c.plan.Steps[c.current].Version, Err: errors.New("")})
		if err != nil {
			return err
		}
		for _, r := range failed {
			r.Event, r.Reason, r.Detail = ev, reason, ""
			rows = append(rows, r)
		}
	}
	rows = append(rows, state.Row{Event: state.EventEnd, Reason: reason})
	for i := range rows {
		rows[i].Subject = left.ID
	}
	if err := c.lock.Append(context.WithoutCancel(ctx), rows...); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Event == ev {
			m.o.Sink(event.Migration{Version: r.Version, Name: r.Name, State: strings.TrimPrefix(ev, "mark_"), Direction: r.Direction, Reason: reason})
		}
	}
	return nil
}
