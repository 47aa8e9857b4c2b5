package load

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
)

// fill puts the objects from until to below p/, some at a time.
func (w *world) fill(from, to int, content func(int) []byte) {
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := from + part; i < to; i += 8 {
				if err := w.S3.Put(context.Background(), w.Bucket, fmt.Sprintf("%sp/%06d.parquet", w.Prefix, i), content(i)); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
}

// fastest is the best of n times of f.
func fastest(n int, f func()) time.Duration {
	best := time.Hour
	for range n {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	return best
}

// BenchmarkPlan plans 20,000 objects, 15,000 of them loaded, with a ledger of those and with one of 2,000,000 rows more, half of them
// of vanished files of this load, which are counted where files are named; the measure is its ratio to a bare LIST of the same objects
// through the same session.
func BenchmarkPlan(b *testing.B) {
	w := newWorld(b)
	ld := w.load(copyRows)
	w.fill(0, 20_000, func(i int) []byte { return rows(i, 1) })
	measure := func(b *testing.B, l *Loader, vanished int64, want plan.Want) {
		for b.Loop() {
			list := fastest(3, func() {
				if _, err := l.planner.Work.Query(b.Context(),
					databend.Statement{SQL: "SELECT * FROM LIST_STAGE(location=>'@" + w.stage + "/p/')"}); err != nil {
					b.Fatal(err)
				}
			})
			var p *plan.Plan
			took := fastest(3, func() {
				j, err := source.New(ld, "p", w.Database)
				if err == nil {
					p, err = l.planner.Plan(b.Context(), j, want)
				}
				if err != nil {
					b.Fatal(err)
				}
			})
			if p.Counts[event.New].Files != 5_000 || p.Counts[event.Loaded].Files != 15_000 || p.Counts[event.Vanished].Files != vanished {
				b.Fatalf("got %+v", p.Counts)
			}
			b.ReportMetric(took.Seconds()/list.Seconds(), "plan/list")
			b.ReportMetric(float64(list.Milliseconds()), "list-ms")
			b.ReportMetric(float64(took.Milliseconds()), "plan-ms")
		}
	}
	err := w.with(b.Context(), func(l *Loader) error {
		if _, err := l.run(b.Context(), ld, plan.Options{Limit: 15_000}, nil); err != nil {
			return err
		}
		b.Run("ledger=15000", func(b *testing.B) { measure(b, l, 0, plan.Want{Vanished: true}) })
		columns := "event_id, project, `database`, run, `at`, took_ms, target, table_id, `stage`, stage_url, path, size, etag, mtime, " +
			"row_count, state, source, load_name, checksum, query_id, error, reason"
		values := strings.NewReplacer("event_id", "concat('x', to_string(number))", "path",
			"concat(if(number % 2 = 0, 'p/', 'old/'), to_string(number))").Replace(columns)
		w.SQL(b, "CREATE TABLE one AS SELECT * FROM "+w.StateDB+".ledger WHERE state='loaded' LIMIT 1",
			"INSERT INTO "+w.StateDB+".ledger ("+columns+") SELECT "+values+" FROM one, numbers(2000000)")
		b.Run("ledger=2015000/run", func(b *testing.B) { measure(b, l, 0, plan.Want{}) })
		b.Run("ledger=2015000/plan", func(b *testing.B) { measure(b, l, 0, plan.Want{Vanished: true}) })
		b.Run("ledger=2015000/path", func(b *testing.B) {
			measure(b, l, 1_000_000, plan.Want{Vanished: true, Options: plan.Options{Path: "*"}})
		})
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLoad loads as many files of 100,000 rows as a raw COPY takes 2 or 10 seconds for; the measure is its ratio to that COPY, into a
// table of its own.
func BenchmarkLoad(b *testing.B) {
	w := newWorld(b)
	w.Put(b, "first/a.parquet", rows(1, 1))
	w.mustRun(w.load(strings.Replace(copyRows, "/p/", "/first/", 1)), plan.Options{}, 1, 1) // the state tables are made
	err := w.with(b.Context(), func(l *Loader) error {
		copyRaw := func(into string) time.Duration {
			w.SQL(b, "CREATE OR REPLACE TABLE "+into+" (id INT, name STRING)")
			start := time.Now()
			if _, err := l.planner.Work.Query(b.Context(),
				databend.Statement{SQL: w.load(strings.Replace(copyRows, "INTO t", "INTO "+into, 1)).Statement.SQL}); err != nil {
				b.Fatal(err)
			}
			return time.Since(start)
		}
		n := 0
		for _, work := range []time.Duration{2 * time.Second, 10 * time.Second} {
			for more := n + 8; more > n; { // as many files as take the time
				w.fill(n, more, func(i int) []byte { return rows(i*100_000, 100_000) })
				n = more
				more = int(float64(n) * work.Seconds() / min(copyRaw("raw"), copyRaw("raw")).Seconds())
			}
			b.Run(work.String(), func(b *testing.B) {
				for b.Loop() {
					bare, ours := time.Hour, time.Hour
					for range 3 {
						bare = min(bare, copyRaw("raw"))
						w.SQL(b, "CREATE OR REPLACE TABLE t (id INT, name STRING)")
						start := time.Now()
						if res, err := l.run(b.Context(), w.load(copyRows), plan.Options{}, nil); err != nil || res.Files != n {
							b.Fatalf("loaded %d files, want %d: %v", res.Files, n, err)
						}
						ours = min(ours, time.Since(start))
					}
					b.ReportMetric(ours.Seconds()/bare.Seconds(), "load/copy")
					b.ReportMetric(float64(bare.Milliseconds()), "copy-ms")
					b.ReportMetric(float64(ours.Milliseconds()), "load-ms")
				}
			})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
