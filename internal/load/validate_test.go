package load

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// thing is a row with what the engine lets through in silence.
type thing struct {
	ID  int32      `parquet:"id"`
	Num float64    `parquet:"num"`
	Vec []*float32 `parquet:"vec,list"`
	Geo string     `parquet:"geo"`
}

func things(n int, f func([]thing)) []byte {
	one := float32(1)
	out := make([]thing, n)
	for i := range out {
		out[i] = thing{int32(i), float64(i), []*float32{&one, &one, &one}, "SRID=4326;POINT(116 39)"}
	}
	if f != nil {
		f(out)
	}
	return file(out)
}

const copyThings = "COPY INTO things (id, num, vec, geo) FROM (SELECT id::INT, num::INT, vec::VECTOR(3), geo::GEOMETRY FROM @st/p/) " +
	"FILE_FORMAT = (TYPE = 'PARQUET')"

func (w *world) validate(ld project.Load, o plan.Options) error {
	w.t.Helper()
	return w.with(w.t.Context(), func(l *Loader) error { return l.Validate(w.t.Context(), ld, o) })
}

// verdicts are the last command's File events but the valid: "a.parquet invalid: reason".
func (w *world) verdicts() []string {
	var out []string
	for _, e := range w.events {
		if f, ok := e.(event.File); ok && f.Outcome != "valid" {
			out = append(out, strings.TrimPrefix(f.Path, "p/")+" "+string(f.Outcome)+": "+f.Reason)
		}
	}
	slices.Sort(out)
	return out
}

func TestValidate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE things (id INT NOT NULL, num INT, vec VECTOR(3), geo GEOMETRY, later STRING)")
	ld := w.load(copyThings)
	w.Put(t, "p/good.parquet", things(5, nil))
	if err := w.validate(ld, plan.Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.notes(), "column later") {
		t.Errorf("nothing was said about the column that is not filled: %q", w.notes())
	}
	damaged := things(5, nil)
	for i := 4; i < 40; i++ {
		damaged[i] ^= 0x5a
	}
	w.Put(t, "p/cut.parquet", things(5, nil)[:200])
	w.Put(t, "p/damaged.parquet", damaged)
	w.Put(t, "p/fraction.parquet", things(5, func(r []thing) { r[3].Num = 2.5 }))
	w.Put(t, "p/less.parquet", file([]nameless{{1}}))
	w.Put(t, "p/null in vector.parquet", things(5, func(r []thing) { r[1].Vec[1] = nil }))
	w.Put(t, "p/srid.parquet", things(5, func(r []thing) { r[2].Geo = "POINT(1 2)" }))
	w.Put(t, "p/swapped.parquet", things(5, func(r []thing) { r[4].Geo = "SRID=4326;POINT(39 116)" }))
	w.Put(t, "p/wide.parquet", things(5, func(r []thing) { r[0].Vec = append(r[0].Vec, r[0].Vec[0]) }))
	err := w.validate(ld, plan.Options{})
	w.wantExit(err, exit.Check, "5 invalid files")
	got := w.verdicts()
	for i, want := range []string{
		"cut.parquet invalid: its footer cannot be read",
		"damaged.parquet invalid: its data is damaged",
		"less.parquet invalid: the file has no column num",
		"null in vector.parquet invalid: row 2: vec = '[1.0,null,1.0]' has a NULL in the vector (rule vector-null)",
		"wide.parquet invalid: row 1: vec = '[1.0,1.0,1.0,1.0]' has 4 values, not 3",
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, want := range []string{
		"p/fraction.parquet: row 4: num = '2.5' is rounded to a whole number (rule fraction)",
		"p/srid.parquet: row 3: geo = 'POINT(1 2)' has no SRID (rule srid-zero)",
		"p/swapped.parquet: row 5: geo = 'POINT(39 116)' lies outside of the earth: latitude and longitude swapped? (rule swapped-axes)",
	} {
		if !strings.Contains(w.notes(), want) {
			t.Errorf("got %s\nwant %s", w.notes(), want)
		}
	}
	if got := w.SQL(t, "SELECT count(*) FROM things")[0][0]; got != "0" {
		t.Errorf("validation loaded %s rows", got)
	}
	if diff := cmp.Diff(len(w.SQL(t, "SELECT 1 FROM system.databases WHERE name='"+w.StateDB+"'")), 0); diff != "" {
		t.Errorf("validation made the state database")
	}
}

func TestRulesOfARun(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		w.SQL(w.t, "CREATE TABLE things (id INT, num INT, vec VECTOR(3), geo GEOMETRY)")
		ld := w.load(copyThings)
		w.Put(w.t, "p/good.parquet", things(5, nil))
		w.Put(w.t, "p/null in vector.parquet", things(5, func(r []thing) { r[1].Vec[1] = nil }))
		w.Put(w.t, "p/srid.parquet", things(5, func(r []thing) { r[2].Geo = "POINT(1 2)"; r[0].Num = 0.5 }))
		res, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "rule vector-null")
		if res.Files != 2 || !strings.Contains(w.notes(), "rule srid-zero") || !strings.Contains(w.notes(), "rule fraction") {
			w.t.Errorf("got %+v, notes %q, want 2 files and warnings of srid-zero and fraction", res, w.notes())
		}
		ld.Rules = map[string]string{"vector-null": "off", "srid-zero": "off", "fraction": "fail"}
		ld.Checksum += "2"
		w.Put(w.t, "p/fraction.parquet", things(5, func(r []thing) { r[2].Num = 0.5 }))
		res, err = w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "rule fraction")
		if res.Files != 1 {
			w.t.Errorf("got %+v, want the file whose rule is off", res)
		}
	})
}

func TestTextFormats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "c/a.csv", []byte("1,x\n2,y\n"))
	w.Put(t, "c/b.csv", []byte("3,x\nxx,y\n4,z\n"))
	w.Put(t, "c/null.csv", []byte("NULL,y\n"))
	w.Put(t, "c/readme.txt", []byte("no data"))
	ld := w.load("COPY INTO t FROM @st/c/ FILE_FORMAT = (TYPE = CSV)")
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "c/b.csv (row 2: id = 'xx' is no INT", "c/null.csv (row 1: id = 'NULL' is no INT")
	if res.Rows != 2 {
		t.Errorf("got %+v, want 2 rows", res)
	}
	goOn := w.load("COPY INTO t FROM @st/c/ FILE_FORMAT = (TYPE = CSV) ON_ERROR = CONTINUE")
	if res, err = w.run(goOn, plan.Options{}); err != nil || res.Rows != 2 {
		t.Errorf("ON_ERROR = CONTINUE: got %+v, %v, want 2 rows", res, err)
	}
	if !slices.ContainsFunc(w.events, func(e event.Event) bool {
		f, ok := e.(event.File)
		return ok && strings.Contains(f.Reason, "1 error, first in line 2")
	}) {
		t.Errorf("the error that was passed over was not told: %+v", w.events)
	}

	w.SQL(t, "CREATE OR REPLACE TABLE t (id INT, name STRING)")
	w.Put(t, "n/a.ndjson", []byte("{\"id\":1,\"name\":\"x\"}\n{\"id\":2}\n"))
	w.Put(t, "n/b.ndjson", []byte("{\"id\":1,\"name\":\"x\"}\n{\"id\":\n"))
	js := w.load("COPY INTO t (id, name) FROM (SELECT $1:id::INT, $1:name::STRING FROM @st/n/) FILE_FORMAT = (TYPE = NDJSON)")
	res, err = w.run(js, plan.Options{})
	w.wantExit(err, exit.Partly, "n/b.ndjson (row 2")
	if res.Rows != 2 {
		t.Errorf("got %+v, want 2 rows", res)
	}
	if err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), js, plan.Options{Path: "n/a*"}, 5) }); err != nil {
		t.Error(err)
	}
}

// Mistakes in the load's text are no file's fault: exit 1, and no file is recorded as bad.
func TestMistakesInTheText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(1, 3))
	for _, tt := range []struct{ from, to string }{
		{"(id, name)", "(id, nope)"},
		{"id::INT, name", "id::INT, id, name"},
		{"id::INT", "nofunction(id)"},
		{"id::INT", "sum(id)"},
		{"id::INT", "id::NOTYPE"},
		{"(TYPE = 'PARQUET')", "(TYPE = CSV, NAN_DISPLAY = 'NN') PATTERN = '.*'"},
		{"(TYPE = 'PARQUET')", "(TYPE = CSV, FIELD_DELIMITER = 'x') PATTERN = '.*'"},
		{"(TYPE = 'PARQUET')", "(TYPE = TSV, RECORD_DELIMITER = 'x') PATTERN = '.*'"},
	} {
		ld := w.load(strings.Replace(copyRows, tt.from, tt.to, 1))
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Failed)
		w.wantExit(w.validate(ld, plan.Options{}), exit.Failed)
	}
	if got := w.SQL(t, "SELECT count(*) FROM "+w.StateDB+".ledger WHERE state='failed'")[0][0]; got != "0" {
		t.Errorf("got %s files recorded as bad, want 0", got)
	}
}

// A file that is one JSON array is one row of NDJSON, of which a SELECT list reads NULL for each key; COPY takes it without a word.
func TestArrayIsNoRow(t *testing.T) {
	t.Parallel()
	const text = "COPY INTO t (id, name) FROM (SELECT $1:id::INT, $1:name::STRING FROM @st/p/) FILE_FORMAT = (TYPE = NDJSON"
	fromEach(t, func(w *world, _ string) {
		ld := w.load(text + ")")
		w.Put(w.t, "p/a.ndjson", []byte(`[{"id":1,"name":"x"},{"id":2,"name":"y"}]`))
		w.Put(w.t, "p/b.ndjson", []byte(`{"id":3,"name":"z"}`))
		w.Put(w.t, "p/c.ndjson", []byte("{\"id\":4}\n5\n"))
		const is = "a.ndjson (row 1 is a JSON array, which NDJSON has not: one object a line: each column would be NULL (rule json-object))"
		w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "2 invalid files", is, "c.ndjson (row 2 is no JSON object: ")
		w.wantExit(second(w.run(ld, plan.Options{Atomic: true})), exit.Failed, "nothing was loaded", is)
		w.wantRows(0)
		for _, options := range []string{")", ")", " COMPRESSION = AUTO)"} {
			_, err := w.run(w.load(text+options), plan.Options{RetryFailed: true})
			w.wantExit(err, exit.Partly, is, "c.ndjson (row 2 is no JSON object: ")
			w.wantRows(1)
		}
		w.Put(w.t, "p/d.ndjson", []byte("{\"id\":6}\n{\"id\":\n")) // one row and a line that no query reads
		_, err := w.run(w.load(text+") ON_ERROR = CONTINUE"), plan.Options{})
		w.wantExit(err, exit.Partly, "a.ndjson")
		w.wantRows(2)
		off := w.load(ld.Statement.SQL, func(ld *project.Load) { ld.Rules = map[string]string{"json-object": "off"} })
		w.mustRun(off, plan.Options{RetryFailed: true}, 2, 3)
	})
}

// A text file has no types: what the rules look at are the fields, as its format reads them.
func TestRulesOfText(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		w.SQL(w.t, "CREATE TABLE things (id INT, amount DECIMAL(10, 2), vec VECTOR(3), geo GEOMETRY)")
		const columns = "parse_json($3)::ARRAY(FLOAT NULL)::VECTOR(3), $4 FROM @st/p/) " +
			"FILE_FORMAT = (TYPE = CSV FIELD_DELIMITER = '|' SKIP_HEADER = 1)"
		ld := w.load("COPY INTO things FROM (SELECT $1, $2::DECIMAL(10, 2), " + columns)
		put := func(name, row string) {
			w.Put(w.t, "p/"+name, []byte("id|amount|vec|geo\n1|1.50|[1,2,3]|SRID=4326;POINT(1 2)\n"+row+"\n"))
		}
		put("fraction.csv", "1.7|1.5|[1,2,3]|")
		put("good.csv", "||[1,2,3]|")
		put("null.csv", "1|1.5|[1,null,3]|")
		put("digits.csv", "1|1.555|[1,2,3]|")
		put("srid.csv", "1|1.5|[1,2,3]|POINT(1 2)")
		const null = "null.csv (row 3: vec = '[1.0,null,3.0]' has a NULL in the vector (rule vector-null))"
		w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "1 invalid file", null)
		said := w.notes()
		for _, want := range []string{
			"fraction.csv: row 3: id = '1.7' is rounded to a whole number (rule fraction)",
			"digits.csv: row 3: amount = '1.555' is rounded to a DECIMAL(10, 2) (rule decimal-digits)",
			"srid.csv: row 3: geo = 'POINT(1 2)' has no SRID (rule srid-zero)",
		} {
			if !strings.Contains(said, want) {
				w.t.Errorf("got %s\nwant %s", said, want)
			}
		}
		if n := strings.Count(said, "(rule "); n != 3 {
			w.t.Errorf("got %d warnings, want 3: %s", n, said)
		}
		w.wantExit(second(w.run(ld, plan.Options{})), exit.Partly, null)
		if said := w.notes(); strings.Count(said, "(rule ") != 1 || !strings.Contains(said, "(rule srid-zero)") {
			w.t.Errorf("got %s, want a warning of srid-zero alone", said)
		}
		strict := w.load("COPY INTO things FROM (SELECT $1::INT, $2::DECIMAL(10, 2), "+columns, func(ld *project.Load) {
			ld.Rules = map[string]string{"fraction": "fail", "decimal-digits": "fail"}
		})
		put("again.csv", "1|-1.555|[1,2,3]|")
		w.wantExit(second(w.run(strict, plan.Options{})), exit.Partly, "again.csv (row 3: amount = '-1.555' is rounded")
	})
}

// A plain COPY of a text format rounds, too.
func TestRulesOfPlainText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE things (id INT, amount DECIMAL(10, 2))")
	for text, content := range map[string]string{
		"(amount, id) FROM @st/csv/ FILE_FORMAT = (TYPE = CSV)":        "1.555,1.7\n",
		"FROM @st/json/ FILE_FORMAT = (TYPE = NDJSON)":                 "{\"id\":1.7,\"amount\":1.555}\n",
		"FROM @st/tsv/ FILE_FORMAT = (TYPE = TSV FIELD_DELIMITER=';')": "1.7;1.555\n",
	} {
		kind := strings.FieldsFunc(text, func(r rune) bool { return r == '/' })[1]
		w.Put(t, kind+"/a."+map[string]string{"csv": "csv", "json": "ndjson", "tsv": "tsv"}[kind], []byte(content))
		if err := w.validate(w.load("COPY INTO things "+text), plan.Options{}); err != nil {
			t.Fatal(err)
		}
		said := w.notes()
		if !strings.Contains(said, "row 1: id = '1.7' is rounded") || !strings.Contains(said, "row 1: amount = '1.555' is rounded") {
			t.Errorf("%s: got %s, want a word about both", kind, said)
		}
	}
}

// The server panics where a query or a COPY leaves out a field of a TSV ahead of the last that it reads: no file is damaged.
func TestFieldsOfTSV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE things (a INT, b INT, c INT)")
	w.Put(t, "p/a.tsv", []byte("1\t2\t3\n4\t5\tx\n"))
	w.Put(t, "p/b.tsv", []byte("1\t2\t3\n4\t5\n"))
	ld := w.load("COPY INTO things FROM (SELECT $1, $2, $3 FROM @st/p/) FILE_FORMAT = (TYPE = TSV)")
	const is = "p/a.tsv (row 2: c = 'x' is no INT)"
	w.wantExit(w.validate(ld, plan.Options{}), exit.Check, is)
	if said := w.notes(); !strings.Contains(said, "p/b.tsv: row 2 has fewer than 3 fields") {
		t.Errorf("got %s, want a word about the short row", said)
	}
	w.wantExit(second(w.run(ld, plan.Options{})), exit.Partly, is)
	w.Put(t, "q/a.tsv", []byte("1\t2\t3\n"))
	_, err := w.run(w.load("COPY INTO things (a, c) FROM (SELECT $1, $3 FROM @st/q/) FILE_FORMAT = (TYPE = TSV)"), plan.Options{})
	w.wantExit(err, exit.Failed)
	if hint := err.(interface{ Hint() string }).Hint(); !strings.Contains(hint, "TYPE = CSV FIELD_DELIMITER") {
		t.Errorf("got hint %q, want what reads such a file", hint)
	}
}

// NaN becomes 0 in a DECIMAL, without a word.
func TestNaNIsNoDecimal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE things (id INT, v DECIMAL(10, 2))")
	type row struct {
		ID int32   `parquet:"id"`
		V  float64 `parquet:"v"`
	}
	w.Put(t, "p/a.parquet", file([]row{{1, 1.5}}))
	w.Put(t, "p/b.parquet", file([]row{{2, 1.5}, {3, math.NaN()}}))
	for _, ld := range []project.Load{
		w.load("COPY INTO things FROM @st/p/ FILE_FORMAT = (TYPE = PARQUET)"),
		w.load("COPY INTO things FROM (SELECT id, v::DECIMAL(10, 2) FROM @st/p/) FILE_FORMAT = (TYPE = PARQUET)"),
	} {
		const is = "p/b.parquet (row 2: v = 'NaN' becomes 0 (rule decimal-nan))"
		w.wantExit(w.validate(ld, plan.Options{Path: "*"}), exit.Check, is)
		w.wantExit(second(w.run(ld, plan.Options{RetryFailed: true})), exit.Partly, is)
	}
	if got := w.SQL(t, "SELECT count(*) FROM things")[0][0]; got != "1" {
		t.Errorf("got %s rows, want those of the other file", got)
	}
	by := w.load("COPY INTO things FROM (SELECT $1:id::INT, $1:v::DECIMAL(10, 2) FROM @st/p/) FILE_FORMAT = (TYPE = PARQUET)")
	if err := w.validate(by, plan.Options{Path: "*"}); err != nil ||
		!strings.Contains(w.notes(), "p/b.parquet: row 2: v = 'NaN' becomes 0 (rule decimal-nan)") || strings.Contains(w.notes(), "a.parquet") {
		t.Errorf("by its key: got %v, %s", err, w.notes())
	}
}

// What an expression makes of a column is looked at like the column, and a plain COPY of ORC like one of Parquet.
func TestRulesOfExpressions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE things (v DECIMAL(10, 2), at TIMESTAMP, geo GEOMETRY)")
	type row struct {
		ID int32   `parquet:"id"`
		V  float64 `parquet:"v"`
		At int64   `parquet:"at"`
	}
	for _, dir := range []string{"p/", "g/"} {
		w.Put(t, dir+"a.parquet", file([]row{{1, 1.5, 1735689600}, {2, 100, 1735689600}}))
	}
	w.Put(t, "n/a.parquet", file([]row{{1, 1.5, 1735689600}, {2, math.NaN(), 1735689600}}))
	w.Put(t, "s/a.parquet", file([]row{{1, 1.5, 1735689600}, {2, 1, 1735689600000000000}}))
	orc, err := os.ReadFile("testdata/nan.orc")
	if err != nil {
		t.Fatal(err)
	}
	w.Put(t, "o/a.orc", orc)
	w.Put(t, "c/a.csv", []byte("1.5,1735689600\n1.5,1735689600000000000\n"))
	const list = "things FROM (SELECT coalesce(v, 0)::DECIMAL(10, 2), (at + 1)::TIMESTAMP, ST_MAKEGEOMPOINT(1, v)"
	for _, tt := range []struct {
		copy, bad, warned string
		validated         bool // by a validation alone
	}{
		{list + " FROM @st/n/) FILE_FORMAT = (TYPE = PARQUET)", "row 2: v = 'NaN' becomes 0 (rule decimal-nan)", "", false},
		{
			list + " FROM @st/s/) FILE_FORMAT = (TYPE = PARQUET)", "row 2: at = '1735689600000000001' is no time between the years 1 and 9999: " +
				"of another unit? (rule time-range)", "", false,
		},
		{"things (v) FROM @st/o/ FILE_FORMAT = (TYPE = ORC)", "row 2: v = 'NaN' becomes 0 (rule decimal-nan)", "", false},
		{list + " FROM @st/p/) FILE_FORMAT = (TYPE = PARQUET)", "", "row 1: geo = 'POINT(1 1.5)' has no SRID (rule srid-zero)", false},
		{
			"things (geo) FROM (SELECT ST_SETSRID(ST_MAKEGEOMPOINT(1, v), 4326) FROM @st/g/) FILE_FORMAT = (TYPE = PARQUET)", "",
			"row 2: geo = 'POINT(1 100)' lies outside of the earth: latitude and longitude swapped? (rule swapped-axes)", false,
		},
		{"things (v, at) FROM @st/c/ FILE_FORMAT = (TYPE = CSV)", "", "row 2: at = '1735689600000000000' is no time between", true},
	} {
		ld := w.load("COPY INTO " + tt.copy)
		check := func(err error, ends exit.Code) {
			t.Helper()
			if tt.bad != "" {
				w.wantExit(err, ends, tt.bad)
			} else if err != nil {
				t.Errorf("%s: %v", tt.copy, err)
			}
			if said := w.notes(); !strings.Contains(said, tt.warned) {
				t.Errorf("%s: got %s, want %s", tt.copy, said, tt.warned)
			}
		}
		check(w.validate(ld, plan.Options{}), exit.Check)
		if !tt.validated {
			check(second(w.run(ld, plan.Options{})), exit.Partly)
		}
	}
}

// A key or a field that no row has is NULL without a word, in a run: a validation says so.
func TestFieldThatNoRowHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE things (a INT, b INT, c INT)")
	w.Put(t, "p/a.ndjson", []byte("{\"a\":1,\"b\":2,\"c\":null}\n{\"a\":1,\"b\":2}\n"))
	w.Put(t, "p/b.ndjson", []byte("{\"a\":1,\"b\":2,\"c\":null}\n"))
	w.Put(t, "q/a.csv", []byte("1,2\n1,2\n"))
	w.Put(t, "r/a.tsv", []byte("1\t2\t\n"))
	for list, field := range map[string]string{
		"$1:a::INT, $1:B, $1:c FROM @st/p/) FILE_FORMAT = (TYPE = NDJSON)":              "$1:B is NULL in every row of 2 files",
		"$1, $2, $3 FROM @st/q/) FILE_FORMAT = (TYPE = CSV)":                            "$3 is NULL in every row of 1 file",
		"$1::INT, $2::INT, nullif($3, '')::INT FROM @st/r/) FILE_FORMAT = (TYPE = TSV)": "",
	} {
		if err := w.validate(w.load("COPY INTO things FROM (SELECT "+list), plan.Options{}); err != nil {
			t.Fatal(err)
		}
		want := 1
		if field == "" {
			want = 0
		}
		if said := w.notes(); !strings.Contains(said, field) || strings.Count(said, "in every row") != want {
			t.Errorf("%s: got %s, want %d words about %s", list, said, want, field)
		}
	}
}

func second[A, B any](_ A, b B) B { return b }
