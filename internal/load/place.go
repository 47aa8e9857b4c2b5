package load

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// place is where a load happens, as it was at one moment. It is asked for ahead of the files: their query names the table's id and the
// stage's URL as literals, which the server prunes the ledger's blocks by (subqueries in their place take it twice as long).
type place struct {
	tableID    string        // "": there is no such table
	rows       int64         // in the table
	fuse       bool          // the table has snapshots
	at         string        // server's clock, in UTC
	url        string        // of the stage; internal stages have none, and get @name/
	memory     time.Duration // for which the engine remembers a file
	ledger     bool          // there is one
	ledgerRows int64         // in all of it
	held       bool          // somebody held the lock of the table
}

// places asks where jobs happen, and first of all whether the state tables are ours to read: requests beside each other.
func (l *Loader) places(ctx context.Context, jobs ...*job) ([]place, error) {
	s, out := sqltext.Quote, make([]place, len(jobs))
	asked, ctx := errgroup.WithContext(ctx)
	asked.Go(func() error {
		if l.checked {
			return nil
		}
		return l.store.CheckSchema(ctx)
	})
	asked.Go(func() error {
		parts := []string{"SELECT '', value FROM system.settings WHERE name='load_file_metadata_expire_hours'"}
		for _, j := range jobs {
			parts = append(parts, "SELECT name, coalesce(url, '') FROM system.stages WHERE name="+s(j.Copy.Stage))
		}
		res, err := l.work.Query(ctx, databend.Statement{SQL: strings.Join(parts, " UNION ALL ")})
		for i, j := range jobs {
			p := &out[i]
			p.url = "@" + j.Copy.Stage + "/"
			for _, r := range res.Rows {
				switch name, value := r[0].String, r[1].String; {
				case name == "":
					p.memory = time.Duration(number(value)) * time.Hour
				case name == j.Copy.Stage && value != "":
					p.url = value
				}
			}
		}
		return err
	})
	asked.Go(func() error { return l.tables(ctx, jobs, out) })
	if err := asked.Wait(); err != nil {
		return nil, err
	}
	l.checked = true
	return out, nil
}

// tables looks for the jobs' tables, their locks and the ledger, and at the clock: who takes the lock later writes later.
func (l *Loader) tables(ctx context.Context, jobs []*job, out []place) error {
	type name [2]string // database, table
	ledger := name{l.cfg.Scope.StateDatabase, state.LedgerTable}
	lock := func(j *job) name { return name{l.cfg.Scope.StateDatabase, state.TableLock(j.database, j.table)} }
	named := func(n name) string { return "database=" + sqltext.Quote(n[0]) + " AND name=" + sqltext.Quote(n[1]) }
	conds := []string{named(ledger)}
	for _, j := range jobs {
		conds = append(conds, named(name{j.database, j.table}), named(lock(j)))
	}
	res, err := l.look.Query(ctx, databend.Statement{SQL: "SELECT database, name, to_string(table_id), num_rows, engine, to_int64(now()) FROM system.tables WHERE " + strings.Join(conds, " OR ")})
	for i, j := range jobs {
		p := &out[i]
		for _, r := range res.Rows {
			p.at = time.UnixMicro(number(r[5].String)).UTC().Format(serverTime)
			switch (name{r[0].String, r[1].String}) {
			case name{j.database, j.table}:
				p.tableID, p.rows, p.fuse = r[2].String, number(r[3].String), strings.EqualFold(r[4].String, "fuse")
			case lock(j):
				p.held = true
			case ledger:
				p.ledger, p.ledgerRows = true, number(r[3].String)
				if !r[3].Valid { // nobody says that it is empty
					p.ledgerRows = 1
				}
			}
		}
	}
	return err
}

// Databend's codes of a place that is not there.
const (
	unknownCatalog = 1119
	unknownStage   = 2501
)

// placed turns the engine's word about a missing table or stage into one that says what to do.
func (l *Loader) placed(err error, j *job) error {
	switch {
	case databend.IsCode(err, databend.CodeUnknownTable, databend.CodeUnknownDatabase, unknownCatalog):
		return j.noTable()
	case databend.IsCode(err, unknownStage):
		return errorf(j.Name, exitFailed, "dbctl migrate up", "the stage %s does not exist", j.Copy.Stage)
	}
	return err
}

func (j *job) noTable() error {
	return errorf(j.Name, exitFailed, "dbctl migrate up", "the table %s does not exist", j.target)
}
