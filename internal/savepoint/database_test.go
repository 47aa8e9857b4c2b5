package savepoint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/google/go-cmp/cmp"
)

// Databases made, dropped, replaced and renamed, with what is in them; D stands for a name of the test's own.
func TestDatabases(t *testing.T) {
	t.Parallel()
	setup := []string{"create database De", "create table De.t (x int)", "insert into De.t values (1)", "create table De.gone (x int)", "drop table De.gone"}
	tests := []struct {
		name       string
		setup      []string
		statements []string
	}{
		{"created", nil, []string{"create database De", "create table De.t (x int)", "insert into De.t values (1)", "create view De.v as select x from De.t"}},
		{"dropped", setup, []string{"drop database De"}},
		{"replaced", setup, []string{"create or replace database De", "create table De.t (q int)", "insert into De.t values (5)"}},
		{"renamed", setup, []string{"alter database De rename to Df", "alter table Df.t add column y int", "create table Df.n (x int)", "insert into Df.n values (1)"}},
		{"renamed and made again", setup, []string{"alter table De.t add column y int", "alter database De rename to Df", "create database De", "create table De.t (z int)", "drop database Df"}},
		{"renamed and dropped", setup, []string{"alter database De rename to Df", "drop database Df"}},
		{"renamed and made again where it is not there", setup, []string{"alter database De rename to Df", "create database if not exists De", "create table De.n (z int)"}},
		{"dropped and made again, twice", setup, []string{"drop database De", "create database De", "drop database De", "create database De", "create table De.x as select 1 a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			e, f := r.db()+"_e", r.db()+"_f"
			p := func(in []string) []string {
				out := make([]string, len(in))
				for k, s := range in {
					out[k] = strings.NewReplacer("De", e, "Df", f).Replace(s)
				}
				return out
			}
			t.Cleanup(func() { r.env.SQL(t, "drop database if exists "+e, "drop database if exists "+f) })
			r.sql(p(tt.setup)...)
			statements := p(tt.statements)
			r.capture(statements)
			was := r.lookAt(e)
			databases := "select name, to_string(database_id), coalesce(owner, '') from system.databases where name like '%" + r.db() + "%'"
			dbs := r.rows(databases)
			if err := r.steps(statements); err != nil {
				t.Fatal(err)
			}
			rep := r.restore()
			if !rep.Clean() {
				t.Errorf("report %+v", rep.Outcomes)
			}
			for _, o := range rep.Outcomes {
				if o.Object.Kind == sqltext.Database && o.Object.Name == e && o.Result != Restored {
					t.Errorf("%s is said to be %s", o.Object, o.Result)
				}
			}
			if d := difference(was, r.lookAt(e)); d != "" {
				t.Errorf("state (-before +after):\n%s", d)
			}
			if d := cmp.Diff(dbs, r.rows(databases)); d != "" {
				t.Errorf("databases (-before +after):\n%s", d)
			}
			r.again(rep)
		})
	}
}

// A database of ours in which another session made or changed something is put aside, not dropped.
func TestDatabaseOfOursWithTheirs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ theirs, look, want string }{
		{"create table De.theirs as select 42 as x", "select to_string(x) from De.theirs", "42"},
		{"alter table De.ours comment = 'theirs'", "select comment from system.tables where database = 'De' and name = 'ours'", "theirs"},
		{"alter table De.ours add constraint k check (x > 42)", "select name from system.constraints where database = 'De'", "k"},
		{"alter view De.v as select 42 as x", "select to_string(x) from De.v", "42"},
		{"insert into De.m values (42)", "select to_string(x) from De.m", "42"},
		{"create dictionary De.d (a string, b string) primary key a source(redis(host='127.0.0.1' port='6379'))", "select name from system.dictionaries where database = 'De'", "d"},
	} {
		t.Run(tt.theirs, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			e := r.db() + "_e"
			if err := r.run("create database "+e, "create table "+e+".ours (x int)", "create view "+e+".v as select 1 as x", "create table "+e+".m (x int) engine = memory"); err != nil {
				t.Fatal(err)
			}
			left, err := catalog.Capture(t.Context(), r.conn, []sqltext.Object{catalog.Name{DB: e, Table: "v"}.Object()})
			if err != nil {
				t.Fatal(err)
			}
			r.reached[2].Left = left
			r.sql("select sleep(0.3)", strings.ReplaceAll(tt.theirs, "De", e))
			rep := r.restore()
			i := slices.IndexFunc(rep.Outcomes, func(o Outcome) bool { return o.Result == Kept })
			if i < 0 {
				t.Fatalf("nothing kept in %+v", rep.Outcomes)
			}
			aside := rep.Outcomes[i].Object.Name
			t.Cleanup(func() { r.env.SQL(t, "drop database if exists "+aside, "drop database if exists "+e) })
			if got := r.column(strings.ReplaceAll(tt.look, "De", aside)); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("got %v, want theirs", got)
			}
			r.again(rep)
		})
	}
}

// What another session does with a database that a migration renamed, or put another in the place of, is said, and where it is now.
func TestDatabaseThatOthersMove(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ours, theirs []string
		says         string
	}{
		{[]string{"alter database De rename to Df"}, []string{"alter database Df rename to Dg"}, "renamed it to Dg"},
		{[]string{"alter database De rename to Df"}, []string{"drop database Df"}, "dropped it"},
		{[]string{"drop database De", "undrop database De"}, []string{"alter database De rename to Dg"}, "renamed it to Dg"},
		{[]string{"alter database De rename to Df"}, []string{"create database De"}, "is kept as " + catalog.ParkedPrefix},
		{[]string{"drop database De", "create database De"}, []string{"alter database De rename to Df", "undrop database De"}, "renamed what this migration had put there"},
	} {
		t.Run(fmt.Sprint(tt.ours, tt.theirs), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			e, f, g := r.db()+"_e", r.db()+"_f", r.db()+"_g"
			p := strings.NewReplacer("De", e, "Df", f, "Dg", g)
			t.Cleanup(func() {
				for _, row := range r.env.SQL(t, "select name from system.databases where name in ('"+e+"', '"+f+"', '"+g+"') or name like '"+catalog.ParkedPrefix+"%"+r.db()+"%'") {
					r.env.SQL(t, "drop database "+row[0])
				}
			})
			r.sql("create database " + e)
			var ours []string
			for _, s := range tt.ours {
				ours = append(ours, p.Replace(s))
			}
			if err := r.run(ours...); err != nil {
				t.Fatal(err)
			}
			for _, s := range tt.theirs {
				r.sql(p.Replace(s))
			}
			rep := r.restore()
			if o := r.outcome(rep, e); o.Result != Kept || !strings.Contains(o.Detail, p.Replace(tt.says)) {
				t.Errorf("outcome %+v, want kept: %s", o, p.Replace(tt.says))
			}
			r.again(rep)
		})
	}
}

// A database that a migration undropped stays where another session uses it, and is named where it took it away.
func TestUndroppedDatabaseThatOthersUse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ours, theirs string
		result       Result
		says         string
	}{
		{"select 1", "insert into De.t values (7)", Kept, "another session changed table t in it"},
		{"alter database De rename to Df", "insert into Df.t values (7)", Kept, "another session changed table t in it"},
		{"select 1", "create table De.u (x int)", Kept, "another session changed table u in it"},
		{"select 1", "alter database De rename to Df", Kept, "renamed what this migration had put there"},
		{"select 1", "drop database De", Untouched, ""},
	} {
		t.Run(tt.ours+", "+tt.theirs, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			e, f := r.db()+"_e", r.db()+"_f"
			named := strings.NewReplacer("De", e, "Df", f).Replace
			t.Cleanup(func() { r.env.SQL(t, "drop database if exists "+e, "drop database if exists "+f) })
			r.sql("create database "+e, "create table "+e+".t (x int)", "drop database "+e)
			if err := r.run("undrop database "+e, named(tt.ours)); err != nil {
				t.Fatal(err)
			}
			r.sql(named(tt.theirs))
			rep := r.restore()
			if !slices.ContainsFunc(rep.Outcomes, func(o Outcome) bool {
				return o.Result == tt.result && strings.Contains(o.Detail, tt.says)
			}) {
				t.Errorf("got %+v, want %s: %s", rep.Outcomes, tt.result, tt.says)
			}
		})
	}
}

// A database that a migration undropped is dropped again where UNDROP finds it.
func TestUndroppedDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.db() + "_e"
	t.Cleanup(func() { r.env.SQL(t, "drop database if exists "+e) })
	r.sql("create database "+e, "create table "+e+".t (x int)", "insert into "+e+".t values (42)", "drop database "+e)
	if err := r.run("undrop database " + e); err != nil {
		t.Fatal(err)
	}
	rep := r.restore()
	if n := r.rows("select to_string(count(*)) from system.databases where name like '%" + e + "%'")[0][0]; n != "0" || !rep.Clean() {
		t.Errorf("%s databases are there, want none: %+v", n, rep.Outcomes)
	}
	r.again(rep)
	r.sql("undrop database " + e)
	if got := r.column("select x from " + e + ".t"); !slices.Equal(got, []string{"42"}) {
		t.Errorf("rows of the undropped database %v", got)
	}
}
