package savepoint

import (
	"strings"
	"testing"
)

// Between the look at what is there and the renaming of what a migration made, another session puts its own in the place: it stays.
func TestReplacedBeforeItIsPutAside(t *testing.T) {
	t.Parallel()
	for made, theirs := range map[string][]string{
		"create table n (x int)":       {"drop table n", "create table n (q int)"},
		"create view n as select 1 x":  {"create or replace view n as select 2 q"},
		"create table n as select 1 x": {"create or replace table n (q int)"},
	} {
		t.Run(made, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use " + r.db())
			if err := r.run(made); err != nil {
				t.Fatal(err)
			}
			r.conn = &intercept{Conn: r.conn, word: " RENAME TO ", hook: func() { r.sql(theirs...) }}
			rep := r.restore()
			left := strings.Join(r.column("select `table` from system.columns where name = 'q' and database = "+"'"+r.db()+"'"), " ")
			if left == "" || rep.Clean() {
				t.Errorf("theirs is now %q, and the report is %+v, want it kept and named", left, rep.Outcomes)
			}
			r.again(rep)
		})
	}
}

// The same for a database.
func TestDatabaseReplacedBeforeItIsPutAside(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := r.db() + "_n"
	t.Cleanup(func() { r.rows("drop database if exists " + other) })
	if err := r.run("create database " + other); err != nil {
		t.Fatal(err)
	}
	r.conn = &intercept{Conn: r.conn, word: " RENAME TO ", hook: func() { r.sql("drop database "+other, "create database "+other) }}
	rep := r.restore()
	if left := r.column("select name from system.databases where name = '" + other + "'"); len(left) != 1 || rep.Clean() {
		t.Errorf("got %v, and the report %+v, want theirs kept and named", left, rep.Outcomes)
	}
}

// An index is in the way of a FLASHBACK of a table that the migration undropped: ours goes, and where it is another session's the table
// is kept and named, and everything else is restored.
func TestUndroppedTableWithAnIndex(t *testing.T) {
	t.Parallel()
	const index = "create inverted index i on a(s)"
	for whose, ours := range map[string]bool{"ours": true, "theirs": false} {
		t.Run(whose, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1)", "drop table a", "create view v as select 1 x")
			statements := []string{"undrop table a", "alter table a add column s string", "alter view v as select 2 x"}
			if ours {
				statements = append(statements, index)
			}
			if err := r.run(statements...); err != nil {
				t.Fatal(err)
			}
			if !ours {
				r.sql(index)
			}
			rep := r.restore()
			if rep.Clean() != ours {
				t.Errorf("report %+v, want clean: %v", rep.Outcomes, ours)
			}
			if got := strings.Join(r.column("select x from v"), ""); got != "1" {
				t.Errorf("the view gives %q, want it restored", got)
			}
			if !ours {
				return
			}
			r.again(rep)
			r.sql("undrop table a")
			if got := strings.Join(r.column("select * from a"), " "); got != "1" {
				t.Errorf("UNDROP brings up rows %q, want those before", got)
			}
		})
	}
}
