package plan

import (
	"context"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// historySQL: a run's COPYs have a query id each, and all rows of one have its duration.
const historySQL = `
SELECT run, to_int64(max(said)), sum(files), sum(failed), sum(marked), sum(loaded_rows), sum(bytes), sum(took), max(why) FROM (
  SELECT run, query_id, max({SAID}) AS said,
    count_if({STATE} = 'loaded' AND {SOURCE} = 'dbctl') AS files, count_if({STATE} = 'failed') AS failed,
    count_if({SOURCE} IN ('adopted', 'person')) AS marked,
    sum(if({STATE} = 'loaded' AND {SOURCE} = 'dbctl', row_count - coalesce(under, 0), 0)) AS loaded_rows,
    sum(if({STATE} = 'loaded' AND {SOURCE} = 'dbctl', size, 0)) AS bytes, max(took_ms) AS took,
    max(if({STATE} = 'failed', error, reason)) AS why
  FROM {LEDGER} LEFT JOIN ({UNDER}) AS doubled ON event_id = doubled.id
  WHERE {SCOPE} AND load_name = {NAME} AND {STATE} <> 'begin' GROUP BY run, query_id
) GROUP BY run ORDER BY 2 DESC LIMIT 100`

// OnTop is the reason of a row about a file that was loaded beside its rows of before: it counts those too.
const OnTop = "on top of its rows of before"

// underSQL are those rows, and how many there were before.
const underSQL = `SELECT a.id AS id, arg_max(b.n, b.said) AS under FROM
  (SELECT event_id AS id, table_id, concat(stage_url, path) AS url, {SAID} AS said FROM {LEDGER}
   WHERE {SCOPE} AND load_name = {NAME} AND reason = {ONTOP}) AS a
JOIN (SELECT table_id, concat(stage_url, path) AS url, {SAID} AS said, row_count AS n FROM {LEDGER}
   WHERE {SCOPE} AND {STATE} <> 'begin') AS b
ON a.table_id = b.table_id AND a.url = b.url AND b.said < a.said GROUP BY a.id`

// History emits a LoadRun for each of the last 100 runs of a load that did something, the newest first.
func (l *Planner) History(ctx context.Context, load string, sink event.Sink) (runs int, err error) {
	res, err := l.Store.Conn().Query(ctx, databend.Statement{SQL: strings.NewReplacer(
		"{SAID}", "`at`", "{STATE}", "`state`", "{SOURCE}", "`source`", "{LEDGER}", l.Store.LedgerName(), "{SCOPE}", l.Store.LedgerScope(),
		"{NAME}", sqltext.Literal(load), "{ONTOP}", sqltext.Quote(OnTop),
	).Replace(strings.Replace(historySQL, "{UNDER}", underSQL, 1))})
	if databend.IsCode(err, databend.CodeUnknownTable, databend.CodeUnknownDatabase) {
		return 0, nil
	}
	for _, r := range res.Rows {
		n := func(i int) int64 { return session.Number(r[i].String) }
		sink(event.LoadRun{
			Load: load, ID: r[0].String, At: moment(r[1].String), Files: n(2), Failed: n(3), Marked: n(4), Rows: n(5), Bytes: n(6), TookMS: n(7),
			Reason: r[8].String,
		})
	}
	return len(res.Rows), err
}
