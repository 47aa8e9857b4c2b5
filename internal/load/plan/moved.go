package plan

import (
	"context"
	"fmt"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// Moved says of new files that they have the bytes of one that was loaded and is gone: by its URL such a file is another one. Beside a
// large ledger, of which a plan does not read what is no longer listed, it asks for files with their etags, of at most LedgerRows.
func (l *Planner) Moved(ctx context.Context, p *Plan) error {
	if !p.scope.joined() {
		return nil
	}
	var etags []string
	for _, f := range p.Files {
		if f.State == New && f.Rows == 0 && f.ETag != "" && len(etags) < LedgerRows {
			etags = append(etags, f.ETag)
		}
	}
	if len(etags) == 0 {
		return nil
	}
	left, err := l.loadedAs(ctx, p, etags)
	if err == nil && len(left) > 0 {
		left, err = l.unlisted(ctx, p, left)
	}
	p.left = left
	p.move()
	return fault.Wrap(p.Load, "look for files that were moved", err)
}

// loadedAs are the files of the load's place that have rows in the table and one of these etags.
func (l *Planner) loadedAs(ctx context.Context, p *Plan, etags []string) (map[object]string, error) {
	id, here := sqltext.Ident, p.scope.rowsHere(l.Store)[0]
	last := func(column string) string { return "arg_max(" + id(column) + ", " + id(ledger.ColAt) + ")" }
	res, err := l.Words.Query(ctx, databend.Statement{SQL: fmt.Sprintf("SELECT %[1]s, %[2]s, %[3]s%[4]s AND %[1]s IN (SELECT %[1]s%[4]s "+
		"AND %[5]s=%[6]s AND %[7]s IN (%[8]s)) GROUP BY %[1]s HAVING %[9]s=%[6]s AND %[10]s<>0",
		here.path, last(ledger.ColSize), last(ledger.ColETag), here.from, id(ledger.ColState), sqltext.Quote(ledger.FileLoaded),
		id(ledger.ColETag), names(etags), last(ledger.ColState), last(ledger.ColRows),
	)})
	out := map[object]string{}
	for _, r := range res.Rows {
		out[object{size: session.Number(r[1].String), etag: r[2].String}] = r[0].String
	}
	return out, err
}

// unlisted are those of the files that are no longer in the stage.
func (l *Planner) unlisted(ctx context.Context, p *Plan, files map[object]string) (map[object]string, error) {
	var paths []string
	for _, path := range files {
		paths = append(paths, path)
	}
	res, err := l.Look.Query(ctx, databend.Statement{SQL: "SELECT name FROM " + p.Job.Listing() + " WHERE name IN (" + names(paths) + ")"})
	for _, r := range res.Rows {
		for is, path := range files {
			if path == r[0].String {
				delete(files, is)
			}
		}
	}
	return files, err
}
