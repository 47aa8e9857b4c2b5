package sqltext

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestUnquote(t *testing.T) {
	t.Parallel()
	tests := []struct{ literal, want string }{
		{`'a''b'`, "a'b"},
		{`'\b\f\n\r\t\'\"\\'`, "\b\f\n\r\t'\"\\"},
		{`'\u00e9\x41\101\0'`, "éAA\x00"},
		{`'\d\%'`, `\d\%`},
		{`$$a'\n$$`, `a'\n`},
	}
	for _, test := range tests {
		if got, err := Unquote(test.literal); err != nil || got != test.want {
			t.Errorf("Unquote(%s): got %q, %v, want %q", test.literal, got, err, test.want)
		}
	}
	for _, literal := range []string{"", "'", "a", `"a"`, `'a'b'`, `'\xg0'`, `'\ud800'`, `'\777777777'`} {
		if got, err := Unquote(literal); err == nil {
			t.Errorf("Unquote(%s): got %q, want an error", literal, got)
		}
	}
}

func TestIdent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"a": "`a`", "a b": "`a b`", `a"b`: "`a\"b`", "a`b": "\"a`b\"", "a`\"": "\"a`\"\"\"", `a\`: "`a\\`"} {
		got := Ident(name)
		if got != want {
			t.Errorf("Ident(%q): got %s, want %s", name, got, want)
		}
		if back := FoldIdent(got); back != name {
			t.Errorf("foldIdent(%s): got %q, want %q", got, back, name)
		}
	}
}

// spliced is sql with its secrets put in.
func spliced(sql string, value func(string) (string, error)) (string, error) {
	edits, err := Splice(sql, nil, value)
	return Apply(sql, edits), err
}

func TestSplice(t *testing.T) {
	t.Parallel()
	values := map[string]string{"KEY": `a'b\`, "LINES": "1\n2\t%s\x00", "SQL": `'); DROP TABLE t; -- {{ secret "KEY" }}`}
	got, err := spliced(`SELECT a={{ secret "KEY" }} X = 'a{{ secret "LINES" }}b{{ secret "KEY" }}' Y = ({{ secret "SQL" }}, 1)`, func(name string) (string, error) {
		return values[name], nil
	})
	want := `SELECT a='a\'b\\' X = 'a1\n2\t%s\x00ba\'b\\' Y = ('\'); DROP TABLE t; -- {{ secret "KEY" }}', 1)`
	if err != nil || got != want {
		t.Errorf("Splice: error %v (-got +want):\n%s", err, cmp.Diff(got, want))
	}
	missing := errors.New("no such secret")
	if _, err := spliced(`x = {{ secret "A" }}`, func(string) (string, error) { return "", missing }); !errors.Is(err, missing) {
		t.Errorf("Splice: got error %v, want %v", err, missing)
	}
	if _, err := spliced(`x = {{ secret "A" }}`, func(string) (string, error) { return "\xff", nil }); err == nil {
		t.Error("Splice of a value that is not UTF-8: no error")
	}
}

func TestPlaceholdersRefused(t *testing.T) {
	t.Parallel()
	const p = `{{ secret "X" }}`
	tests := []struct{ sql, msg string }{
		{"SELECT 1 -- " + p, `secret "X" inside a comment`},
		{"SELECT /* " + p + " */ 1", `secret "X" inside a block comment`},
		{"SELECT /*+ SET_VAR(a=" + p + ") */ 1", `secret "X" inside a hint`},
		{"SELECT `" + p + "`", `secret "X" inside a quoted identifier`},
		{"SELECT $$" + p + "$$", `secret "X" inside $$…$$`},
		{"LIST @s/" + p, `secret "X" inside a stage path`},
		{"SELECT a" + p, `secret "X" touches another token`},
		{"SELECT " + p + "b", `secret "X" touches another token`},
		{"SELECT 'a'" + p, `secret "X" touches another token`},
		{"SELECT " + p + p, `secret "X" touches another token`},
		{`SELECT 'a\` + p + `'`, `secret "X" after an unfinished escape`},
		{`SELECT 'a\x4` + p + `'`, `secret "X" after an unfinished escape`},
		{`SELECT '\12` + p + `'`, `secret "X" after an unfinished escape`},
		{"CREATE TASK t AS COPY INTO a FROM 's3://b/' CONNECTION = (ACCESS_KEY_ID = " + p + ")", `secret "X" inside a task's body`},
		{"CREATE OR REPLACE TASK IF NOT EXISTS t AS BEGIN INSERT INTO a VALUES ('" + p + "'); END", `secret "X" inside a task's body`},
		{"ALTER TASK t MODIFY AS SELECT " + p, `secret "X" inside a task's body`},
		{"CREATE PROCEDURE p() RETURNS INT LANGUAGE SQL AS '" + p + "'", `secret "X" inside a procedure's body`},
		{"CREATE FUNCTION f AS (x) -> x || " + p, `secret "X" inside a function's body`},
		{"CREATE MATERIALIZED VIEW v AS SELECT " + p, `secret "X" inside a view's text`},
		{"CREATE TABLE t (a STRING DEFAULT " + p + ")", `secret "X" inside a definition`},
		{"CREATE TABLE t (a STRING COMMENT 'x" + p + "')", `secret "X" inside a definition`},
		{"CREATE TABLE t (a STRING, CHECK (a = " + p + "))", `secret "X" inside a definition`},
		{"CREATE TABLE t (a STRING) CLUSTER BY (a || " + p + ")", `secret "X" inside a definition`},
		{"CREATE TABLE t (password STRING AS (password = " + p + ") STORED)", `secret "X" inside a definition`},
		{"/*+ x */ CREATE TABLE t (a INT) COMMENT = " + p, `secret "X" inside a definition`},
		{"SETTINGS (a = 1) CREATE TABLE t (a INT) COMMENT = " + p + " AS SELECT 1", `secret "X" inside a definition`},
		{"CREATE TABLE " + p + " (a INT)", `secret "X" inside a definition`},
		{"CREATE TABLE t (a INT) " + p + " CONNECTION = (CONNECTION_NAME = 'c')", `secret "X" inside a definition`},
		{"CREATE STAGE s URL = 's3://" + p + "/' CONNECTION = (CONNECTION_NAME = 'c')", `secret "X" inside a definition`},
		{"CREATE STAGE s URL = 's3://b/' CONNECTION = (ENDPOINT_URL = " + p + ")", `secret "X" inside a definition`},
		{"CREATE DATABASE d OPTIONS (a = " + p + ")", `secret "X" inside a definition`},
		{"CREATE CONNECTION " + p + " STORAGE_TYPE = 's3'", `secret "X" inside a definition`},
		{"CREATE TASK t COMMENT = " + p + " AS SELECT 1", `secret "X" inside a definition`},
		{"CREATE USER u IDENTIFIED BY 'a' WITH DEFAULT_ROLE = " + p, `secret "X" inside a definition`},
		{"CREATE TAG k ALLOWED_VALUES = (" + p + ")", `secret "X" inside a definition`},
		{"ALTER TABLE t MODIFY COLUMN a COMMENT " + p, `secret "X" inside a definition`},
		{"ALTER TABLE t ADD COLUMN a STRING DEFAULT " + p, `secret "X" inside a definition`},
		{"ALTER TABLE t ADD COLUMN a STRING AS (" + p + ") VIRTUAL", `secret "X" inside a definition`},
		{"ALTER TABLE t SET OPTIONS (password = " + p + ")", `secret "X" inside a definition`},
		{"ALTER CONNECTION c SET TAG k = " + p, `secret "X" inside a definition`},
		{"COMMENT ON TABLE t IS " + p, `secret "X" inside a definition`},
		{"SET GLOBAL a = " + p, `secret "X" inside a global setting`},
		{"DROP USER " + p, `secret "X" inside a name`},
		{"GRANT SELECT ON t TO USER " + p, `secret "X" inside a name`},
		{"SELECT 1; EXECUTE IMMEDIATE 'SELECT ''" + p + "'''", `secret "X" inside EXECUTE IMMEDIATE`},
	}
	for _, test := range tests {
		_, err := Placeholders(test.sql)
		var e *Error
		if !errors.As(err, &e) || e.Msg != test.msg || e.Hint == "" || e.Pos.Offset != strings.Index(test.sql, p) {
			t.Errorf("Placeholders(%q): got %#v, want %s", test.sql, err, test.msg)
		}
	}
	for _, sql := range []string{
		"x = " + p, "x=" + p + ";", "(" + p + "," + p + ")", `'a\\` + p + `'`, `'\n` + p + `'`, "CREATE TASK t AS SELECT 1; SELECT " + p, "CREATE TABLE t AS SELECT " + p,
		"SELECT " + p + "::STRING || " + p, "INSERT INTO t VALUES (" + p + ")", "CREATE OR REPLACE CONNECTION IF NOT EXISTS c STORAGE_TYPE = 's3' ENDPOINT_URL = " + p + " ACCESS_KEY_ID = " + p,
		"CREATE STAGE s URL = 's3://b/' CONNECTION = (ACCESS_KEY_ID = " + p + " SECRET_ACCESS_KEY = " + p + ")", "ALTER TABLE t CONNECTION = (ACCESS_KEY_ID = " + p + ")",
		"ATTACH TABLE t 's3://b/' CONNECTION = (ACCESS_KEY_ID = " + p + ")", "CREATE USER u IDENTIFIED WITH sha256_password BY " + p, "ALTER USER USER() IDENTIFIED BY " + p,
		"CREATE CATALOG c TYPE = ICEBERG CONNECTION = (TYPE = 'rest' ADDRESS = " + p + ")", "CREATE NOTIFICATION INTEGRATION n TYPE = WEBHOOK ENABLED = TRUE WEBHOOK = (URL = " + p + ")",
		"CREATE DICTIONARY d (a INT) PRIMARY KEY a SOURCE (MYSQL (HOST = 'h' PASSWORD = " + p + "))", "SET VARIABLE v = " + p,
	} {
		places, err := Placeholders(sql)
		if err != nil || len(places) != strings.Count(sql, p) {
			t.Errorf("Placeholders(%q): got %v, error %v", sql, places, err)
		}
		for _, place := range places {
			if place.Name != "X" || sql[place.Start:place.End] != p || place.Quoted != strings.Contains(sql, p+"'") {
				t.Errorf("Placeholders(%q): got %+v", sql, place)
			}
		}
	}
}

func FuzzSplice(f *testing.F) {
	for _, v := range []string{"", "a", `'`, `\`, `\'`, "a\nb\x00", `'); DROP TABLE t; --`, `{{ secret "A" }}`, "$$", "é\u2028", "''", "x' OR 'x'='x", `41`, `\x41`} {
		f.Add(v, "pre", "post")
	}
	f.Fuzz(func(t *testing.T, value, before, after string) {
		if !utf8.ValidString(value) {
			return
		}
		get := func(string) (string, error) { return value, nil }
		out, err := spliced(`SELECT {{ secret "A" }}, 1`, get)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := Scan(out)
		if err != nil || len(tokens) != 6 || tokens[2].Kind != String {
			t.Fatalf("Splice of %q: %q scans to %v, %v", value, out, tokens, err)
		}
		if got, err := Unquote(out[tokens[2].Start:tokens[2].End]); err != nil || got != value {
			t.Fatalf("Splice of %q: literal reads %q, %v", value, got, err)
		}
		// Inside a string, between any text that leaves the string whole.
		quoted := "'" + before + `{{ secret "A" }}` + after + "'"
		tokens, err = Scan(quoted)
		if err != nil || len(tokens) != 1 || strings.Contains(before+after, "secret") {
			return
		}
		head, err1 := Unquote("'" + before + "'")
		tail, err2 := Unquote("'" + after + "'")
		out, err = spliced(quoted, get)
		if err != nil || err1 != nil || err2 != nil {
			return
		}
		if tokens, err = Scan(out); err != nil || len(tokens) != 1 || tokens[0].Kind != String {
			t.Fatalf("Splice of %q into %q: %q scans to %v, %v", value, quoted, out, tokens, err)
		}
		if got, err := Unquote(out); err != nil || got != head+value+tail {
			t.Fatalf("Splice of %q into %q: literal reads %q, %v", value, quoted, got, err)
		}
	})
}
