package load

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// badEvents are the files of the last command with this outcome, as "path column row value".
func (w *world) badEvents(outcome event.FileOutcome) []string {
	var out []string
	for _, e := range w.events {
		if f, ok := e.(event.File); ok && f.Outcome == outcome {
			at := "-"
			if f.Row != nil {
				at = fmt.Sprint(*f.Row)
			}
			out = append(out, fmt.Sprintf("%s %q %s %q", strings.TrimPrefix(f.Path, "p/"), f.Column, at, f.Value))
		}
	}
	slices.Sort(out)
	return out
}

// typed is a row whose text is cast by the load.
type typed struct {
	ID   int32     `parquet:"id"`
	When *string   `parquet:"at,optional"`
	Num  *string   `parquet:"num,optional"`
	JSON *string   `parquet:"js,optional"`
	Geo  *string   `parquet:"geo,optional"`
	Vec  []float32 `parquet:"vec,list"`
}

func text(s string) *string { return &s }

// goodRows are n rows that load, changed by f.
func goodRows(n int, f func([]typed)) []byte {
	out := make([]typed, n)
	for i := range out {
		out[i] = typed{int32(i), text("2025-01-01 10:00:00"), text("12"), text(`{"a":1}`), text("POINT(1 2)"), []float32{1, 2, 3}}
	}
	if f != nil {
		f(out)
	}
	return file(out)
}

func TestBadFilesAreFoundAndTheOthersLoaded(t *testing.T) {
	t.Parallel()
	of := func(location string) string {
		return "COPY INTO typed (id, at, num, js, geo, vec) FROM (SELECT id::INT, at::TIMESTAMP, num::INT, js::VARIANT, " +
			"geo::GEOMETRY, vec::VECTOR(3) FROM " + location + ") FILE_FORMAT = (TYPE = 'PARQUET')"
	}
	good := goodRows(20, nil)
	damaged := slices.Clone(good)
	for i := 4; i < 40; i++ {
		damaged[i] ^= 0x5a
	}
	bad := []struct {
		name    string
		content []byte
		column  string
		row     string
		value   string
		reason  string
	}{
		{"cut off", good[:len(good)-7], "", "-", "", "footer"},
		{"damaged page", damaged, "", "-", "", "damaged"},
		{"damaged text", bytes.Replace(good, []byte(`{"a":1}`), []byte("{\"a\":\xff\xfe"), -1), "", "-", "", "UTF-8"},
		{"missing column", file([]row{{1, "x"}}), "at", "-", "", "the file has no column at"},
		{"no JSON", goodRows(20, func(r []typed) { r[3].JSON = text(`{"a":`) }), "js", "4", `{"a":`, "is no JSON"},
		{"no date", goodRows(20, func(r []typed) { r[16].When = text("not-a-date") }), "at", "17", "not-a-date", "is no TIMESTAMP"},
		{"no geometry", goodRows(20, func(r []typed) { r[5].Geo = text("POINT(abc)") }), "geo", "6", "POINT(abc)", "is no GEOMETRY"},
		{"no number", goodRows(20, func(r []typed) { r[0].Num = text("xx") }), "num", "1", "xx", "is no INT"},
		{"overflow", goodRows(20, func(r []typed) { r[19].Num = text("1099511627776") }), "num", "20", "1099511627776", "is no INT"},
		{"short vector", goodRows(20, func(r []typed) { r[7].Vec = []float32{1, 2} }), "vec", "8", "[1.0,2.0]", "has 2 values, not 3"},
		{"text file", []byte(strings.Repeat("id,name\n", 100)), "", "-", "", "footer"},
		{"three bytes", []byte("abc"), "", "-", "", "not a Parquet file"},
	}
	fromEach(t, func(w *world, below string) {
		ld := w.load(of("@st/p/"))
		w.SQL(w.t, "CREATE TABLE typed (id INT, at TIMESTAMP, num INT, js VARIANT, geo GEOMETRY, vec VECTOR(3))")
		var want []string
		for i, b := range bad {
			w.Put(w.t, "p/"+b.name+".parquet", b.content)
			w.Put(w.t, fmt.Sprintf("p/good %d.parquet", i), good)
			want = append(want, fmt.Sprintf("%s.parquet %q %s %q", b.name, b.column, b.row, b.value))
		}
		res, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "12 bad files, the others are loaded")
		if res.Files != len(bad) || res.Rows != int64(20*len(bad)) {
			w.t.Errorf("got %d files, %d rows loaded, want %d, %d", res.Files, res.Rows, len(bad), 20*len(bad))
		}
		if got := w.SQL(w.t, "SELECT count(*) FROM typed")[0][0]; got != fmt.Sprint(20*len(bad)) {
			w.t.Errorf("got %s rows, want %d", got, 20*len(bad))
		}
		if diff := cmp.Diff(w.badEvents("failed"), want); diff != "" {
			w.t.Errorf("bad files (-got +want):\n%s", diff)
		}
		for _, e := range w.events {
			for _, b := range bad {
				if f, ok := e.(event.File); ok && f.Path == below+b.name+".parquet" && !strings.Contains(f.Reason, b.reason) {
					w.t.Errorf("%s: got reason %q, want it to say %q", b.name, f.Reason, b.reason)
				}
			}
		}

		// Nothing has changed: they are not tried again, and not passed over in silence.
		res, err = w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "12 files failed before")
		if res.Files != 0 {
			w.t.Errorf("second run: got %+v, want nothing loaded", res)
		}
		_, err = w.run(ld, plan.Options{RetryFailed: true, Path: below + "no date*"})
		w.wantExit(err, exit.Partly, "no date.parquet")
		w.Put(w.t, "p/no date.parquet", goodRows(5, nil)) // mended
		res, err = w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "11 files failed before")
		if res.Files != 1 || res.Rows != 5 {
			w.t.Errorf("after mending: got %+v, want 1 file, 5 rows", res)
		}
		w.SQL(w.t, "ALTER TABLE typed ADD COLUMN more STRING") // the table changed
		if _, err = w.run(ld, plan.Options{Path: below + "short*"}); err == nil {
			w.t.Error("a failed file was not tried again after the table changed")
		}
		ld.Checksum += "changed" // so did the load's text
		if _, err = w.run(ld, plan.Options{Path: below + "overflow*"}); err == nil {
			w.t.Error("a failed file was not tried again after the load's text changed")
		}
	})
}
