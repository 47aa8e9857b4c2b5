package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
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
	Files, Failed int
	Rows, Bytes   int64
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
	if o, ok := option(r.j.Copy, "ON_ERROR"); ok && silentlySkips.MatchString(o.Value) {
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
			return planned, r.noRow(planned)
		}
		if err = r.replan(ctx); err != nil {
			return planned, err
		}
		r.forgive()
	}
}

// replan makes the plan again, under the lock. Of another table it too must be one that may be run.
func (r *run) replan(ctx context.Context) error {
	w := want{Options: r.o, settled: r.settled}
	for _, b := range r.bad {
		if b.passing {
			w.denied++
		}
	}
	was := r.plan.TableID
	p, err := r.l.plan(ctx, r.j, w)
	if err != nil {
		return err
	}
	switch r.plan = p; {
	case p.TableID == was:
		return nil
	case r.res.Files > 0:
		return r.replaced()
	}
	return p.refusal(r.o)
}

// replaced is the error of a table whose rows went with the table that it was.
func (r *run) replaced() error {
	return errorf(r.j.Name, exitPartly, "dbctl load "+r.j.Name, "the table %s was replaced while it was loaded: the rows went with the old one", r.j.target)
}

// noRow is the error of planned files that COPYs passed over again and again.
func (r *run) noRow(planned *Plan) error {
	var names []string
	for _, f := range planned.Planned() {
		if !r.settled[f.Path] {
			names = append(names, f.Path)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errorf(r.j.Name, exitPartly, "look into its options and hints: SIZE_LIMIT, ON_ERROR, deduplicate_label",
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

// batch is what one COPY loads.
type batch struct {
	files   []File
	send    send
	replace bool
}

// split cuts the plan into batches: files that need FORCE, files whose old rows go first, and the others, 15,000 at a time. named is
// whether none is sent by prefix.
func (p *Plan) split(named bool) []batch {
	var plain, forced, replaced []File
	for _, f := range p.Planned() {
		switch {
		case f.Replace:
			replaced = append(replaced, f)
		case f.force:
			forced = append(forced, f)
		default:
			plain = append(plain, f)
		}
	}
	var out []batch
	cut := func(files []File, force, replace bool) {
		for len(files) > 0 {
			n := min(len(files), maxFiles)
			out = append(out, batch{files: files[:n:n], send: send{files: paths(files[:n]), force: force}, replace: replace})
			files = files[n:]
		}
	}
	cut(plain, false, false)
	if p.exact && !named && len(plain) >= byPrefixFrom {
		for i := range out {
			out[i].send = send{max: maxFiles}
		}
	}
	cut(forced, true, false)
	cut(replaced, true, true)
	return out
}

func paths(files []File) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Path
	}
	return out
}

// batch loads one batch, or finds out which of its files are bad and loads the others. It returns how many files gave no row.
func (r *run) batch(ctx context.Context, b batch) (int, error) {
	if err := r.obey(ctx, &b); err != nil {
		return 0, err
	}
	if len(b.files) == 0 {
		return 0, r.recordBad(ctx)
	}
	left, err := r.transaction(ctx, b)
	var refused *copyError
	if !errors.As(err, &refused) {
		return left, cmp.Or(err, r.recordBad(ctx))
	}
	return r.isolate(ctx, b, refused)
}

// copyError is a COPY that the engine refused because of its files or its text: nothing of the batch is loaded.
type copyError struct {
	error
	batch int // of the transaction
}

func (e *copyError) Unwrap() error { return e.error }

// transaction sends the COPY of each batch and its ledger rows: all of it or nothing. A limit of 15,000 files holds for a COPY and
// not for a commit.
func (r *run) transaction(ctx context.Context, batches ...batch) (left int, err error) {
	l := r.l
	begins := make([]state.LedgerRow, len(batches))
	for i, b := range batches {
		begins[i] = r.row(File{}, state.FileBegin)
		begins[i].Mtime = r.plan.scope.place.at // see flashedBack
		begins[i].QueryID, begins[i].Rows, begins[i].Reason = databend.NewID(), int64(len(b.files)), "a COPY of "+count(int64(len(b.files)), "file", "files")
	}
	if r.taking == nil {
		if err := r.lock.Fresh(ctx); err != nil {
			return 0, err
		}
	}
	if _, err := l.work.Exec(ctx, databend.Statement{SQL: "BEGIN"}); err != nil {
		return 0, err
	}
	open := true
	defer func() {
		if open {
			r.rollback(ctx)
		}
	}()
	// Ahead of the COMMIT, before which nothing has happened; beside the COPY, which it would hold up.
	begun := make(chan error, 1)
	copying, cancel := context.WithCancel(ctx)
	defer cancel()
	go func(t *taking) {
		if t != nil {
			if <-t.done; t.failure() != nil {
				cancel() // what the COPY does is for nothing
				begun <- nil
				return
			}
		}
		begun <- l.store.AppendLedger(ctx, begins, nil)
	}(r.taking)
	waited := false
	defer func() {
		if !waited {
			<-begun
		}
	}()
	ledgers, proof := make([][]state.LedgerRow, len(batches)), ""
	for i, b := range batches {
		ledger, none, err := r.copy(copying, b, begins[i].QueryID)
		var refused *copyError
		if errors.As(err, &refused) {
			refused.batch = i
		}
		if err != nil {
			return 0, err
		}
		if len(ledger) > 0 {
			proof = begins[i].QueryID
		}
		ledgers[i], left = ledger, left+none
	}
	waited = true
	if err := <-begun; err != nil {
		return 0, err
	}
	switch {
	case proof == "": // the engine held all of them for loaded
		return left, nil
	case r.o.Atomic && left > 0:
		return 0, errAgain{fmt.Errorf("the engine held %s for loaded", count(int64(left), "file", "files"))}
	}
	last, both := errgroup.WithContext(ctx)
	last.Go(func() error { return r.guarded(both) })
	last.Go(func() error { return r.record(both, slices.Concat(ledgers...)) })
	if err := cmp.Or(last.Wait(), r.lock.Fresh(ctx)); err != nil {
		return 0, err
	}
	commitID := databend.NewID()
	open = false
	_, err = l.work.Exec(ctx, databend.Statement{SQL: "COMMIT", ID: commitID, SendBy: r.lock.SendBy()})
	switch {
	case databend.IsCode(err, duplicatedFiles, unresolvableConflict):
		return 0, errAgain{err}
	case err != nil:
		// Ctrl-C, or a lost answer: whether the COMMIT happened is a question, not a guess.
		if committed, asked := r.committed(ctx, commitID, proof); asked != nil {
			return 0, errorf(r.j.Name, exitPartly, "dbctl load "+r.j.Name+" (it loads only what is missing)", "the answer to COMMIT was lost, and asking failed: %v", asked)
		} else if !committed {
			return 0, err
		}
	}
	for i, b := range batches {
		r.report(b, ledgers[i], begins[i].QueryID)
	}
	return left, nil
}

// copy sends one COPY, inside the transaction, and returns its ledger rows. left is how many files gave no row.
func (r *run) copy(ctx context.Context, b batch, copyID string) (ledger []state.LedgerRow, left int, err error) {
	if b.replace {
		if err := r.deleteOld(ctx, b.files); err != nil {
			return nil, 0, cmp.Or(r.held(), err)
		}
	}
	started := time.Now()
	stopping := false
	progress := func(p databend.Progress) {
		if ctx.Err() != nil && !stopping {
			stopping = true
			r.l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: nothing of this COPY will be loaded; waiting until the server has ended it, as long as that takes", r.j.Name)})
		}
		r.progress(p)
		if r.pace == nil && time.Since(r.started) > askPace {
			r.pace = r.earlier(ctx)
		}
	}
	res, err := r.l.work.Query(ctx, databend.Statement{
		SQL: r.j.sql(b.send), Secrets: r.secrets, ID: copyID, Progress: progress,
		File: r.j.Path, Line: r.j.Statement.Line, Column: r.j.Statement.Column, PosOf: r.j.pos,
	})
	if err := r.held(); err != nil {
		return nil, 0, err
	}
	switch {
	case databend.IsCode(err, duplicatedFiles) || movedUnder(err, b.files):
		return nil, 0, errAgain{err}
	case databend.IsUnknownOutcome(err):
		return nil, 0, r.lost(ctx, copyID, err)
	case err != nil && ctx.Err() == nil && isRefusal(err):
		return nil, 0, &copyError{error: err}
	case err != nil:
		return nil, 0, err
	}
	rows, err := readCopied(res)
	if err != nil {
		return nil, 0, err
	}
	ledger, none, err := r.reconcile(b, rows, copyID, time.Since(started))
	if err != nil {
		return nil, 0, err
	}
	return ledger, len(none), nil
}

// Databend's codes that a load decides on.
const (
	duplicatedFiles      = 2014 // DuplicatedUpsertFiles: another COPY recorded one of the files first
	unresolvableConflict = 4001 // the table was changed in a way that the commit cannot be merged with
)

// rollback ends the transaction; it never commits when this fails too.
func (r *run) rollback(ctx context.Context) {
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	_, err := r.l.work.Exec(free, databend.Statement{SQL: "ROLLBACK"})
	if err != nil && free.Err() != nil {
		r.l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: the server still works on the COPY; its transaction is never committed, and what comes next may be slow until it ends", r.j.Name)})
	}
	if err != nil {
		r.l.renew(free)
	}
}

// renew replaces the work session, whose state is not known.
func (l *Loader) renew(ctx context.Context) {
	_ = l.work.Close()
	if s, err := l.cfg.Server.Session(ctx, l.settings()); err == nil {
		l.work = s
	}
}

// lost handles a COPY without an answer: it ran in a transaction that will never be committed, so nothing of it is there. It must
// have ended before it is planned again.
func (r *run) lost(ctx context.Context, queryID string, err error) error {
	if e := r.l.cfg.Server.Settle(ctx, queryID); e != nil {
		return errors.Join(err, e)
	}
	r.l.renew(ctx)
	return errAgain{err}
}

// committed asks whether the transaction with this COPY is there. The COMMIT must have ended before its traces say anything.
func (r *run) committed(ctx context.Context, commitID, copyID string) (bool, error) {
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	if err := r.l.cfg.Server.Settle(free, commitID); err != nil {
		return false, err
	}
	id := sqltext.Ident
	res, err := r.l.store.Conn().Query(free, databend.Statement{SQL: "SELECT count(*) FROM " + r.l.store.LedgerName() + " WHERE " + r.l.store.LedgerScope("") +
		" AND " + id(state.ColQueryID) + "=" + sqltext.Quote(copyID) + " AND " + id(state.ColState) + "<>" + sqltext.Quote(state.FileBegin)})
	if err != nil {
		return false, err
	}
	r.l.renew(free)
	return len(res.Rows) == 1 && res.Rows[0][0].String != "0", nil
}

// copied is one row of a COPY's result.
type copied struct {
	path   string
	rows   int64
	errors int64
	first  string // first error
	line   int64  // of it, from 1
}

func readCopied(res databend.Result) ([]copied, error) {
	out := make([]copied, len(res.Rows))
	for i, row := range res.Rows {
		if len(row) < 5 {
			return nil, fmt.Errorf("read the result of COPY: %d columns, want File, Rows_loaded, Errors_seen, First_error, First_error_line", len(row))
		}
		out[i] = copied{row[0].String, number(row[1].String), number(row[2].String), row[3].String, number(row[4].String)}
	}
	return out, nil
}

// reconcile compares the COPY's files with the batch's: what was loaded becomes ledger rows, what gave no row is returned too.
func (r *run) reconcile(b batch, rows []copied, copyID string, took time.Duration) (ledger []state.LedgerRow, none []string, err error) {
	byPath := make(map[string]copied, len(rows))
	for _, c := range rows {
		byPath[r.below(c.path)] = c
	}
	for _, f := range b.files {
		c, ok := byPath[f.Path]
		if !ok {
			none = append(none, f.Path)
			continue
		}
		delete(byPath, f.Path)
		ledger = append(ledger, r.loaded(f, c, copyID, took))
	}
	if b.send.files == nil {
		for _, f := range r.plan.Files { // of another batch of the same prefix
			if c, ok := byPath[f.Path]; ok && f.Planned && !r.settled[f.Path] {
				ledger = append(ledger, r.loaded(f, c, copyID, took))
				delete(byPath, f.Path)
			}
		}
	}
	if len(byPath) == 0 {
		return ledger, none, nil
	}
	// What came to the prefix meanwhile was not looked at, and what the engine forgot meanwhile is in the table already.
	r.named = true
	return nil, nil, errAgain{fmt.Errorf("the COPY took %s that were not planned: %s", count(int64(len(byPath)), "file", "files"), some(slices.Sorted(maps.Keys(byPath)), 3))}
}

// below is a path of a COPY's result, which is a whole URL for tables with copy_dedup_full_path.
func (r *run) below(path string) string { return strings.TrimPrefix(path, r.plan.StageURL) }

// row is a ledger row about f.
func (r *run) row(f File, st string) state.LedgerRow {
	return state.LedgerRow{
		EventID: databend.NewID(), Run: r.l.cfg.Run, Table: r.plan.Table, TableID: r.plan.TableID, Stage: r.plan.Stage, StageURL: r.plan.StageURL,
		Path: f.Path, Size: f.Bytes, ETag: f.ETag, Mtime: f.Mtime, State: st, Source: state.SourceDBCTL, Load: r.j.Name, Checksum: r.j.Checksum,
	}
}

func (r *run) loaded(f File, c copied, copyID string, took time.Duration) state.LedgerRow {
	row := r.row(f, state.FileLoaded)
	row.Rows, row.QueryID, row.TookMS = c.rows, copyID, took.Milliseconds()
	if c.errors > 0 {
		row.Error = fmt.Sprintf("%s, first in line %d: %s", count(c.errors, "error", "errors"), c.line, c.first)
	}
	return row
}

// record writes the ledger's rows inside the transaction.
func (r *run) record(ctx context.Context, rows []state.LedgerRow) error {
	for chunk := range slices.Chunk(rows, ledgerRows) {
		res, err := r.l.work.Exec(ctx, databend.Statement{SQL: r.l.store.AppendLedgerSQL(chunk)})
		if err != nil {
			return err
		}
		if res.Affected != int64(len(chunk)) {
			return fmt.Errorf("write ledger: %d rows written, want %d", res.Affected, len(chunk))
		}
	}
	return nil
}

// guarded says whether the transaction may be committed: the lock is ours, and the table is the one of the plan.
func (r *run) guarded(ctx context.Context) error {
	id, err := r.l.store.Guarded(ctx, r.lock.Fence(), r.j.database, r.j.table)
	if err == nil && id != r.plan.TableID {
		return errAgain{fmt.Errorf("the table %s was replaced while it was loaded", r.j.target)}
	}
	return err
}

// tableID is the id that the target's name has now; "" when there is none.
func (r *run) tableID(ctx context.Context) (string, error) {
	s := sqltext.Quote
	res, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT to_string(table_id) FROM system.tables WHERE database=" + s(r.j.database) + " AND name=" + s(r.j.table)})
	if err != nil || len(res.Rows) == 0 {
		return "", err
	}
	return res.Rows[0][0].String, nil
}

// report tells of the files that are now loaded.
func (r *run) report(b batch, ledger []state.LedgerRow, copyID string) {
	before := make(map[string]File, len(b.files))
	for _, f := range b.files {
		before[f.Path] = f
	}
	for _, row := range ledger {
		f := before[row.Path]
		outcome, was := "loaded", New
		if f.State != "" {
			was = f.State
		}
		if b.replace {
			outcome = "replaced"
		}
		r.leaveOut(row.Path)
		r.res.Files++
		r.res.Rows += row.Rows
		r.res.Bytes += row.Size
		r.l.cfg.Sink(event.File{Load: r.j.Name, Table: r.j.target, Path: row.Path, Before: string(was), Outcome: outcome, Bytes: row.Size, Rows: row.Rows, Reason: row.Error, QueryID: copyID})
	}
	r.progress(databend.Progress{})
}

// takeIn writes the files loaded past us into the ledger.
func (r *run) takeIn(ctx context.Context) error {
	if err := r.held(); err != nil {
		return err
	}
	rows := make([]state.LedgerRow, len(r.plan.engine))
	for i, f := range r.plan.engine {
		rows[i] = r.row(f, state.FileLoaded)
		rows[i].Source, rows[i].Rows, rows[i].Checksum, rows[i].Reason = state.SourceEngine, unknownRows, "", "found in copy_history"
	}
	return wrap(r.j.Name, "take in files loaded past dbctl", r.l.store.AppendLedger(ctx, rows, r.lock.Fence()))
}

// end gives the lock back, checks meanwhile that the table is still the one that was loaded, and sums up.
func (r *run) end(ctx context.Context, first *Plan) (Result, error) {
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
	text := fmt.Sprintf("%s: %s, %s loaded (%s) in %s", r.j.Name, count(int64(r.res.Files), "file", "files"), count(r.res.Rows, "row", "rows"), size(r.res.Bytes), took.Round(time.Millisecond))
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
