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

// Drain times. A writer that began before the fence is seen in system.processes, but for the instant between its start and its entry there:
// the first look comes behind that.
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
	if err := x.pause(drainLeast); err != nil {
		return false, err
	}
	var early map[string]bool // the statements of the first look: each may have begun before the fence
	for until := time.Now().Add(most); ; {
		rows, err := catalog.Query(x.ctx, x.c,
			"select current_query_id, database, to_string(extra_info) from system.processes where extra_info <> ''")
		if databend.IsCode(err, databend.CodePermissionDenied) {
			return false, nil // whoever writes cannot be seen
		}
		if err != nil && !databend.IsCode(err, databend.CodeNoProcesses) {
			return false, fmt.Errorf("look for running statements: %w", err)
		}
		busy := map[string]bool{}
		for _, r := range rows {
			if (early == nil || early[r[0].String]) && mayWrite(r[2].String, r[1].String, tables, databases, whole) {
				busy[r[0].String] = true
			}
		}
		early = busy
		switch {
		case len(busy) == 0:
			x.drained = true // whatever was put aside by now: names frees all names first
			return true, nil
		case time.Now().After(until):
			return false, nil
		}
		if err := x.pause(drainLook); err != nil {
			return false, err
		}
	}
}

func (x *restorer) pause(d time.Duration) error {
	select {
	case <-x.ctx.Done():
		return x.ctx.Err()
	case <-time.After(d):
		return nil
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
