package load

import (
	"context"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// flashedBack asks for the files whose rows went with a FLASHBACK: they came with COPYs that were planned when the table's newest
// snapshot was already there. The engine holds them for loaded all the same (facts/loads.md, section 1.1). It shows as long as nothing
// has been written into the table since.
func (l *Loader) flashedBack(ctx context.Context, p *Plan) (map[string]bool, error) {
	if !p.query.place.fuse || !p.query.place.ledger || p.TableRows == 0 {
		return nil, nil
	}
	s, id := sqltext.Quote, sqltext.Ident
	head, err := l.store.Conn().Query(ctx, databend.Statement{SQL: "SELECT to_string(timestamp) FROM fuse_snapshot(" + s(p.job.database) + ", " + s(p.job.table) + ") LIMIT 1"})
	if err != nil || len(head.Rows) == 0 {
		return nil, err
	}
	since := s(head.Rows[0][0].String)
	rows := func(column, st string, more ...string) string {
		return "(SELECT " + id(state.ColQueryID) + " AS copy, " + id(column) + " AS said FROM " + l.store.LedgerName() + planQuery{}.where("", nil, append(more, p.query.scope, id(state.ColState)+"="+s(st),
			id(state.ColTableID)+"="+s(p.TableID), id(state.ColStageURL)+"="+s(p.StageURL), id(state.ColAt)+">"+since)...) + ")"
	}
	res, err := l.store.Conn().Query(ctx, databend.Statement{SQL: "SELECT l.said FROM " + rows(state.ColPath, state.FileLoaded, id(state.ColRows)+">0") + " AS l JOIN " +
		rows(state.ColMtime, state.FileBegin, id(state.ColMtime)+">"+since) + " AS b ON l.copy=b.copy"})
	gone := make(map[string]bool, len(res.Rows))
	for _, r := range res.Rows {
		gone[r[0].String] = true
	}
	return gone, err
}
