package load

import (
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
	e := event.Progress{
		What: "load " + r.j.Name, Done: int64(r.res.Files), Total: r.total.files, Rows: r.res.Rows + int64(p.WriteRows),
		Bytes: bytes, BytesTotal: r.total.bytes, ETA: -1,
	}
	if took := time.Since(r.started).Seconds(); bytes > 0 && r.total.bytes > 0 && took > 0.5 {
		e.ETA = took / float64(bytes) * float64(r.total.bytes-bytes)
	}
	r.l.cfg.Sink(e)
}
