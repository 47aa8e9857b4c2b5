package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// flashedBackSQL: a COPY's rows in the ledger are as old as the COPY, and the row ahead of it (state begin) has for its mtime when the
// COPY was planned. The ledger is read once for all plans: a question for each takes the server twice as long for six.
const flashedBackSQL = `
SELECT head.i, loaded.whole, to_int64(head.since)
FROM ({HEADS}) AS head JOIN (
  SELECT {ID} AS id, concat({URL}, {PATH}) AS whole, query_id, {AT} AS said {FROM} AND state = 'loaded' AND row_count > 0
) AS loaded ON loaded.id = head.id JOIN (
  SELECT query_id, {AT} AS said, TRY_CAST(mtime AS TIMESTAMP) AS planned {FROM} AND state = 'begin'
) AS ahead ON ahead.query_id = loaded.query_id
WHERE loaded.said > head.since AND ahead.said > head.since AND ahead.planned > head.since`

// flashedBack asks for the files whose rows went with a FLASHBACK: they came with COPYs that were planned when the table's newest
// snapshot was already there. The engine holds them for loaded all the same. It shows as long as nothing has been written into the
// table since.
func (l *Planner) flashedBack(ctx context.Context, plans []*Plan) error {
	var heads, ids []string
	large := false
	for i, p := range plans {
		if !p.scope.place.fuse || p.scope.place.ledgerRows == 0 || p.TableRows == 0 {
			continue
		}
		p.flashed, large = map[string]bool{}, p.scope.place.large()
		ids = append(ids, p.TableID)
		heads = append(heads, fmt.Sprintf("(SELECT %d AS i, %s AS id, timestamp AS since FROM fuse_snapshot(%s, %s) LIMIT 1)", i,
			sqltext.Quote(p.TableID), sqltext.Quote(p.Job.Database), sqltext.Quote(p.Job.Table)))
	}
	if len(heads) == 0 {
		return nil
	}
	id := sqltext.Ident
	from := "FROM " + l.Store.LedgerName() + " WHERE " + l.Store.LedgerScope() + " AND " + id(ledger.ColTableID) + " IN (" + names(ids) + ")"
	all := strings.Join(heads, " UNION ALL ")
	if large { // a literal prunes a large ledger's blocks, a join does not
		res, err := l.Store.Conn().Query(ctx, databend.Statement{SQL: "SELECT to_int64(min(since)) FROM (" + all + ")"})
		if err != nil || len(res.Rows) != 1 || !res.Rows[0][0].Valid {
			return err
		}
		from += " AND " + id(ledger.ColAt) + ">" + timeLiteral(moment(res.Rows[0][0].String))
	}
	res, err := l.Store.Conn().Query(ctx, databend.Statement{SQL: strings.NewReplacer(
		"{HEADS}", all, "{FROM}", from, "{ID}", id(ledger.ColTableID), "{URL}", id(ledger.ColStageURL), "{PATH}", id(ledger.ColPath),
		"{AT}", id(ledger.ColAt),
	).Replace(flashedBackSQL)})
	for _, r := range res.Rows {
		p := plans[session.Number(r[0].String)]
		p.Loss.Since = moment(r[2].String) // also of another load's files
		if path, here := strings.CutPrefix(r[1].String, p.StageURL); here {
			p.flashed[path] = true
		}
	}
	return err
}

// AboutTable is FROM and WHERE of the ledger's rows about a table, those ahead of a COPY included.
func AboutTable(store *state.Store, tableID string) string {
	return " FROM " + store.LedgerName() + " WHERE " + store.LedgerScope() + " AND " + sqltext.Ident(ledger.ColTableID) + "=" +
		sqltext.Quote(tableID)
}
