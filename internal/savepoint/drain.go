package savepoint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Drain times: a writer that began before the fence is seen in system.processes, but for the instant between its start and
// its entry there.
const (
	drainLeast = 120 * time.Millisecond
	drainLook  = 50 * time.Millisecond
	drainMost  = 2 * time.Second
)

// drain waits until no statement of another session that began before the fence can still write the tables; those that begin
// later do not find them. A transaction that commits later than that is merged by the engine onto what it finds, not lost.
func (x *restorer) drain(ws []*work) (bool, error) {
	if x.drained {
		return true, nil
	}
	most := x.o.Drain
	if most <= 0 {
		most = drainMost
	}
	began := time.Now()
	tables, databases, whole := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range x.parkedDatabases() {
		whole[strings.TrimPrefix(e.Name, catalog.ParkedName(e.ID)+"_")] = true
	}
	for _, w := range ws {
		tables[w.was.Name] = true
		tables[w.at.Table] = true
		databases[w.at.DB] = true
	}
	for _, e := range x.parked() {
		databases[e.Database] = true
		for _, o := range x.r.Order {
			if o.Database == e.Database {
				tables[o.Name] = true
			}
		}
	}
	early := map[string]bool{} // statements seen so soon after the fence that they may have begun before it
	for {
		passed := time.Since(began)
		rows, err := catalog.Query(x.ctx, x.c,
			"select current_query_id, database, to_string(extra_info) from system.processes where extra_info <> ''")
		if err != nil && !databend.IsCode(err, databend.CodeNoProcesses) {
			return false, fmt.Errorf("look for running statements: %w", err)
		}
		busy := false
		for _, r := range rows {
			if !mayWrite(r[2], r[1], tables, databases, whole) {
				continue
			}
			if passed < drainLeast {
				early[r[0]] = true
			}
			busy = busy || early[r[0]]
		}
		switch passed = time.Since(began); {
		case !busy && passed >= drainLeast:
			x.drained = true // whatever was put aside by now: names frees all names first
			return true, nil
		case busy && passed >= most:
			return false, nil
		}
		pause := drainLook
		if !busy {
			pause = drainLeast - time.Since(began)
		}
		select {
		case <-x.ctx.Done():
			return false, x.ctx.Err()
		case <-time.After(pause):
		}
	}
}

// mayWrite reports whether a running statement of a session in this database may write one of the tables, or anything in the whole
// databases: it writes one of them, or one that it may take another name for, or hides what it does.
func mayWrite(sql, database string, tables, databases, whole map[string]bool) bool {
	e := effect.Analyze(sql, database)
	switch {
	case e.Script, e.Txn == "COMMIT":
		return true
	case e.Unknown: // the server cuts a long text
		words, _ := sqltext.ReadWords(sql)
		for _, names := range []map[string]bool{tables, whole} {
			for n := range names {
				if words.Mentions(n) {
					return true
				}
			}
		}
		return false
	}
	return slices.ContainsFunc(e.Writes, func(w effect.Write) bool {
		db := w.Database
		if w.Kind == sqltext.Database {
			db = w.Name
		}
		return whole[db] || w.Kind == sqltext.Table && tables[w.Name] && (db == "" || databases[db])
	})
}
