package load

import (
	"context"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// place is where a load happens, as it was at one moment. It is asked for ahead of the files: their query names the table's id and the
// stage's URL as literals, which the server prunes the ledger's blocks by (subqueries in their place take it twice as long).
type place struct {
	tableID string // "": there is no such table
	rows    int64  // in the table
	fuse    bool   // the table has snapshots
	at      string // server's clock
	url     string // of the stage; internal stages have none, and get @name/
	hours   int64  // for which the engine remembers a file
	ledger  bool   // there is one
	held    bool   // somebody held the lock of the table
}

// places asks where jobs happen: one request.
func (l *Loader) places(ctx context.Context, jobs ...*job) ([]place, error) {
	s := sqltext.Quote
	named := func(database, table string) string {
		return " FROM system.tables WHERE database=" + s(database) + " AND name=" + s(table)
	}
	parts := []string{
		"SELECT 'hours', 0, value, '' FROM system.settings WHERE name='load_file_metadata_expire_hours'",
		"SELECT 'now', 0, to_string(now()), ''",
		"SELECT 'ledger', 0, '', ''" + named(l.cfg.Scope.StateDatabase, state.LedgerTable),
	}
	for i, j := range jobs {
		parts = append(parts, fmt.Sprintf("SELECT 'table', %d, to_string(table_id), concat(to_string(coalesce(num_rows, 0)), ' ', engine)%s", i, named(j.database, j.table)),
			fmt.Sprintf("SELECT 'held', %d, '', ''%s", i, named(l.cfg.Scope.StateDatabase, state.TableLock(j.database, j.table))),
			fmt.Sprintf("SELECT 'stage', %d, coalesce(url, ''), '' FROM system.stages WHERE name=%s", i, s(j.Copy.Stage)))
	}
	res, err := l.work.Query(ctx, databend.Statement{SQL: strings.Join(parts, "\nUNION ALL ")})
	if err != nil {
		return nil, err
	}
	out := make([]place, len(jobs))
	for i, j := range jobs {
		out[i].url = "@" + j.Copy.Stage + "/"
	}
	for _, r := range res.Rows {
		p, value := &out[number(r[1].String)], r[2].String
		switch r[0].String {
		case "table":
			rows, engine, _ := strings.Cut(r[3].String, " ")
			p.tableID, p.rows, p.fuse = value, number(rows), strings.EqualFold(engine, "fuse")
		case "held":
			p.held = true
		case "stage":
			if value != "" {
				p.url = value
			}
		case "hours":
			for i := range out {
				out[i].hours = number(value)
			}
		case "now":
			for i := range out {
				out[i].at = value
			}
		case "ledger":
			for i := range out {
				out[i].ledger = true
			}
		}
	}
	return out, nil
}
