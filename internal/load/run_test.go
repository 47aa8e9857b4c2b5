package load

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

func TestRunLoadsWhatIsNewOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/sub/b.parquet", rows(11, 2))
	w.Put(t, "p/_SUCCESS", nil)
	w.Put(t, "p/_temporary/c.parquet", rows(21, 2))
	w.Put(t, "p/.hidden.parquet", rows(31, 2))
	w.Put(t, "p/README.md", []byte("hello"))
	w.Put(t, "p/empty.parquet", nil)
	w.Put(t, "p2/other.parquet", rows(41, 1))

	w.states(ld, plan.Options{}, ".hidden.parquet ignored", "README.md ignored", "_SUCCESS ignored", "_temporary/c.parquet ignored",
		"a.parquet new", "empty.parquet unfinished", "sub/b.parquet new")
	w.mustRun(ld, plan.Options{}, 2, 5)
	w.wantRows(5)
	if diff := cmp.Diff(w.outcomes(), []string{
		"a.parquet new loaded", "empty.parquet unfinished skipped",
		"sub/b.parquet new loaded",
	}); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(w.ledger(), []string{"a.parquet loaded dbctl 3", "sub/b.parquet loaded dbctl 2"}); diff != "" {
		t.Errorf("ledger (-got +want):\n%s", diff)
	}

	w.mustRun(ld, plan.Options{}, 0, 0)
	w.wantRows(5)
	w.Put(t, "p/empty.parquet", rows(51, 4)) // the upload is done
	w.mustRun(ld, plan.Options{}, 1, 4)
	w.wantRows(9)
}

// A load writes no table of dbctl's own, neither by its COPY nor behind it.
func TestOwnTablesAreNoTarget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ state, into, behind, refused string }{
		{"dbctl", "dbctl.ledger", "", "load videos: table dbctl.ledger is in dbctl's state database"},
		{"dbctl", "t", "DELETE FROM dbctl.ledger", "loads/videos.sql:2:1: load videos: table dbctl.ledger is in dbctl's state database"},
		{"city", "t", "INSERT INTO journal SELECT * FROM t", "table city.journal is in dbctl's state database"},
		{"city", "city.t", "DELETE FROM t", ""},
		{"dbctl", "ledger", "INSERT INTO t SELECT * FROM dbctl.ledger", ""},
	} {
		w := &world{t: t, Env: &databendtest.Env{}, stage: "lake"}
		ld := w.load("COPY INTO "+tt.into+" FROM @st/p/ FILE_FORMAT = (TYPE = CSV)", func(ld *project.Load) {
			if tt.behind != "" {
				ld.After = []project.Statement{{SQL: tt.behind, Place: sqltext.Place{File: "loads/videos.sql", Line: 2, Column: 1}}}
			}
		})
		l := &plan.Planner{Scope: state.Scope{Project: "p", Database: "city", StateDatabase: tt.state}}
		_, err := l.Ready(ld)
		if tt.refused == "" && err != nil || tt.refused != "" && (exit.Of(err) != exit.Usage || !strings.Contains(err.Error(), tt.refused)) {
			t.Errorf("%s; %s: got %v, want %q", tt.into, tt.behind, err, tt.refused)
		}
	}
}

func TestRunOfNothingWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(ld, plan.Options{}, 1, 3)
	before := w.SQL(t, "SELECT count(*) FROM "+w.StateDB+".ledger")
	snapshots := w.SQL(t, "SELECT count(*) FROM fuse_snapshot('"+w.StateDB+"', 'ledger')")
	w.mustRun(ld, plan.Options{}, 0, 0)
	if diff := cmp.Diff(w.SQL(t, "SELECT count(*) FROM "+w.StateDB+".ledger"), before); diff != "" {
		t.Errorf("ledger rows (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(w.SQL(t, "SELECT count(*) FROM fuse_snapshot('"+w.StateDB+"', 'ledger')"), snapshots); diff != "" {
		t.Errorf("ledger snapshots (-got +want):\n%s", diff)
	}
}

func TestRunRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)

	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "no file in @"+w.stage+"/p/")
	ld.EmptyOK = true
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.SQL(t, "INSERT INTO t VALUES (1, 'by hand')")
	w.mustRun(ld, plan.Options{}, 0, 0) // no file is there of which a person could say whether the row is its
	w.SQL(t, "TRUNCATE TABLE t")
	ld.EmptyOK = false

	w.Put(t, "p/a.txt", []byte("x"))
	_, err = w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "1 there are not matched")

	w.Put(t, "p/a.parquet", rows(1, 3))
	_, err = w.run(w.load(strings.Replace(copyRows, "INTO t", "INTO nope", 1)), plan.Options{})
	w.wantExit(err, exit.Failed, "the table "+w.Database+".nope does not exist")
	if at := sqltext.PlaceOf(err); at.File == "" || at.Line == 0 || at.Column == 0 {
		t.Errorf("the table's place is %v", at)
	}
	_, err = w.run(w.load(strings.Replace(copyRows, "@st/", "@nope/", 1)), plan.Options{})
	w.wantExit(err, exit.Failed, "the stage nope does not exist")
	w.SQL(t, "CREATE TABLE volatile (id INT, name STRING) ENGINE = MEMORY")
	_, err = w.run(w.load(strings.Replace(copyRows, "INTO t", "INTO volatile", 1)), plan.Options{})
	w.wantExit(err, exit.Failed, "got MEMORY") // no file is to blame
	wantHint(t, err, "tables of the default engine")
	w.SQL(t, "CREATE VIEW seen AS SELECT * FROM t")
	_, err = w.run(w.load(strings.Replace(copyRows, "INTO t", "INTO seen", 1)), plan.Options{})
	w.wantExit(err, exit.Failed, w.Database+".seen is a view")
	_, err = w.run(w.load(copyRows+" FORCE = true"), plan.Options{})
	w.wantExit(err, exit.Usage, "FORCE")

	w.SQL(t, "INSERT INTO t VALUES (1, 'by hand')")
	_, err = w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "holds 1 row, and the ledger does not know")
	w.wantRows(1)
}

// wantHint wants err to end in a hint that says word.
func wantHint(t *testing.T, err error, word string) {
	t.Helper()
	var own *fault.Error
	if !errors.As(err, &own) || !strings.Contains(own.Hint(), word) {
		t.Errorf("got %v, want a hint that says %q", err, word)
	}
}

func TestRunKeepsToThePath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	for _, d := range []string{"2025-01-01", "2025-01-02", "2025-02-01"} {
		w.Put(t, "p/day="+d+"/f.parquet", rows(1, 1))
	}
	lists := func(o plan.Options, files int, folder string) {
		t.Helper()
		before := len(w.Log(t))
		w.mustRun(ld, o, files, int64(files))
		listed := 0
		for _, r := range w.Log(t)[before:] {
			if strings.Contains(r.SQL, "LIST_STAGE(location=>'@"+w.stage+"/") {
				listed++
				if !strings.Contains(r.SQL, "/"+folder+"')") {
					t.Errorf("with --path %q got %s, want what is below %s", o.Path, r.SQL, folder)
				}
			}
		}
		if listed == 0 {
			t.Errorf("with --path %q nothing was listed", o.Path)
		}
	}
	lists(plan.Options{Path: "p/day=2025-01-01/*"}, 1, "p/day=2025-01-01/")
	lists(plan.Options{Path: "/p/day=2025-01-01/f.parquet"}, 0, "p/day=2025-01-01/")
	lists(plan.Options{Path: "p/day=2025-01-*/*"}, 1, "p/")
	lists(plan.Options{Path: "{p,q}/day=2025-01-*/*"}, 0, "p/")
	_, err := w.run(ld, plan.Options{Path: "p/nothing/**"})
	w.wantExit(err, exit.Check, "--path p/nothing/**")
	wantHint(t, err, "--dry-run -v")
	w.mustRun(ld, plan.Options{}, 1, 1)
}

func TestPreview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/0 bad.parquet", rows(1, 2)[:99])
	w.Put(t, "p/a.parquet", rows(1, 2))
	w.Put(t, "p/b.parquet", rows(3, 2))
	err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), w.load(copyRows), plan.Options{}, 3) })
	if err != nil {
		t.Fatal(err)
	}
	p, ok := w.events[len(w.events)-1].(event.Preview)
	if !ok || len(p.Rows) != 3 {
		t.Fatalf("got %+v, want a preview of 3 rows", w.events)
	}
	if !strings.Contains(w.notes(), "p/0 bad.parquet cannot be shown") {
		t.Errorf("nothing was said of the bad file: %q", w.notes())
	}
	var got [][]string
	for _, r := range p.Rows {
		got = append(got, []string{*r[0], *r[1]})
	}
	if diff := cmp.Diff(got, [][]string{{"1", "row 1"}, {"2", "row 2"}, {"3", "row 3"}}); diff != "" {
		t.Errorf("rows (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(p.Columns, []string{"id", "name"}); diff != "" {
		t.Errorf("columns (-got +want):\n%s", diff)
	}
}
