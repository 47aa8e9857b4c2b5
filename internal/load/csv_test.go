package load

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// fileEvents are the last command's File events: "a.csv loaded 2: reason".
func (w *world) fileEvents() []string {
	var out []string
	for _, e := range w.events {
		if f, ok := e.(event.File); ok {
			out = append(out, strings.TrimSuffix(fmt.Sprintf("%s %s %d: %s", f.Path[2:], f.Outcome, f.Rows, f.Reason), ": "))
		}
	}
	slices.Sort(out)
	return out
}

// What ON_ERROR says becomes of a file with a bad line; that good files load and bad ones are named does not depend on it.
func TestOnError(t *testing.T) {
	t.Parallel()
	const mistake = "id = 'xx' is no INT"
	for _, tt := range []struct {
		onError string
		want    string // b.csv
	}{
		{"", "b.csv failed 0: row 2: " + mistake},
		{"ABORT", "b.csv failed 0: row 2: " + mistake},
		{"ABORT_2", "b.csv loaded 2"}, // of the lost line the engine says nothing
		{"CONTINUE", "b.csv loaded 2: 1 error, first in line 2: Invalid value 'xx' for column 0 (id"},
		{"SKIP_FILE", "b.csv failed 0: row 2: " + mistake},
		{"SKIP_FILE_3", "b.csv failed 0: row 2: " + mistake},
	} {
		t.Run(tt.onError, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Put(t, "c/a.csv", []byte("1,x\n2,y\n"))
			w.Put(t, "c/b.csv", []byte("3,x\nxx,y\n4,z\n"))
			w.Put(t, "c/c.csv", []byte("5,x\n"))
			w.Put(t, "c/d.CSV", []byte("6,x\n"))
			w.Put(t, "c/e.csv", nil)
			sql := "COPY INTO t FROM @st/c/ FILE_FORMAT = (TYPE = CSV)"
			if tt.onError != "" {
				sql += " ON_ERROR = " + tt.onError
			}
			ld := w.load(sql)
			_, err := w.run(ld, plan.Options{})
			got := w.fileEvents()
			for i, g := range got {
				if len(tt.want) < len(g) && strings.HasPrefix(g, tt.want) {
					got[i] = tt.want
				}
			}
			if diff := cmp.Diff(got, []string{
				"a.csv loaded 2", tt.want, "c.csv loaded 1", "d.CSV loaded 1",
				"e.csv skipped 0: 0 bytes: its upload is not done",
			}); diff != "" {
				t.Errorf("files (-got +want):\n%s\n%v", diff, err)
			}
			if told := strings.Contains(w.notes(), "does not say so"); told != (tt.onError == "ABORT_2") {
				t.Errorf("got notes %q", w.notes())
			}
			rows := 4
			if strings.Contains(tt.want, "failed") {
				w.wantExit(err, exit.Partly, "c/b.csv")
			} else if rows += 2; err != nil {
				t.Error(err)
			}
			w.wantRows(rows)
			_, _ = w.run(ld, plan.Options{})
			w.wantRows(rows)
		})
	}
}

// A compressed file that cannot be unpacked is a bad file like any other; when none can, the load's COMPRESSION is wrong.
func TestFilesThatCannotBeUnpacked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := gzipped([]byte(strings.Repeat("1,x\n", 2)))
	w.Put(t, "c/cut.csv", whole[:len(whole)-9])
	w.Put(t, "c/good.csv", whole)
	w.Put(t, "c/plain.csv", []byte("1,x\n"))
	ld := w.load("COPY INTO t FROM @st/c/ FILE_FORMAT = (TYPE = CSV COMPRESSION = GZIP)")
	want := "2 %s: c/cut.csv (it cannot be unpacked: "
	w.wantExit(w.validate(ld, plan.Options{}), exit.Check, fmt.Sprintf(want, "invalid files"), "c/plain.csv")
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, fmt.Sprintf(want, "bad files, the others are loaded"), "c/plain.csv")
	w.wantRows(2)
	for i := range 12 {
		w.Put(t, fmt.Sprintf("d/%d.csv", i), []byte("1,x\n"))
	}
	_, err = w.run(w.load("COPY INTO t FROM @st/d/ FILE_FORMAT = (TYPE = CSV COMPRESSION = GZIP)"), plan.Options{})
	w.wantExit(err, exit.Failed, "its files fail alike")
}

// A value that a transform cannot cast is named with its row and column, whatever the format and its options are, and once. A preview
// reads a file as the load does.
func TestValueOfATextFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, tt := range []struct{ format, list, good, bad, want string }{
		{"(TYPE = CSV, SKIP_HEADER = 1)", "$1::INT, $2", "id,name\n1,x\n", "id,name\n2,y\nxx,z\n", "row 3: id = 'xx' is no INT"},
		{"(TYPE = CSV SKIP_HEADER = 1 FIELD_DELIMITER = ';')", "$1, $2", "id;name\n1;x\n", "id;name\n2;y\nxx;z\n", "row 3: id = 'xx' is no INT"},
		{"(TYPE = TSV)", "trim($1)::INT AS a, $2", "1\tx\n", "1\tx\n2x\ty\n", "row 2: id = '2x' is no INT"},
		{
			"(TYPE = NDJSON)", "$1:id::INT, $1:name::STRING", `{"id":1,"name":"x"}` + "\n" + `{"id":null}` + "\n",
			`{"id":null}` + "\n" + `{"id":"3x"}` + "\n", "row 2: id = '3x' is no INT",
		},
		{"(TYPE = CSV)", "$1, $2", "1,x\n", "2,y\n3,K\xf6ln\n", "row 2: it is not UTF-8, and FILE_FORMAT names no other ENCODING"},
	} {
		dir := fmt.Sprintf("c%d/", i)
		w.Put(t, dir+"a", []byte(tt.good))
		w.Put(t, dir+"b", []byte(tt.bad))
		ld := w.load("COPY INTO t (id, name) FROM (SELECT " + tt.list + " FROM @st/" + dir + ") FILE_FORMAT = " + tt.format + " PATTERN = '.*'")
		if err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), ld, plan.Options{Path: dir + "a"}, 1) }); err != nil {
			t.Errorf("%s: preview: %v", tt.format, err)
		} else if p := w.events[len(w.events)-1].(event.Preview); len(p.Rows) != 1 || *p.Rows[0][0] != "1" || len(w.events) > 1 {
			t.Errorf("%s: got %v, want the row of 1", tt.format, w.events)
		}
		w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "1 invalid file: "+dir+"b ("+tt.want)
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly, "1 bad file, the others are loaded: "+dir+"b ("+tt.want)
	}
}

// A table that got a column makes every file of a COPY by position too narrow. No file is to blame: those that were loaded are alike.
func TestTableThatGotAColumn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load("COPY INTO t FROM @st/p/ FILE_FORMAT = (TYPE = CSV)")
	w.Put(t, "p/a.csv", []byte("1,x\n"))
	w.mustRun(ld, plan.Options{}, 1, 1)
	w.Put(t, "p/b.csv", []byte("2\n"))
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "1 bad file", "p/b.csv")
	w.Delete(t, "p/b.csv")
	w.SQL(t, "ALTER TABLE t ADD COLUMN late INT")
	w.Put(t, "p/c.csv", []byte("3,y\n"))
	_, err = w.run(ld, plan.Options{})
	w.wantExit(err, exit.Failed, "it has 3 now, the files have 2, also those that were loaded")
	if hint, want := err.(interface{ Hint() string }).Hint(), "in loads/videos.sql: COPY INTO t (`id`, `name`)"; !strings.Contains(hint, want) {
		t.Errorf("got the hint %q, want %q in it", hint, want)
	}
	_, err = w.run(w.load("COPY INTO t FROM @st/p/ FILE_FORMAT = (TYPE = CSV, FIELD_DELIMITER = ',')"), plan.Options{})
	w.wantExit(err, exit.Failed, "also those that were loaded") // with another text, too
	w.states(ld, plan.Options{}, "a.csv loaded", "b.csv vanished", "c.csv new")
	w.mustRun(w.load("COPY INTO t (id, name) FROM @st/p/ FILE_FORMAT = (TYPE = CSV)"), plan.Options{}, 1, 1)
}
