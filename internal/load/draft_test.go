package load

import (
	"bytes"
	"compress/gzip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/lint"
	"github.com/dbctl/dbctl/internal/load/draft"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
)

// draft writes a load from files, makes its table as its migration does, and returns the load as a project has it.
func (w *world) draft(r draft.Request) (d draft.Draft, ld project.Load) {
	w.t.Helper()
	err := w.with(w.t.Context(), func(l *Loader) (err error) {
		d, err = l.Draft(w.t.Context(), r)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if up, ok := strings.CutPrefix(d.Migration, "-- +goose Up\n"); ok {
		up, _, _ = strings.Cut(up, ";")
		w.SQL(w.t, up)
	}
	dir := w.t.TempDir()
	for _, err := range []error{
		project.CreateFile(dir, project.ConfigFile, "project: p\n"), func() error { _, err := project.CreateLoad(dir, r.Name, d.Load); return err }(),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if d.Migration != "" {
		if _, err := project.CreateMigration(dir, "make", d.Migration, true, time.Now()); err != nil {
			w.t.Fatal(err)
		}
	}
	p, err := project.Open(project.Options{Dir: dir, NoEnv: true})
	if err != nil {
		w.t.Fatalf("%v, of\n%s", err, d.Load)
	}
	if found := lint.Run(p, lint.Options{}); lint.Errors(found) > 0 {
		w.t.Errorf("lint objects to\n%s%s: %+v", d.Load, d.Migration, found)
	}
	return d, p.Loads[0]
}

// What is written for files of several days loads them all: the types are as wide as they need, and what some lack is NULL.
func TestDraftLoadsItsFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type first struct {
		ID   int32 `parquet:"id"`
		Size int32 `parquet:"size"`
	}
	type later struct {
		ID   int64     `parquet:"id"`
		Size float64   `parquet:"size"`
		Pos  float64   `parquet:"Position X"`
		Tags []float32 `parquet:"tags,list"`
		User string    `parquet:"user"`
	}
	w.Put(t, "p/day1.parquet", file([]first{{1, 2}, {2, 3}}))
	w.Put(t, "p/day2.parquet", file([]later{{1 << 40, 2.5, 0.5, []float32{1, 2}, "x"}}))
	w.Put(t, "p/_SUCCESS", []byte("x"))
	d, ld := w.draft(draft.Request{Name: "daily/things", From: "@" + w.stage + "/p/"})
	for _, want := range []string{"id::BIGINT", "size::DOUBLE", "`Position X`::DOUBLE", "`user`::STRING", "optional=`Position X`,tags,user", "position_x"} {
		if !strings.Contains(d.Load, want) {
			t.Errorf("got %s, want %s in it", d.Load, want)
		}
	}
	if !strings.Contains(d.Migration, "CREATE TABLE things (") || !strings.Contains(d.Migration, "DROP TABLE things;") {
		t.Errorf("got %s", d.Migration)
	}
	w.mustRun(ld, plan.Options{}, 2, 3)
	if got := w.SQL(t, "SELECT count(*), sum(id), count(tags), count(position_x), count(DISTINCT source_file) FROM things")[0]; strings.Join(got,
		" ") != "3 1099511627779 1 1 2" {
		t.Errorf("got %v", got)
	}
	again, _ := w.draft(draft.Request{Name: "again", From: "@" + w.stage + "/p/", Table: "t"}) // which is there: id, name
	if again.Migration != "" || !strings.Contains(again.Load, "COPY INTO t (id)") || !strings.Contains(again.Load, "id::INT") {
		t.Errorf("got %s, %s, want the columns of the table", again.Load, again.Migration)
	}
}

func gzipped(text []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(text) // into memory
	_ = z.Close()
	return b.Bytes()
}

// Whole numbers above BIGINT keep their digits; what is a fraction somewhere is a DOUBLE.
func TestDraftOfLargeNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "n/a.ndjson", []byte(`{"id":18446744073709551615,"code":-12345678901234567890123,"part":1e30,"n":1}`+"\n"))
	w.Put(t, "n/b.ndjson", []byte(`{"id":7,"code":1,"part":0.5,"n":2}`+"\n"))
	d, ld := w.draft(draft.Request{Name: "large", From: "@" + w.stage + "/n/"})
	for _, want := range []string{"$1:id::DECIMAL(38, 0)", "$1:code::DECIMAL(38, 0)", "$1:part::DOUBLE", "$1:n::BIGINT"} {
		if !strings.Contains(d.Load, want) {
			t.Errorf("got %s, want %s in it", d.Load, want)
		}
	}
	w.mustRun(ld, plan.Options{}, 2, 2)
	if got := strings.Join(w.SQL(t, "SELECT max(id), min(code) FROM large")[0], " "); got != "18446744073709551615 -12345678901234567890123" {
		t.Errorf("got %s", got)
	}
}

// What is written for text files skips a header that is there, and unpacks what is compressed.
func TestDraftOfTextFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "c/a.csv", []byte("id,when,note\n1,2025-01-01,x\n2,2025-01-02,\n"))
	w.Put(t, "c/b.csv", []byte("id,when,note\n2.5,2025-01-02,y\n"))
	w.Put(t, "n/a.ndjson", []byte(`{"id":1,"who":"a","tags":[1,2]}`+"\n"))
	w.Put(t, "n/b.jsonl.gz", gzipped([]byte(`{"id":2,"more":{"a":1}}`+"\n")))
	w.Put(t, "z/a.csv.gz", gzipped([]byte("id,when\n1,2025-01-01\n")))
	w.Put(t, "z/b.csv", []byte("id,when\n2,2025-01-02\n"))
	d, ld := w.draft(draft.Request{Name: "csvs", From: "@" + w.stage + "/c/"})
	if !strings.Contains(d.Load, "SKIP_HEADER = 1") || !strings.Contains(d.Load, "$1::DOUBLE") || !strings.Contains(d.Load, "$2::DATE") {
		t.Errorf("got %s", d.Load)
	}
	w.mustRun(ld, plan.Options{}, 2, 3)
	if got := w.SQL(t, "SELECT sum(id), max(`when`) FROM csvs")[0]; strings.Join(got, " ") != "5.5 2025-01-02" {
		t.Errorf("got %v", got)
	}
	_, ld = w.draft(draft.Request{Name: "lines", From: "@" + w.stage + "/n/"})
	w.mustRun(ld, plan.Options{}, 2, 2)
	if got := w.SQL(t, "SELECT sum(id), count(who), count(more) FROM lines")[0]; strings.Join(got, " ") != "3 1 1" {
		t.Errorf("got %v", got)
	}
	d, ld = w.draft(draft.Request{Name: "packed", From: "@" + w.stage + "/z/"})
	if !strings.Contains(d.Load, "FILE_FORMAT = (TYPE = CSV, COMPRESSION = AUTO, SKIP_HEADER = 1)") {
		t.Errorf("got %s", d.Load)
	}
	w.mustRun(ld, plan.Options{}, 2, 2)
	ld = w.load("COPY INTO lines (id) FROM (SELECT $1:id FROM @st/n/) FILE_FORMAT = (TYPE = NDJSON)")
	_, err := w.run(ld, plan.Options{Force: true, Path: "n/b.jsonl.gz"})
	w.wantExit(err, exit.Partly, "does not say COMPRESSION = AUTO")
}

// Names that are one to the server: of a file that has both none can be read; of several files they are one column. Names that only the
// table takes for one get others there.
func TestDraftOfNamesAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type twice struct {
		ID    int32 `parquet:"id"`
		Upper int32 `parquet:"ID"`
		AB    int32 `parquet:"a b"`
		A_B   int32 `parquet:"a.b"`
		Size  int32 `parquet:"Size"`
		Odd   int32 `parquet:"{{ x }}"`
	}
	type other struct {
		Size int32 `parquet:"SIZE"`
	}
	w.Put(t, "p/1.parquet", file([]twice{{1, 2, 3, 4, 5, 6}}))
	w.Put(t, "p/2.parquet", file([]other{{6}}))
	d, ld := w.draft(draft.Request{Name: "alike", From: "@" + w.stage + "/p/"})
	if want := "the column id is twice there"; len(d.Notes) != 2 || !strings.Contains(d.Notes[0], want) ||
		!strings.Contains(d.Notes[1], "{{ x }} is not read") || !strings.Contains(d.Migration, "a_b_2 INT") {
		t.Errorf("got %v, %s, want %s", d.Notes, d.Migration, want)
	}
	w.mustRun(ld, plan.Options{}, 2, 2)
	if got := w.SQL(t, "SELECT sum(a_b), sum(a_b_2), sum(size) FROM alike")[0]; strings.Join(got, " ") != "3 4 11" {
		t.Errorf("got %v", got)
	}
}

// A store that needs more than keys is told by options, which stand in what is written; keys stand there as secrets.
func TestDraftFromALocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.uri = true
	r := w.request("p", "")
	d, ld := w.draft(r)
	if want := "REGION = 'us-east-1' ENDPOINT_URL = '" + w.S3.Endpoint + "' ACCESS_KEY_ID = {{ secret \"AWS_ACCESS_KEY_ID\" }}"; !strings.Contains(d.Load, want) {
		t.Errorf("got %s, want %s", d.Load, want)
	}
	w.mustRun(ld, plan.Options{}, 1, 3)
	r.Connection = "ENDPOINT_URL=http://127.0.0.1:9"
	err := w.with(t.Context(), func(l *Loader) error {
		_, err := l.Draft(t.Context(), r)
		return err
	})
	w.wantExit(err, exit.Failed, "the object store cannot be reached")
	if hint := err.(interface{ Hint() string }).Hint(); !strings.HasPrefix(hint, "dbctl load create p --from s3://") {
		t.Errorf("got the hint %q", hint)
	}
}

// request asks for a load of a folder, in the stage or by its URI.
func (w *world) request(name, typ string) draft.Request {
	r := draft.Request{Name: name, From: "@" + w.stage + "/" + name + "/", Type: typ}
	if w.uri {
		w.secrets = secret.Set{"AWS_ACCESS_KEY_ID": secret.New(w.S3.Key), "AWS_SECRET_ACCESS_KEY": w.S3.Secret}
		r.From, r.Connection = "s3://"+w.Bucket+"/"+w.Prefix+name+"/", "region=us-east-1 ENDPOINT_URL="+w.S3.Endpoint
	}
	return r
}

// Formats that INFER_SCHEMA does not read, fields that no comma parts, names that are not the type's, and files that cannot be read: what is
// written loads what is there, and says what it leaves.
func TestDraftOfOddFiles(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		for _, name := range []string{"rows.orc", "rows.avro", "kinds.orc", "kinds.avro"} {
			content, err := os.ReadFile("testdata/" + name)
			if err != nil {
				w.t.Fatal(err)
			}
			w.Put(w.t, strings.Replace(strings.TrimPrefix(name, "rows."), ".", "_", 1)+"/"+name, content)
		}
		w.Put(w.t, "semi/a.csv", []byte("id;name\n1;x, y\n2;z\n"))
		w.Put(w.t, "euro/a.csv", []byte("\"No.\";\"Weight, g\";\"price (€)\"\n1;2,5;3\n"))
		w.Put(w.t, "words/a.csv.gz", gzipped([]byte("oak|Europe\nfir|Asia\n")))
		w.Put(w.t, "dat/a.dat", []byte("1,x\n"))
		w.Put(w.t, "dat/b.D-1", []byte("2,y\n"))
		w.Put(w.t, "log/a.log.gz", gzipped([]byte("1,x\n")))
		w.Put(w.t, "mixed/a.parquet", rows(1, 2))
		w.Put(w.t, "mixed/b.csv", []byte("1,x\n"))
		w.Put(w.t, "cut/a.parquet", rows(1, 2)[:80])
		w.Put(w.t, "cut/b.parquet", rows(1, 2))
		w.Put(w.t, "blank/a.csv", []byte("id,,name\n1,2,x\n"))
		w.Put(w.t, "ragged/a.csv", []byte("id,name\n1,K\xf6ln\n"))
		w.Put(w.t, "ragged/b.csv", []byte("id,name\n1,x\n2,y,z\n"))
		w.Put(w.t, "ragged/c.csv", []byte("id,name\n3,z\n"))
		w.Put(w.t, "keys/a.ndjson", []byte(`{"id":1,"o":{"a":[1,{"b":null}]}}`+"\n"+`{"id":2,"o":"text"}`+"\n"))
		for _, tt := range []struct {
			name, typ   string
			says, notes string
			files       int
			rows        int64
			ends        exit.Code
		}{
			{"orc", "", "id::BIGINT", "", 1, 3, 0},
			{"avro", "", "$1:id::BIGINT", "", 1, 3, 0},
			{"kinds_orc", "", "`at`::TIMESTAMP,\n    `day`::DATE,\n    raw::BINARY,\n    word::STRING", "", 1, 2, 0},
			{"kinds_avro", "", "$1:`at`::TIMESTAMP,\n    $1:`day`::DATE,\n    $1:raw::BINARY,\n    $1:word::STRING", "", 1, 2, 0},
			{"semi", "", "FIELD_DELIMITER = ';', SKIP_HEADER = 1", "", 1, 2, 0},
			{"euro", "", "FIELD_DELIMITER = ';', SKIP_HEADER = 1", "", 1, 1, 0},
			{"words", "", "FIELD_DELIMITER = '|', SKIP_HEADER = 1", "if it is data, take SKIP_HEADER out", 1, 1, 0},
			{"dat", "csv", "-- dbctl: pattern='.*[.](D-1|dat)'", "", 2, 2, 0},
			{"log", "csv", "-- dbctl: pattern=", "", 1, 1, 0},
			{"mixed", "", "TYPE = PARQUET", "1 file there is of another type by name, and not read by this load", 1, 2, 0},
			{"blank", "", "TYPE = CSV", "a.csv is read as data", 1, 2, 0},
			{"keys", "", "$1:o::VARIANT", "", 1, 2, 0},
			{"ragged", "", "SKIP_HEADER = 1", "b.csv cannot be read", 2, 3, exit.Partly},
			{"cut", "", "TYPE = PARQUET", "a.parquet cannot be read", 1, 2, exit.Partly},
		} {
			d, ld := w.draft(w.request(tt.name, tt.typ))
			if !strings.Contains(d.Load, tt.says) || !strings.Contains(strings.Join(d.Notes, "\n"), tt.notes) || strings.Contains(d.Load, "optional=") {
				w.t.Errorf("%s: got %s\n%v", tt.name, d.Load, d.Notes)
			}
			if d.Files > tt.files {
				w.t.Errorf("%s: written from %d files, want %d", tt.name, d.Files, tt.files)
			}
			res, err := w.run(ld, plan.Options{})
			if exit.Of(err) != tt.ends || res.Files != tt.files || res.Rows != tt.rows {
				w.t.Errorf("%s: got %+v, %v", tt.name, res, err)
			}
		}
	})
}

// A column of which the first file has no value gets its type from the others; one that stands in other places in some text files is read
// from no wrong place.
func TestDraftOfFilesThatDiffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "c/a.csv", []byte("id,name,size\n"))
	w.Put(t, "c/b.csv", []byte("id,name,size\n1,one,\n"))
	w.Put(t, "n/a.ndjson", []byte(`{"id":null,"at":null}`+"\n"))
	w.Put(t, "n/b.ndjson", []byte(`{"id":1,"at":null}`+"\n"))
	w.Put(t, "h/a.csv", []byte("id,name\n1,one\n"))
	w.Put(t, "h/b.csv", []byte("id,mail,name\n2,a@b,two\n"))
	for _, tt := range []struct{ place, load, note string }{
		{"c", "$1::BIGINT,\n    $2::STRING,\n    $3::STRING", "no file that was read has a value of column size"},
		{"n", "$1:id::BIGINT", "no file that was read has a value of column at"},
		{"h", "COPY INTO differ_h (id, name, source_file)", "the header of "},
	} {
		d, ld := w.draft(draft.Request{Name: "differ_" + tt.place, From: "@" + w.stage + "/" + tt.place + "/"})
		if !strings.Contains(d.Load, tt.load) || !strings.Contains(strings.Join(d.Notes, "\n"), tt.note) {
			t.Errorf("got %s%v, want %s and %s", d.Load, d.Notes, tt.load, tt.note)
		}
		if tt.place != "h" {
			w.mustRun(ld, plan.Options{}, 2, map[string]int64{"c": 1, "n": 2}[tt.place])
			continue
		}
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "h/b.csv")
		if got := strings.Join(w.SQL(t, "SELECT id, name FROM differ_h")[0], " "); got != "1 one" {
			t.Errorf("got %s, want what the first file has", got)
		}
	}
	type list struct {
		Tags []string `parquet:"tags,list"`
	}
	type text struct {
		Tags string `parquet:"tags"`
	}
	w.Put(t, "l/a.parquet", file([]list{{[]string{"x"}}}))
	w.Put(t, "l/b.parquet", file([]text{{"x"}}))
	d, _ := w.draft(draft.Request{Name: "differ_l", From: "@" + w.stage + "/l/"})
	if !strings.Contains(strings.Join(d.Notes, "\n"), "VARIANT takes a text where that is JSON") {
		t.Errorf("got %v", d.Notes)
	}
	w.Put(t, "e/a.csv", nil)
	err := w.with(t.Context(), func(l *Loader) error {
		_, err := l.Draft(t.Context(), draft.Request{Name: "empty", From: "@" + w.stage + "/e/"})
		return err
	})
	w.wantExit(err, exit.Check, "have 0 bytes: e/a.csv")
}
