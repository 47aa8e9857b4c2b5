package catalog_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// TestCaptureNew: what is asked for as new is read as everything else is, there or not.
func TestCaptureNew(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	session := env.Session(t)
	object := func(name string) sqltext.Object {
		return sqltext.Object{Kind: sqltext.Table, Database: env.Database, Name: name}
	}
	objects := []sqltext.Object{object("absent"), object("gone"), object("again"), {Kind: sqltext.Database, Name: env.Database}}
	capture := func(look func() (catalog.State, error)) catalog.State {
		t.Helper()
		s, err := look()
		if err != nil {
			t.Fatal(err)
		}
		s.At = time.Time{}
		return s
	}
	same := func(what string) catalog.State {
		t.Helper()
		want := capture(func() (catalog.State, error) { return catalog.Capture(t.Context(), session, objects, objects...) })
		got := capture(func() (catalog.State, error) { return catalog.CaptureNew(t.Context(), session, objects, objects...) })
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
		}
		return got
	}
	env.SQL(t, "CREATE TABLE gone (x INT)", "DROP TABLE gone", "CREATE TABLE again (x INT)", "INSERT INTO again VALUES (1)", "DROP TABLE again")
	for _, o := range same("nothing there").Objects[1:3] {
		if o.Exists || len(o.Gone) != 1 || (o.Gone[0].Head != "") != (o.Name == "again") {
			t.Errorf("got %+v, want one that is gone", o)
		}
	}
	env.SQL(t, "CREATE TABLE again (x INT NOT NULL DEFAULT 7 COMMENT 'c', CONSTRAINT k CHECK (x > 0)) CLUSTER BY (x) COMMENT='d'")
	again := same("a table there").Objects[2]
	if !again.Exists || again.Owner == "" || again.Comment != "d" || len(again.Columns) != 1 || len(again.Constraints) != 1 || len(again.Gone) != 1 {
		t.Errorf("got %+v", again)
	}
	env.SQL(t, "DROP TABLE again", "CREATE OR REPLACE TABLE again AS SELECT 1 AS x", "CREATE OR REPLACE TABLE again AS SELECT 2 AS x",
		"ALTER TABLE again RENAME TO aside", "DROP TABLE aside")
	if again := same("a replaced table gone").Objects[2]; again.Exists {
		t.Errorf("got %+v, want nothing there", again)
	}
	objects = append(objects, object("v"))
	env.SQL(t, "CREATE VIEW v AS SELECT 1 AS a")
	if v := same("a view there").Objects[4]; v.Query == "" || v.Engine != "VIEW" {
		t.Errorf("got %+v", v)
	}
}
