package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// A COPY of CSV or TSV goes by position. The rule header tells where a file's header names the columns in other places, is loaded as a row,
// or is none; and says nothing of a header that is right, or of other words.
func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE words (a STRING, b STRING)")
	const skip, by = "SKIP_HEADER = 1", "(SELECT $1::INT, upper($2) FROM @st/%s/)"
	for i, tt := range []struct{ into, from, options, content, want string }{
		{"words", "", skip, "b,a\n1,2\n", "b is field 1 of its header, and the COPY reads field 2 as b"},
		{"words", "", skip, "a,b\nb,a\n", ""},
		{"words", "", "SKIP_HEADER = 2 FIELD_DELIMITER = ';'", "of 2025;\nB ; A\n1;2\n", "B is field 1"},
		{"words", "", "", "a,b\n1,2\n", "its first row is a header, and is loaded"},
		{"words", "", "", "1,2\na,b\n", ""},
		{"words (b, a)", "", skip, "a,b\n1,2\n", "a is field 1 of its header, and the COPY reads field 2 as a"},
		{"words (a, b)", "(SELECT $1, $2 FROM @st/%s/)", skip, "a,new,b\n1,2,3\n", "b is field 3 of its header, and the COPY reads field 2 as b"},
		{"words (a, b)", "(SELECT $1, $2 FROM @st/%s/)", skip, "a,other,more\n1,2,3\n", ""},
		{"t", "", skip, "Order,Customer\n1,x\n", ""},
		{"t", "", skip, "1,x\n2,y\n", "has it no header?"},
		{"t (id, name)", by, skip, "1,x\n2,y\n", "has it no header?"},
		{"t (id, name)", by, "", "1,x\n2,y\n", ""},
	} {
		dir, text := fmt.Sprintf("h%d", i), ""
		if text = "@st/" + dir + "/"; tt.from != "" {
			text = fmt.Sprintf(tt.from, dir)
		}
		w.Put(t, dir+"/a.csv", []byte(tt.content))
		ld := w.load("COPY INTO "+tt.into+" FROM "+text+" FILE_FORMAT = (TYPE = CSV "+tt.options+")",
			func(ld *project.Load) { ld.Name = dir })
		check := func(what string, err error) {
			if said := w.notes(); err != nil || strings.Contains(said, "(rule header)") != (tt.want != "") || !strings.Contains(said, tt.want) {
				t.Errorf("%s, %s %q: got %v, %q, want %q", what, tt.options, tt.content, err, said, tt.want)
			}
		}
		check("validate", w.validate(ld, plan.Options{}))
		_, err := w.run(ld, plan.Options{})
		check("load", err)
	}
	w.SQL(t, "CREATE OR REPLACE TABLE words (a STRING, b STRING)")
	w.Put(t, "p/a.csv", []byte("a,b\n1,2\n"))
	w.Put(t, "p/b.csv", []byte("b,a\n1,2\n"))
	_, err := w.run(w.load("COPY INTO words FROM @st/p/ FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1)",
		func(ld *project.Load) { ld.Rules = map[string]string{"header": "fail"} }), plan.Options{})
	w.wantExit(err, exit.Partly, "1 bad file, the others are loaded: p/b.csv (b is field 1")
}

// unnamed is a transport for one who may make no file format.
type unnamed struct{}

func (unnamed) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.ReplaceAll(body, []byte("CREATE OR REPLACE FILE FORMAT"), []byte("CREATE OR REFUSE FILE FORMAT"))
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Who may make no file format is told less, and loads.
func TestHeadersWithoutAFormat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.csv", []byte("id,name\n1,x\n"))
	w.cfg = func(c *databend.Config) { c.Transport = unnamed{} }
	ld := w.load("COPY INTO t FROM @st/p/ FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1)")
	if err := w.validate(ld, plan.Options{}); err != nil {
		t.Errorf("got %v, want valid", err)
	}
	w.mustRun(ld, plan.Options{}, 1, 1)
}

// A header that no text can be is taken for a bad row: what to write is said.
func TestHeaderThatIsNoRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"a", "b"} {
		w.Put(t, "p/"+name+".csv", []byte("Number,Name\n1,x\n"))
	}
	for _, from := range []string{"@st/p/", "(SELECT $1::INT, $2 FROM @st/p/)"} {
		ld := w.load("COPY INTO t (id, name) FROM " + from + " FILE_FORMAT = (TYPE = CSV)")
		err := w.validate(ld, plan.Options{})
		w.wantExit(err, exit.Check)
		_, failed := w.run(ld, plan.Options{})
		w.wantExit(failed, exit.Partly)
		for _, err := range []error{err, failed} {
			if own, ok := errors.AsType[*fault.Error](err); !ok || !strings.HasPrefix(own.Hint(), "say SKIP_HEADER = 1 in FILE_FORMAT") {
				t.Errorf("got %v, want a hint at SKIP_HEADER", err)
			}
		}
	}
}
