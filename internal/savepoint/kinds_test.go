package savepoint

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/google/go-cmp/cmp"
)

// own finds the names of a test's own: Pq, Pff.
var own = regexp.MustCompile(`\bP([a-z]+[0-9]?)\b`)

// shown is what the engine shows of objects of all kinds whose name begins with a prefix, but for ids and times, and of settings, of which
// there is one for all tests.
func (r *rig) shown(prefix string, settings ...string) map[string]string {
	r.t.Helper()
	out := map[string]string{}
	add := func(kind, sql string) {
		for _, row := range r.rows(sql) {
			if strings.HasPrefix(row[0], prefix) {
				out[kind+" "+row[0]] = strings.Join(row[1:], " | ")
			}
		}
	}
	for _, row := range r.rows("select name from system.stages where stage_type = 'Internal'") {
		if strings.HasPrefix(row[0], prefix) {
			out["files of stage "+row[0]] = r.rows("select to_string(count(*)) from list_stage(location => '@" + row[0] + "')")[0][0]
		}
	}
	add("stage", "select name, stage_type, coalesce(url, ''), to_string(file_format_options), comment from system.stages")
	add("function", "select name, language, definition, description from system.user_functions")
	add("sequence", `select name, to_string("interval"), to_string(current), comment from show_sequences()`)
	add("tag", "select name, coalesce(allowed_values, ''), comment from system.tags")
	add("password policy", "select name, options, comment from system.password_policies")
	add("role", "select name, inherited_roles_name from system.roles")
	add("user", "select name, to_string(roles) from system.users")
	add("procedure", "select name, arguments, comment from system.procedures")
	add("connection", "show connections")
	add("file format", "show file formats")
	add("network policy", "show network policies")
	add("index", "select name, original from system.indexes where type = 'AGGREGATING'")
	add("dictionary", "select name, source, comment from system.dictionaries")
	for _, name := range settings {
		for _, row := range r.rows("select value, level from system.settings where name = '" + name + "'") {
			out["setting "+name] = row[0] + " " + row[1]
		}
	}
	for _, row := range r.rows("select name from system.roles") {
		if strings.HasPrefix(row[0], prefix) {
			var gs []string
			for _, g := range r.rows("select grants from show_grants('role', '" + row[0] + "')") {
				gs = append(gs, g[0])
			}
			slices.Sort(gs)
			out["grants "+row[0]] = strings.Join(gs, "\n")
		}
	}
	return out
}

// Every kind without history: made, replaced, altered and dropped. P stands for a prefix of the test's own.
func TestKindsWithoutHistory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		setup      []string
		statements []string
		journal    map[string]string // object → dbctl's own earlier definition
	}{
		{
			"created", nil,
			[]string{
				"create sequence Pq", "create function Pf as (x) -> x + 1", "create file format Pff type = csv", "create connection Pc storage_type = 's3' access_key_id = 'aaaa' secret_access_key = 'bbbb'",
				"create stage Ps", "create tag Pt", "create network policy Pn allowed_ip_list = ('1.2.3.4')", "create password policy Pp password_min_length = 9", "create role Pr",
				"create procedure Pproc(x int) returns int not null language sql as $$ begin return x; end; $$", "grant select on *.* to role Pr",
				"create table agg (a int)", "create aggregating index Pi as select a, count(*) from agg group by a",
			},
			nil,
		},
		{
			"sequence",
			[]string{"create sequence Pq start = 10 increment = 5 comment = 'it''s'", "create sequence Pq2 start = 3"},
			[]string{"create or replace sequence Pq start = 1", "drop sequence Pq2"},
			nil,
		},
		{
			"function",
			[]string{"create function Pf as (x) -> x + 1 desc = 'it''s'", "create function Pg(x int) returns int as $$ x + 2 $$", "create function Ph(x int) returns table(a int) as $$ select x $$"},
			[]string{"create or replace function Pf as (x, y) -> x + y", "drop function Pg", "drop function Ph"},
			nil,
		},
		{
			"file format",
			[]string{"create file format Pc type = csv field_delimiter = '|' skip_header = 1", "create file format Pj type = json", "create file format Pn type = ndjson", "create file format Pt type = tsv"},
			[]string{"drop file format Pc", "create or replace file format Pj type = csv", "drop file format Pn", "drop file format Pt"},
			nil,
		},
		{
			"file format of the journal",
			[]string{"create file format Pp type = parquet null_if = ('x')"},
			[]string{"drop file format Pp"},
			map[string]string{"file format Pp": "create file format Pp type = parquet null_if = ('x')"},
		},
		{
			"tag and policies",
			[]string{"create tag Pt allowed_values = ('a', 'b') comment = 'x'", "create network policy Pn allowed_ip_list = ('1.2.3.4', '5.6.7.8') blocked_ip_list = ('9.9.9.9') comment = 'it''s'", "create password policy Pp password_min_length = 9 comment = 'c'"},
			[]string{"drop tag Pt", "drop network policy Pn", "create or replace password policy Pp password_min_length = 20"},
			nil,
		},
		{
			"connection and stage of the journal",
			[]string{"create connection Pc storage_type = 's3' access_key_id = 'aaaaaaaa' secret_access_key = 'bbbbbbbb' endpoint_url = 'http://127.0.0.1:1'", "create stage Ps url = 's3://b/x/' connection = (connection_name = 'Pc') file_format = (type = csv)"},
			[]string{"drop stage Ps", "create or replace connection Pc storage_type = 's3' access_key_id = 'cccccccc' secret_access_key = 'dddddddd'", "create stage Pnew"},
			map[string]string{
				"connection Pc": "create or replace connection Pc storage_type = 's3' access_key_id = 'aaaaaaaa' secret_access_key = 'bbbbbbbb' endpoint_url = 'http://127.0.0.1:1'",
				"stage Ps":      "create or replace stage Ps url = 's3://b/x/' connection = (connection_name = 'Pc') file_format = (type = csv)",
			},
		},
		{
			"procedure",
			[]string{"create procedure Pp(x int, y string) returns int not null language sql comment = 'c' as $$ begin return x; end; $$"},
			[]string{"drop procedure Pp(int, string)"},
			map[string]string{"procedure Pp(INT32, STRING)": "create procedure Pp(x int, y string) returns int not null language sql comment = 'c' as $$ begin return x; end; $$"},
		},
		{
			"role and grants",
			[]string{"create table g (a int)", "create role Pr", "create role Pr2", "grant select on *.* to role Pr", "grant insert on *.* to role Pr2"},
			[]string{"grant update on *.* to role Pr2", "revoke insert on *.* from role Pr2", "revoke select on *.* from role Pr", "drop role Pr"},
			nil,
		},
		{
			"all privileges over one",
			[]string{"create table g (a int)", "create role Pr", "grant select on g to role Pr"},
			[]string{"grant all on g to role Pr"},
			nil,
		},
		{
			"role that owns",
			[]string{"create table g (a int)", "create role Pr", "create role Pr2", "grant role Pr2 to role Pr", "grant insert on g to role Pr", "grant ownership on g to role Pr"},
			[]string{"drop role Pr", "create role Pr"},
			nil,
		},
		{
			"roles and a user that hold roles",
			nil,
			[]string{
				"create role Pa", "create role Pb", "create role Pc", "create user Pu identified by 'Secret_1'", "grant select on *.* to role Pa",
				"grant role Pa to role Pb", "grant role Pb to role Pc", "grant role Pc to user Pu", "grant role Pa to user Pu", "drop role Pb",
			},
			nil,
		},
		{
			"privileges on what was made",
			[]string{"create table b (x int)", "create role Pwas"},
			[]string{
				"create role Pr", "create table k (x int)", "create or replace table b (z int)", "create database Pd", "create table Pd.t (x int)",
				"grant select on k to role Pr", "grant insert on b to role Pr", "grant all on Pd.* to role Pr", "grant update on Pd.t to role Pr",
				"grant select, delete on k to role Pwas", "alter table k rename to l", "grant alter on l to role Pr",
			},
			nil,
		},
		{
			"privileges while tables move",
			[]string{
				"create table g (a int)", "create table h (a int)", "create role Pr", "grant select on g to role Pr", "create function Pf as (x) -> x",
				"grant usage on udf Pf to role Pr",
			},
			[]string{
				"create function Pg as (x) -> x", "create stage Ps", "grant usage on udf Pg to role Pr", "grant read, write on stage Ps to role Pr",
				"alter table g rename to i", "grant delete on i to role Pr", "alter table i swap with h", "grant update on h to role Pr",
				"revoke delete on h from role Pr", "create table g (b int)", "grant insert on g to role Pr",
			},
			nil,
		},
		{
			"function of words",
			[]string{"create function Pf as (x) -> concat(x, ' AS $$ ', '-- \\'')"},
			[]string{"create or replace function Pf as (x) -> x"},
			nil,
		},
		{
			"comment of a stage",
			[]string{"create stage Ps file_format = (type = csv null_display = 'URL')", "copy into @Ps from (select 1) file_format = (type = csv)"},
			[]string{"alter stage Ps set comment = 'new'"},
			nil,
		},
		{"setting", []string{"set global max_block_size = 4000"}, []string{"set global max_block_size = 5000", "set global max_storage_io_requests = 9"}, nil},
		{
			"aggregating index",
			[]string{"create table agg (a int)", "insert into agg values (1)", "create aggregating index Pi as select a, count(*) from agg group by a"},
			[]string{"drop aggregating index Pi"},
			nil,
		},
	}
	r := newRig(t)
	prefix := "p_" + r.db() + "_"
	of := func(i int, s string) string {
		return own.ReplaceAllString(ownOf(i, s), fmt.Sprintf("%s%02d_$1", prefix, i))
	}
	for _, s := range []*databend.Session{r.work, r.foreign} {
		if _, err := s.Exec(t.Context(), databend.Statement{SQL: "use " + r.db()}); err != nil {
			t.Fatal(err)
		}
	}
	settings := []string{"max_block_size", "max_storage_io_requests"}
	t.Cleanup(func() { r.dropAll(prefix, settings...) })
	var statements []string
	journal := map[string]string{}
	for i, tt := range tests { // each has objects of its own
		for _, s := range tt.setup {
			r.sql(of(i, s))
		}
		for _, s := range tt.statements {
			statements = append(statements, of(i, s))
		}
		for k, v := range tt.journal {
			journal[of(i, k)] = of(i, v)
		}
	}
	was := r.shown(prefix, settings...)
	if err := r.run(statements...); err != nil {
		t.Fatal(err)
	}
	o := Options{Redefine: func(o sqltext.Object) ([]databend.Statement, error) {
		if v := journal[o.String()]; v != "" {
			return []databend.Statement{{SQL: v}}, nil
		}
		return nil, ErrNoDefinition
	}}
	for range 2 {
		rep, err := Restore(t.Context(), r.conn, r.before, r.reached, o)
		if err != nil {
			t.Fatal(err)
		}
		if !rep.Clean() {
			t.Errorf("report %+v", rep.Outcomes)
		}
		if d := cmp.Diff(was, r.shown(prefix, settings...)); d != "" {
			t.Errorf("state (-before +after):\n%s", d)
		}
		for k := range journal {
			if i := slices.IndexFunc(rep.Outcomes, func(o Outcome) bool { return o.Object.String() == k }); i < 0 {
				t.Errorf("%s is not in %+v", k, rep.Outcomes)
			}
		}
		o.Again = true
	}
}

// dropAll ends what a test made account-wide.
func (r *rig) dropAll(prefix string, settings ...string) {
	for k := range r.shown(prefix, settings...) {
		i := strings.LastIndex(k, " ")
		kind, n := strings.ToUpper(k[:i]), k[i+1:]
		switch kind {
		case "SETTING":
			r.env.SQL(r.t, "unset global "+n)
		case "INDEX":
			r.env.SQL(r.t, "drop aggregating index if exists "+n)
		case "PROCEDURE":
			r.env.SQL(r.t, "drop procedure if exists "+n+"(int)", "drop procedure if exists "+n+"(int, string)")
		case "GRANTS", "FILES OF STAGE":
		case "DICTIONARY":
			r.env.SQL(r.t, "drop dictionary if exists "+n)
		default:
			r.env.SQL(r.t, "drop "+kind+" if exists "+n)
		}
	}
}

// A restore of objects without history that is cut off at any of its writes is ended by the next one.
func TestKindsKilledAtEveryRequest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ setup, statements []string }{
		"role": {
			[]string{"create role Pr", "create role Ps", "grant select on *.* to role Pr", "grant insert, update on *.* to role Pr", "grant role Ps to role Pr"},
			[]string{"drop role Pr"},
		},
		"grants": {
			[]string{"create role Pr", "create role Ps", "grant select on *.* to role Pr", "grant role Ps to role Pr"},
			[]string{"grant all on *.* to role Pr", "revoke role Ps from role Pr"},
		},
		"tag":   {[]string{"create tag Pt allowed_values = ('a') comment = 'x'"}, []string{"drop tag Pt", "create tag Pt comment = 'other'"}},
		"stage": {[]string{"create stage Ps comment = 'it''s'"}, []string{"drop stage Ps"}},
		"file format and sequence": {
			[]string{"create file format Pf type = csv", "create sequence Pq start = 5"},
			[]string{"drop file format Pf", "create or replace sequence Pq start = 90"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at, over := 1, false; !over; at++ {
				killedRestoreOfKinds(t, tt.setup, tt.statements, crashAt{at: at, after: true})
				over = killedRestoreOfKinds(t, tt.setup, tt.statements, crashAt{at: at})
			}
		})
	}
}

// killedRestoreOfKinds kills a restore at a write, before or behind it, and wants the next one to end it. over is true when the first one
// had come to its end.
func killedRestoreOfKinds(t *testing.T, setup, statements []string, at crashAt) (over bool) {
	r := newRig(t)
	p := r.db() + "_k"
	defer r.dropAll(p)
	named := func(in []string) []string {
		out := make([]string, len(in))
		for i, s := range in {
			out[i] = own.ReplaceAllString(s, p+"$1")
		}
		return out
	}
	r.sql(named(setup)...)
	was := r.shown(p)
	for _, s := range named(statements) {
		if err := r.run1(s); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Redefine: func(sqltext.Object) ([]databend.Statement, error) { return nil, ErrNoDefinition }}
	conn := &crashing{Conn: r.conn, crashAt: at}
	_, err := Restore(t.Context(), conn, r.before, r.reached, o)
	if over = err == nil; !over && !errors.Is(err, errCrash) {
		t.Fatalf("killed at write %v: %v", at, err)
	}
	o.Again = true
	rep, err := Restore(t.Context(), r.conn, r.before, r.reached, o)
	if err != nil {
		t.Fatalf("killed at write %v: %v", at, err)
	}
	if d := cmp.Diff(was, r.shown(p)); d != "" || !rep.Clean() {
		t.Errorf("killed at write %v (-before +after):\n%s\n%+v", at, d, rep.Outcomes)
	}
	return over
}

// An object that dbctl never defined, and that the engine does not show, is named; the others are restored. An internal stage
// with files in it is never dropped.
func TestKindsThatStay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, s := "c_"+r.db(), "s_"+r.db()
	t.Cleanup(func() { r.dropAll(c); r.dropAll(s) })
	r.sql("use "+r.db(), "create connection "+c+" storage_type = 's3' access_key_id = 'aaaaaaaa' secret_access_key = 'bbbbbbbb'", "create table a (x int)", "insert into a values (1)")
	was := r.look()
	if err := r.run("drop table "+r.db()+".a", "drop connection "+c, "create stage "+s); err != nil {
		t.Fatal(err)
	}
	r.sql("copy into @" + s + " from (select 1) file_format = (type = csv)")
	rep, err := Restore(t.Context(), r.conn, r.before, r.reached, Options{Redefine: func(sqltext.Object) ([]databend.Statement, error) { return nil, ErrNoDefinition }})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{c, s} {
		if o := r.outcome(rep, n); o.Result != Kept || o.Detail == "" {
			t.Errorf("outcome %+v, want kept", o)
		}
	}
	if d := difference(was, r.look()); d != "" {
		t.Errorf("table (-before +after):\n%s", d)
	}
	if n := r.rows("select to_string(count(*)) from list_stage(location => '@" + s + "')")[0][0]; n != "1" {
		t.Errorf("%s files in the stage, want 1", n)
	}
}
