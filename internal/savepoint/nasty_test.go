package savepoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/google/go-cmp/cmp"
)

// rollback sets up, runs statements, restores, and checks that all is as before.
func rollback(t *testing.T, setup, statements []string) {
	t.Helper()
	r := newRig(t)
	r.sql("use " + r.db())
	r.sql(setup...)
	r.capture(statements)
	was := r.look() // with the seeds
	if err := r.steps(statements); err != nil {
		t.Fatal(err)
	}
	r.restored(was)
}

func TestNasty(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		setup      []string
		statements []string
	}{
		{
			"replaced as select, renamed, created again",
			[]string{"create table a (x int)", "insert into a values (1), (2)"},
			[]string{"create or replace table a as select 'q' y", "alter table a rename to b", "create table a (z int)"},
		},
		{
			"swapped, dropped, a view in its place, older ones stay dropped",
			[]string{
				"create table a (old int)", "drop table a", "create table a (older int)", "insert into a values (9)", "drop table a",
				"create table a (x int)", "insert into a values (1)", "create table b (y int not null)",
			},
			[]string{"alter table a swap with b", "drop table a", "create view a as select 1 one"},
		},
		{
			"indexes as the engine shows their options",
			[]string{
				"create table a (x int, y string, v vector(3))", "create inverted index i on a(y) index_record='basic' tokenizer='chinese'",
				"create async ngram index n on a(y) gram_size=5 bloom_size=1048576", "create vector index w on a(v) m=10 ef_construct=40 distance='cosine,l1'",
			},
			[]string{"drop inverted index i on a", "drop ngram index n on a", "drop vector index w on a"},
		},
		{
			"indexes on columns, and of a table, whose names are no words",
			[]string{
				"create table `a (b), c` (`select` string, `It's, 1)` string, `camelCase` string, `v v` vector(3))",
				"create inverted index `I'i` on `a (b), c`(`select`, `It's, 1)`) tokenizer='chinese'",
				"create ngram index n on `a (b), c`(`camelCase`) gram_size=5", "create vector index w on `a (b), c`(`v v`) m=10 distance='l1'",
			},
			[]string{"drop inverted index `I'i` on `a (b), c`", "drop ngram index n on `a (b), c`", "drop vector index w on `a (b), c`"},
		},
		{
			"an ASYNC index on a column that comes back",
			[]string{"create table a (x int, y string)", "insert into a values (1, 'p')", "create async inverted index i on a(y)"},
			[]string{"drop inverted index i on a", "alter table a drop column y", "alter table a add column y string", "create inverted index i on a(y)"},
		},
		{
			"options that list columns, which are renamed, dropped and gone back over",
			[]string{
				"create table a (x int, y string) bloom_index_columns = 'x' approx_distinct_columns = 'y, `x`'", "insert into a values (1, 'p')",
				"create table b (x int, `Y y` string, z int) bloom_index_columns = '`Y y`,x,z'", "insert into b values (1, 'p', 2)",
				"create table c (x int, y string) bloom_index_columns = 'x'", "insert into c values (1, 'p')",
			},
			[]string{
				"alter table a rename column x to `Z z`", "alter table a rename column y to w", "alter table b drop column z",
				"alter table c set options (bloom_index_columns = 'y')", "alter table c rename column y to z", "insert into c values (2, 'q')",
				"create table n (x int) bloom_index_columns = 'x'", "create table m (x int) bloom_index_columns = 'x'", "alter table n rename column x to z",
			},
		},
		{
			"a table that keeps no rows",
			[]string{"create table a (x int) engine = null"},
			[]string{"insert into a values (1)", "truncate table a", "insert into a values (2)"},
		},
		{
			"a cycle of names",
			[]string{"create table a (x int)", "insert into a values (1)", "create table b (y int)", "insert into b values (2)"},
			[]string{"alter table a rename to t", "alter table b rename to a", "alter table t rename to b"},
		},
		{
			"dropped column with comment, one first, another type",
			[]string{
				"create table a (x int not null default 3 comment 'cx', y string comment 'cy', z int comment 'cz') comment = 'it''s'",
				"insert into a values (1, '2', 3)",
			},
			[]string{"alter table a drop column z", "alter table a add column w int first", "alter table a modify column y bigint", "alter table a comment = 'new'"},
		},
		{
			"never written",
			[]string{"create table a (x int not null comment 'c')"},
			[]string{"alter table a add column y int", "alter table a modify column x int null", "insert into a values (null, 1)"},
		},
		{
			"an index and a check on a new column block FLASHBACK",
			[]string{"create table a (x int)", "insert into a values (1)"},
			[]string{"alter table a add column y string", "create inverted index i on a(y)", "alter table a add constraint k check (length(y) > 0)"},
		},
		{
			"a renamed column under a check",
			[]string{
				"create table a (x int)", "insert into a values (1)", "alter table a add constraint k check (x > 0)",
				"create table b (y int)", "alter table b add constraint k2 check (y > 0)", "insert into b values (1)",
			},
			[]string{"alter table a rename column x to z", "alter table b add column w int"},
		},
		{
			"the same table written three times",
			[]string{"create table a (x int, y string)", "insert into a values (1, 'p')", "create view v as select x from a"},
			[]string{
				"insert into a values (2, 'q')", "alter table a drop column y", "create or replace table a as select 7 x", "drop table a", "create view a as select 8 x",
				"create or replace view v as select 9 n",
			},
		},
		{
			"replaced three times",
			[]string{"create table a (x int)", "insert into a values (1)"},
			[]string{"create or replace table a (y int)", "create or replace table a as select 2 z", "create or replace table a (w int)"},
		},
		{
			"indexes and constraints dropped and made",
			[]string{
				"create table a (x int, s string)", "insert into a values (1, 'p')", "create inverted index i on a(s) tokenizer = 'chinese'",
				"alter table a add constraint k check (x > 0 and s <> 'it''s')", "create aggregating index " + "ag_%d as select x, count(*) from a group by x",
			},
			[]string{
				"drop inverted index i on a", "alter table a drop constraint k", "create ngram index g on a(s) gram_size = 5",
				"alter table a add constraint k check (x > 5)", "drop aggregating index ag_%d",
			},
		},
		{
			"an aggregating index that is given to another table",
			[]string{
				"create table a (x int)", "insert into a values (1)", "create table b (y int)",
				"create aggregating index " + "ag_%d as select x, count(*) from a group by x",
			},
			[]string{"drop aggregating index ag_%d", "create aggregating index " + "ag_%d as select y, count(*) from b group by y"},
		},
		{
			"truncated, and emptied by DROP ALL",
			[]string{"create table a (x int)", "insert into a values (1)", "insert into a values (2)", "create table b (x int)", "insert into b values (3)"},
			[]string{"truncate table a", "insert into a values (4)", "drop table b all"},
		},
		{
			"everything at once",
			[]string{
				"create table a (x int, y string comment 'cy')", "insert into a values (1, 'p'), (1, 'p')", "create table b (x int)", "insert into b values (2)",
				"create view v as select x from a",
			},
			[]string{
				"alter table a drop column y", "create or replace table b as select * from a", "create or replace view v as select 1 one", "create table n (q int)",
				"insert into n values (1)", "alter table a set options (block_per_segment = 50)", "drop table a",
			},
		},
	}
	const groups = 3
	for group := range groups {
		t.Run(fmt.Sprint(group), func(t *testing.T) {
			t.Parallel()
			var setup, statements []string
			for i := group; i < len(tests); i += groups {
				own := func(s string) string { return strings.ReplaceAll(ownOf(i, s), "%d", fmt.Sprint(i)) } // aggregating indexes have no database in their name
				for _, s := range tests[i].setup {
					setup = append(setup, own(s))
				}
				for _, s := range tests[i].statements {
					statements = append(statements, own(s))
				}
			}
			rollback(t, setup, statements)
		})
	}
}

// A statement that may or may not have run: both.
func TestMaybe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		setup      []string
		statements []string
	}{
		{"create", nil, []string{"create table a (x int)"}},
		{"create or replace", []string{"create table a (x int)", "insert into a values (1)"}, []string{"create or replace table a as select 2 y"}},
		{"modify column", []string{"create table a (x int, y int)", "insert into a values (1, 2)"}, []string{"alter table a add column z int", "alter table a modify column y string"}},
		{"truncate", []string{"create table a (x int)", "insert into a values (1)"}, []string{"insert into a values (2)", "truncate table a"}},
		{"rename", []string{"create table a (x int)", "insert into a values (1)"}, []string{"alter table a rename to b"}},
		{"drop", []string{"create table a (x int)", "insert into a values (1)"}, []string{"drop table a"}},
	}
	for _, tt := range tests {
		for _, ran := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s ran %v", tt.name, ran), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.sql("use " + r.db())
				r.sql(tt.setup...)
				r.capture(tt.statements)
				was := r.look()
				last := len(tt.statements) - 1
				if err := r.steps(tt.statements[:last]); err != nil {
					t.Fatal(err)
				}
				if ran {
					if err := r.steps(tt.statements[last:]); err != nil {
						t.Fatal(err)
					}
				} else {
					r.reached = append(r.reached, r.mark(tt.statements[last], r.now()))
				}
				r.restored(was)
			})
		}
	}
}

// The capture of objects some of which do not exist, in two databases, misses no index and no constraint.
func TestCaptureMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := r.db() + "_b"
	r.env.SQL(t, "create database "+other)
	t.Cleanup(func() { r.env.SQL(t, "drop database "+other) })
	r.env.SQL(t, "create table a (x int, s string)", "create inverted index i on a(s)", "alter table a add constraint k check (x > 0)",
		"create table "+other+".b (x int, s string)", "create ngram index g on "+other+".b(s) gram_size = 3", "alter table "+other+".b add constraint k2 check (x > 0)")
	before := r.server.Requests()
	s, err := catalog.Capture(t.Context(), r.conn, []sqltext.Object{
		r.table("a"), r.table("missing"), catalog.Name{DB: other, Table: "b"}.Object(), catalog.Name{DB: other, Table: "missing"}.Object(), catalog.Name{DB: "no_such_database", Table: "x"}.Object(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := r.server.Requests() - before; n > 3 { // the third tells indexes that are made beside (ASYNC) from others
		t.Errorf("capture took %d requests, want 3", n)
	}
	var got []string
	for _, o := range s.Objects {
		got = append(got, fmt.Sprintf("%s %v %d %d", o.Name, o.Exists, len(o.Indexes), len(o.Constraints)))
	}
	if d := cmp.Diff([]string{"a true 1 1", "missing false 0 0", "b true 1 1", "missing false 0 0", "x false 0 0"}, got); d != "" {
		t.Errorf("captured (-want +got):\n%s", d)
	}
}

// A restore that is killed at each of its requests, before and after it, is mended by the next one.
func TestKilledAtEveryRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use " + r.db())
	statements := []string{
		"alter table a drop column y", "alter table a comment = 'new'", "insert into a values (5)", "create or replace table b as select 1 z", "insert into b values (9)",
		"alter table c rename to d", "create view c as select 1 one", "drop table d",
	}
	role := r.db() + "_role"
	setup := func() {
		r.sql("create or replace table a (x int, y string comment 'cy')", "insert into a values (1, 'p'), (1, 'p')", "create or replace table b (x int)",
			"insert into b values (2)", "create or replace table c (x int)", "grant select on "+r.db()+".b to role "+role, "grant ownership on "+r.db()+".b to role "+role)
	}
	r.sql("create role " + role)
	t.Cleanup(func() { r.env.SQL(t, "drop role "+role) })
	setup()
	was := r.look()
	for _, k := range []string{"a", "b", "c"} { // ids and heads, which the report compares
		delete(was, k)
	}
	step := 3
	if databendtest.Full() {
		step = 1
	}
	for at := 1; ; at += step {
		setup()
		if err := r.run(statements...); err != nil {
			t.Fatal(err)
		}
		conn := &crashing{Conn: r.conn, crashAt: crashAt{at: at, after: at%2 == 0}}
		_, err := Restore(t.Context(), conn, r.before, r.reached, Options{})
		if err == nil {
			if at < 8 {
				t.Errorf("the restore wrote %d times only", at-1)
			}
			return
		}
		if !errors.Is(err, errCrash) {
			t.Fatalf("killed at %d: %v", at, err)
		}
		_, _ = r.books.Exec(t.Context(), databend.Statement{SQL: "rollback"})
		rep := r.restore()
		now := r.look()
		for k := range now {
			switch k { // what moves with each setup
			case "a", "b", "c":
				delete(now, k)
			}
		}
		if d := difference(was, now); d != "" || !rep.Clean() {
			t.Fatalf("killed at write %d:\n%s\n%+v", at, d, rep.Outcomes)
		}
		if g := r.rows("select privileges from show_grants('role', '" + role + "') where object_name = 'default." + r.db() + ".b'"); len(g) == 0 {
			t.Errorf("killed at write %d: the grant is gone", at)
		}
		r.again(rep)
	}
}

// Another session writes right before the fence, and tries to between the last look and the FLASHBACK: the first row is kept, the
// second is refused.
func TestForeignAroundTheFence(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use "+r.db(), "create table a (x int, y string)", "insert into a values (1, 'p')")
	if err := r.run("alter table a drop column y"); err != nil {
		t.Fatal(err)
	}
	r.conn = &intercept{Conn: r.conn, word: " RENAME TO ", hook: func() { r.sql("insert into a values (7)") }}
	r.conn = &intercept{Conn: r.conn, word: " FLASHBACK ", hook: func() {
		_, err := r.foreign.Exec(t.Context(), databend.Statement{SQL: "insert into a values (8)"})
		if !databend.IsCode(err, databend.CodeUnknownTable) {
			t.Errorf("an insert behind the fence: %v, want 1025", err)
		}
	}}
	rep := r.restore()
	if d := cmp.Diff([]string{"1|p", "7|"}, r.column("select * from a")); d != "" || !rep.Clean() {
		t.Errorf("rows (-want +got):\n%s\n%+v", d, rep)
	}
}

// intercept runs a hook before the first statement with a word in it.
type intercept struct {
	Conn
	word string
	hook func()
}

func (c *intercept) look(sql string) {
	if c.hook != nil && strings.Contains(sql, c.word) {
		h := c.hook
		c.hook = nil
		h()
	}
}

func (c *intercept) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	c.look(st.SQL)
	return c.Conn.Query(ctx, st)
}

func (c *intercept) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	c.look(st.SQL)
	return c.Conn.Exec(ctx, st)
}

// An index that stands in the way, and is there again behind its drop, holds its table alone: the restore comes to its end.
func TestObstacleThatStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1)", "create table b (x int)", "insert into b values (1)")
	if err := r.run("alter table a add column y string", "create inverted index i on a(y)", "alter table b add column y string"); err != nil {
		t.Fatal(err)
	}
	healthy := r.conn
	r.conn = &deafTo{Conn: r.conn, word: "DROP INVERTED INDEX"}
	rep := r.restore()
	if a, b := r.outcome(rep, "a"), r.outcome(rep, "b"); a.Result != Kept || b.Result != Restored {
		t.Errorf("outcomes %+v, %+v", a, b)
	}
	r.conn = healthy
	if rep := r.restore(); !rep.Clean() {
		t.Errorf("without the obstacle: %+v", rep)
	}
}

// deafTo does nothing at statements with a word in them.
type deafTo struct {
	Conn
	word string
}

func (c *deafTo) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if strings.Contains(st.SQL, c.word) {
		return databend.Result{}, nil
	}
	return c.Conn.Exec(ctx, st)
}

// What had been dropped before the migration and was brought up by it is dropped again where UNDROP finds it, with the rows that it had.
func TestUndropUndone(t *testing.T) {
	t.Parallel()
	for _, statements := range [][]string{
		{"undrop table a"},
		{"undrop table a", "insert into a values (5)"},
		{"undrop table a", "alter table a rename to b", "undrop table a", "delete from a where x = 1"},
		{"create table a (q int)", "alter table a rename to c", "undrop table a", "drop table a"},
	} {
		t.Run(strings.Join(statements, ", "), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1)", "drop table a", "create table a (x int)", "insert into a values (2)", "drop table a")
			if err := r.run(statements...); err != nil {
				t.Fatal(err)
			}
			was := r.before.Objects[0].Gone
			rep := r.restore()
			if !rep.Clean() {
				t.Errorf("report %+v", rep)
			}
			now, err := catalog.Capture(t.Context(), r.conn, []sqltext.Object{r.table("a")})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(was, now.Objects[0].Gone); d != "" {
				t.Errorf("dropped tables (-before +after):\n%s", d)
			}
			r.again(rep)
			for _, want := range []string{"2", "1"} {
				r.sql("undrop table a")
				if got := strings.Join(r.column("select x from a"), " "); got != want {
					t.Errorf("UNDROP brings up rows %q, want %q", got, want)
				}
				r.sql("alter table a rename to u" + want)
			}
		})
	}
}

// The engine keeps a view's column list as a query around the view's own, which it writes in another way when it is given one.
func TestViewWithColumnList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use "+r.db(), "create table a (x int, y string)", "create view v (one, `T wo`) as select x, y from a where y <> ') v('", "create view `V w` (one) as select x from a",
		"create view `V )(` (one) as select x from a", "create view u (one) as select x from a", "create view `it's` (one) as select x from a")
	was := r.look()
	if err := r.run("alter view v as select 1 z", "alter view `V w` as select 2 z", "alter view `V )(` as select 3 z", "alter view u as select 4 z",
		"alter view `it's` as select 5 z"); err != nil {
		t.Fatal(err)
	}
	r.restored(was)
}
