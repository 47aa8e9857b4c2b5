package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// Holding is what the ledger has for a table under one of its names.
type Holding struct {
	TableID     string
	Target      string // db.table, as it was called when they were loaded
	Files       int64  // loaded
	Quarantined int64  // at some time
}

// Origin says that a migration filled a table with the rows that another one had then.
type Origin struct {
	TableID string
	Of      string // the other's id; "": the table lost the rows it had
	Until   int64  // microseconds: what was said of the other one later is not about rows of this one
}

// holdingsSQL leaves out what a migration that was put back filled: a table that was there before has its id still.
const holdingsSQL = `SELECT table_id, target, count(DISTINCT if(state = 'loaded', stage_url || path, NULL))::STRING,
  count_if(state = 'quarantined')::STRING, '', ''
FROM {LEDGER} WHERE {SCOPE} AND state <> 'begin' AND (table_id IN ({IDS}) OR target IN ({NAMES})) GROUP BY table_id, target
UNION ALL SELECT table_id, '', '', '', path, to_int64("at")::STRING FROM {LEDGER}
WHERE {SCOPE} AND state = 'begin' AND source = 'filled' AND table_id IN ({IDS}) AND concat(run, ' ', load_name) NOT IN ({UNDONE})`

// Holdings says what the ledger has for tables, by their ids and by names (db.table), and for those whose rows they were filled with;
// the origins in the order of time. undone selects the migrations that were put back: run, blank, version.
func (l *Ledger) Holdings(ctx context.Context, ids, names []string, undone string) ([]Holding, []Origin, error) {
	var out []Holding
	var origins []Origin
	for asked := map[string]bool{}; len(ids) > 0 || len(names) > 0; {
		res, err := l.db.Query(ctx, l.fill(holdingsSQL, "{IDS}", sqltext.Literals(ids), "{NAMES}", sqltext.Literals(names), "{UNDONE}", undone))
		if err != nil {
			if store.Missing(err) {
				return nil, nil, nil
			}
			return nil, nil, fmt.Errorf("read which files the ledger has: %w", err)
		}
		for _, id := range ids {
			asked[id] = true
		}
		ids, names = nil, nil
		for _, r := range res.Rows {
			if said := r.Int(5); said != 0 {
				of := r[4].String
				origins = append(origins, Origin{TableID: r[0].String, Of: of, Until: said})
				if of != "" && !asked[of] {
					ids = append(ids, of)
				}
				continue
			}
			out = append(out, Holding{TableID: r[0].String, Target: r[1].String, Files: r.Int(2), Quarantined: r.Int(3)})
		}
	}
	slices.SortStableFunc(origins, func(a, b Origin) int { return cmp.Compare(a.Until, b.Until) })
	return out, origins, nil
}

const sharedSQL = `SELECT count_if(n > 1)::STRING, count_if(own = 0)::STRING FROM (
  SELECT url, count(*) AS n, count_if(table_id = {OWN}) AS own FROM (
    SELECT table_id, stage_url || path AS url, arg_max(state, "at") AS st FROM {LEDGER}
    WHERE {SCOPE} AND state <> 'begin' AND table_id IN ({IDS}) GROUP BY 1, 2) WHERE st = 'loaded' GROUP BY url)`

// Shared is how many files are loaded into more than one of the tables with these ids, and how many into others than the one of own.
func (l *Ledger) Shared(ctx context.Context, ids []string, own string) (shared, elsewhere int64, err error) {
	res, err := l.db.Query(ctx, l.fill(sharedSQL, "{IDS}", sqltext.Literals(ids), "{OWN}", sqltext.Literal(own)))
	if err != nil || len(res.Rows) == 0 {
		return 0, 0, err
	}
	return res.Rows[0].Int(0), res.Rows[0].Int(1), nil
}

// carrySQL is FROM and WHERE of what was said last about each file of some tables, beside the id of the table that is under a name now. Of
// a file that came through several places that is a word for each, and which was the last one still shows: behind is how many came later.
const carrySQL = `
FROM (SELECT *, row_number() OVER (PARTITION BY stage_url, path ORDER BY "at" DESC, event_id DESC) AS nth,
    row_number() OVER (PARTITION BY stage_url || path ORDER BY "at" DESC, event_id DESC) - 1 AS behind
  FROM {LEDGER} WHERE {SCOPE} AND state <> 'begin' AND ({SOURCES})) AS said,
  (SELECT to_string(table_id) AS id FROM system.tables WHERE database = {DATABASE} AND name = {TABLE}) AS becomes
WHERE nth = 1 AND becomes.id NOT IN ({IDS}) AND (state = 'quarantined' OR table_id NOT IN ({QUIET})) AND {GUARDED}`

// restoredSQL likewise of files that dbctl loaded and that are loaded.
const restoredSQL = `
FROM (SELECT *, row_number() OVER (PARTITION BY table_id, stage_url || path ORDER BY "at" DESC, event_id DESC) AS nth, 0 AS behind
  FROM {LEDGER} WHERE {SCOPE} AND state <> 'begin' AND table_id IN ({IDS})) AS said
WHERE nth = 1 AND state = 'loaded' AND source = 'dbctl' AND {GUARDED}`

// Source is a table whose ledger holds for another one.
type Source struct {
	ID    string
	Until int64 // of what was said until then; 0: all
	Quiet bool  // only that files are quarantined: its rows are gone
}

// CarryLedger lets what the ledger knows of files of the sources hold for the table as well. It returns how many files that are.
func (l *Ledger) CarryLedger(
	ctx context.Context, from []Source, table sqltext.Object, run, reason string, fence *lock.Fence,
) (int64, error) {
	var ids, quiet, of []string
	for _, s := range from {
		ids = append(ids, s.ID)
		said := "table_id = " + sqltext.Literal(s.ID)
		if s.Until > 0 {
			said += fmt.Sprintf(" AND to_int64(`at`) <= %d", s.Until)
		}
		if s.Quiet {
			quiet = append(quiet, s.ID)
		}
		of = append(of, said)
	}
	return l.sayAgain(ctx, "carry the ledger to "+table.Display(), fence, carrySQL, map[string]string{
		"{IDS}": sqltext.Literals(ids), "{QUIET}": sqltext.Literals(quiet), "{SOURCES}": strings.Join(of, " OR "),
		"{DATABASE}": sqltext.Literal(table.Database), "{TABLE}": sqltext.Literal(table.Name),
	}, map[string]string{
		"event_id": "md5(said.event_id || becomes.id)", "target": sqltext.Literal(table.Display()), "table_id": "becomes.id",
		"source": "if(source = 'dbctl', 'carried', source)", "run": sqltext.Literal(run), "reason": sqltext.Literal(reason),
	})
}

// FillNote says that a migration filled a table with rows of others, or took away the rows that it had.
type FillNote struct {
	Table   sqltext.Object
	Of      []string // ids; "": it lost the rows it had
	Run     string
	Version int64 // of the migration
	Reason  string
}

// FillLedger notes whose rows a table was filled with: a later run may put it in the place of one of them. While the run goes on no load
// writes those.
func (l *Ledger) FillLedger(ctx context.Context, n FillNote, fence *lock.Fence) error {
	name := n.Table.Display()
	id := "coalesce((SELECT to_string(table_id) FROM system.tables WHERE database = " + sqltext.Literal(n.Table.Database) + " AND name = " +
		sqltext.Literal(n.Table.Name) + "), '')"
	tuples := make([][]string, len(n.Of))
	for i, of := range n.Of {
		tuples[i] = l.tuple(Row{
			Run: n.Run, Table: name, Path: of, State: FileBegin, Source: SourceFilled, Load: strconv.FormatInt(n.Version, 10), Reason: n.Reason,
		})
		tuples[i][tableIDAt] = id
	}
	_, err := l.db.Write(ctx, l.insert(tuples, fence))
	if err != nil && !store.Missing(err) {
		return fmt.Errorf("note whose rows %s was filled with: %w", name, err)
	}
	return nil
}

// RestoreLedger lets the files that dbctl loaded into the tables with these ids count as loaded although the engine has forgotten them.
func (l *Ledger) RestoreLedger(ctx context.Context, ids []string, run, reason string, fence *lock.Fence) (int64, error) {
	about := map[string]string{"{IDS}": sqltext.Literals(ids)}
	return l.sayAgain(ctx, "tell the ledger what was restored", fence, restoredSQL, about, map[string]string{
		"event_id": "md5(event_id || " + sqltext.Literal(run) + ")", "source": sqltext.Literal(SourceRestored), "run": sqltext.Literal(run),
		"reason": sqltext.Literal(reason),
	})
}

// undoSQL is FROM and WHERE of what was said last about files of tables ahead of what some COPYs said; of a file of which nothing was, it
// is what they said.
const undoSQL = `
FROM (SELECT *, 0 AS behind, row_number() OVER (PARTITION BY table_id, url ORDER BY ours, "at" DESC, event_id DESC) AS nth,
    max(ours) OVER (PARTITION BY table_id, url) AS met
  FROM (SELECT *, stage_url || path AS url, if(left(query_id, {LENGTH}) = {PREFIX} AND reason IN ({REASONS}), 1, 0) AS ours
    FROM {LEDGER} WHERE {SCOPE} AND state <> 'begin' AND table_id IN ({IDS}))) AS said
WHERE nth = 1 AND met = 1 AND {GUARDED}`

// UndoLedger lets the ledger say of files that were rolled back what it said before the COPYs with such query ids and for these reasons.
func (l *Ledger) UndoLedger(ctx context.Context, ids []string, prefix string, reasons []string, run string, fence *lock.Fence) error {
	said := make([]string, len(reasons))
	for i, r := range reasons {
		said[i] = l.db.Clean(r)
	}
	_, err := l.sayAgain(ctx, "tell the ledger what was rolled back", fence, undoSQL, map[string]string{
		"{IDS}": sqltext.Literals(ids), "{LENGTH}": strconv.Itoa(len(prefix)), "{PREFIX}": sqltext.Quote(prefix),
		"{REASONS}": sqltext.Literals(said),
	}, map[string]string{
		"event_id": "md5(event_id || " + sqltext.Literal(run) + ")", "state": "if(ours = 1, '" + FileUndone + "', state)",
		"row_count": "if(ours = 1, 0, row_count)", "run": sqltext.Literal(run), "query_id": "''", "load_name": "''",
		"reason": "if(ours = 1, 'a migration that loaded it was rolled back', reason)",
	})
	return err
}

// Loss says of which files a table has lost the rows.
type Loss struct {
	Table, TableID string    // db.table
	All            bool      // it has no row at all
	Until          time.Time // those loaded until then: the engine was made to forget them (TRUNCATE)
	Since          time.Time // those of COPYs planned later: they went with a FLASHBACK
}

// emptiedSQL is FROM and WHERE of what was said last about files, by which the table would have rows, and has not.
const emptiedSQL = `
FROM (SELECT *, row_number() OVER (PARTITION BY stage_url || path ORDER BY "at" DESC, event_id DESC) AS nth, 0 AS behind
  FROM {LEDGER} WHERE {SCOPE} AND state <> 'begin' AND table_id = {ID}) AS said
WHERE nth = 1 AND state NOT IN ('new', 'undone') AND row_count <> 0 AND ({ALL} OR to_int64("at") <= {UNTIL} OR query_id IN (
  SELECT query_id FROM {LEDGER} WHERE {SCOPE} AND state = 'begin' AND table_id = {ID} AND "at" > {SINCE}
    AND TRY_CAST(mtime AS TIMESTAMP) > {SINCE}
)) AND {GUARDED}`

// seen reports whether any rows are gone.
func (of Loss) seen() bool { return of.All || !of.Until.IsZero() || !of.Since.IsZero() }

// EmptyLedger notes that the rows of files are gone, ahead of what is written into the table next: that hides how it was seen.
func (l *Ledger) EmptyLedger(ctx context.Context, of Loss, run string, fence *lock.Fence) error {
	if !of.seen() {
		return nil
	}
	since := "to_timestamp(253402214400000000)" // the year 9999: never
	if !of.Since.IsZero() {
		since = fmt.Sprintf("to_timestamp(%d)", of.Since.UnixMicro())
	}
	until := int64(0)
	if !of.Until.IsZero() {
		until = of.Until.UnixMicro()
	}
	held := "(SELECT file_name FROM copy_history(" + sqltext.Quote(of.Table) + "))" // whole URLs of a table with copy_dedup_full_path
	_, err := l.sayAgain(ctx, "note whose rows are gone from "+of.Table, fence, emptiedSQL, map[string]string{
		"{ID}": sqltext.Literal(of.TableID), "{ALL}": strconv.FormatBool(of.All), "{UNTIL}": strconv.FormatInt(until, 10), "{SINCE}": since,
	}, map[string]string{
		"event_id": "md5(event_id || " + sqltext.Literal(run) + ")", "state": "if(state = 'loaded', 'emptied', state)", "row_count": "0",
		"source": fmt.Sprintf("if(path IN %[1]s OR stage_url || path IN %[1]s, '%[2]s', '%[3]s')", held, SourceDBCTL, SourceCleared),
		"run":    sqltext.Literal(run), "query_id": "''", "took_ms": "0", "reason": "'its rows are gone from the table'",
	})
	return err
}

// sayAgain writes rows of the ledger once more, some columns with other values. The event's id depends on what is said alone: said
// twice, it is one row.
func (l *Ledger) sayAgain(
	ctx context.Context, what string, fence *lock.Fence, from string, words, values map[string]string,
) (int64, error) {
	values["at"] = "to_timestamp(to_int64(now()) - behind)"
	var into, list []string
	for _, c := range store.Ledger {
		id := sqltext.Ident(c.Name)
		into, list = append(into, id), append(list, cmp.Or(values[c.Name], id))
	}
	pairs := []string{"{GUARDED}", fence.SQL()}
	for k, v := range words {
		pairs = append(pairs, k, v)
	}
	text := "INSERT INTO " + l.name() + " (" + strings.Join(into, ", ") + ") SELECT " + strings.Join(list, ", ") +
		l.fill(from, pairs...)
	res, err := l.db.Write(ctx, text)
	switch {
	case store.Missing(err):
		return 0, nil // no ledger, nothing to say
	case err != nil:
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return res.Affected, nil
}

// formerSQL reads of what the one of now was filled with too: a file that none of those tables has for loaded is lacking.
const formerSQL = `
WITH said AS (SELECT * FROM {LEDGER} WHERE {SCOPE} AND target = {TARGET} AND table_id <> {ID} AND state <> 'begin'),
  former AS (SELECT table_id FROM said ORDER BY "at" DESC, event_id DESC LIMIT 1),
  filled AS (SELECT path AS id FROM {LEDGER} WHERE {SCOPE} AND state = 'begin' AND source = 'filled' AND table_id = {ID} AND path <> ''
    AND concat(run, ' ', load_name) NOT IN ({UNDONE})),
  has AS (SELECT stage_url || path AS url FROM {LEDGER} WHERE {SCOPE} AND state <> 'begin' AND table_id IN (SELECT id FROM filled)
    GROUP BY 1 HAVING arg_max(state, "at") = 'loaded')
SELECT {BELOW}, state, if((SELECT count(*) FROM filled) > 0 AND stage_url || path NOT IN (SELECT url FROM has), 1, 0)::STRING,
  size, etag, mtime
FROM (SELECT *, row_number() OVER (PARTITION BY stage_url || path ORDER BY "at" DESC, event_id DESC) AS nth
  FROM said WHERE table_id IN (SELECT table_id FROM former) AND {HERE})
WHERE nth = 1`

// Former is what was said last of a file for the table that stood under a name before.
type Former struct {
	State string
	Size  int64 // of the file as it was then, as is what follows
	ETag  string
	Mtime string
	Lacks bool // a migration filled the table of now from others, into which the file was not loaded
}

// Former says what the ledger has of the files of a place, whatever stage they came through, by their names below it, for the table that
// stood under a name, db.table, before the one with this id: nil when it knows of no other. undone is as in Holdings.
func (l *Ledger) Former(ctx context.Context, target, id, place, undone string) (map[string]Former, error) {
	files := Files{Place: place}
	res, err := l.db.Query(ctx, l.fill(formerSQL, "{TARGET}", sqltext.Literal(target), "{ID}", sqltext.Literal(id),
		"{HERE}", files.here(), "{BELOW}", files.below(), "{UNDONE}", undone))
	if err != nil && !store.Missing(err) {
		return nil, fmt.Errorf("read what the ledger knows of the former %s: %w", target, err)
	}
	var out map[string]Former
	for _, r := range res.Rows {
		if out == nil {
			out = map[string]Former{}
		}
		out[r[0].String] = Former{r[1].String, r.Int(3), r[4].String, r[5].String, r.Int(2) == 1}
	}
	return out, nil
}
