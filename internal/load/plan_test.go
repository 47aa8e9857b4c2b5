package load

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

const copySource = "COPY INTO t (id, name, src) FROM (SELECT id::INT, name::STRING, metadata$filename FROM @st/p/) FILE_FORMAT = " +
	"(TYPE = 'PARQUET')"

func TestChangedFile(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, below string) {
		w.SQL(w.t, "ALTER TABLE t ADD COLUMN src STRING")
		ld := w.load(copySource)
		w.Put(w.t, "p/a.parquet", rows(1, 3))
		w.Put(w.t, "p/b.parquet", rows(11, 2))
		w.mustRun(ld, plan.Options{}, 2, 5)
		w.Put(w.t, "p/a.parquet", rows(101, 4)) // overwritten in place
		w.Put(w.t, "p/b.parquet", rows(11, 2))  // the same bytes again
		w.Put(w.t, "p/c.parquet", rows(21, 1))

		w.states(ld, plan.Options{}, "a.parquet changed", "b.parquet loaded", "c.parquet new")
		res, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Check, below+"a.parquet")
		if res.Files != 1 {
			w.t.Errorf("got %d files loaded, want c.parquet", res.Files)
		}
		w.wantRows(6)
		w.mustRun(ld, plan.Options{OnChanged: "skip"}, 0, 0)
		_, err = w.run(ld, plan.Options{OnChanged: "replace"})
		w.wantExit(err, exit.Usage, "the column that holds its name")
		ld.FilenameColumn = "name"
		_, err = w.run(ld, plan.Options{OnChanged: "replace"})
		w.wantExit(err, exit.Usage, "not filled from metadata$filename")

		ld.FilenameColumn = "src"
		w.mustRun(ld, plan.Options{OnChanged: "replace"}, 1, 4)
		if diff := cmp.Diff(w.outcomes(), []string{"a.parquet changed replaced"}); diff != "" {
			w.t.Errorf("events (-got +want):\n%s", diff)
		}
		got := w.SQL(w.t, "SELECT src, count(*), min(id) FROM t GROUP BY src ORDER BY src")
		if diff := cmp.Diff(got, [][]string{{below + "a.parquet", "4", "101"}, {below + "b.parquet", "2", "11"}, {below + "c.parquet", "1", "21"}}); diff != "" {
			w.t.Errorf("rows (-got +want):\n%s", diff)
		}
		w.states(ld, plan.Options{}, "a.parquet loaded", "b.parquet loaded", "c.parquet loaded")
		w.Put(w.t, "p/a.parquet", rows(201, 1))
		ld.OnChanged = "replace" // by the header
		w.mustRun(ld, plan.Options{}, 1, 1)
	})
}

func TestReplacedFileThatIsBadKeepsItsRows(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		w.SQL(w.t, "ALTER TABLE t ADD COLUMN src STRING")
		ld := w.load(copySource, func(ld *project.Load) { ld.FilenameColumn, ld.OnChanged = "src", "replace" })
		w.Put(w.t, "p/a.parquet", rows(1, 3))
		w.mustRun(ld, plan.Options{}, 1, 3)
		w.Put(w.t, "p/a.parquet", rows(1, 3)[:100])
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "a.parquet")
		w.wantRows(3)
		w.Put(w.t, "p/a.parquet", rows(1, 5)) // mended
		for _, o := range []plan.Options{{OnChanged: "fail"}, {OnChanged: "skip"}} {
			w.states(ld, o, "a.parquet changed")
			_, _ = w.run(ld, o)
			w.wantRows(3)
		}
		w.mustRun(ld, plan.Options{}, 1, 5)
		w.wantRows(5)
		w.Put(w.t, "p/a.parquet", rows(1, 3)[:100])
		_, err = w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "a.parquet")
		w.Put(w.t, "p/a.parquet", rows(1, 5)) // what was loaded, again
		w.mustRun(ld, plan.Options{}, 0, 0)
		w.wantRows(5)
	})
}

// The engine forgets after load_file_metadata_expire_hours; the ledger does not.
func TestExpiredFileIsNotLoadedAgain(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		w.cfg = func(c *databend.Config) { c.Settings = map[string]string{"load_file_metadata_expire_hours": "0"} }
		ld := w.load(copyRows)
		w.Put(w.t, "p/a.parquet", rows(1, 3))
		w.mustRun(ld, plan.Options{}, 1, 3)
		w.Put(w.t, "p/b.parquet", rows(11, 2))
		if got := w.SQL(w.t, "SELECT count(*) FROM copy_history('t')")[0][0]; got != "0" {
			w.t.Fatalf("the engine remembers %s files, want 0", got)
		}
		w.states(ld, plan.Options{}, "a.parquet expired", "b.parquet new")
		w.mustRun(ld, plan.Options{}, 1, 2)
		w.wantRows(5)
		w.Put(w.t, "p/a.parquet", rows(101, 1))
		w.states(ld, plan.Options{}, "a.parquet changed", "b.parquet expired")
	})
}

// The setting takes every number of 64 bits; of one as large COPY itself panics, a plan need not.
func TestEngineThatNeverForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg = func(c *databend.Config) {
		c.Settings = map[string]string{"load_file_metadata_expire_hours": "18446744073709551615"}
	}
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.states(w.load(copyRows), plan.Options{}, "a.parquet new")
}

func TestFilesLoadedPastUsAreTakenIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.Put(t, "p/gone.parquet", rows(21, 2))
	w.SQL(t, ld.Statement.SQL) // a task
	w.Delete(t, "p/gone.parquet")
	w.Put(t, "p/c.parquet", rows(31, 1))
	p := w.states(ld, plan.Options{}, "a.parquet loaded", "b.parquet loaded", "c.parquet new", "gone.parquet vanished")
	if len(p.Past) != 2 {
		t.Errorf("got %d files loaded past us, want 2", len(p.Past))
	}
	w.mustRun(ld, plan.Options{}, 1, 1)
	want := []string{"a.parquet loaded dbctl 3", "b.parquet loaded engine -1", "c.parquet loaded dbctl 1", "gone.parquet loaded engine -1"}
	if diff := cmp.Diff(w.ledger(), want); diff != "" {
		t.Errorf("ledger (-got +want):\n%s", diff)
	}
	w.mustRun(ld, plan.Options{}, 0, 0)
	if diff := cmp.Diff(w.ledger(), want); diff != "" {
		t.Errorf("ledger after a second run (-got +want):\n%s", diff)
	}
	w.wantRows(8)
}

// A task, or a person, loads through a stage over what is above the load's place, or below it: the engine remembers another name then. A
// file that only looks like one so remembered, of another place, is a file of its own.
func TestFilesLoadedPastUsThroughAnotherPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, w.StageSQL(w.stage+"_in", "p/q/", "PARQUET"), w.StageSQL(w.stage+"_other", "other/", "PARQUET"))
	stage, uri := w.load(copyRows), w.fromURI("p/", castRows)
	at := func(stage string) string { return strings.Replace(copyRows, "@st/p/", "@"+w.stage+stage, 1) }
	for i, path := range []string{"p/a", "p/q/b", "p/q/c", "other/d", "p/d"} {
		content := rows(10*i, 1)
		if strings.HasSuffix(path, "d") {
			content = rows(0, 2)
		}
		w.Put(t, path+".parquet", content)
	}
	w.mustRun(w.load(at("_other/"), func(ld *project.Load) { ld.Name = "other" }), plan.Options{}, 1, 2)
	w.SQL(t, at("/p/")+" FILES = ('a.parquet')", at("_in/")+" FILES = ('b.parquet')")
	for _, ld := range []project.Load{uri, stage} {
		w.states(ld, plan.Options{}, "a.parquet loaded", "d.parquet new", "q/b.parquet loaded", "q/c.parquet new")
	}
	w.mustRun(uri, plan.Options{}, 2, 3)
	w.mustRun(uri, plan.Options{}, 0, 0)
	w.mustRun(stage, plan.Options{}, 0, 0)
	w.wantRows(1 + 1 + 1 + 2 + 2)
}

// Before the first load of a project there is no ledger to ask.
func TestFirstLoadBehindAnotherPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, w.StageSQL(w.stage+"_in", "p/", "PARQUET"))
	w.Put(t, "p/a.parquet", rows(1, 1))
	w.SQL(t, strings.Replace(copyRows, "@st/p/", "@"+w.stage+"_in/", 1))
	_, err := w.run(w.load(copyRows), plan.Options{})
	w.wantExit(err, exit.Check, "does not know whether from these files")
}

// A 0-byte file that is not the first is recorded as loaded by the engine; its real upload would never be loaded.
func TestEmptyFileThatTheEngineTookForLoaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.Put(t, "p/z.parquet", nil)
	w.SQL(t, ld.Statement.SQL) // a task records z with 0 bytes
	w.Put(t, "p/z.parquet", rows(21, 4))
	w.states(ld, plan.Options{}, "a.parquet loaded", "b.parquet loaded", "z.parquet new")
	w.mustRun(ld, plan.Options{}, 1, 4)
	w.wantRows(9)
}

func TestTablesThatAreNotWhatTheyWere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		do    []string
		after []string // states
		files int      // loaded by the next run
		rows  int      // in the table then
	}{
		{"truncated", []string{"TRUNCATE TABLE t"}, []string{"a.parquet emptied", "b.parquet emptied", "c.parquet new"}, 1, 1},
		{"deleted from", []string{"DELETE FROM t"}, []string{"a.parquet emptied", "b.parquet emptied", "c.parquet new"}, 1, 1},
		{
			"truncated and filled",
			[]string{"TRUNCATE TABLE t", "INSERT INTO t VALUES (1, 'x')"},
			[]string{"a.parquet emptied", "b.parquet emptied", "c.parquet new"},
			1, 2,
		},
		{
			"flashed back behind its last COPY",
			[]string{"ALTER TABLE t FLASHBACK TO (SNAPSHOT => '{first}')"},
			[]string{"a.parquet loaded", "b.parquet emptied", "c.parquet new"},
			1, 4,
		},
		{
			"dropped for all and undropped",
			[]string{"DROP TABLE t ALL", "UNDROP TABLE t"},
			[]string{"a.parquet emptied", "b.parquet emptied", "c.parquet new"},
			1, 1,
		},
		{
			"overwritten",
			[]string{"INSERT OVERWRITE t SELECT 1, 'x' WHERE false"},
			[]string{"a.parquet emptied", "b.parquet emptied", "c.parquet new"},
			1, 1,
		},
		{
			"replaced",
			[]string{"CREATE OR REPLACE TABLE t (id INT, name STRING)"},
			[]string{"a.parquet new", "b.parquet new", "c.parquet new"},
			3, 6,
		},
		{
			"dropped and undropped",
			[]string{"DROP TABLE t", "UNDROP TABLE t"},
			[]string{"a.parquet loaded", "b.parquet loaded", "c.parquet new"},
			1, 6,
		},
		{
			"swapped with an empty one",
			[]string{"CREATE TABLE u (id INT, name STRING)", "ALTER TABLE t SWAP WITH u"},
			[]string{"a.parquet new", "b.parquet new", "c.parquet new"},
			3, 6,
		},
		{
			"renamed and back",
			[]string{"ALTER TABLE t RENAME TO u", "ALTER TABLE u RENAME TO t"},
			[]string{"a.parquet loaded", "b.parquet loaded", "c.parquet new"},
			1, 6,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ld, uri := w.load(copyRows), w.fromURI("p/", castRows)
			w.Put(t, "p/a.parquet", rows(1, 3))
			w.mustRun(ld, plan.Options{}, 1, 3)
			first := strings.NewReplacer("{first}", w.SQL(t, "SELECT snapshot_id FROM fuse_snapshot('"+w.Database+"', 't') LIMIT 1")[0][0])
			w.Put(t, "p/b.parquet", rows(11, 2))
			w.mustRun(ld, plan.Options{}, 1, 2)
			w.Put(t, "p/c.parquet", rows(21, 1))
			for _, sql := range tt.do {
				w.SQL(t, first.Replace(sql))
			}
			w.states(ld, plan.Options{}, tt.after...)
			throughURI := strings.Split(strings.ReplaceAll(strings.Join(tt.after, ","), "loaded", "expired"), ",") // the engine knows no URL
			w.states(uri, plan.Options{}, throughURI...)
			w.mustRun(ld, plan.Options{}, tt.files, int64(map[int]int{1: 1, 3: 6}[tt.files]))
			if strings.Contains(strings.Join(tt.after, " "), "emptied") && !strings.Contains(w.notes(), "are gone from") {
				t.Errorf("nothing was said about the rows that are gone: %q", w.notes())
			}
			w.wantRows(tt.rows)
			// What was written now hides how it was seen that rows are gone. It is known all the same, also of files that are gone.
			then := strings.Split(strings.ReplaceAll(strings.Join(tt.after, ","), "new", "loaded"), ",")
			w.states(ld, plan.Options{}, then...)
			w.mustRun(uri, plan.Options{}, 0, 0)
			w.mustRun(ld, plan.Options{}, 0, 0)
			w.wantRows(tt.rows)
			w.Delete(t, "p/b.parquet")
			files := w.SQL(t, "SELECT count(*) FROM t WHERE name LIKE 'row %'")[0][0]
			if listed := w.listed(ld).Rows; fmt.Sprint(listed) != files {
				t.Errorf("the list counts %d rows from files, and there are %s", listed, files)
			}
		})
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	mark := func(as string, o plan.Options) error {
		return w.mark(ld, as, o)
	}
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.SQL(t, "INSERT INTO t VALUES (1, 'by hand')")
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "does not know")
	if err := mark("loaded", plan.Options{}); err != nil {
		t.Fatal(err)
	}
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.Put(t, "p/c.parquet", rows(21, 1))
	w.mustRun(ld, plan.Options{}, 1, 1)
	if err := mark("new", plan.Options{Path: "p/b*"}); err != nil || !strings.Contains(w.notes(), "by the ledger the rows of 1 such file are in ") {
		t.Fatal(err, w.notes())
	}
	w.mustRun(ld, plan.Options{}, 1, 2)
	w.Put(t, "p/d.parquet", rows(31, 1))
	if err := mark("quarantined", plan.Options{Path: "p/d.parquet"}); err != nil {
		t.Fatal(err)
	}
	err = mark("loaded", plan.Options{Path: "p/d*"})
	if w.wantExit(err, exit.Check, "no file to mark"); !strings.Contains(err.(interface{ Hint() string }).Hint(), "--mark new") {
		t.Errorf("got %v, want it to say how a quarantined file is loaded", err)
	}
	const mended = "1 quarantined file was overwritten since, and still left alone: p/d.parquet"
	if w.mustRun(ld, plan.Options{}, 0, 0); strings.Contains(w.notes(), mended) {
		t.Errorf("got %q of a file that is as it was", w.notes())
	}
	w.Put(t, "p/d.parquet", rows(31, 2)) // for good
	w.states(ld, plan.Options{}, "a.parquet expired", "b.parquet loaded", "c.parquet loaded", "d.parquet quarantined")
	if w.mustRun(ld, plan.Options{}, 0, 0); !strings.Contains(w.notes(), mended) {
		t.Errorf("got %q, want the overwritten file named", w.notes())
	}
	if err := mark("new", plan.Options{}); err != nil {
		t.Fatal(err)
	}
	w.mustRun(ld, plan.Options{}, 4, 8) // also those that the engine holds for loaded
	w.wantExit(mark("new", plan.Options{Path: "nothing"}), exit.Check, "no file to mark")
	w.wantRows(1 + 1 + 2 + 8)
}

// A file under another name is another file; that it has the bytes of one that is gone is said.
func TestFileThatMoves(t *testing.T) {
	t.Parallel()
	for name, large := range map[string]bool{"small ledger": false, "large ledger": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fromEach(t, func(w *world, below string) {
				ld := w.load(copyRows)
				for i, name := range []string{"a", "b", "zero"} {
					w.Put(w.t, "p/"+name+".parquet", rows(10*i, 2-i))
				}
				w.mustRun(ld, plan.Options{}, 3, 3)
				if large {
					w.grow()
				}
				w.Delete(w.t, "p/a.parquet")
				w.Delete(w.t, "p/zero.parquet")
				w.Put(w.t, "p/as a.parquet", rows(0, 2))
				w.Put(w.t, "p/as b.parquet", rows(10, 1)) // which is there
				w.Put(w.t, "p/as zero.parquet", rows(20, 0))
				said := "1 new file has the bytes of a loaded one that is gone from its place (moved, renamed?), and is loaded beside the rows of " +
					"that: " + below + "as a.parquet (as " + below + "a.parquet)"
				w.states(ld, plan.Options{}, "a.parquet vanished", "as a.parquet new", "as b.parquet new", "as zero.parquet new", "b.parquet loaded",
					"zero.parquet vanished")
				if !strings.Contains(w.notes(), said) {
					w.t.Errorf("got %s, want %s", w.notes(), said)
				}
				if w.mustRun(ld, plan.Options{}, 3, 3); !strings.Contains(w.notes(), said) {
					w.t.Errorf("got %s, want %s", w.notes(), said)
				}
				w.mustRun(ld, plan.Options{}, 0, 0)
			})
		})
	}
}

// A COPY that purges what it loads leaves an empty place behind: that is no error.
func TestPlaceThatIsPurged(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, below string) {
		ld := w.load(copyRows + " PURGE = true")
		w.Put(w.t, "p/a.parquet", rows(1, 3))
		w.mustRun(ld, plan.Options{}, 1, 3)
		w.mustRun(ld, plan.Options{}, 0, 0)
		w.states(ld, plan.Options{}, "a.parquet vanished")
		w.Put(w.t, "p/b.parquet", rows(4, 1))
		w.mustRun(ld, plan.Options{}, 1, 1)
		w.wantRows(4)
	})
}

// The engine knows only the table and the path below the stage: of two stages with one path the second is passed over.
func TestTwoStagesWithOnePath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, w.StageSQL(w.stage+"_b", "other/", "PARQUET"))
	one := w.load(copyRows)
	two := w.load(strings.Replace(copyRows, "@st/", "@"+w.stage+"_b/", 1), func(ld *project.Load) { ld.Name = "two" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "other/p/a.parquet", rows(11, 2))
	w.mustRun(one, plan.Options{}, 1, 3)
	w.states(two, plan.Options{}, "a.parquet new")
	w.mustRun(two, plan.Options{}, 1, 2)
	w.mustRun(one, plan.Options{}, 0, 0)
	w.mustRun(two, plan.Options{}, 0, 0)
	w.wantRows(5)
}

// An internal stage has no URL. What the ledger has in its place may stand in a name.
func TestInternalStageWhoseNameIsInAPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stage := "in_" + w.Database
	w.SQL(t, "CREATE STAGE "+stage, "COPY INTO '@"+stage+"/p/@"+stage+"/' FROM (SELECT 1 AS id, 'x' AS name) FILE_FORMAT = (TYPE = PARQUET)")
	t.Cleanup(func() { w.SQL(t, "DROP STAGE IF EXISTS "+stage) })
	ld := w.load(strings.Replace(copyRows, "@st/", "@"+stage+"/", 1))
	w.mustRun(ld, plan.Options{}, 1, 1)
	if p, err := w.plan(ld, plan.Options{}); err != nil || p.Counts[event.Loaded].Files != 1 {
		t.Errorf("got %v, %v; want one file loaded", p.Counts, err)
	}
	w.mustRun(ld, plan.Options{}, 0, 0)
}

func TestTableWithFullPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE OR REPLACE TABLE t (id INT, name STRING) copy_dedup_full_path = true")
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.states(ld, plan.Options{}, "a.parquet loaded")
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.SQL(t, ld.Statement.SQL)
	w.states(ld, plan.Options{}, "a.parquet loaded", "b.parquet loaded")
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.wantRows(5)

	// Another stage, whose URL is just as long: below it c is another file.
	w.SQL(t, w.StageSQL(w.stage+"_1", "one/", "PARQUET"), w.StageSQL(w.stage+"_2", "two/", "PARQUET"))
	one := w.load(strings.Replace(copyRows, "@st/", "@"+w.stage+"_1/", 1))
	two := w.load(strings.Replace(copyRows, "@st/", "@"+w.stage+"_2/", 1))
	w.Put(t, "one/p/c.parquet", rows(21, 1))
	w.Put(t, "two/p/c.parquet", rows(31, 1))
	w.mustRun(one, plan.Options{}, 1, 1)
	w.states(two, plan.Options{}, "c.parquet new")
	w.mustRun(two, plan.Options{}, 1, 1)
	w.states(one, plan.Options{}, "c.parquet loaded")
	w.wantRows(7)
}

func TestLostLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.SQL(t, "DROP DATABASE "+w.StateDB)
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "does not know")
	w.wantRows(3)
}

// A file whose rows a migration's rollback took back is loaded again, though the engine holds it for loaded.
func TestUndoneFileIsLoadedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.SQL(t, "DELETE FROM t", "CREATE TABLE x AS SELECT * FROM "+w.StateDB+".ledger WHERE state='loaded'",
		"UPDATE x SET event_id='u', `at`=now(), state='undone'", "INSERT INTO "+w.StateDB+".ledger SELECT * FROM x")
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.wantRows(3)
}

func TestOddNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(strings.Replace(copyRows, "@st/p/", "'@st/dir sp/ö/'", 1))
	names := []string{
		"space x", "it's", `"quoted"`, "ünïcode", "🚗", "%20", "100%", "+&", "semi;colon", `back\slash`, "=#", "com,ma", "()[]",
		"q?", "co:lon", "st*r", "$dollar", "@t", "til~de", "{{x}}", "--dash", `{{ secret "A" }}`, `{{ secret "`,
	}
	for i, n := range names {
		w.Put(t, "dir sp/ö/"+n+".parquet", rows(i, 1))
	}
	w.mustRun(ld, plan.Options{Limit: 3}, 3, 3) // by name
	w.mustRun(ld, plan.Options{}, len(names)-3, int64(len(names)-3))
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.wantRows(len(names))
	if err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), ld, plan.Options{}, 50) }); err != nil {
		t.Error(err)
	}
}

func TestForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.mustRun(ld, plan.Options{}, 2, 5)
	w.mustRun(ld, plan.Options{Force: true, Path: "p/b*"}, 1, 2)
	w.wantRows(7)
}

// The ledger is asked about many loads at once: each is told what it is told alone.
func TestListedTogetherAsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE u LIKE t")
	var loads []project.Load
	for name, text := range map[string]string{
		"all": copyRows, "below": strings.Replace(copyRows, "/p/", "/p/x/", 1), "other": strings.Replace(copyRows, "INTO t", "INTO u", 1),
		"none": strings.Replace(copyRows, "/p/", "/nothing/", 1),
	} {
		loads = append(loads, w.load(text, func(ld *project.Load) { ld.Name = name }))
	}
	list := func(loads ...project.Load) (out []event.LoadState) {
		t.Helper()
		if err := w.with(t.Context(), func(l *Loader) error { return l.List(t.Context(), loads) }); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.events {
			out = append(out, e.(event.LoadState))
		}
		return out
	}
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/x/b.parquet", rows(4, 2))
	for _, ld := range loads {
		if ld.Name == "all" || ld.Name == "other" {
			w.mustRun(ld, plan.Options{}, 2, 5)
		}
	}
	w.Put(t, "p/x/c.parquet", rows(9, 1))
	w.Delete(t, "p/a.parquet")
	var alone []event.LoadState
	for _, ld := range loads {
		alone = append(alone, list(ld)...)
	}
	if diff := cmp.Diff(alone, list(loads...)); diff != "" {
		t.Errorf("together (-alone +together):\n%s", diff)
	}
	if got := alone[slices.IndexFunc(alone, func(e event.LoadState) bool { return e.Load == "all" })]; got.Counts["vanished"] != 1 || got.Counts["new"] != 1 || got.Rows != 5 {
		t.Errorf("got %+v, want one vanished, one new, 5 rows", got)
	}
}

// grow makes the ledger a large one, by rows about another table.
func (w *world) grow() {
	w.SQL(w.t, "CREATE TABLE one AS SELECT * FROM "+w.StateDB+".ledger LIMIT 1", "UPDATE one SET table_id = 'other'",
		"INSERT INTO "+w.StateDB+".ledger SELECT one.* FROM one, numbers(100000)")
}

// Beside a large ledger the server joins the listing with it: what it gives is what is read beside a small one.
func TestLargeLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	day := func(ago int) string { return "day=" + time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }
	ld := w.load(copyRows)
	own := w.fromURI("p/", castRows, func(ld *project.Load) { ld.Name = "own" })
	below := w.load(strings.Replace(copyRows, "/p/", "/p/x/", 1), func(ld *project.Load) { ld.Name = "below" })
	windowed := w.load(copyRows, func(ld *project.Load) {
		ld.Name, ld.Window = "windowed", project.Window{Layout: "day=%Y-%m-%d", Span: 200 * 24 * time.Hour}
	})
	files := w.load(copyRows+" FILES = ('a.parquet', 'gone.parquet', 'new.parquet', 'nowhere.parquet')", func(ld *project.Load) { ld.Name = "files" })
	w.Put(t, "p/uri.parquet", rows(1, 3))
	w.Put(t, "p/x/uri.parquet", rows(4, 3))
	w.mustRun(own, plan.Options{}, 2, 6)
	for i, name := range []string{"a", "gone", "changed", "again", "x/b", "x/ü 1", day(3) + "/a", day(300) + "/a"} {
		w.Put(t, "p/"+name+".parquet", rows(10*i, 2))
	}
	w.mustRun(ld, plan.Options{}, 8, 16)
	w.mustRun(windowed, plan.Options{}, 0, 0) // the first pass is a full one
	w.Put(t, "p/bad.parquet", rows(1, 1)[:90])
	w.Put(t, "p/given up.parquet", rows(1, 1)[:90])
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly)
	for as, path := range map[string]string{"quarantined": "p/given up.parquet", "new": "p/again.parquet"} {
		if err := w.mark(ld, as, plan.Options{Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	w.Put(t, "p/past.parquet", rows(81, 2))
	w.Put(t, "p/past and gone.parquet", rows(91, 2))
	w.SQL(t, ld.Statement.SQL+" FILES = ('past.parquet', 'past and gone.parquet')") // a task
	w.Put(t, "p/changed.parquet", rows(71, 5))
	w.Put(t, "p/new.parquet", rows(101, 1))
	w.Put(t, "p/x/new.parquet", rows(102, 1))
	w.Put(t, "p/"+day(4)+"/new.parquet", rows(103, 1))
	for _, name := range []string{"p/gone.parquet", "p/past and gone.parquet"} {
		w.Delete(t, name)
	}
	plans := func() (out []string) {
		loads := []project.Load{ld, own, below, windowed, files}
		if err := w.with(t.Context(), func(l *Loader) error { return l.List(t.Context(), loads) }); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.events {
			s := e.(event.LoadState)
			s.LastRun = nil
			out = append(out, fmt.Sprintf("%+v", s))
		}
		for _, ld := range loads {
			for _, o := range []plan.Options{{Verbose: true}, {Path: "*a*"}} {
				p, err := w.plan(ld, o)
				if p == nil {
					t.Fatalf("%s %+v: %v", ld.Name, o, err)
				}
				out = append(out, fmt.Sprintf("%s %+v: %v, %d past us; %v", ld.Name, o, p.Counts, len(p.Past), err))
				for _, f := range p.Files {
					out = append(out, fmt.Sprintf("%s %+v: %s %s, %d rows, %v %v: %s", ld.Name, o, f.Path, f.State, f.Rows, f.Planned, f.Aliases, f.Reason))
				}
			}
		}
		slices.Sort(out)
		return out
	}
	small := plans()
	w.grow()
	if diff := cmp.Diff(small, plans()); diff != "" {
		t.Errorf("-small +large:\n%s", diff)
	}
	if len(small) < 30 {
		t.Errorf("planned too little to compare:\n%s", strings.Join(small, "\n"))
	}
	for _, want := range []int{4, 0} {
		if res, err := w.run(ld, plan.Options{OnChanged: "skip"}); res.Files != want {
			t.Errorf("loaded %d files, want %d: %v", res.Files, want, err)
		}
	}
}

// A load that cannot be read hides no other from the list.
func TestListBesideABrokenLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", rows(1, 3))
	broken, good := w.load(copyRows+" FORCE = true", func(ld *project.Load) { ld.Name = "broken" }), w.load(copyRows)
	err := w.with(t.Context(), func(l *Loader) error { return l.List(t.Context(), []project.Load{broken, good}) })
	w.wantExit(err, exit.Usage, "FORCE in a load")
	var listed []string
	for _, e := range w.events {
		if s, ok := e.(event.LoadState); ok {
			listed = append(listed, s.Load)
		}
	}
	if diff := cmp.Diff([]string{"videos"}, listed); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	lost := w.load(strings.Replace(copyRows, "INTO t", "INTO nope", 1), func(ld *project.Load) { ld.Name = "lost" })
	list := func(loads ...project.Load) (out []event.LoadState) {
		t.Helper()
		if err := w.with(t.Context(), func(l *Loader) error { return l.List(t.Context(), loads) }); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.events {
			out = append(out, e.(event.LoadState))
		}
		return out
	}
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.Put(t, "p/b.parquet", rows(1, 3))
	got := list(ld, ld)
	if len(got) != 2 || got[1].Counts["new"] != 1 || got[1].Counts["loaded"] != 1 || got[1].Rows != 3 || got[1].LastRun == nil {
		t.Errorf("got %+v, want 1 new, 1 loaded, 3 rows", got)
	}
	got = list(lost, ld)
	if len(got) != 2 || !strings.Contains(got[0].Reason, "does not exist") || got[1].Counts["new"] != 1 {
		t.Errorf("got %+v, want a load without a table and one with 1 new", got)
	}
}
