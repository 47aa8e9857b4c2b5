package savepoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
)

// What another session makes of other parts of an object that statements wrote stays, and is named; what the statements made goes.
func TestOtherPartsAreTheirs(t *testing.T) {
	t.Parallel()
	const (
		comment = "select comment from system.tables where name = 'a' and database = 'DB'"
		columns = "select string_agg(name, ',') from system.columns where `table` = 'a' and database = 'DB'"
		options = "select table_option like '%BLOCK_PER_SEGMENT=\\'500\\'%', table_option like '%ROW_PER_BLOCK%' from system.tables where name = 'a' and database = 'DB'"
		grants  = "select grants from show_grants('role', 'r_DB')"
	)
	tests := []struct {
		name       string
		statements []string
		foreign    []string
		checks     map[string]string // a query → its first row
	}{
		{
			"comment beside a column",
			[]string{"alter table a add column d int"},
			[]string{"alter table a comment = 'theirs'"},
			map[string]string{comment: "theirs", columns: "x,y"},
		},
		{
			"comment of a column beside a column",
			[]string{"alter table a add column d int"},
			[]string{"alter table a modify column y comment 'theirs'"},
			map[string]string{"select comment from system.columns where `table` = 'a' and name = 'y' and database = 'DB'": "theirs", columns: "x,y"},
		},
		{
			"comment over ours",
			[]string{"alter table a comment = 'ours'"},
			[]string{"alter table a comment = 'theirs'"},
			map[string]string{comment: "theirs"},
		},
		{
			"option beside a column",
			[]string{"alter table a add column d int"},
			[]string{"alter table a set options (block_per_segment = 500)"},
			map[string]string{options: "1 0", columns: "x,y"},
		},
		{
			"option beside an option",
			[]string{"alter table a set options (row_per_block = 100000)"},
			[]string{"alter table a set options (block_per_segment = 500)"},
			map[string]string{options: "1 0"},
		},
		{
			"index beside an index",
			[]string{"create inverted index ours on a(y)"},
			[]string{"create ngram index theirs on a(y)"},
			map[string]string{"select string_agg(name, ',') from system.indexes where database = 'DB' and type <> 'AGGREGATING'": "theirs"},
		},
		{
			"check beside a check",
			[]string{"alter table a add constraint ours check (x > 0)"},
			[]string{"alter table a add constraint theirs check (x > -1)"},
			map[string]string{"select string_agg(name, ',') from system.constraints where database = 'DB'": "theirs"},
		},
		{
			"privilege beside a privilege",
			[]string{"grant select on a to role r_DB"},
			[]string{"grant insert on DB.a to role r_DB"},
			map[string]string{grants: "GRANT INSERT ON 'default'.'DB'.'a' TO ROLE `r_DB`"},
		},
		{
			"privilege beside one that was taken",
			[]string{"revoke update on a from role r_DB"},
			[]string{"grant insert on DB.a to role r_DB"},
			map[string]string{grants: "GRANT INSERT,UPDATE ON 'default'.'DB'.'a' TO ROLE `r_DB`"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			in := func(s string) string { return strings.ReplaceAll(s, "DB", r.db()) }
			r.sql("use "+r.db(), "create table a (x int, y string)", "insert into a values (1, 'p')", "create table b (x int)")
			if strings.Contains(tt.statements[0]+tt.foreign[0], "role") {
				r.sql(in("create role r_DB"))
				t.Cleanup(func() { r.env.SQL(t, in("drop role r_DB")) })
				if strings.HasPrefix(tt.statements[0], "revoke") {
					r.sql(in("grant update on DB.a to role r_DB"))
				}
			}
			was := r.look()
			statements := []string{"drop table b"}
			for _, s := range tt.statements {
				statements = append(statements, in(s))
			}
			if err := r.run(statements...); err != nil {
				t.Fatal(err)
			}
			for _, s := range tt.foreign {
				r.sql(in(s))
			}
			rep := r.restore()
			if rep.Clean() {
				t.Errorf("what another session did is not named: %+v", rep.Outcomes)
			}
			for q, want := range tt.checks {
				rows := r.rows(in(q))
				got := ""
				if len(rows) > 0 {
					got = strings.Join(rows[0], " ")
				}
				if got = strings.NewReplacer("true", "1", "false", "0").Replace(got); got != in(want) {
					t.Errorf("%s: got %q, want %q\n%+v", in(q), got, in(want), rep.Outcomes)
				}
			}
			if now := r.look(); was["b"] != now["b"] {
				t.Errorf("b is %q, was %q", now["b"], was["b"])
			}
			r.again(rep)
		})
	}
}

// refusing answers a statement that contains a text as a server does which refuses it.
type refusing struct {
	Conn
	what  string
	times int // how often; -1 for ever
}

func (c *refusing) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if strings.Contains(st.SQL, c.what) && c.times != 0 {
		c.times--
		return databend.Result{}, &databend.Error{Code: 1603, Message: "no such thing here"}
	}
	return c.Conn.Exec(ctx, st)
}

// A statement that the server refuses is about one object, and is that object's outcome: the others are restored, and the next restore,
// when it is refused no more, restores that one too.
func TestRefusalIsOneObjects(t *testing.T) {
	t.Parallel()
	const rename = "RENAME TO `__dbctl"
	for what, ours := range map[string]string{
		"SET OPTIONS":                "alter table a set options (block_per_segment = 500)",
		"CREATE OR REPLACE INVERTED": "drop inverted index i on a",
		"ADD CONSTRAINT":             "alter table a drop constraint k",
		"MODIFY COLUMN":              "alter table a modify column y comment 'ours'",
		"COMMENT = 'c'":              "alter table a comment = 'ours'",
		"FLASHBACK":                  "alter table a drop column z",
		rename:                       "create or replace table a (q int)",
		"UNDROP TABLE":               "drop table a",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int, y string, z int) comment = 'c'", "alter table a set options (block_per_segment = 100)", "insert into a values (1, 'p', 2)",
				"create inverted index i on a(y) index_record = 'basic'", "alter table a add constraint k check (x > 0)",
				"create table b (x int)", "insert into b values (1)", "create table c (x int)", "insert into c values (1)", "create view v as select x from b")
			was := r.look()
			others := []string{"alter table b add column w int", "alter table c comment = 'ours'", "create table d (x int)", "alter view v as select 1"}
			if err := r.run(append([]string{ours}, others...)...); err != nil {
				t.Fatal(err)
			}
			rep, err := Restore(t.Context(), &refusing{r.conn, what, -1}, r.before, r.reached, Options{Run: "test"})
			if err != nil {
				t.Fatal(err)
			}
			if o := r.outcome(rep, "a"); o.Result != Differs && o.Result != Kept {
				t.Errorf("outcome %+v, want one that differs", o)
			}
			for _, n := range []string{"b", "c", "d", "v"} {
				too := n != "v" && rename == what || (n == "b" || n == "c") && what == "FLASHBACK" // refused of them as well
				if o := r.outcome(rep, n); o.Result != Restored && !too {
					t.Errorf("outcome %+v, want restored", o)
				}
			}
			r.restored(was)
		})
	}
}

// A part of an object that the server refuses is no other part's: the next index, CHECK or privilege is put back.
func TestRefusalIsOneParts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	x := r.db() + "_x"
	r.sql("use "+r.db(), "create table a (x int, y string, z string)", "insert into a values (1, 'p', 'q')", "create inverted index i on a(y)",
		"create ngram index j on a(z)", "alter table a add constraint k check (x > 0)", "alter table a add constraint l check (x > -1)",
		"create role "+x, "grant select, insert on "+r.db()+".a to role "+x, "create table b (x int)", "grant select on "+r.db()+".b to role "+x)
	t.Cleanup(func() {
		_, _ = r.foreign.Exec(context.WithoutCancel(t.Context()), databend.Statement{SQL: "drop role " + x})
	})
	ours := []string{
		"drop inverted index i on a", "drop ngram index j on a", "alter table a drop constraint k", "alter table a drop constraint l",
		"revoke select, insert on " + r.db() + ".a from role " + x, "revoke select on " + r.db() + ".b from role " + x,
	}
	if err := r.run(ours...); err != nil {
		t.Fatal(err)
	}
	c := Conn(r.conn)
	for _, what := range []string{"CREATE OR REPLACE INVERTED", "ADD CONSTRAINT `k`", "GRANT INSERT"} {
		c = &refusing{c, what, -1}
	}
	if rep, err := Restore(t.Context(), c, r.before, r.reached, Options{Run: "test"}); err != nil || rep.Clean() {
		t.Errorf("got %+v, %v, want what was refused named", rep, err)
	}
	got := fmt.Sprint(r.rows("select name from system.indexes where database = '"+r.db()+"' and type <> 'AGGREGATING'"), // those of any database are shown
		r.rows("select name from system.constraints where database = '"+r.db()+"'"), r.rows("select grants from show_grants('role', '"+x+"')"))
	want := fmt.Sprintf("[[j]] [[l]] [[GRANT SELECT ON 'default'.'%[1]s'.'a' TO ROLE `%[2]s`] [GRANT SELECT ON 'default'.'%[1]s'.'b' TO ROLE `%[2]s`]]",
		r.db(), x)
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if rep, err := Restore(t.Context(), r.conn, r.before, r.reached, Options{Run: "test"}); err != nil || !rep.Clean() {
		t.Errorf("got %+v, %v, want all put back", rep, err)
	}
}

// denying refuses to show what a query asks for.
type denying struct {
	Conn
	what string
}

func (d denying) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if strings.Contains(st.SQL, d.what) {
		return databend.Result{}, &databend.Error{Code: databend.CodePermissionDenied, Message: "denied"}
	}
	return d.Conn.Query(ctx, st)
}

// What may not be seen of an object any more is that object's outcome: it is not taken for absent, and the others are restored.
func TestDeniedIsOneObjects(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string][2]string{
		"DESC PROCEDURE":        {"create procedure {x}(a int) returns int not null language sql as $$ begin return a; end; $$", "drop procedure {x}(int)"},
		"show_grants('role'":    {"create role {x}", "drop role {x}"},
		"from show_sequences()": {"create sequence {x}", "drop sequence {x}"},
		"SHOW CONNECTIONS":      {"create connection {x} storage_type = 's3' access_key_id = 'k'", "drop connection {x}"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			x := r.db() + "_x"
			r.sql("use "+r.db(), "create table b (x int)", "insert into b values (1)")
			was := r.look()
			if err := r.run(strings.ReplaceAll(tt[0], "{x}", x), "alter table b add column w int", "create table d (x int)"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_, _ = r.foreign.Exec(context.WithoutCancel(t.Context()), databend.Statement{SQL: strings.ReplaceAll(tt[1], "{x}", x)})
			})
			rep, err := Restore(t.Context(), denying{r.conn, what}, r.before, r.reached, Options{Run: "test"})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range rep.Outcomes {
				want := Restored
				if o.Object.Name == x {
					want = Kept
				}
				if o.Result != want {
					t.Errorf("outcome %+v, want %s", o, want)
				}
			}
			if d := difference(was, r.look()); d != "" {
				t.Errorf("state (-before +after):\n%s", d)
			}
			if rep, err = Restore(t.Context(), r.conn, r.before, r.reached, Options{Run: "test"}); err != nil || !rep.Clean() {
				t.Errorf("got %+v, %v, want all restored once it is shown", rep, err)
			}
		})
	}
}

// What the server refuses once, because of what another session does at that moment, is tried again.
func TestRefusalOfAMoment(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"FLASHBACK", "RENAME TO"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int, y string)", "insert into a values (1, 'p')")
			was := r.look()
			if err := r.run("alter table a drop column y", "insert into a values (2)"); err != nil {
				t.Fatal(err)
			}
			rep, err := Restore(t.Context(), &refusing{r.conn, what, 1}, r.before, r.reached, Options{Run: "test"})
			if err != nil || !rep.Clean() || r.outcome(rep, "a").Result != Restored {
				t.Errorf("got %v, %+v, want a restored", err, rep.Outcomes)
			}
			if d := difference(was, r.look()); d != "" {
				t.Errorf("state (-before +after):\n%s", d)
			}
		})
	}
}

// The words of SQL in comments, literals and defaults decide nothing.
func TestWordsDecideNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range [][]string{
		{"create table n (a int comment 'the engine = diesel')", "insert into n values (1)"},
		{"create table n (a int) comment = 'engine=memory'", "insert into n values (1)"},
		{"alter table a comment = 'set options, create index, add constraint'"},
		{"alter table a add column c string default 'y CLUSTER BY'"},
		{"create table n (a string default ' AS SELECT ')"},
	} {
		t.Run(tt[0], func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int, y string)", "insert into a values (1, 'p')")
			was := r.look()
			if err := r.run(tt...); err != nil {
				t.Fatal(err)
			}
			r.restored(was)
		})
	}
}

// What another session makes under a name after a statement of ours made or replaced an object there is theirs: its age tells.
func TestOthersReplaceOurs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ ours, foreign []string }{
		{[]string{"create table n (q int)"}, []string{"drop table n", "create table n (x int) comment = 'theirs'"}},
		{[]string{"create table n (q int)"}, []string{"create or replace table n (x int) comment = 'theirs'"}},
		{[]string{"create table m (q int)", "alter table m rename to n"}, []string{"create or replace table n (x int) comment = 'theirs'"}},
		{[]string{"create or replace table n (q int)"}, []string{"create or replace table n (x int) comment = 'theirs'"}},
		{[]string{"create or replace table a (q int)", "alter table a rename to n"}, []string{"create or replace table n (x int) comment = 'theirs'"}},
		{[]string{"create view n as select 8 as x"}, []string{"create or replace view n as select 7 as x"}},
		{[]string{"drop table if exists n"}, []string{"create table n (x int) comment = 'theirs'"}},
	} {
		t.Run(strings.Join(tt.ours, "; "), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int, y string)", "insert into a values (1, 'p')", "create table b (x int)")
			was := r.look()
			if err := r.run(append([]string{"drop table b"}, tt.ours...)...); err != nil {
				t.Fatal(err)
			}
			r.sql(tt.foreign...)
			theirs := r.look()["n"]
			rep := r.restore()
			if o := r.outcome(rep, "n"); o.Result != Kept {
				t.Errorf("outcome %+v, want kept", o)
			}
			now := r.look()
			if now["n"] != theirs || now["b"] != was["b"] || now["a"] != was["a"] {
				t.Errorf("got %v, want %v with theirs: %s", now, was, theirs)
			}
			r.again(rep)
		})
	}
}

// Of a renaming without an answer nobody knows that it ran: what was made shortly before is not our table under another name. The server's
// clock is known as well as it answers quickly: w is no older than the mark.
func TestARenamingThatDidNotRun(t *testing.T) {
	t.Parallel()
	for _, renaming := range []string{"alter table n rename to m", "rename table n to m"} {
		t.Run(renaming, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			at := r.now()
			r.sql("use "+r.db(), "create view w as select 1 as x")
			was := r.look()
			r.capture([]string{"create table n (q int)", renaming})
			if err := r.steps([]string{"create table n (q int)"}); err != nil {
				t.Fatal(err)
			}
			r.before.At, r.reached[0].At = at, at
			r.reached = append(r.reached, r.mark(renaming, r.now()))
			r.restored(was)
		})
	}
}

// What another session changed of a table of ours stays, also where the restore that found it so is killed, at any of its requests.
func TestTheirsOutliveAKilledRestore(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 4; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use " + r.db())
			if err := r.run("create table n (q int)"); err != nil {
				t.Fatal(err)
			}
			r.sql("select sleep(0.3)", "alter table n comment = 'theirs'")
			_, err := Restore(t.Context(), &crashing{Conn: r.conn, crashAt: crashAt{at: (at + 1) / 2, after: at%2 == 0}}, r.before, r.reached, Options{})
			if err != nil && !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			rep := r.restore()
			if rep.Clean() || len(r.rows("select name from system.tables where database = '"+r.db()+"' and comment = 'theirs'")) != 1 {
				t.Errorf("theirs is gone, or nobody says so: %+v", rep.Outcomes)
			}
			r.again(rep)
		})
	}
}

// What the engine notes no time of is theirs too: an option or a CHECK that another session gave to a table of ours.
func TestOthersExtendOurs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ours   []string
		theirs string // "": nothing of theirs, and the table is dropped
	}{
		{[]string{"create table n (q int)"}, "alter table n set options (row_per_block = 7777)"},
		{[]string{"create table n (q int)"}, "alter table n set options (bloom_index_columns = 'q')"},
		{[]string{"create table n (q int, p int) bloom_index_columns = 'q'", "alter table n rename column q to r"}, "alter table n set options (bloom_index_columns = 'p')"},
		{[]string{"create table n (q int) row_per_block = 5000"}, "alter table n set options (row_per_block = 7777)"},
		{[]string{"create table n (q int)"}, "alter table n add constraint k check (q > 0)"},
		{[]string{"create table n (q int, constraint j check (q > 1))"}, "alter table n add constraint k check (q > 0)"},
		{[]string{"create table n (q int check (q > 1), constraint `j k` check (q > 2)) row_per_block = 5000 bloom_index_columns = 'q' compression = 'zstd'"}, ""},
		{[]string{"create table n (q int)", "alter table n set options (block_per_segment = 77)", "alter table n add constraint k check (q > 0)"}, ""},
		{[]string{"create table n (q int) engine = memory"}, "insert into n values (7)"},
		{[]string{"create table m (q int) engine = memory", "alter table m rename to n", "create table o as select 1 q", "drop table o"}, "insert into n values (7)"},
		{[]string{"create table m (q int) engine = memory", "insert into m values (1)", "alter table m rename to n"}, ""},
		{[]string{"create table n like a"}, ""},
		{[]string{"create table n as select * from a"}, ""},
		{[]string{"create transient table n (q int) cluster by (q)"}, ""},
	} {
		t.Run(strings.Join(tt.ours, "; ")+"; "+tt.theirs, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sql("use "+r.db(), "create table a (x int, y string) row_per_block = 6000 change_tracking = true", "alter table a add constraint k1 check (x > 0)")
			if err := r.run(tt.ours...); err != nil {
				t.Fatal(err)
			}
			if tt.theirs != "" {
				r.sql(tt.theirs)
			}
			rep := r.restore()
			left := len(r.rows("select name from system.tables where database = '"+r.db()+"'")) - 1
			if rep.Clean() != (tt.theirs == "") || rep.Clean() != (left == 0) {
				t.Errorf("%d tables are left: %+v", left, rep.Outcomes)
			}
			r.again(rep)
		})
	}
}

// FLASHBACK of a table that is under another name for now, and whose columns changed, reads the queries of its aggregating indexes. And
// of a table that took the name of another the server shows the aggregating indexes of that one.
func TestUnderAnAggregatingIndex(t *testing.T) {
	t.Parallel()
	cases := [][]string{
		{"alter table a add column n int", "analyze table a"},
		{"alter table a add column n string not null default 'x' first", "analyze table a"},
		{"drop table a", "create table a (z int)"},
		{"create or replace table a as select 's' as s"},
		{"alter table a rename to b", "create table c (s string)", "alter table c rename to a"},
		{"create aggregating index P2 as select y, count(*) from a group by y", "alter table a add column n int"},
		{"drop aggregating index P", "alter table a drop column y"},
	}
	for _, database := range []string{"", "default"} { // the database that system.indexes shows for all of them is that of the session
		t.Run("session in "+database, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if database != "" {
				if _, err := r.books.Exec(t.Context(), databend.Statement{SQL: "USE " + database}); err != nil {
					t.Fatal(err)
				}
			}
			r.sql("use " + r.db())
			var ours []string
			for i, statements := range cases {
				index := fmt.Sprint(r.db(), "_ai", i, "_")
				t.Cleanup(func() {
					r.env.SQL(t, "drop aggregating index if exists "+index, "drop aggregating index if exists "+index+"2")
				})
				r.sql(ownOf(i, "create table a (x int, y string, s string)"), ownOf(i, "insert into a (x, s) values (1, 'p')"),
					ownOf(i, "create aggregating index "+index+" as select s, count(*) from a group by s"))
				for _, s := range statements {
					ours = append(ours, strings.ReplaceAll(ownOf(i, s), " P", " "+index))
				}
			}
			was := r.look()
			if err := r.run(ours...); err != nil {
				t.Fatal(err)
			}
			r.restored(was)
		})
	}
}

// A table that named a sequence before ours was made does not keep it; one that was changed since does.
func TestSequenceThatAnEarlierTableNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	q := r.db() + "_q"
	t.Cleanup(func() { r.env.SQL(t, "drop sequence if exists "+q) })
	r.sql("use "+r.db(), "create sequence "+q, "create table t (a int, b int default nextval("+q+"))", "drop sequence "+q)
	time.Sleep(200 * time.Millisecond) // the clocks of two nodes
	sequences := func() string {
		return r.rows("select to_string(count(*)) from show_sequences() where name = '" + q + "'")[0][0]
	}
	for _, changed := range []bool{false, true} {
		if err := r.run("create sequence " + q); err != nil {
			t.Fatal(err)
		}
		if changed {
			r.sql("alter table t add column c int")
		}
		if rep := r.restore(); rep.Clean() == changed || (sequences() == "1") != changed {
			t.Errorf("changed: %t: got report %+v and %s sequences", changed, rep.Outcomes, sequences())
		}
	}
}

// A dictionary of ours that another session renamed is named.
func TestRenamedDictionary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const d = " d (a string, s string) primary key a source(redis(host='127.0.0.1' port='6379'))"
	r.sql("use " + r.db())
	if err := r.run1("create dictionary" + d); err != nil {
		t.Fatal(err)
	}
	r.sql("rename dictionary d to theirs")
	rep := r.restore()
	if o := r.outcome(rep, "d"); o.Result != Kept || !strings.Contains(o.Detail, "renamed what this migration had made there to theirs") {
		t.Errorf("got %+v, want it kept, and named", o)
	}
	r.again(rep)
}

// What a migration made stays where another session calls it, takes its values or gave it tags since; one that was about its name before
// does not hold it.
func TestUsedByOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, ours, theirs, says string }{
		{"select 1", "create sequence DB_o", "create view v as select nextval(DB_o) as x", "view DB.v, which stays, takes its values"},
		{"select 1", "create sequence DB_o", "create function DB_f () returns bigint as $$ select nextval(DB_o) $$", "function DB_f, which stays, takes its values"},
		{"select 1", "create function DB_o as (a) -> a", "create function DB_f () returns bigint as $$ select DB_o(1) $$", "function DB_f of another session calls it"},
		{"create sequence DB_o; create view v as select nextval(DB_o) as x; drop sequence DB_o", "create sequence DB_o", "select 1", ""},
		{"create function DB_o as (a) -> a; create view v as select DB_o(1) as x; drop function DB_o", "create function DB_o as (a) -> a", "select 1", ""},
		{"create tag DB_t", "create stage DB_o", "alter stage DB_o set tag DB_t = 'theirs'", "another session gave it tags"},
		{"create tag DB_t", "create role DB_o", "select 1", ""},
		{"create role DB_r", "create role DB_o", "grant role DB_o to role DB_r", "another session gave it to ROLE DB_r"},
		{"create user DB_u identified by 'Secret_1'", "create role DB_o", "grant role DB_o to user DB_u", "another session gave it to USER DB_u"},
	} {
		t.Run(tt.before+", "+tt.ours+", "+tt.theirs, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			named := strings.NewReplacer("DB", r.db()).Replace
			for _, s := range strings.Split(named("use DB; "+tt.before), "; ") {
				r.sql(s)
			}
			t.Cleanup(func() {
				r.env.SQL(t, strings.Split(named("drop sequence if exists DB_o; drop function if exists DB_o; drop function if exists DB_f; "+
					"drop stage if exists DB_o; drop role if exists DB_o; drop role if exists DB_r; drop user if exists DB_u; drop tag if exists DB_t"), "; ")...)
			})
			if err := r.run(named(tt.ours)); err != nil {
				t.Fatal(err)
			}
			r.sql(named(tt.theirs))
			rep := r.restore()
			o, result := r.outcome(rep, r.db()+"_o"), Restored
			if tt.says != "" {
				result = Kept
			}
			if o.Result != result || !strings.Contains(o.Detail, named(tt.says)) {
				t.Errorf("got %+v, want %s: %s", o, result, named(tt.says))
			}
			r.again(rep)
		})
	}
}
