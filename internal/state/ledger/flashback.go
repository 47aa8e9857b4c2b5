package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Table is one whose newest snapshot is asked about; about the zero value nothing is asked.
type Table struct{ ID, Database, Name string }

// flashedBackSQL: a COPY's rows in the ledger are as old as the COPY, and the row ahead of it (state begin) has for its mtime when the
// COPY was planned. The ledger is read once for all tables: a question for each takes the server twice as long for six.
const flashedBackSQL = `
SELECT head.i, loaded.whole, to_int64(head.since)
FROM ({HEADS}) AS head JOIN (
  SELECT table_id AS id, concat(stage_url, path) AS whole, query_id, "at" AS said {FROM} AND state = 'loaded' AND row_count > 0
) AS loaded ON loaded.id = head.id JOIN (
  SELECT query_id, "at" AS said, TRY_CAST(mtime AS TIMESTAMP) AS planned {FROM} AND state = 'begin'
) AS ahead ON ahead.query_id = loaded.query_id
WHERE loaded.said > head.since AND ahead.said > head.since AND ahead.planned > head.since`

// FlashedBack tells the whole URLs of files whose rows went with a FLASHBACK of their table, and since when that stands: they came with
// COPYs that were planned when the table's newest snapshot was already there. The engine holds them for loaded all the same. It shows as
// long as nothing has been written into the table since. i is the table's number.
func (l *Ledger) FlashedBack(ctx context.Context, tables []Table, large bool, tell func(i int, url string, since time.Time)) error {
	var heads, ids []string
	for i, t := range tables {
		if t.ID == "" {
			continue
		}
		ids = append(ids, t.ID)
		heads = append(heads, fmt.Sprintf("(SELECT %d AS i, %s AS id, timestamp AS since FROM fuse_snapshot(%s, %s) LIMIT 1)", i,
			sqltext.Quote(t.ID), sqltext.Quote(t.Database), sqltext.Quote(t.Name)))
	}
	if len(heads) == 0 {
		return nil
	}
	where, all := []string{"table_id IN (" + sqltext.Literals(ids) + ")"}, strings.Join(heads, " UNION ALL ")
	if large { // a literal prunes a large ledger's blocks, a join does not
		first, _, err := l.one(ctx, l.db.Conn(), "SELECT to_int64(min(since)) FROM ("+all+")")
		if err != nil || first == nil || !first[0].Valid {
			return err
		}
		where = append(where, "`at` > "+sqltext.Quote(Stamp(first.Time(0))))
	}
	res, err := l.db.Query(ctx, l.fill(flashedBackSQL, "{HEADS}", all, "{FROM}", l.from(where...)))
	for _, r := range res.Rows {
		tell(int(r.Int(0)), r[1].String, r.Time(2))
	}
	return err
}
