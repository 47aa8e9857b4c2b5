package migrate

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/migrate/plan"
)

// meanwhile lets f run right before the server gets the statement `SELECT 'now'`.
func (w *world) meanwhile(f func()) {
	w.t.Helper()
	g := newGrave(0, false)
	once := sync.OnceFunc(f)
	g.hook = func(text string) {
		if strings.Contains(text, `"sql":"SELECT 'now'`) {
			once()
		}
	}
	w.through(g)
}

// TestOthersMeanwhile lets another session make or change, between two statements of a migration that fails, what the second of them
// finds: that is theirs, of every kind, also where nothing was under the name when the run began.
func TestOthersMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	healthy := w.srv
	x := w.env.Database + "_x"
	var drops []string
	for _, kind := range []string{"FUNCTION", "SEQUENCE", "ROLE", "STAGE", "FILE FORMAT", "CONNECTION", "USER", "NETWORK POLICY", "DATABASE"} {
		drops = append(drops, "DROP "+kind+" IF EXISTS "+x)
	}
	t.Cleanup(func() { w.env.SQL(t, drops...) })
	for _, tt := range []struct {
		before    []string
		statement string
		theirs    []string
		look      string
		want      string
		refused   bool // it is not run at all: nothing could bring theirs back
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
		{nil, "CREATE SEQUENCE IF NOT EXISTS {x}", []string{"CREATE SEQUENCE {x} START = 70"}, "SELECT nextval({x})", "[[70]]", false},
		{[]string{"CREATE SEQUENCE {x}"}, "DROP SEQUENCE {x}", []string{"CREATE TABLE n AS SELECT nextval({x}) AS n FROM numbers(1000)", "DROP TABLE n"}, "SELECT nextval({x}) > 1000", "[[1]]", false},
		{[]string{"CREATE SEQUENCE {x}"}, "CREATE OR REPLACE SEQUENCE {x}", []string{"CREATE TABLE n AS SELECT nextval({x}) AS n FROM numbers(1000)", "DROP TABLE n"}, "SELECT nextval({x}) > 1000", "[[1]]", false},
		{nil, "CREATE ROLE IF NOT EXISTS {x}", []string{"CREATE ROLE {x}"}, "SELECT count(*) FROM system.roles WHERE name='{x}'", "[[1]]", false},
		{nil, "CREATE USER IF NOT EXISTS {x} IDENTIFIED BY 'Secret_1'", []string{"CREATE USER {x} IDENTIFIED BY 'Secret_7'"}, "SELECT count(*) FROM system.users WHERE name='{x}'", "[[1]]", false},
		{nil, "CREATE STAGE IF NOT EXISTS {x}", []string{"CREATE STAGE {x}"}, "SELECT count(*) FROM system.stages WHERE name='{x}'", "[[1]]", false},
		{nil, "CREATE FILE FORMAT IF NOT EXISTS {x} TYPE=CSV", []string{"CREATE FILE FORMAT {x} TYPE=NDJSON"}, "SELECT 1", "[[1]]", false},
		{nil, "CREATE CONNECTION IF NOT EXISTS {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='ours'", []string{"CREATE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='theirs-7'"}, "DESC CONNECTION {x}", "s-7", false},
		{nil, "CREATE OR REPLACE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='ours'", []string{"CREATE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='theirs-7'"}, "DESC CONNECTION {x}", "s-7", true},
		{nil, "DROP CONNECTION IF EXISTS {x}", []string{"CREATE CONNECTION {x} STORAGE_TYPE='s3' ACCESS_KEY_ID='theirs-7'"}, "DESC CONNECTION {x}", "s-7", true},
		{nil, "CREATE NETWORK POLICY IF NOT EXISTS {x} ALLOWED_IP_LIST=('10.0.0.0/8')", []string{"CREATE NETWORK POLICY {x} ALLOWED_IP_LIST=('10.7.0.0/16')"}, "DESC NETWORK POLICY {x}", "10.7.0.0/16", false},
	} {
		named := func(texts ...string) []string {
			for i := range texts {
				texts[i] = strings.ReplaceAll(texts[i], "{x}", x)
			}
			return texts
		}
		w.srv = healthy
		w.env.SQL(t, append([]string{"DROP TABLE IF EXISTS t", "DROP VIEW IF EXISTS v"}, drops...)...)
		w.env.SQL(t, named(tt.before...)...)
		text := named(tt.statement)[0]
		head := ""
		if tt.before != nil {
			head = "-- dbctl: adopt \"for the test\"\n--up\n"
		}
		w.migration(1, head+"SELECT 'now';\n"+text+";\nINSERT INTO nowhere VALUES (1);\n")
		w.meanwhile(func() { w.env.SQL(t, named(tt.theirs...)...) })
		err := w.up()
		var run *RunError
		var p *PlanError
		switch {
		case tt.refused && (!errors.As(err, &p) || p.Kind != plan.Irreversible):
			t.Errorf("%s: got %v, want it refused", text, err)
		case !errors.As(err, &run) || !tt.refused && !strings.Contains(err.Error(), "nowhere"):
			t.Errorf("%s: got %v, want a failure at nowhere\n%s", text, err, w.said())
		}
		if got := fmt.Sprint(w.env.SQL(t, named(tt.look)...)); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want theirs: %s\n%v\n%s", text, got, tt.want, err, w.said())
		}
		if errors.As(err, &run) && run.ExitCode() != 1 {
			t.Errorf("%s: exit %d, want 1: all is as it was\n%s", text, run.ExitCode(), w.said())
			w.must(w.recover(MarkRolledBack, "for the test"))
		}
	}
}

// TestOthersMeanwhileAfterAKill is the same for a process that is killed: the mark carries what was read.
func TestOthersMeanwhileAfterAKill(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{"DROP TABLE IF EXISTS t", "CREATE OR REPLACE TABLE t AS SELECT 1 AS y"} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.migration(1, "SELECT 'now';\n"+statement+";\nCREATE TABLE u AS SELECT 1 AS x;\n")
			healthy := w.srv
			g := newGrave(-1, false)
			g.what = "CREATE TABLE u"
			once := sync.OnceFunc(func() { w.env.SQL(t, "CREATE TABLE t (x INT)", "INSERT INTO t VALUES (7)") })
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
			if got := fmt.Sprint(w.env.SQL(t, "SELECT x FROM t")); got != "[[7]]" {
				t.Errorf("got %s, want theirs\n%s", got, w.said())
			}
		})
	}
}
