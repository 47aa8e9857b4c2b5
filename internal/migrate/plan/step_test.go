package plan

import (
	"testing"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// TestConsume shows which statements move a stream on that they read as a table. Streams need a licence: the state is made by hand.
func TestConsume(t *testing.T) {
	t.Parallel()
	stream := catalog.ObjectState{Object: sqltext.Object{Kind: sqltext.Table, Database: "db", Name: "s"}, Exists: true, Engine: "STREAM"}
	table := catalog.ObjectState{Object: sqltext.Object{Kind: sqltext.Table, Database: "db", Name: "u"}, Exists: true, Engine: "FUSE"}
	before := catalog.State{Objects: []catalog.ObjectState{stream, table}}
	for sql, want := range map[string]bool{
		"INSERT INTO t SELECT * FROM s":                              true,
		"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE": true,
		"CREATE TABLE t AS SELECT * FROM s":                          true,
		"CREATE TEMP TABLE t AS SELECT * FROM s":                     true,
		"COPY INTO @st/x FROM (SELECT * FROM s)":                     true,
		"INSERT INTO t SELECT * FROM u":                              false,
		"SELECT * FROM s":                                            false,
		"CREATE VIEW v AS SELECT * FROM s":                           false,
		"INSERT INTO t SELECT * FROM missing":                        false,
	} {
		plain := []Step{{Statements: read([]project.Statement{{SQL: sql}}, "db")}}
		untouched := len(plain[0].Statements[0].Effect.Writes)
		steps := Consuming(Consuming(plain, before), before) // once is enough
		if n := len(plain[0].Statements[0].Effect.Writes); n != untouched {
			t.Errorf("%s: the plan was written through: %d writes, want %d", sql, n, untouched)
		}
		got := 0
		for _, o := range Writes(steps) {
			if o == stream.Object {
				got++
			}
			if o == table.Object {
				t.Errorf("%s: writes %s", sql, o)
			}
		}
		if (got == 1) != want || got > 1 || want && steps[0].Statements[0].Effect.Class == effect.None {
			t.Errorf("%s: the stream is written %d times, class %s, want %t", sql, got, steps[0].Statements[0].Effect.Class, want)
		}
	}
}

// TestTemporaryTables: what a COPY brings into a temporary table is not in the table whose name that has, and the ledger has nothing of it.
func TestTemporaryTables(t *testing.T) {
	t.Parallel()
	statements := read([]project.Statement{
		{SQL: "CREATE TEMP TABLE t (a INT)"}, {SQL: "COPY INTO t FROM @s"}, {SQL: "DROP TABLE t"}, {SQL: "COPY INTO t FROM @s"},
	}, "db")
	for i, want := range []bool{false, false, false, true} {
		if e := statements[i].Effect; e.Copy != want || len(e.Writes) > 0 != want {
			t.Errorf("%s: it loads %t, writes %v", statements[i].SQL, e.Copy, e.Writes)
		}
	}
}
