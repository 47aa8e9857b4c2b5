package define_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

func describe(c define.Column) string {
	s := strings.TrimSuffix(c.Name+" "+c.Type.String(), " ")
	if c.NewName != "" {
		s += " TO " + c.NewName
	}
	if c.Comment != "" {
		s += " -- " + c.Comment
	}
	if c.NotNull {
		s += " NOT NULL"
	}
	if c.Default != "" {
		s += " DEFAULT " + c.Default
	}
	if c.Generated {
		s += " GENERATED"
	}
	if c.Type.Unknown {
		s += " ?"
	}
	return s
}

func TestParseTable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql  string
		want string // columns, one after the other
	}{
		{"CREATE TABLE t (a INT, b STRING NOT NULL)", "a INT; b STRING NOT NULL"},
		{"create or replace transient table if not exists d.t (`A b` bigint unsigned null)", "A b BIGINT UNSIGNED"},
		{"CREATE TABLE t (a STRNG)", "a STRNG ?"},
		{
			"CREATE TABLE t (a DECIMAL, b DECIMAL(9), c NUMERIC(10, 2), d DOUBLE PRECISION)",
			"a DECIMAL(18, 3); b DECIMAL(9, 0); c DECIMAL(10, 2); d DOUBLE",
		},
		{"CREATE TABLE t (v VECTOR(768) COMMENT 'x, (y)', VECTOR INDEX i (v) distance = 'cosine')", "v VECTOR(768) -- x, (y)"},
		{
			"CREATE TABLE t (a INT DEFAULT 1 + (2) NOT NULL, b TIMESTAMP DEFAULT now() COMMENT 'c')",
			"a INT NOT NULL DEFAULT 1 + (2); b TIMESTAMP -- c DEFAULT now()",
		},
		{"CREATE TABLE t (a INT DEFAULT NULL, b INT NULL DEFAULT -1)", "a INT DEFAULT NULL; b INT DEFAULT -1"},
		{"CREATE TABLE t (a INT, b INT AS (a + 1) STORED, c INT AUTOINCREMENT (1, 1))", "a INT; b INT GENERATED; c INT GENERATED"},
		{"CREATE TABLE t (a INT, CHECK (a > 0), CONSTRAINT c CHECK (a < 9), ASYNC INVERTED INDEX i (a), SYNC NGRAM INDEX n (a))", "a INT"},
		{
			"CREATE TABLE t (a ARRAY(INT NULL), m MAP(STRING, INT), u TUPLE(x INT, y STRING), n NULLABLE(INT))",
			"a ARRAY(INT); m MAP(STRING, INT); u TUPLE(INT, STRING); n INT",
		},
		{
			"CREATE TABLE t (a TIMESTAMP WITH TIME ZONE, b VARCHAR(10), c TUPLE(INT, STRING))",
			"a TIMESTAMP_TZ; b STRING; c TUPLE(INT, STRING)",
		},
		{"CREATE TABLE t (vector VECTOR(3), check INT)", "vector VECTOR(3); check INT"},
		{
			"CREATE TABLE t (constraint STRING, index VARCHAR(20), async INT, unique INT, primary INT, CONSTRAINT c CHECK (unique > 1))",
			"constraint STRING; index STRING; async INT; unique INT; primary INT",
		},
		{"ALTER TABLE t ADD constraint STRING", "constraint STRING"},
		{"CREATE TABLE t (a INT, CONSTRAINT date CHECK (a > 0))", "a INT; constraint DATE"}, // as the engine has it
		{"ALTER TABLE t ADD COLUMN access INT", "access INT"},
		{"ALTER TABLE t ADD ROW ACCESS POLICY p ON (a)", ""},
		{"CREATE TABLE t (a ARRAY(INT) DEFAULT [1, 2], b INT)", "a ARRAY(INT) DEFAULT [1, 2]; b INT"},
		{"CREATE TABLE t (a INT) AS SELECT 1", "a INT; AS SELECT"},
		{"CREATE TABLE t AS SELECT 1", "AS SELECT"},
		{"CREATE TABLE t LIKE d.s", "LIKE d.s"},
		{"CREATE TABLE t (a INT) ENGINE = Memory CLUSTER BY (a) COMMENT = 'AS SELECT'", "a INT"},
		{"ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7 AFTER b", "c INT NOT NULL DEFAULT 7; AFTER b"},
		{"ALTER TABLE t ADD COLUMN IF NOT EXISTS c STRING FIRST", "c STRING; FIRST"},
		{"ALTER TABLE t MODIFY COLUMN a BIGINT, COLUMN b STRING NOT NULL", "a BIGINT; b STRING NOT NULL"},
		{"ALTER TABLE t MODIFY a COMMENT 'x', COLUMN comment COMMENT 'y'", "a -- x; comment -- y"},
		{"ALTER TABLE t MODIFY COLUMN a INT COMMENT ',', b DATE", "a INT -- ,; b DATE"},
		{"ALTER TABLE t DROP a", "a"},
		{"ALTER TABLE t DROP CLUSTER KEY", ""},
		{"ALTER TABLE t MODIFY COLUMN a SET MASKING POLICY m", "a"},
		{"ALTER TABLE IF EXISTS t RENAME COLUMN a TO b", "a TO b"},
		{"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1)", ""},
	} {
		table := effect.Analyze(tt.sql, "db").Table
		if table == nil {
			t.Errorf("%s is not read", tt.sql)
			continue
		}
		var parts []string
		for _, c := range table.Columns {
			parts = append(parts, describe(c))
		}
		if table.AsSelect {
			parts = append(parts, "AS SELECT")
		}
		if table.Like != nil {
			parts = append(parts, "LIKE "+strings.Join(table.Like, "."))
		}
		if table.First {
			parts = append(parts, "FIRST")
		}
		if table.After != "" {
			parts = append(parts, "AFTER "+table.After)
		}
		if diff := cmp.Diff(tt.want, strings.Join(parts, "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.sql, diff)
		}
	}
	for _, sql := range []string{
		"DROP TABLE t", "CREATE VIEW v AS SELECT 1", "CREATE TABLE t (a, b) AS SELECT 1, 2",
		"CREATE TABLE t (a INT", "", "'",
	} {
		if effect.Analyze(sql, "db").Table != nil {
			t.Errorf("%s is read", sql)
		}
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		to, from     string
		holds, casts bool
	}{
		{"BIGINT", "INT", true, true},
		{"INT", "BIGINT", false, true},
		{"INT", "INT UNSIGNED", false, true},
		{"BIGINT", "INT UNSIGNED", true, true},
		{"DOUBLE", "INT", true, true},
		{"FLOAT", "BIGINT", false, true},
		{"INT", "DOUBLE", false, true},
		{"DECIMAL(10, 2)", "DECIMAL(8, 2)", true, true},
		{"DECIMAL(10, 2)", "DECIMAL(10, 3)", false, true},
		{"DECIMAL(10, 2)", "INT", false, true},
		{"DECIMAL(20, 2)", "INT", true, true},
		{"TIMESTAMP", "DATE", true, true},
		{"DATE", "TIMESTAMP", false, true},
		{"TIMESTAMP_TZ", "TIMESTAMP", true, true},
		{"TIMESTAMP", "TIMESTAMP_TZ", false, true}, // the zone is lost
		{"STRING", "INT", true, true},
		{"VARIANT", "ARRAY(INT)", true, true},
		{"BINARY", "STRING", true, true},
		{"INT", "STRING", false, true},
		{"INT", "DATE", false, false},
		{"BOOLEAN", "TIMESTAMP", false, false},
		{"VECTOR(3)", "VECTOR(3)", true, true},
		{"VECTOR(3)", "VECTOR(4)", false, false},
		{"VECTOR(3)", "STRING", false, false},
		{"VECTOR(3)", "ARRAY(FLOAT)", false, true},
		{"ARRAY(BIGINT)", "ARRAY(INT)", true, true},
		{"ARRAY(INT)", "ARRAY(BIGINT)", false, true},
		{"GEOMETRY", "BINARY", false, true},
		{"GEOMETRY", "INT", false, false},
	} {
		to, ok1 := define.ParseType(tt.to)
		from, ok2 := define.ParseType(tt.from)
		if !ok1 || !ok2 || to.Holds(from) != tt.holds || to.Casts(from) != tt.casts {
			t.Errorf("%s from %s: read %v %v, holds %v, casts %v", tt.to, tt.from, ok1, ok2, to.Holds(from), to.Casts(from))
		}
	}
}

func TestParseStage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql  string
		want define.Stage
	}{
		{"CREATE STAGE s", define.Stage{Internal: true}},
		{"CREATE OR REPLACE STAGE s FILE_FORMAT = (TYPE = CSV)", define.Stage{Internal: true, Format: "(TYPE = CSV)"}},
		{"CREATE STAGE IF NOT EXISTS s URL = 's3://b/raw/' CONNECTION = (CONNECTION_NAME = 'c')", define.Stage{
			URL:        "s3://b/raw/",
			Connection: "c",
		}},
		{"CREATE STAGE s 's3://b/' CONNECTION = (ACCESS_KEY_ID = 'URL')", define.Stage{URL: "s3://b/"}},
	} {
		got := effect.Analyze(tt.sql, "db").Stage
		got.Start, got.End = 0, 0
		if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.sql, diff)
		}
	}
}

func TestParseTask(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sql, want string }{
		{"CREATE TASK x WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS COPY INTO t FROM @s", "schedule true after [] body [COPY INTO t FROM @s]"},
		{
			"CREATE OR REPLACE TASK x AFTER 'a', 'b' WHEN STREAM_STATUS('s') = true AS BEGIN SELECT 1; SELECT 2; END",
			"schedule false after [a b] body [SELECT 1 SELECT 2]",
		},
		{"CREATE TASK x SCHEDULE = USING CRON '0 0 * * * *' AFTER 'a' AS SELECT 1", "schedule true after [a] body [SELECT 1]"},
	} {
		task := effect.Analyze(tt.sql, "db").Task
		var body []string
		for _, s := range task.Body {
			body = append(body, tt.sql[s.Start:s.End])
		}
		if got := fmt.Sprintf("schedule %v after %v body %v", task.Schedule, task.After, body); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.sql, got, tt.want)
		}
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"DELETE FROM t WHERE a = 1":                 " t |WHERE a = 1",
		"UPDATE d.t AS u SET a = 1 WHERE u.b > 2":   " d.t AS u |WHERE u.b > 2",
		"DELETE FROM update WHERE a = 1":            " update |WHERE a = 1",
		"UPDATE t u SET a = (SELECT 1 FROM v)":      "",
		"UPDATE t SET a = v.a FROM v WHERE t.b = 1": "",
		"DELETE FROM t USING v WHERE t.a = v.a":     "",
		"DELETE FROM t":                             "",
	} {
		table, at, ok := define.Condition(sql)
		got := ""
		if ok {
			got = table + "|" + sql[at:]
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
}

func TestInsertColumns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql  string
		want string
	}{
		{"INSERT INTO d.t (a, `B`) VALUES (1, 2)", "a B"},
		{"INSERT INTO t VALUES (1)", ""},
		{"INSERT INTO t SELECT 1", ""},
		{"INSERT INTO t (SELECT 1)", ""},
		{"INSERT OVERWRITE INTO TABLE values (a) VALUES (1)", "a"},
		{"REPLACE INTO t (a) ON (a) VALUES (1)", "a"},
	} {
		var names []string
		for _, n := range define.InsertColumns(tt.sql) {
			names = append(names, n.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.sql, got, tt.want)
		}
	}
}
