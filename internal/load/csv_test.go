package load

import (
	"bytes"
	"compress/gzip"
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
	const mistake = "Invalid value 'xx' for column 0 (id"
	for _, tt := range []struct {
		onError string
		want    string // b.csv
	}{
		{"", "b.csv failed 0: line 2: " + mistake},
		{"ABORT", "b.csv failed 0: line 2: " + mistake},
		{"ABORT_2", "b.csv loaded 2"}, // of the lost line the engine says nothing
		{"CONTINUE", "b.csv loaded 2: 1 error, first in line 2: " + mistake},
		{"SKIP_FILE", "b.csv failed 0: line 2: " + mistake},
		{"SKIP_FILE_3", "b.csv failed 0: line 2: " + mistake},
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
				if j := strings.Index(g, mistake); j >= 0 {
					got[i] = g[:j+len(mistake)]
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
	pack := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	w := newWorld(t)
	whole := pack(strings.Repeat("1,x\n", 2))
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
