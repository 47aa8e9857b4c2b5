package run

import (
	"context"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
)

// progress tells how far the run is. The server counts what the running COPY has read; what was committed is known exactly.
func (r *run) progress(p databend.Progress) {
	bytes := r.res.Bytes + int64(p.ScanBytes)
	if r.total.bytes > 0 {
		bytes = min(bytes, r.total.bytes)
	}
	pace := 0.0
	if r.pace != nil {
		pace = *r.pace
	}
	r.cfg.Sink(event.Progress{
		What: "load " + r.j.Name, Done: int64(r.res.Files), Total: r.total.files, Rows: r.res.Rows + int64(p.WriteRows),
		Bytes: bytes, BytesTotal: r.total.bytes, ETA: eta(time.Since(r.started).Seconds(), bytes, r.total.bytes, pace),
	})
}

// earlier asks how fast, in bytes a second, the last month's COPYs into the table were; 0 when there were none: with a vector index it
// takes 13 to 18 times as long.
func (r *run) earlier(ctx context.Context) *float64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pace, _ := r.Store.Pace(ctx, r.plan.TableID) // an estimate is no reason to fail
	return &pace
}

// eta is how many seconds are left, -1 when there is no telling. rate is bytes a second, as the ledger's history of the table has
// it, 0 unknown: it knows what an index costs. Once a run has outlived that estimate, or without one, its own speed says, behind the first
// hundredth: one small file of large ones tells of days.
func eta(elapsed float64, done, total int64, rate float64) float64 {
	if total <= 0 {
		return -1
	}
	if done >= total {
		return 0
	}
	if rate > 0 {
		if left := float64(total)/rate - elapsed; left > 0 {
			return left
		}
	}
	if done > 0 && done >= total/100 && elapsed > 0.5 {
		return elapsed / float64(done) * float64(total-done)
	}
	return -1
}
