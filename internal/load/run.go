package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/state"
)

const (
	// replans bounds how often a run plans again after a collision with another loader (2014, 4001) or a lost answer.
	replans = 4
	// ledgerRows is how many ledger rows one INSERT of a transaction holds.
	ledgerRows = 2_000
	// byPrefixFrom is the number of files from which an exact prefix is sent instead of their names: naming costs a HEAD per file
	// (facts/loads.md section 4), a prefix takes in what arrives between the plan and the COPY.
	byPrefixFrom = 100
	// unknownRows is the row count of a file that dbctl did not load itself.
	unknownRows = -1
	// askPace is how long a run takes before an estimate is worth a question.
	askPace = 3 * time.Second
	// cleanup bounds what is done after a run was interrupted: ROLLBACK, giving the lock back.
	cleanup = 20 * time.Second
)

// silentlySkips is an ON_ERROR that loses lines without a count of them in the COPY's result (tried on 1.2.895).
var silentlySkips = regexp.MustCompile(`(?i)^'?ABORT_([2-9]|\d\d)`)

// Result is what a run did.
type Result struct {
	Files       int
	Rows, Bytes int64
}

// run is one load under its lock.
type run struct {
	l       *Loader
	j       *job
	o       Options
	plan    *Plan
	taking  *taking     // until the lock is ours
	lock    *state.Lock // nil before
	secrets secret.Set
	started time.Time
	total   struct{ files, bytes int64 } // planned, for the progress
	pace    *float64                     // bytes a second of earlier COPYs, 0 unknown; nil until it was asked for
	res     Result
	bad     []badFile
	told    int             // of bad, that are in the ledger
	settled map[string]bool // paths that are loaded or bad: not planned again
	named   bool            // no COPY by prefix any more
	kept    []string        // changed files whose old rows are not found
	denied  map[string]int  // how often the store did not give a file
	made    []cell          // see cells
	warned  map[string]bool
	schemas map[string]string // of files, as far as a 1303 has told

	released bool
}

// errAgain is a collision with somebody else: nothing was loaded, and a new plan knows what there is now.
type errAgain struct{ error }

func (e errAgain) Unwrap() error { return e.error }

// Run loads what is new. The error's ExitCode says how it ended: 3 a changed file, an empty listing or rows without a ledger
// stopped it, 4 some files are bad and the others are loaded, 5 locked, 1 otherwise.
func (l *Loader) Run(ctx context.Context, ld project.Load, o Options) (Result, error) {
	j, err := newJob(ld, l.cfg.Scope.Database)
	if err != nil {
		return Result{}, err
	}
	r := &run{l: l, j: j, o: o, started: time.Now()}
	if r.plan, err = l.plan(ctx, j, want{Options: o}); err != nil {
		return Result{}, err
	}
	if err := r.plan.refusal(o); err != nil {
		r.plan.notes(l.cfg.Sink)
		return Result{}, err
	}
	if len(r.plan.Planned()) == 0 && r.plan.Engine == 0 {
		r.plan.left(l.cfg.Sink)
		l.cfg.Sink(event.Summary{Command: "load", Text: ld.Name + ": nothing to load: " + r.plan.text("new"), Counts: r.plan.counts(), TookMS: time.Since(r.started).Milliseconds()})
		return Result{}, cmp.Or(r.passed(ctx), errors.Join(r.plan.open(), r.plan.stopped(o)))
	}
	return r.locked(ctx)
}

// locked does the run's writes under the lock of the table. Where nobody seems to hold it, the first COPY is on its way while the lock
// is taken: in a transaction, which ends in nothing without it.
func (r *run) locked(ctx context.Context) (res Result, err error) {
	l := r.l
	if o, ok := r.j.Copy.Option("ON_ERROR"); ok && silentlySkips.MatchString(o.Value) {
		l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: with ON_ERROR = %s the engine passes over bad lines and does not say so; CONTINUE tells how many of each file, ABORT passes over none", r.j.Name, o.Value)})
	}
	if len(r.j.Secrets) > 0 {
		if r.secrets, err = l.cfg.Secrets(ctx, r.j.Secrets); err != nil {
			return Result{}, err
		}
	}
	r.take(ctx)
	defer func() { err = cmp.Or(err, r.release(ctx)) }()
	if at := r.plan.scope.place; at.held || !at.ledger {
		err := r.held()
		if errors.As(err, new(errAgain)) {
			err = r.replan(ctx)
		}
		if err != nil {
			return Result{}, err
		}
	}
	return r.all(ctx)
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
func (r *run) loop(ctx context.Context) (planned *Plan, err error) {
	for try := 0; ; try++ {
		left, err := 0, error(nil)
		if r.plan.Engine > 0 {
			err = r.takeIn(ctx)
			r.rowless(planned)
		}
		if err == nil {
			if planned == nil {
				planned = r.plan
				planned.left(r.l.cfg.Sink)
				r.total.files, r.total.bytes = int64(len(planned.Planned())), planned.Bytes()
			}
			left, err = r.batches(ctx)
		}
		if movedUnder(err, r.plan.Planned()) {
			err = errAgain{err}
		}
		var again errAgain
		if errors.As(err, &again) && r.outOfReach(again) {
			try = 0
		}
		switch {
		case errors.As(err, &again) && try < replans:
			r.l.cfg.Sink(event.Note{Level: "info", Text: fmt.Sprintf("load %s: something changed meanwhile, planning again: %v", r.j.Name, again)})
		case err != nil:
			return planned, err
		case left == 0:
			return planned, nil
		case try >= replans:
			return planned, r.noRow()
		}
		if err = r.replan(ctx); err != nil {
			return planned, err
		}
		r.forgive()
	}
}

// rowless tells of text files that COPYs passed over and the engine now holds for loaded. Of one that is cut off, some compressions
// (ZSTD, BZ2) tell the engine nothing.
func (r *run) rowless(planned *Plan) {
	if planned == nil || r.j.FileType() == "PARQUET" {
		return
	}
	sent := map[string]bool{}
	for _, f := range planned.Planned() {
		sent[f.Path] = true
	}
	var names []string
	for _, f := range r.plan.engine {
		if sent[f.Path] {
			names = append(names, f.Path)
		}
	}
	if len(names) > 0 {
		r.l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: no row came from %s: nothing but a header in it, compressed and cut off, or loaded by somebody else meanwhile: %s", r.j.Name, count(int64(len(names)), "file", "files"), some(names, 5))})
	}
}

// replan makes the plan again, under the lock. Of another table or stage it too must be one that may be run.
func (r *run) replan(ctx context.Context) error {
	w := want{Options: r.o, settled: r.settled}
	for _, b := range r.bad {
		if b.passing {
			w.denied++
		}
	}
	was := r.plan
	p, err := r.l.plan(ctx, r.j, w)
	if err != nil {
		return err
	}
	switch r.plan = p; {
	case p.TableID == was.TableID && p.StageURL == was.StageURL:
		return nil
	case p.TableID != was.TableID && r.res.Files > 0:
		return r.replaced()
	case p.TableID != was.TableID && r.settled != nil: // what was found was found with the old one's columns
		r.bad, r.settled, r.made = r.bad[:r.told], nil, nil
		return r.replan(ctx)
	}
	return p.refusal(r.o)
}

// replaced is the error of a table whose rows went with the table that it was.
func (r *run) replaced() error {
	return errorf(r.j.Name, exitPartly, "dbctl load "+r.j.Name, "the table %s was replaced while it was loaded: the rows went with the old one", r.j.target)
}

// noRow is the error of planned files that COPYs passed over again and again.
func (r *run) noRow() error {
	var names []string
	for _, f := range r.plan.Planned() {
		if !r.settled[f.Path] {
			names = append(names, f.Path)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errorf(r.j.Name, exitPartly, fmt.Sprintf("look into the load's options and hints (SIZE_LIMIT, ON_ERROR, deduplicate_label); dbctl load %s --mark skipped --path GLOB --reason '…' gives them up", r.j.Name),
		"%s not loaded: COPY passes over them and does not say why: %s", count(int64(len(names)), "file was", "files were"), some(names, 5))
}

// broken is the error of a run that err stopped. What it found in files is recorded, and what it has loaded is told.
func (r *run) broken(ctx context.Context, planned *Plan, err error) error {
	err = wrap(r.j.Name, "", err)
	if !r.o.Atomic && r.told < len(r.bad) && r.held() == nil && r.lock != nil {
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
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
	var own *Error
	if err == nil || r.res.Files == 0 || errors.As(err, &own) && own.Exit == exitPartly {
		return err
	}
	return &Error{Load: r.j.Name, Exit: exitPartly, Msg: count(int64(r.res.Files), "file is", "files are") + " loaded, and then", Err: err}
}

// batches sends the plan. left is how many files gave no row: the engine holds them for loaded.
func (r *run) batches(ctx context.Context) (left int, err error) {
	if r.o.Atomic {
		return r.atomic(ctx)
	}
	for _, b := range r.plan.split(r.named) {
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

// end gives the lock back, checks meanwhile that the table is still the one that was loaded, and sums up.
func (r *run) end(ctx context.Context, first *Plan) (Result, error) {
	// What is committed is told also when a signal came behind the last COMMIT.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	freed := make(chan error, 1)
	go func() { freed <- r.release(ctx) }()
	id, looked := r.tableID(ctx)
	err := cmp.Or(<-freed, wrap(r.j.Name, "look at the table again", looked))
	if looked == nil && id != r.plan.TableID && r.res.Files > 0 {
		return r.res, errors.Join(r.replaced(), err)
	}
	if len(r.kept) > 0 {
		first.kept, first.keptWhy = append(first.kept, r.kept...), "column "+r.j.FilenameColumn+" finds fewer rows of theirs than there were"
	}
	r.summary(first)
	err = cmp.Or(err, r.passed(ctx))
	// Of a joined error the first one's exit code counts: 4 outranks 3.
	return r.res, errors.Join(r.failed(), r.partly(err), first.open(), first.stopped(r.o))
}

// summary tells what was loaded.
func (r *run) summary(first *Plan) {
	took := time.Since(r.started)
	text := fmt.Sprintf("%s: %s, %s loaded (%s) in %s", r.j.Name, count(int64(r.res.Files), "file", "files"), count(r.res.Rows, "row", "rows"), event.Bytes(r.res.Bytes), took.Round(time.Millisecond))
	counts := map[string]int64{"loaded": int64(r.res.Files), "rows": r.res.Rows, "bytes": r.res.Bytes, "failed": int64(len(r.bad))}
	if n := len(r.bad); n > 0 {
		text += fmt.Sprintf(", %d failed", n)
	}
	if n := first.Counts[Loaded].Files + first.Counts[Expired].Files; n > 0 {
		text += fmt.Sprintf(", %d loaded before", n)
		counts["before"] = n
	}
	if n := first.Counts[Ignored].Files; n > 0 {
		text += fmt.Sprintf(", %d ignored", n)
		counts["ignored"] = n
	}
	r.l.cfg.Sink(event.Summary{Command: "load", Text: text, Counts: counts, TookMS: took.Milliseconds()})
}

// All runs loads one after another, goes on after one fails, and joins their errors: the worst exit code wins.
func (l *Loader) All(ctx context.Context, loads []project.Load, o Options) error {
	all := &LoadsError{Of: len(loads)}
	for _, ld := range loads {
		if _, err := l.Run(ctx, ld, o); err != nil {
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
