package project

import (
	"fmt"
	"path/filepath"
	"testing"
)

// many is a project of n migrations: a third with templates, a third with a Down, all with a comment.
func many(n int) files {
	all := files{ConfigFile: devConfig}
	for i := 1; i <= n; i++ {
		sql := fmt.Sprintf("-- Migration %d\n-- +goose Up\nCREATE TABLE t%d (\n  id STRING NOT NULL COMMENT 'the key; of it',\n  amount DOUBLE,\n  created_at TIMESTAMP\n);\n", i, i)
		switch i % 3 {
		case 0:
			sql += fmt.Sprintf("ALTER TABLE t%d ADD COLUMN c{{ var \"dim\" }} STRING;\n{{ if has \"bucket\" }}SELECT {{ var \"bucket\" | quote }}, '{{ secret \"KEY\" }}';{{ end }}\n", i)
		case 1:
			sql += fmt.Sprintf("\n-- +goose Down\nDROP TABLE t%d;\n", i)
		}
		all[filepath.Join(MigrationsDir, fmt.Sprintf("%05d_t%d.sql", i, i))] = sql
	}
	return all
}

// TestOpenIsLinear opens five times as many files with about five times the work, counted in allocations: a clock would judge the
// machine. BenchmarkOpen has the times: 5,000 files are to take less than a second.
func TestOpenIsLinear(t *testing.T) {
	work := func(n int) float64 {
		dir := folder(t, many(n))
		return testing.AllocsPerRun(1, func() {
			if p, err := Open(Options{Dir: dir}); err != nil || len(p.Migrations) != n {
				t.Fatalf("Open: %d migrations, %v", len(p.Migrations), err)
			}
		})
	}
	if few, all := work(500), work(2500); all > 6*few {
		t.Errorf("2,500 files take %.0f allocations, 500 take %.0f", all, few)
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{10, 1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := folder(b, many(n))
			for b.Loop() {
				if _, err := Open(Options{Dir: dir}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/file")
		})
	}
}

// BenchmarkOpenShipped opens CityDrive: what each start of dbctl pays.
func BenchmarkOpenShipped(b *testing.B) {
	for b.Loop() {
		if _, err := Open(Options{Dir: "../.."}); err != nil {
			b.Fatal(err)
		}
	}
}
