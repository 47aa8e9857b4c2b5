package load

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// TestProofManyFiles loads small objects under one path, more of them than one COPY takes (DBCTL_PROOF=full: 20,000), with two bad
// ones among them, and finds nothing to do the second time.
func TestProofManyFiles(t *testing.T) {
	t.Parallel()
	n := 300
	if databendtest.Full() {
		n = 20_000
	}
	w := newWorld(t)
	ld := w.load(copyRows + ` PATTERN = '0.*|(bad|new)[.]parquet'`)
	w.Put(t, "p/not new.parquet", rows(1, 1)) // which the engine's ^0.*|(bad|new)[.]parquet$ would take
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < n; i += 8 {
				w.Put(t, fmt.Sprintf("p/%06d.parquet", i), rows(i, 1))
			}
		})
	}
	wg.Wait()
	began := time.Now()
	w.mustRun(ld, plan.Options{}, n, int64(n))
	loaded := time.Since(began)
	began = time.Now()
	w.mustRun(ld, plan.Options{}, 0, 0)
	t.Logf("%d objects loaded in %s; nothing to do in %s", n, loaded.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	w.Put(t, fmt.Sprintf("p/%06d.parquet", n/3), rows(1, 1)[:90])
	w.Put(t, "p/bad.parquet", rows(1, 1)[:90])
	w.Put(t, "p/new.parquet", rows(n, 1))
	began = time.Now()
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "p/bad.parquet", "overwritten")
	if res.Files != 1 {
		t.Errorf("got %d files loaded, want the new one", res.Files)
	}
	t.Logf("one new, one bad, one overwritten among them: %s", time.Since(began).Round(time.Millisecond))
	if got := w.SQL(t, "SELECT count(*), count(DISTINCT id) FROM t")[0]; got[0] != fmt.Sprint(n+1) || got[1] != got[0] {
		t.Errorf("got %v rows and ids, want %d of each", got, n+1)
	}
}
