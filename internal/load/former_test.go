package load

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// A person rebuilds a loaded table past dbctl. That the files are in the table is said of those that the former table held: not of one
// that came meanwhile, and not of one that is quarantined.
func TestMarkOfARebuiltTable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		mark   plan.Options
		marked []string
		files  int // that the next run loads
		rows   int64
	}{
		{"all", plan.Options{}, []string{"a.parquet new marked", "b.parquet new marked", "q.parquet new marked"}, 1, 1},
		{"by a pattern", plan.Options{Path: "p/*"}, []string{"a.parquet new marked", "b.parquet new marked", "q.parquet new marked"}, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ld := w.load(copyRows)
			w.Put(t, "p/a.parquet", rows(1, 3))
			w.Put(t, "p/b.parquet", rows(11, 2))
			w.mustRun(ld, plan.Options{}, 2, 5)
			w.Put(t, "p/q.parquet", rows(31, 1))
			if err := w.mark(ld, "quarantined", plan.Options{Path: "p/q.parquet"}); err != nil {
				t.Fatal(err)
			}
			w.SQL(t, "CREATE OR REPLACE TABLE t AS SELECT * FROM t")
			w.Put(t, "p/meanwhile.parquet", rows(21, 1))
			_, err := w.run(ld, plan.Options{})
			w.wantExit(err, exit.Check, "does not know")
			if err := w.mark(ld, "loaded", test.mark); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.marked, w.outcomes()); diff != "" {
				t.Errorf("marked (-want +got):\n%s", diff)
			}
			w.states(ld, plan.Options{}, "a.parquet expired", "b.parquet expired", "meanwhile.parquet new", "q.parquet quarantined")
			w.mustRun(ld, plan.Options{}, test.files, test.rows)
			w.wantRows(6)
			// A file that is named is the person's: its rows were put there by hand.
			w.Put(t, "p/hand.parquet", rows(41, 1))
			if err := w.mark(ld, "loaded", plan.Options{Path: "p/hand.parquet"}); err != nil {
				t.Fatal(err)
			}
			w.mustRun(ld, plan.Options{}, 0, 0)
			// Nor does a later word about all lift a quarantine.
			if err := w.mark(ld, "loaded", plan.Options{}); err != nil {
				t.Fatal(err)
			}
			w.states(ld, plan.Options{}, "a.parquet expired", "b.parquet expired", "hand.parquet expired", "meanwhile.parquet loaded",
				"q.parquet quarantined")
		})
	}
}

// What is said of a file of the former table holds for the bytes that were loaded, and whatever stage they came through.
func TestMarkOfFilesOverwrittenOrOfAnotherStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.mustRun(w.fromURI("p/", func(location string) string {
		return "COPY INTO t (id, name) FROM (SELECT id::INT, name::STRING FROM " + location + ") FILE_FORMAT = (TYPE = 'PARQUET')"
	}), plan.Options{}, 1, 2)
	w.SQL(t, "CREATE OR REPLACE TABLE t AS SELECT * FROM t")
	w.Put(t, "p/a.parquet", rows(21, 4))
	if err := w.mark(ld, "loaded", plan.Options{}); err != nil {
		t.Fatal(err)
	}
	w.states(ld, plan.Options{}, "a.parquet changed", "b.parquet expired")
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "1 file was overwritten since loaded: p/a.parquet")
	w.wantRows(5)
}
