package load

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/draft"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// serve serves files by HTTP, and returns their root and what puts one there.
func (w *world) serve() (root string, put func(path, content string)) {
	w.t.Helper()
	if !w.Embedded {
		w.t.Skip("a server elsewhere does not reach this process")
	}
	files, mu := map[string]string{}, sync.Mutex{}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		content, ok := files[r.URL.Path]
		mu.Unlock()
		if !ok {
			http.NotFound(rw, r)
			return
		}
		if content == "denied" {
			http.Error(rw, "no", http.StatusForbidden)
			return
		}
		rw.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(content))))
		http.ServeContent(rw, r, "", time.Time{}, strings.NewReader(content))
	}))
	w.t.Cleanup(s.Close)
	return s.URL + "/", func(path, content string) {
		mu.Lock()
		defer mu.Unlock()
		files["/"+path] = content
	}
}

// By HTTP the server lists nothing and makes no stage: the files are those that the text names, and all else is as elsewhere.
func TestLoadByHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root, put := w.serve()
	w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
	of := func(from string) project.Load {
		return w.load("COPY INTO t (id, name, src) FROM (SELECT $1::INT, $2, metadata$filename FROM '"+root+from+" FILE_FORMAT = (TYPE = CSV)",
			func(ld *project.Load) { ld.FilenameColumn = "src" })
	}
	ld := of("d/') FILES = ('a b.csv', 'é/b.csv', 'late.csv')")
	put("d/a b.csv", "1,x\n2,y\n")
	put("d/é/b.csv", "3,z\n")
	put("d/other.csv", "99,q\n")
	if err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), ld, plan.Options{}, 2) }); err != nil {
		t.Error(err)
	}
	_, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "1 file is named by the COPY, and not in "+root, "d/late.csv")
	w.wantRows(3)
	put("d/late.csv", "4,q\nx,r\n")
	w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "1 invalid file: d/late.csv")
	_, err = w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "row 2: id = 'x' is no INT")
	put("d/late.csv", "4,q\n")
	w.mustRun(ld, plan.Options{}, 1, 1)
	w.mustRun(of("d/{a b,é/b}.csv')"), plan.Options{}, 0, 0) // a file is its URL, however it is named
	w.wantRows(4)

	put("d/a b.csv", "7,changed\n")
	_, err = w.run(ld, plan.Options{})
	w.wantExit(err, exit.Check, "1 file was overwritten since loaded: d/a b.csv")
	w.mustRun(ld, plan.Options{OnChanged: "replace"}, 1, 1)
	w.wantRows(3)
	put("d/late.csv", "")
	w.states(ld, plan.Options{}, "d/a b.csv loaded", "d/late.csv unfinished", "d/é/b.csv loaded")
	put("d/late.csv", "denied")
	_, err = w.run(ld, plan.Options{})
	w.wantExit(err, exit.Failed, "403 Forbidden")

	put("p/1.parquet", string(rows(1, 2)))
	put("p/2.parquet", string(rows(5, 3))[:80])
	parquet := w.load(castRows("'" + root + "p/[1-2].parquet'"))
	w.wantExit(w.validate(parquet, plan.Options{}), exit.Check, "1 invalid file: p/2.parquet")
	_, err = w.run(parquet, plan.Options{})
	w.wantExit(err, exit.Partly, "p/2.parquet (")
	w.wantRows(5)
	err = w.with(t.Context(), func(l *Loader) error {
		d, err := l.Draft(t.Context(), draft.Request{Name: "x", From: root + "p/1.parquet"})
		if !strings.Contains(d.Load, "id::INT") || !strings.Contains(d.Load, root+"p/1.parquet") {
			t.Errorf("got %s", d.Load)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// What is written %20 in a URI is a space for the engine: a file has one identity through it and through a stage.
func TestEscapedLocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, folder := range []string{"a b", "a%20b", "100%", "é"} {
		w.Put(t, folder+"/x.parquet", rows(i, 1))
		written := strings.NewReplacer("%", "%25", " ", "%20", "é", "%C3%A9").Replace(folder)
		w.mustRun(w.fromURI(written+"/", castRows), plan.Options{}, 1, 1)
		w.mustRun(w.fromURI(written+"/x.parquet", castRows), plan.Options{}, 0, 0)
		w.mustRun(w.load(castRows("'@"+w.stage+"/"+folder+"/'")), plan.Options{}, 0, 0)
	}
	w.wantRows(4)
}
