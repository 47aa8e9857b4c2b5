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

// TestWhatRoleDoesNotSee: a role may replace stages and databases of others that it does not see. What it does not see it cannot put back,
// and a replaced one looks like one of its own. IF NOT EXISTS makes it the owner of a stage that is there, so that it sees it from then on.
func TestWhatRoleDoesNotSee(t *testing.T) {
	t.Parallel()
	const keys = "' CONNECTION = (ACCESS_KEY_ID = 'a' SECRET_ACCESS_KEY = 'b')"
	const stage, url = "CREATE STAGE {x} URL = 's3://theirs/" + keys, "SELECT url FROM system.stages WHERE name = '{x}'"
	for name, tt := range map[string]struct {
		may    string
		theirs []string
		ours   string
		look   string
		want   string
		code   exit.Code
		says   string
	}{
		"a stage replaced": {
			"SUPER",
			[]string{stage},
			"CREATE OR REPLACE STAGE {x} URL = 's3://ours/" + keys, url, "[[s3://theirs/]]",
			exit.Failed, "GRANT READ ON *.* TO ROLE",
		},
		"a stage that is there": {
			"SUPER",
			[]string{stage},
			"CREATE STAGE IF NOT EXISTS {x} URL = 's3://theirs/" + keys, url, "[[s3://theirs/]]",
			exit.Partly, "hidden from the role",
		},
		"a database replaced": {
			"CREATE DATABASE",
			[]string{"CREATE DATABASE {x}", "CREATE TABLE {x}.t AS SELECT 1 AS a"},
			"CREATE OR REPLACE DATABASE {x}",
			"SELECT name FROM system.tables WHERE database = '{x}'", "[[t]]", exit.Failed, "GRANT SELECT ON *.* TO ROLE",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			text := func(s string) string { return strings.ReplaceAll(s, "{x}", w.Database+"_theirs") }
			for _, s := range tt.theirs {
				w.SQL(t, text(s))
			}
			t.Cleanup(func() { w.SQL(t, text("DROP STAGE IF EXISTS {x}"), text("DROP DATABASE IF EXISTS {x}")) })
			w.Migration(1, text(tt.ours)+";\nINSERT INTO nowhere VALUES (1);")
			w.asRole(tt.may)
			err := w.up()
			_, refused := errors.AsType[*PlanError](err)
			said := fmt.Sprintf("%v\n%s", err, w.said())
			if exit.Of(err) != tt.code || refused != (tt.code == exit.Failed) || !strings.Contains(said, tt.says) {
				t.Errorf("exit %d, refused %v\n%s", exit.Of(err), refused, said)
			}
			if is := fmt.Sprint(w.SQL(t, text(tt.look))); is != tt.want {
				t.Errorf("is %s\n%s", is, said)
			}
		})
	}
}

// TestRoleFindsAnothersRun lets a role find a cut-off run of an administrator: what it may not put back it names with the privilege, and
// leaves to one who may.
func TestRoleFindsAnothersRun(t *testing.T) {
	t.Parallel()
	for statement, takes := range map[string]string{"UPDATE t SET a = 5": "[ALTER]", "DROP TABLE t": "[GRANT]", "CREATE TABLE v (a INT)": ""} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SQL(t, "CREATE TABLE t AS SELECT 1 AS a")
			is := func() string {
				return fmt.Sprint(w.SQL(t, "SELECT * FROM t"), w.SQL(t, "SELECT name, owner FROM system.tables WHERE database = currentdatabase()"))
			}
			before := is()
			w.Migration(1, statement+";\nCREATE TABLE u (a INT);\nINSERT INTO nowhere VALUES (1);")
			w.cut("CREATE TABLE u", true, Options{})
			w.asRole("")
			err := w.recover("", "")
			if said := w.said(); exit.Of(err) != exit.Partly && takes != "" || !strings.Contains(said, takes) || err != nil && takes == "" {
				t.Errorf("as the role: %v\n%s", err, said)
			}
			w.connect(w.Config)
			w.must(w.recover("", ""))
			if is() != before {
				t.Errorf("is %s, was %s\n%s", is(), before, w.said())
			}
		})
	}
}
