package load

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/inspect"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
)

// gone is a transport to a server that has gone away.
type gone struct{ since func() bool }

func (g gone) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.since() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A server that goes away behind the login has been asked for nothing: 6, as when it was never there.
func TestServerGoesAwayBeforeThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	var opened atomic.Bool
	w.cfg = func(c *databend.Config) { c.Transport = gone{opened.Load} }
	err := w.with(t.Context(), func(l *Loader) error {
		opened.Store(true)
		_, err := l.run(t.Context(), ld, plan.Options{}, nil)
		return err
	})
	w.wantExit(err, exit.Unreachable, "connection refused")
}

func TestMemoryIsNoFilesFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"memory usage 4.00 GiB(4294967296) exceeds limit 3.98 GiB(4273492460)": false,
		"memory allocation of 1073741824 bytes failed":                         false,
		"index out of bounds: the len is 3 but the index is 7":                 true,
	} {
		if got := fault.IsRefusal(&databend.Error{Code: 1104, Name: "PanicError", Message: text}); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// A location without a / at its end is a prefix of names: what COPY reads there is what is loaded.
func TestLocationWithoutSlash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, name := range []string{
		"videos/a.parquet", "videos/sub/b.parquet", "videos2.parquet", "videos_old/c.parquet",
		"videos/_temporary/d.parquet", "videos/_SUCCESS", "videos/.e.parquet", "other.parquet",
	} {
		w.Put(t, "p/"+name, rows(i, 1))
	}
	ld := w.load("COPY INTO t FROM @st/p/videos FILE_FORMAT = (TYPE = PARQUET)")
	w.states(ld, plan.Options{}, "videos/.e.parquet ignored", "videos/_SUCCESS ignored", "videos/_temporary/d.parquet ignored",
		"videos/a.parquet new", "videos/sub/b.parquet new", "videos2.parquet new", "videos_old/c.parquet new")
	w.mustRun(ld, plan.Options{}, 4, 4)
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.wantRows(4)
}

// told is the load with what Formats asks the server for.
func (w *world) told(ld project.Load) project.Load {
	w.t.Helper()
	loads := []project.Load{ld}
	if err := w.with(w.t.Context(), func(l *Loader) (err error) {
		loads, err = l.Formats(w.t.Context(), loads)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return loads[0]
}

// point is a row with a vector that may hold a NULL.
type point struct {
	ID  int32      `parquet:"id"`
	Vec []*float32 `parquet:"vec,list"`
}

// A NULL in a vector is found however the load makes the vector.
func TestVectorsOfAnyShape(t *testing.T) {
	t.Parallel()
	one := float32(1)
	good, null := file([]point{{1, []*float32{&one, &one, &one}}}), file([]point{{2, []*float32{&one, nil, &one}}})
	env := newWorld(t)
	format, function := "fmt_"+env.Database, "vec_"+env.Database
	env.SQL(t, "CREATE FILE FORMAT "+format+" TYPE = PARQUET", "CREATE FUNCTION "+function+" AS (x) -> x::VECTOR(3)")
	t.Cleanup(func() { env.SQL(t, "DROP FILE FORMAT "+format, "DROP FUNCTION "+function) })
	const parquet = " FILE_FORMAT = (TYPE = PARQUET)"
	for name, tt := range map[string]struct {
		sql   string
		bad   int // files
		notes string
	}{
		"no cast":       {"COPY INTO v FROM (SELECT id, vec FROM @st/p/)" + parquet, 1, ""},
		"no cast, list": {"COPY INTO v (vec, id) FROM (SELECT s.vec, id FROM @st/p/ s)" + parquet, 1, ""},
		"two casts":     {"COPY INTO v FROM (SELECT id, vec::ARRAY(FLOAT NULL)::VECTOR(3) FROM @st/p/)" + parquet, 1, ""},
		"array":         {"COPY INTO v FROM (SELECT id, vec::ARRAY(FLOAT NULL) FROM @st/p/)" + parquet, 1, ""},
		"NULL stays NULL": {"COPY INTO v (id, vec) FROM (SELECT id, IF(vec IS NULL, NULL, COALESCE(vec, [0,0,0])::VECTOR(3)) FROM " +
			"@st/p/)" + parquet, 1, ""},
		"function, alias":   {"COPY INTO v FROM (SELECT id, cast(coalesce(vec, [0,0,0]) AS vector(3)) AS vec FROM @st/p/)" + parquet, 1, ""},
		"stage's format":    {"COPY INTO v FROM @st/p/", 1, ""},
		"named format":      {"COPY INTO v FROM @st/p/ FILE_FORMAT = (FORMAT_NAME = '" + format + "')", 1, ""},
		"engine's format":   {"COPY INTO v FROM @st/p/ FILE_FORMAT = (FORMAT_NAME = 'parquet')", 1, ""},
		"NULLs are mended":  {"COPY INTO v FROM (SELECT id, array_transform(vec, x -> coalesce(x, 0))::VECTOR(3) FROM @st/p/)" + parquet, 0, ""},
		"not to be checked": {"COPY INTO v FROM (SELECT id, " + function + "(vec) FROM @st/p/)" + parquet, 0, "column vec of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fromEach(t, func(w *world, below string) {
				if w.uri && !strings.Contains(tt.sql, "FILE_FORMAT") {
					w.t.Skip("a location has no format of its own")
				}
				w.SQL(w.t, "CREATE TABLE v (id INT, vec VECTOR(3))")
				w.Put(w.t, "p/good.parquet", good)
				w.Put(w.t, "p/null.parquet", null)
				ld := w.told(w.load(tt.sql))
				res, err := w.run(ld, plan.Options{})
				if tt.bad > 0 {
					w.wantExit(err, exit.Partly, below+"null.parquet (row 1: vec = '[1", "rule vector-null")
				} else if err != nil {
					w.t.Error(err)
				}
				if res.Files != 2-tt.bad || strings.Count(w.notes(), "is not checked") != strings.Count(tt.notes, "column") ||
					!strings.Contains(w.notes(), tt.notes) {
					w.t.Errorf("got %+v, notes %q, want %d bad files, notes of %q", res, w.notes(), tt.bad, tt.notes)
				}
			})
		})
	}
}

// What a query calls a text file is not what the stage lists it as.
func TestVectorsOfTextFiles(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, below string) {
		w.SQL(w.t, "CREATE TABLE v (id INT, vec VECTOR(3))")
		w.Put(w.t, "p/a.csv", []byte("1,\"[1,2,3]\"\n"))
		w.Put(w.t, "p/b.csv", []byte("1,\"[1,2,3]\"\n2,\"[1,null,3]\"\n"))
		ld := w.load("COPY INTO v FROM (SELECT $1::INT, parse_json($2)::ARRAY(FLOAT NULL)::VECTOR(3) FROM @st/p/) FILE_FORMAT = (TYPE = CSV)")
		res, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, below+"b.csv", "rule vector-null")
		if res.Files != 1 {
			w.t.Errorf("got %+v, want 1 file", res)
		}
	})
}

// A COPY without FILE_FORMAT reads what its stage says.
func TestFormatOfTheStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, w.StageSQL(w.stage, "", "CSV"))
	w.Put(t, "c/a.csv", []byte("1,x\n2,y\n"))
	w.Put(t, "c/b.csv.parquet", rows(1, 1))
	ld := w.told(w.load("COPY INTO t FROM @st/c/"))
	w.states(ld, plan.Options{}, "c/a.csv new", "c/b.csv.parquet ignored")
	if err := w.validate(ld, plan.Options{}); err != nil {
		t.Error(err)
	}
	if err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), ld, plan.Options{}, 5) }); err != nil {
		t.Error(err)
	}
	w.mustRun(ld, plan.Options{}, 1, 2)
}

func TestValidateOfWhatTheLoadDoesNotRead(t *testing.T) {
	t.Parallel()
	type reordered struct {
		Name string `parquet:"name"`
		ID   int32  `parquet:"id"`
	}
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE wide (name STRING, id INT, later STRING DEFAULT 'none')")
	w.Put(t, "p/a.parquet", rows(1, 2))
	w.Put(t, "p/b.parquet", file([]reordered{{"x", 1}}))
	// A plain COPY that fills what a file lacks.
	fills := w.load("COPY INTO wide FROM @st/p/ FILE_FORMAT = (TYPE = PARQUET MISSING_FIELD_AS = FIELD_DEFAULT)")
	if err := w.validate(fills, plan.Options{}); err != nil {
		t.Error(err, w.verdicts())
	}
	if strings.Contains(w.notes(), "does not read") {
		t.Errorf("all that the files have is loaded, and got %s", w.notes())
	}
	w.SQL(t, "CREATE TABLE names (name STRING)")
	if err := w.validate(w.load("COPY INTO names (name) FROM (SELECT coalesce(name, 'void') FROM @st/p/) FILE_FORMAT = (TYPE = PARQUET)"),
		plan.Options{}); err != nil {
		t.Error(err)
	}
	if want := "info: load videos: every file has what the load does not read: id"; strings.Count(w.notes(), want) != 1 {
		t.Errorf("got %s, want once %s", w.notes(), want)
	}
	if err := w.validate(w.load("COPY INTO t FROM (SELECT * FROM @st/p/) FILE_FORMAT = (TYPE = PARQUET)"), plan.Options{}); err != nil ||
		strings.Contains(w.notes(), "does not read") {
		t.Errorf("got %v and %s; * reads all", err, w.notes())
	}
	if _, err := w.run(fills, plan.Options{}); err != nil {
		t.Error(err)
	}
	if got := w.SQL(t, "SELECT count(*) FROM wide WHERE later='none'")[0][0]; got != "3" {
		t.Errorf("got %s rows of a filled column, want 3", got)
	}
}

// A column that all files lack is a mistake in the load's text, unless the text has loaded files before.
func TestColumnThatNoFileHas(t *testing.T) {
	t.Parallel()
	type other struct {
		Name string `parquet:"name"`
		IDD  int32  `parquet:"idd"`
	}
	w := newWorld(t)
	for i := range inspect.Alike {
		w.Put(t, fmt.Sprintf("p/a%d.parquet", i), rows(i, 1))
	}
	w.Put(t, "p/b.parquet", file([]nameless{{1}})) // of another schema
	misnamed := w.load(strings.Replace(copyRows, "id::INT", "idd::INT", 1))
	_, err := w.run(misnamed, plan.Options{})
	w.wantExit(err, exit.Failed, "none of 7 files has the column idd", "loads/videos.sql:1:")
	if got := w.ledger(); len(got) > 0 || len(w.badEvents("failed")) > 0 {
		t.Errorf("files were blamed for the load's text: ledger %q, events %+v", got, w.events)
	}
	_, err = w.run(misnamed, plan.Options{Path: "a0.parquet"})
	w.wantExit(err, exit.Failed, "none of 1 file has the column idd") // however few they are
	ld := w.load(copyRows)
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "p/b.parquet (the file has no column name)") // one file is not all of them
	if res.Files != inspect.Alike {
		t.Errorf("got %+v, want %d files", res, inspect.Alike)
	}
	for i := range inspect.Alike {
		w.Put(t, fmt.Sprintf("p/c%d.parquet", i), file([]other{{"x", 1}}))
	}
	_, err = w.run(ld, plan.Options{Path: "p/c*"})
	w.wantExit(err, exit.Partly, "6 bad files", "the file has no column id")
}

// A column that a file lacks keeps the rules from no other column, and from no other file.
func TestRulesBesideAMissingColumn(t *testing.T) {
	t.Parallel()
	type timed struct {
		ID float64 `parquet:"id"`
		At int64   `parquet:"at"`
	}
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE timed (id INT, at TIMESTAMP, later TIMESTAMP)")
	w.Put(t, "p/a.parquet", file([]nameless{{1}}))
	w.Put(t, "p/b.parquet", file([]timed{{2.5, 1735689600}}))
	w.Put(t, "p/c.parquet", file([]timed{{3, 1 << 62}}))
	res, err := w.run(w.load("COPY INTO timed FROM @st/p/ FILE_FORMAT = (TYPE = PARQUET MISSING_FIELD_AS = FIELD_DEFAULT)"), plan.Options{})
	w.wantExit(err, exit.Partly, "p/c.parquet (row 1: at = '4611686018427387904'", "rule time-range")
	if res.Files != 2 || !strings.Contains(w.notes(), "p/b.parquet: row 1: id = '2.5' is rounded") {
		t.Errorf("got %+v, notes %q, want 2 files and a warning of the second", res, w.notes())
	}
}

// What a table's types make of every file is not the files' fault, though the engine names one of them.
func TestAlikeButForTheirNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE v (id INT, vec VECTOR(3))")
	one := float32(1)
	for i := range inspect.Alike + 4 {
		w.Put(t, fmt.Sprintf("p/%d.parquet", i), file([]point{{int32(i), []*float32{&one, &one, &one}}}))
	}
	_, err := w.run(w.load("COPY INTO v FROM @st/p/ FILE_FORMAT = (TYPE = PARQUET MISSING_FIELD_AS = FIELD_DEFAULT)"), plan.Options{})
	w.wantExit(err, exit.Failed, "Cannot cast column vec")
	if got := w.ledger(); len(got) > 0 {
		t.Errorf("got ledger %q, want no file blamed", got)
	}
}

// The table's own types stand in casts.
func TestTypesOfTheTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE types (a TUPLE(INT, TUPLE(STRING, DECIMAL(10, 2))), b TUPLE(x INT, y STRING), c TIMESTAMP_TZ, d "+
		"ARRAY(TUPLE(INT, INT)), e MAP(STRING, INT), f VECTOR(3), g TINYINT UNSIGNED)")
	j, err := source.New(w.load("COPY INTO types FROM @st/p/ FILE_FORMAT = (TYPE = PARQUET)"), "p", w.Database)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.with(t.Context(), func(l *Loader) error {
		columns, err := plan.Columns(t.Context(), l.planner.Work, j)
		if len(columns) != 7 || columns[0].Name != "a" || columns[6].Name != "g" {
			t.Errorf("got %+v, want the columns in their order", columns)
		}
		for _, c := range columns {
			w.SQL(t, "SELECT TRY_CAST(NULL AS "+c.Typ+")")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
