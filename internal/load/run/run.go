// Package run loads what a plan says, and records it. A run plans without the lock of the target table, so that one with nothing to do
// takes none; then it takes the lock, plans again, and for each batch of at most 15,000 files sends one transaction: COPY, the ledger's
// rows, COMMIT. Either both are there or neither is, wherever it was killed. The table is known by its id, before, during and after: a
// table that was replaced under a load is another table.
package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/inspect"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

const (
	// ByPrefixFrom is the number of files from which an exact prefix is sent instead of their names: naming costs a HEAD per file, a
	// prefix takes in what arrives between the plan and the COPY.
	ByPrefixFrom = 100
	// askPace is how long a COPY takes before an estimate is worth a question.
	askPace = 3 * time.Second
)

// Result is what a run did.
type Result struct {
	Files       int
	Rows, Bytes int64
}

// Config is what a load is run with.
type Config struct {
	Server   *databend.Server
	Scope    state.Scope
	Actor    state.Actor
	Run      string // the run's id, in every ledger row
	Sink     event.Sink
	LockWait time.Duration
	// Secrets resolves the secrets that the loads about to be sent name: once, after the plan, before the first write.
	Secrets func(ctx context.Context, names []string) (secret.Set, error)
}

// run is one load: what is to be done, what was found in its files, and where we are.
type run struct {
	*session.Sessions
	cfg     Config
	planner *plan.Planner
	inspect *inspect.Inspector
	j       *source.Load
	o       plan.Options

	plan    *plan.Plan
	lock    *state.LoadLock // nil until there is work
	seen    state.Locks     // a moment before
	stands  bool            // the plan, under the lock
	started time.Time
	total   struct{ files, bytes int64 } // planned, for the progress
	pace    *float64                     // bytes a second of earlier COPYs, 0 unknown; nil until it was asked for
	res     Result
	behind  int64           // rows that the statements behind the COPY wrote
	told    int             // of what was found bad, that is in the ledger
	done    map[string]bool // paths that are loaded or left out: not planned again
	named   bool            // no COPY by prefix any more
	kept    []string        // changed files whose old rows are not found
	denied  map[string]int  // how often the store did not give a file
}

// newRun is a run that has done nothing.
func newRun(cfg Config, p *plan.Planner, j *source.Load, o plan.Options) *run {
	return &run{
		Sessions: p.Sessions, cfg: cfg, planner: p, inspect: inspect.New(p.Sessions, j, o, cfg.Sink), j: j, o: o,
		started: time.Now(), done: map[string]bool{},
	}
}

// errAgain is a collision with somebody else: nothing was loaded, and a new plan knows what there is now.
type errAgain struct{ error }

func (e errAgain) Unwrap() error { return e.error }

// cutOff reports whether a transaction ended because an answer was lost, or because the server lost it (it was started again). It is not
// there, and nobody is to blame.
func cutOff(err error) bool {
	return databend.IsUnknownOutcome(err) || databend.IsCode(err, databend.CodeTransactionTimeout, databend.CodeSessionLost)
}

// Run loads what is new. It plans without the lock of the table, so that a run with nothing to do takes none; then it takes the lock, and
// plans again unless the plan still stands: under the lock nobody else loads into the table any more. idle is a plan that was made
// together with those of other loads; nil: none.
func Run(ctx context.Context, cfg Config, p *plan.Planner, j *source.Load, o plan.Options, idle *plan.Plan) (res Result, err error) {
	o.Atomic = o.Atomic || o.Reload
	r := newRun(cfg, p, j, o)
	r.phase("listing")
	defer r.phase("")
	// What was planned together with other loads a while ago holds where there is nothing to do.
	if r.plan = idle; idle == nil || len(idle.Planned()) > 0 || len(idle.Past) > 0 {
		var seeing errgroup.Group // what is not seen now is looked at when the lock is taken
		seeing.Go(crash.Caught(func() error {
			r.seen, _ = r.Store.SeeLocks(ctx)
			return nil
		}))
		r.plan, err = p.Plan(ctx, j, plan.Want{Options: o})
		if _ = seeing.Wait(); err != nil {
			return Result{}, err
		}
	}
	if err := p.Unready(ctx, r.plan, o); err != nil {
		return Result{}, err
	}
	if err := r.plan.Refusal(o); err != nil {
		r.plan.Notes(cfg.Sink)
		return Result{}, err
	}
	if len(r.plan.Planned()) == 0 && len(r.plan.Past) == 0 {
		r.plan.Left(cfg.Sink)
		cfg.Sink(event.Summary{
			Command: "load", Load: j.Name, Text: j.Name + ": nothing to load: " + r.plan.Text("new"), Counts: r.plan.Sums(),
			TookMS: time.Since(r.started).Milliseconds(),
		})
		return Result{}, cmp.Or(r.passed(ctx), errors.Join(r.plan.Open(), r.plan.Stopped(o)))
	}
	if again := r.plan.Doubled(); o.Force && again > 0 {
		cfg.Sink.Note(event.Warn, "load %s: --force loads %s on top of the rows that they have brought: "+
			"those are twice in %s then; --reload replaces them", j.Name, event.Plural(again, "file"), j.Target)
	}
	if onError, silent := j.LosesLines(); silent {
		cfg.Sink.Note(event.Warn, "load %s: with ON_ERROR = %s the engine passes over bad lines and does not "+
			"say so; CONTINUE tells how many of each file, ABORT passes over none", j.Name, onError)
	}
	if len(j.Secrets) > 0 {
		if r.inspect.Secrets, err = cfg.Secrets(ctx, j.Secrets); err != nil {
			return Result{}, err
		}
	}
	r.phase("taking the lock")
	var warming errgroup.Group
	warming.Go(crash.Caught(func() error {
		r.inspect.Warm(ctx, r.plan.Planned())
		return nil
	}))
	err = r.acquire(ctx)
	r.phase("checking rules") // which reads files
	if _ = warming.Wait(); err != nil {
		return Result{}, err
	}
	r.phase("")
	defer r.release(ctx)
	if !r.stands {
		if err = r.replan(ctx); err == nil {
			err = r.plan.Refusal(o)
		}
	}
	if err != nil {
		return Result{}, fault.Wrap(j.Name, "", err)
	}
	return r.all(ctx)
}

// phase tells what the run is doing where no file is counted.
func (r *run) phase(name string) { r.inspect.Phases.Enter(name) }

// acquire takes the lock of the target table.
func (r *run) acquire(ctx context.Context) (err error) {
	if !r.plan.Ledger() {
		if err := r.Store.Ensure(ctx); err != nil {
			return fault.Wrap(r.j.Name, "", err)
		}
	}
	r.lock, err = r.Store.AcquireTable(ctx, r.j.Database, r.j.Table, state.LockOptions{
		Wait: r.cfg.LockWait, Run: r.cfg.Run, Actor: r.cfg.Actor,
		Note: func(text string) { r.cfg.Sink.Note(event.Info, "%s", text) },
		Seen: r.seen,
		Beside: func(ctx context.Context) (err error) {
			r.stands, err = r.planner.Stands(ctx, r.plan)
			return err
		},
	})
	if held, ok := errors.AsType[*state.HeldError](err); ok {
		return plan.Held(r.j.Name, held)
	}
	return fault.Wrap(r.j.Name, "lock "+r.j.Target, err)
}

// release gives the lock back, once, also after an interruption. What is loaded stays so where that fails.
func (r *run) release(ctx context.Context) {
	lock := r.lock
	if r.lock = nil; lock == nil {
		return
	}
	free, cancel := session.Behind(ctx)
	defer cancel()
	if err := lock.Release(free); err != nil {
		r.cfg.Sink.Note(event.Warn, "load %s: %s", r.j.Name, lock.Unreleased(err))
	}
}

// all sends the batches and sums up.
func (r *run) all(ctx context.Context) (Result, error) {
	planned, err := r.loop(ctx)
	if err != nil {
		return r.res, r.broken(ctx, planned, err)
	}
	return r.end(ctx, planned)
}

// loop sends the batches, planning again after a collision, until nothing of the plan is left. planned is the first plan.
func (r *run) loop(ctx context.Context) (planned *plan.Plan, err error) {
	for try := 0; ; try++ {
		left, err := 0, error(nil)
		if len(r.plan.Past) > 0 {
			err = r.takeIn(ctx)
			r.passedOver(planned)
		}
		if err == nil {
			if planned == nil {
				planned = r.plan
				if err := r.planner.Moved(ctx, planned); err != nil {
					return planned, err
				}
				planned.Left(r.cfg.Sink)
				r.total.files, r.total.bytes = int64(len(planned.Planned())), planned.Bytes()
			}
			if err = r.Store.EmptyLedger(ctx, r.plan.Loss, r.cfg.Run, r.lock.Fence()); err == nil {
				left, err = r.batches(ctx)
			}
		}
		if fault.MovedUnder(err, plan.Paths(r.plan.Planned())) || fault.Shrunk(err) || r.j.Dropped(err) || ctx.Err() == nil && cutOff(err) {
			err = errAgain{err}
		}
		var again errAgain
		if left > 0 || r.o.Atomic && errors.As(err, &again) {
			n, e := r.rowless(ctx)
			left, err = left-n, cmp.Or(e, err)
		}
		if errors.As(err, &again) && r.outOfReach(again) {
			try = 0
		}
		switch {
		case errors.As(err, &again) && try < plan.Replans:
			r.cfg.Sink.Note(event.Info, "load %s: planning again: %s", r.j.Name, r.why(again))
		case err != nil:
			return planned, err
		case left == 0:
			return planned, nil
		case try >= plan.Replans:
			return planned, r.noRow()
		}
		if err = r.replan(ctx); err != nil {
			return planned, err
		}
		r.forgive()
	}
}

// why is what happened, without a store's whole answer, of which the file's name is kept.
func (r *run) why(err error) string {
	if name := fault.Named(err, plan.Paths(r.plan.Planned())); name != "" {
		return name + ": " + fault.OfTheStore(databend.Message(err))
	}
	return fault.OfTheStore(databend.Message(err))
}

// replan makes the plan again, under the lock. Of another table or stage it too must be one that may be run.
func (r *run) replan(ctx context.Context) error {
	w := plan.Want{Options: r.o, Settled: maps.Clone(r.done)}
	for _, b := range r.inspect.Bad {
		w.Settled[b.Path] = true
		if b.Passing {
			w.Denied++
		}
	}
	was := r.plan
	r.phase("listing")
	defer r.phase("")
	p, err := r.planner.Plan(ctx, r.j, w)
	if err != nil {
		return err
	}
	switch r.plan = p; {
	case p.TableID == was.TableID && p.StageURL == was.StageURL:
		return nil
	case p.TableID != was.TableID && r.res.Files > 0:
		return r.replaced()
	case p.TableID != was.TableID && len(w.Settled) > 0: // what was found was found with the old one's columns
		found := r.inspect
		r.inspect = inspect.New(r.Sessions, r.j, r.o, r.cfg.Sink)
		r.inspect.Secrets, r.inspect.Phases = found.Secrets, found.Phases
		r.told, r.done = 0, map[string]bool{}
		return r.replan(ctx)
	}
	return p.Refusal(r.o)
}

// replaced is the error of a table whose rows went with the table that it was.
func (r *run) replaced() error {
	return fault.Errorf(r.j.Name, exit.Partly, "dbctl load "+r.j.Name,
		"the table %s was replaced while it was loaded: the rows went with the old one", r.j.Target)
}

// noRow is the error of planned files that COPYs passed over again and again.
func (r *run) noRow() error {
	var names []string
	for _, f := range r.plan.Planned() {
		if !r.settled(f.Path) {
			names = append(names, f.Path)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fault.Errorf(r.j.Name, exit.Partly,
		"look into the load's options and hints (SIZE_LIMIT, ON_ERROR, deduplicate_label); "+fault.GiveUp(r.j.Name, names[0])+" gives one up",
		"%s not loaded: COPY passes over them and does not say why: %s", event.Number(len(names), "file was", "files were"),
		event.Some(names, 5))
}

// broken is the error of a run that err stopped. What it found in files is recorded, and what it has loaded is told.
func (r *run) broken(ctx context.Context, planned *plan.Plan, err error) error {
	err = fault.Wrap(r.j.Name, "", err)
	if !r.o.Atomic && r.told < len(r.inspect.Bad) && r.lock != nil {
		free, cancel := session.Behind(ctx)
		defer cancel()
		_ = r.recordBad(free) // err is what counts; they are found again
	}
	if r.res.Files == 0 {
		return err
	}
	r.summary(planned)
	if ctx.Err() == nil {
		err = r.partly(err)
	}
	return errors.Join(err, r.failed())
}

// partly gives an error behind loaded files their exit code.
func (r *run) partly(err error) error {
	var own *fault.Error
	if err == nil || r.res.Files == 0 || errors.As(err, &own) && own.Exit == exit.Partly {
		return err
	}
	return &fault.Error{Load: r.j.Name, Exit: exit.Partly, Msg: event.Number(r.res.Files, "file is", "files are") +
		" loaded, and then", Err: err}
}

// batches sends the plan. left is how many files gave no row: the engine holds them for loaded.
func (r *run) batches(ctx context.Context) (left int, err error) {
	if r.o.Atomic {
		return r.atomic(ctx)
	}
	for _, b := range split(r.plan, r.named) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := r.batch(ctx, b)
		if err != nil {
			return 0, err
		}
		left += n
	}
	return left, r.recordBad(ctx)
}

// end gives the lock back and drops what was made for the load, checks meanwhile that the table is still the one that was loaded, and
// sums up.
func (r *run) end(ctx context.Context, first *plan.Plan) (Result, error) {
	// What is committed is told also when a signal came behind the last COMMIT.
	ctx, cancel := session.Behind(ctx)
	defer cancel()
	var freeing sync.WaitGroup
	freeing.Go(crash.Caught(func() { r.release(ctx) }))
	freeing.Go(crash.Caught(func() {
		r.Clean(ctx) // what cannot be dropped now is tried again at the end; the next load of several makes its own
	}))
	id, looked := r.tableID(ctx)
	freeing.Wait()
	err := fault.Wrap(r.j.Name, "look at the table again", looked)
	if looked == nil && id != r.plan.TableID && r.res.Files > 0 {
		return r.res, errors.Join(r.replaced(), err)
	}
	if len(r.kept) > 0 {
		first.Kept = append(first.Kept, r.kept...)
		first.KeptWhy = "column " + r.j.FilenameColumn + " finds fewer rows of theirs than there were, or others' under their names"
	}
	r.summary(first)
	err = cmp.Or(err, r.passed(ctx))
	// Of a joined error the first one's exit code counts: 4 outranks 3.
	return r.res, errors.Join(r.failed(), r.partly(err), first.Open(), first.Stopped(r.o))
}

// summary tells what was loaded.
func (r *run) summary(first *plan.Plan) {
	took := time.Since(r.started)
	text := fmt.Sprintf("%s: %s, %s loaded (%s) in %s", r.j.Name, event.Plural(r.res.Files, "file"),
		event.Plural(r.res.Rows, "row"), event.Bytes(r.res.Bytes), took.Round(time.Millisecond))
	counts := map[string]int64{"loaded": int64(r.res.Files), "rows": r.res.Rows, "bytes": r.res.Bytes, "failed": int64(len(r.inspect.Bad))}
	if n := len(r.inspect.Bad); n > 0 {
		text += ", " + event.Count(n) + " failed"
	}
	if len(r.j.After) > 0 && r.res.Rows > 0 {
		text += fmt.Sprintf(", %s behind the COPY wrote %s", event.Plural(len(r.j.After), "statement"),
			event.Plural(r.behind, "row"))
		counts["behind"] = r.behind
	}
	if n := first.Counts[event.Loaded].Files + first.Counts[event.Expired].Files; n > 0 {
		text += ", " + event.Count(n) + " loaded before"
		counts["before"] = n
	}
	if n := first.Counts[event.Ignored].Files; n > 0 {
		text += ", " + event.Count(n) + " ignored"
		counts["ignored"] = n
	}
	r.cfg.Sink(event.Summary{Command: "load", Load: r.j.Name, Text: text, Counts: counts, TookMS: took.Milliseconds()})
}

// passed writes that everything was looked at, once a week: the one row that a run with nothing to do writes.
func (r *run) passed(ctx context.Context) error {
	if r.j.Window.Span == 0 || r.o.Path != "" || r.o.Limit > 0 || r.plan.Windowed() {
		return nil
	}
	if !r.plan.Ledger() && r.lock == nil { // nothing was ever loaded, and no table is there to say so
		return nil
	}
	row := r.row(plan.File{Path: r.j.Prefix}, ledger.FileBegin)
	row.Reason = ledger.FullPass
	return fault.Wrap(r.j.Name, "", r.Store.AppendLedger(ctx, []state.LedgerRow{row}, nil))
}
