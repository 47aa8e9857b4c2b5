// Package load brings a table in step with the files of a stage.
//
// A load is one COPY INTO of loads/. Databend remembers the files that a COPY loaded for 24 hours, by table and path only; it never
// notices a file that was overwritten, and takes an empty file for loaded. The ledger (package state) remembers for ever, with size and
// etag. Package source reads the load's text, plan says what there is to do, run does it under the table's lock, inspect looks into
// files, fault says what went wrong.
//
// Nothing here prints: what there is to say goes to an event.Sink.
package load

import (
	"context"
	"sync"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/draft"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/inspect"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/run"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
)

// What a caller needs of the packages below.
type (
	Config  = run.Config
	Options = plan.Options
	Error   = fault.Error
	Errors  = fault.LoadsError
)

// A Loader runs loads, one after another.
type Loader struct {
	cfg     Config
	planner *plan.Planner // with the sessions
}

// Open makes the sessions. Close ends them.
func Open(cfg Config) *Loader {
	if cfg.Sink == nil {
		cfg.Sink = func(event.Event) {}
	}
	var mu sync.Mutex // a phase that goes on is told of beside what happens
	sink := cfg.Sink
	cfg.Sink = func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		sink(e)
	}
	return &Loader{cfg: cfg, planner: &plan.Planner{
		Sessions: session.Open(cfg.Server, cfg.Scope, cfg.Run), Scope: cfg.Scope, Secrets: cfg.Secrets,
	}}
}

// Close drops what was made on the server for loads, and ends the sessions.
func (l *Loader) Close() {
	ctx, cancel := session.Behind(context.Background())
	defer cancel()
	defer l.planner.Close()
	l.planner.Clean(ctx)
}

// Formats asks the server for the formats of those loads whose text leaves them to a name or to the stage, and returns the loads with them.
func (l *Loader) Formats(ctx context.Context, loads []project.Load) ([]project.Load, error) {
	return source.Formats(ctx, l.planner.Work, loads)
}

// Plan says what Run would do, and writes nothing: it emits a File for each file that Run would touch or that stands in its way
// (for every file with Options.Verbose) and a Summary. Its error is the one that would stop the run: a *Error, exit 3.
func (l *Loader) Plan(ctx context.Context, ld project.Load, o Options) (*plan.Plan, error) {
	j, err := l.planner.Ready(ld)
	if err != nil {
		return nil, err
	}
	phases := session.NewPhases(ld.Name, l.cfg.Sink)
	phases.Enter("listing")
	p, err := l.planner.Plan(ctx, j, plan.Want{Options: o, Vanished: true})
	phases.Enter("")
	if err == nil {
		err = l.planner.Unready(ctx, p, o)
	}
	if err != nil {
		return nil, err
	}
	p.Emit(l.cfg.Sink, "to load")
	if err := p.Refusal(o); err != nil {
		return p, err
	}
	return p, p.Stopped(o)
}

// All loads what is new, one load after another, goes on after one fails, and joins their errors: the worst exit code wins. That of one
// load is 3 where a changed file, an empty listing or rows without a ledger stopped it, 4 where some files are bad and the others are
// loaded, 5 where it is locked, else 1.
func (l *Loader) All(ctx context.Context, loads []project.Load, o Options) error {
	all := &Errors{Of: len(loads)}
	plans, err := l.plans(ctx, loads, o)
	if err != nil {
		return err
	}
	for i, ld := range loads {
		if _, err := l.run(ctx, ld, o, plans[i]); err != nil {
			all.Errs = append(all.Errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	switch {
	case len(all.Errs) == 0:
		return nil
	case len(loads) == 1:
		return all.Errs[0]
	}
	return all
}

// run loads what is new. idle is a plan that was made together with those of other loads; nil: none.
func (l *Loader) run(ctx context.Context, ld project.Load, o Options, idle *plan.Plan) (run.Result, error) {
	j, err := l.planner.Ready(ld)
	if err != nil {
		return run.Result{}, err
	}
	return run.Run(ctx, l.cfg, l.planner, j, o, idle)
}

// plans are those of loads that are planned together; of one, or one that needs a look of its own, there is none.
func (l *Loader) plans(ctx context.Context, loads []project.Load, o Options) ([]*plan.Plan, error) {
	out := make([]*plan.Plan, len(loads))
	if len(loads) < 2 {
		return out, nil
	}
	at := map[*source.Load]int{}
	var together []*source.Load
	for i, ld := range loads {
		if j, err := l.planner.Ready(ld); err == nil {
			at[j], together = i, append(together, j)
		}
	}
	plans, err := l.planner.Plans(ctx, together, plan.Want{Options: o})
	for j, p := range plans {
		out[at[j]] = p
	}
	return out, err
}

// Mark writes a person's word about the load's files (those of Options.Path) into the ledger: as "loaded" (their rows are in the
// table), "new" (they are not: load them) or "quarantined" (never load them). It loads nothing. reason is required and kept.
func (l *Loader) Mark(ctx context.Context, ld project.Load, as, reason string, o Options) error {
	j, err := l.planner.Ready(ld)
	if err != nil {
		return err
	}
	return run.Mark(ctx, l.cfg, l.planner, j, as, reason, o)
}

// List emits a LoadState for each load: its files by state, its rows and its last run; of a load with a window the files of its last
// partitions. It is a constant number of queries for all of them; where one of them cannot be asked (its stage is not there), one more
// for each.
func (l *Loader) List(ctx context.Context, loads []project.Load) error {
	return l.planner.List(ctx, loads, l.cfg.Sink)
}

// History emits a LoadRun for each of the last runs of a load that did something, the newest first.
func (l *Loader) History(ctx context.Context, load string) error {
	runs, err := l.planner.Store.LoadRuns(ctx, load)
	if err == nil && len(runs) == 0 {
		l.cfg.Sink.Note(event.Info, "load %s: no run has loaded, failed or marked a file", load)
	}
	for _, r := range runs {
		l.cfg.Sink(event.LoadRun{
			Load: load, ID: r.ID, At: r.At, Files: r.Files, Failed: r.Failed, Marked: r.Marked, Rows: r.Rows, Bytes: r.Bytes, TookMS: r.TookMS,
			Reason: r.Reason,
		})
	}
	return fault.Wrap(load, "read the ledger", err)
}

// Draft writes a load, and the migration of its table, from the files in a place; it writes nothing to disk.
func (l *Loader) Draft(ctx context.Context, r draft.Request) (draft.Draft, error) {
	phases := session.NewPhases(r.Name, l.cfg.Sink)
	phases.Enter("reading the files' columns")
	defer phases.Enter("")
	return draft.Write(ctx, l.planner, r)
}

// Validate checks the files that Run would load and those that failed before (with Options.Path all that it names), at most
// Options.Limit of them, and loads and writes nothing: what COPY's VALIDATION_MODE would do if Databend had it, for transforms too.
// It emits a File, valid or invalid, for each, and fails with exit 3 when one is invalid.
func (l *Loader) Validate(ctx context.Context, ld project.Load, o Options) error {
	o.Force, o.RetryFailed = o.Force || o.Path != "", true
	return l.inspect(ctx, ld, o, func(r *inspect.Inspector) error {
		r.Phases.Enter("listing")
		defer r.Phases.Enter("")
		p, err := l.planner.Plan(ctx, r.Load, plan.Want{Options: o})
		if err != nil {
			return err
		}
		r.Phases.Enter("checking the files")
		return r.Validate(ctx, p)
	})
}

// Preview emits the first n rows that the load would write, with its own select list, from as many files as that takes. It needs
// no table and no ledger. A GEOMETRY comes as EWKT, a VARIANT and a VECTOR as JSON, whole.
func (l *Loader) Preview(ctx context.Context, ld project.Load, o Options, n int) error {
	return l.inspect(ctx, ld, o, func(r *inspect.Inspector) error {
		if r.Load.Own() {
			if err := l.planner.MakeStage(ctx, r.Load); err != nil {
				return fault.Wrap(ld.Name, "preview", err)
			}
		}
		return r.Preview(ctx, n)
	})
}

// inspect looks into a load's files, and again where another command took away what was made for it, or a file was overwritten meanwhile.
func (l *Loader) inspect(ctx context.Context, ld project.Load, o Options, look func(*inspect.Inspector) error) error {
	j, err := l.planner.Ready(ld)
	if err != nil {
		return err
	}
	var secrets secret.Set
	if len(ld.Secrets) > 0 {
		if secrets, err = l.cfg.Secrets(ctx, ld.Secrets); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		r := inspect.New(l.planner.Sessions, j, o, l.cfg.Sink)
		r.Secrets = secrets
		err := look(r)
		if !j.Dropped(err) && (try >= plan.Replans || !fault.Shrunk(err)) || try >= plan.Remakes {
			return err
		}
	}
}
