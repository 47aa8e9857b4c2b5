package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

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
			return nil, fmt.Errorf("read the result of COPY: %d columns, want File, Rows_loaded, Errors_seen, First_error, "+
				"First_error_line", len(row))
		}
		out[i] = copied{row[0].String, row.Int(1), row.Int(2), row[3].String, row.Int(4)}
	}
	return out, nil
}

// reconcile compares the COPY's files with the batch's: what was loaded becomes ledger rows, what gave no row is returned too.
func (r *run) reconcile(b batch, rows []copied, copyID string, took time.Duration) (ledger []state.LedgerRow, none []string, err error) {
	byPath := make(map[string]copied, len(rows))
	for _, c := range rows {
		byPath[r.plan.Below(c.path)] = c
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
	if b.Send.Files == nil {
		for _, f := range r.plan.Files { // of another batch of the same prefix
			if c, ok := byPath[f.Path]; ok && f.Planned && !r.settled(f.Path) {
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
	return nil, nil, errAgain{fmt.Errorf("the COPY took %s that were not planned: %s", event.Plural(len(byPath), "file"),
		event.Some(slices.Sorted(maps.Keys(byPath)), 3))}
}

// row is a ledger row about f.
func (r *run) row(f plan.File, st string) state.LedgerRow {
	return state.LedgerRow{
		EventID: databend.NewID(), Run: r.cfg.Run, Table: r.plan.Table, TableID: r.plan.TableID, Stage: r.plan.Stage, StageURL: r.plan.StageURL,
		Path: f.Path, Size: f.Bytes, ETag: f.ETag, Mtime: ledger.Stamp(f.Mtime), State: st, Source: ledger.SourceDBCTL, Load: r.j.Name,
		Checksum: r.j.Checksum,
	}
}

func (r *run) loaded(f plan.File, c copied, copyID string, took time.Duration) state.LedgerRow {
	row := r.row(f, ledger.FileLoaded)
	row.Rows, row.QueryID, row.TookMS = c.rows+doubled(f), copyID, took.Milliseconds()
	if doubled(f) > 0 {
		row.Reason = ledger.OnTop
	}
	if c.errors > 0 {
		row.Error = fmt.Sprintf("%s, first in line %d: %s", event.Plural(c.errors, "error"), c.line, c.first)
	}
	return row
}

// doubled is how many rows of an earlier load of the file stay in the table: the ledger counts all that came from it.
func doubled(f plan.File) int64 {
	if f.Replace {
		return 0
	}
	return max(0, f.Rows)
}

// record writes the ledger's rows inside the transaction.
func (r *run) record(ctx context.Context, rows []state.LedgerRow) error {
	for chunk := range slices.Chunk(rows, ledger.PerStatement) {
		res, err := r.Work.Exec(ctx, databend.Statement{SQL: r.Store.AppendLedgerSQL(chunk)})
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
	id, err := r.Store.Guarded(ctx, r.lock.Fence(), r.j.Database, r.j.Table)
	if err == nil && id != r.plan.TableID {
		return errAgain{fmt.Errorf("the table %s was replaced while it was loaded", r.j.Target)}
	}
	return err
}

// tableID is the id that the target's name has now; "" when there is none.
func (r *run) tableID(ctx context.Context) (string, error) {
	s := sqltext.Quote
	res, err := r.Work.Query(ctx, databend.Statement{Reads: true, SQL: "SELECT to_string(table_id) FROM system.tables WHERE database=" +
		s(r.j.Database) + " AND name=" + s(r.j.Table)})
	if err != nil || len(res.Rows) == 0 {
		return "", err
	}
	return res.Rows[0][0].String, nil
}

// report tells of the files that are now loaded.
func (r *run) report(b batch, ledger []state.LedgerRow, copyID string) {
	before := make(map[string]plan.File, len(b.files))
	for _, f := range b.files {
		before[f.Path] = f
	}
	for _, row := range ledger {
		f := before[row.Path]
		outcome, was := event.FileLoaded, event.New
		if f.State != "" {
			was = f.State
		}
		if b.replace {
			outcome = event.FileReplaced
		}
		r.done[row.Path] = true
		r.res.Files++
		rows := row.Rows - doubled(f)
		r.res.Rows += rows
		r.res.Bytes += row.Size
		r.cfg.Sink(event.File{
			Load: r.j.Name, Table: r.j.Target, Path: row.Path, Before: was, Outcome: outcome, Bytes: row.Size,
			Rows: rows, Reason: row.Error, QueryID: copyID,
		})
	}
	r.progress(databend.Progress{})
}

// takeIn writes the files loaded past us into the ledger.
func (r *run) takeIn(ctx context.Context) error {
	rows := make([]state.LedgerRow, len(r.plan.Past))
	for i, f := range r.plan.Past {
		rows[i] = r.row(f, ledger.FileLoaded)
		rows[i].Source, rows[i].Rows, rows[i].Checksum, rows[i].Reason = ledger.SourceEngine, plan.UnknownRows, "", "found in copy_history"
	}
	return fault.Wrap(r.j.Name, "take in files loaded past dbctl", r.Store.AppendLedger(ctx, rows, r.lock.Fence()))
}
