package load

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/state"
)

// runWith runs the load with a sink beside the world's own.
func (w *world) runWith(ld project.Load, o Options, sink event.Sink) (res Result, err error) {
	err = w.with(w.t.Context(), func(l *Loader) error {
		own := l.cfg.Sink
		l.cfg.Sink = func(e event.Event) { own(e); sink(e) }
		res, err = l.Run(w.t.Context(), ld, o)
		return err
	})
	return res, err
}

// A mark is about every file, and not about what a run loaded while it waited for the lock.
func TestMarkBehindARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows, func(ld *project.Load) { ld.Window = "day=%Y-%m-%d 7d" })
	today := "p/day=" + time.Now().UTC().Format("2006-01-02")
	w.Put(t, "p/day=2020-01-01/a.parquet", rows(1, 1))
	w.mustRun(ld, Options{}, 1, 1)
	w.Put(t, today+"/b.parquet", rows(2, 1))
	for _, o := range []Options{{Limit: 1}, {Order: "newest"}} {
		w.wantExit(w.with(t.Context(), func(l *Loader) error { return l.Mark(t.Context(), ld, "new", "because", o) }), exitUsage)
	}
	err := w.with(t.Context(), func(run *Loader) error {
		lock, err := run.store.AcquireTable(t.Context(), w.Database, "t", state.LockOptions{Run: databend.NewID()})
		if err != nil {
			return err
		}
		return w.with(t.Context(), func(l *Loader) error {
			l.cfg.LockWait = time.Minute
			l.cfg.Sink = func(event.Event) { // it waits
				if lock != nil {
					w.SQL(t, ld.Statement.SQL)
					if err := lock.Release(t.Context()); err != nil {
						t.Error(err)
					}
					lock = nil
				}
			}
			return l.Mark(t.Context(), ld, "new", "because", Options{})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantRows(2)
	w.mustRun(ld, Options{Full: true}, 1, 1) // a, outside the window; not b
	w.wantRows(3)
}

// What a COPY by prefix would take in beside the new files: one that was overwritten, and that the engine has forgotten.
func TestChangedFileBesideManyNewOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg = func(c *databend.Config) { c.Settings = map[string]string{"load_file_metadata_expire_hours": "0"} }
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, Options{}, 1, 3)
	w.Put(t, "p/a.parquet", rows(11, 2))
	for i := range byPrefixFrom {
		w.Put(t, fmt.Sprintf("p/b%03d.parquet", i), rows(i, 1))
	}
	res, err := w.run(ld, Options{})
	w.wantExit(err, exitStopped, "p/a.parquet")
	if res.Files != byPrefixFrom {
		t.Errorf("got %d files loaded, want %d", res.Files, byPrefixFrom)
	}
	w.wantRows(3 + byPrefixFrom)
}

// A new plan in the middle of a run knows what the run has done.
func TestForcedFileIsLoadedOnceThoughPlannedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	for _, f := range []string{"b", "c", "d"} {
		w.Put(t, "p/"+f+".parquet", rows(1, 1))
	}
	w.mustRun(ld, Options{}, 3, 3)
	w.Put(t, "p/a.parquet", rows(1, 10)) // the first batch: without FORCE
	res, err := w.runWith(ld, Options{Force: true, Path: "p/*", Limit: 2}, func(e event.Event) {
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
		_, err := w.run(w.load(strings.Replace(sql.Replace(copySource), "metadata$filename", expr, 1), replacing), Options{})
		w.wantExit(err, exitUsage, "not filled from metadata$filename")
	}
	one := w.load(strings.Replace(sql.Replace(copySource), "metadata$filename", "METADATA$filename AS f", 1), replacing)
	two := w.load(strings.Replace(sql.Replace(copySource), "@st/", "@"+w.stage+"_b/", 1), func(ld *project.Load) { ld.Name = "two" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(one, Options{}, 1, 3)
	w.Put(t, "p/a.parquet", rows(11, 2))
	w.mustRun(one, Options{}, 1, 2)
	w.wantRows(2)
	w.Put(t, "other/p/a.parquet", rows(21, 4))
	w.mustRun(two, Options{}, 1, 4)
	w.Put(t, "p/a.parquet", rows(31, 1))
	_, err := w.run(one, Options{})
	w.wantExit(err, exitStopped, "p/a.parquet", "another stage's file")
	if diff := cmp.Diff(w.outcomes(), []string{"a.parquet changed skipped"}); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
	w.wantRows(6)
}
