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

// Text files as the world writes them, from a stage and from a location alike: what can be read is loaded once, what cannot is named, and
// nothing is passed over in silence.
func TestNastyTextFiles(t *testing.T) {
	t.Parallel()
	pack := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text)) // a buffer takes all
		_ = z.Close()
		return b.String()
	}
	whole := pack(strings.Repeat("9,x\n", 300))
	files := []struct{ name, content, want string }{
		{"plain.csv", "id,name\n1,x\n", "loaded 1"},
		{"no line end.csv", "id,name\n1,x", "loaded 1"},
		{"bom.csv", "\ufeffid,name\n1,x\n", "loaded 1"},
		{"crlf.csv", "id,name\r\n1,x\r\n2,y\r\n", "loaded 2"},
		{"quoted.csv", "id,name\n1,\"a,\"\"b\"\"\nc\"\n2,d\n", "loaded 2"},
		{"packed.csv.gz", pack("id,name\n1,x\n"), "loaded 1"},
		{"cut.csv.gz", whole[:len(whole)-9], "failed 0"},
		{"huge.csv", "id,name\n1," + strings.Repeat("x", 3<<20) + "\n", "loaded 1"},
		{"ragged.csv", "id,name\n1,x\n2\n", "loaded 2"}, // a transform takes rows of any width: NULL for what is not there
		{"wide.csv", "id,name\n1,x,y\n", "loaded 1"},    // and what is more is lost
		{"no number.csv", "id,name\none,x\n", "failed 0"},
		{"a%20b c'd\"e.csv", "id,name\n1,x\n", "loaded 1"},
		{"día 日本 [1] {2} (3).csv", "id,name\n1,x\n", "loaded 1"},
		{"UPPER.CSV", "id,name\n1,x\n", "loaded 1"},
		{"empty.csv", "", "skipped 0"},
		{"folder/", "", ""},
		{"_SUCCESS", "", ""},
		{"notes.md", "no data", ""},
		{"deep/er/x.csv", "id,name\n1,x\n", "loaded 1"},
	}
	fromEach(t, func(w *world, below string) {
		want, rows := map[string]string{}, 0
		for _, f := range files {
			w.Put(w.t, "p/"+f.name, []byte(f.content))
			if f.want != "" {
				want[f.name] = f.want
			}
			var n int
			if _, err := fmt.Sscanf(f.want, "loaded %d", &n); err == nil {
				rows += n
			}
		}
		ld := w.load("COPY INTO t (id, name) FROM (SELECT $1::INT, $2 FROM @st/p/) FILE_FORMAT = (TYPE = CSV, SKIP_HEADER = 1, " +
			"COMPRESSION = AUTO)")
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly)
		got := map[string]string{}
		for _, e := range w.events {
			if f, ok := e.(event.File); ok {
				got[strings.TrimPrefix(f.Path, below)] = fmt.Sprint(f.Outcome, " ", f.Rows)
				if f.Outcome == "failed" && f.Reason == "" {
					w.t.Errorf("%s failed, and nobody says why", f.Path)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.t.Errorf("files (-want +got):\n%s\n%v", diff, err)
		}
		w.wantRows(rows)
		_, err = w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly)
		w.wantRows(rows)
		if slices.ContainsFunc(w.events, func(e event.Event) bool { f, ok := e.(event.File); return ok && f.Outcome == "loaded" }) {
			w.t.Errorf("a second run loads again: %v", w.outcomes())
		}
	})
}
