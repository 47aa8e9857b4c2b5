package lineage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// world is a warehouse with the tables t, u, "T t" and the view v of t in db, and t in other.
type world struct{}

func object(name string) sqltext.Object {
	db, table, ok := strings.Cut(name, ".")
	if !ok {
		db, table = "db", name
	}
	return sqltext.Object{Kind: sqltext.Table, Database: db, Name: table}
}

func (world) Exists(o sqltext.Object) bool {
	for _, n := range []string{"t", "u", "T t", "v", "w", "other.t"} {
		if o == object(n) {
			return true
		}
	}
	return false
}

func (world) View(o sqltext.Object) ([]sqltext.Object, bool) {
	switch o {
	case object("v"):
		return []sqltext.Object{object("t")}, true
	case object("w"): // reads itself, as a broken one may
		return []sqltext.Object{object("v"), object("w")}, true
	}
	return nil, false
}

// Each is what is under t in the end: the same table or another one, and whose rows it holds.
func TestLineage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ statements, want string }{
		{"SELECT 1", "same t"},
		{"INSERT INTO t SELECT * FROM u", "same t u"},
		{"ALTER TABLE t ADD COLUMN c INT", "same t"},
		{"TRUNCATE TABLE t", "same"},
		{"CREATE OR REPLACE TABLE t CLUSTER BY (a) AS SELECT * FROM t", "new t"},
		{"CREATE OR REPLACE TABLE t AS SELECT * FROM t WHERE a > 1", "new t"},
		{"CREATE OR REPLACE TABLE t AS SELECT * FROM t JOIN u", "new t u"},
		{"CREATE OR REPLACE TABLE t AS SELECT * FROM u", "new u"},
		{"CREATE OR REPLACE TABLE t (a INT)", "new"},
		{"CREATE OR REPLACE TABLE t LIKE t", "new"},
		{"CREATE TABLE IF NOT EXISTS t (a INT)", "same t"},
		{"CREATE TABLE IF NOT EXISTS t AS SELECT * FROM u", "same t"},
		{"ALTER TABLE t RENAME TO old; CREATE TABLE t (a INT); INSERT INTO t SELECT * FROM old; DROP TABLE old", "new t"},
		{"RENAME TABLE t TO old; CREATE TABLE t LIKE old", "new"},
		{"CREATE TABLE n AS SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t", "new t"},
		{"CREATE TABLE n AS SELECT * FROM t; ALTER TABLE t SWAP WITH n; DROP TABLE n", "new t"},
		{"CREATE TABLE n AS SELECT * FROM t; ALTER TABLE n SWAP WITH t", "new t"},
		{"ALTER TABLE t SWAP WITH u", "was u u"},
		{"ALTER TABLE t SWAP WITH u; ALTER TABLE t SWAP WITH u", "same t"},
		{"INSERT INTO u SELECT * FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t", "was u t u"},
		{"DROP TABLE t; UNDROP TABLE t", "same t"},
		{"DROP TABLE t ALL; UNDROP TABLE t", "same"},
		{"CREATE OR REPLACE TABLE t (a INT); DROP TABLE t; UNDROP TABLE t", "new"},
		{"CREATE OR REPLACE TABLE t (a INT); ALTER TABLE t RENAME TO x; UNDROP TABLE t", "same t"},
		{"DROP TABLE t", ""},
		{"ALTER TABLE t FLASHBACK TO (OFFSET => -9)", "same t"},
		{"ALTER TABLE t FLASHBACK TO (OFFSET => -9); INSERT INTO t VALUES (1)", "same, hidden t"},
		{"ALTER TABLE t FLASHBACK TO (OFFSET => -9); ALTER TABLE t RENAME TO x; ALTER TABLE x COMMENT = 'c'; ALTER TABLE x RENAME TO t", "same, hidden t"},
		{"INSERT INTO t VALUES (1); ALTER TABLE t FLASHBACK TO (OFFSET => -9)", "same t"},
		{"ALTER TABLE t FLASHBACK TO (OFFSET => -9); TRUNCATE TABLE t", "same"},
		{"CREATE VIEW a AS SELECT * FROM t; CREATE OR REPLACE TABLE t AS SELECT * FROM a", "new t"},
		{"CREATE OR REPLACE TABLE t AS SELECT * FROM v", "new t"},
		{"CREATE OR REPLACE TABLE t AS SELECT * FROM w", "new t"},
		{"ALTER VIEW v AS SELECT * FROM u; CREATE OR REPLACE TABLE t AS SELECT * FROM v", "new u"},
		{"CREATE OR REPLACE VIEW v AS SELECT 1; CREATE OR REPLACE TABLE t AS SELECT * FROM v", "new"},
		{"TRUNCATE TABLE t; CREATE OR REPLACE TABLE t AS SELECT * FROM t", "new"},
		{"CREATE OR REPLACE TABLE t AS SELECT * FROM other.t", "new other.t"},
		{"CREATE TABLE n LIKE t; MERGE INTO n USING t ON n.a = t.a WHEN NOT MATCHED THEN INSERT *; DROP TABLE t; RENAME TABLE n TO t", "new t"},
		{"CREATE TABLE n LIKE t; REPLACE INTO n ON (a) SELECT * FROM t; ALTER TABLE n SWAP WITH t", "new t"},
		{"DROP DATABASE db; UNDROP DATABASE db", "same t"},
		{"DROP DATABASE db; CREATE DATABASE db; CREATE TABLE t (a INT)", "new"},
		{"ALTER DATABASE db RENAME TO x; ALTER DATABASE x RENAME TO db", "same t"},
		{"CREATE OR REPLACE TABLE t AS SELECT * FROM t; ALTER DATABASE db RENAME TO x; ALTER DATABASE x RENAME TO db", "new t"},
	} {
		l := New(world{})
		for _, s := range strings.Split(test.statements, "; ") {
			l.Apply(effect.Analyze(s, "db"))
		}
		f := l.At(object("t"))
		got := ""
		switch {
		case !f.There:
		case f.Same:
			got = "same"
		case f.Was.Name != "":
			got = "was " + f.Was.Name
		default:
			got = "new"
		}
		if f.Hidden {
			got += ", hidden"
		}
		for _, o := range f.Rows {
			got += " " + strings.TrimPrefix(fmt.Sprintf("%s.%s", o.Database, o.Name), "db.")
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.statements, diff)
		}
	}
}

// A database that is renamed takes its tables, and their former names, along.
func TestLineageOfARenamedDatabase(t *testing.T) {
	t.Parallel()
	l := New(world{})
	for _, s := range []string{"ALTER DATABASE other RENAME TO another", "CREATE OR REPLACE TABLE another.t AS SELECT * FROM another.t"} {
		l.Apply(effect.Analyze(s, "db"))
	}
	f := l.At(object("another.t"))
	if f.Same || !f.There || len(f.Rows) != 1 || f.Rows[0] != object("other.t") || l.Former(object("another.t")) != object("other.t") {
		t.Errorf("got %+v", f)
	}
	if f := l.At(object("other.t")); f.There {
		t.Errorf("the former name: %+v", f)
	}
}
