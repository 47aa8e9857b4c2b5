package catalog_test

import (
	"reflect"
	"strings"
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

// TestNewestDatabase: one reading of the databases tells of those that are asked for, and how far the account's ids go, whoever made the
// newest. The server looks up each that was ever dropped, at every reading.
func TestNewestDatabase(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	session := env.Session(t)
	env.SQL(t, "CREATE DATABASE "+env.StateDB)
	newer := env.SQL(t, "SELECT database_id::STRING FROM system.databases WHERE name="+sqltext.Quote(env.StateDB))[0][0]
	here, absent := sqltext.Object{Kind: sqltext.Database, Name: env.Database}, sqltext.Object{Kind: sqltext.Database, Name: "absent" + env.Database}
	before := len(env.Log(t))
	look, err := catalog.Read(t.Context(), session, []sqltext.Object{here, absent}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if look.Databases[env.StateDB] != nil || !look.State(here).Exists || look.State(absent).Exists {
		t.Errorf("got %v, want %s and not %s", look.Databases, env.Database, env.StateDB)
	}
	for _, o := range []sqltext.Object{here, absent} {
		if at := look.State(o).Newest; catalog.Behind(at, newer) {
			t.Errorf("%s: the newest is %q, want %s or later", o, at, newer)
		}
	}
	asked := 0
	for _, r := range env.Log(t)[before:] {
		if strings.Contains(r.SQL, "absent"+env.Database) {
			asked += strings.Count(r.SQL, "databases_with_history")
		}
	}
	if asked != 1 {
		t.Errorf("the databases were read %d times", asked)
	}
	env.SQL(t, "CREATE DATABASE absent"+env.Database, "DROP DATABASE absent"+env.Database)
	if look, err = catalog.Read(t.Context(), session, []sqltext.Object{absent}, nil); err != nil || len(look.State(absent).Gone) != 1 {
		t.Errorf("got %+v, %v, want one that is gone", look.State(absent), err)
	}
}
