package load

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
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
	w.SQL(t, "INSERT INTO t SELECT id, 'by hand', src FROM t WHERE src LIKE '%c.parquet'")
	w.mustRun(ld, plan.Options{Reload: true, Path: "p/c*"}, 1, 1)
	w.wantRows(7)
	if notes := w.notes(); !strings.Contains(notes, "p/c.parquet: 2 rows have its name, and it brought 1: all of them make place") {
		t.Errorf("got %s, want a word about rows that no load brought", notes)
	}
	w.SQL(t, "DELETE FROM t WHERE src LIKE '%a.parquet' AND id < 103")
	_, err := w.run(ld, plan.Options{Reload: true, Path: "p/a*"})
	w.wantExit(err, exit.Check, "column src finds fewer rows of theirs than there were")
	w.wantRows(5)
	_, err = w.run(w.load(copyRows), plan.Options{Reload: true, Path: "p/a*"})
	w.wantExit(err, exit.Usage, "needs the column that holds its name")
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
	w.wantExit(err, exit.Failed, "1 bad file, and nothing was loaded: p/b.parquet")
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
			ld.After = append(ld.After, project.Statement{SQL: s, Place: sqltext.Place{File: "loads/videos.sql", Line: 2, Column: 1}})
		}
	}
}

// What stands behind a COPY runs with it, when rows came, or neither happens.
func TestStatementsBehindTheCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE clean (id INT, name STRING)", "CREATE TABLE ran (n INT)")
	merge := "MERGE INTO clean USING t ON clean.id = t.id WHEN MATCHED THEN UPDATE SET clean.name = t.name WHEN NOT MATCHED THEN " +
		"INSERT (id, name) VALUES (t.id, t.name)"
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
	w.wantExit(err, exit.Failed, "a statement behind the COPY failed, and the COPY was taken back", "loads/videos.sql:2:")
	want("3", "3", "1")
	ambiguous := "MERGE INTO clean USING (SELECT t.id FROM t, numbers(2)) AS r ON clean.id = r.id WHEN MATCHED THEN UPDATE SET clean.name = 'x'"
	_, err = w.run(w.load(copyRows, after(ambiguous)), plan.Options{})
	w.wantExit(err, exit.Failed, "a statement behind the COPY failed, and the COPY was taken back: ", "multi rows from source")
	if strings.Contains(w.notes(), "planning again") {
		t.Errorf("taken for a conflict: %s", w.notes())
	}
	want("3", "3", "1")
	w.mustRun(ld, plan.Options{}, 1, 2)
	want("5", "5", "2")
	if got := w.SQL(t, "SELECT reason FROM "+w.StateDB+".ledger WHERE state = 'begin' ORDER BY `at` LIMIT 1")[0][0]; got != "a COPY of "+
		"1 file and 2 statements behind it" {
		t.Errorf("the ledger says %q", got)
	}
}

// A load may take the rows that it has moved on out of its own table: they are not gone, its files stay loaded, and nobody is asked.
func TestLoadThatEmptiesItsTable(t *testing.T) {
	t.Parallel()
	for _, take := range []string{"DELETE FROM t", "DELETE FROM t WHERE id IN (SELECT id FROM clean)", "INSERT OVERWRITE t SELECT * FROM t WHERE id < 0"} {
		t.Run(take, func(t *testing.T) {
			t.Parallel()
			fromEach(t, func(w *world, below string) {
				w.SQL(w.t, "CREATE TABLE clean (id INT, name STRING)")
				ld := w.load(copyRows, after("INSERT INTO clean SELECT * FROM t", take))
				other := w.load(copyRows) // of the same table and place
				clean := func(want string) {
					w.t.Helper()
					if got := w.SQL(w.t, "SELECT (SELECT count(*) FROM clean), (SELECT count(*) FROM t)")[0]; strings.Join(got, " ") != want+" 0" {
						w.t.Fatalf("got %v rows in clean and t, want %s and 0", got, want)
					}
				}
				w.Put(w.t, "p/a.parquet", rows(1, 3))
				w.mustRun(ld, plan.Options{}, 1, 3)
				clean("3")
				for _, again := range []project.Load{ld, other} {
					w.mustRun(again, plan.Options{}, 0, 0)
					if n := w.notes(); n != "" {
						w.t.Errorf("behind it: %s", n)
					}
				}
				w.Put(w.t, "p/b.parquet", rows(11, 2))
				w.mustRun(ld, plan.Options{}, 1, 2)
				clean("5")
				w.states(ld, plan.Options{}, "a.parquet loaded", "b.parquet loaded")
				if l := w.listed(ld); l.Counts[event.Emptied] != 0 || l.Counts[event.Loaded] != 2 || l.Reason != "" || l.Missing != 0 {
					w.t.Errorf("listed: %+v", l)
				}
				w.Put(w.t, "p/a.parquet", rows(1, 4)) // overwritten: that is still told
				_, err := w.run(ld, plan.Options{})
				w.wantExit(err, exit.Check, "1 file was overwritten since loaded: "+below+"a.parquet")
				w.Put(w.t, "p/c.parquet", rows(21, 2))
				w.mustRun(other, plan.Options{Path: below + "c*"}, 1, 2) // and its rows are truncated by a person
				w.SQL(w.t, "TRUNCATE TABLE t")
				w.mustRun(other, plan.Options{Path: below + "c*"}, 0, 0)
				if !strings.Contains(w.notes(), "the rows of 1 loaded file are gone") {
					w.t.Errorf("behind a TRUNCATE: %s", w.notes())
				}
			})
		})
	}
}

// A transaction that is sent again, as another's commit came between, counts what its last try wrote.
func TestBehindIsCountedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE clean (n INT)", "INSERT INTO clean VALUES (1), (2)")
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.beforeFirst("COMMIT", func() { w.SQL(t, "UPDATE clean SET n = n + 10 WHERE true") })
	w.mustRun(w.load(copyRows, after("UPDATE clean SET n = n + 1 WHERE true")), plan.Options{}, 1, 3)
	if !strings.Contains(w.notes(), "planning again") {
		t.Errorf("got %s, want a conflict", w.notes())
	}
	for _, e := range w.events {
		if s, ok := e.(event.Summary); ok && s.Counts["behind"] != 2 {
			t.Errorf("got %s, want 2 rows behind the COPY", s.Text)
		}
	}
}

// What a team wants to see of a load: its runs, the failure that stands, and that nothing came for too long.
func TestLookAtALoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows, func(ld *project.Load) { ld.ExpectEvery = time.Hour })
	if late := w.listed(ld).Late; !strings.Contains(late, "nothing loaded yet") {
		t.Errorf("got %q, want it late before its first file", late)
	}
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.Put(t, "p/c.parquet", rows(21, 1)[:60])
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "p/c.parquet")
	state := w.listed(ld)
	if state.Late != "" || state.Rows != 5 || !strings.Contains(state.Failure, "p/c.parquet") {
		t.Errorf("got %+v, want 5 rows, no lateness, the failure of c", state)
	}
	if w.SQL(t, "DELETE FROM t WHERE id IN (1, 2)"); state.Missing != 0 || w.listed(ld).Missing != 2 {
		t.Errorf("got %d rows missing, and behind a DELETE of 2: %d", state.Missing, w.listed(ld).Missing)
	}
	ld.ExpectEvery = time.Millisecond
	if late := w.listed(ld).Late; !strings.Contains(late, "late: nothing loaded for") {
		t.Errorf("got %q, want it late", late)
	}
	if err := w.with(t.Context(), func(l *Loader) error { return l.History(t.Context(), ld.Name) }); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range w.events {
		r := e.(event.LoadRun)
		got = append(got, fmt.Sprintf("%s: %d loaded, %d rows, %d failed", r.ID, r.Files, r.Rows, r.Failed))
		if r.Bytes == 0 || r.TookMS == 0 || r.At.IsZero() {
			t.Errorf("got %+v, want bytes and times", r)
		}
	}
	if diff := cmp.Diff(got, []string{"run-3: 1 loaded, 2 rows, 1 failed", "run-2: 1 loaded, 3 rows, 0 failed"}); diff != "" {
		t.Errorf("runs (-got +want):\n%s", diff)
	}
}

// Loads are planned together; one that is broken, and one with something to do, do not keep the others from it.
func TestLoadsPlannedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := func(name, sql string) project.Load {
		return w.load(sql, func(ld *project.Load) { ld.Name = name })
	}
	w.SQL(t, "CREATE TABLE u (id INT, name STRING)")
	loads := []project.Load{
		named("one", copyRows), named("lost", strings.Replace(copyRows, "@st/", "@nowhere_"+w.Database+"/", 1)),
		named("two", strings.Replace(strings.Replace(copyRows, "INTO t", "INTO u", 1), "/p/", "/q/", 1)),
	}
	all := func(want ...string) error {
		t.Helper()
		err := w.with(t.Context(), func(l *Loader) error { return l.All(t.Context(), loads, plan.Options{}) })
		if diff := cmp.Diff(w.outcomes(), want); diff != "" {
			t.Errorf("files (-got +want):\n%s", diff)
		}
		return err
	}
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "q/b.parquet", rows(11, 2))
	w.wantExit(all("a.parquet new loaded", "q/b.parquet new loaded"), exit.Failed, "1 of 3 loads", "nowhere_")
	loads = append(loads[:1], loads[2])
	if err := all(); err != nil {
		t.Error(err)
	}
	w.Put(t, "q/c.parquet", rows(21, 1))
	if err := all("q/c.parquet new loaded"); err != nil {
		t.Error(err)
	}
}

// A load moves from a stage to a location above it. Its rows are found by their names of before, unless those are now the names of
// another file's rows: then nothing is taken away.
func TestReplaceBehindAMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
	named := func(ld *project.Load) { ld.FilenameColumn = "src" }
	of := func(location string) string { return strings.Replace(copySource, "@st/p/", location, 1) }
	inside, above := w.fromURI("p/", of, named), w.load(copySource, named)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.mustRun(inside, plan.Options{}, 2, 5) // as a.parquet and b.parquet
	w.Put(t, "p/a.parquet", rows(101, 4))
	w.mustRun(above, plan.Options{OnChanged: "replace"}, 1, 4)
	w.wantRows(6)
	other := w.fromURI("q/", of, named)
	w.Put(t, "q/b.parquet", rows(21, 1))
	w.mustRun(other, plan.Options{}, 1, 1) // as b.parquet too
	w.Put(t, "p/b.parquet", rows(111, 4))
	_, err := w.run(above, plan.Options{OnChanged: "replace"})
	w.wantExit(err, exit.Check, "1 file was not replaced", "others' under their names")
	w.wantRows(7)
}
