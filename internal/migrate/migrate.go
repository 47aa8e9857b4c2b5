// Package migrate brings the schema of a warehouse in step with the folder migrations/, and takes it back: the commands.
//
// Data flows one way: the project's files and the journal (state.History) make a plan.Plan, a value; package run executes that very
// value, says what happened as events, and puts back what fails; what a run that was cut off left is finished by the next command.
//
// goose's part is real: its Provider applies the versions, one by one, as our own loop asks for them, and its Store is the journal. It
// has no database and sends nothing (run/provider.go says why).
package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/migrate/run"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// What a caller meets of the packages below.
type (
	PlanOptions = plan.Options
	PlanError   = plan.Error // a run was refused before its first write
	RunError    = run.Error  // a run stopped
)

// Options are what a Migrator needs.
type Options struct {
	Project *project.Project
	Server  *databend.Server
	// Secrets returns the values of the named secrets. It is called after the plan and before the first write, with all that the
	// run needs, and again when a recovery must define something anew.
	Secrets func(ctx context.Context, names []string) (secret.Set, error)

	// Prove is asked by a dry run whether the plan can work; what it says is joined to the dry run's own error. Optional.
	Prove func(ctx context.Context, p plan.Plan) error
	Sink  event.Sink
	Actor state.Actor
	Run   string // id of this command; empty: a new one
	PlanOptions
	DryRun   bool
	Verbose  bool          // show each statement, as a dry run does, before they run
	LockWait time.Duration // 0: do not wait
	LockTTL  time.Duration // 0: lock.DefaultTTL
}

// Migrator runs the migrate commands of one process.
type Migrator struct {
	o       Options
	p       *project.Project
	session *databend.Session // the store's
	store   *state.Store
	env     *run.Env
	refused map[int64]plan.Refusal // versions that the server turned down while they ran
}

// New makes a Migrator. It opens one session; Close ends it.
func New(o Options) *Migrator {
	if o.Run == "" {
		o.Run = databend.NewID()
	}
	if o.Sink == nil {
		o.Sink = func(event.Event) {}
	}
	m := &Migrator{o: o, p: o.Project, session: o.Server.Session(nil), refused: map[int64]plan.Refusal{}}
	m.store = state.Open(m.session, state.Scope{
		Project: o.Project.Name, Database: o.Project.Env.Database,
		StateDatabase: o.Project.Env.StateDatabase,
	})
	m.env = &run.Env{
		Project: o.Project, Server: o.Server, Store: m.store, Secrets: m.secrets, Sink: o.Sink, Actor: o.Actor, ID: o.Run,
		LockWait: o.LockWait, LockTTL: o.LockTTL,
	}
	return m
}

// Close ends the Migrator's session.
func (m *Migrator) Close() { m.session.Close() }

// Up applies what is pending, up to o.To. It puts an unfinished run back first.
func (m *Migrator) Up(ctx context.Context) error {
	return m.command(ctx, plan.Up, func(h state.History) (plan.Plan, error) { return m.planUp(ctx, h) })
}

func (m *Migrator) planUp(ctx context.Context, h state.History) (plan.Plan, error) {
	was, err := m.texts(ctx, h)
	if err != nil {
		return plan.Plan{}, err
	}
	p, err := plan.ToApply(m.p, h, was, m.o.PlanOptions)
	if err != nil {
		return p, err
	}
	if p, err = p.Supported(ctx, m.store.Conn(), h, m.refused, m.o.SkipUnsupported); err != nil {
		return p, err
	}
	return p, p.Consent(m.o.PlanOptions)
}

// Down runs the Down sections of what is applied, newest first: all that is newer than version to, or, with one set, the
// newest alone.
func (m *Migrator) Down(ctx context.Context, to int64, one bool) error {
	return m.command(ctx, plan.Down, func(h state.History) (plan.Plan, error) {
		was, err := m.texts(ctx, h)
		if err != nil {
			return plan.Plan{}, err
		}
		count := -1
		if one {
			count = 1
		}
		return plan.ToTakeBack(m.p, h, to, count, was, m.o.PlanOptions)
	})
}

// Redo takes the newest applied version down and up again, under one savepoint.
func (m *Migrator) Redo(ctx context.Context) error {
	return m.command(ctx, plan.Redo, func(h state.History) (plan.Plan, error) {
		was, err := m.texts(ctx, h)
		if err != nil {
			return plan.Plan{}, err
		}
		return plan.ToRedo(m.p, h, was, m.o.PlanOptions)
	})
}

// texts are those of applied versions that differ from their files, or have none; nothing is asked when every file is what was applied.
func (m *Migrator) texts(ctx context.Context, h state.History) (plan.Texts, error) {
	versions := plan.Doubtful(m.p, h)
	if len(versions) == 0 {
		return nil, nil
	}
	return m.store.AppliedTexts(ctx, h, versions)
}

// replans bounds how often a run starts over because another one was quicker.
const replans = 10

// command reads the journal, plans, and runs the plan, or shows it.
func (m *Migrator) command(ctx context.Context, name string, make func(state.History) (plan.Plan, error)) error {
	start := time.Now()
	for again := 0; again < replans+len(m.refused); again++ {
		h, err := m.store.History(ctx)
		if err != nil {
			return err
		}
		if left, ok := unfinished(h); ok {
			switch {
			case left.Alive && m.o.DryRun:
				m.env.Note(event.Warn, "%s: it holds the lock", run.Describe(left))
			case left.Alive:
				// Acquire says who, or waits.
			case left.Partial:
				return plan.LeftUnfinished("dbctl migrate recover", "%s: something of it could not be put back", run.Describe(left))
			case m.o.DryRun:
				m.env.Note(event.Warn, "%s: the next command that writes puts it back first", run.Describe(left))
			default:
				if err := run.PutBack(ctx, m.env, h, left); err != nil {
					return err
				}
				continue
			}
		}
		p, err := make(h)
		m.notes(p.Notes)
		if err != nil {
			if m.o.DryRun { // what is refused is to be seen
				m.showSteps(p)
			}
			return m.andProof(ctx, err, p, h)
		}
		p, err = m.execute(ctx, p, h)
		if errors.Is(err, state.ErrMoved) || m.turnedDown(err) {
			continue
		}
		if err == nil {
			m.summary(name, p, start)
		}
		return m.andProof(ctx, err, p, h)
	}
	return fmt.Errorf("other runs write the journal of %s all the time: %w", m.p.Name, state.ErrMoved)
}

// turnedDown notes the version that a run failed at, and was rolled back, because the server lacks what one of its statements needs. Where
// that may be skipped, the run goes on without it.
func (m *Migrator) turnedDown(err error) bool {
	failed, ok := errors.AsType[*run.Error](err)
	if !ok || failed.Left || failed.Direction != event.Up || !m.o.SkipUnsupported {
		return false
	}
	why, ok := plan.NewRefusal(failed.Statement, failed.Err)
	if ok {
		m.refused[failed.Version] = why
		m.env.ID = databend.NewID() // its journal has ended
	}
	return ok
}

// andProof joins what a plan is refused for with what cannot work in it. A statement that the server cannot read is named once: that
// nothing is known of what it does says less.
func (m *Migrator) andProof(ctx context.Context, refused error, p plan.Plan, h state.History) error {
	proof := m.prove(ctx, p, h)
	unread := func(err error) bool {
		e, ok := err.(*plan.Error)
		return ok && e.Kind == plan.Irreversible && slices.ContainsFunc(exit.Each(proof), func(err error) bool {
			d, ok := err.(*databend.Error)
			return ok && d.Code == databend.CodeSyntax && d.File == e.File && d.Line >= e.Line && d.Line <= lastLine(p, e)
		})
	}
	return errors.Join(append(slices.DeleteFunc(exit.Each(refused), unread), proof)...)
}

// lastLine is where the statement ends that a plan's error is about.
func lastLine(p plan.Plan, e *plan.Error) int {
	for _, s := range p.Steps {
		for _, st := range s.Statements {
			if s.File == e.File && st.Place == e.Place {
				return st.Line + strings.Count(st.SQL, "\n")
			}
		}
	}
	return e.Line
}

// prove asks whether a plan that is only shown can work.
func (m *Migrator) prove(ctx context.Context, p plan.Plan, h state.History) error {
	if !m.o.DryRun || m.o.Prove == nil {
		return nil
	}
	_, p.Unfinished = unfinished(h)
	if !m.o.SkipUnsupported { // refused, and still to be read: every mistake is told at once
		for _, s := range p.Skipped {
			p.Steps = append(p.Steps, s.Step)
		}
		slices.SortStableFunc(p.Steps, func(a, b plan.Step) int { return cmp.Compare(a.Version, b.Version) })
	}
	return m.o.Prove(ctx, p)
}

// execute runs a plan, or shows it, and returns it as the warehouse let it be judged.
func (m *Migrator) execute(ctx context.Context, p plan.Plan, h state.History) (plan.Plan, error) {
	news := 0
	for _, s := range p.Skipped {
		if !s.Known {
			if err := s.CheckSyntax(ctx, m.store.Conn()); err != nil {
				return p, err
			}
			news++
		}
	}
	if len(p.Steps) == 0 && (news == 0 || m.o.DryRun) {
		m.showSkipped(p)
		return p, nil
	}
	p, before, err := m.judge(ctx, p)
	moves, follow := m.env.FollowLedger(ctx, h, p.Steps, before.State, m.o.DryRun)
	err = errors.Join(err, follow)
	for _, text := range moves.Warnings {
		m.env.Note(event.Warn, "%s", text)
	}
	if m.o.DryRun {
		m.showSteps(p)
		m.showSkipped(p)
		for _, text := range moves.Notes {
			m.env.Note(event.Info, "%s", text)
		}
	}
	if err != nil || m.o.DryRun {
		return p, err
	}
	secrets, err := m.wayBackToo(ctx, p)
	if err != nil {
		return p, err
	}
	if m.o.Verbose {
		m.showSteps(p)
	}
	if err := run.Execute(ctx, m.env, p, h, before, moves, secrets); err != nil {
		return p, err
	}
	m.showSkipped(p)
	return p, nil
}

// judge reads what the plan writes, and says what only that shows.
func (m *Migrator) judge(ctx context.Context, p plan.Plan) (plan.Plan, run.Reading, error) {
	capture := m.env.Capture
	if plan.MakesTables(p.Steps) {
		capture = m.env.CaptureNew
	}
	before, err := capture(ctx, plan.Reads(p.Steps), plan.Indexed(p.Steps)...)
	if err != nil {
		return p, before, err
	}
	p.Steps = plan.Consuming(p.Steps, before.State)
	written := map[sqltext.Object]bool{}
	for _, o := range plan.Writes(p.Steps) {
		written[o] = true
	}
	before.Objects = slices.DeleteFunc(before.Objects, func(o catalog.ObjectState) bool { return !written[o.Object] })
	told := len(p.Notes)
	p, err = p.Judge(ctx, m.store.Conn(), plan.NewDefinitions(m.p, m.store), before.State, m.o.PlanOptions)
	m.notes(p.Notes[told:])
	return p, before, err
}

func (m *Migrator) secrets(ctx context.Context, names []string) (secret.Set, error) {
	if len(names) == 0 || m.o.Secrets == nil {
		return nil, nil
	}
	return m.o.Secrets(ctx, names)
}

// wayBackToo resolves the secrets of a plan, those among them that a rollback would define objects by again.
func (m *Migrator) wayBackToo(ctx context.Context, p plan.Plan) (secret.Set, error) {
	set, err := m.secrets(ctx, p.Secrets())
	if missing, ok := errors.AsType[*secret.MissingError](err); ok && len(p.WayBack) > 0 {
		m.env.Note(event.Info, "a rollback would define again what the engine does not show whole, with: %s", strings.Join(p.WayBack, ", "))
		return nil, missing
	}
	return set, err
}

func (m *Migrator) notes(notes []event.Note) {
	for _, n := range notes {
		m.o.Sink(n)
	}
}

func (m *Migrator) showSteps(p plan.Plan) {
	for _, s := range p.Steps {
		for _, e := range s.Events() {
			m.o.Sink(e)
		}
	}
}

func (m *Migrator) showSkipped(p plan.Plan) {
	for _, s := range p.Skipped {
		m.o.Sink(event.Migration{Version: s.Version, Name: s.Name, State: journal.Unsupported, Reason: s.Reason})
	}
}

func (m *Migrator) summary(name string, p plan.Plan, start time.Time) {
	counts := map[string]int64{"migrations": int64(len(p.Steps)), "unsupported": int64(len(p.Skipped))}
	text := ""
	switch n := len(p.Steps); {
	case m.o.DryRun && n == 0, name == plan.Up && n == 0:
		text = "nothing is pending"
	case n == 0:
		text = "nothing is applied"
	case m.o.DryRun:
		text = fmt.Sprintf("%s would run, nothing was changed", event.Plural(n, "migration"))
	case name == plan.Up:
		text = event.Plural(n, "migration") + " applied"
	case name == plan.Down:
		text = event.Plural(n, "migration") + " taken back"
	default:
		text = p.Steps[0].String() + " taken down and up again"
	}
	if n := len(p.Skipped); n > 0 {
		text += ", " + event.Count(n) + " unsupported here"
	}
	m.o.Sink(event.Summary{Command: "migrate " + name, Text: text, Counts: counts, TookMS: time.Since(start).Milliseconds()})
}

// unfinished is the oldest run without an end.
func unfinished(h state.History) (state.Run, bool) {
	if len(h.Unfinished) == 0 {
		return state.Run{}, false
	}
	return h.Unfinished[0], true
}
