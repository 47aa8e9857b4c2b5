package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// batch is what one COPY loads.
type batch struct {
	files   []plan.File
	Send    source.Send
	replace bool
}

// split cuts the plan into batches: files that need FORCE, files whose old rows go first, and the others, 15,000 at a time. named is
// whether none is sent by prefix.
func split(p *plan.Plan, named bool) []batch {
	var plain, forced, replaced []plan.File
	for _, f := range p.Planned() {
		switch {
		case f.Replace:
			replaced = append(replaced, f)
		case f.Force:
			forced = append(forced, f)
		default:
			plain = append(plain, f)
		}
	}
	var out []batch
	cut := func(files []plan.File, force, replace bool) {
		for len(files) > 0 {
			n := min(len(files), source.MaxFiles)
			out = append(out, batch{files: files[:n:n], Send: source.Send{Files: plan.Paths(files[:n]), Force: force}, replace: replace})
			files = files[n:]
		}
	}
	cut(plain, false, false)
	if p.Exact && !named && len(plain) >= ByPrefixFrom {
		for i := range out {
			out[i].Send = source.Send{Max: source.MaxFiles}
		}
	}
	cut(forced, true, false)
	cut(replaced, true, true)
	return out
}

// batch loads one batch, or finds out which of its files are bad and loads the others. It returns how many files gave no row.
func (r *run) batch(ctx context.Context, b batch) (int, error) {
	b, err := r.obeyed(ctx, b)
	if err != nil {
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

// obeyed is b without the files that break a rule.
func (r *run) obeyed(ctx context.Context, b batch) (batch, error) {
	kept, err := r.inspect.Obey(ctx, b.files, b.Send.Missing)
	if len(kept) < len(b.files) {
		b.files, b.Send.Files, b.Send.Max = kept, plan.Paths(kept), 0
	}
	return b, err
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
	begins := make([]state.LedgerRow, len(batches))
	for i, b := range batches {
		begins[i] = r.row(plan.File{}, ledger.FileBegin)
		begins[i].Mtime = ledger.Stamp(r.plan.At()) // a FLASHBACK is told by it
		begins[i].QueryID, begins[i].Rows, begins[i].Reason = databend.NewID(), int64(len(b.files)),
			r.doing(len(b.files))
	}
	if err := r.lock.Fresh(ctx); err != nil {
		return 0, err
	}
	r.progress(databend.Progress{}) // whatever was told last is over
	opening, both := errgroup.WithContext(ctx)
	opening.Go(crash.Caught(func() error { return r.Store.AppendLedger(both, begins, nil) })) // ahead of the COPY, outside of its transaction
	opening.Go(crash.Caught(func() error {
		_, err := r.Work.Exec(both, databend.Statement{SQL: "BEGIN"})
		return err
	}))
	open := true
	defer func() {
		if open {
			r.Rollback(ctx, r.j.Name, r.cfg.Sink)
		}
	}()
	if err := opening.Wait(); err != nil {
		return 0, err
	}
	ledgers, proof, none := make([][]state.LedgerRow, len(batches)), "", []string(nil)
	for i, b := range batches {
		ledger, passed, err := r.copy(ctx, b, begins[i].QueryID)
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
		ledgers[i], none = ledger, append(none, passed...)
	}
	rows := slices.Concat(ledgers...)
	behind, err := r.after(ctx, rows)
	if err != nil {
		return 0, err
	}
	for _, path := range none { // of two by one prefix the first may take what is the second's
		if !r.settled(path) && !slices.ContainsFunc(rows, func(row state.LedgerRow) bool { return row.Path == path }) {
			left++
		}
	}
	switch {
	case proof == "": // the engine held all of them for loaded
		return left, nil
	case r.o.Atomic && left > 0:
		return 0, errAgain{fmt.Errorf("the engine held %s for loaded", event.Plural(left, "file"))}
	}
	before := rows[:(len(rows)-1)/ledger.PerStatement*ledger.PerStatement] // the last INSERT is sent beside the question
	if err := r.record(ctx, before); err != nil {
		return 0, err
	}
	last, both := errgroup.WithContext(ctx)
	last.Go(crash.Caught(func() error { return r.guarded(both) }))
	last.Go(crash.Caught(func() error { return r.objects(both, rows) }))
	last.Go(crash.Caught(func() error { return r.record(both, rows[len(before):]) }))
	if err := cmp.Or(last.Wait(), r.lock.Fresh(ctx)); err != nil {
		return 0, err
	}
	r.phase("committing")
	defer r.phase("")
	commitID := databend.NewID()
	open = false
	_, err = r.Work.Exec(ctx, databend.Statement{SQL: "COMMIT", ID: commitID, SendBy: r.lock.SendBy()})
	switch {
	case databend.IsCode(err, duplicatedFiles, databend.CodeConflict):
		return 0, errAgain{err}
	case err != nil:
		// Ctrl-C, or a lost answer: whether the COMMIT happened is a question, not a guess.
		if committed, asked := r.committed(ctx, commitID, proof); asked != nil {
			return 0, fault.Errorf(r.j.Name, exit.Partly, "dbctl load "+r.j.Name+" (it loads only what is missing)",
				"the answer to COMMIT was lost, and asking failed: %v", asked)
		} else if !committed {
			return 0, err
		}
	}
	r.behind += behind
	for i, b := range batches {
		r.report(b, ledgers[i], begins[i].QueryID)
	}
	return left, nil
}

// doing is what a transaction does, for the ledger.
func (r *run) doing(files int) string {
	text := "a COPY of " + event.Plural(files, "file")
	if n := len(r.j.After); n > 0 {
		text += " and " + event.Plural(n, "statement") + " behind it"
	}
	return text
}

// after runs the statements behind the load's COPY, in its transaction, when rows came, and returns how many rows they wrote. One that
// fails takes the COPY back: no file is to blame for it.
func (r *run) after(ctx context.Context, loaded []state.LedgerRow) (wrote int64, err error) {
	if !slices.ContainsFunc(loaded, func(row state.LedgerRow) bool { return row.Rows > 0 }) {
		return 0, nil
	}
	for i, st := range r.j.After {
		r.phase(fmt.Sprintf("statement %d of %d behind the COPY", i+1, len(r.j.After)))
		res, err := r.Work.Exec(ctx, databend.Statement{
			SQL: st.SQL, Secrets: r.inspect.Secrets, Place: st.Place, At: st.At,
		})
		if databend.IsConflict(err) {
			return 0, errAgain{err}
		}
		if err != nil {
			failed := &fault.Error{
				Load: r.j.Name, Exit: exit.Failed, Msg: "a statement behind the COPY failed, and the COPY was taken back", Err: err,
			}
			if !databend.IsCode(err, databend.CodeConflict) { // of which the server's own hint tells more
				failed.Advice = "mend it in " + r.j.Path
			}
			return 0, failed
		}
		wrote += res.Affected
	}
	r.phase("")
	if r.mayTake() {
		res, err := r.Work.Query(ctx, databend.Statement{SQL: "SELECT count(*) FROM " + r.j.TableSQL()})
		if err != nil {
			return 0, fault.Wrap(r.j.Name, "count what is left in "+r.j.Target, err)
		}
		if len(res.Rows) == 1 && res.Rows[0].Int(0) == 0 {
			for i := range loaded {
				loaded[i].Reason = ledger.Consumed
			}
		}
	}
	return wrote, nil
}

// mayTake reports whether something behind the COPY may take rows from its table.
func (r *run) mayTake() bool {
	for _, e := range project.Effects(r.j.After, r.cfg.Scope.Database) {
		for _, w := range e.Writes {
			if w.Does != effect.AddsRows && w.Kind == sqltext.Table && w.Database == r.j.Database && w.Name == r.j.Table {
				return true
			}
		}
	}
	return false
}

// copy sends one COPY, inside the transaction, and returns its ledger rows; none are the files that gave no row.
func (r *run) copy(ctx context.Context, b batch, copyID string) (ledger []state.LedgerRow, none []string, err error) {
	if b.replace {
		if err := r.deleteOld(ctx, b.files); err != nil {
			return nil, nil, err
		}
	}
	started := time.Now()
	stopping := false
	progress := func(p databend.Progress) {
		if ctx.Err() != nil && !stopping {
			stopping = true
			r.cfg.Sink.Note(event.Warn, "load %s: nothing of this COPY will be loaded; waiting until the server "+
				"has ended it, as long as that takes", r.j.Name)
		}
		r.progress(p)
		if r.pace == nil && time.Since(started) > askPace {
			r.pace = r.earlier(ctx)
		}
	}
	sql := r.j.SQL(b.Send)
	res, err := r.Work.Query(ctx, databend.Statement{
		SQL: sql, Secrets: r.inspect.Secrets, ID: copyID, Progress: progress, Place: r.j.Statement.Place, At: r.j.PlaceIn(sql),
	})
	switch {
	case databend.IsCode(err, duplicatedFiles) || r.j.Dropped(err) || fault.MovedUnder(err, plan.Paths(b.files)):
		return nil, nil, errAgain{err}
	case databend.IsUnknownOutcome(err):
		return nil, nil, r.lost(ctx, copyID, err)
	case err != nil && ctx.Err() == nil && r.j.IsRefusal(err):
		return nil, nil, &copyError{error: err}
	case err != nil:
		return nil, nil, r.j.Misread(err)
	}
	rows, err := readCopied(res)
	if err != nil {
		return nil, nil, err
	}
	return r.reconcile(b, rows, copyID, time.Since(started))
}

// objects looks into files of NDJSON: the COPY took rows that are no objects, and loaded NULLs.
func (r *run) objects(ctx context.Context, loaded []state.LedgerRow) error {
	if !r.j.ReadsKeys() {
		return nil
	}
	rows := map[string]int64{}
	for _, row := range loaded {
		rows[row.Path] = row.Rows
	}
	files := slices.DeleteFunc(r.plan.Planned(), func(f plan.File) bool { return rows[f.Path] == 0 })
	bad, err := r.inspect.Objects(ctx, files, rows)
	if len(bad) == 0 || err != nil {
		return err
	}
	return errAgain{fmt.Errorf("no object is in %s", event.Some(bad, 3))}
}

// duplicatedFiles is Databend's code for a COPY of which another recorded one of the files first.
const duplicatedFiles = 2014

// lost handles a COPY without an answer: it ran in a transaction that will never be committed, so nothing of it is there. It must
// have ended before it is planned again.
func (r *run) lost(ctx context.Context, queryID string, err error) error {
	if e := r.Settle(ctx, queryID); e != nil {
		return errors.Join(err, e)
	}
	r.Renew()
	return errAgain{err}
}

// committed asks whether the transaction with this COPY is there. The COMMIT must have ended before its traces say anything.
func (r *run) committed(ctx context.Context, commitID, copyID string) (bool, error) {
	free, cancel := session.Behind(ctx)
	defer cancel()
	if err := r.Settle(free, commitID); err != nil {
		return false, err
	}
	done, err := r.Store.SaidBy(free, copyID)
	if err != nil {
		return false, err
	}
	r.Renew()
	return done, nil
}
