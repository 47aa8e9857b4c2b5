package effect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// TestEngineNames creates objects under names that fold, and finds and drops them under the name that Analyze gives.
func TestEngineNames(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	tests := []struct{ create, kind, list string }{
		{"CREATE TABLE %s (a INT)", "TABLE", "SELECT name FROM system.tables"},
		{"CREATE SEQUENCE %s", "SEQUENCE", "SELECT name FROM show_sequences()"},
		{"CREATE CONNECTION %s STORAGE_TYPE = 's3'", "CONNECTION", "SHOW CONNECTIONS"},
		{"CREATE FILE FORMAT %s TYPE = CSV", "FILE FORMAT", "SHOW FILE FORMATS"},
		{"CREATE FUNCTION %s AS (x) -> x", "FUNCTION", "SELECT name FROM system.user_functions"},
		{"CREATE PROCEDURE %s(a INT, b DECIMAL(10, 2)) RETURNS INT LANGUAGE SQL AS $$ BEGIN RETURN 1; END; $$", "PROCEDURE", "SHOW PROCEDURES"},
		{"CREATE ROLE %s", "ROLE", "SHOW ROLES"},
		{"CREATE NETWORK POLICY %s ALLOWED_IP_LIST = ('1.1.1.1')", "NETWORK POLICY", "SHOW NETWORK POLICIES"},
		{"CREATE STAGE %s", "STAGE", "SELECT name FROM system.stages"},
	}
	for i, test := range tests {
		for j, name := range []string{"SqlText%d_%d", "`SqlText%d_%d`", `"SqlText%d_%d"`} {
			if test.kind == "STAGE" && j > 0 {
				continue // a stage's name takes no quotes
			}
			create := fmt.Sprintf(test.create, fmt.Sprintf(name, i, j))
			o := effect.Analyze(create, "x").Writes[0].Object
			env.SQL(t, create)
			found := false
			for _, row := range env.SQL(t, test.list) {
				found = found || row[0] == o.Name
			}
			if !found {
				t.Errorf("after %s: no %s in %s", create, o, test.list)
			}
			if o.Kind == sqltext.Table {
				o.Database = ""
			}
			env.SQL(t, "DROP "+test.kind+" "+o.SQL())
			for _, row := range env.SQL(t, test.list) {
				if row[0] == o.Name {
					t.Errorf("DROP %s %s left %s", test.kind, o.SQL(), o)
				}
			}
		}
	}
}

// TestEngineTypes compares a procedure's types with what the engine makes of them.
func TestEngineTypes(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	for i, typ := range []string{
		"VARCHAR(10)", "INT(11)", "INT(11) UNSIGNED", "TINYINT UNSIGNED", "BIGINT UNSIGNED NOT NULL", "DOUBLE PRECISION", "REAL", "SIGNED", "UNSIGNED", "LONGBLOB", "DECIMAL", "DECIMAL(5)",
		"Decimal(10, 2)", "INT NOT NULL", "INT NULL", "VECTOR(3)", "BINARY(4)", "TIMESTAMP(6)", "TIMESTAMP WITH TIME ZONE", "MAP(STRING, INT(3))", "TUPLE(a INT, b TEXT(3) NULL)", "TUPLE(INT UNSIGNED, JSON)",
		"ARRAY(NULLABLE(INT))", "STAGE_LOCATION", "DATETIME",
	} {
		name := fmt.Sprintf("sqltext_p%d", i)
		create := "CREATE OR REPLACE PROCEDURE " + name + "(a " + typ + ", b BOOL) RETURNS INT LANGUAGE SQL AS $$ BEGIN RETURN 1; END; $$"
		o := effect.Analyze(create, "x").Writes[0].Object
		env.SQL(t, create)
		shown := env.SQL(t, "SELECT split_part(arguments, ' RETURN', 1) FROM system.procedures WHERE name = "+sqltext.Quote(name))[0][0]
		if got := define.ProcedureArgs(strings.TrimPrefix(shown, name)); got != o.Args {
			t.Errorf("%s: engine has %s, read as %s, want %s", typ, shown, got, o.Args)
		}
		env.SQL(t, "DROP PROCEDURE "+o.SQL())
	}
}

// unparsed are the statements of the table that 1.2.895 refuses to parse, by how they start: no statements at all, what only
// newer engines have, and what is read so that nobody is misled.
var unparsed = []string{
	"EXPLAIN ", "REPORT ISSUE", // they do not nest
	"SELECT 1; SELECT 2", "SELECT 'a", "FROBNICATE", "ALTER TABLE t EXPLODE", "BEGIN DROP", "DECLARE", "RENAME TABLE a TO x.b, b TO a",
	"CREATE TABLE IDENTIFIER($v)", // parsed, but $v is not set
	"CREATE MATERIALIZED VIEW", "CREATE OR REPLACE MATERIALIZED VIEW", "ALTER MATERIALIZED VIEW", "DROP MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW",
	"DROP PROCEDURE IF EXISTS p(TUPLE)", "REFRESH LINEAGE", "ALTER TABLE t PARTITION BY", "INSERT INTO t FROM @s/f",
}

// TestEngineKnowsTheStatements parses the table of effects, so that it names statements as they are and not as remembered.
func TestEngineKnowsTheStatements(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	for _, sql := range effect.Statements() {
		if sql == "" || slices.ContainsFunc(unparsed, func(p string) bool { return strings.HasPrefix(sql, p) }) {
			continue
		}
		if code, message := env.Err(t, "EXPLAIN SYNTAX "+sql); code != 0 {
			t.Errorf("%s: %s", sql, message)
		}
	}
}
