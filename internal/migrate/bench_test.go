package migrate

import (
	"fmt"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
)

// BenchmarkUp compares up with the same statements sent bare over one session, in the same run: "ratio" is how many times as long it
// takes, "requests" how many it needs in all.
func BenchmarkUp(b *testing.B) {
	plain := func(prefix string, v int) string { return fmt.Sprintf("CREATE TABLE %s%d (x INT)", prefix, v) }
	mixed := func(prefix string, v int) string {
		switch v % 4 {
		case 1:
			return fmt.Sprintf("CREATE OR REPLACE TABLE %s%d (x INT)", prefix, v)
		case 2:
			return fmt.Sprintf("ALTER TABLE %s%d ADD COLUMN y INT", prefix, v-1)
		case 3:
			return fmt.Sprintf("CREATE OR REPLACE VIEW v_%s%d AS SELECT * FROM %s%d", prefix, v, prefix, v-2)
		}
		return fmt.Sprintf("ALTER TABLE %s%d RENAME TO %s%d", prefix, v-3, prefix, v)
	}
	for _, c := range []struct {
		name string
		n    int
		text func(string, int) string
	}{{"plain", 1, plain}, {"plain", 10, plain}, {"plain", 300, plain}, {"mixed", 300, mixed}} {
		b.Run(fmt.Sprintf("%s-%d", c.name, c.n), func(b *testing.B) {
			var ours, bare time.Duration
			for b.Loop() {
				w := newWorld(b)
				session, err := w.srv.Session(b.Context(), pinned)
				w.must(err)
				start := time.Now()
				for v := 1; v <= c.n; v++ {
					_, err := session.Exec(b.Context(), databend.Statement{SQL: c.text("raw", v)})
					w.must(err)
				}
				bare += time.Since(start)
				for v := 1; v <= c.n; v++ {
					w.migration(v, c.text("t", v)+";\n")
				}
				m, from := w.migrator(Options{}), w.srv.Requests()
				start = time.Now()
				w.must(m.Up(b.Context()))
				ours += time.Since(start)
				b.ReportMetric(float64(w.srv.Requests()-from), "requests")
			}
			b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio")
		})
	}
}
