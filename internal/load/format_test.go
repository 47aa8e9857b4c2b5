package load

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"testing"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// Every format that the engine reads is loaded; a file that is cut off is named, holds no other up, is given up, and is loaded once it is
// whole.
func TestFormats(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		content, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	formats := []struct {
		typ, name, list string
		good            []byte
		bad             []byte // nil: cut off
	}{
		{"PARQUET", "x.parquet", "id::INT, name::STRING", rows(1, 3), nil},
		{"ORC", "x.orc", "id::INT, name::STRING", read("rows.orc"), nil},
		{"AVRO", "x.avro", "", read("rows.avro"), nil},
		{"CSV", "x.csv", "$1::INT, $2::STRING", []byte("1,a\n2,b\n3,c\n"), []byte("1,a\nx,b\n")},
		{"TSV", "x.tsv", "$1::INT, $2::STRING", []byte("1\ta\n2\tb\n3\tc\n"), []byte("1\ta\nx\tb\n")},
		{
			"NDJSON", "x.ndjson", "$1:id::INT, $1:name::STRING",
			[]byte(`{"id":1,"name":"a"}` + "\n" + `{"id":2,"name":"b"}` + "\n" + `{"id":3}` + "\n"), nil,
		},
	}
	fromEach(t, func(w *world, _ string) {
		for _, tt := range formats {
			w.SQL(w.t, "CREATE OR REPLACE TABLE t (id INT, name STRING)")
			dir := tt.typ + "/"
			from, below := "@st/"+dir, dir
			if w.uri {
				below = ""
			}
			if tt.list != "" {
				from = "(SELECT " + tt.list + " FROM " + from + ")"
			}
			ld := w.load("COPY INTO t FROM " + from + " FILE_FORMAT = (TYPE = " + tt.typ + ")")
			w.Put(w.t, dir+"a"+tt.name, tt.good)
			w.Put(w.t, dir+"README", []byte("no data"))
			w.mustRun(ld, plan.Options{}, 1, 3)
			w.mustRun(ld, plan.Options{}, 0, 0)
			if tt.bad == nil {
				tt.bad = tt.good[:len(tt.good)/2]
			}
			bad := below + "b" + tt.name
			w.Put(w.t, dir+"b"+tt.name, tt.bad)
			w.Put(w.t, dir+"c"+tt.name, tt.good)
			w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "1 invalid file: "+bad)
			res, err := w.run(ld, plan.Options{})
			w.wantExit(err, exit.Partly, "1 bad file, the others are loaded: "+bad)
			if res.Files != 1 || res.Rows != 3 {
				w.t.Errorf("%s: got %+v, want one good file", tt.typ, res)
			}
			w.wantRows(6)
			if err := w.mark(ld, "quarantined", plan.Options{Path: bad}); err != nil {
				w.t.Error(err)
			}
			w.mustRun(ld, plan.Options{}, 0, 0)
			if err := w.mark(ld, "new", plan.Options{Path: bad}); err != nil {
				w.t.Error(err)
			}
			w.Put(w.t, dir+"b"+tt.name, tt.good) // mended
			w.mustRun(ld, plan.Options{}, 1, 3)
			w.mustRun(ld, plan.Options{}, 0, 0)
			w.wantRows(9)
		}
	})
}

// A preview shows a plain COPY of each format, whose columns a query names in a way of its own.
func TestPreviewOfFormats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for typ, name := range map[string]string{"ORC": "rows.orc", "AVRO": "rows.avro"} {
		content, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		w.Put(t, typ+"/"+name, content)
		ld := w.load("COPY INTO t FROM @" + w.stage + "/" + typ + "/ FILE_FORMAT = (TYPE = " + typ + ")")
		if err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), ld, plan.Options{}, 2) }); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
		shown := 0
		for _, e := range w.events {
			if p, ok := e.(event.Preview); ok && len(p.Columns) == 2 {
				shown = len(p.Rows)
			}
		}
		if shown != 2 {
			t.Errorf("%s: %d rows shown, want 2: %s", typ, shown, w.notes())
		}
	}
}

// A text file that is compressed by its name is not read as it is: a gzip of one line would pass for a header.
func TestPackedFileOfAnUnpackedLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte("id,name\n1,x\n")) // a buffer takes all
	_ = z.Close()
	w.Put(t, "p/a.csv.gz", b.Bytes())
	w.Put(t, "p/b.csv", []byte("id,name\n2,y\n"))
	of := func(compression string) project.Load {
		return w.load("COPY INTO t (id, name) FROM (SELECT $1::INT, $2 FROM @st/p/) FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1" + compression + ")")
	}
	w.wantExit(w.validate(of(""), plan.Options{}), exit.Check, "1 invalid file: p/a.csv.gz (by its name it is compressed")
	_, err := w.run(of(""), plan.Options{})
	w.wantExit(err, exit.Partly, "p/a.csv.gz (by its name it is compressed, and the load's FILE_FORMAT does not say COMPRESSION = AUTO)")
	w.wantRows(1)
	w.mustRun(of(" COMPRESSION = AUTO"), plan.Options{}, 1, 1)
	w.wantRows(2)
	w.Put(t, "p/c.csv.gz", []byte("id,name\n3,z\n")) // whose name is wrong, and whose load knows it
	w.mustRun(of(" COMPRESSION = NONE"), plan.Options{}, 1, 1)
}

// The server takes an ORC file for one of the first file's schema that has more columns behind those: what the first lacks is not missing
// in the others, and no other is to blame for it.
func TestORCFilesThatLackAColumn(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, below string) {
		read := func(name string) []byte {
			content, err := os.ReadFile("testdata/" + name)
			if err != nil {
				w.t.Fatal(err)
			}
			return content
		}
		of := func(dir string, change ...func(*project.Load)) project.Load {
			w.Put(w.t, dir+"1.orc", read("id.orc"))
			w.Put(w.t, dir+"2.orc", read("rows.orc"))
			w.Put(w.t, dir+"3.orc", read("id.orc"))
			w.SQL(w.t, "CREATE OR REPLACE TABLE t (id INT, name STRING)")
			return w.load("COPY INTO t (id, name) FROM (SELECT id::INT, name::STRING FROM @st/"+dir+") FILE_FORMAT = (TYPE = ORC)", change...)
		}
		whole := func(named int) {
			w.t.Helper()
			if got := w.SQL(w.t, "SELECT count(name) FROM t")[0][0]; got != fmt.Sprint(named) {
				w.t.Errorf("%s rows have a name, want %d", got, named)
			}
		}
		optional := func(ld *project.Load) { ld.Optional = []string{"name"} }
		ld := of("o/", optional)
		if err := w.validate(ld, plan.Options{}); err != nil {
			w.t.Error(err)
		}
		w.mustRun(ld, plan.Options{}, 3, 7)
		whole(3)
		w.mustRun(of("a/", optional), plan.Options{Atomic: true}, 3, 7)
		whole(3)
		ld = of("b/")
		w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "2 invalid files")
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "2 bad files", "1.orc (the file has no column name)", "3.orc (the file has no column name)")
		whole(3)
		// One of another order, and one that is none, beside them: each is loaded or named.
		w.Put(w.t, "b/0.orc", []byte("id,name\n1,x\n"))
		w.Put(w.t, "b/4.orc", read("rows.orc")[:200])
		w.Put(w.t, "b/5.orc", read("rows.orc"))
		_, err = w.run(ld, plan.Options{RetryFailed: true})
		w.wantExit(err, exit.Partly, "4 bad files")
		whole(6)
	})
}
