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
func (l *Loader) flashedBack(ctx context.Context, plans []*Plan) error {
	s, id := sqltext.Quote, sqltext.Ident
	for _, p := range plans {
		if !p.scope.place.fuse || p.scope.place.ledgerRows == 0 || p.TableRows == 0 {
			continue
		}
		head, err := l.store.Conn().Query(ctx, databend.Statement{SQL: "SELECT to_string(timestamp) FROM fuse_snapshot(" + s(p.job.database) + ", " + s(p.job.table) + ") LIMIT 1"})
		if err != nil || len(head.Rows) == 0 {
			return err
		}
		since := s(head.Rows[0][0].String)
		rows := func(column, st, since string) string {
			return "(SELECT " + id(state.ColQueryID) + " AS copy, " + id(column) + " AS said" + aboutTable(l.store, p.TableID) + " AND " + id(state.ColState) + "=" + s(st) +
				" AND " + id(state.ColStageURL) + "=" + s(p.StageURL) + " AND " + id(state.ColAt) + ">" + since + ")"
		}
		res, err := l.store.Conn().Query(ctx, databend.Statement{SQL: "SELECT l.said FROM " + rows(state.ColPath, state.FileLoaded, since+" AND "+id(state.ColRows)+">0") + " AS l JOIN " +
			rows(state.ColMtime, state.FileBegin, since+" AND "+id(state.ColMtime)+">"+since) + " AS b ON l.copy=b.copy"})
		if err != nil {
			return err
		}
		p.flashed = make(map[string]bool, len(res.Rows))
		for _, r := range res.Rows {
			p.flashed[r[0].String] = true
		}
	}
	return nil
}
