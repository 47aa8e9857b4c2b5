package migrate

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/exit"
)

// asRole connects the world as a role that has rights on its own databases, and of those on the whole account what may says. An
// administrator has made the state database.
func (w *world) asRole(may string) {
	w.T.Helper()
	role := w.Database + "_role"
	w.SQL(w.T, "CREATE DATABASE IF NOT EXISTS "+w.StateDB, "CREATE ROLE IF NOT EXISTS "+role,
		"GRANT ALL ON "+w.Database+".* TO ROLE "+role, "GRANT ALL ON "+w.StateDB+".* TO ROLE "+role)
	if may != "" {
		w.SQL(w.T, "GRANT "+may+" ON *.* TO ROLE "+role)
	}
	w.T.Cleanup(func() { w.SQL(w.T, "DROP ROLE IF EXISTS "+role) })
	cfg := w.Config
	cfg.Role, cfg.Transport = role, databendtest.Role{Name: role, May: may}
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

// TestRoleThatMayNotPutBack refuses beforehand what the role could do and not put back, and says what an administrator is to grant; with that
// the same statement runs, and is put back when the next one fails.
func TestRoleThatMayNotPutBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ statement, takes string }{
		{"ALTER TABLE t COMMENT = 'ours'", ""},
		{"CREATE TABLE u AS SELECT a FROM t;\nINSERT INTO u VALUES (7);\nDROP TABLE u", ""},
		{"ALTER TABLE t ADD COLUMN b INT", "ALTER"},
		{"DELETE FROM t", "ALTER"},
		{"DROP TABLE t", "GRANT"},
		{"CREATE OR REPLACE TABLE t (b INT)", "GRANT"},
	} {
		t.Run(tt.statement, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SQL(t, "CREATE TABLE t AS SELECT 1 AS a")
			is := func() string {
				return fmt.Sprint(w.SQL(t, "SELECT * FROM t"), w.SQL(t, "SELECT name, comment, owner FROM system.tables WHERE database = currentdatabase()"))
			}
			before := is()
			w.Migration(1, tt.statement+";\nINSERT INTO nowhere VALUES (1);")
			w.asRole("")
			var refused *PlanError
			if err := w.up(); tt.takes != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), "GRANT "+tt.takes+" ON *.* TO ROLE")) || is() != before {
				t.Fatalf("%v\nis %s, was %s", err, is(), before)
			}
			w.asRole(tt.takes)
			var run *RunError
			if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || is() != before {
				t.Errorf("%v\nis %s, was %s\n%s", err, is(), before, w.said())
			}
		})
	}
}

// TestStageThatRoleDoesNotSee: a role may replace stages that it does not see. What it does not see it cannot put back, and a replaced one
// looks like one of its own.
func TestStageThatRoleDoesNotSee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stage := w.Database + "_theirs"
	w.SQL(t, "CREATE STAGE "+stage+" URL = 's3://theirs/' CONNECTION = (ACCESS_KEY_ID = 'a' SECRET_ACCESS_KEY = 'b')")
	t.Cleanup(func() { w.SQL(t, "DROP STAGE IF EXISTS "+stage) })
	w.Migration(1, "CREATE OR REPLACE STAGE "+stage+" URL = 's3://ours/' CONNECTION = (ACCESS_KEY_ID = 'a' SECRET_ACCESS_KEY = 'b');\n"+
		"INSERT INTO nowhere VALUES (1);")
	w.asRole("SUPER")
	var refused *PlanError
	err := w.up()
	if is := fmt.Sprint(w.SQL(t, "SELECT url FROM system.stages WHERE name = '"+stage+"'")); !strings.Contains(is, "theirs") ||
		!errors.As(err, &refused) || !strings.Contains(err.Error(), "GRANT READ ON *.* TO ROLE") {
		t.Errorf("%v\nis %s\n%s", err, is, w.said())
	}
}

// TestHiddenStageIsNotOurs: IF NOT EXISTS makes the role the owner of a stage that is there, so that it sees it from then on.
func TestHiddenStageIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stage := w.Database + "_theirs"
	w.SQL(t, "CREATE STAGE "+stage+" URL = 's3://theirs/' CONNECTION = (ACCESS_KEY_ID = 'a' SECRET_ACCESS_KEY = 'b')")
	t.Cleanup(func() { w.SQL(t, "DROP STAGE IF EXISTS "+stage) })
	w.Migration(1, "CREATE STAGE IF NOT EXISTS "+stage+" URL = 's3://theirs/' CONNECTION = (ACCESS_KEY_ID = 'a' SECRET_ACCESS_KEY = 'b');\n"+
		"INSERT INTO nowhere VALUES (1);")
	w.asRole("SUPER")
	err := w.up()
	var run *RunError
	if is := fmt.Sprint(w.SQL(t, "SELECT url FROM system.stages WHERE name = '"+stage+"'")); !strings.Contains(is, "theirs") ||
		!errors.As(err, &run) || run.ExitCode() != exit.Partly || !strings.Contains(w.said(), "hidden from the role") {
		t.Errorf("%v\nis %s\n%s", err, is, w.said())
	}
}

// TestDatabaseThatRoleDoesNotSee is the same of a database with all that is in it.
func TestDatabaseThatRoleDoesNotSee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.Database + "_theirs"
	w.SQL(t, "CREATE DATABASE "+db, "CREATE TABLE "+db+".t AS SELECT 1 AS a")
	t.Cleanup(func() { w.SQL(t, "DROP DATABASE IF EXISTS "+db) })
	w.Migration(1, "CREATE OR REPLACE DATABASE "+db+";\nINSERT INTO nowhere VALUES (1);")
	w.asRole("CREATE DATABASE")
	var refused *PlanError
	err := w.up()
	if is := fmt.Sprint(w.SQL(t, "SELECT name FROM system.tables WHERE database = '"+db+"'")); is != "[[t]]" || !errors.As(err, &refused) {
		t.Errorf("%v\nis %s\n%s", err, is, w.said())
	}
}
