package plan

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// flashedBackSQL: a COPY's rows in the ledger are as old as the COPY, and the row ahead of it (state begin) has for its mtime when the
// COPY was planned.
const flashedBackSQL = `
SELECT {PLAN} AS plan, loaded.below
FROM ({HEAD}) AS head,
  (SELECT {BELOW} AS below, query_id, {AT} AS said, row_count {FROM_TABLE} AND state = 'loaded' AND {HERE}{NEWER}) AS loaded,
  (SELECT query_id, {AT} AS said, TRY_CAST(mtime AS TIMESTAMP) AS planned {FROM_TABLE} AND state = 'begin'{NEWER}) AS ahead
WHERE loaded.query_id = ahead.query_id AND loaded.row_count > 0
  AND loaded.said > head.since AND ahead.said > head.since AND ahead.planned > head.since`

// flashedBack asks for the files whose rows went with a FLASHBACK: they came with COPYs that were planned when the table's newest
// snapshot was already there. The engine holds them for loaded all the same. It shows as long as nothing has been written into the
// table since.
func (l *Planner) flashedBack(ctx context.Context, plans []*Plan) error {
	var parts []string
	for i, p := range plans {
		if !p.scope.place.fuse || p.scope.place.ledgerRows == 0 || p.TableRows == 0 {
			continue
		}
		p.flashed = map[string]bool{}
		head := "SELECT timestamp AS since FROM fuse_snapshot(" + sqltext.Quote(p.Job.Database) + ", " + sqltext.Quote(p.Job.Table) + ") LIMIT 1"
		newer, below := "", fmt.Sprintf("substr(concat(%s, %s), %d)", sqltext.Ident(ledger.ColStageURL), sqltext.Ident(ledger.ColPath),
			utf8.RuneCountInString(p.StageURL)+1)
		if p.scope.place.semiJoined() { // a literal prunes a large ledger's blocks, a join does not
			res, err := l.Store.Conn().Query(ctx, databend.Statement{SQL: "SELECT to_int64(since) FROM (" + head + ")"})
			if err != nil {
				return err
			}
			if len(res.Rows) == 0 {
				continue
			}
			since := timeLiteral(moment(res.Rows[0][0].String))
			head, newer = "SELECT to_timestamp("+since+") AS since", " AND "+sqltext.Ident(ledger.ColAt)+">"+since
		}
		parts = append(parts, strings.NewReplacer(
			"{PLAN}", strconv.Itoa(i), "{HEAD}", head, "{NEWER}", newer, "{BELOW}", below,
			"{HERE}", p.scope.here(), "{AT}", sqltext.Ident(ledger.ColAt), "{FROM_TABLE}", AboutTable(l.Store, p.TableID),
		).Replace(flashedBackSQL))
	}
	if len(parts) == 0 {
		return nil
	}
	res, err := l.Store.Conn().Query(ctx, databend.Statement{SQL: strings.Join(parts, "\nUNION ALL")})
	for _, r := range res.Rows {
		plans[session.Number(r[0].String)].flashed[r[1].String] = true
	}
	return err
}

// AboutTable is FROM and WHERE of the ledger's rows about a table, those ahead of a COPY included.
func AboutTable(store *state.Store, tableID string) string {
	return " FROM " + store.LedgerName() + " WHERE " + store.LedgerScope() + " AND " + sqltext.Ident(ledger.ColTableID) + "=" +
		sqltext.Quote(tableID)
}
