package state

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
)

// table is one lock or run table as the catalogue shows it.
type table struct {
	name, id, comment string
	updated           time.Time // moved by COMMENT, not by RENAME
}

// tableExprs are a table's fields in system.tables, as text.
var tableExprs = []string{"name", "table_id::STRING", "comment", "to_int64(updated_on)::STRING"}

func readTable(r databend.Row) table {
	return table{name: r[0].String, id: r[1].String, comment: r[2].String, updated: micros(r[3])}
}

// tablesScope chooses the lock and run tables in system.tables.
func (s *Store) tablesScope() string {
	return "database=" + literal(s.scope.StateDatabase) +
		" AND (left(name," + fmt.Sprint(len(runPrefix)) + ")=" + literal(runPrefix) +
		" OR left(name," + fmt.Sprint(len(lockPrefix)) + ")=" + literal(lockPrefix) + ")"
}

// view is the lock and run tables at one moment.
type view struct {
	tables []table
	now    time.Time // server's clock
	read   time.Time // local clock when it was asked for
}

// view looks: one request. A missing state database is an empty view.
func (s *Store) view(ctx context.Context) (view, error) {
	v := view{read: time.Now()}
	res, err := s.db.Query(ctx, databend.Statement{SQL: "SELECT " + strings.Join(tableExprs, ",") + " FROM system.tables WHERE " + s.tablesScope() +
		" UNION ALL SELECT '','','',to_int64(now())::STRING"})
	if err != nil {
		return v, fmt.Errorf("read locks: %w", err)
	}
	for _, r := range res.Rows {
		if t := readTable(r); t.name != "" {
			v.tables = append(v.tables, t)
		} else {
			v.now = t.updated
		}
	}
	return v, nil
}

func (v view) find(name string) *table {
	for i := range v.tables {
		if v.tables[i].name == name {
			return &v.tables[i]
		}
	}
	return nil
}

// claims are the run tables that claim a lock; "" means any lock.
func (v view) claims(lock string) []Claim {
	var out []Claim
	for _, t := range v.tables {
		if !strings.HasPrefix(t.name, runPrefix) {
			continue
		}
		if c, ok := parseClaim(t); ok && (lock == "" || c.Lock == lock) {
			out = append(out, c)
		}
	}
	return out
}

func (h History) view() view { return view{tables: h.locks, now: h.Now, read: h.Read} }

// writer is the run, or the load, that is writing a table or left it unfinished; nil when none is.
func (h History) writer(s *Store, target string) *HeldError {
	v := h.view()
	own := s.migrationLock()
	unfinished := map[string]bool{}
	for _, r := range h.Unfinished {
		unfinished[r.ID] = true
		if r.Claim == nil {
			// Who took over died too, and the claim with its list of tables is gone: it may be any table.
			return &HeldError{What: "writing " + target, Owner: r.Actor.OSUser + "@" + r.Actor.Host + " (run " + r.ID + ")", Age: h.Now.Sub(r.At), Dead: true}
		}
	}
	for _, c := range v.claims("") {
		if !c.writes(target) {
			continue
		}
		dead := c.dead(v.now)
		// A dead claim without an unfinished run never began, or ended. Of other projects' runs only the claim is known.
		if dead && (c.Phase == phaseWaiting || c.Lock == own) && !unfinished[c.Run] {
			continue
		}
		return &HeldError{What: "writing " + target, Owner: c.who(), Age: c.age(v.now), Dead: dead}
	}
	return nil
}

func (c Claim) writes(target string) bool {
	for _, w := range c.Writes {
		if w == "*" || w == target {
			return true
		}
	}
	return false
}
