package ledger

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// Holding is how many files the ledger has for loaded into a table, under one of its names.
type Holding struct {
	TableID string
	Target  string // db.table, as it was called when they were loaded
	Files   int64
}

const holdingsSQL = `SELECT table_id, target, count(DISTINCT stage_url || path)::STRING FROM LEDGER WHERE SCOPE AND state = 'loaded'
AND (table_id IN (IDS) OR target IN (NAMES)) GROUP BY table_id, target`

// Holdings says what the ledger has for tables, by their ids and by names (db.table).
func (l *Ledger) Holdings(ctx context.Context, ids, names []string) ([]Holding, error) {
	if len(ids) == 0 && len(names) == 0 {
		return nil, nil
	}
	res, err := l.db.Query(ctx, strings.NewReplacer(
		"LEDGER", l.LedgerName(), "SCOPE", l.LedgerScope(), "IDS", literals(ids), "NAMES", literals(names),
	).Replace(holdingsSQL))
	if err != nil {
		if store.Missing(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read which files the ledger has: %w", err)
	}
	out := make([]Holding, len(res.Rows))
	for i, r := range res.Rows {
		out[i] = Holding{TableID: r[0].String, Target: r[1].String, Files: store.Number(r[2])}
	}
	return out, nil
}

func literals(values []string) string {
	if len(values) == 0 {
		return "''"
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = store.Literal(v)
	}
	return strings.Join(out, ", ")
}

// carrySQL is FROM and WHERE of what was said last about each file of some tables, beside the id of the table that is under a name now.
const carrySQL = `
FROM (SELECT *, row_number() OVER (PARTITION BY stage_url, path ORDER BY MOMENT DESC, event_id DESC) AS nth
  FROM LEDGER WHERE SCOPE AND state <> 'begin' AND table_id IN (IDS)) AS said,
  (SELECT to_string(table_id) AS id FROM system.tables WHERE database = DATABASE AND name = TABLE) AS becomes
WHERE nth = 1 AND becomes.id NOT IN (IDS) AND GUARDED`

// restoredSQL likewise of files that dbctl loaded and that are loaded.
const restoredSQL = `
FROM (SELECT *, row_number() OVER (PARTITION BY table_id, stage_url, path ORDER BY MOMENT DESC, event_id DESC) AS nth
  FROM LEDGER WHERE SCOPE AND state <> 'begin' AND table_id IN (IDS)) AS said
WHERE nth = 1 AND state = 'loaded' AND source = 'dbctl' AND GUARDED`

// CarryLedger lets what the ledger knows of files of the tables with these ids hold for the table as well. It returns how many files
// that are.
func (l *Ledger) CarryLedger(
	ctx context.Context, ids []string, table sqltext.Object, run, reason string, fence *lock.Fence,
) (int64, error) {
	return l.sayAgain(ctx, "carry the ledger to "+table.Database+"."+table.Name, fence, carrySQL, map[string]string{
		"IDS": literals(ids), "DATABASE": store.Literal(table.Database), "TABLE": store.Literal(table.Name),
	}, map[string]string{
		ColEventID: "md5(said.event_id || becomes.id)", colTable: store.Literal(table.Database + "." + table.Name), ColTableID: "becomes.id",
		ColSource: "if(source = 'dbctl', 'carried', source)", colRun: store.Literal(run), ColReason: store.Literal(reason),
	})
}

// RestoreLedger lets the files that dbctl loaded into the tables with these ids count as loaded although the engine has forgotten them.
func (l *Ledger) RestoreLedger(ctx context.Context, ids []string, run, reason string, fence *lock.Fence) (int64, error) {
	return l.sayAgain(ctx, "tell the ledger what was restored", fence, restoredSQL, map[string]string{"IDS": literals(ids)}, map[string]string{
		ColEventID: "md5(event_id || " + store.Literal(run) + ")", ColSource: store.Literal(SourceRestored), colRun: store.Literal(run),
		ColReason: store.Literal(reason),
	})
}

// sayAgain writes rows of the ledger once more, some columns with other values. The event's id depends on what is said alone: said
// twice, it is one row.
func (l *Ledger) sayAgain(
	ctx context.Context, what string, fence *lock.Fence, from string, words, values map[string]string,
) (int64, error) {
	values[ColAt] = "now()"
	var into, list []string
	for _, c := range store.Ledger {
		id := sqltext.Ident(c.Name)
		into, list = append(into, id), append(list, cmp.Or(values[c.Name], id))
	}
	pairs := []string{"LEDGER", l.LedgerName(), "SCOPE", l.LedgerScope(), "MOMENT", sqltext.Ident(ColAt), "GUARDED", fence.SQL()}
	for k, v := range words {
		pairs = append(pairs, k, v)
	}
	text := "INSERT INTO " + l.LedgerName() + " (" + strings.Join(into, ", ") + ") SELECT " + strings.Join(list, ", ") +
		strings.NewReplacer(pairs...).Replace(from)
	var res databend.Result
	err := store.Again(ctx, func() (err error) {
		res, err = l.db.Conn().Exec(ctx, databend.Statement{SQL: text})
		return err
	})
	switch {
	case store.Missing(err):
		return 0, nil // no ledger, nothing to say
	case err != nil:
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return res.Affected, nil
}

const formerSQL = `
WITH said AS (SELECT * FROM LEDGER WHERE SCOPE AND target = TARGET AND table_id <> ID AND state <> 'begin'),
  former AS (SELECT table_id FROM said ORDER BY MOMENT DESC, event_id DESC LIMIT 1)
SELECT path, state FROM (SELECT *, row_number() OVER (PARTITION BY path ORDER BY MOMENT DESC, event_id DESC) AS nth
  FROM said WHERE table_id IN (SELECT table_id FROM former) AND stage_url = URL)
WHERE nth = 1`

// Former says what the ledger has of a stage's files (path → state) for the table that stood under a name, db.table, before the one with
// this id: nil when it knows of no other.
func (l *Ledger) Former(ctx context.Context, target, id, stageURL string) (map[string]string, error) {
	res, err := l.db.Query(ctx, strings.NewReplacer(
		"LEDGER", l.LedgerName(), "SCOPE", l.LedgerScope(), "TARGET", store.Literal(target), "ID", store.Literal(id), "MOMENT",
		sqltext.Ident(ColAt), "URL", store.Literal(stageURL),
	).Replace(formerSQL))
	if err != nil && !store.Missing(err) {
		return nil, fmt.Errorf("read what the ledger knows of the former %s: %w", target, err)
	}
	var out map[string]string
	for _, r := range res.Rows {
		if out == nil {
			out = map[string]string{}
		}
		out[r[0].String] = r[1].String
	}
	return out, nil
}
