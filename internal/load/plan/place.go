package plan

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// place is where a load happens, as it was at one moment. It is asked for ahead of the files: their query names the table's id and the
// stage's URL as literals, which the server prunes the ledger's blocks by (subqueries in their place take it twice as long).
type place struct {
	tableID    string        // "": there is no such table
	rows       int64         // in the table
	fuse       bool          // the table has snapshots
	unwritten  bool          // nothing was ever written into it, and so the engine remembers no file of it
	at         time.Time     // server's clock
	url        string        // of the stage; internal stages have none, and get @name/
	memory     time.Duration // for which the engine remembers a file, 0 where nobody knows
	ledger     bool          // there is one
	ledgerRows int64         // in all of it
	held       bool          // somebody held the lock of the table
	err        error         // why the load's own stage could not be made
}

// largeFrom is the number of rows in the ledger from which on it is large: most of them are about files that are no longer listed, and the
// server is to send only the others. It then joins the listing with the ledger's words; a plan of few files takes twice as
// long that way.
const largeFrom = 100_000

// large reports whether the ledger is.
func (at place) large() bool { return at.ledgerRows >= largeFrom }

// tablesSQL asks for tables of one database. Of two databases at once the server looks at every table that it has, in all of them.
const tablesSQL = `
SELECT 'table', database, name, to_string(table_id), num_rows, lower(engine), number_of_segments IS NULL
FROM system.tables WHERE database = {DATABASE} AND name IN ({TABLES})
UNION ALL`

// placesSQL asks for stages, dbctl's own among them, and the time, behind the tables.
const placesSQL = `
SELECT 'stage', '', name, coalesce(url, ''), to_int64(created_on), '', false
FROM system.stages WHERE name IN ({STAGES}) OR left(name, {LENGTH}) = {OWN}
UNION ALL
SELECT 'now', '', '', '', to_int64(now()), '', false`

// memorySQL asks behind that for the engine's memory, of a hundred years at most. It takes a role that may read the settings.
const memorySQL = `
UNION ALL
SELECT 'memory', '', '', '', to_int64(least(to_uint64(value), 1000000)), '', false
FROM system.settings WHERE name = 'load_file_metadata_expire_hours'`

// places asks where loads happen, and once whether the state tables are ours to read: requests beside each other.
func (l *Planner) places(ctx context.Context, loads ...*source.Load) ([]place, error) {
	asked, ctx := errgroup.WithContext(ctx)
	asked.Go(crash.Caught(func() error {
		if l.checked {
			return nil
		}
		return state.Open(l.Work, l.Scope).CheckSchema(ctx) // over a session that nothing waits for now
	}))
	made := make([]error, len(loads))
	asked.Go(crash.Caught(func() error {
		for i, j := range loads {
			if j.Own() {
				made[i] = l.MakeStage(ctx, j)
			}
		}
		return ctx.Err()
	}))
	var out []place
	asked.Go(crash.Caught(func() error {
		tables, stages := map[string][]string{l.Scope.StateDatabase: {store.LedgerTable}}, []string(nil) // tables by their database
		for _, j := range loads {
			tables[j.Database] = append(tables[j.Database], j.Table)
			tables[l.Scope.StateDatabase] = append(tables[l.Scope.StateDatabase], lock.TableName(j.Database, j.Table))
			stages = append(stages, j.Copy.Stage)
		}
		var query strings.Builder
		for _, database := range slices.Sorted(maps.Keys(tables)) {
			query.WriteString(strings.NewReplacer("{DATABASE}", sqltext.Quote(database), "{TABLES}", names(tables[database])).Replace(tablesSQL))
		}
		query.WriteString(strings.NewReplacer("{STAGES}", names(stages), "{LENGTH}", strconv.Itoa(len(source.OwnPrefix)),
			"{OWN}", sqltext.Quote(source.OwnPrefix)).Replace(placesSQL))
		res, err := l.Look.Query(ctx, databend.Statement{SQL: query.String() + memorySQL, Reads: true})
		if databend.IsCode(err, databend.CodePermissionDenied) {
			res, err = l.Look.Query(ctx, databend.Statement{SQL: query.String(), Reads: true})
		}
		out = l.read(res, loads)
		return err
	}))
	if err := asked.Wait(); err != nil {
		return nil, err
	}
	l.checked = true
	for i := range out {
		out[i].err = cmp.Or(made[i], out[i].err)
	}
	return out, nil
}

// names are literals, each once.
func names(of []string) string {
	return sqltext.Literals(slices.Compact(slices.Sorted(slices.Values(of))))
}

// read reads the answer to placesSQL and memorySQL.
func (l *Planner) read(res databend.Result, loads []*source.Load) []place {
	type name [2]string // database, table
	var base place
	tables, stages := map[name]databend.Row{}, map[string]databend.Row{}
	for _, r := range res.Rows {
		switch r[0].String {
		case "table":
			tables[name{r[1].String, r[2].String}] = r
		case "stage":
			stages[r[2].String] = r
		case "memory":
			base.memory = time.Duration(r.Int(4)) * time.Hour
		case "now":
			base.at = r.Time(4)
		}
	}
	if r, ok := tables[name{l.Scope.StateDatabase, store.LedgerTable}]; ok {
		base.ledger, base.ledgerRows = true, r.Int(4)
		if !r[4].Valid { // nobody says that it is empty
			base.ledgerRows = 1
		}
	}
	out := make([]place, len(loads))
	for i, j := range loads {
		p := base
		if j.Own() {
			p.url = j.Copy.URI
			for _, name := range leftStages(j, stages, base.at) {
				l.Made("DROP STAGE IF EXISTS " + sqltext.Ident(name))
			}
		} else if r, ok := stages[j.Copy.Stage]; ok && r[3].String != "" {
			p.url = r[3].String
		} else {
			p.url = "@" + j.Copy.Stage + "/"
		}
		if r, ok := tables[name{j.Database, j.Table}]; ok {
			p.tableID, p.rows, p.fuse = r[3].String, r.Int(4), r[5].String == "fuse"
			p.unwritten = p.fuse && r[4].Valid && p.rows == 0 && r.Bool(6)
			if r[5].String == "view" {
				p.err = j.AView()
			}
		}
		_, p.held = tables[name{l.Scope.StateDatabase, lock.TableName(j.Database, j.Table)}]
		out[i] = p
	}
	return out
}

// Stands reports whether a plan that was made without the lock of its table, and asked about under it, is still what it would be made
// again: nobody held the lock then, and nobody has written about the table into the ledger since. Making it again would list the stage a
// second time, which takes a second for 20,000 files.
func (l *Planner) Stands(ctx context.Context, p *Plan) (bool, error) {
	at := p.scope.place
	if at.held || !at.ledger {
		return false, nil
	}
	said, err := l.Store.SaidSince(ctx, l.Look, p.TableID, at.at)
	return err == nil && !said, err
}
