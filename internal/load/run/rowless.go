package run

import (
	"context"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// rowless settles planned files of which no COPY said anything and in which there is no row: a text with nothing but a header, of which the
// engine keeps no record where no other file brings one. It returns how many there are.
func (r *run) rowless(ctx context.Context) (int, error) {
	var open []plan.File
	for _, f := range r.plan.Planned() {
		if !r.settled(f.Path) {
			open = append(open, f)
		}
	}
	files, err := r.inspect.Rowless(ctx, open)
	if len(files) == 0 || err != nil {
		return 0, err
	}
	rows := make([]state.LedgerRow, len(files))
	for i, f := range files {
		rows[i] = r.row(f, ledger.FileLoaded)
		rows[i].Reason = "there is no row in it"
	}
	if err := r.Store.AppendLedger(ctx, rows, r.lock.Fence()); err != nil {
		return 0, fault.Wrap(r.j.Name, "note files without a row", err)
	}
	for _, f := range files {
		r.done[f.Path] = true
		r.res.Files++
		r.res.Bytes += f.Bytes
		r.cfg.Sink(event.File{Load: r.j.Name, Table: r.j.Target, Path: f.Path, Before: f.State, Outcome: event.FileLoaded, Bytes: f.Bytes})
	}
	r.cfg.Sink.Note(event.Warn, "load %s: no row is in %s: empty, nothing but a header, or cut off: %s",
		r.j.Name, event.Plural(len(files), "file"), event.Some(plan.Paths(files), 5))
	return len(files), nil
}

// passedOver tells of text files that COPYs passed over and the engine now holds for loaded.
func (r *run) passedOver(planned *plan.Plan) {
	if planned == nil || r.j.FileType() == "PARQUET" {
		return
	}
	sent := map[string]bool{}
	for _, f := range planned.Planned() {
		sent[f.Path] = true
	}
	var names []string
	for _, f := range r.plan.Past {
		if sent[f.Path] {
			names = append(names, f.Path)
		}
	}
	if len(names) > 0 {
		r.cfg.Sink.Note(event.Warn, "load %s: no row came from %s, loaded by somebody else meanwhile or cut off: %s",
			r.j.Name, event.Plural(len(names), "file"), event.Some(names, 5))
	}
}
