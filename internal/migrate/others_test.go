package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
)

// now is a statement before which another session acts.
const now = "SELECT 'now'"

// meanwhile lets f run right before the server gets a statement, or so many requests later.
func (w *world) meanwhile(statement string, later int, f func()) {
	w.T.Helper()
	w.through(newGrave(0, false).acting(statement, later, f))
}

// inLanes lets n runs be played, some beside each other, each lane in a world of its own.
func inLanes(t *testing.T, n int, play func(w *world, i int)) {
	t.Helper()
	const lanes = 8
	for lane := range min(lanes, n) {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			healthy := w.srv
			for i := lane; i < n; i += lanes {
				play(w, i)
				w.srv = healthy
			}
		})
	}
}

// Several cases are played in one migration: the names in their texts are made a case's own, {x} in the whole account.
var ownNames = regexp.MustCompile(`\b(t|u|v|i|k|n|gone|away|theirs)\b`)

// markOf is in each name of the case i, and in nothing else.
func markOf(i int) string { return fmt.Sprintf("q%03d", i) }

// named makes the names in a text those of the case i.
func (w *world) named(i int, text string) string {
	text = strings.ReplaceAll(text, now, "SELECT 'now "+markOf(i)+"'")
	return strings.ReplaceAll(ownOf(i, ownNames, text), "{x}", w.Database+"_x"+markOf(i))
}

// does lets statements of the case i run.
func (w *world) does(i int, statements []string) {
	w.T.Helper()
	out := make([]string, len(statements))
	for n, s := range statements {
		out[n] = w.named(i, s)
	}
	w.SQL(w.T, out...)
}

// inGroups puts cases into groups of about so many, the last of each group one of those that nothing may come behind, while there are any.
func inGroups(some, last []int, size int) [][]int {
	groups := make([][]int, max(len(last), (len(some)+len(last)+size-1)/size))
	for n, i := range some {
		groups[n%len(groups)] = append(groups[n%len(groups)], i)
	}
	for n, i := range last {
		groups[n] = append(groups[n], i)
	}
	return groups
}

// kept are the objects that the last run says it left, or put beside what is there.
func (w *world) kept() (objects []string) {
	for _, e := range *w.events {
		if r, is := e.(event.Rollback); is && (r.Outcome == event.Kept || r.Outcome == event.Differs) {
			objects = append(objects, r.Object)
		}
	}
	return objects
}

// drops sees to it that what the texts of the case i may leave in the account, of these kinds, is dropped with the world.
func (w *world) drops(kinds []string, i int, texts string) {
	w.T.Cleanup(func() {
		var todo []string
		for _, kind := range kinds {
			switch {
			case !strings.Contains(texts, strings.Fields(kind)[0]):
			case kind == "PROCEDURE":
				todo = append(todo, "DROP PROCEDURE IF EXISTS {x}(INT)")
			default:
				todo = append(todo, "DROP "+kind+" IF EXISTS {x}")
			}
		}
		w.does(i, todo)
	})
}

// forget takes the runs so far out of the journal, so that the next case of a lane finds none that a person must look at: one request,
// where recover has fifteen.
func (w *world) forget() {
	w.T.Helper()
	w.SQL(w.T, "TRUNCATE TABLE "+w.StateDB+".journal")
}

// looked is what a query shows, and a SHOW of the object of the case i.
func (w *world) looked(i int, query string) string {
	w.T.Helper()
	rows := w.SQL(w.T, w.named(i, query))
	if strings.HasPrefix(query, "SHOW ") {
		rows = slices.DeleteFunc(rows, func(r []string) bool { return r[0] != w.named(i, "{x}") })
	}
	return fmt.Sprint(rows)
}

// TestOthersMeanwhile lets another session make or change, between two statements of a migration that fails, what the second of them
// finds, or behind the plan's look what the first one finds: that is theirs, of every kind, also where nothing was under the name when the
// run began.
func TestOthersMeanwhile(t *testing.T) {
	t.Parallel()
	kinds := []string{"FUNCTION", "SEQUENCE", "ROLE", "STAGE", "FILE FORMAT", "CONNECTION", "USER", "NETWORK POLICY", "DATABASE"}
	const (
		comment = "SELECT comment FROM system.tables WHERE database=currentdatabase() AND name='t'"
		options = "SELECT table_option FROM system.tables WHERE database=currentdatabase() AND name='t'"
		grants  = "SELECT grants FROM show_grants('role', '{x}') WHERE instr(grants, ' ON UDF ') = 0" // of a test beside this
	)
	cases := []struct {
		before    []string
		statement string
		theirs    []string
		look      string
		want      string // in what look shows
		refused   bool   // it is not run at all: nothing could bring theirs back
	}{
		{nil, "DROP TABLE IF EXISTS t", []string{"CREATE TABLE t (x INT)", "INSERT INTO t VALUES (7)"}, "SELECT x FROM t", "[[7]]", false},
		{nil, "CREATE OR REPLACE TABLE t (y INT)", []string{"CREATE TABLE t (x INT)", "INSERT INTO t VALUES (7)"}, "SELECT x FROM t", "[[7]]", false},
		{nil, "CREATE OR REPLACE TABLE t AS SELECT 1 AS y", []string{"CREATE TABLE t (x INT)", "INSERT INTO t VALUES (7)"}, "SELECT x FROM t", "[[7]]", false},
		{nil, "CREATE TABLE IF NOT EXISTS t (y INT)", []string{"CREATE TABLE t (x INT)", "INSERT INTO t VALUES (7)"}, "SELECT x FROM t", "[[7]]", false},
		{nil, "DROP VIEW IF EXISTS v", []string{"CREATE VIEW v AS SELECT 7 AS x"}, "SELECT x FROM v", "[[7]]", false},
		{nil, "CREATE OR REPLACE VIEW v AS SELECT 8 AS x", []string{"CREATE VIEW v AS SELECT 7 AS x"}, "SELECT x FROM v", "[[7]]", false},
		{[]string{"CREATE TABLE t (x INT)"}, "ALTER TABLE t COMMENT = 'ours'", []string{"ALTER TABLE t COMMENT = 'theirs'"}, "SELECT comment FROM system.tables WHERE database=currentdatabase() AND name='t'", "[[theirs]]", false},
		{[]string{"CREATE TABLE t (x INT)", "INSERT INTO t VALUES (1)"}, "ALTER TABLE t ADD COLUMN y INT", []string{"INSERT INTO t VALUES (7)"}, "SELECT * FROM t ORDER BY 1", "[[1] [7]]", false},
		{nil, "DROP DATABASE IF EXISTS {x}", []string{"CREATE DATABASE {x}", "CREATE TABLE {x}.t AS SELECT 7 AS x"}, "SELECT x FROM {x}.t", "[[7]]", false},
		{nil, "CREATE DATABASE IF NOT EXISTS {x}", []string{"CREATE DATABASE {x}", "CREATE TABLE {x}.t AS SELECT 7 AS x"}, "SELECT x FROM {x}.t", "[[7]]", false},
		{nil, "DROP FUNCTION IF EXISTS {x}", []string{"CREATE FUNCTION {x} AS (a) -> a + 7"}, "SELECT {x}(0)", "[[7]]", false},
		{nil, "CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 8", []string{"CREATE FUNCTION {x} AS (a) -> a + 7"}, "SELECT {x}(0)", "[[7]]", false},
		{nil, "CREATE FUNCTION IF NOT EXISTS {x} AS (a) -> a + 8", []string{"CREATE FUNCTION {x} AS (a) -> a + 7"}, "SELECT {x}(0)", "[[7]]", false},
		{[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"}, "DROP FUNCTION {x}", []string{"CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 7"}, "SELECT {x}(0)", "[[7]]", false},
		{
			[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"},
			"CREATE FUNCTION {x} AS (a) -> a + 6",
			[]string{"DROP FUNCTION {x}"},
			"SELECT count(*) FROM system.user_functions WHERE name='{x}'", "[[0]]", false,
		},
		{
			[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"},
			"ALTER FUNCTION {x} AS (a) -> a + 8;\nSELECT 'now';\nCREATE FUNCTION {x} AS (a) -> a + 9",
			[]string{"DROP FUNCTION {x}"},
			"SELECT count(*) FROM system.user_functions WHERE name='{x}'", "[[0]]", false,
		},
		{
			[]string{"CREATE SEQUENCE {x}"},
			"CREATE SEQUENCE {x}",
			[]string{"DROP SEQUENCE {x}"},
			"SELECT count(*) FROM show_sequences() WHERE name='{x}'", "[[0]]", false,
		},
		{
			[]string{"CREATE STAGE {x}"},
			"CREATE STAGE {x}",
			[]string{"DROP STAGE {x}"},
			"SELECT count(*) FROM system.stages WHERE name='{x}'", "[[0]]", false,
		},
		{
			[]string{"CREATE TABLE t (a INT, s STRING)", "CREATE AGGREGATING INDEX {x} AS SELECT s, sum(a) FROM t GROUP BY s"},
			"CREATE AGGREGATING INDEX {x} AS SELECT s, sum(a) FROM t GROUP BY s",
			[]string{"DROP AGGREGATING INDEX {x}"},
			"SELECT count(*) FROM system.indexes WHERE name='{x}'", "[[0]]", false,
		},
		{
			[]string{"CREATE ROLE {x}"},
			"CREATE ROLE {x};\nGRANT SELECT ON *.* TO ROLE {x}",
			[]string{"DROP ROLE {x}"},
			"SELECT count(*) FROM system.roles WHERE name='{x}'", "[[0]]", false,
		},
		{nil, "CREATE SEQUENCE IF NOT EXISTS {x}", []string{"CREATE SEQUENCE {x} START = 70"}, "SELECT nextval({x})", "[[70]]", false},
		{[]string{"CREATE SEQUENCE {x}"}, "DROP SEQUENCE {x}", []string{"CREATE TABLE n AS SELECT nextval({x}) AS n FROM numbers(1000)", "DROP TABLE n"}, "SELECT nextval({x}) > 1000", "[[1]]", false},
		{[]string{"CREATE SEQUENCE {x}"}, "CREATE OR REPLACE SEQUENCE {x}", []string{"CREATE TABLE n AS SELECT nextval({x}) AS n FROM numbers(1000)", "DROP TABLE n"}, "SELECT nextval({x}) > 1000", "[[1]]", false},
		{nil, "CREATE ROLE IF NOT EXISTS {x}", []string{"CREATE ROLE {x}"}, "SELECT count(*) FROM system.roles WHERE name='{x}'", "[[1]]", false},
		{nil, "CREATE USER IF NOT EXISTS {x} IDENTIFIED BY 'Secret_1'", []string{"CREATE USER {x} IDENTIFIED BY 'Secret_7'"}, "SELECT count(*) FROM system.users WHERE name='{x}'", "[[1]]", false},
		{nil, "CREATE STAGE IF NOT EXISTS {x}", []string{"CREATE STAGE {x}"}, "SELECT count(*) FROM system.stages WHERE name='{x}'", "[[1]]", false},
		{nil, "CREATE FILE FORMAT IF NOT EXISTS {x} TYPE=CSV", []string{"CREATE FILE FORMAT {x} TYPE=NDJSON"}, "SELECT 1", "[[1]]", false},
		{nil, "CREATE CONNECTION IF NOT EXISTS {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='ours'", []string{"CREATE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='others-7'"}, "DESC CONNECTION {x}", "s-7", false},
		{nil, "CREATE OR REPLACE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='ours'", []string{"CREATE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='others-7'"}, "DESC CONNECTION {x}", "s-7", true},
		{nil, "DROP CONNECTION IF EXISTS {x}", []string{"CREATE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='others-7'"}, "DESC CONNECTION {x}", "s-7", true},
		{nil, "CREATE NETWORK POLICY IF NOT EXISTS {x} ALLOWED_IP_LIST=('10.0.0.0/8')", []string{"CREATE NETWORK POLICY {x} ALLOWED_IP_LIST=('10.7.0.0/16')"}, "DESC NETWORK POLICY {x}", "10.7.0.0/16", false},
		// Another statement of ours wrote something else of it before that.
		{[]string{"CREATE TABLE t (x INT)"}, "ALTER TABLE t ADD COLUMN y INT;\nSELECT 'now';\nALTER TABLE t COMMENT = 'ours'", []string{"ALTER TABLE t COMMENT = 'theirs'"}, comment, "[[theirs]]", false},
		{[]string{"CREATE TABLE t (x INT)"}, "ALTER TABLE t COMMENT = 'ours';\nSELECT 'now';\nALTER TABLE t COMMENT = 'ours too'", []string{"ALTER TABLE t COMMENT = 'theirs'"}, comment, "[[theirs]]", false},
		{[]string{"CREATE TABLE t (x INT)"}, "ALTER TABLE t RENAME TO u;\nSELECT 'now';\nCOMMENT ON TABLE u IS 'ours'", []string{"ALTER TABLE u COMMENT = 'theirs'"}, comment, "[[theirs]]", false},
		{[]string{"CREATE TABLE t (x INT)"}, "ALTER TABLE t ADD COLUMN y INT;\nSELECT 'now';\nALTER TABLE t MODIFY COLUMN x COMMENT 'ours'", []string{"ALTER TABLE t MODIFY COLUMN x COMMENT 'theirs'"}, "SELECT comment FROM system.columns WHERE database=currentdatabase() AND `table`='t'", "[[theirs]]", false},
		{[]string{"CREATE TABLE t (x INT)"}, "ALTER TABLE t COMMENT = 'ours';\nSELECT 'now';\nALTER TABLE t SET OPTIONS (block_per_segment = 55)", []string{"ALTER TABLE t SET OPTIONS (block_per_segment = 77)"}, options, "='77'", false},
		{[]string{"CREATE TABLE t (x INT) BLOCK_PER_SEGMENT = 77"}, "ALTER TABLE t SET OPTIONS (block_per_segment = 55);\nSELECT 'now';\nALTER TABLE t UNSET OPTIONS (block_per_segment)", []string{"ALTER TABLE t SET OPTIONS (block_per_segment = 88)"}, options, "='88'", false},
		{[]string{"CREATE TABLE t (x INT, s STRING)"}, "ALTER TABLE t COMMENT = 'ours';\nSELECT 'now';\nDROP NGRAM INDEX i ON t", []string{"CREATE NGRAM INDEX i ON t(s)"}, "SELECT name FROM system.indexes WHERE database=currentdatabase() AND name='i'", "[[i]]", false},
		{[]string{"CREATE TABLE t (x INT)"}, "ALTER TABLE t COMMENT = 'ours';\nSELECT 'now';\nALTER TABLE t DROP CONSTRAINT k", []string{"ALTER TABLE t ADD CONSTRAINT k CHECK (x > 7)"}, "SELECT name FROM system.constraints WHERE database=currentdatabase() AND name='k'", "[[k]]", false},
		{[]string{"CREATE VIEW v AS SELECT 6 AS x"}, "ALTER VIEW v AS SELECT 8 AS x;\nSELECT 'now';\nALTER VIEW v AS SELECT 9 AS x", []string{"ALTER VIEW v AS SELECT 7 AS x"}, "SELECT x FROM v", "[[7]]", false},
		{[]string{"CREATE ROLE {x}"}, "GRANT SELECT ON *.* TO ROLE {x};\nSELECT 'now';\nGRANT INSERT ON *.* TO ROLE {x}", []string{"GRANT INSERT ON *.* TO ROLE {x}"}, grants, "[[GRANT INSERT ON *.* TO ROLE `{x}`]]", false},
		{[]string{"CREATE ROLE {x}", "GRANT SELECT, INSERT ON *.* TO ROLE {x}"}, "REVOKE SELECT ON *.* FROM ROLE {x};\nSELECT 'now';\nREVOKE INSERT ON *.* FROM ROLE {x}", []string{"REVOKE INSERT ON *.* FROM ROLE {x}"}, grants, "[[GRANT SELECT ON *.* TO ROLE `{x}`]]", false},
		{[]string{"CREATE ROLE {x}"}, "GRANT SELECT ON *.* TO ROLE {x};\nSELECT 'now';\nGRANT ROLE public TO ROLE {x}", []string{"GRANT ROLE public TO ROLE {x}"}, "SELECT inherited_roles_name FROM system.roles WHERE name='{x}'", "[[public]]", false},
	}
	type played struct {
		cases []int // from len(cases) on again, played first
		first bool  // theirs is there before the first statement; not ahead of each
	}
	var runs []played
	for _, adopts := range []bool{false, true} { // a file's consent would be each case's
		var some, refused []int
		for i, tt := range cases {
			switch {
			case (tt.before != nil) != adopts:
				continue
			case tt.refused: // no other comes behind it
				refused = append(refused, i)
			default:
				some = append(some, i)
			}
			if !strings.Contains(tt.statement, now) {
				runs = append(runs, played{[]int{len(cases) + i}, true})
			}
		}
		for _, group := range inGroups(some, refused, 8) {
			runs = append(runs, played{group, false})
		}
	}
	inLanes(t, len(runs), func(w *world, n int) {
		t, text, refused, g := w.T, "", false, newGrave(0, false)
		for _, i := range runs[n].cases {
			tt := cases[i%len(cases)]
			w.drops(kinds, i, fmt.Sprint(tt))
			w.does(i, tt.before)
			at, s := now, tt.statement
			switch {
			case runs[n].first:
				at = "EXECUTE IMMEDIATE" // the run takes its lock
			case !strings.Contains(s, now):
				s = now + ";\n" + s
			}
			text += w.named(i, s) + ";\n"
			refused = refused || tt.refused
			g.acting(w.named(i, at), 0, func() { w.does(i, tt.theirs) })
		}
		head := ""
		if cases[runs[n].cases[0]%len(cases)].before != nil {
			head = "-- dbctl: adopt \"for the test\"\n--up\n"
		}
		w.Migration(1, head+text+"INSERT INTO nowhere VALUES (1);\n")
		w.through(g)
		err := w.up()
		var run *RunError
		var p *PlanError
		switch {
		case refused && (!errors.As(err, &p) || p.Kind != plan.Irreversible):
			t.Errorf("%s: got %v, want it refused", text, err)
		case !errors.As(err, &run) || !refused && !strings.Contains(err.Error(), "nowhere"):
			t.Errorf("%s: got %v, want a failure at nowhere\n%s", text, err, w.said())
		}
		for _, i := range runs[n].cases {
			tt := cases[i%len(cases)]
			if got, want := w.looked(i, tt.look), w.named(i, tt.want); !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want theirs: %s\n%s\n%v\n%s", tt.statement, got, want, text, err, w.said())
			}
		}
		if errors.As(err, &run) && run.ExitCode() != 1 {
			t.Errorf("%s: exit %d, want 1: all is as it was\n%s", text, run.ExitCode(), w.said())
			w.must(w.recover(MarkRolledBack, "for the test"))
		}
	})
}

// TestOthersMeanwhileAfterAKill is the same for a process that is killed: the mark carries what was read.
func TestOthersMeanwhileAfterAKill(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{"DROP TABLE IF EXISTS t", "CREATE OR REPLACE TABLE t AS SELECT 1 AS y"} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Migration(1, "SELECT 'now';\n"+statement+";\nCREATE TABLE u AS SELECT 1 AS x;\n")
			healthy := w.srv
			g := newGrave(-1, false)
			g.what = "CREATE TABLE u"
			once := sync.OnceFunc(func() { w.SQL(t, "CREATE TABLE t (x INT)", "INSERT INTO t VALUES (7)") })
			g.hook = func(text string) {
				if strings.Contains(text, `"sql":"SELECT 'now'`) {
					once()
				}
			}
			w.through(g)
			m := w.migrator(Options{})
			t.Cleanup(func() { close(g.end) })
			go func() { _ = m.Up(t.Context()) }()
			select {
			case <-g.dead:
			case <-time.After(10 * time.Minute):
				t.Fatal("it never came to the end")
			}
			w.srv = healthy
			w.die()
			w.must(w.recover(RollBack, ""))
			if got := fmt.Sprint(w.SQL(t, "SELECT x FROM t")); got != "[[7]]" {
				t.Errorf("got %s, want theirs\n%s", got, w.said())
			}
		})
	}
}

// TestOthersAfterOurs lets another session make or change, behind a statement of a migration that fails, what that statement wrote: it
// is theirs now, of every kind, and stays; the run ends with 4 and names it. Where a later statement would take theirs away, it is not
// run.
func TestOthersAfterOurs(t *testing.T) {
	t.Parallel()
	// The engine shows a function without an owner, of a test beside this, to be each role's.
	const own = " WHERE instr(grants, ' ON UDF ') = 0 OR instr(grants, ' ON UDF {x}') > 0"
	kinds := []string{
		"FUNCTION", "SEQUENCE", "STAGE", "FILE FORMAT", "CONNECTION", "USER", "NETWORK POLICY", "PASSWORD POLICY", "TAG", "ROLE",
		"AGGREGATING INDEX", "PROCEDURE", "DATABASE",
	}
	settings := []string{"lazy_read_threshold", "nested_loop_join_threshold"} // of the account, and so one for each case
	env := databendtest.New(t)
	t.Cleanup(func() {
		for _, s := range settings {
			env.SQL(t, "UNSET GLOBAL "+s)
		}
	})
	const (
		comment = "SELECT comment FROM system.tables WHERE database=currentdatabase() AND name='t'"
		aside   = "SELECT comment, table_option, '' FROM system.tables WHERE database=currentdatabase() UNION ALL " +
			"SELECT '', '', view_query FROM system.views WHERE database=currentdatabase()"
		kept      = "SELECT count(*) FROM system.tables WHERE database=currentdatabase() AND comment = "
		later     = "SELECT sleep(2.5)" // four times: longer than a look at the clock of a busy server takes; 3 is the most
		procedure = "PROCEDURE {x}(a INT) RETURNS INT NOT NULL LANGUAGE SQL AS $$ BEGIN RETURN a + %d; END; $$"
	)
	cases := []struct {
		before []string
		ours   string
		theirs []string
		then   string // a later statement of ours, which is not run
		look   string
		want   string
	}{
		{[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"}, "CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 8", []string{"CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 7"}, "", "SELECT {x}(0)", "[[7]]"},
		{nil, "CREATE FUNCTION {x} AS (a) -> a + 8", []string{"CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 7"}, "", "SELECT {x}(0)", "[[7]]"},
		{[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"}, "DROP FUNCTION {x}", []string{"CREATE FUNCTION {x} AS (a) -> a + 7"}, "", "SELECT {x}(0)", "[[7]]"},
		{[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"}, "DROP FUNCTION {x}", []string{"CREATE FUNCTION {x} AS (a) -> a + 7"}, "CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 8", "SELECT {x}(0)", "[[7]]"},
		{[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"}, "ALTER FUNCTION {x} AS (a) -> a + 8", []string{"CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 7"}, "", "SELECT {x}(0)", "[[7]]"},
		{[]string{"CREATE SEQUENCE {x}"}, "CREATE OR REPLACE SEQUENCE {x} START = 50", []string{"CREATE OR REPLACE SEQUENCE {x} START = 70 INCREMENT = 7"}, "", "SELECT nextval({x})", "[[70]]"},
		{[]string{"CREATE STAGE {x}"}, "ALTER STAGE {x} SET COMMENT = 'ours'", []string{"ALTER STAGE {x} SET COMMENT = 'theirs'"}, "", "SELECT comment FROM system.stages WHERE name='{x}'", "theirs"},
		{nil, "CREATE STAGE {x}", []string{"ALTER STAGE {x} SET COMMENT = 'theirs'"}, "", "SELECT comment FROM system.stages WHERE name='{x}'", "theirs"},
		{[]string{"CREATE FILE FORMAT {x} TYPE=CSV"}, "CREATE OR REPLACE FILE FORMAT {x} TYPE=JSON", []string{"CREATE OR REPLACE FILE FORMAT {x} TYPE=NDJSON"}, "", "SHOW FILE FORMATS", "NDJSON"},
		{nil, "CREATE FILE FORMAT {x} TYPE=JSON", []string{"DROP FILE FORMAT {x}", "CREATE FILE FORMAT {x} TYPE=NDJSON"}, "", "SHOW FILE FORMATS", "NDJSON"},
		{[]string{"CREATE NETWORK POLICY {x} ALLOWED_IP_LIST=('10.6.0.0/16')"}, "ALTER NETWORK POLICY {x} SET ALLOWED_IP_LIST=('10.8.0.0/16')", []string{"ALTER NETWORK POLICY {x} SET ALLOWED_IP_LIST=('10.7.0.0/16')"}, "", "DESC NETWORK POLICY {x}", "10.7.0.0/16"},
		{nil, "CREATE NETWORK POLICY {x} ALLOWED_IP_LIST=('10.8.0.0/16')", []string{"ALTER NETWORK POLICY {x} SET ALLOWED_IP_LIST=('10.7.0.0/16')"}, "", "DESC NETWORK POLICY {x}", "10.7.0.0/16"},
		{[]string{"CREATE PASSWORD POLICY {x} PASSWORD_MIN_LENGTH=9"}, "ALTER PASSWORD POLICY {x} SET PASSWORD_MIN_LENGTH=10", []string{"ALTER PASSWORD POLICY {x} SET PASSWORD_MIN_LENGTH=17"}, "", "SELECT options FROM system.password_policies WHERE name='{x}'", "MIN_LENGTH=17"},
		{[]string{"CREATE TAG {x}"}, "DROP TAG {x}", []string{"CREATE TAG {x} COMMENT='theirs'"}, "", "SELECT comment FROM system.tags WHERE name='{x}'", "theirs"},
		{nil, "CREATE TAG {x}", []string{"DROP TAG {x}", "CREATE TAG {x} COMMENT='theirs'"}, "", "SELECT comment FROM system.tags WHERE name='{x}'", "theirs"},
		{nil, "CREATE " + fmt.Sprintf(procedure, 8), []string{"CREATE OR REPLACE " + fmt.Sprintf(procedure, 7)}, "", "CALL PROCEDURE {x}(0)", "7"},
		{nil, "CREATE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='ours' SECRET_ACCESS_KEY='ours'", []string{"CREATE OR REPLACE CONNECTION {x} STORAGE_TYPE='gcs' CREDENTIAL='theirs'"}, "", "SHOW CONNECTIONS", "gcs"},
		{nil, "CREATE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='ours'", []string{"CREATE OR REPLACE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='others-7'"}, "", "DESC CONNECTION {x}", "s-7"},
		{nil, "CREATE USER {x} IDENTIFIED BY 'Secret_1'", []string{"ALTER USER {x} WITH DISABLED = true"}, "", "SELECT disabled FROM system.users WHERE name='{x}'", "1"},
		{nil, "SET GLOBAL lazy_read_threshold = 8", []string{"SET GLOBAL lazy_read_threshold = 7"}, "", "SELECT value FROM system.settings WHERE name='lazy_read_threshold' AND level='GLOBAL'", "7"},
		{[]string{"CREATE TABLE t (a INT, s STRING)", "CREATE AGGREGATING INDEX {x} AS SELECT s, sum(a) FROM t GROUP BY s"}, "DROP AGGREGATING INDEX {x}", []string{"CREATE AGGREGATING INDEX {x} AS SELECT s, min(a) FROM t GROUP BY s"}, "", "SELECT definition FROM system.indexes WHERE name='{x}'", "MIN("},
		{[]string{"CREATE VIEW v AS SELECT 6 AS x"}, "ALTER VIEW v AS SELECT 8 AS x", []string{"ALTER VIEW v AS SELECT 7 AS x"}, "", "SELECT x FROM v", "[[7]]"},
		{[]string{"CREATE VIEW v AS SELECT 6 AS x"}, "DROP VIEW v", []string{"CREATE VIEW v AS SELECT 7 AS x"}, "CREATE OR REPLACE VIEW v AS SELECT 8 AS x", "SELECT x FROM v", "[[7]]"},
		{[]string{"CREATE TABLE t (x INT)"}, "DROP TABLE t", []string{"CREATE TABLE t (x INT) COMMENT='theirs'"}, "CREATE OR REPLACE TABLE t (y INT)", comment, "theirs"},
		{[]string{"CREATE NETWORK POLICY {x} ALLOWED_IP_LIST=('10.6.0.0/16')"}, "ALTER NETWORK POLICY {x} SET ALLOWED_IP_LIST=('10.8.0.0/16')", []string{"ALTER NETWORK POLICY {x} SET ALLOWED_IP_LIST=('10.7.0.0/16')"}, "ALTER NETWORK POLICY {x} SET ALLOWED_IP_LIST=('10.9.0.0/16')", "DESC NETWORK POLICY {x}", "10.7.0.0/16"},
		{[]string{"CREATE STAGE {x}"}, "ALTER STAGE {x} SET COMMENT = 'ours'", []string{"ALTER STAGE {x} SET COMMENT = 'theirs'"}, "ALTER STAGE {x} SET COMMENT = 'ours too'", "SELECT comment FROM system.stages WHERE name='{x}'", "theirs"},
		{nil, "SET GLOBAL nested_loop_join_threshold = 8", []string{"SET GLOBAL nested_loop_join_threshold = 7"}, "SET GLOBAL nested_loop_join_threshold = 9", "SELECT value FROM system.settings WHERE name='nested_loop_join_threshold' AND level='GLOBAL'", "7"},
		{nil, "CREATE VIEW v AS SELECT 6 AS x", []string{"ALTER VIEW v AS SELECT 7 AS theirs"}, "ALTER VIEW v AS SELECT 8 AS x", aside, "SELECT 7 AS theirs"},
		{nil, "CREATE VIEW v AS SELECT 6 AS x", []string{"ALTER VIEW v AS SELECT 7 AS theirs"}, "", aside, "SELECT 7 AS theirs"},
		{nil, "CREATE TABLE t (x INT)", []string{later, later, later, later, "ALTER TABLE t ADD COLUMN theirs INT"}, "", "SELECT name FROM system.columns WHERE database=currentdatabase()", "theirs"},
		{nil, "CREATE TABLE t (x INT)", []string{later, later, later, later, "ALTER TABLE t COMMENT = 'theirs'"}, "", aside, "theirs"},
		// Parts of a table of the same name, and what ours put in the place of another.
		{[]string{"CREATE TABLE t (a INT, s STRING)"}, "CREATE INVERTED INDEX i ON t(s)", []string{"DROP INVERTED INDEX i ON t", "CREATE NGRAM INDEX i ON t(s)"}, "", "SELECT type FROM system.indexes WHERE database=currentdatabase() AND name='i'", "NGRAM"},
		{[]string{"CREATE TABLE t (a INT, s STRING)", "CREATE INVERTED INDEX i ON t(s)"}, "CREATE OR REPLACE NGRAM INDEX i ON t(s)", []string{"DROP NGRAM INDEX i ON t"}, "", "SELECT type FROM system.indexes WHERE database=currentdatabase() AND name='i'", "INVERTED"},
		{[]string{"CREATE TABLE t (a INT)"}, "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 8)", []string{"ALTER TABLE t DROP CONSTRAINT k", "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 7)"}, "", "SELECT expression FROM system.constraints WHERE database=currentdatabase() AND name='k'", "7"},
		{[]string{"CREATE VIEW v AS SELECT 6 AS x"}, "CREATE OR REPLACE VIEW v AS SELECT 8 AS x", []string{"DROP VIEW v"}, "", "SELECT x FROM v", "[[6]]"},
		{[]string{"CREATE TABLE t AS SELECT 6 AS x"}, "CREATE OR REPLACE TABLE t (x INT)", []string{"DROP TABLE t"}, "", "SELECT x FROM t", "[[6]]"},
		{[]string{"CREATE TABLE t AS SELECT 6 AS x"}, "CREATE OR REPLACE TABLE t (x INT)", []string{"ALTER TABLE t RENAME TO gone", "UNDROP TABLE t"}, "", "SELECT x FROM t", "[[6]]"},
		{[]string{"CREATE TABLE t AS SELECT 7 AS x", "DROP TABLE t"}, "UNDROP TABLE t", []string{"ALTER TABLE t RENAME TO away"}, "", "SELECT x FROM away", "[[7]]"},
		{[]string{"CREATE TABLE t AS SELECT 7 AS x", "DROP TABLE t"}, "UNDROP TABLE t", []string{"ALTER TABLE t SET OPTIONS (row_per_block = 7777)"}, "", aside, "7777"},
		{[]string{"CREATE TABLE t AS SELECT 7 AS x", "DROP TABLE t"}, "UNDROP TABLE t;\nALTER TABLE t ADD COLUMN y INT", []string{"ALTER TABLE t COMMENT = 'theirs'"}, "", aside, "theirs"},
		{[]string{"CREATE TABLE t AS SELECT 7 AS x", "CREATE ROLE {x}", "DROP TABLE t"}, "UNDROP TABLE t", []string{"GRANT OWNERSHIP ON t TO ROLE {x}"}, "", "SELECT count(*) FROM system.tables WHERE database=currentdatabase() AND owner='{x}'", "[[1]]"},
		{[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"}, "CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 8", []string{"DROP FUNCTION {x}"}, "", "SELECT {x}(0)", "[[6]]"},
		// What ours only changed stays away where another dropped it.
		{[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"}, "ALTER FUNCTION {x} AS (a) -> a + 8", []string{"DROP FUNCTION {x}"}, "", "SELECT count(*) FROM system.user_functions WHERE name='{x}'", "[[0]]"},
		{[]string{"CREATE STAGE {x}"}, "ALTER STAGE {x} SET COMMENT = 'ours'", []string{"DROP STAGE {x}"}, "", "SELECT count(*) FROM system.stages WHERE name='{x}'", "[[0]]"},
		{[]string{"CREATE USER {x} IDENTIFIED BY 'Secret_1'"}, "ALTER USER {x} WITH DISABLED = true", []string{"DROP USER {x}"}, "", "SELECT count(*) FROM system.users WHERE name='{x}'", "[[0]]"},
		{[]string{"CREATE USER {x} IDENTIFIED BY 'Secret_1'"}, "GRANT SELECT ON *.* TO USER {x}", []string{"DROP USER {x}"}, "", "SELECT count(*) FROM system.users WHERE name='{x}'", "[[0]]"},
		{[]string{"CREATE ROLE {x}", "GRANT SELECT ON *.* TO ROLE {x}"}, "REVOKE SELECT ON *.* FROM ROLE {x}", []string{"DROP ROLE {x}"}, "", "SELECT count(*) FROM system.roles WHERE name='{x}'", "[[0]]"},
		{[]string{"CREATE NETWORK POLICY {x} ALLOWED_IP_LIST=('10.6.0.0/16')"}, "ALTER NETWORK POLICY {x} SET ALLOWED_IP_LIST=('10.8.0.0/16')", []string{"DROP NETWORK POLICY {x}"}, "", "SHOW NETWORK POLICIES", "[]"},
		{[]string{"CREATE TABLE t (x INT)", "CREATE ROLE {x}"}, "DROP TABLE t;\nUNDROP TABLE t", []string{"GRANT OWNERSHIP ON t TO ROLE {x}"}, "", "SELECT count(*) FROM system.tables WHERE database=currentdatabase() AND owner='{x}'", "[[1]]"},
		// What is alike, and yet theirs: it was made after ours.
		{nil, "CREATE FUNCTION {x} AS (a) -> a + 7", []string{"CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 7"}, "", "SELECT {x}(0)", "[[7]]"},
		{nil, "CREATE FUNCTION {x} AS (a) -> a + 8", []string{"DROP FUNCTION {x}", "CREATE FUNCTION {x} AS (a) -> a + 8"}, "DROP FUNCTION {x}", "SELECT {x}(0)", "[[8]]"},
		{nil, "CREATE ROLE {x}", []string{"DROP ROLE {x}", "CREATE ROLE {x}"}, "", "SELECT count(*) FROM system.roles WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE USER {x} IDENTIFIED BY 'Secret_1'", []string{"DROP USER {x}", "CREATE USER {x} IDENTIFIED BY 'Secret_2'"}, "", "SELECT count(*) FROM system.users WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE STAGE {x}", []string{"CREATE OR REPLACE STAGE {x}"}, "", "SELECT count(*) FROM system.stages WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE TAG {x}", []string{"DROP TAG {x}", "CREATE TAG {x}"}, "", "SELECT count(*) FROM system.tags WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE PASSWORD POLICY {x}", []string{"CREATE OR REPLACE PASSWORD POLICY {x}"}, "", "SELECT count(*) FROM system.password_policies WHERE name='{x}'", "[[1]]"},
		{[]string{"CREATE SEQUENCE {x} START = 50"}, "CREATE OR REPLACE SEQUENCE {x} START = 70", []string{"CREATE OR REPLACE SEQUENCE {x} START = 70"}, "", "SELECT nextval({x})", "[[70]]"},
		{nil, "CREATE " + fmt.Sprintf(procedure, 7), []string{"CREATE OR REPLACE " + fmt.Sprintf(procedure, 7)}, "", "CALL PROCEDURE {x}(0)", "7"},
		{nil, "CREATE DATABASE {x}", []string{"DROP DATABASE {x}", "CREATE DATABASE {x}"}, "", "SELECT count(*) FROM system.databases WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE DATABASE {x}", []string{"DROP DATABASE {x}", "CREATE DATABASE {x}"}, "DROP DATABASE {x}", "SELECT count(*) FROM system.databases WHERE name='{x}'", "[[1]]"},
		// Parts of ours, behind another statement of ours that is about something else of the table.
		{[]string{"CREATE TABLE t (a INT, s STRING)"}, "CREATE INVERTED INDEX i ON t(s);\nINSERT INTO t VALUES (8, 'x')", []string{"DROP INVERTED INDEX i ON t", "CREATE NGRAM INDEX i ON t(s)"}, "", "SELECT type FROM system.indexes WHERE database=currentdatabase() AND name='i'", "NGRAM"},
		{[]string{"CREATE TABLE t (a INT, s STRING)"}, "CREATE INVERTED INDEX i ON t(s);\nALTER TABLE t RENAME TO u", []string{"DROP INVERTED INDEX i ON u", "CREATE NGRAM INDEX i ON u(s)"}, "", "SELECT type FROM system.indexes WHERE database=currentdatabase() AND name='i'", "NGRAM"},
		{[]string{"CREATE TABLE t (a INT)", "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 6)"}, "ALTER TABLE t ADD COLUMN b INT", []string{"ALTER TABLE t DROP CONSTRAINT k"}, "", "SELECT count(*) FROM system.constraints WHERE database=currentdatabase() AND name='k'", "[[0]]"},
		// Rows of a table without history, beside ours.
		{nil, "CREATE TABLE t (x INT) ENGINE = MEMORY COMMENT = 'm0';\nINSERT INTO t VALUES (8)", []string{"INSERT INTO t VALUES (7)"}, "", kept + "'m0'", "[[1]]"},
		{nil, "CREATE TABLE t ENGINE = MEMORY COMMENT = 'm1' AS SELECT 8 AS x", []string{"INSERT INTO t VALUES (7)"}, "", kept + "'m1'", "[[1]]"},
		{nil, "CREATE TABLE t (x INT) ENGINE = MEMORY COMMENT = 'm2'", []string{"INSERT INTO t VALUES (7)"}, "INSERT INTO t VALUES (8)", kept + "'m2'", "[[1]]"},
		// What theirs needs.
		{nil, "CREATE SEQUENCE {x}", []string{"CREATE TABLE t (a INT, b INT DEFAULT nextval({x}))"}, "", "SELECT count(*) FROM show_sequences() WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE SEQUENCE {x};\nCREATE TABLE t (a INT, b INT DEFAULT nextval({x}))", []string{"INSERT INTO t VALUES (7, 1)"}, "", "SELECT count(*) FROM show_sequences() WHERE name='{x}'", "[[1]]"},
		{[]string{"CREATE TABLE t (x INT)"}, "CREATE FUNCTION {x} AS (a) -> a + 7", []string{"CREATE VIEW v AS SELECT {x}(x) AS y FROM t"}, "", "SELECT count(*) FROM v", "[[0]]"},
		// What another gives to, or takes from, what is new.
		{[]string{"CREATE TABLE t (x INT)"}, "CREATE ROLE {x}", []string{"GRANT OWNERSHIP ON t TO ROLE {x}"}, "", "SELECT count(*) FROM system.tables WHERE database=currentdatabase() AND owner='{x}'", "[[1]]"},
		{nil, "CREATE ROLE {x};\nGRANT INSERT ON *.* TO ROLE {x}", []string{"GRANT SELECT ON *.* TO ROLE {x}"}, "", "SELECT grants FROM show_grants('role', '{x}')" + own, "SELECT"},
		{nil, "CREATE USER {x} IDENTIFIED BY 'Secret_1'", []string{"GRANT SELECT ON *.* TO USER {x}"}, "", "SELECT grants FROM show_grants('user', '{x}')", "SELECT"},
		{[]string{"CREATE ROLE {x}"}, "CREATE DATABASE {x}", []string{"GRANT OWNERSHIP ON {x}.* TO ROLE {x}"}, "", "SELECT count(*) FROM show_grants('role', '{x}')" + own, "[[1]]"},
		{[]string{"CREATE ROLE {x}"}, "CREATE FUNCTION {x} AS (a) -> a + 7", []string{"GRANT OWNERSHIP ON UDF {x} TO ROLE {x}"}, "", "SELECT count(*) FROM show_grants('role', '{x}')" + own, "[[1]]"},
		{[]string{"CREATE ROLE {x}"}, "CREATE TABLE t (x INT)", []string{"GRANT OWNERSHIP ON t TO ROLE {x}"}, "", "SELECT count(*) FROM system.tables WHERE database=currentdatabase() AND owner='{x}'", "[[1]]"},
		{[]string{"CREATE ROLE {x}", "CREATE FUNCTION {x} AS (a) -> a"}, "GRANT OWNERSHIP ON UDF {x} TO ROLE {x}", []string{"GRANT OWNERSHIP ON UDF {x} TO ROLE public"}, "", "SELECT count(*) FROM show_grants('udf', '{x}') WHERE name='public'", "[[1]]"},
		{[]string{"CREATE ROLE {x}"}, "CREATE " + fmt.Sprintf(procedure, 7), []string{"GRANT ACCESS PROCEDURE ON PROCEDURE {x}(INT) TO ROLE {x}"}, "", "SELECT count(*) FROM system.procedures WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE USER {x} IDENTIFIED BY 'Secret_1';\nGRANT SELECT ON *.* TO USER {x}", []string{"ALTER USER {x} IDENTIFIED BY 'Secret_2'"}, "", "SELECT count(*) FROM system.users WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE USER {x} IDENTIFIED BY 'Secret_1'", []string{"ALTER USER {x} IDENTIFIED BY 'Secret_2'"}, "GRANT SELECT ON *.* TO USER {x}", "SELECT count(*) FROM system.users WHERE name='{x}'", "[[1]]"},
		{nil, "CREATE SEQUENCE {x}", []string{"SELECT nextval({x})"}, "", "SELECT nextval({x})", "[[2]]"},
		{[]string{"CREATE ROLE {x}", "GRANT SELECT ON *.* TO ROLE {x}"}, "GRANT SELECT ON *.* TO ROLE {x}", []string{"REVOKE SELECT ON *.* FROM ROLE {x}"}, "", "SELECT count(*) FROM show_grants('role', '{x}')" + own, "[[0]]"},
		{[]string{"CREATE ROLE {x}"}, "GRANT SELECT ON *.* TO ROLE {x}", []string{"DROP ROLE {x}", "CREATE ROLE {x}", "GRANT SELECT ON *.* TO ROLE {x}"}, "", "SELECT count(*) FROM show_grants('role', '{x}')" + own, "[[1]]"},
		{[]string{"CREATE ROLE {x}"}, "REVOKE SELECT ON *.* FROM ROLE {x}", []string{"GRANT SELECT ON *.* TO ROLE {x}"}, "", "SELECT count(*) FROM show_grants('role', '{x}')" + own, "[[1]]"},
		// What ours put in the place of another was dropped, and a later statement of ours made it again.
		{[]string{"CREATE FUNCTION {x} AS (a) -> a + 6"}, "CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 8;\nSELECT 'now';\nCREATE FUNCTION {x} AS (a) -> a + 9", []string{"DROP FUNCTION {x}"}, "", "SELECT {x}(0)", "[[6]]"},
		{[]string{"CREATE TABLE t AS SELECT 6 AS x"}, "UPDATE t SET x = 8 WHERE true;\nSELECT 'now';\nALTER TABLE u SET OPTIONS (row_per_block = 4000)", []string{"ALTER TABLE t RENAME TO u"}, "", "SELECT count(*) FROM u", "[[1]]"},
		{[]string{"CREATE TABLE t AS SELECT 6 AS x, 6 AS y", "CREATE TABLE u AS SELECT 6 AS x, 6 AS y"}, "ALTER TABLE t SWAP WITH u;\nALTER TABLE t DROP COLUMN y", []string{"TRUNCATE TABLE t"}, "", "SELECT count(*) FROM (SELECT x FROM t UNION ALL SELECT x FROM u)", "[[1]]"},
		{[]string{"CREATE VIEW v AS SELECT 6 AS x"}, "CREATE OR REPLACE VIEW v AS SELECT 8 AS x;\nSELECT 'now';\nCREATE VIEW v AS SELECT 9 AS x", []string{"DROP VIEW v"}, "", "SELECT x FROM v", "[[6]]"},
	}
	var some, refused []int
	for i, tt := range cases {
		if tt.then == "" {
			some = append(some, i)
		} else { // no other comes behind it
			refused = append(refused, i)
		}
	}
	groups := inGroups(some, refused, 8)
	inLanes(t, len(groups), func(w *world, n int) {
		t, text, then, g := w.T, "", "", newGrave(0, false)
		for _, i := range groups[n] {
			tt := cases[i]
			w.drops(kinds, i, fmt.Sprint(tt))
			w.does(i, tt.before)
			text += w.named(i, tt.ours+";\n"+now+";\n")
			if then = tt.then; then != "" {
				text += w.named(i, then) + ";\n"
			}
			g.acting(w.named(i, now), 0, func() { w.does(i, tt.theirs) })
		}
		w.Migration(1, "-- dbctl: adopt \"for the test\"\n--up\n"+text+"INSERT INTO nowhere VALUES (1);\n")
		w.through(g)
		err := w.up()
		var run *RunError
		var p *PlanError
		switch {
		case !errors.As(err, &run) || run.ExitCode() != 4:
			t.Errorf("%s: got %v, want exit 4: theirs is kept\n%s", text, err, w.said())
			return
		case then != "" && (!errors.As(err, &p) || p.Kind != plan.Irreversible), then == "" && !strings.Contains(err.Error(), "nowhere"):
			t.Errorf("%s: got %v, want it to fail at nowhere, or before what takes theirs away\n%s", text, err, w.said())
		}
		left := w.kept()
		isOfNone := func(object string) bool {
			return !slices.ContainsFunc(groups[n], func(i int) bool { return strings.Contains(object, markOf(i)) })
		}
		for _, i := range groups[n] {
			if got, want := w.looked(i, cases[i].look), w.named(i, cases[i].want); !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want theirs: %s\n%s\n%v\n%s", cases[i].ours, got, want, text, err, w.said())
			}
			at := slices.IndexFunc(left, func(o string) bool { return strings.Contains(o, markOf(i)) })
			if at < 0 { // it was put aside, or is a setting
				at = slices.IndexFunc(left, isOfNone)
			}
			if at < 0 {
				t.Errorf("%s: it is not said that theirs is kept\n%s\n%v\n%s", cases[i].ours, text, err, w.said())
				continue
			}
			left = slices.Delete(left, at, at+1)
		}
		w.forget()
	})
}

// TestOthersDuringTheRestore lets another session change what is to be put back while the rollback waits for writers: it stays.
func TestOthersDuringTheRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.Database + "_f"
	t.Cleanup(func() { w.SQL(t, "DROP FUNCTION IF EXISTS "+f) })
	w.SQL(t, "CREATE TABLE t (x INT)", "INSERT INTO t VALUES (1)", "CREATE TABLE u (x INT)", "CREATE VIEW v AS SELECT 6 AS x")
	w.Migration(1, "CREATE FUNCTION "+f+" AS (a) -> a + 8;\nALTER TABLE u SET OPTIONS (row_per_block = 8000);\nALTER VIEW v AS SELECT 8 AS x;\nUPDATE t SET x = 8 WHERE true;\nINSERT INTO nowhere VALUES (1);\n")
	g := newGrave(0, false)
	once := sync.OnceFunc(func() {
		w.SQL(t, "CREATE OR REPLACE FUNCTION "+f+" AS (a) -> a + 7", "ALTER TABLE u SET OPTIONS (row_per_block = 7000)", "ALTER VIEW v AS SELECT 7 AS x")
	})
	g.hook = func(text string) {
		if strings.Contains(text, "from system.processes") {
			once()
		}
	}
	w.through(g)
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 4 {
		t.Errorf("got %v, want exit 4: theirs is kept\n%s", err, w.said())
	}
	got := fmt.Sprint(w.SQL(t, "SELECT "+f+"(0)", "SELECT x FROM v"), w.SQL(t, "SELECT x FROM t"), w.SQL(t, "SELECT table_option FROM system.tables WHERE name='u' AND database='"+w.Database+"'"))
	if strings.Contains(got, "8") || !strings.Contains(got, "7000") || !strings.Contains(fmt.Sprint(w.SQL(t, "SELECT "+f+"(0)")), "7") {
		t.Errorf("got %s, want ours gone and theirs kept", got)
	}
}

// TestOthersKeysStay lets another session give a connection of this project keys of theirs, before or after ours replaces or drops it: all
// else of it shows as it was before.
func TestOthersKeysStay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ours   string
		killed bool
		exit   int // 0 where nobody acts
	}{
		{"CREATE OR REPLACE CONNECTION {x} {keys}8';\nSELECT 'now'", false, 4},
		{"DROP CONNECTION {x};\nSELECT 'now'", false, 4},
		{"DROP CONNECTION {x};\nSELECT 'now'", true, 4},
		{"CREATE OR REPLACE CONNECTION {x} {keys}8';\nSELECT 'now'", true, 4},
		{"CREATE OR REPLACE CONNECTION {x} {keys}8';\nSELECT 'now'", true, 0},
		{"DROP CONNECTION {x};\nCREATE CONNECTION {x} {keys}8';\nSELECT 'now'", true, 4},
		{"DROP CONNECTION {x};\nCREATE CONNECTION {x} {keys}8';\nSELECT 'now'", true, 0},
		{"SELECT 'now';\nDROP CONNECTION {x}", false, 1}, // it is not run
	} {
		t.Run(fmt.Sprint(tt.ours, tt.killed, tt.exit), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			named := strings.NewReplacer("{x}", w.Database+"_x", "{keys}", "STORAGE_TYPE='s3' ACCESS_KEY_ID='something' SECRET_ACCESS_KEY='something").Replace
			t.Cleanup(func() { w.SQL(t, named("DROP CONNECTION IF EXISTS {x}")) })
			w.Migration(1, named("CREATE CONNECTION {x} {keys}6';\n"))
			w.must(w.up())
			w.Migration(2, named(tt.ours)+";\nINSERT INTO nowhere VALUES (1);\n")
			theirs, want := func() { w.SQL(t, named("CREATE OR REPLACE CONNECTION {x} {keys}7'")) }, "ng7"
			if tt.exit == 0 {
				theirs, want = func() {}, "ng6"
			}
			healthy, g := w.srv, newGrave(0, true)
			if tt.killed {
				g.at, g.what = -1, "INSERT INTO nowhere"
			}
			w.through(g.acting(now, 0, theirs))
			m, done := w.migrator(Options{}), make(chan error, 1)
			t.Cleanup(func() { close(g.end) })
			go func() { done <- m.Up(t.Context()) }()
			var err error
			select {
			case err = <-done:
			case <-g.dead:
			}
			w.srv = healthy
			if tt.killed {
				w.die()
				err = w.recover(RollBack, "")
			}
			var run *RunError
			if is := errors.As(err, &run); is && int(run.ExitCode()) != tt.exit || !is && (err != nil || tt.exit != 0) {
				t.Errorf("got %v, want exit %d: theirs is kept\n%s", err, tt.exit, w.said())
			}
			if got := fmt.Sprint(w.SQL(t, named("DESC CONNECTION {x}"))); !strings.Contains(got, want) {
				t.Errorf("got %s, want keys that end in %s\n%s", got, want, w.said())
			}
		})
	}
}

// TestOthersGiveMeanwhile lets another session give something to an object of this project, before a run or ahead of the statement that
// drops or replaces it: tags, files and privileges, which nothing brings back, so that it is not run, and an owner, whose it is again.
func TestOthersGiveMeanwhile(t *testing.T) {
	t.Parallel()
	const (
		keys  = "CONNECTION = (ACCESS_KEY_ID = 'something' SECRET_ACCESS_KEY = 'something')"
		body  = " LANGUAGE SQL AS $$ BEGIN RETURN 1; END; $$"
		proc  = "PROCEDURE {x}(a INT) RETURNS INT" + body
		again = "PROCEDURE {x}(a INT) RETURNS INT LANGUAGE SQL COMMENT = 'ours' AS $$ BEGIN RETURN 2; END; $$"
	)
	cases := []struct {
		kind, made, ours, theirs, look, want string
		kept                                 bool // ours runs
	}{
		{"FUNCTION {x}", "FUNCTION {x} AS (a) -> a", "DROP FUNCTION {x}", "ALTER FUNCTION {x} SET TAG {x} = '7'", "SELECT tag_value FROM tag_references('{x}', 'UDF')", "[[7]]", false},
		{"FUNCTION {x}", "FUNCTION {x} AS (a) -> a", "DROP FUNCTION {x};\nCREATE FUNCTION {x} AS (a) -> a", "ALTER FUNCTION {x} SET TAG {x} = '7'", "SELECT tag_value FROM tag_references('{x}', 'UDF')", "[[7]]", false},
		{"ROLE {x}", "ROLE {x}", "DROP ROLE {x}", "ALTER ROLE {x} SET TAG {x} = '7'", "SELECT tag_value FROM tag_references('{x}', 'ROLE')", "[[7]]", false},
		{"STAGE {x}", "STAGE {x}", "DROP STAGE {x}", "ALTER STAGE {x} SET TAG {x} = '7'", "SELECT tag_value FROM tag_references('{x}', 'STAGE')", "[[7]]", false},
		{"STAGE {x}", "STAGE {x}", "DROP STAGE {x}", "COPY INTO @{x} FROM (SELECT 7) FILE_FORMAT = (TYPE = CSV)", "SELECT count(*) FROM list_stage(location => '@{x}')", "[[1]]", false},
		{"STAGE {x}", "STAGE {x}", "ALTER STAGE {x} SET COMMENT = 'ours';\nSELECT 'now';\nDROP STAGE {x}", "COPY INTO @{x} FROM (SELECT 7) FILE_FORMAT = (TYPE = CSV)", "SELECT count(*) FROM list_stage(location => '@{x}')", "[[1]]", false},
		{"PROCEDURE {x}(INT)", proc, "DROP PROCEDURE {x}(INT)", "GRANT ACCESS PROCEDURE ON PROCEDURE {x}(INT) TO ROLE {x}r", "SELECT count(*) FROM show_grants('role', '{x}r')", "[[1]]", false},
		{"PROCEDURE {x}(INT)", proc, "CREATE OR REPLACE " + again, "GRANT ACCESS PROCEDURE ON PROCEDURE {x}(INT) TO ROLE {x}r", "SELECT count(*) FROM show_grants('role', '{x}r')", "[[1]]", false},
		{"PROCEDURE {x}(INT)", proc, "CREATE OR REPLACE " + again, "GRANT OWNERSHIP ON PROCEDURE {x}(INT) TO ROLE {x}r", "SELECT count(*) FROM show_grants('role', '{x}r')", "[[1]]", true},
		{"FUNCTION {x}", "FUNCTION {x} AS (a) -> a", "DROP FUNCTION {x}", "GRANT OWNERSHIP ON UDF {x} TO ROLE {x}r", "SELECT count(*) FROM show_grants('role', '{x}r')", "[[1]]", true},
		{"FUNCTION {x}", "FUNCTION {x} AS (a) -> a", "CREATE OR REPLACE FUNCTION {x} AS (a) -> a + 8", "GRANT OWNERSHIP ON UDF {x} TO ROLE {x}r", "SELECT count(*) FROM show_grants('role', '{x}r')", "[[1]]", true},
		{"FUNCTION {x}", "FUNCTION {x} AS (a) -> a", "ALTER FUNCTION {x} AS (a) -> a + 8", "GRANT OWNERSHIP ON UDF {x} TO ROLE {x}r", "SELECT count(*) FROM show_grants('role', '{x}r')", "[[1]]", true},
		{"STAGE {x}", "STAGE {x} URL = 's3://bucket/a/' " + keys, "CREATE OR REPLACE STAGE {x} URL = 's3://bucket/b/' " + keys, "GRANT OWNERSHIP ON STAGE {x} TO ROLE {x}r", "SELECT owner FROM system.stages WHERE name = '{x}'", "[[{x}r]]", true},
	}
	const before, begins, meanwhile = "before", "as it begins", "meanwhile" // as it begins: behind the plan's look
	type played struct {
		cases []int // several where ours runs
		when  string
	}
	var runs []played
	for _, when := range []string{before, begins, meanwhile} {
		var kept []int
		for i, tt := range cases {
			switch {
			case !tt.kept:
				runs = append(runs, played{[]int{i}, when})
			case when != begins:
				kept = append(kept, i)
			}
		}
		if kept != nil {
			runs = append(runs, played{kept, when})
		}
	}
	const lanes = 8
	for lane := range lanes {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			named := func(n, i int, s string) string { return w.named(n*len(cases)+i, s) }
			made := ""
			for n := lane; n < len(runs); n += lanes {
				for _, i := range runs[n].cases {
					tt := cases[i]
					t.Cleanup(func() {
						w.SQL(t, named(n, i, "DROP "+strings.Replace(tt.kind, " ", " IF EXISTS ", 1)), named(n, i, "DROP TAG {x}"), named(n, i, "DROP ROLE {x}r"))
					})
					w.SQL(t, named(n, i, "CREATE TAG {x}"), named(n, i, "CREATE ROLE {x}r"))
					made += named(n, i, "CREATE "+tt.made) + ";\n"
				}
			}
			w.Migration(1, made)
			w.must(w.up())
			healthy := w.srv
			for n := lane; n < len(runs); n += lanes {
				text, g := "", newGrave(0, false)
				for _, i := range runs[n].cases {
					tt := cases[i]
					ours, theirs := named(n, i, tt.ours)+";\n", func() { w.SQL(t, named(n, i, tt.theirs)) }
					switch {
					case runs[n].when == before:
						theirs()
					case runs[n].when == begins:
						g.acting("EXECUTE IMMEDIATE", 0, theirs)
					default:
						g.acting(named(n, i, now), 0, theirs)
						if !strings.Contains(tt.ours, now) {
							ours = named(n, i, now) + ";\n" + ours
						}
					}
					text += ours
				}
				w.Migration(2, text+"INSERT INTO nowhere VALUES (1);\n")
				w.through(g)
				err := w.up()
				w.srv = healthy
				var run *RunError
				var p *PlanError
				kept := cases[runs[n].cases[0]].kept
				if kept && (err == nil || !strings.Contains(err.Error(), "nowhere")) || !kept && (!errors.As(err, &p) || p.Kind != plan.Irreversible) {
					t.Errorf("%s\n%s: got %v, want ours to run: %t", text, runs[n].when, err, kept)
				}
				if errors.As(err, &run) && run.ExitCode() != 1 {
					t.Errorf("%s\n%s: exit %d, want 1: all is as it was\n%s", text, runs[n].when, run.ExitCode(), w.said())
				}
				for _, i := range runs[n].cases {
					if got, want := fmt.Sprint(w.SQL(t, named(n, i, cases[i].look))), named(n, i, cases[i].want); got != want {
						t.Errorf("%s\n%s: got %s, want theirs: %s\n%v\n%s", text, runs[n].when, got, want, err, w.said())
					}
				}
			}
		})
	}
}

// TestRecoverNamesWhatOthersMoved lets another session, between the kill of a run and its recovery, take away what the run had put in the
// place of something, and bring the earlier one back: theirs is named.
func TestRecoverNamesWhatOthersMoved(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ours   string
		theirs []string
		says   string
	}{
		{"CREATE OR REPLACE TABLE t (y INT)", []string{"ALTER TABLE t RENAME TO gone", "UNDROP TABLE t"}, "renamed what this migration had put there to gone"},
		{"DROP DATABASE {x};\nCREATE DATABASE {x}", []string{"ALTER DATABASE {x} RENAME TO {x}gone", "UNDROP DATABASE {x}"}, "renamed what this migration had put there"},
	} {
		t.Run(tt.ours, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			named := func(s string) string { return strings.ReplaceAll(s, "{x}", w.Database+"_x") }
			t.Cleanup(func() { w.SQL(t, named("DROP DATABASE IF EXISTS {x}"), named("DROP DATABASE IF EXISTS {x}gone")) })
			w.SQL(t, "CREATE TABLE t AS SELECT 6 AS x", named("CREATE DATABASE {x}"))
			w.Migration(1, named(tt.ours)+";\nINSERT INTO nowhere VALUES (1);\n")
			healthy, g := w.srv, newGrave(-1, true)
			g.what = "INSERT INTO nowhere"
			w.through(g)
			m := w.migrator(Options{})
			t.Cleanup(func() { close(g.end) })
			go func() { _ = m.Up(t.Context()) }()
			<-g.dead
			w.srv = healthy
			for _, s := range tt.theirs {
				w.SQL(t, named(s))
			}
			w.die()
			var run *RunError
			if err := w.recover(RollBack, ""); !errors.As(err, &run) || run.ExitCode() != 4 || !strings.Contains(w.said(), tt.says) {
				t.Errorf("got %v, want exit 4: %s\n%s", err, tt.says, w.said())
			}
		})
	}
}

// TestRecoverAgainLeavesTheirs lets another session make, after a run that ended with 4, what that run had made and put back: a second
// recovery does not take it for the run's.
func TestRecoverAgainLeavesTheirs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ make, kind string }{
		{"CREATE DATABASE {x}", "databases"},
		{"CREATE TABLE {x} (x INT)", "tables"},
		{"CREATE ROLE {x}", "roles"},
		{"CREATE FUNCTION {x} AS (a) -> a + 8", "user_functions"},
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.make, killed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				named := func(s string) string { return strings.ReplaceAll(s, "{x}", w.Database+"_x") }
				t.Cleanup(func() {
					for _, kind := range []string{"DATABASE", "ROLE", "FUNCTION"} {
						_, _ = w.Err(t, named("DROP "+kind+" IF EXISTS {x}"))
					}
				})
				w.SQL(t, "CREATE TABLE t (x INT)", "INSERT INTO t VALUES (1)")
				w.Migration(1, "ALTER TABLE t ADD COLUMN y INT;\nSELECT 'now';\n"+named(tt.make)+";\nINSERT INTO nowhere VALUES (1);\n")
				healthy, g := w.srv, newGrave(0, true)
				if killed {
					g.at, g.what = -1, strings.Fields(tt.make)[0]+" "+strings.Fields(tt.make)[1]+" "+named("{x}")
				}
				w.through(g.acting(now, 0, func() { w.SQL(t, "ALTER TABLE t ADD COLUMN theirs INT") }))
				done := make(chan error, 1)
				m := w.migrator(Options{})
				t.Cleanup(func() { close(g.end) })
				go func() { done <- m.Up(t.Context()) }()
				var err error
				select {
				case err = <-done:
				case <-g.dead:
				}
				w.srv = healthy
				if killed {
					w.die()
					err = w.recover(RollBack, "")
				}
				var run *RunError
				if !errors.As(err, &run) || run.ExitCode() != 4 {
					t.Fatalf("got %v, want exit 4: theirs is kept\n%s", err, w.said())
				}
				there := named("SELECT count(*) FROM system." + tt.kind + " WHERE name='{x}'")
				if got := fmt.Sprint(w.SQL(t, there)); got != "[[0]]" {
					t.Fatalf("got %s of ours, want it put back\n%s", got, w.said())
				}
				w.SQL(t, named(tt.make))
				err = w.recover(RollBack, "")
				if got := fmt.Sprint(w.SQL(t, there)); got != "[[1]]" || !errors.As(err, &run) || run.ExitCode() != 4 {
					t.Errorf("got %s of theirs and %v, want it left\n%s", got, err, w.said())
				}
			})
		}
	}
}

// TestOthersTakeWhatOursTakes lets another session take from a user, ahead of ours, what a statement of ours takes too, behind one that
// changed the user itself: it is not given back.
func TestOthersTakeWhatOursTakes(t *testing.T) {
	t.Parallel()
	for _, theirs := range []string{"REVOKE ROLE {x} FROM USER {x}", "CREATE OR REPLACE USER {x} IDENTIFIED BY 'Secret_9'"} {
		t.Run(theirs, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			named := func(s string) string { return strings.ReplaceAll(s, "{x}", w.Database+"_x") }
			t.Cleanup(func() { w.SQL(t, named("DROP USER IF EXISTS {x}"), named("DROP ROLE IF EXISTS {x}")) })
			w.SQL(t, named("CREATE ROLE {x}"), named("CREATE USER {x} IDENTIFIED BY 'Secret_1'"), named("GRANT ROLE {x} TO USER {x}"))
			w.Migration(1, now+";\n"+named("ALTER USER {x} WITH DISABLED = true;\nREVOKE ROLE {x} FROM USER {x};\nINSERT INTO nowhere VALUES (1);\n"))
			w.meanwhile(now, 0, func() { w.SQL(t, named(theirs)) })
			var run *RunError
			if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 {
				t.Errorf("got %v, want exit 1\n%s", err, w.said())
			}
			if got := fmt.Sprint(w.SQL(t, named("SELECT roles, disabled FROM system.users WHERE name='{x}'"))); !strings.Contains(got, "[[ ") || strings.Contains(got, "1") {
				t.Errorf("got %s, want no role and a user that may log in\n%s", got, w.said())
			}
		})
	}
}
