package load

import (
	"os"
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// Every format that the engine reads is loaded; a file that is cut off is named, and holds no other up.
func TestFormats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	read := func(name string) []byte {
		content, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	for _, tt := range []struct {
		typ, name, list string
		good            []byte
		cut             int // bytes of the bad file; 0: a cut text is a text
	}{
		{"PARQUET", "x.parquet", "id::INT, name::STRING", rows(1, 3), 100},
		{"ORC", "x.orc", "id::INT, name::STRING", read("rows.orc"), 200},
		{"AVRO", "x.avro", "", read("rows.avro"), 150},
		{"CSV", "x.csv", "$1::INT, $2::STRING", []byte("1,a\n2,b\n3,c\n"), 0},
		{"TSV", "x.tsv", "$1::INT, $2::STRING", []byte("1\ta\n2\tb\n3\tc\n"), 0},
		{
			"NDJSON", "x.ndjson", "$1:id::INT, $1:name::STRING",
			[]byte(`{"id":1,"name":"a"}` + "\n" + `{"id":2,"name":"b"}` + "\n" + `{"id":3}` + "\n"), 25,
		},
	} {
		w.SQL(t, "CREATE OR REPLACE TABLE t (id INT, name STRING)")
		dir := tt.typ + "/"
		from := "@" + w.stage + "/" + dir
		if tt.list != "" {
			from = "(SELECT " + tt.list + " FROM " + from + ")"
		}
		ld := w.load("COPY INTO t FROM " + from + " FILE_FORMAT = (TYPE = " + tt.typ + ")")
		w.Put(t, dir+"a"+tt.name, tt.good)
		w.Put(t, dir+"README", []byte("no data"))
		w.mustRun(ld, plan.Options{}, 1, 3)
		w.mustRun(ld, plan.Options{}, 0, 0)
		if tt.cut == 0 {
			continue
		}
		w.Put(t, dir+"b"+tt.name, tt.good[:tt.cut])
		w.Put(t, dir+"c"+tt.name, tt.good)
		w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "1 invalid file: "+dir+"b"+tt.name)
		res, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "1 bad file, the others are loaded: "+dir+"b"+tt.name)
		if res.Files != 1 || res.Rows != 3 {
			t.Errorf("%s: got %+v, want one good file", tt.typ, res)
		}
		w.wantRows(6)
	}
}
