package load

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/run"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// A migration that makes the table anew from its rows, under a load: of the new table the ledger knows nothing.
func TestTableReplacedByAFullOne(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"SELECT name,table_id", "COPY INTO", "COMMIT"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ld := w.load(copyRows)
			w.Put(t, "p/a.parquet", rows(1, 3))
			w.mustRun(ld, plan.Options{}, 1, 3)
			w.Put(t, "p/b.parquet", rows(11, 2))
			w.beforeFirst(moment, func() { w.SQL(t, "CREATE OR REPLACE TABLE t AS SELECT * FROM t") })
			_, err := w.run(ld, plan.Options{})
			if e, ok := errors.AsType[*fault.Error](err); !ok || e.Exit != exit.Check && e.Exit != exit.Partly {
				t.Fatalf("got %v, want that nobody knows where the rows are from", err)
			}
			w.wantRows(3)
			w.cfg = nil
			_, err = w.run(ld, plan.Options{})
			w.wantExit(err, exit.Check, "3 rows")
			w.wantRows(3)
		})
	}
}

// A table replaced between two transactions of one run: what the first brought is gone.
func TestTableReplacedBetweenTransactions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	for i := range 4 {
		w.Put(t, fmt.Sprintf("p/a%d.parquet", i), rows(i, 1))
		w.Put(t, fmt.Sprintf("p/b%d.parquet", i), file([]reordered{{"z", int32(i)}}))
	}
	commits := 0
	w.cfg = func(c *databend.Config) {
		c.Transport = wire{func(sql string) {
			if strings.HasPrefix(sql, "COPY INTO") && commits > 0 {
				commits = -100
				w.SQL(t, "CREATE OR REPLACE TABLE t (id INT, name STRING)")
			}
			if sql == "COMMIT" {
				commits++
			}
		}}
	}
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "was replaced")
	w.cfg = nil
	w.mustRun(ld, plan.Options{}, 8, 8)
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.wantRows(8)
}

// What comes to the prefix between plan and COPY is planned first: no rule has looked at it.
func TestFileThatComesLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	for i := range run.ByPrefixFrom {
		w.Put(t, fmt.Sprintf("p/%04d.parquet", i), rows(i, 1))
	}
	copies := 0
	w.cfg = func(c *databend.Config) {
		c.Transport = wire{func(sql string) {
			if strings.HasPrefix(sql, "COPY INTO") {
				if copies++; copies == 1 {
					w.Put(t, "p/late.parquet", rows(1000, 2))
				} else if !strings.Contains(sql, "FILES = ") {
					t.Errorf("planned again, and sent by prefix all the same: %.200s", sql)
				}
			}
		}}
	}
	w.mustRun(ld, plan.Options{}, run.ByPrefixFrom+1, run.ByPrefixFrom+2)
	w.wantRows(run.ByPrefixFrom + 2)
	w.mustRun(ld, plan.Options{}, 0, 0)
}

// The rows of an overwritten file that carry no name of it stay: the new ones must not come on top.
func TestReplaceOfRowsWithoutTheirFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(w.load(copyRows), plan.Options{}, 1, 3)
	w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
	ld := w.load(copySource, func(ld *project.Load) { ld.FilenameColumn, ld.OnChanged = "src", "replace" })
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.mustRun(ld, plan.Options{}, 1, 2)
	w.Put(t, "p/a.parquet", rows(1, 4))
	w.Put(t, "p/b.parquet", rows(11, 3))
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "p/a.parquet", "src")
	if res.Files != 1 || res.Rows != 3 {
		t.Errorf("got %d files, %d rows, want b.parquet replaced", res.Files, res.Rows)
	}
	w.wantRows(6)
}

// Marks are one write: with half of them the other half would be loaded on top of its rows.
func TestMarksAreAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	one := rows(1, 1)
	w.fill(0, ledger.PerStatement+1, func(int) []byte { return one })
	w.SQL(t, "INSERT INTO t VALUES (1, 'by hand')")
	mark := func() error {
		return w.mark(ld, "loaded", plan.Options{})
	}
	t.Run("cut off", func(t *testing.T) {
		w.Fault(t, databendtest.Fault{Action: "drop_before", Match: "INSERT INTO `" + w.StateDB + "`.`ledger`", Skip: 1, Times: 20})
		if err := mark(); err == nil {
			t.Error("got no error, want the lost connection's")
		}
	})
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "1 row")
	if err := mark(); err != nil {
		t.Fatal(err)
	}
	w.mustRun(ld, plan.Options{}, 0, 0)
}

// A person's word about one file, or about another load's, says nothing about where the table's rows are from.
func TestMarksThatSayNothingOfTheRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	other := w.load(strings.Replace(copyRows, "/p/", "/q/", 1), func(ld *project.Load) { ld.Name = "other" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(4, 3))
	w.Put(t, "q/c.parquet", rows(7, 3))
	w.SQL(t, "INSERT INTO t SELECT number, 'by hand' FROM numbers(9)")
	mark := func(ld project.Load, as string, o plan.Options) {
		t.Helper()
		if err := w.mark(ld, as, o); err != nil {
			t.Fatal(err)
		}
	}
	mark(ld, "quarantined", plan.Options{Path: "p/a.parquet"})
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "9 rows")
	mark(ld, "loaded", plan.Options{})
	w.mustRun(ld, plan.Options{}, 0, 0)
	_, err = w.run(other, plan.Options{})
	w.wantExit(err, exit.Check, "9 rows")
	mark(other, "new", plan.Options{})
	w.mustRun(other, plan.Options{}, 1, 3)
	w.wantRows(12)
}

// The bucket was copied and the stage points to the copy.
func TestStageThatMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.Put(t, "moved/p/a.parquet", rows(1, 3))
	w.SQL(t, w.StageSQL(w.stage, "moved/", "PARQUET"))
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "another URL")
	if err := w.mark(ld, "loaded", plan.Options{}); err != nil {
		t.Fatal(err)
	}
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.Put(t, "moved/p/b.parquet", rows(4, 1))
	w.mustRun(ld, plan.Options{}, 1, 1)
	w.wantRows(4)
}

// TRUNCATE clears the engine's memory of what it had not forgotten by itself: what is older went with it.
func TestTruncatedBehindOldFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/old.parquet", rows(1, 3))
	w.Put(t, "p/young.parquet", rows(4, 3))
	w.mustRun(ld, plan.Options{}, 2, 6)
	w.SQL(t, "UPDATE "+w.StateDB+".ledger SET `at`=date_sub(day, 3, `at`) WHERE path='p/old.parquet'", "TRUNCATE TABLE t",
		"INSERT INTO t VALUES (1, 'by hand')")
	w.states(ld, plan.Options{}, "old.parquet emptied", "young.parquet emptied")
	w.mustRun(ld, plan.Options{}, 0, 0)
	if notes := w.notes(); !strings.Contains(notes, "2 loaded files are gone") {
		t.Errorf("got %q, want that the rows of both are gone", notes)
	}
}

// A server that passes over files without a word: a label of the COPY that was used before.
func TestFilesThatGiveNoRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	label := fmt.Sprintf("label-%s-%d", w.Database, time.Now().UnixNano())
	ld := w.load(strings.Replace(copyRows, "COPY INTO", "COPY /*+ SET_VAR(deduplicate_label='"+label+"') */ INTO", 1))
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.Put(t, "p/b.parquet", rows(4, 3))
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "p/b.parquet")
}

// The flag is for loads that can: it stops none that has nothing to replace.
func TestReplaceByFlag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{OnChanged: "replace"}, 1, 3)
	w.Put(t, "p/a.parquet", rows(1, 4))
	_, err := w.plan(ld, plan.Options{OnChanged: "replace"})
	w.wantExit(err, exit.Usage, "column that holds its name")
	_, err = w.run(ld, plan.Options{OnChanged: "replace"})
	w.wantExit(err, exit.Usage, "column that holds its name")
	_, err = w.run(w.load("COPY INTO t FROM (SELECT id::INT, metadata$filename FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')",
		func(ld *project.Load) { ld.FilenameColumn = "name" }), plan.Options{OnChanged: "replace"})
	w.wantExit(err, exit.Usage, "names of the columns")
	_, err = w.run(w.load("COPY INTO t FROM (SELECT id::INT FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')"),
		plan.Options{Path: "p/*", Force: true})
	wantHint(t, err, "name the columns")
}

// Text files that hold no line of data are in no COPY's result, and alone in one the engine does not even hold them for loaded: they are
// looked at, noted and told of. What such a file becomes later is loaded, since nothing of it is in the table.
func TestTextFilesWithoutRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load("COPY INTO t (id, name) FROM (SELECT $1, $2 FROM @st/p/) FILE_FORMAT = (TYPE = CSV, SKIP_HEADER = 1)")
	w.Put(t, "p/header.csv", []byte("id,name\n"))
	w.Put(t, "p/blank.csv", []byte("\n\n"))
	w.Put(t, "p/a.csv", []byte("id,name\n1,x\n"))
	w.mustRun(ld, plan.Options{}, 3, 1)
	if got := w.notes(); !strings.Contains(got, "no row is in 2 files") || !strings.Contains(got, "p/blank.csv, p/header.csv") {
		t.Errorf("got %q", got)
	}
	w.states(ld, plan.Options{}, "a.csv loaded", "blank.csv loaded", "header.csv loaded")
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.Put(t, "p/alone.csv", []byte("id,name\n"))
	w.mustRun(ld, plan.Options{}, 1, 0)
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.Put(t, "p/alone.csv", []byte("id,name\n2,y\n"))
	w.Put(t, "p/header.csv", []byte("id,name\n3,z\n"))
	w.Put(t, "p/none.csv", []byte("id,name\n"))
	w.mustRun(ld, plan.Options{Atomic: true}, 3, 2)
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.wantRows(3)
	w.Put(t, "p/only.csv", []byte("id,name\n"))
	w.mustRun(ld, plan.Options{Atomic: true}, 1, 0)
	w.Put(t, "p/late.csv", []byte("id,name\n"))
	w.Put(t, "p/bad.csv", []byte("id,name\nx,y\n"))
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "1 bad file, the others are loaded: p/bad.csv")
	lines := w.load("COPY INTO t FROM @st/q/ FILE_FORMAT = (TYPE = NDJSON)", func(ld *project.Load) { ld.Name = "lines" })
	w.Put(t, "q/blank.ndjson", []byte("\n"))
	w.mustRun(lines, plan.Options{}, 1, 0)
	w.mustRun(lines, plan.Options{}, 0, 0)
}

// A COPY with FILES is about those and no others: what another load of the table brought, and is gone from the stage, is none of its.
func TestFilesBesideAnotherLoadsVanishedOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := w.load(copyRows)
	one := w.load(copyRows+" FILES = ('b.parquet')", func(ld *project.Load) { ld.Name = "one" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(all, plan.Options{}, 1, 3)
	w.Delete(t, "p/a.parquet")
	w.Put(t, "p/b.parquet", rows(4, 1))
	w.mustRun(one, plan.Options{}, 1, 1)
	before := w.SQL(t, "SELECT count(*) FROM "+w.StateDB+".ledger")[0][0]
	w.mustRun(one, plan.Options{}, 0, 0)
	if after := w.SQL(t, "SELECT count(*) FROM "+w.StateDB+".ledger")[0][0]; after != before {
		t.Errorf("a run of nothing wrote: %s rows in the ledger, then %s", before, after)
	}
	if p, err := w.plan(one, plan.Options{}); err != nil || p.Counts[event.Vanished].Files != 0 || len(p.Past) != 0 {
		t.Errorf("got %+v, %d of others, %v; want b.parquet loaded and nothing else", p.Counts, len(p.Past), err)
	}
}

// A table that was marked once is known to its load: for new files of a path, and for all that comes.
func TestNewFilesOfAMarkedTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.SQL(t, "INSERT INTO t VALUES (1, 'by hand')")
	w.Put(t, "p/old/a.parquet", rows(1, 1))
	if err := w.mark(ld, "loaded", plan.Options{}); err != nil {
		t.Fatal(err)
	}
	w.Put(t, "p/new/b.parquet", rows(2, 1))
	w.mustRun(ld, plan.Options{Path: "p/new/**"}, 1, 1)
	w.Delete(t, "p/old/a.parquet")
	w.Put(t, "p/new/c.parquet", rows(3, 1))
	w.mustRun(ld, plan.Options{}, 1, 1)
}

// Of a file that came bad behind a version without rows there is nothing to be replaced, and nothing that is missing.
func TestReplaceOfAVersionWithoutRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
	ld := w.load(copySource, func(ld *project.Load) { ld.FilenameColumn, ld.OnChanged = "src", "replace" })
	w.Put(t, "p/a.parquet", rows(1, 0))
	w.mustRun(ld, plan.Options{}, 1, 0)
	w.Put(t, "p/a.parquet", rows(1, 3)[:60])
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "p/a.parquet")
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.wantRows(3)
}
