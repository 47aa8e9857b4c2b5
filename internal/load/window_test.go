package load

import (
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 1, 23, 30, 0, 0, time.UTC)
	for _, tt := range []struct{ window, want string }{
		{"day=%Y-%m-%d 3d", "p/day=2025-02-26 p/day=2025-02-27 p/day=2025-02-28 p/day=2025-03-01 p/day=2025-03-02"},
		{"%Y/%m 1d", "p/2025/02 p/2025/03"},
		{"%Y/%m 1w", "p/2025/02 p/2025/03"},
		{"h=%Y%m%d%H 2h", "p/h=2025030121 p/h=2025030122 p/h=2025030123 p/h=2025030200"},
	} {
		w, err := project.ParseWindow(tt.window)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := strings.Join(w.Folders("p/", now), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.window, got, tt.want)
		}
	}
	for _, bad := range []string{"", "x", "day=%Y", "day=%Y 7", "day=%Y 0d", "day=%Q 7d", "day 7d", "%H 99999h"} {
		if _, err := project.ParseWindow(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

func TestRunWithinItsWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows, func(ld *project.Load) { ld.Window = project.Window{Layout: "day=%Y-%m-%d", Span: 7 * 24 * time.Hour} })
	today := time.Now().UTC().Format("2006-01-02")
	w.Put(t, "p/day=2020-01-01/a.parquet", rows(1, 1))
	w.mustRun(ld, plan.Options{}, 1, 1) // the first pass is a full one
	w.Put(t, "p/day=2020-01-02/a.parquet", rows(2, 1))
	w.Put(t, "p/day="+today+"/a.parquet", rows(3, 1))
	if s := w.listed(ld); s.Outside != 1 || s.Counts["new"] != 1 || s.Rows != 1 {
		t.Errorf("got %+v, want one new file, one outside of the window, one row", s)
	}
	w.mustRun(ld, plan.Options{}, 1, 1)
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.mustRun(ld, plan.Options{Path: "p/day=2020-01-02/*"}, 1, 1)
	w.Put(t, "p/day=2020-01-03/a.parquet", rows(4, 1))
	w.SQL(t, "UPDATE "+w.StateDB+".ledger SET `at` = date_sub(day, 8, now()) WHERE reason = '"+ledger.FullPass+"'")
	w.mustRun(ld, plan.Options{}, 1, 1)
	w.wantRows(4)
	w.SQL(t, "UPDATE "+w.StateDB+".ledger SET `at` = date_sub(day, 8, now()) WHERE reason = '"+ledger.FullPass+"'")
	w.mustRun(ld, plan.Options{}, 0, 0) // writes its row too
	if got := w.SQL(t, "SELECT count(*) FROM "+w.StateDB+".ledger WHERE reason = '"+ledger.FullPass+"'")[0][0]; got != "3" {
		t.Errorf("got %s rows of full passes, want 3", got)
	}
	w.SQL(t, "CREATE OR REPLACE TABLE t (id INT, name STRING)")
	w.mustRun(ld, plan.Options{}, 4, 4) // nobody has ever looked at everything for this table
}
