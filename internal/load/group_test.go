package load

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/run"
	"github.com/dbctl/dbctl/internal/project"
)

// Parquet schemas of one feed over the years: columns in another order, wider, more, required, and one that lacks name.
type (
	reordered struct {
		Name string `parquet:"name"`
		ID   int32  `parquet:"id"`
	}
	wide struct {
		ID   int64  `parquet:"id"`
		Name string `parquet:"name"`
	}
	more struct {
		ID    int32   `parquet:"id"`
		Name  string  `parquet:"name"`
		Extra float64 `parquet:"extra"`
	}
	nullable struct {
		ID   *int32  `parquet:"id,optional"`
		Name *string `parquet:"name,optional"`
	}
	nameless struct {
		ID int32 `parquet:"id"`
	}
)

func TestFilesOfDifferentSchemasLoad(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, below string) {
		ld := w.load(copyRows)
		id, name := int32(5), "e"
		w.Put(w.t, "p/1.parquet", rows(1, 1))
		w.Put(w.t, "p/2.parquet", file([]reordered{{"b", 2}}))
		w.Put(w.t, "p/3.parquet", file([]wide{{3, "c"}}))
		w.Put(w.t, "p/4.parquet", file([]more{{4, "d", 1.5}}))
		w.Put(w.t, "p/5.parquet", file([]nullable{{&id, &name}}))
		w.Put(w.t, "p/6.parquet", rows(6, 1))
		w.Put(w.t, "p/7.parquet", file([]nameless{{7}}))
		res, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, below+"7.parquet (the file has no column name)")
		if res.Files != 6 || res.Rows != 6 {
			w.t.Errorf("got %+v, want 6 files, 6 rows", res)
		}
		ld.Optional = []string{"name"}
		ld.Checksum += " with a header"
		w.mustRun(ld, plan.Options{}, 1, 1)
		got := w.SQL(w.t, "SELECT id, coalesce(name, 'NULL') FROM t ORDER BY id")
		if diff := cmp.Diff(got, [][]string{
			{"1", "row 1"},
			{"2", "b"},
			{"3", "c"},
			{"4", "d"},
			{"5", "e"},
			{"6", "row 6"},
			{"7", "NULL"},
		}); diff != "" {
			w.t.Errorf("rows (-got +want):\n%s", diff)
		}
	})
}

// 200 daily files: a schema change half way, some changed, some bad.
func TestYearOfDailyFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows, func(ld *project.Load) { ld.OnChanged = "skip" })
	name := func(i int) string { return fmt.Sprintf("p/day=%03d/f.parquet", i) }
	bad := map[int]bool{7: true, 120: true, 199: true}
	for i := range 200 {
		content := rows(i, 2)
		if i >= 100 {
			content = file([]more{{int32(i), "x", 1}, {int32(i), "y", 2}})
		}
		if bad[i] {
			content = content[:len(content)-20]
		}
		w.Put(t, name(i), content)
	}
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "3 bad files")
	if res.Files != 197 || res.Rows != 394 {
		t.Errorf("got %+v, want 197 files, 394 rows", res)
	}
	w.wantRows(394)
	for i := range 200 { // a week later: some overwritten, the bad mended, and new ones
		switch {
		case bad[i]:
			w.Put(t, name(i), rows(i, 1))
		case i%50 == 0:
			w.Put(t, name(i), rows(i, 5))
		}
	}
	for i := 200; i < 207; i++ {
		w.Put(t, name(i), file([]reordered{{"z", int32(i)}}))
	}
	w.mustRun(ld, plan.Options{}, 10, 10)
	w.wantRows(404)
	if p, _ := w.plan(ld, plan.Options{}); p.Counts[event.Changed].Files != 4 || p.Counts[event.Loaded].Files != 203 {
		t.Errorf("got %+v, want 4 changed, 203 loaded", p.Counts)
	}
}

// Above ByPrefixFrom files an exact plan goes by prefix and pattern, and never takes what the plan leaves out.
func TestManyFilesGoByPrefix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	for i := range run.ByPrefixFrom + 20 {
		w.Put(t, fmt.Sprintf("p/%04d.parquet", i), rows(i, 1))
	}
	w.Put(t, "p/_SUCCESS", nil)
	sent := ""
	w.cfg = func(c *databend.Config) {
		c.Transport = wire{func(sql string) {
			if strings.HasPrefix(sql, "COPY") {
				sent = sql
			}
		}}
	}
	w.mustRun(ld, plan.Options{}, run.ByPrefixFrom+20, run.ByPrefixFrom+20)
	if strings.Contains(sent, "FILES = (") || !strings.Contains(sent, "PATTERN =") {
		t.Errorf("got %s, want it by prefix", sent)
	}
	w.Put(t, "p/empty.parquet", nil)
	w.SQL(t, "CREATE TABLE u (id INT, name STRING)")
	w.mustRun(w.load(strings.Replace(copyRows, "INTO t", "INTO u", 1)), plan.Options{}, run.ByPrefixFrom+20, run.ByPrefixFrom+20)
	if !strings.Contains(sent, "FILES = (") {
		t.Errorf("got %s, want the files by name: a COPY by prefix would record the empty one", sent)
	}
	w.Delete(t, "p/empty.parquet")
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.wantRows(run.ByPrefixFrom + 20)
}

// A table that takes new columns from its files gets them from files of several schemas: each schema by a COPY of its own.
func TestFilesThatBringColumns(t *testing.T) {
	t.Parallel()
	type more struct {
		ID   int32  `parquet:"id"`
		Name string `parquet:"name"`
		More string `parquet:"more"`
	}
	for _, atomic := range []bool{false, true} {
		w := newWorld(t)
		w.SQL(t, "CREATE OR REPLACE TABLE t (id INT) ENABLE_SCHEMA_EVOLUTION = true")
		ld := w.load("COPY INTO t FROM @st/p/ FILE_FORMAT = (TYPE = PARQUET)")
		w.Put(t, "p/a.parquet", rows(1, 3))
		w.Put(t, "p/b.parquet", file([]more{{9, "x", "y"}}))
		w.mustRun(ld, plan.Options{Atomic: atomic}, 2, 4)
		w.mustRun(ld, plan.Options{}, 0, 0)
		w.wantRows(4)
	}
}
