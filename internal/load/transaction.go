package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

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
	ledgers, proof, none := make([][]state.LedgerRow, len(batches)), "", []string(nil)
	for i, b := range batches {
		ledger, passed, err := r.copy(copying, b, begins[i].QueryID)
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
	for _, path := range none { // of two by one prefix the first may take what is the second's
		if !r.settled[path] && !slices.ContainsFunc(rows, func(row state.LedgerRow) bool { return row.Path == path }) {
			left++
		}
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
	before := rows[:(len(rows)-1)/ledgerRows*ledgerRows] // the last INSERT is sent beside the question
	if err := r.record(ctx, before); err != nil {
		return 0, err
	}
	last, both := errgroup.WithContext(ctx)
	last.Go(func() error { return r.guarded(both) })
	last.Go(func() error { return r.record(both, rows[len(before):]) })
	if err := cmp.Or(last.Wait(), r.lock.Fresh(ctx)); err != nil {
		return 0, err
	}
	commitID := databend.NewID()
	open = false
	_, err = l.work.Exec(ctx, databend.Statement{SQL: "COMMIT", ID: commitID, SendBy: r.lock.SendBy()})
	switch {
	case databend.IsCode(err, duplicatedFiles, databend.CodeConflict):
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

// copy sends one COPY, inside the transaction, and returns its ledger rows; none are the files that gave no row.
func (r *run) copy(ctx context.Context, b batch, copyID string) (ledger []state.LedgerRow, none []string, err error) {
	if b.replace {
		if err := r.deleteOld(ctx, b.files); err != nil {
			return nil, nil, cmp.Or(r.held(), err)
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
		return nil, nil, err
	}
	switch {
	case databend.IsCode(err, duplicatedFiles) || movedUnder(err, b.files):
		return nil, nil, errAgain{err}
	case databend.IsUnknownOutcome(err):
		return nil, nil, r.lost(ctx, copyID, err)
	case err != nil && ctx.Err() == nil && isRefusal(err):
		return nil, nil, &copyError{error: err}
	case err != nil:
		return nil, nil, err
	}
	rows, err := readCopied(res)
	if err != nil {
		return nil, nil, err
	}
	ledger, none, err = r.reconcile(b, rows, copyID, time.Since(started))
	if err != nil {
		return nil, nil, err
	}
	return ledger, none, nil
}

// duplicatedFiles is Databend's code for a COPY of which another recorded one of the files first.
const duplicatedFiles = 2014

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
	res, err := r.l.store.Conn().Query(free, databend.Statement{SQL: "SELECT count(*) FROM " + r.l.store.LedgerName() + " WHERE " + r.l.store.LedgerScope() +
		" AND " + id(state.ColQueryID) + "=" + sqltext.Quote(copyID) + " AND " + id(state.ColState) + "<>" + sqltext.Quote(state.FileBegin)})
	if err != nil {
		return false, err
	}
	r.l.renew(free)
	return len(res.Rows) == 1 && res.Rows[0][0].String != "0", nil
}
