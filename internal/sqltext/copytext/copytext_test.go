package copytext

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dbctl/dbctl/internal/sqltext"
)

func TestParse(t *testing.T) {
	t.Parallel()
	sql := "COPY /*+ SET_VAR(a=1) */ INTO \"My Db\".`T` (A, \"B\")\nFROM (SELECT id, embedding::VECTOR(768) AS e, v.ts::TIMESTAMP NULL, CAST(n AS DECIMAL(10, 2)), $1:a::INT, upper(x), count + 1 c\n" +
		"  FROM '@stage/dir sp/it''s/' AS v)\nFILE_FORMAT = (TYPE = CSV, FIELD_DELIMITER = ';') PATTERN='.*[.]csv' FORCE=true MAX_FILES = 10 ON_ERROR = abort_1 FILES=('a', 'b');"
	got, err := Parse(sql)
	if err != nil {
		t.Fatal(err)
	}
	want := Copy{
		Database: "My Db", Table: "T", Columns: []string{"a", "B"}, Stage: "stage", Path: "dir sp/it's/",
		Select: []SelectItem{
			{Text: "id", Column: "id", Value: "id", Expr: "id"},
			{
				Text: "embedding::VECTOR(768) AS e", Column: "embedding", Type: "VECTOR(768)", Value: "embedding::VECTOR(768)",
				Expr: "embedding", Cast: "VECTOR(768)",
			},
			{
				Text: "v.ts::TIMESTAMP NULL", Column: "ts", Type: "TIMESTAMP NULL", Value: "v.ts::TIMESTAMP NULL", Expr: "v.ts",
				Cast: "TIMESTAMP NULL",
			},
			{
				Text: "CAST(n AS DECIMAL(10, 2))", Column: "n", Type: "DECIMAL(10, 2)", Value: "CAST(n AS DECIMAL(10, 2))", Expr: "n",
				Cast: "DECIMAL(10, 2)",
			},
			{Text: "$1:a::INT", Value: "$1:a::INT", Expr: "$1:a", Cast: "INT"},
			{Text: "upper(x)", Value: "upper(x)", Expr: "upper(x)"},
			{Text: "count + 1 c", Value: "count + 1 c", Expr: "count + 1 c"},
		},
		Options: []Option{
			{Name: "FILE_FORMAT", Value: "(TYPE = CSV, FIELD_DELIMITER = ';')"},
			{Name: "PATTERN", Value: "'.*[.]csv'"},
			{Name: "FORCE", Value: "true"},
			{Name: "MAX_FILES", Value: "10"},
			{Name: "ON_ERROR", Value: "abort_1"},
			{Name: "FILES", Value: "('a', 'b')"},
		},
	}
	ignore := cmp.Options{cmpopts.IgnoreFields(Copy{}, "TableSpan", "LocationSpan"), cmpopts.IgnoreFields(Option{}, "Span"), cmpopts.IgnoreFields(SelectItem{}, "Start")}
	if diff := cmp.Diff(got, want, ignore); diff != "" {
		t.Errorf("ParseCopy (-got +want):\n%s", diff)
	}
	for _, item := range got.Select {
		if !strings.HasPrefix(sql[item.Start:], item.Text) {
			t.Errorf("item %s starts at %.20q", item.Text, sql[item.Start:])
		}
	}
	if s := sql[got.TableSpan[0]:got.TableSpan[1]]; s != "\"My Db\".`T`" {
		t.Errorf("table span: got %s", s)
	}
	if s := sql[got.LocationSpan[0]:got.LocationSpan[1]]; s != "'@stage/dir sp/it''s/'" {
		t.Errorf("location span: got %s", s)
	}
	if o, ok := got.Option("FORCE"); !ok || sql[o.Span[0]:o.Span[1]] != "FORCE=true" {
		t.Errorf("option FORCE: got %+v, %v", o, ok)
	}
	plain, err := Parse(`copy into Videos from @Stage/a\ b/c.parquet`)
	if err != nil || plain.Table != "videos" || plain.Stage != "Stage" || plain.Path != "a b/c.parquet" || plain.Select != nil {
		t.Errorf("plain COPY: got %+v, %v", plain, err)
	}
	user, err := Parse(`COPY INTO t FROM @~`)
	if err != nil || user.Stage != "~" || user.Path != "" {
		t.Errorf("COPY from the user's stage: got %+v, %v", user, err)
	}
}

func TestParseURI(t *testing.T) {
	t.Parallel()
	tests := []struct{ sql, uri, path, connection, location string }{
		{"COPY INTO t FROM 's3://b/a/'", "s3://b/a/", "", "", "'s3://b/a/'"},
		{
			"COPY INTO t FROM 's3://b/it''s/' CONNECTION = (ACCESS_KEY_ID = {{ secret \"K\" }}) FILE_FORMAT = (TYPE = CSV)",
			"s3://b/it's/", "", "(ACCESS_KEY_ID = {{ secret \"K\" }})", "'s3://b/it''s/' CONNECTION = (ACCESS_KEY_ID = {{ secret \"K\" }})",
		},
		{
			"COPY INTO t FROM (SELECT a::INT FROM 'gcs://b/a/x.csv' CONNECTION=(CONNECTION_NAME = 'c') AS f) FILE_FORMAT = (TYPE = CSV)",
			"gcs://b/", "a/x.csv", "(CONNECTION_NAME = 'c')", "'gcs://b/a/x.csv' CONNECTION=(CONNECTION_NAME = 'c')",
		},
		{"COPY INTO t FROM 'S3://B/a%20b%/%c3%A9/'", "s3://B/a b%/é/", "", "", "'S3://B/a%20b%/%c3%A9/'"},
		{"COPY INTO t FROM 's3://b'", "s3://b/", "", "", "'s3://b'"},
		{"COPY INTO t FROM 's3://b/a%2520b/x%3F.csv'", "s3://b/", "a%20b/x?.csv", "", "'s3://b/a%2520b/x%3F.csv'"},
		{"COPY INTO t FROM 'fs:///a%20b/'", "fs:///a%20b/", "", "", "'fs:///a%20b/'"},
		{"COPY INTO t FROM 's3://b/' CREDENTIALS = (A = '1') FORCE = true", "s3://b/", "", "(A = '1')", "'s3://b/' CREDENTIALS = (A = '1')"},
		{
			"COPY INTO t FROM 's3://b/' CONNECTION = (R = 'x' -- of (all)\n) FILE_FORMAT = (TYPE = CSV)", "s3://b/", "", "(R = 'x' -- of (all)\n)",
			"'s3://b/' CONNECTION = (R = 'x' -- of (all)\n)",
		},
		{
			"COPY INTO t FROM 's3://b/' CONNECTION = (R = 'x' -- r\n), CREDENTIALS = (A = '1' -- a\n)", "s3://b/", "",
			"(R = 'x' -- r\n A = '1' -- a\n)", "'s3://b/' CONNECTION = (R = 'x' -- r\n), CREDENTIALS = (A = '1' -- a\n)",
		},
		{
			"COPY INTO t FROM 's3://b/' CONNECTION = (R = 'x'), CREDENTIALS = (A = '1')", "s3://b/", "", "(R = 'x' A = '1')",
			"'s3://b/' CONNECTION = (R = 'x'), CREDENTIALS = (A = '1')",
		},
	}
	for _, tt := range tests {
		c, err := Parse(tt.sql)
		if err != nil || c.URI != tt.uri || c.Path != tt.path || c.Connection != tt.connection || c.Stage != "" || tt.sql[c.LocationSpan[0]:c.LocationSpan[1]] != tt.location {
			t.Errorf("Parse(%q): got %+v, %v", tt.sql, c, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ sql, msg string }{
		{"SELECT 1", "not a COPY INTO"},
		{"COPY t", "COPY without INTO"},
		{"COPY INTO @s/a FROM t", "COPY INTO a location unloads; a load is a COPY INTO a table"},
		{"COPY INTO 's3://b/' FROM t", "COPY INTO a location unloads; a load is a COPY INTO a table"},
		{"COPY INTO t FROM 'b/a/?token=hunter2'", "this location is neither a stage nor a URI"},
		{"COPY INTO t FROM 's3://key:word@b/a/'", "a URI takes no user and no password: the engine leaves them out"},
		{"COPY INTO t FROM 's3://b/a?sig=hunter2'", "a URI ends for the engine at ? or #, and this one goes on"}, // behind it a signature may stand
		{"COPY INTO t FROM 's3://b/a/' CONNECTION = 'x'", "CONNECTION takes a list in brackets"},
		{"COPY INTO t FROM 's3://b/a/' CONNECTION = (a = 'b'", "list of CONNECTION is not closed"},
		{"COPY INTO t FROM u", "COPY from “u”, which is no stage"},
		{"COPY INTO a.b.c FROM @s", "a catalog before the table is not supported"},
		{"COPY INTO t FROM (SELECT * FROM @s WHERE a)", "COPY's SELECT takes no WHERE"},
		{"COPY INTO t FROM (SELECT a, FROM @s)", "COPY's SELECT has an empty item"},
		{"COPY INTO t FROM (SELECT a)", "COPY's SELECT without FROM"},
		{"COPY INTO t FROM @s VALIDATION_MODE = x", "unknown option VALIDATION_MODE"},
		{"COPY INTO t FROM @s PATTERN = '(['", "PATTERN is no regular expression: missing closing ]: `[`"},
		{"COPY INTO t FROM @s PATTERN = '(?!a).*'", "PATTERN is no regular expression: look-around is not supported: (?!"},
		{"COPY INTO t FROM @s FORCE", "option FORCE without ="},
		{"COPY INTO t FROM @s FORCE =", "option FORCE without a value"},
		{"COPY INTO t FROM @s FILES = 'a'", "option FILES takes a list in brackets"},
		{"COPY INTO t FROM @s; SELECT 1", "expected an option, got “;”"},
		{"COPY INTO t FROM 'a", "string is not closed"},
		{`COPY INTO t FROM @s/{{ secret "a" }}/`, noSecret},
		{`COPY INTO t FROM @{{ secret "a" }}`, noSecret},
		{`COPY INTO t FROM {{ secret "a" }}`, noSecret},
		{`COPY INTO t FROM 's3://b/{{ secret "a" }}/'`, noSecret},
		{`COPY INTO t FROM (SELECT a FROM '@s/{{ secret "a" }}/')`, noSecret},
		{`COPY INTO t FROM @s FILES = ('a', '{{ secret "a" }}')`, noSecret},
		{`COPY INTO t FROM @s PATTERN = {{ secret "a" }}`, noSecret},
	}
	for _, test := range tests {
		_, err := Parse(test.sql)
		var e *sqltext.Error
		if !errors.As(err, &e) || e.Msg != test.msg {
			t.Errorf("Parse(%q): got %v, want %s", test.sql, err, test.msg)
		}
	}
}

// FuzzParse finds a text that Parse cannot bear, or a part that lies outside of its text.
func FuzzParse(f *testing.F) {
	f.Add("COPY INTO d.t (a) FROM (SELECT a::INT FROM '@s/p' AS v) FILES=('x') PATTERN='.*'")
	f.Fuzz(func(t *testing.T, src string) {
		c, err := Parse(src)
		if err == nil && (c.Table == "" || c.LocationSpan[1] > len(src)) {
			t.Fatalf("Parse(%q): got %+v", src, c)
		}
	})
}

// What is cast last is told apart from its type where nothing but the cast can be meant: an operator before it takes a part for itself.
func TestCastOfAnItem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ item, expr, cast string }{
		{"$3", "$3", ""},
		{"$3::DECIMAL(10, 2)", "$3", "DECIMAL(10, 2)"},
		{"$1:a.b[0]::STRING::INT AS x", "$1:a.b[0]::STRING", "INT"},
		{"$1['a']::INT UNSIGNED", "$1['a']", "INT UNSIGNED"},
		{"upper(x)::DATE AS d", "upper(x)", "DATE"},
		{"(a || b)::DATE", "(a || b)", "DATE"},
		{"a || b::DATE", "a || b::DATE", ""},
		{"try_cast(trim(a) AS INT)", "trim(a)", "INT"},
		{"CAST(CAST(a AS STRING) AS ARRAY(INT))", "CAST(a AS STRING)", "ARRAY(INT)"},
		{"CAST(a AS INT) + 1", "CAST(a AS INT) + 1", ""},
		{"count(x)", "count(x)", ""},
		{"a::INT b", "a", "INT"},
		{"cast(trim(a) AS INT) b", "trim(a)", "INT"},
		{"upper(x) b", "upper(x)", ""},
		{"cast(a AS INT)::STRING", "cast(a AS INT)", "STRING"},
		{"cast(a AS INT).b", "cast(a AS INT).b", ""},
	} {
		c, err := Parse("COPY INTO t FROM (SELECT " + tt.item + " FROM @s/)")
		if err != nil {
			t.Error(err)
			continue
		}
		if it := c.Select[0]; it.Expr != tt.expr || it.Cast != tt.cast {
			t.Errorf("%s: got %q as %q, want %q as %q", tt.item, it.Expr, it.Cast, tt.expr, tt.cast)
		}
	}
}

func TestFormatOptions(t *testing.T) {
	t.Parallel()
	got := FormatOptions(`(type = csv, FIELD_DELIMITER = '=' /* TYPE = ORC */ SKIP_HEADER=1 NULL_DISPLAY = 'it''s')`)
	want := map[string]string{"TYPE": "csv", "FIELD_DELIMITER": "=", "SKIP_HEADER": "1", "NULL_DISPLAY": "it's"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// Only the engine can tell what its regex library has and Go's does not.
func TestPatternsOfTheEngine(t *testing.T) {
	t.Parallel()
	for _, p := range []string{`\p{Emoji}+`, `\P{Alphabetic}`, `[\p{Emoji}a]`, `(?x) a b`, `a{2000}`, `[a-z&&[^b]]`, `\u{41}`} {
		if wrong := BadPattern(p); wrong != "" {
			t.Errorf("%s: got %q", p, wrong)
		}
	}
}
