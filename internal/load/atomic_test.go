package load

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
)

func TestAtomicLoadsAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	ld.Optional = []string{"name"}
	w.Put(t, "p/1.parquet", rows(1, 1))
	w.Put(t, "p/2.parquet", file([]wide{{2, "b"}}))
	w.Put(t, "p/3.parquet", file([]nameless{{3}}))
	w.Put(t, "p/4.parquet", rows(4, 1)[:100])
	_, err := w.run(ld, plan.Options{Atomic: true})
	w.wantExit(err, exit.Failed, "p/4.parquet", "nothing was loaded")
	w.wantRows(0)
	if diff := cmp.Diff(w.ledger(), []string(nil)); diff != "" {
		t.Errorf("ledger (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(w.badEvents("failed"), []string{`4.parquet "" - ""`}); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
	w.Put(t, "p/4.parquet", rows(4, 1))
	w.mustRun(ld, plan.Options{Atomic: true}, 4, 4)
	w.wantRows(4)
	w.mustRun(ld, plan.Options{Atomic: true}, 0, 0)
}
