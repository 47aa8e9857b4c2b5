// Package migrate brings the schema of a warehouse in step with the folder migrations/, and takes it back.
//
// Data flows one way: the project's files and the journal (state.History) make a Plan, a value; a run executes that very value
// and says what happened as events. goose's Provider applies the versions, one by one, as our own loop asks for them; it has no
// database.
//
// Databend commits every DDL at once. So a run captures the state of all objects that it will write, journals it, and puts a mark
// ahead of every statement (package state); when a statement fails, or the process is stopped, or another finds its run
// unfinished, package savepoint moves the objects back. The unit that is put back is a migration; with Atomic, and in redo, the
// whole run.
//
//	plan.go, step.go        files × journal → Plan
//	capability.go           what the server lacks
//	verdict.go              what only the warehouse shows: what cannot be defined again, what is not ours
//	run.go, statement.go    a run; mark.go, what it writes ahead; sole.go, where a migration is one statement
//	rollback.go, recover.go back to the savepoint: of our own run, of another's
package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// Options are what a Migrator needs.
type Options struct {
	Project *project.Project
	Server  *databend.Server
	// Secrets returns the values of the named secrets. It is called after the plan and before the first write, with all that the
	// run needs, and again when a recovery must define something anew.
	Secrets func(ctx context.Context, names []string) (secret.Set, error)

	// Prove is asked by a dry run whether the plan can work; what it says is joined to the dry run's own error. Optional.
	Prove func(ctx context.Context, p Plan) error
	Sink  event.Sink
	Actor state.Actor
	Run   string // id of this command; empty: a new one
	PlanOptions
	DryRun   bool
	Atomic   bool          // one savepoint for the whole run
	LockWait time.Duration // 0: do not wait
	LockTTL  time.Duration // 0: state.DefaultTTL
}

// Migrator runs the migrate commands of one process.
type Migrator struct {
	o       Options
	p       *project.Project
	srv     *databend.Server
	session *databend.Session // the store's
	store   *state.Store
}

// New makes a Migrator. It opens one session; Close ends it.
func New(ctx context.Context, o Options) (*Migrator, error) {
	if o.Run == "" {
		o.Run = databend.NewID()
	}
	if o.Sink == nil {
		o.Sink = func(event.Event) {}
	}
	session, err := o.Server.Session(ctx, nil)
	if err != nil {
		return nil, err
	}
	scope := state.Scope{Project: o.Project.Name, Database: o.Project.Env.Database, StateDatabase: o.Project.Env.StateDatabase}
	return &Migrator{o: o, p: o.Project, srv: o.Server, session: session, store: state.Open(session, scope)}, nil
}

// Close ends the Migrator's session.
func (m *Migrator) Close() error { return m.session.Close() }

func (m *Migrator) note(level, format string, args ...any) {
	m.o.Sink(event.Note{Level: level, Text: fmt.Sprintf(format, args...)})
}

// Up applies what is pending, up to o.To. It puts an unfinished run back first.
func (m *Migrator) Up(ctx context.Context) error {
	return m.command(ctx, Up, func(h state.History) (Plan, error) { return m.planUp(ctx, h) })
}

func (m *Migrator) planUp(ctx context.Context, h state.History) (Plan, error) {
	plan, err := PlanUp(m.p, h, m.o.PlanOptions)
	if err != nil {
		return plan, err
	}
	plan.atomic = m.o.Atomic
	if err := m.unsupported(ctx, &plan, h, m.o.SkipUnsupported); err != nil {
		return plan, err
	}
	return plan, plan.Consent(m.o.PlanOptions)
}

// Down runs the Down sections of what is applied, newest first: all that is newer than version to, or, with one set, the
// newest alone.
func (m *Migrator) Down(ctx context.Context, to int64, one bool) error {
	return m.command(ctx, Down, func(h state.History) (Plan, error) {
		stored, err := m.stored(ctx, h)
		if err != nil {
			return Plan{}, err
		}
		count := -1
		if one {
			count = 1
		}
		plan, err := PlanDown(m.p, h, to, count, stored, m.o.PlanOptions)
		plan.atomic = m.o.Atomic
		return plan, err
	})
}

// Redo takes the newest applied version down and up again, under one savepoint.
func (m *Migrator) Redo(ctx context.Context) error {
	return m.command(ctx, "redo", func(h state.History) (Plan, error) {
		stored, err := m.stored(ctx, h)
		if err != nil {
			return Plan{}, err
		}
		return PlanRedo(m.p, h, stored, m.o.PlanOptions)
	})
}

// stored are the Down texts that only the journal has; nothing is asked when every applied version has its file.
func (m *Migrator) stored(ctx context.Context, h state.History) (map[int64]string, error) {
	versions := gone(m.p, h)
	if len(versions) == 0 {
		return nil, nil
	}
	return m.store.DownTexts(ctx, h, versions)
}

// replans bounds how often a run starts over because another one was quicker.
const replans = 10

// command reads the journal, plans, and runs the plan, or shows it.
func (m *Migrator) command(ctx context.Context, name string, plan func(state.History) (Plan, error)) error {
	start := time.Now()
	for range replans {
		h, err := m.store.History(ctx)
		if err != nil {
			return err
		}
		if left, ok := unfinished(h); ok {
			switch {
			case left.Alive && m.o.DryRun:
				m.note("warn", "%s: it holds the lock", describe(left))
			case left.Alive:
				// Acquire says who, or waits.
			case left.Partial:
				return &PlanError{Kind: Unfinished, Msg: describe(left) + ": something of it could not be put back", hint: "dbctl migrate recover", code: 4}
			case m.o.DryRun:
				m.note("warn", "%s: the next command that writes puts it back first", describe(left))
			default:
				if err := m.putBack(ctx, h, left); err != nil {
					return err
				}
				continue
			}
		}
		p, err := plan(h)
		for _, n := range p.Notes {
			m.o.Sink(n)
		}
		if err != nil {
			if m.o.DryRun { // what is refused is to be seen
				m.showSteps(p)
			}
			return errors.Join(err, m.prove(ctx, p, h))
		}
		err = m.execute(ctx, p, h)
		if errors.Is(err, state.ErrMoved) {
			continue
		}
		if err == nil {
			m.summary(name, p, start)
		}
		return errors.Join(err, m.prove(ctx, p, h))
	}
	return fmt.Errorf("other runs write the journal of %s all the time: %w", m.p.Name, state.ErrMoved)
}

// prove asks whether a plan that is only shown can work.
func (m *Migrator) prove(ctx context.Context, p Plan, h state.History) error {
	if !m.o.DryRun || m.o.Prove == nil {
		return nil
	}
	_, p.Unfinished = unfinished(h)
	return m.o.Prove(ctx, p)
}

// execute runs a plan, or shows it.
func (m *Migrator) execute(ctx context.Context, p Plan, h state.History) error {
	var news []Skip
	for _, s := range p.Skipped {
		if !s.known {
			if err := m.checkSyntax(ctx, s.Step); err != nil {
				return err
			}
			news = append(news, s)
		}
	}
	if len(p.Steps) == 0 && (len(news) == 0 || m.o.DryRun) {
		m.showSkipped(p)
		return nil
	}
	before, err := m.captureWrites(ctx, p.Steps)
	if err != nil {
		return err
	}
	moves, follow := m.followLedger(ctx, h, p.Steps, before.State)
	err = errors.Join(m.verdicts(ctx, p, before.State), follow)
	if m.o.DryRun {
		m.showSteps(p)
		m.showSkipped(p)
		for _, text := range moves.notes {
			m.note("info", "%s", text)
		}
	}
	if err != nil || m.o.DryRun {
		return err
	}
	secrets, err := m.secrets(ctx, p.Secrets())
	if err != nil {
		return err
	}
	r := &run{m: m, plan: p, h: h, before: before, moves: moves, secrets: secrets}
	return r.do(ctx)
}

func (m *Migrator) secrets(ctx context.Context, names []string) (secret.Set, error) {
	if len(names) == 0 || m.o.Secrets == nil {
		return nil, nil
	}
	return m.o.Secrets(ctx, names)
}

func (m *Migrator) showSteps(p Plan) {
	for _, s := range p.Steps {
		for _, e := range s.events() {
			m.o.Sink(e)
		}
	}
}

func (m *Migrator) showSkipped(p Plan) {
	for _, s := range p.Skipped {
		m.o.Sink(event.Migration{Version: s.Version, Name: s.Name, State: state.Unsupported, Reason: s.Reason})
	}
}

func (m *Migrator) summary(name string, p Plan, start time.Time) {
	counts := map[string]int64{"migrations": int64(len(p.Steps)), "unsupported": int64(len(p.Skipped))}
	text := ""
	switch n := len(p.Steps); {
	case m.o.DryRun && n == 0, name == Up && n == 0:
		text = "nothing is pending"
	case n == 0:
		text = "nothing is applied"
	case m.o.DryRun:
		text = fmt.Sprintf("%s would run, nothing was changed", event.Plural(int64(n), "migration"))
	case name == Up:
		text = event.Plural(int64(n), "migration") + " applied"
	case name == Down:
		text = event.Plural(int64(n), "migration") + " taken back"
	default:
		text = p.Steps[0].String() + " taken down and up again"
	}
	if n := len(p.Skipped); n > 0 {
		text += fmt.Sprintf(", %d unsupported here", n)
	}
	m.o.Sink(event.Summary{Command: "migrate " + name, Text: text, Counts: counts, TookMS: time.Since(start).Milliseconds()})
}

// captured is a state and when it was captured, by both clocks.
type captured struct {
	catalog.State
	read time.Time // local, when the answer came
}

func (m *Migrator) capture(ctx context.Context, objects []sqltext.Object) (captured, error) {
	if len(objects) == 0 {
		return captured{read: time.Now()}, nil
	}
	s, err := catalog.Capture(ctx, m.store.Conn(), objects)
	if err != nil {
		return captured{}, fmt.Errorf("capture the state before: %w", err)
	}
	return captured{State: s, read: time.Now()}, nil
}

// captureWrites reads what the steps write; which streams they move on shows only here.
func (m *Migrator) captureWrites(ctx context.Context, steps []Step) (captured, error) {
	objects := writes(steps)
	for _, e := range effects(steps) {
		objects = append(objects, consumed(e)...)
	}
	c, err := m.capture(ctx, objects)
	consume(steps, c.State)
	written := map[sqltext.Object]bool{}
	for _, o := range writes(steps) {
		written[o] = true
	}
	c.Objects = slices.DeleteFunc(c.Objects, func(o catalog.ObjectState) bool { return !written[o.Object] })
	return c, err
}

// unfinished is the oldest run without an end.
func unfinished(h state.History) (state.Run, bool) {
	if len(h.Unfinished) == 0 {
		return state.Run{}, false
	}
	return h.Unfinished[0], true
}

// describe says what an unfinished run was.
func describe(r state.Run) string {
	who := r.Actor.OSUser + "@" + r.Actor.Host
	what := "an unfinished `migrate " + r.Command + "`"
	if r.Alive {
		what = "a running `migrate " + r.Command + "`"
	}
	return fmt.Sprintf("%s of %s (run %s, %s)", what, who, r.ID, r.At.UTC().Format(time.RFC3339))
}
