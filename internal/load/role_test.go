package load

import (
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// A role without rights on the whole account loads: it may run no script, make no database, and not read how long the engine remembers
// files.
func TestRoleOfOwnDatabases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE DATABASE IF NOT EXISTS "+w.StateDB)
	w.cfg = func(c *databend.Config) { c.Transport = databendtest.Role{} }
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.mustRun(ld, plan.Options{}, 1, 2)
	w.wantRows(5)
}
