package load

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// A file that is listed and cannot be had holds nothing else up, is named, and is tried again.
func TestFileThatTheStoreDoesNotGive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows + " PATTERN = '.*[.]parquet'")
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/dir//b.parquet", rows(11, 2)) // the engine asks for p/dir/b.parquet
	w.Put(t, "p/c.parquet", rows(21, 1))
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "1 bad file, the others are loaded: p/dir//b.parquet (rename it: the server would ask the store for p/dir/b.parquet in its place)")
	if res.Files != 2 {
		t.Errorf("got %+v, want 2 files loaded", res)
	}
	w.wantRows(4)
	if diff := cmp.Diff(w.ledger(), []string{"a.parquet loaded dbctl 3", "c.parquet loaded dbctl 1"}); diff != "" {
		t.Errorf("ledger (-got +want):\n%s", diff)
	}
	if _, err = w.run(ld, plan.Options{Atomic: true}); err == nil {
		t.Error("an atomic load passed over the file")
	}
	w.Delete(t, "p/dir//b.parquet")
	w.Put(t, "p/dir/b.parquet", rows(11, 2))
	w.mustRun(ld, plan.Options{}, 1, 2)
	w.wantRows(6)
}

func TestValidateFindsWhatARunFinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows+" PATTERN = '.*[.]parquet'", func(ld *project.Load) { ld.OnChanged = "skip" })
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(11, 3)[:50])
	w.Put(t, "p/c.parquet", nil)
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "p/b.parquet")
	w.Put(t, "p/dir//d.parquet", rows(11, 2))
	err = w.validate(ld, plan.Options{})
	w.wantExit(err, exit.Check, "2 invalid files", "p/b.parquet (its footer", "p/dir//d.parquet (rename it: ")
	want := []string{"b.parquet new invalid", "c.parquet unfinished skipped", "dir//d.parquet new invalid"}
	if diff := cmp.Diff(w.outcomes(), want); diff != "" {
		t.Errorf("files (-got +want):\n%s", diff)
	}
}

// The server takes blanks off a name at a place's root and empty folders out of one: it would read another file a second time.
func TestFileThatIsReadAsAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/ a.parquet", rows(11, 2))
	w.Put(t, "p/b.parquet ", rows(21, 2))
	w.Put(t, "p/dir/c.parquet", rows(31, 1))
	w.Put(t, "p/dir//c.parquet", rows(41, 1))
	ld := w.fromURI("p/", func(location string) string {
		return "COPY INTO t FROM " + location + " PATTERN = '.*[.]parquet *' FILE_FORMAT = (TYPE = PARQUET)"
	})
	for range 2 {
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, " a.parquet (rename it: the server would ask the store for a.parquet in its place)",
			"b.parquet  (rename it", "dir//c.parquet (rename it: the server would ask the store for dir/c.parquet in its place)")
		w.wantRows(4)
	}
	w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "3 invalid files", " a.parquet (rename it")
}
