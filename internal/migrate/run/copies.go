package run

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// What a COPY of a migration loads is in the ledger with it: the engine remembers files for a day, and for one table; a load is not to
// bring them again after that, or after the table was rebuilt. A rollback lets the ledger say of them what it said before.

// origin is where a COPY reads files, and what is there ahead of it: a file that is overwritten meanwhile is known as what it was.
type origin struct {
	copytext.Copy
	text    string
	url     string // of its root, as the ledger has it
	tableID string
	files   map[string]ledger.Object // by their whole URLs
}

// sendDML sends a statement of a transaction, and tells the ledger what a COPY brought.
func (r *Run) sendDML(ctx context.Context, s *plan.Step, st plan.Statement) (databend.Result, error) {
	c, err := copytext.Parse(st.SQL)
	if !st.Effect.Copy || err != nil {
		return r.sendNext(ctx, s, st)
	}
	from, unlisted := r.list(ctx, origin{Copy: c, text: st.SQL, files: map[string]ledger.Object{}}, st.Effect.Writes[0].Object)
	res, err := r.sendNext(ctx, s, st)
	if err := cmp.Or(err, unlisted); err != nil { // the COPY says best why its stage cannot be read
		return res, err
	}
	passed, err := r.passedOver(ctx, st, from, res)
	if len(passed) > 0 && err == nil {
		r.Note(event.Info, "%s:%d: COPY INTO with FORCE brings %s whose rows a rollback took away: %s", st.File, st.Line,
			event.Plural(len(passed), "file"), event.Some(passed, 5))
		only := st
		only.SQL = from.force(passed)
		var more databend.Result
		more, err = r.sendNext(ctx, s, only)
		res.Rows = append(res.Rows, more.Rows...)
	}
	if err != nil {
		return res, err
	}
	return res, r.tell(ctx, s, st, from, res)
}

// passedOver are the files that a COPY left out without a word, since the engine takes them for loaded: a rollback took their rows away.
func (r *Run) passedOver(ctx context.Context, st plan.Statement, from origin, res databend.Result) ([]string, error) {
	into, _ := r.know.now.Find(st.Effect.Writes[0].Object)
	if into.ID != from.tableID || len(into.Loaded) == 0 {
		return nil, nil
	}
	undone, err := r.Store.Undone(ctx, r.work, from.tableID) // in the transaction: an earlier COPY of it may have brought them
	if err != nil {
		return nil, fmt.Errorf("ask the ledger for files that were rolled back: %w", err)
	}
	brought, _ := from.brought(res)
	var passed []string
	for _, url := range undone {
		path, here := strings.CutPrefix(url, from.url)
		_, came := brought[url]
		_, there := from.files[url]
		if !came && here && from.Covers(path) && (there || from.URI != "") &&
			slices.ContainsFunc(into.Loaded, func(f string) bool { return strings.HasSuffix(f, path) }) {
			passed = append(passed, path)
		}
	}
	return passed, nil
}

// brought are the rows of each file that a COPY brought, and of all.
func (o origin) brought(res databend.Result) (rows map[string]int64, all int64) {
	rows = map[string]int64{}
	for _, row := range res.Rows {
		n := row.Int(1)
		rows[o.url+strings.TrimPrefix(row[0].String, o.url)] += n
		all += n
	}
	return rows, all
}

// force is the COPY of these files, whatever the engine takes for loaded. It names them from the root: the location may be no folder.
func (o origin) force(paths []string) string {
	text := o.text
	for _, x := range slices.Backward(o.Options) {
		if slices.Contains([]string{"FILES", "PATTERN", "FORCE", "MAX_FILES", "SIZE_LIMIT"}, x.Name) {
			text = text[:x.Span[0]] + text[x.Span[1]:]
		}
	}
	return text[:o.LocationSpan[0]] + o.Root() + text[o.LocationSpan[1]:] + "\nFILES = (" + sqltext.Literals(paths) + ") FORCE = TRUE"
}

// list looks at what a COPY is about to read. The engine lists no files but those of stages.
func (r *Run) list(ctx context.Context, c origin, into sqltext.Object) (origin, error) {
	url := sqltext.Literal(c.URI)
	if c.URI == "" {
		url = "coalesce((SELECT nullif(url, '') FROM system.stages WHERE name=" + sqltext.Quote(c.Stage) + "), " +
			sqltext.Quote("@"+c.Stage+"/") + ")"
	}
	text := "SELECT to_string(table_id), " + url + ", '', '', 0 FROM system.tables WHERE database=" + sqltext.Quote(into.Database) +
		" AND name=" + sqltext.Quote(into.Name)
	if c.URI == "" {
		text += " UNION ALL SELECT '', name, to_string(size), coalesce(md5, ''), to_int64(TRY_CAST(last_modified AS TIMESTAMP)) " +
			"FROM LIST_STAGE(location=>" + sqltext.Literal("@"+c.Stage+"/"+c.Path) + ")"
	}
	res, err := r.Store.Conn().Query(ctx, databend.Statement{SQL: text, Reads: true})
	if err != nil {
		return c, fmt.Errorf("list what COPY reads: %w", err)
	}
	for _, row := range res.Rows {
		if row[0].String != "" {
			c.tableID, c.url = row[0].String, row[1].String
		}
	}
	for _, row := range res.Rows {
		if row[0].String == "" {
			c.files[c.url+row[1].String] = ledger.Object{Size: row.Int(2), ETag: row[3].String, Mtime: row.Time(4)}
		}
	}
	return c, nil
}

// tell writes what a COPY brought into the ledger, in its transaction.
func (r *Run) tell(ctx context.Context, s *plan.Step, st plan.Statement, from origin, res databend.Result) error {
	brought, all := from.brought(res)
	if len(brought) == 0 {
		from.noteNone(r, st)
		return nil
	}
	files := slices.Sorted(maps.Keys(brought))
	was := map[string]int64{}
	for _, id := range append([]string{from.tableID}, r.moves.behind[st.Place]...) {
		rows, err := r.Store.LoadedRows(ctx, r.work, id, files)
		if err != nil {
			return fmt.Errorf("ask the ledger about the files: %w", err)
		}
		maps.Copy(was, rows)
	}
	var again []string
	for _, url := range files {
		if was[url] != 0 {
			again = append(again, strings.TrimPrefix(url, from.url))
		}
	}
	if len(again) > 0 {
		if err := r.broughtAgain(ctx, st, from, again, all); err != nil {
			return err
		}
	}
	row := state.LedgerRow{
		Run: r.ID, Table: st.Effect.Writes[0].Display(), TableID: from.tableID, Stage: from.Stage, StageURL: from.url,
		State: ledger.FileBegin, Source: ledger.SourceDBCTL, QueryID: res.ID, Reason: broughtBy(*s),
		Mtime: ledger.Stamp(r.marked.At), // a FLASHBACK is told by it
	}
	rows := []state.LedgerRow{row}
	for _, url := range files {
		is := from.files[url]
		row.State, row.Path, row.Rows = ledger.FileLoaded, strings.TrimPrefix(url, from.url), brought[url]+max(0, was[url])
		row.Size, row.ETag, row.Mtime = is.Size, is.ETag, ledger.Stamp(is.Mtime)
		rows = append(rows, row)
	}
	for some := range slices.Chunk(rows, ledger.PerStatement) {
		if _, err := r.own(ctx, r.Store.AppendLedgerSQL(some)); err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
	}
	return nil
}

// broughtAgain refuses a COPY that brings files whose rows are in the table, unless it says FORCE.
func (r *Run) broughtAgain(ctx context.Context, st plan.Statement, from origin, files []string, brought int64) error {
	o := st.Effect.Writes[0].Object
	res, err := r.own(ctx, "SELECT count(*) FROM "+sqltext.Ident(o.Database)+"."+sqltext.Ident(o.Name))
	if err != nil {
		return fmt.Errorf("count the rows of %s: %w", o, err)
	}
	if len(res.Rows) == 1 && res.Rows[0].Int(0) <= brought {
		return nil // it was emptied before
	}
	what := fmt.Sprintf("brings %s again whose rows the ledger has in the table: %s", event.Plural(len(files), "file"),
		event.Some(files, 5))
	if from.Is("FORCE") {
		r.Note(event.Warn, "%s:%d: COPY INTO … FORCE = TRUE %s", st.File, st.Line, what)
		return nil
	}
	return plan.WouldFail(st.Place, "COPY INTO "+what+"; Databend has forgotten them",
		"name the others by FILES or PATTERN; FORCE = TRUE where that is meant")
}

// noteNone says that a COPY brought none of the files that are there.
func (o origin) noteNone(r *Run, st plan.Statement) {
	there := slices.DeleteFunc(slices.Sorted(maps.Keys(o.files)), func(url string) bool { return !o.Covers(strings.TrimPrefix(url, o.url)) })
	if len(there) > 0 {
		r.Note(event.Warn, "%s:%d: COPY INTO brought nothing: Databend takes %s for loaded already", st.File, st.Line,
			event.Plural(len(there), "file"))
	}
}

// broughtBy is the reason of the ledger's rows about what a step brought: a rollback finds them by it.
func broughtBy(s plan.Step) string {
	return "migration " + s.String() + " " + string(s.Direction) + " loaded it"
}

// undone tells the ledger what a rollback changed for loads: of files that a COPY of ours loaded and that were rolled back, which the
// engine may still take for loaded, and of tables whose rows came back.
func (w *wire) undone(ctx context.Context, p plan.Plan, save Savepoint, report savepoint.Report) error {
	var reasons []string
	for _, x := range save.all() {
		if reason := broughtBy(p.Steps[x.Place.Step]); at(p.Steps, x.Place).Effect.Copy && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) > 0 && len(report.Uncopied) > 0 {
		err := w.Store.UndoLedger(ctx, report.Uncopied, w.prefix, reasons, w.ID, w.lock.Fence())
		if err := cmp.Or(err, w.lock.Fresh(ctx)); err != nil {
			return err
		}
	}
	return w.tellRestored(ctx, p, save, report)
}
