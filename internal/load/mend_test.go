package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/inspect"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/run"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/state"
)

// runWith runs the load with a sink beside the world's own.
func (w *world) runWith(ld project.Load, o plan.Options, sink event.Sink) (res run.Result, err error) {
	err = w.with(w.t.Context(), func(l *Loader) error {
		own := l.cfg.Sink
		l.cfg.Sink = func(e event.Event) { own(e); sink(e) }
		res, err = l.run(w.t.Context(), ld, o, nil)
		return err
	})
	return res, err
}

// A mark is about every file, and not about what a run loaded while it waited for the lock.
func TestMarkBehindARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows, func(ld *project.Load) { ld.Window = project.Window{Layout: "day=%Y-%m-%d", Span: 7 * 24 * time.Hour} })
	today := "p/day=" + time.Now().UTC().Format("2006-01-02")
	w.Put(t, "p/day=2020-01-01/a.parquet", rows(1, 1))
	w.mustRun(ld, plan.Options{}, 1, 1)
	w.Put(t, today+"/b.parquet", rows(2, 1))
	for _, o := range []plan.Options{{Limit: 1}, {Order: "newest"}} {
		w.wantExit(w.with(t.Context(), func(l *Loader) error { return l.Mark(t.Context(), ld, "new", "because", o) }), exit.Usage)
	}
	err := w.with(t.Context(), func(run *Loader) error {
		lock, err := run.planner.Store.AcquireTable(t.Context(), w.Database, "t", state.LockOptions{Run: databend.NewID()})
		if err != nil {
			return err
		}
		return w.with(t.Context(), func(l *Loader) error {
			l.cfg.LockWait = 10 * time.Minute
			l.cfg.Sink = func(event.Event) { // it waits
				if lock != nil {
					w.SQL(t, ld.Statement.SQL)
					if err := lock.Release(t.Context()); err != nil {
						t.Error(err)
					}
					lock = nil
				}
			}
			return l.Mark(t.Context(), ld, "new", "because", plan.Options{})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantRows(2)
	w.mustRun(ld, plan.Options{Full: true}, 1, 1) // a, outside the window; not b
	w.wantRows(3)
}

// What a COPY by prefix would take in beside the new files: one that was overwritten, and that the engine has forgotten.
func TestChangedFileBesideManyNewOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg = func(c *databend.Config) { c.Settings = map[string]string{"load_file_metadata_expire_hours": "0"} }
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.Put(t, "p/a.parquet", rows(11, 2))
	for i := range run.ByPrefixFrom {
		w.Put(t, fmt.Sprintf("p/b%03d.parquet", i), rows(i, 1))
	}
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "p/a.parquet")
	if res.Files != run.ByPrefixFrom {
		t.Errorf("got %d files loaded, want %d", res.Files, run.ByPrefixFrom)
	}
	w.wantRows(3 + run.ByPrefixFrom)
}

// A new plan in the middle of a run knows what the run has done.
func TestForcedFileIsLoadedOnceThoughPlannedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	for _, f := range []string{"b", "c", "d"} {
		w.Put(t, "p/"+f+".parquet", rows(1, 1))
	}
	w.mustRun(ld, plan.Options{}, 3, 3)
	w.Put(t, "p/a.parquet", rows(1, 10)) // the first batch: without FORCE
	res, err := w.runWith(ld, plan.Options{Force: true, Path: "p/*", Limit: 2}, func(e event.Event) {
		if f, ok := e.(event.File); ok && f.Path == "p/a.parquet" && f.Outcome == "loaded" {
			w.Delete(t, "p/b.parquet") // of the second
		}
	})
	if err != nil || res.Files != 2 {
		t.Errorf("got %+v, %v, want 2 files", res, err)
	}
	w.wantRows(3 + 10 + 1)
}

// Only rows of the very file may be deleted for it.
func TestReplaceDeletesOnlyTheFilesRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "ALTER TABLE t ADD COLUMN `Src` STRING", w.StageSQL(w.stage+"_b", "other/", "PARQUET"))
	sql := strings.NewReplacer("src", "`Src`")
	replacing := func(ld *project.Load) { ld.FilenameColumn, ld.OnChanged = "src", "replace" }
	for _, expr := range []string{"split_part(metadata$filename, '/', 1)", "'p/a.parquet' -- metadata$filename\n"} {
		_, err := w.run(w.load(strings.Replace(sql.Replace(copySource), "metadata$filename", expr, 1), replacing), plan.Options{})
		w.wantExit(err, exit.Usage, "not filled from metadata$filename")
	}
	one := w.load(strings.Replace(sql.Replace(copySource), "metadata$filename", "METADATA$filename AS f", 1), replacing)
	two := w.load(strings.Replace(sql.Replace(copySource), "@st/", "@"+w.stage+"_b/", 1), func(ld *project.Load) { ld.Name = "two" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(one, plan.Options{}, 1, 3)
	w.Put(t, "p/a.parquet", rows(11, 2))
	w.mustRun(one, plan.Options{}, 1, 2)
	w.wantRows(2)
	w.Put(t, "other/p/a.parquet", rows(21, 4))
	w.mustRun(two, plan.Options{}, 1, 4)
	w.Put(t, "p/a.parquet", rows(31, 1))
	_, err := w.run(one, plan.Options{})
	w.wantExit(err, exit.Check, "p/a.parquet", "another stage's file")
	if diff := cmp.Diff(w.outcomes(), []string{"a.parquet changed skipped"}); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
	w.wantRows(6)
}

// A file with another number of columns is that file's fault, unless all have it.
func TestTextFileWithOtherColumns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load("COPY INTO t FROM @st/p/ FILE_FORMAT = (TYPE = CSV)")
	for i := range inspect.Alike + 1 {
		w.Put(t, fmt.Sprintf("p/a%d.csv", i), []byte("1,x,z\n"))
	}
	_, err := w.run(ld, plan.Options{Path: "p/a*"})
	w.wantExit(err, exit.Failed, "Number of columns in file (3)")
	if got := w.ledger(); got != nil {
		t.Errorf("got %q in the ledger for the load's own mistake", got)
	}
	w.Put(t, "p/z.csv", []byte("2,y\n"))
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "7 bad files, the others are loaded")
	if res.Files != 1 {
		t.Errorf("got %+v, want one file loaded", res)
	}
}

func TestNamedFile(t *testing.T) {
	t.Parallel()
	files := []plan.File{{Path: "a.csv"}, {Path: "p/a.csv"}, {Path: "x/p/a.csv"}}
	for text, want := range map[string]string{
		"Invalid value 'a.csv' for column 0 (id Int32)\nat file 'x/p/a.csv', line 3": "x/p/a.csv",
		"not a parquet file ('root/p/a.csv')":                                        "p/a.csv",
		"object 'y/a.csv': gone, not 'p/a.csv': there":                               "p/a.csv",
		"nothing of ours": "",
	} {
		if got := fault.Named(errors.New(text), plan.Paths(files)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

type nullVec struct {
	ID  int32      `parquet:"id"`
	Vec []*float32 `parquet:"vec,list"`
	New int32      `parquet:"new"`
}

// What the rules are about is found behind a change of schema, too, and many schemas with many missing columns load at once.
func TestAtomicOverSchemas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE v (id INT, vec VECTOR(2), a INT, b INT, c INT)")
	ld := w.load("COPY INTO v (id, vec, a, b, c) FROM (SELECT id::INT, vec::VECTOR(2), a::INT, b::INT, c::INT FROM @st/p/) FILE_FORMAT "+
		"= (TYPE = 'PARQUET')",
		func(ld *project.Load) { ld.Optional = []string{"a", "b", "c"} })
	one := float32(1)
	type bare struct {
		ID  int32     `parquet:"id"`
		Vec []float32 `parquet:"vec,list"`
	}
	type more struct {
		ID  int32     `parquet:"id"`
		Vec []float32 `parquet:"vec,list"`
		X   int32     `parquet:"x"`
	}
	type most struct {
		ID  int32     `parquet:"id"`
		Vec []float32 `parquet:"vec,list"`
		Y   string    `parquet:"y"`
	}
	w.Put(t, "p/1.parquet", file([]bare{{1, []float32{1, 2}}}))
	w.Put(t, "p/2.parquet", file([]more{{2, []float32{1, 2}, 1}}))
	w.Put(t, "p/3.parquet", file([]most{{3, []float32{1, 2}, "y"}}))
	w.Put(t, "p/4.parquet", file([]nullVec{{4, []*float32{&one, nil}, 1}}))
	_, err := w.run(ld, plan.Options{Atomic: true})
	w.wantExit(err, exit.Failed, "p/4.parquet", "NULL in the vector", "nothing was loaded")
	w.Put(t, "p/4.parquet", file([]nullVec{{4, []*float32{&one, &one}, 1}}))
	w.mustRun(ld, plan.Options{Atomic: true}, 4, 4)
}

// Files in front that fail alike are not the load's mistake when others load.
func TestFilesThatFailAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load("COPY INTO t (id, name) FROM (SELECT length(name)+name::INT, name::STRING FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')")
	for i := range inspect.Alike {
		w.Put(t, fmt.Sprintf("p/a%d.parquet", i), file([]row{{1, "xx"}}))
	}
	w.Put(t, "p/w.parquet", file([]row{{1, "xx"}}))
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Failed)
	if got := w.ledger(); got != nil {
		t.Errorf("got %q in the ledger for the load's own mistake", got)
	}
	w.Put(t, "p/w.parquet", file([]row{{1, "1"}}))
	w.Put(t, "p/y.parquet", file([]row{{1, "2"}}))
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "6 bad files")
	if res.Files != 2 {
		t.Errorf("got %+v, want 2 files loaded", res)
	}
}

func TestCommentsInTheCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load("COPY INTO t (id, name) FROM (SELECT name::INT, name::STRING FROM @st/p/ AS f /* a) */ ) -- of all (or most) " +
		":)\nFILE_FORMAT = (TYPE = 'PARQUET')")
	w.Put(t, "p/a.parquet", file([]row{{1, "1"}, {2, "x"}}))
	w.Put(t, "p/b.parquet", file([]row{{1, "1"}}))
	w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "row 2: name = 'x' is no INT")
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "row 2: name = 'x' is no INT")
}

// What was loaded before an error is told, and exit 1 would deny it.
func TestErrorBehindLoadedFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/b.parquet", rows(1, 1))
	w.mustRun(ld, plan.Options{}, 1, 1)
	w.Put(t, "p/a.parquet", rows(1, 10))
	res, err := w.runWith(ld, plan.Options{Force: true, Path: "p/*"}, func(e event.Event) {
		if f, ok := e.(event.File); ok && f.Outcome == "loaded" {
			w.SQL(t, "DROP TABLE t")
		}
	})
	w.wantExit(err, exit.Partly, "1 file is loaded, and then")
	if s, ok := w.events[len(w.events)-1].(event.Summary); !ok || s.Counts["loaded"] != 1 || res.Rows != 10 {
		t.Errorf("got %+v, %+v at the end, want a summary of one file", res, w.events[len(w.events)-1])
	}
}

// A bad file that was found before an error is not looked for again.
func TestErrorBehindABadFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 1)[:100])
	w.Put(t, "p/b.parquet", rows(2, 1))
	_, err := w.runWith(ld, plan.Options{}, func(e event.Event) {
		if n, ok := e.(event.Note); ok && strings.Contains(n.Text, "looking for the culprits") {
			w.SQL(t, "DROP TABLE t")
		}
	})
	w.wantExit(err, exit.Failed, "Unknown table")
	if diff := cmp.Diff(w.ledger(), []string{"a.parquet failed dbctl 0"}); diff != "" {
		t.Errorf("ledger (-got +want):\n%s", diff)
	}
}

// Another run loads between the plan and the lock: what was found before is not lost, and files loaded past us are taken in.
func TestPlanThatIsTooOld(t *testing.T) {
	t.Parallel()
	type timed struct {
		ID int32 `parquet:"id"`
		At int64 `parquet:"at"`
	}
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE u (id INT, at TIMESTAMP)")
	const sql = "COPY INTO u (id, at) FROM (SELECT id::INT, at::TIMESTAMP FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')"
	ld := w.load(sql, func(ld *project.Load) { ld.Secrets = []string{"A"} })
	other := w.load(strings.Replace(sql, "@st/p/", "@st/q/", 1), func(ld *project.Load) { ld.Name = "other" })
	n := 0
	run := func() error {
		n++
		w.Put(t, fmt.Sprintf("q/%d.parquet", n), file([]timed{{int32(n), 1735689600}}))
		return w.with(t.Context(), func(l *Loader) error {
			l.cfg.Secrets = func(context.Context, []string) (secret.Set, error) {
				_, err := w.run(other, plan.Options{})
				return nil, err
			}
			_, err := l.run(t.Context(), ld, plan.Options{}, nil)
			return err
		})
	}
	w.Put(t, "p/bad.parquet", file([]timed{{1, 1735689600000000000}}))
	if err := run(); err == nil { // makes the ledger
		t.Fatal("got no error for a bad file")
	}
	w.SQL(t, "DELETE FROM "+w.StateDB+".ledger WHERE state='failed'")
	w.wantExit(run(), exit.Partly, "p/bad.parquet")
	if got := strings.Join(w.ledger(), "\n"); !strings.Contains(got, "bad.parquet failed dbctl") {
		t.Errorf("the bad file is not in the ledger: %s", got)
	}
	w.Delete(t, "p/bad.parquet")
	w.Put(t, "p/task.parquet", file([]timed{{1, 1735689600}}))
	w.SQL(t, ld.Statement.SQL)
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(w.ledger(), "\n"); !strings.Contains(got, "task.parquet loaded engine") {
		t.Errorf("the task's file is not in the ledger: %s", got)
	}
}

func TestFilesNamedAndNotThere(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, below string) {
		ld := w.load(copyRows + " FILES = ('a.parquet', 'b.parquet', 'c.parquet')")
		w.Put(w.t, "p/a.parquet", rows(1, 1))
		w.Put(w.t, "p/b.parquet", rows(2, 1))
		res, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Check, "1 file is named by FILES", below+"c.parquet")
		if res.Files != 2 {
			w.t.Errorf("got %+v, want 2 files loaded", res)
		}
		w.Delete(w.t, "p/a.parquet") // loaded: it may go
		_, err = w.run(ld, plan.Options{})
		w.wantExit(err, exit.Check, "1 file is named by FILES", below+"c.parquet")
		w.Put(w.t, "p/c.parquet", rows(3, 1))
		w.mustRun(ld, plan.Options{}, 1, 1)
		w.mustRun(ld, plan.Options{}, 0, 0)
		_, err = w.run(w.load(copyRows+" FILES = ('no.parquet')"), plan.Options{})
		w.wantExit(err, exit.Check, "1 file is named by FILES, and not in", below+"no.parquet")
	})
}

// Text is read as the COPY reads it: with the format's options, into the table's columns.
func TestTextIsValidatedAsItIsLoaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load("COPY INTO t FROM @st/p/ FILE_FORMAT = (TYPE = CSV FIELD_DELIMITER = ';' SKIP_HEADER = 1)")
	w.Put(t, "p/a.csv", []byte("id;name\n1;x\n2;y\n"))
	w.Put(t, "p/b.csv", []byte("id;name\n1;x\nzz;y\n"))
	w.Put(t, "p/c.csv", []byte("id;name\n1;x;1\n"))
	w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "2 invalid files", "p/b.csv (row 3: id = 'zz' is no INT",
		"p/c.csv (row 2: Number of columns in file (3)")
	w.wantRows(0)
	if got := w.SQL(t, "SELECT count(*) FROM copy_history('t')")[0][0]; got != "0" {
		t.Errorf("the engine holds %s files for loaded after a validation", got)
	}
	js := w.load("COPY INTO t FROM @st/p/ FILE_FORMAT = (TYPE = NDJSON)")
	w.Put(t, "p/a.ndjson", []byte("{\"id\":1,\"name\":\"x\"}\n{\"id\":\"zz\",\"name\":\"x\"}\n"))
	w.wantExit(w.validate(js, plan.Options{}), exit.Check, "p/a.ndjson (row 2: ")

	preview := func(ld project.Load) event.Preview {
		t.Helper()
		if err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), ld, plan.Options{}, 1) }); err != nil {
			t.Fatal(err)
		}
		return w.events[len(w.events)-1].(event.Preview)
	}
	if p := preview(js); strings.Join(p.Columns, " ") != "id name" || *p.Rows[0][0] != "1" || *p.Rows[0][1] != `"x"` {
		t.Errorf("got %+v, want id and name of the NDJSON", p)
	}
	if p := preview(ld); *p.Rows[0][0] != "1" || *p.Rows[0][1] != "x" || w.notes() != "" {
		t.Errorf("got %+v, %s, want the row behind the header, as its delimiter cuts it", p, w.notes())
	}
	if p := preview(w.load("COPY INTO t FROM @st/p/ FILE_FORMAT = (TYPE = CSV)")); strings.Join(p.Columns, " ") != "id name" ||
		len(p.Rows[0]) != 2 {
		t.Errorf("got %+v, want the table's two columns", p)
	}
}

// Of a text file metadata$filename is bucket and key.
func TestReplaceTextFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
	ld := w.load("COPY INTO t (id, name, src) FROM (SELECT $1, $2, metadata$filename FROM @st/p/) FILE_FORMAT = (TYPE = CSV)",
		func(ld *project.Load) { ld.FilenameColumn, ld.OnChanged = "src", "replace" })
	w.Put(t, "p/a.csv", []byte("1,x\n2,y\n"))
	w.Put(t, "p/b.csv", []byte("1,x\n2,y\n"))
	w.mustRun(ld, plan.Options{}, 2, 4)
	w.Put(t, "p/a.csv", []byte("1,x\n2,y\n3,z\n"))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.wantRows(5)

	j, err := source.New(ld, "p", w.Database)
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Plan{StageURL: "@internal/", Job: j, Files: []plan.File{{Path: "p/a.csv", State: event.Changed}}}
	if err := p.Decide(plan.Want{}); err != nil {
		t.Fatal(err)
	}
	w.wantExit(p.Stopped(plan.Options{}), exit.Check, "internal stage", "p/a.csv")
	if p.Files[0].Planned {
		t.Error("a text file of an internal stage is replaced, and nobody knows its rows")
	}
}

// A load of nothing into a table that another load fills says so, and a list that cannot be made is no list.
func TestListReasons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	other := w.load(strings.Replace(copyRows, "@st/p/", "@st/q/", 1), func(ld *project.Load) { ld.Name = "other" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	list := func() error {
		return w.with(t.Context(), func(l *Loader) error { return l.List(t.Context(), []project.Load{ld, other}) })
	}
	if err := list(); err != nil {
		t.Fatal(err)
	}
	if got := w.events[1].(event.LoadState).Reason; !strings.Contains(got, "no file in") {
		t.Errorf("got %q, want that there is no file", got)
	}
	w.Fault(t, databendtest.Fault{Action: "drop_before", Match: "LIST_STAGE.*@" + w.stage, Times: 1000})
	if err := list(); err == nil {
		t.Errorf("got %+v, want the lost connection's error", w.events)
	}
}

// A file that the engine took for loaded before it was tried, and could not be loaded, is not loaded because the engine still says so.
func TestFailedThoughRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", file([]row{{1, "x"}}))
	w.mustRun(w.load(copyRows), plan.Options{}, 1, 1)
	w.SQL(t, "DELETE FROM t")
	if err := w.mark(w.load(copyRows), "new", plan.Options{}); err != nil {
		t.Fatal(err)
	}
	_, err := w.run(w.load(strings.Replace(copyRows, "name::STRING", "name::INT::STRING", 1)), plan.Options{})
	w.wantExit(err, exit.Partly, "1 bad file, nothing was loaded", "'x' is no INT32")
	w.mustRun(w.load(copyRows), plan.Options{}, 1, 1)
	w.wantRows(1)
	w.mustRun(w.load(copyRows), plan.Options{}, 0, 0)
}

// A file that failed is not loaded because another stage's file of its path and bytes is.
func TestFailedBesideATwin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, w.StageSQL(w.stage+"_b", "other/", "PARQUET"))
	for _, path := range []string{"p/a.parquet", "other/p/a.parquet"} {
		w.Put(t, path, file([]row{{1, "x"}}))
	}
	_, err := w.run(w.load(strings.Replace(copyRows, "name::STRING", "name::INT::STRING", 1)), plan.Options{})
	w.wantExit(err, exit.Partly, "1 bad file")
	two := w.load(strings.Replace(copyRows, "@st/", "@"+w.stage+"_b/", 1), func(ld *project.Load) { ld.Name = "two" })
	w.mustRun(two, plan.Options{}, 1, 1)
	w.mustRun(w.load(copyRows), plan.Options{}, 1, 1)
	w.wantRows(2)
	w.mustRun(two, plan.Options{}, 0, 0)
}
