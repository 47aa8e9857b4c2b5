package migrate

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
)

// TestLostAnswerOfEachRequest loses the answer to one request of a run whose last migration fails: it ends as if that had not been.
// DBCTL_PROOF=full loses each.
func TestLostAnswerOfEachRequest(t *testing.T) {
	t.Parallel()
	lay := func(w *world) {
		w.history()
		w.SQL(w.T, "CREATE DATABASE `"+w.Database+"_o`")
		w.T.Cleanup(func() { w.SQL(w.T, "DROP DATABASE IF EXISTS `"+w.Database+"_o`") })
		w.Migration(6, "SET date_format_style = 'MySQL';\nUSE `"+w.Database+"_o`;\nCREATE TABLE o AS SELECT to_string(to_date('2026-01-02'), '%Y') AS y;\n"+
			"BEGIN;\nINSERT INTO o VALUES ('1');\nINSERT INTO o VALUES ('2');\nROLLBACK;\nINSERT INTO o VALUES ('3');\nUSE `"+w.Database+"`;\n"+
			"CREATE TABLE p AS SELECT y FROM `"+w.Database+"_o`.o;\n")
		w.Migration(7, "DROP TABLE g1;\nALTER TABLE a ADD COLUMN late INT;\nUPDATE a SET late = x;\nCREATE OR REPLACE VIEW v AS SELECT late FROM a;\n"+
			"ALTER TABLE p RENAME TO g1;\nDELETE FROM g2;\nINSERT INTO empty SELECT x, NULL FROM a;\nSELECT nothing FROM nowhere;\n")
	}
	failed := func(err error) bool { // with migration 7, of which nothing is left
		var run *RunError
		return errors.As(err, &run) && !run.Left && strings.Contains(err.Error(), "nowhere")
	}
	ref := newWorld(t)
	lay(ref)
	d := &databendtest.Deaf{}
	cfg := ref.Config
	cfg.Transport = d
	ref.connect(cfg)
	if err := ref.up(); !failed(err) {
		t.Fatal(err)
	}
	after := ref.look()
	requests := d.Count()
	for at := 2; at <= requests; at += databendtest.Step(requests, 3) {
		t.Run(fmt.Sprintf("%d of %d", at, requests), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			lay(w)
			healthy := w.srv
			d := &databendtest.Deaf{At: at}
			cfg := w.Config
			cfg.Transport = d
			w.connect(cfg)
			err := w.up()
			said := w.said()
			w.srv = healthy
			t.Logf("%s: %v", d.Lost(), err)
			if !failed(err) || w.states() != "1 applied, 2 applied, 3 applied, 4 applied, 5 applied, 6 applied, 7 rolled_back" {
				t.Errorf("got %v, %s\n%s", err, w.states(), said)
			}
			if diff := cmp.Diff(after, w.look()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if left := w.Litter(); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
}

// TestErrorOfWhatRan: the server answers that it did not hear from its catalogue, which has the statement all the same. What it did is
// undone with the others; a migration of that statement alone is applied.
func TestErrorOfWhatRan(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, failing string }{
		{"CREATE TABLE b (x INT);\nCREATE TABLE c (x INT);\n", "CREATE TABLE c"},
		{"CREATE TABLE b (x INT);\nALTER TABLE a ADD COLUMN y INT;\n", "ALTER TABLE a"},
		{"CREATE TABLE b (x INT);\nDROP TABLE a;\n", "DROP TABLE a"},
		{"CREATE TABLE b (x INT);\nDELETE FROM a WHERE x = 1;\n", "DELETE FROM a"},
		{"CREATE TABLE b (x INT);\nCREATE OR REPLACE VIEW v AS SELECT 2 AS two;\n", "CREATE OR REPLACE VIEW v"},
		{"CREATE TABLE c (x INT);\n", "CREATE TABLE c"},
		{"DROP TABLE a;\n", "DROP TABLE a"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SQL(t, "CREATE TABLE a (x INT)", "INSERT INTO a VALUES (1), (2)", "CREATE VIEW v AS SELECT 1 AS one")
			w.remains()
			before := w.everything()
			cfg := w.Config
			cfg.Transport = denying(func(text string) bool { return strings.Contains(text, `"sql":"`+tt.failing) })
			w.connect(cfg)
			w.Migration(1, tt.text)
			err := w.up()
			if strings.Count(tt.text, ";") == 1 {
				if err != nil || w.everything() == before {
					t.Errorf("got %v, want it applied\n%s", err, w.said())
				}
				return
			}
			var run *RunError
			if !errors.As(err, &run) || run.ExitCode() != 1 {
				t.Errorf("got %v, want exit 1\n%s", err, w.said())
			}
			if diff := cmp.Diff(before, w.everything()); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, w.said())
			}
		})
	}
}

// denying runs the statements for which it is true, and answers that their outcome was not heard.
type denying func(text string) bool

func (d denying) RoundTrip(req *http.Request) (*http.Response, error) {
	if !d(textOf(req)) {
		return http.DefaultTransport.RoundTrip(req)
	}
	if res, err := http.DefaultTransport.RoundTrip(req.Clone(req.Context())); err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	return refusing(func(string) int { return databend.CodeMetaService }).RoundTrip(req)
}
