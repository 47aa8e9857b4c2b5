package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// What a run sends, by its first words: a constant number of requests, and none of EXPLAIN, INFER_SCHEMA and UPDATE. The marks on its
// lock do not count: a slow machine gives time for more of them.
func TestRequestsOfARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	var mu sync.Mutex
	var sent []string
	w.cfg = func(c *databend.Config) {
		sent = nil
		c.Transport = wire{func(sql string) {
			mu.Lock()
			defer mu.Unlock()
			if !strings.HasPrefix(sql, "ALTER TABLE") {
				sent = append(sent, sql)
			}
		}}
	}
	begins := func() (out []string) {
		for _, sql := range sent {
			out = append(out, strings.ToUpper(sql[:min(60, len(sql))]))
		}
		return out
	}
	w.mustRun(ld, plan.Options{}, 0, 0)
	if len(sent) != 8 { // who we are; the state's schema, its locks, the places; what is there, remembered, known; about a FLASHBACK
		t.Errorf("a run with nothing to do sent %d statements, want 8:\n%s", len(sent), strings.Join(begins(), "\n"))
	}
	for i := range 150 { // by prefix
		w.Put(t, fmt.Sprintf("p/%03d.parquet", i), rows(i, 1))
	}
	w.mustRun(ld, plan.Options{}, 150, 150)
	if len(sent) > 20 { // one of them only where it takes seconds
		t.Errorf("a run sent %d statements, want at most 20:\n%s", len(sent), strings.Join(begins(), "\n"))
	}
	for _, sql := range begins() {
		if strings.HasPrefix(sql, "EXPLAIN") || strings.HasPrefix(sql, "UPDATE") {
			t.Errorf("a run sent %s", sql)
		}
	}
	if all := strings.ToUpper(strings.Join(sent, "\n")); strings.Contains(all, "INFER_SCHEMA") || strings.Contains(all, "INSPECT_PARQUET") {
		t.Errorf("a run asked for a file's schema:\n%s", strings.Join(begins(), "\n"))
	}
}

// A run whose plan was made while another held the lock must not trust it: that one's rows are older than the plan, and were not yet
// there. With FORCE the engine would load the file again.
func TestPlanMadeWhileAnotherRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	if err := w.with(t.Context(), func(l *Loader) error { return l.Mark(t.Context(), ld, "new", "again", plan.Options{}) }); err != nil {
		t.Fatal(err)
	}
	planned, other := make(chan struct{}), make(chan error, 1)
	w.beforeFirst("COMMIT", func() {
		cfg := w.Config
		var once sync.Once
		cfg.Transport = wire{func(sql string) {
			if strings.HasPrefix(sql, "SELECT name,table_id") { // it looks for the lock
				once.Do(func() { close(planned) })
			}
		}}
		go func() {
			other <- w.child(t.Context(), cfg, "other", nil, func(l *Loader) error {
				l.cfg.LockWait = 10 * time.Minute
				res, err := l.run(context.Background(), ld, plan.Options{}, nil)
				if err == nil && res.Files != 0 {
					err = fmt.Errorf("loaded %d files, want 0", res.Files)
				}
				return err
			})
		}()
		<-planned
	})
	w.mustRun(ld, plan.Options{}, 1, 3)
	if err := <-other; err != nil {
		t.Error(err)
	}
	w.wantRows(6)
}

// A file system has no etags: size and time say what changed.
func TestStageWithoutETags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if !w.Embedded {
		t.Skip("a stage over a folder needs a server on this machine")
	}
	dir := t.TempDir()
	put := func(name string, content []byte, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, "p", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if at := time.Now().Add(-age); os.Chtimes(path, at, at) != nil {
			t.Fatal("cannot set the time of " + path)
		}
	}
	w.SQL(t, "CREATE OR REPLACE STAGE "+w.stage+" URL = 'fs://"+dir+"/' FILE_FORMAT = (TYPE = PARQUET)")
	ld := w.load(copyRows)
	put("a.parquet", rows(1, 3), time.Hour)
	put("b.parquet", rows(11, 2), time.Hour)
	w.mustRun(ld, plan.Options{}, 2, 5)
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.states(ld, plan.Options{}, "a.parquet loaded", "b.parquet loaded")
	put("b.parquet", rows(21, 2), 0) // of the same size
	put("c.parquet", rows(31, 1), 0)
	w.states(ld, plan.Options{}, "a.parquet loaded", "b.parquet changed", "c.parquet new")
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "p/b.parquet")
	if res.Files != 1 {
		t.Errorf("got %d files loaded, want c.parquet", res.Files)
	}
}

func TestListWithinTheWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows, func(ld *project.Load) { ld.Window = project.Window{Layout: "day=%Y-%m-%d", Span: 7 * 24 * time.Hour} })
	today := time.Now().UTC().Format("2006-01-02")
	w.Put(t, "p/day=2020-01-01/a.parquet", rows(1, 1))
	list := func() event.LoadState {
		t.Helper()
		if err := w.with(t.Context(), func(l *Loader) error { return l.List(t.Context(), []project.Load{ld}) }); err != nil {
			t.Fatal(err)
		}
		return w.events[0].(event.LoadState)
	}
	if got := list(); got.Counts["new"] != 1 { // a full pass is due
		t.Errorf("got %+v, want 1 new", got)
	}
	w.mustRun(ld, plan.Options{}, 1, 1)
	w.Put(t, "p/day=2020-01-02/late.parquet", rows(2, 1))
	w.Put(t, "p/day="+today+"/b.parquet", rows(3, 1))
	if got := list(); got.Counts["new"] != 1 || got.Counts["vanished"] != 0 {
		t.Errorf("got %+v, want 1 new", got)
	}
}

// Years of cron append a row or two at a time: the server joins their blocks after a write, as our session tells it to.
func TestLedgerStaysCompact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	err := w.with(t.Context(), func(l *Loader) error {
		for i := range 60 {
			if err := l.planner.Store.AppendLedger(t.Context(),
				[]state.LedgerRow{{Path: fmt.Sprintf("p/%d", i), State: ledger.FileNew, Source: ledger.SourcePerson}}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := w.SQL(t, "SELECT num_rows, number_of_blocks < 40 FROM system.tables WHERE database='"+w.StateDB+"' AND name='ledger'")
	if diff := cmp.Diff(got, [][]string{{"62", "1"}}); diff != "" {
		t.Errorf("ledger: rows, few blocks (-got +want):\n%s", diff)
	}
}

// A COMMIT that takes long is told of, at once and again: nothing must look dead.
func TestSlowCommitIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", rows(1, 3))
	told := ""
	w.cfg = func(c *databend.Config) {
		c.Transport = wire{func(sql string) {
			switch {
			case strings.HasPrefix(sql, "COPY INTO"):
				w.mu.Lock()
				for _, e := range w.events {
					if p, ok := e.(event.Progress); ok {
						told = fmt.Sprintf("%q %d of %d", p.Phase, p.Done, p.Total)
					}
				}
				w.mu.Unlock()
			case sql == "COMMIT":
				time.Sleep(5 * time.Second)
			}
		}}
	}
	w.mustRun(w.load(copyRows), plan.Options{}, 1, 3)
	var phases []string
	for _, e := range w.events {
		if p, ok := e.(event.Progress); ok && p.Phase != "" && (len(phases) == 0 || p.Phase == "committing" || p.Phase != phases[len(phases)-1]) {
			phases = append(phases, p.Phase)
		}
	}
	want := []string{"listing", "taking the lock", "checking rules", "listing", "checking rules", "committing", "committing", "committing"}
	if diff := cmp.Diff(want, phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	if want := `"" 0 of 1`; told != want {
		t.Errorf("told before the COPY: %s, want %s", told, want)
	}
}
