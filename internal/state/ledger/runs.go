package ledger

import (
	"context"
	"time"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/store"
)

// LoadRun is a run of a load that did something.
type LoadRun struct {
	ID                                         string
	At                                         time.Time
	Files, Failed, Marked, Rows, Bytes, TookMS int64
	Reason                                     string
}

// OnTop is the reason of a row about a file that was loaded beside its rows of before: it counts those too.
const OnTop = "on top of its rows of before"

// runsSQL: a run's COPYs have a query id each, and all rows of one have its duration. doubled are the rows about files that were loaded on
// top, and how many rows those had before.
const runsSQL = `
SELECT run, to_int64(max(said)), sum(files), sum(failed), sum(marked), sum(loaded_rows), sum(bytes), sum(took), max(why) FROM (
  SELECT run, query_id, max("at") AS said,
    count_if(state = 'loaded' AND source = 'dbctl') AS files, count_if(state = 'failed') AS failed,
    count_if(source IN ('adopted', 'person')) AS marked,
    sum(if(state = 'loaded' AND source = 'dbctl', row_count - coalesce(under, 0), 0)) AS loaded_rows,
    sum(if(state = 'loaded' AND source = 'dbctl', size, 0)) AS bytes, max(took_ms) AS took,
    max(if(state = 'failed', error, reason)) AS why
  FROM {LEDGER} LEFT JOIN (
    SELECT a.id AS id, arg_max(b.n, b.said) AS under FROM
      (SELECT event_id AS id, table_id, concat(stage_url, path) AS url, "at" AS said FROM {LEDGER}
       WHERE {SCOPE} AND load_name = {NAME} AND reason = {ONTOP}) AS a
    JOIN (SELECT table_id, concat(stage_url, path) AS url, "at" AS said, row_count AS n FROM {LEDGER}
       WHERE {SCOPE} AND state <> 'begin') AS b
    ON a.table_id = b.table_id AND a.url = b.url AND b.said < a.said GROUP BY a.id
  ) AS doubled ON event_id = doubled.id
  WHERE {SCOPE} AND load_name = {NAME} AND state <> 'begin' GROUP BY run, query_id
) GROUP BY run ORDER BY 2 DESC LIMIT 100`

// LoadRuns are the last 100 runs of a load that did something, the newest first.
func (l *Ledger) LoadRuns(ctx context.Context, load string) ([]LoadRun, error) {
	res, err := l.db.Query(ctx, l.fill(runsSQL, "{NAME}", sqltext.Literal(load), "{ONTOP}", sqltext.Quote(OnTop)))
	if store.Missing(err) {
		return nil, nil
	}
	out := make([]LoadRun, len(res.Rows))
	for i, r := range res.Rows {
		out[i] = LoadRun{
			ID: r[0].String, At: r.Time(1), Files: r.Int(2), Failed: r.Int(3), Marked: r.Int(4),
			Rows: r.Int(5), Bytes: r.Int(6), TookMS: r.Int(7), Reason: r[8].String,
		}
	}
	return out, err
}
