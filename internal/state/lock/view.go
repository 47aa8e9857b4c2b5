package lock

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/store"
)

// table is one lock or run table as the catalogue shows it.
type table struct {
	name, id, comment string
	updated           time.Time // moved by COMMENT, not by RENAME
}

// ViewColumns are what a View reads of system.tables, as text: for a query of another's that reads the locks at the same moment.
var ViewColumns = []string{"name", "table_id::STRING", "comment", "to_int64(updated_on)::STRING"}

// ViewFilter chooses the lock and run tables in system.tables.
func ViewFilter(db *store.DB) string {
	return "database=" + sqltext.Literal(db.Scope().StateDatabase) +
		" AND (left(name," + fmt.Sprint(len(runPrefix)) + ")=" + sqltext.Literal(runPrefix) +
		" OR left(name," + fmt.Sprint(len(lockPrefix)) + ")=" + sqltext.Literal(lockPrefix) + ")"
}

// View is the lock and run tables at one moment.
type View struct {
	Missing bool      // the state database, with all of them
	Now     time.Time // server's clock
	Read    time.Time // local clock when it was asked for
	tables  []table
}

// Add adds a row of ViewColumns.
func (v *View) Add(r databend.Row) { v.tables = append(v.tables, readTable(r)) }

func readTable(r databend.Row) table {
	return table{name: r[0].String, id: r[1].String, comment: r[2].String, updated: r.Time(3)}
}

// Look reads a View: one request. A missing state database is an empty one.
func Look(ctx context.Context, db *store.DB) (View, error) {
	v := View{Read: time.Now()}
	res, err := db.Query(ctx, "SELECT "+strings.Join(ViewColumns, ",")+" FROM system.tables WHERE "+ViewFilter(db)+
		" UNION ALL SELECT '','','',to_int64(now())::STRING")
	if err != nil {
		return v, fmt.Errorf("read locks: %w", err)
	}
	for _, r := range res.Rows {
		if t := readTable(r); t.name != "" {
			v.tables = append(v.tables, t)
		} else {
			v.Now = t.updated
		}
	}
	return v, nil
}

func (v View) find(name string) *table {
	for i := range v.tables {
		if v.tables[i].name == name {
			return &v.tables[i]
		}
	}
	return nil
}

// claims are those of runs on a lock, taken from them or not; "" means any lock.
func (v View) claims(lock string) []Claim {
	var out []Claim
	for _, t := range v.tables {
		if !strings.HasPrefix(t.name, runPrefix) && !strings.HasPrefix(t.name, fencedPrefix) {
			continue
		}
		if c, ok := parseClaim(t); ok && (lock == "" || c.Lock == lock) {
			out = append(out, c)
		}
	}
	return out
}

// Claims are the claims of the scope's migrations lock, and whether it is held, or its last owner died with it.
func (v View) Claims(s store.Scope) (claims []Claim, claimed bool) {
	name := migrationLock(s)
	claims = v.claims(name)
	return claims, v.find(name) != nil || len(claims) > 0
}

// Writer is the run that claims to be writing a table (database.table), nil when none does. unfinished says of a run of the scope whether
// the journal has no end of it: a dead claim of another never began, or ended. Of other projects' runs only the claim is known.
func (v View) Writer(s store.Scope, target string, unfinished func(run string) bool) *HeldError {
	own := migrationLock(s)
	for _, c := range v.claims("") {
		if !c.writes(target) {
			continue
		}
		dead := c.Dead(v.Now)
		if dead && (c.Phase == phaseWaiting || c.Lock == own) && !unfinished(c.Run) {
			continue
		}
		return &HeldError{What: "writing or copying " + target, Owner: c.who(), Age: c.age(v.Now), Dead: dead}
	}
	return nil
}

func (c Claim) writes(target string) bool {
	for _, w := range c.Writes {
		if database, all := strings.CutSuffix(w, "*"); w == target || all && strings.HasPrefix(target, database) {
			return true
		}
	}
	return false
}
