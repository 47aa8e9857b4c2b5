package migrate

import (
	"errors"
	"testing"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// asRole connects the world as a role that has rights on its own databases alone; an administrator has made the state database.
func (w *world) asRole(may string) {
	w.T.Helper()
	w.SQL(w.T, "CREATE DATABASE IF NOT EXISTS "+w.StateDB)
	cfg := w.Config
	cfg.Transport = databendtest.Role{May: may}
	w.connect(cfg)
}

// TestRoleOfOwnDatabases lets a role without rights on the whole account bring a schema up, fail, and take it down: it may run no script,
// make no database, and read neither settings nor constraints.
func TestRoleOfOwnDatabases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asRole("")
	w.Migration(1, "CREATE TABLE t (a INT);\nCREATE VIEW v AS SELECT a FROM t;\n--down\nDROP VIEW v;\nDROP TABLE t;")
	w.must(w.up())
	w.Migration(2, "CREATE TABLE u AS SELECT 1 AS a;\nINSERT INTO u VALUES (2);\nALTER TABLE t COMMENT = 'ours';\nINSERT INTO nowhere VALUES (1);")
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || w.tables() != "t v" {
		t.Errorf("%v, tables %s\n%s", err, w.tables(), w.said())
	}
	w.Migration(2, "SELECT 1;\n--down\nSELECT 1;")
	w.must(w.up())
	w.must(w.migrator(Options{}).Down(t.Context(), 0, false))
	if got := w.tables(); got != "" {
		t.Errorf("left: %s", got)
	}
}
