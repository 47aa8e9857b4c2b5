package savepoint

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// writer inserts numbers one after the other until stopped, and returns those that were acknowledged.
func (r *rig) writer(t testing.TB, table string) (stop func() []int) {
	s := r.server.Session(nil)
	var done atomic.Bool
	var acknowledged []int
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1000; !done.Load(); n++ {
			_, err := s.Exec(t.Context(), databend.Statement{SQL: fmt.Sprintf("insert into %s (x) values (%d)", catalog.Name{DB: r.db(), Table: table}.SQL(), n)})
			if err == nil {
				acknowledged = append(acknowledged, n)
			}
		}
	})
	return func() []int {
		done.Store(true)
		wg.Wait()
		s.Close()
		return acknowledged
	}
}

// lost are the acknowledged numbers that are neither in the table nor in any other of the database.
func (r *rig) lost(t testing.TB, acknowledged []int) []int {
	t.Helper()
	have := map[string]int{}
	for _, n := range r.rows("select name from system.tables where engine = 'FUSE' and database = '" + r.db() + "'") {
		rows, err := readText(t.Context(), r.foreign, "select to_string(x) from "+catalog.Name{DB: r.db(), Table: n[0]}.SQL())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range rows {
			have[v[0]]++
		}
	}
	var out []int
	for _, n := range acknowledged {
		if have[fmt.Sprint(n)] != 1 {
			out = append(out, n)
		}
	}
	return out
}

// A writer in a loop during the seed, the migration and the restore: no acknowledged row is lost, none twice.
func TestWriterInALoop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use " + r.db())
	ran, rows, kept := 0, 0, 0
	for i := range databendtest.Rounds(t, 6, 500) {
		ran++
		table := fmt.Sprintf("w%d", i)
		seeded := i%2 == 0 // never written: the writer meets the seed
		r.sql("create table " + table + " (x int, y string comment 'c')")
		if !seeded {
			r.sql("insert into " + table + " values (1, 'p')")
		}
		statements := [][]string{
			{"alter table " + table + " add column z int", "update " + table + " set y = 'q' where x < 1000"},
			{"insert into " + table + " (x) values (5)", "alter table " + table + " drop column y"},
			{"alter table " + table + " add column z int", "insert into " + table + " (x) values (6)", "alter table " + table + " drop column z"},
		}[i%3]
		stop := r.writer(t, table)
		err := r.run(statements...) // a statement may meet a conflict: then it is the one that fails
		if databend.IsUnknownOutcome(err) {
			t.Fatal(err)
		}
		rep := r.restore()
		acknowledged := stop()
		rows += len(acknowledged)
		if !rep.Clean() {
			kept++
		}
		if lost := r.lost(t, acknowledged); len(lost) > 0 {
			t.Fatalf("round %d: %d of %d acknowledged rows lost or doubled: %v; report %+v", i, len(lost), len(acknowledged), lost, rep)
		}
		r.sql("drop table if exists " + table)
	}
	t.Logf("%d rounds, %d rows of the writer, %d tables left as they were", ran, rows, kept)
}

// Rows of a writer before and during the seed survive it, also when nothing is ever rolled back.
func TestSeedAgainstWriter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range databendtest.Rounds(t, 3, 300) {
		table := fmt.Sprintf("s%d", i)
		o := r.table(table)
		r.sql("create table " + o.Database + "." + table + " (x int)")
		s, err := catalog.Capture(t.Context(), r.conn, []sqltext.Object{o})
		if err != nil {
			t.Fatal(err)
		}
		stop := r.writer(t, table)
		seeded, err := Seed(t.Context(), r.conn, s, []sqltext.Object{o})
		acknowledged := stop()
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := seeded.Find(o); got.Head == "" {
			t.Errorf("round %d: no head after the seed", i)
		}
		if lost := r.lost(t, acknowledged); len(lost) > 0 {
			t.Fatalf("round %d: rows %v of %d lost", i, lost, len(acknowledged))
		}
		r.sql("drop table " + o.Database + "." + table)
	}
}

// A statement of another session that began before the fence ends first: its rows are kept. One that takes longer than the drain
// leaves the table as it is.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, long := range []bool{false, true} {
		t.Run(fmt.Sprintf("too long %v", long), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int, y string)", "insert into a values (1, 'p')")
			if err := r.run("alter table a add column z int"); err != nil {
				t.Fatal(err)
			}
			drain := time.Minute
			if long {
				drain = 100 * time.Millisecond
			}
			ended := r.slowly(catalog.Name{DB: r.db(), Table: "a"})
			rep, err := Restore(t.Context(), r.conn, r.before, r.reached, Options{Drain: drain})
			if err != nil {
				t.Fatal(err)
			}
			inserted := <-ended
			o := r.outcome(rep, "a")
			if long {
				if o.Result != Kept || !strings.Contains(o.Detail, "still writes") {
					t.Errorf("outcome %+v", o)
				}
			} else if o.Result != Restored {
				t.Errorf("outcome %+v", o)
			}
			rows := strings.Join(r.column("select x from a"), " ")
			if want := map[bool]string{true: "1 42", false: "1"}[inserted == nil]; rows != want {
				t.Errorf("rows %s, want %s; the insert: %v", rows, want, inserted)
			}
		})
	}
}

// slowly inserts 42 into a table from another session, over three seconds, the most that sleep takes, and returns when that runs.
func (r *rig) slowly(n catalog.Name) <-chan error {
	r.t.Helper()
	slow := r.server.Session(nil)
	ended, over := make(chan error, 1), make(chan struct{})
	sql := fmt.Sprintf("insert into %s (x) select 42 where sleep(3) = 0", n.SQL())
	go func() {
		defer close(over)
		_, err := slow.Exec(context.WithoutCancel(r.t.Context()), databend.Statement{SQL: sql})
		ended <- err
	}()
	for r.rows("select to_string(count(*)) from system.processes where extra_info like '%where sleep(3)%' and extra_info like '%" + n.DB +
		"%' and extra_info not like '%processes%'")[0][0] == "0" {
		select {
		case <-over:
			r.t.Fatal("the slow statement ended before it was seen")
		case <-time.After(10 * time.Millisecond):
		}
	}
	return ended
}

// A statement of another session that began when the migration's own table was there, and was empty, ends after the restore looked:
// the table is not dropped with its row.
func TestDrainOfWhatWasMade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		statements []string
		in         string // "": the test's own database
	}{
		{[]string{"create or replace table a (x int)"}, ""},
		{[]string{"drop table a", "create table a (x int)"}, ""},
		{[]string{"create database D", "create table D.a (x int)"}, "D"},
	} {
		t.Run(c.statements[0], func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			at := catalog.Name{DB: r.db(), Table: "a"}
			if c.in != "" {
				at.DB = r.db() + "_d"
				t.Cleanup(func() {
					for _, d := range r.rows("select name from system.databases where name like '%" + at.DB + "'") {
						_, _ = r.foreign.Exec(context.WithoutCancel(t.Context()), databend.Statement{SQL: "drop database `" + d[0] + "`"})
					}
				})
			}
			r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1)")
			var statements []string
			for _, s := range c.statements {
				statements = append(statements, strings.ReplaceAll(s, "D", at.DB))
			}
			if err := r.run(statements...); err != nil {
				t.Fatal(err)
			}
			ended := r.slowly(at)
			rep := r.restore()
			if err := <-ended; err != nil {
				t.Fatalf("the insert: %v", err)
			}
			if rep.Clean() {
				t.Errorf("report %+v, want it named", rep)
			}
			found := 0
			for _, n := range r.rows("select database, name from system.tables where engine = 'FUSE' and database like '%" + r.db() + "%'") {
				if rows := r.rows("select count(*) from " + catalog.Name{DB: n[0], Table: n[1]}.SQL() + " where x = 42"); rows[0][0] == "1" {
					found++
				}
			}
			if found != 1 {
				t.Errorf("the acknowledged row is in %d tables; report %+v", found, rep)
			}
			if got := strings.Join(r.column("select x from a where x = 1"), " "); got != "1" {
				t.Errorf("got rows %q in the restored table", got)
			}
		})
	}
}

// What is needed is no longer there: that table is named, the others are restored.
func TestHistoryPurged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use "+r.db(), "create table a (x int)", "insert into a values (1)", "create table b (x int)", "insert into b values (1)")
	was := r.look()
	if err := r.run("alter table a add column z int", "update a set x = 2", "alter table b add column z int"); err != nil {
		t.Fatal(err)
	}
	r.sql("set data_retention_time_in_days = 0", "optimize table a purge")
	rep := r.restore()
	if o := r.outcome(rep, "a"); o.Result != Kept && o.Result != Differs || rep.Clean() {
		t.Errorf("outcome %+v", o)
	}
	now := r.look()
	if was["b"] != now["b"] {
		t.Errorf("b is %q, was %q", now["b"], was["b"])
	}
	r.again(rep)
}

// The budget: a capture of 200 objects ≤ 3 requests, a restore of one table ≤ 22, 8 more for each further one.
// What other tests do at that moment may cost a look more (the drain's, for one): the best of three counts.
func TestRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sql("use " + r.db())
	var objects []sqltext.Object
	for i := range 200 {
		objects = append(objects, r.table(fmt.Sprintf("t%d", i)))
	}
	count := func(f func()) int64 {
		before := r.server.Requests()
		f()
		return r.server.Requests() - before
	}
	if n := count(func() {
		if _, err := catalog.Capture(t.Context(), r.conn, objects); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("capture of 200 objects took %d requests, want at most 3", n)
	}
	for name, scenario := range map[string][]string{
		"altered":  {"alter table T drop column y", "alter table T comment = 'new'", "insert into T values (2, 'z')"},
		"replaced": {"create or replace table T as select 5 q", "insert into T values (6)"},
		"all": {
			"alter table T drop column y", "alter table T comment = 'new'", "insert into T values (2, 'z')", "alter table T set options (block_per_segment = 50)",
			"drop inverted index i on T", "drop table T", "create table T (q int)", "insert into T values (1)",
		},
	} {
		// restored is the requests of a restore of so many tables to which the scenario was done.
		restored := func(tables int) int64 {
			var statements []string
			for i := range tables {
				a := fmt.Sprintf("t%d", i)
				r.sql("create or replace table "+a+" (x int, y string comment 'cy', s string) comment = 'old'", "insert into "+a+" values (1, 'p', 'q')",
					"create inverted index i on "+a+"(s)")
				for _, s := range scenario {
					statements = append(statements, strings.ReplaceAll(s, "T", a))
				}
			}
			if err := r.run(statements...); err != nil {
				t.Fatal(err)
			}
			n := count(func() {
				if rep := r.restore(); !rep.Clean() {
					t.Errorf("%s: report %+v", name, rep)
				}
			})
			t.Logf("%s: restore of %d tables: %d requests", name, tables, n)
			return n
		}
		best := func(tables int, most int64) int64 {
			n := restored(tables)
			for range 2 {
				if n > most {
					n = min(n, restored(tables))
				}
			}
			return n
		}
		one := best(1, 22)
		if one > 22 {
			t.Errorf("%s: restore of one table took %d requests, want at most 22", name, one)
		}
		most := one + 3*8
		if name == "all" {
			most = one + 3*14 // a table that was dropped and made anew, with an index
		}
		if four := best(4, most); four > most {
			t.Errorf("%s: restore of four tables took %d requests, want at most %d", name, four, most)
		}
	}
}
