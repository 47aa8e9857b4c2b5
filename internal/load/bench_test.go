package load

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/state"
)

// fill puts n objects of content below p/, some at a time.
func (w *world) fill(n int, content func(int) []byte) {
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < n; i += 8 {
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

// BenchmarkPlan plans 20,000 objects, 15,000 of them loaded, against a ledger of 2,000,000 rows; the measure is its ratio to a bare
// LIST of the same objects through the same session.
func BenchmarkPlan(b *testing.B) {
	w := newWorld(b)
	ld := w.load(copyRows)
	one := rows(1, 1)
	w.fill(20_000, func(int) []byte { return one })
	err := w.with(b.Context(), func(l *Loader) error {
		if _, err := l.Run(b.Context(), ld, Options{Limit: 15_000}); err != nil {
			return err
		}
		w.SQL(b, "CREATE TABLE two_million AS SELECT * FROM "+w.StateDB+".ledger WHERE state='loaded' LIMIT 1",
			"UPDATE two_million SET event_id='x', path='old/'")
		w.SQL(b, "INSERT INTO "+w.StateDB+".ledger (event_id, project, `database`, run, `at`, took_ms, target, table_id, `stage`, stage_url, path, size, etag, mtime, row_count, state, source, load_name, checksum, query_id, error, reason) "+
			"SELECT concat('x', to_string(number)), project, `database`, run, `at`, took_ms, target, table_id, `stage`, stage_url, concat(if(number % 2 = 0, 'p/', 'old/'), to_string(number)), size, etag, mtime, row_count, state, source, load_name, checksum, query_id, error, reason FROM two_million, numbers(2000000)")
		for b.Loop() {
			list := fastest(3, func() {
				if _, err := l.work.Query(b.Context(), databend.Statement{SQL: "SELECT * FROM LIST_STAGE(location=>'@" + w.stage + "/p/')"}); err != nil {
					b.Fatal(err)
				}
			})
			var p *Plan
			plan := fastest(3, func() {
				j, err := newJob(ld, w.Database)
				if err == nil {
					p, err = l.plan(b.Context(), j, Options{})
				}
				if err != nil {
					b.Fatal(err)
				}
			})
			if p.Counts[New].Files != 5_000 || p.Counts[Loaded].Files != 15_000 || p.Counts[Vanished].Files != 1_000_000 {
				b.Fatalf("got %+v", p.Counts)
			}
			b.ReportMetric(plan.Seconds()/list.Seconds(), "plan/list")
			b.ReportMetric(float64(list.Milliseconds()), "list-ms")
			b.ReportMetric(float64(plan.Milliseconds()), "plan-ms")
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLoad loads 2,000,000 rows in 20 files; the measure is its ratio to the same COPY raw, into a table of its own.
func BenchmarkLoad(b *testing.B) {
	w := newWorld(b)
	ld := w.load(copyRows)
	w.fill(20, func(i int) []byte { return rows(i*100_000, 100_000) })
	w.Put(b, "q/a.parquet", rows(1, 1))
	w.SQL(b, "CREATE TABLE raw LIKE t")
	raw := w.load("COPY INTO raw (id, name) FROM (SELECT id::INT, name::STRING FROM @st/p/) PATTERN = '.*[.]parquet' FILE_FORMAT = (TYPE = 'PARQUET')")
	err := w.with(b.Context(), func(l *Loader) error {
		if _, err := l.Run(b.Context(), w.load("COPY INTO t (id, name) FROM (SELECT id::INT, name::STRING FROM @st/q/) FILE_FORMAT = (TYPE = 'PARQUET')"), Options{}); err != nil {
			return err // the state tables are made
		}
		for b.Loop() {
			bare, ours := time.Hour, time.Hour
			for range 3 {
				start := time.Now()
				if _, err := l.work.Query(b.Context(), databend.Statement{SQL: raw.Statement.SQL}); err != nil {
					return err
				}
				bare = min(bare, time.Since(start))
				start = time.Now()
				res, err := l.Run(b.Context(), ld, Options{})
				if err != nil || res.Rows != 2_000_000 {
					return fmt.Errorf("loaded %d rows: %w", res.Rows, err)
				}
				ours = min(ours, time.Since(start))
				w.SQL(b, "TRUNCATE TABLE raw", "TRUNCATE TABLE t", "DELETE FROM "+w.StateDB+".ledger WHERE state='"+state.FileLoaded+"'")
			}
			b.ReportMetric(ours.Seconds()/bare.Seconds(), "load/copy")
			b.ReportMetric(float64(bare.Milliseconds()), "copy-ms")
			b.ReportMetric(float64(ours.Milliseconds()), "load-ms")
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
