package migrate

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// TestTwoProjectsInOneDatabase lets two projects with one state database migrate one database: each has its own history and lock. One
// is cut off while the other goes on and fails, and each is put back to its own savepoint.
func TestTwoProjectsInOneDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := &world{Project: w.Env.Project(t, "q"), srv: w.srv, secret: w.secret, events: w.events}
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	other.Migration(1, "CREATE TABLE b (x INT);\nINSERT INTO b VALUES (1);\n")
	w.must(w.up())
	other.must(other.up())
	before := w.look()
	w.Migration(2, "ALTER TABLE a ADD COLUMN y INT;\nCREATE OR REPLACE TABLE n AS SELECT 1 AS x;\n")
	w.cut("CREATE OR REPLACE TABLE n", false, Options{})
	other.Migration(2, "ALTER TABLE b ADD COLUMN y INT;\nINSERT INTO nowhere VALUES (1);\n")
	var run *RunError
	if err := other.up(); !errors.As(err, &run) || run.ExitCode() != 1 {
		t.Errorf("the other project: got %v, want a failure with nothing left\n%s", err, other.said())
	}
	if got, want := other.states(), "1 applied, 2 rolled_back"; got != want {
		t.Errorf("the other project: got %q, want %q", got, want)
	}
	w.must(w.recover(RollBack, ""))
	if got, want := w.states(), "1 applied, 2 rolled_back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// TestLongMigration lets a migration of very many statements fail at its end, and cuts one off there: all of it goes back.
func TestLongMigration(t *testing.T) {
	t.Parallel()
	statements := 40
	if databendtest.Full() {
		statements = 2000
	}
	w := newWorld(t)
	f := w.Database + "_f"
	t.Cleanup(func() { w.SQL(t, "DROP FUNCTION IF EXISTS "+f) })
	w.SQL(t, "CREATE TABLE a (x INT, y STRING COMMENT 'why') COMMENT = 'before'", "INSERT INTO a VALUES (1, 'one')")
	forms := []string{
		"ALTER TABLE a ADD COLUMN c%d INT", "CREATE TABLE n%d (x INT)", "INSERT INTO a (x) VALUES (%d)", "ALTER TABLE a COMMENT = 'note %d'",
		"CREATE OR REPLACE VIEW v AS SELECT %d AS x", "CREATE OR REPLACE FUNCTION " + f + " AS (x) -> x + %d", "ALTER TABLE a MODIFY COLUMN y COMMENT '%d'",
		"CREATE OR REPLACE TABLE r AS SELECT %d AS x",
	}
	var text strings.Builder
	for i := range statements {
		fmt.Fprintf(&text, forms[i%len(forms)]+";\n", i)
	}
	before := w.look()
	w.Migration(1, text.String()+"INSERT INTO nowhere VALUES (1);\n")
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || run.Statement != statements+1 {
		t.Fatalf("got %v, want a failure at the last statement with nothing left\n%s", err, w.said())
	}
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	w.Migration(1, text.String()+"CREATE TABLE z AS SELECT 1 AS x;\n")
	w.cut("CREATE TABLE z", false, Options{})
	w.must(w.recover(RollBack, ""))
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("after recover (-before +after):\n%s", diff)
	}
	if n := w.SQL(t, "SELECT count(*) FROM system.user_functions WHERE name = '"+f+"'"); n[0][0] != "0" {
		t.Errorf("the function is still there")
	}
}
