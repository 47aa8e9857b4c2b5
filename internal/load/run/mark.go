package run

import (
	"cmp"
	"context"
	"fmt"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// marks are the words of --mark and the ledger's.
var marks = map[string]string{"loaded": ledger.FileLoaded, "new": ledger.FileNew, "quarantined": ledger.FileQuarantined}

// Mark writes a person's word about the load's files (those of Options.Path) into the ledger: as "loaded" (their rows are in the
// table), "new" (they are not: load them) or "quarantined" (never load them). It loads nothing. reason is required and kept.
func Mark(ctx context.Context, cfg Config, p *plan.Planner, j *source.Load, as, reason string, o plan.Options) (err error) {
	if o.Limit > 0 || o.Order != "" {
		return fault.Errorf(j.Name, exit.Usage, "--path GLOB chooses the files", "--mark takes neither --limit nor --order")
	}
	o.Force, o.Verbose, o.Full = false, true, true // a person's word is about all of them, also outside a window
	r := newRun(cfg, p, j, o)
	if r.plan, err = p.Plan(ctx, j, plan.Want{Options: o}); err != nil {
		return err
	}
	m := &marking{word: marks[as], reason: reason, loaded: map[string]bool{}}
	for i := range r.plan.Files {
		m.loaded[r.plan.Files[i].Path] = r.plan.Files[i].State == event.Loaded
	}
	if err := r.acquire(ctx); err != nil {
		return err
	}
	defer r.release(ctx)
	if r.plan, err = p.Plan(ctx, j, plan.Want{Options: o}); err != nil { // who held the lock may have loaded some
		return err
	}
	if m.former, err = r.former(ctx); err != nil {
		return fault.Wrap(j.Name, "mark files", err)
	}
	for _, f := range r.plan.Files {
		r.mark(f, m)
	}
	m.tell(r.plan, cfg.Sink)
	if len(m.rows) == 0 {
		advice := fault.Again(j.Name, "--dry-run", "-v") + " lists the files"
		if r.plan.Counts[event.Quarantined].Files > 0 {
			advice = "what is quarantined stays so: " + fault.Again(j.Name, "--mark", "new", "--reason", "why") + " lets the next load take it"
		}
		return fault.Errorf(j.Name, exit.Check, advice, "no file to mark in %s", j.Place())
	}
	if err := r.writeAll(ctx, m.rows); err != nil {
		return fault.Wrap(j.Name, "mark files", err)
	}
	for _, f := range m.files {
		cfg.Sink(f)
	}
	cfg.Sink(event.Summary{
		Command: "load", Load: j.Name, Text: fmt.Sprintf("%s: %s marked as %s", j.Name, event.Plural(len(m.rows), "file"), as),
		Counts: map[string]int64{"marked": int64(len(m.rows))},
	})
	return nil
}

// marking is what a mark says, and of which files.
type marking struct {
	word, reason string
	loaded       map[string]bool // before the lock was taken
	former       *former
	rows         []state.LedgerRow
	files        []event.File
	meanwhile    int // not marked: loaded since
	twice        int // new again, while their rows are in the table
}

// mark takes a file into m, if that is one that the word can be said of.
func (r *run) mark(f plan.File, m *marking) {
	if f.State == event.Ignored || f.State == event.Vanished || m.word == ledger.FileLoaded && f.Bytes == 0 {
		return
	}
	if f.State == event.Loaded && !m.loaded[f.Path] {
		m.meanwhile++
		return
	}
	word := m.former.word(f, m.word)
	if word == "" {
		return
	}
	row := r.row(f, word)
	row.Reason, row.Rows, row.Source = m.reason, f.Rows, ledger.SourceAdopted
	switch {
	case word == ledger.FileNew:
		if row.Rows != 0 {
			m.twice++
		}
		row.Rows = 0
	case word == ledger.FileLoaded && f.State != event.Loaded && f.State != event.Expired:
		row.Rows = plan.UnknownRows
		if was, ok := m.former.states[f.Path]; ok && !m.former.named { // what was overwritten since is seen to be so
			row.Size, row.ETag, row.Mtime = was.Size, was.ETag, was.Mtime
		}
	}
	if r.o.Path != "" {
		row.Source = ledger.SourcePerson
	}
	m.rows = append(m.rows, row)
	m.files = append(m.files, event.File{
		Load: r.j.Name, Table: r.plan.Table, Path: f.Path, Before: f.State, Outcome: event.FileMarked, Bytes: f.Bytes, Reason: "as " + word,
	})
}

// tell says which files were left, and what the word leads to.
func (m *marking) tell(p *plan.Plan, sink event.Sink) {
	m.former.tell(p.Load, sink)
	if m.meanwhile > 0 {
		sink.Note(event.Warn, "load %s: %s loaded meanwhile, and not marked", p.Load, event.Number(m.meanwhile, "file was", "files were"))
	}
	if m.twice > 0 {
		sink.Note(event.Warn, "load %s: by the ledger the rows of %s are in %s: DELETE them, or the next load puts others beside them; "+
			"--reload replaces them instead", p.Load, event.Plural(m.twice, "such file"), p.Table)
	}
}

// writeAll writes all rows or none: of a table of which some files are marked, the others would be loaded.
func (r *run) writeAll(ctx context.Context, rows []state.LedgerRow) error {
	for try := 0; ; try++ {
		mark, commit := databend.NewID(), databend.NewID()
		for i := range rows {
			rows[i].QueryID = mark
		}
		if _, err := r.Work.Exec(ctx, databend.Statement{SQL: "BEGIN"}); err != nil {
			return err
		}
		if err := cmp.Or(r.record(ctx, rows), r.guarded(ctx), r.lock.Fresh(ctx)); err != nil {
			r.Rollback(ctx, r.j.Name, r.cfg.Sink)
			return err
		}
		_, err := r.Work.Exec(ctx, databend.Statement{SQL: "COMMIT", ID: commit, SendBy: r.lock.SendBy()})
		if err == nil {
			return nil
		}
		if databend.IsCode(err, databend.CodeConflict) && try < plan.Replans {
			continue
		}
		if done, asked := r.committed(ctx, commit, mark); asked != nil {
			return fault.Errorf(r.j.Name, exit.Partly, "say it again", "the answer to COMMIT was lost, and asking failed: %v", asked)
		} else if !done {
			return err
		}
		return nil
	}
}
