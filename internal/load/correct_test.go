package load

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// --reload puts what the files hold now in the place of their rows, whatever they were: loaded, overwritten, or with rows twice.
func TestReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
	ld := w.load(copySource, func(ld *project.Load) { ld.FilenameColumn = "src" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.Put(t, "p/c.parquet", rows(21, 1))
	w.mustRun(ld, plan.Options{}, 3, 6)
	w.Put(t, "p/a.parquet", rows(101, 4))
	w.SQL(t, "UPDATE t SET name = 'spoilt' WHERE src LIKE '%b.parquet'")
	w.mustRun(ld, plan.Options{Reload: true, Path: "p/[ab]*"}, 2, 6)
	w.wantRows(7)
	if got := w.SQL(t, "SELECT count(*) FROM t WHERE name = 'spoilt'")[0][0]; got != "0" {
		t.Errorf("got %s rows of before", got)
	}
	w.states(ld, plan.Options{}, "a.parquet loaded", "b.parquet loaded", "c.parquet loaded")
	w.mustRun(ld, plan.Options{Force: true, Path: "p/c*"}, 1, 1)
	if notes := w.notes(); !strings.Contains(notes, "--force loads 1 file on top of the rows that they have brought") {
		t.Errorf("got %s, want a word about doubled rows", notes)
	}
	w.wantRows(8)
	if got := w.listed(ld).Rows; got != 8 { // as many as the table has
		t.Errorf("the ledger counts %d rows, want 8", got)
	}
	w.mustRun(ld, plan.Options{Reload: true, Path: "p/c*"}, 1, 1)
	w.wantRows(7)
	if got := w.listed(ld).Rows; got != 7 {
		t.Errorf("the ledger counts %d rows, want 7", got)
	}
	w.SQL(t, "DELETE FROM t WHERE src LIKE '%a.parquet' AND id < 103")
	_, err := w.run(ld, plan.Options{Reload: true, Path: "p/a*"})
	w.wantExit(err, fault.ExitStopped, "column src finds fewer rows of theirs than there were")
	w.wantRows(5)
	_, err = w.run(w.load(copyRows), plan.Options{Reload: true, Path: "p/a*"})
	w.wantExit(err, fault.ExitUsage, "needs the column that holds its name")
	_, err = w.run(ld, plan.Options{Reload: true})
	w.wantExit(err, fault.ExitUsage, "--reload needs --path")
}

// A bad file keeps the rows of all that are reloaded with it.
func TestReloadIsOneTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
	ld := w.load(copySource, func(ld *project.Load) { ld.FilenameColumn = "src" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.mustRun(ld, plan.Options{}, 2, 5)
	w.Put(t, "p/a.parquet", rows(101, 4))
	w.Put(t, "p/b.parquet", rows(11, 2)[:60])
	_, err := w.run(ld, plan.Options{Reload: true, Path: "p/*"})
	w.wantExit(err, fault.ExitFailed, "1 bad file, and nothing was loaded: p/b.parquet")
	if got := w.SQL(t, "SELECT count(*), min(id) FROM t")[0]; got[0] != "5" || got[1] != "1" {
		t.Errorf("got %v rows and smallest id, want 5 and 1", got)
	}
}

// listed is the state of a load in `load --list`.
func (w *world) listed(ld project.Load) event.LoadState {
	w.t.Helper()
	if err := w.with(w.t.Context(), func(l *Loader) error { return l.List(w.t.Context(), []project.Load{ld}) }); err != nil {
		w.t.Fatal(err)
	}
	return w.events[0].(event.LoadState)
}

// after adds statements behind the COPY of a load.
func after(sql ...string) func(*project.Load) {
	return func(ld *project.Load) {
		for _, s := range sql {
			ld.After = append(ld.After, project.Statement{SQL: s, Line: 2, Column: 1})
		}
	}
}

// What stands behind a COPY runs with it, when rows came, or neither happens.
func TestStatementsBehindTheCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE clean (id INT, name STRING)", "CREATE TABLE ran (n INT)")
	merge := "MERGE INTO clean USING t ON clean.id = t.id WHEN MATCHED THEN UPDATE SET clean.name = t.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (t.id, t.name)"
	ld := w.load(copyRows, after(merge, "INSERT INTO ran VALUES (1)"))
	counts := func() []string {
		return w.SQL(t, "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM clean), (SELECT count(*) FROM ran)")[0]
	}
	want := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(counts(), want); diff != "" {
			t.Errorf("rows of t, clean, ran (-got +want):\n%s", diff)
		}
	}
	w.Put(t, "p/a.parquet", rows(1, 3))
	if _, err := w.plan(ld, plan.Options{}); err != nil || !strings.Contains(w.notes(), "MERGE INTO clean") {
		t.Errorf("got %v, %s, want the statements shown", err, w.notes())
	}
	w.mustRun(ld, plan.Options{}, 1, 3)
	want("3", "3", "1")
	w.mustRun(ld, plan.Options{}, 0, 0)
	want("3", "3", "1")
	w.Put(t, "p/empty.parquet", rows(1, 0))
	w.mustRun(ld, plan.Options{}, 1, 0)
	want("3", "3", "1")
	w.Put(t, "p/b.parquet", rows(11, 2))
	_, err := w.run(w.load(copyRows, after("INSERT INTO ran VALUES ('x')")), plan.Options{})
	w.wantExit(err, fault.ExitFailed, "a statement behind the COPY failed, and the COPY was taken back", "loads/videos.sql:2:")
	want("3", "3", "1")
	w.mustRun(ld, plan.Options{}, 1, 2)
	want("5", "5", "2")
	if got := w.SQL(t, "SELECT reason FROM "+w.StateDB+".ledger WHERE state = 'begin' ORDER BY `at` LIMIT 1")[0][0]; got != "a COPY of 1 file and 2 statements behind it" {
		t.Errorf("the ledger says %q", got)
	}
}
