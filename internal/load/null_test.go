package load

import (
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// maybe is a row whose name may be NULL.
type maybe struct {
	ID   int32   `parquet:"id"`
	Name *string `parquet:"name,optional"`
}

func maybes(names ...string) []byte {
	out := make([]maybe, len(names))
	for i, n := range names {
		out[i].ID = int32(i)
		if n != "" {
			out[i].Name = &n
		}
	}
	return file(out)
}

// The column that takes no NULL is found without a list of columns, and behind an expression.
func TestNullWhereTheTableTakesNone(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"COPY INTO strict FROM (SELECT id::INT, name::STRING FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')",
		"COPY INTO strict (id, name) FROM (SELECT id::INT, upper(name) AS n FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')",
	} {
		w := newWorld(t)
		w.SQL(t, "CREATE TABLE strict (id INT, name STRING NOT NULL)")
		w.Put(t, "p/good.parquet", maybes("a", "b"))
		w.Put(t, "p/null.parquet", maybes("a", ""))
		ld := w.load(sql)
		w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "1 invalid file: p/null.parquet (row 2: ",
			"= NULL but column name of the table is NOT NULL")
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "1 bad file, the others are loaded: p/null.parquet (row 2: ",
			"= NULL but column name of the table is NOT NULL")
	}
}

// A NOT NULL column that the COPY does not name is the text's mistake, unless it fills itself.
func TestColumnThatNothingFills(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		w.SQL(w.t, "CREATE TABLE strict (id INT, z INT NOT NULL)", "CREATE TABLE counting (id INT, z INT AUTOINCREMENT NOT NULL)")
		w.Put(w.t, "p/a.parquet", rows(1, 2))
		w.Put(w.t, "p/b.parquet", rows(3, 2))
		strict := w.load("COPY INTO strict (id) FROM (SELECT id::INT FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')")
		w.wantExit(w.validate(strict, plan.Options{}), exit.Failed, "null value in column `z`")
		_, err := w.run(strict, plan.Options{})
		w.wantExit(err, exit.Failed, "null value in column `z`")
		if got := w.outcomes(); got != nil {
			w.t.Errorf("files were blamed: %q", got)
		}
		counting := w.load("COPY INTO counting (id) FROM (SELECT id::INT FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')")
		if err := w.validate(counting, plan.Options{}); err != nil {
			w.t.Error(err)
		}
		w.mustRun(counting, plan.Options{}, 2, 4)
	})
}

// What an expression fails on in one file does not hide from a validation what a rule finds in another.
func TestValidateBehindAnExpression(t *testing.T) {
	t.Parallel()
	type text struct {
		V string `parquet:"v"`
	}
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE vec (v VECTOR(2))")
	w.Put(t, "p/broken.parquet", file([]text{{"[1,"}}))
	w.Put(t, "p/good.parquet", file([]text{{"[1,2]"}}))
	w.Put(t, "p/null.parquet", file([]text{{"[1,null]"}}))
	ld := w.load("COPY INTO vec (v) FROM (SELECT parse_json(v)::ARRAY(FLOAT)::VECTOR(2) FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')")
	w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "2 invalid files: p/broken.parquet",
		"p/null.parquet (row 1: v = '[1.0,null]' has a NULL in the vector")
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "2 bad files", "p/broken.parquet", "p/null.parquet (row 1: v = '[1.0,null]' has a NULL in the vector")
}

// What the server says of a text file's fields before it reads one is the text's mistake: their types are the same in each file.
func TestFieldsThatNoFileHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct{ files, name, list, want string }{
		{"CSV", "a.csv", "id, name", "lacks column positions"},
		{"CSV", "a.csv", "$1, $2:name", "no function matches signature `get(String NULL, String)`"},
		{"TSV", "a.tsv", "$1, METADATA$FILE", "column metadata$file doesn't exist"},
		{"NDJSON", "a.ndjson", "id, $1:name", "files of NDJSON have no columns that a SELECT list could name"},
		{"NDJSON", "a.ndjson", "$1:id, $2", "in files of NDJSON a row is $1 as a whole"},
		{"AVRO", "a.avro", "id, $1:name", "files of AVRO have no columns that a SELECT list could name"},
		{"NDJSON", "a.ndjson", "$1:id, upper()", "no function matches signature `upper()`"},
		{"NDJSON", "a.ndjson", "$1:id::TUPLE(INT), $1:name", "unable to cast type `Variant NULL` to type `Tuple(Int32,)`"},
	} {
		w.Put(t, "p/"+tc.name, []byte("{\"id\":1,\"name\":\"x\"}\n"))
		ld := w.load("COPY INTO t (id, name) FROM (SELECT " + tc.list + " FROM @st/p/) FILE_FORMAT = (TYPE = " + tc.files + ")")
		w.wantExit(w.validate(ld, plan.Options{}), exit.Failed, tc.want)
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Failed, tc.want)
	}
	if got := w.ledger(); got != nil {
		t.Errorf("got %q in the ledger for the load's own mistake", got)
	}
}
