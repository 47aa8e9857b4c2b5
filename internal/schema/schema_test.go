package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// describe writes the tables, views and streams of a schema, one a line.
func describe(s *Schema) string {
	var b strings.Builder
	for _, o := range s.Of(sqltext.Table) {
		fmt.Fprintf(&b, "%s %s", []string{"table", "view", "stream"}[o.Relation], o.Name)
		switch {
		case o.Relation == Stream:
			fmt.Fprintf(&b, " on %s", o.On.Name)
		case o.Relation == Base && !o.Known:
			b.WriteString(" ?")
		}
		for _, c := range o.Columns {
			fmt.Fprintf(&b, " %s:%s", c.Name, c.Type)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sql, want string }{
		{"CREATE TABLE t (a INT)", "table t a:INT\n"},
		{"CREATE TABLE t (a INT); CREATE TABLE IF NOT EXISTS t (b INT)", "table t a:INT\n"},
		{"CREATE TABLE t (a INT); CREATE OR REPLACE TABLE t (b INT)", "table t b:INT\n"},
		{
			"CREATE TABLE t (a INT); ALTER TABLE t ADD COLUMN b STRING FIRST; ALTER TABLE t ADD c INT AFTER b",
			"table t b:STRING c:INT a:INT\n",
		},
		{"CREATE TABLE t (a INT, b INT); ALTER TABLE t DROP COLUMN a", "table t b:INT\n"},
		{"CREATE TABLE t (a INT); ALTER TABLE t RENAME COLUMN a TO z; ALTER TABLE t MODIFY COLUMN z BIGINT", "table t z:BIGINT\n"},
		{"CREATE TABLE t (a INT); ALTER TABLE t MODIFY COLUMN a COMMENT 'x'", "table t a:INT\n"},
		{"CREATE TABLE t (a INT); ALTER TABLE t ADD COLUMN IF NOT EXISTS a STRING", "table t a:INT\n"},
		{"CREATE TABLE t (a INT); ALTER TABLE t RENAME TO u", "table u a:INT\n"},
		{"CREATE TABLE t (a INT); CREATE TABLE u (b INT); ALTER TABLE t SWAP WITH u", "table t b:INT\ntable u a:INT\n"},
		{"CREATE TABLE t (a INT); RENAME TABLE t TO u", "table u a:INT\n"},
		{"CREATE TABLE t (a INT); CREATE TABLE u LIKE t", "table t a:INT\ntable u a:INT\n"},
		{"CREATE TABLE u AS SELECT 1", "table u ?\n"},
		{"CREATE TABLE t (a INT); ALTER TABLE t FLASHBACK TO (OFFSET => -1)", "table t ? a:INT\n"},
		{"CREATE TABLE t (a INT); DROP TABLE t; UNDROP TABLE t", "table t ?\n"},
		{"CREATE VIEW v AS SELECT 1", "view v\n"},
		{"CREATE TABLE t (a INT); CREATE STREAM s ON TABLE t", "stream s on t\ntable t a:INT\n"},
		{"CREATE TABLE d.t (a INT); CREATE DATABASE d; DROP DATABASE d", ""},
		{
			"CREATE DATABASE d; CREATE TABLE d.t (a INT); CREATE TABLE d.u (a INT); DROP TABLE d.u; DROP DATABASE d; UNDROP DATABASE d",
			"table t ?\n",
		},
		{"CREATE TABLE d.t (a INT); ALTER DATABASE d RENAME TO e; ALTER TABLE e.t ADD COLUMN b INT", "table t a:INT b:INT\n"},
		{"CREATE TABLE t (a INT); CREATE INVERTED INDEX i ON t (a); OPTIMIZE TABLE t COMPACT", "table t a:INT\n"},
	} {
		s := New()
		statements, err := sqltext.Split(tt.sql)
		if err != nil {
			t.Fatal(err)
		}
		for i, st := range statements {
			s.Apply(st.Text, effect.Analyze(st.Text, "default"), Place{Version: int64(i + 1)})
		}
		if diff := cmp.Diff(tt.want, describe(s)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.sql, diff)
		}
	}
}

// TestCloneKeeps: what is folded into a schema does not show in an earlier clone.
func TestCloneKeeps(t *testing.T) {
	t.Parallel()
	s := New()
	apply := func(sql string) { s.Apply(sql, effect.Analyze(sql, "default"), Place{}) }
	apply("CREATE TABLE t (a INT, b INT)")
	before := s.Clone()
	for _, sql := range []string{
		"ALTER TABLE t ADD COLUMN c INT", "ALTER TABLE t RENAME COLUMN a TO z", "ALTER TABLE t MODIFY b STRING",
		"ALTER TABLE t DROP COLUMN b", "DROP TABLE t",
	} {
		apply(sql)
		if got := describe(before); got != "table t a:INT b:INT\n" {
			t.Fatalf("after %s: %s", sql, got)
		}
	}
	if _, gone := s.Gone(sqltext.Object{Kind: sqltext.Table, Database: "default", Name: "t"}); !gone {
		t.Error("t is not said to be gone")
	}
}

// TestTask follows a task from its making, which suspends it, to its last word.
func TestTask(t *testing.T) {
	t.Parallel()
	s := New()
	task := sqltext.Object{Kind: sqltext.Task, Name: "a"}
	for _, tt := range []struct {
		sql             string
		resumed, paused bool
	}{
		{"CREATE TASK a WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1", false, false},
		{"ALTER TASK a RESUME", true, false},
		{"ALTER TASK a SET COMMENT = 'RESUME'", true, false},
		{"ALTER TASK IF EXISTS a SUSPEND", false, true},
		{"CREATE OR REPLACE TASK a WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1", false, false},
	} {
		s.Apply(tt.sql, effect.Analyze(tt.sql, "default"), Place{})
		if o := s.Find(task); o == nil || o.Resumed != tt.resumed || o.Paused != tt.paused {
			t.Errorf("after %s: %+v", tt.sql, o)
		}
	}
}
