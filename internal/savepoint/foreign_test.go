package savepoint

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/google/go-cmp/cmp"
)

// column gives the values of a query's first column, sorted.
func (r *rig) column(sql string) []string {
	r.t.Helper()
	var out []string
	for _, row := range r.rows(sql) {
		out = append(out, strings.Join(row, "|"))
	}
	slices.Sort(out)
	return out
}

func (r *rig) outcome(rep Report, table string) Outcome {
	r.t.Helper()
	for _, o := range rep.Outcomes {
		if o.Object.Name == table {
			return o
		}
	}
	r.t.Fatalf("no outcome for %s in %+v", table, rep.Outcomes)
	return Outcome{}
}

// Rows that another session appends between our statements survive, duplicates too, and the rest is as before; also when the
// restore is killed at any request.
func TestForeignAppends(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use " + r.db())
	statements := []string{"alter table a add column d int default 5", "update a set x = x + 100", "alter table a rename column y to z", "alter table a drop column w"}
	kills := 0
	step, least := 2, 4
	if databendtest.Full() {
		step, least = 1, 8
	}
	for at := 0; at < 100; at += step {
		r.sql("create or replace table a (x int, y string comment 'cy', w int)", "insert into a values (1, 'p', 1)")
		r.beforeStatement = func(i int) {
			switch i {
			case 0:
				r.sql("insert into a values (70, 'first', 3)")
			case 1:
				r.sql("insert into a (x, y) values (7, 'f'), (7, 'f')", "insert into a values (7, 'f', null, 5)")
			case 3:
				r.sql("insert into a (x, z) values (8, 'late')")
			}
		}
		r.capture(statements)
		ddl := r.rows("show create table a")
		if err := r.steps(statements); err != nil {
			t.Fatal(err)
		}
		r.beforeStatement = nil
		r.sql("insert into a (x, z) values (9, 'last')")
		if at > 0 {
			conn := &crashing{Conn: r.conn, crashAt: crashAt{at: at}}
			_, err := Restore(t.Context(), conn, r.before, r.reached, Options{})
			if err != nil && !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			_, _ = r.books.Exec(t.Context(), databend.Statement{SQL: "rollback"})
			if err == nil {
				break
			}
			kills++
		}
		rep := r.restore()
		if o := r.outcome(rep, "a"); at == 0 && o.Result != Restored || !rep.Clean() {
			t.Errorf("kill %d: outcome %+v", at, o)
		}
		want := []string{"1|p|1", "70|first|3", "7|f|", "7|f|", "7|f|", "8|late|", "9|last|"}
		slices.Sort(want)
		if d := cmp.Diff(want, r.column("select * from a")); d != "" {
			t.Fatalf("kill %d: rows (-want +got):\n%s", at, d)
		}
		if d := cmp.Diff(ddl, r.rows("show create table a")); d != "" {
			t.Fatalf("kill %d: definition (-want +got):\n%s", at, d)
		}
		if left := r.leftovers(); len(left) > 0 {
			t.Errorf("kill %d: leftovers %v", at, left)
		}
		r.again(rep)
	}
	if kills < least {
		t.Errorf("killed %d times only", kills)
	}
}

// Between our DML and its COMMIT another session appends: the engine merges, and neither row is taken for the other.
func TestForeignAppendInsideTransaction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1)")
	r.inTransaction = func(int) { r.sql("insert into a values (7)") }
	if err := r.run("insert into a values (2)"); err != nil {
		t.Fatal(err)
	}
	rep := r.restore()
	if d := cmp.Diff([]string{"1", "7"}, r.column("select * from a")); d != "" || !rep.Clean() {
		t.Errorf("rows (-want +got):\n%s\n%+v", d, rep)
	}
	if o := r.outcome(rep, "a"); o.Detail != "1 row of others kept" {
		t.Errorf("got %+v, want it said that one row was kept", o)
	}
	r.again(rep)
}

// A DML that changes no row claims no snapshot of others.
func TestForeignAppendBesideEmptyDML(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1)")
	r.beforeStatement = func(int) { r.sql("insert into a values (7)") }
	if err := r.run("delete from a where x = 55"); err != nil {
		t.Fatal(err)
	}
	r.beforeStatement = nil
	rep := r.restore()
	if d := cmp.Diff([]string{"1", "7"}, r.column("select * from a")); d != "" || !rep.Clean() {
		t.Errorf("rows (-want +got):\n%s\n%+v", d, rep)
	}
}

// What others change in a way that cannot be kept beside: the table stays as it is, is named, and the others are restored.
func TestForeignChanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		statements []string // on a; b is dropped by the migration too
		foreign    []string // after the first statement
		check      string   // a query of what must have stayed
		want       []string
		table      string // whose outcome is kept
	}{
		{"update", []string{"alter table a add column d int"}, []string{"update a set x = 50 where x = 1"}, "select x from a", []string{"2", "50"}, "a"},
		{"delete", []string{"alter table a add column d int"}, []string{"delete from a where x = 1"}, "select x from a", []string{"2"}, "a"},
		{"update beside drop column", []string{"alter table a drop column y"}, []string{"update a set x = 50 where x = 1"}, "select x from a", []string{"2", "50"}, "a"},
		{"add column", []string{"alter table a drop column y"}, []string{"alter table a add column foreign_one int", "insert into a values (3, 4)"}, "select foreign_one from a where x = 3", []string{"4"}, "a"},
		{
			"an option for an added column",
			[]string{"alter table a add column d int"},
			[]string{"alter table a set options (bloom_index_columns = 'd')"},
			"select count_if(table_option like '%BLOOM_INDEX_COLUMNS=''d''%') from system.tables where name = 'a' and database = currentDatabase()",
			[]string{"1"},
			"a",
		},
		{"truncate", []string{"insert into a values (3, 'q')"}, []string{"truncate table a"}, "select count(*) from a", []string{"0"}, "a"},
		{"rename", []string{"alter table a add column d int"}, []string{"alter table a rename to elsewhere"}, "select x from elsewhere", []string{"1", "2"}, "a"},
		{"drop", []string{"alter table a add column d int"}, []string{"drop table a"}, "select count(*) from system.tables where name = 'a' and database = currentDatabase()", []string{"0"}, "a"},
		{"create under a dropped name", []string{"drop table a"}, []string{"create table a (q int)", "insert into a values (77)"}, "select q from a", []string{"77"}, "a"},
		{"drop and create", []string{"alter table a add column d int"}, []string{"drop table a", "create table a (q int)", "insert into a values (77)"}, "select q from a", []string{"77"}, "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int, y string)", "insert into a values (1, 'p'), (2, 'p')", "create table b (x int)", "insert into b values (1)")
			was := r.look()
			if err := r.run(append([]string{"drop table b"}, tt.statements...)...); err != nil {
				t.Fatal(err)
			}
			r.sql(tt.foreign...)
			rep := r.restore()
			if o := r.outcome(rep, tt.table); o.Result != Kept || o.Detail == "" || rep.Clean() {
				t.Errorf("outcome %+v, want kept and why", o)
			}
			if d := cmp.Diff(tt.want, r.column(strings.ReplaceAll(tt.check, "currentDatabase()", "'"+r.db()+"'"))); d != "" {
				t.Errorf("what others did (-want +got):\n%s", d)
			}
			now := r.look()
			if was["b"] != now["b"] || was["b rows"] != now["b rows"] {
				t.Errorf("b is %q, was %q", now["b"], was["b"])
			}
			r.again(rep)
		})
	}
}

// Rows of others in a table that the migration made: the table is put aside, and named.
func TestForeignRowsInOurTable(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{"create or replace table a as select 5 x", "create or replace table a (x int)"} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1)")
			was := r.look()
			if err := r.run(statement); err != nil {
				t.Fatal(err)
			}
			r.sql("insert into a values (42)")
			rep := r.restore()
			if rep.Clean() {
				t.Errorf("report is clean: %+v", rep)
			}
			i := slices.IndexFunc(rep.Outcomes, func(o Outcome) bool {
				return o.Result == Kept && catalog.IsAside(o.Object.Name)
			})
			if i < 0 {
				t.Fatalf("no table put aside in %+v", rep.Outcomes)
			}
			if d := cmp.Diff([]string{r.db() + "." + rep.Outcomes[i].Object.Name}, r.leftovers()); d != "" {
				t.Errorf("leftovers (-want +got):\n%s", d)
			}
			if rows := r.column("select x from " + rep.Outcomes[i].Object.Name); !slices.Contains(rows, "42") {
				t.Errorf("rows put aside %v", rows)
			}
			now := r.look()
			if d := cmp.Diff([]string{was["a"], was["a rows"]}, []string{now["a"], now["a rows"]}); d != "" {
				t.Errorf("a (-before +after):\n%s", d)
			}
			r.again(rep)
		})
	}
}

// CREATE TABLE IF NOT EXISTS found another session's table: it is not ours to drop.
func TestCreateIfNotExistsOverForeign(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use " + r.db())
	r.capture([]string{"create table if not exists a (x int)"})
	r.sql("create table a (q int)")
	if err := r.steps([]string{"create table if not exists a (x int)"}); err != nil {
		t.Fatal(err)
	}
	rep := r.restore()
	if got := r.column("select name from system.tables where database = '" + r.db() + "'"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("tables %v, want a", got)
	}
	if o := r.outcome(rep, "a"); o.Result != Kept {
		t.Errorf("outcome %+v", o)
	}
}

// What others did to a table between the capture and our first statement stays, and is not reported: it is none of ours.
func TestForeignBeforeFirstStatement(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use "+r.db(), "create table a (x int, y string)", "insert into a values (1, 'p')")
	r.capture([]string{"insert into a values (2, 'q')", "alter table a add column d int"})
	r.sql("update a set x = 50", "insert into a values (3, 'r')")
	if err := r.steps([]string{"insert into a values (2, 'q')", "alter table a add column d int"}); err != nil {
		t.Fatal(err)
	}
	rep := r.restore()
	if d := cmp.Diff([]string{"3|r", "50|p"}, r.column("select * from a")); d != "" || !rep.Clean() {
		t.Errorf("rows (-want +got):\n%s\n%+v", d, rep)
	}
}

// Rows that came in while a NOT NULL column was away or took NULL: with a default they get it, without one the table stays.
func TestForeignAppendsOfNull(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"int not null default 7", "int not null"} {
		for _, statement := range []string{"alter table a drop column c", "alter table a modify column c string"} {
			t.Run(column+", "+statement, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.sql("use "+r.db(), "create table a (x int, c "+column+")", "insert into a values (1, 1)")
				if err := r.run(statement); err != nil {
					t.Fatal(err)
				}
				r.sql("insert into a (x) values (70)", "insert into a (x) values (70)")
				rep := r.restore()
				got := r.column("select * from a")
				if strings.Contains(column, "default") {
					if d := cmp.Diff([]string{"1|1", "70|7", "70|7"}, got); d != "" || !rep.Clean() {
						t.Errorf("rows (-want +got):\n%s\n%+v", d, rep)
					}
				} else if o := r.outcome(rep, "a"); o.Result != Kept || len(got) != 3 {
					t.Errorf("outcome %+v, rows %v", o, got)
				}
				r.again(rep)
			})
		}
	}
}

// Rows of others in a table whose columns are others now come back with the earlier columns, or, when one would lose a value by it, the
// table stays.
func TestForeignAppendsToOtherColumns(t *testing.T) {
	t.Parallel()
	cases := []struct {
		was, ours, theirs string
		back              bool
		row               string
	}{
		{"int", "alter table a modify column x string", "insert into a values ('42')", true, "42"},
		{"int", "alter table a modify column x string", "insert into a values ('forty-two')", false, "forty-two"},
		{"int", "alter table a modify column x string", "insert into a values ('042')", false, "042"},
		{"int", "alter table a modify column x double", "insert into a values (42)", true, "42"},
		{"int", "alter table a modify column x double", "insert into a values (42.4)", false, "42.4"},
		{"int", "alter table a modify column x variant", "insert into a values ('42')", true, "42"},
		{"int", "alter table a modify column x bigint not null", "insert into a values (42000000000)", false, "42000000000"},
		{"int", "alter table a add column n int", "insert into a (x) values (42)", true, "42"},
		{"int", "alter table a add column n int", "insert into a values (42, 7)", false, "42|7"},
		{"int", "alter table a add column n int", "update a set n = 7 where x = 1", false, "1|7"},
		{"int", "alter table a add column n int default 5", "insert into a (x) values (42)", true, "42"},
		{"int", "alter table a add column n int default 5", "insert into a values (42, 7)", false, "42|7"},
		{"int", "alter table a add column n array(int) default [1]", "insert into a (x) values (42)", true, "42"},
		{"int", "alter table a add column n string not null default 'it''s'", "insert into a (x) values (42)", true, "42"},
		{"boolean", "alter table a modify column x int", "insert into a values (0)", true, "0"},
		{"boolean", "alter table a modify column x int", "insert into a values (5)", false, "5"},
		{"boolean", "alter table a modify column x double", "insert into a values (0.5)", false, "0.5"},
	}
	r := newRig(t)
	r.sql("use " + r.db())
	var ours []string
	for i, tt := range cases {
		r.sql(ownOf(i, "create table a (x "+tt.was+")"), ownOf(i, "insert into a values (1)"))
		ours = append(ours, ownOf(i, tt.ours))
	}
	if err := r.run(ours...); err != nil {
		t.Fatal(err)
	}
	for i, tt := range cases {
		r.sql(ownOf(i, tt.theirs))
	}
	rep := r.restore()
	for i, tt := range cases {
		if o := r.outcome(rep, ownOf(i, "a")); (o.Result == Restored) != tt.back || (o.Result == Kept) == tt.back {
			t.Errorf("%s, %s, %s: outcome %+v", tt.was, tt.ours, tt.theirs, o)
		}
		if rows := r.column(ownOf(i, "select * from a")); !slices.Contains(rows, tt.row) {
			t.Errorf("%s, %s, %s: rows %v, want theirs too: %s", tt.was, tt.ours, tt.theirs, rows, tt.row)
		}
	}
	r.again(rep)
}

// A default that is another for each row is filled in by a snapshot of its own, which is ours; what another session updates behind it is not.
func TestFilledInDefault(t *testing.T) {
	t.Parallel()
	for theirs, result := range map[string]Result{"select 1": Restored, "update a set n = null where x = 1": Kept} {
		t.Run(theirs, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1), (2)")
			if err := r.run("alter table a add column n timestamp default now()"); err != nil {
				t.Fatal(err)
			}
			r.sql(theirs)
			rep := r.restore()
			if o := r.outcome(rep, "a"); o.Result != result {
				t.Errorf("outcome %+v, want %s", o, result)
			}
			r.again(rep)
		})
	}
}
