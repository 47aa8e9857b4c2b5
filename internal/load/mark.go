package load

import (
	"cmp"
	"context"
	"fmt"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/state"
)

// marks are the words of --mark and the ledger's.
var marks = map[string]string{"loaded": state.FileLoaded, "new": state.FileNew, "skipped": state.FileQuarantined}

// Mark writes a person's word about the load's files (those of Options.Path) into the ledger: as "loaded" (their rows are in the
// table), "new" (they are not: load them) or "skipped" (never load them). It loads nothing. reason is required and kept.
func (l *Loader) Mark(ctx context.Context, ld project.Load, as, reason string, o Options) (err error) {
	word, ok := marks[as]
	switch {
	case !ok:
		return errorf(ld.Name, exitUsage, "--mark loaded, new or skipped", "cannot mark files as %q", as)
	case reason == "":
		return errorf(ld.Name, exitUsage, "--reason '…' is kept with the mark", "a mark needs a reason")
	}
	if o.Limit > 0 || o.Order != "" {
		return errorf(ld.Name, exitUsage, "--path GLOB chooses the files", "--mark takes neither --limit nor --order")
	}
	j, err := newJob(ld, l.cfg.Scope.Database)
	if err != nil {
		return err
	}
	r := &run{l: l, j: j, o: o}
	o.Force, o.Verbose, o.Full = false, true, true // a person's word is about all of them, also outside a window
	if r.plan, err = l.plan(ctx, j, want{Options: o}); err != nil {
		return err
	}
	was := map[string]bool{}
	for i := range r.plan.Files {
		was[r.plan.Files[i].Path] = r.plan.Files[i].State == Loaded
	}
	if r.lock, err = r.acquire(ctx, r.plan.scope.place); err != nil {
		return err
	}
	defer func() {
		if e := r.release(ctx); err == nil {
			err = e
		}
	}()
	if r.plan, err = l.plan(ctx, j, want{Options: o}); err != nil { // who held the lock may have loaded some
		return err
	}
	var rows []state.LedgerRow
	meanwhile := int64(0)
	for _, f := range r.plan.Files {
		if f.State == Ignored || f.State == Vanished || word == state.FileLoaded && f.Bytes == 0 {
			continue
		}
		if f.State == Loaded && !was[f.Path] {
			meanwhile++
			continue
		}
		row := r.row(f, word)
		row.Reason, row.Rows, row.Source = reason, unknownRows, state.SourceAdopted
		if o.Path != "" {
			row.Source = state.SourcePerson
		}
		rows = append(rows, row)
	}
	if meanwhile > 0 {
		l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: %s loaded meanwhile, and not marked", ld.Name, count(meanwhile, "file was", "files were"))})
	}
	if len(rows) == 0 {
		return errorf(ld.Name, exitStopped, "", "no file to mark in @%s/%s", j.Copy.Stage, j.prefix)
	}
	if err := r.writeAll(ctx, rows); err != nil {
		return wrap(ld.Name, "mark files", err)
	}
	n := int64(len(rows))
	l.cfg.Sink(event.Summary{Command: "load", Text: fmt.Sprintf("%s: %s marked as %s", ld.Name, count(n, "file", "files"), as), Counts: map[string]int64{"marked": n}})
	return nil
}

// writeAll writes all rows or none: of a table of which some files are marked, the others would be loaded.
func (r *run) writeAll(ctx context.Context, rows []state.LedgerRow) error {
	for try := 0; ; try++ {
		mark, commit := databend.NewID(), databend.NewID()
		for i := range rows {
			rows[i].QueryID = mark
		}
		if _, err := r.l.work.Exec(ctx, databend.Statement{SQL: "BEGIN"}); err != nil {
			return err
		}
		if err := cmp.Or(r.record(ctx, rows), r.guarded(ctx), r.lock.Fresh(ctx)); err != nil {
			r.rollback(ctx)
			return err
		}
		_, err := r.l.work.Exec(ctx, databend.Statement{SQL: "COMMIT", ID: commit, SendBy: r.lock.SendBy()})
		if err == nil {
			return nil
		}
		if databend.IsCode(err, databend.CodeConflict) && try < replans {
			continue
		}
		if done, asked := r.committed(ctx, commit, mark); asked != nil {
			return errorf(r.j.Name, exitPartly, "say it again", "the answer to COMMIT was lost, and asking failed: %v", asked)
		} else if !done {
			return err
		}
		return nil
	}
}
