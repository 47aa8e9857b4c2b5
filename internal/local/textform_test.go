package local_test

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// Types and text forms, as a server's encoder writes them (field_encoder/string.rs and wrapped_display at the engine's commit).
func TestTextForms(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	c := connect(t, e)
	for _, tt := range []struct{ expr, typ, text string }{
		{"NULL", "NULL", "NULL"},
		{"true", "Boolean", "1"},
		{"1 = 2", "Boolean", "0"},
		{"(-128)::TINYINT", "Int8", "-128"},
		{"18446744073709551615", "UInt64", "18446744073709551615"},
		{"1::INT NULL", "Nullable(Int32)", "1"},
		{"1.50::DECIMAL(10, 2)", "Decimal(10, 2)", "1.50"},
		{"0::DECIMAL(38, 20)", "Decimal(38, 20)", "0.00000000000000000000"},
		{"'-12345678901234567890123456789012345678901234567890.5'::DECIMAL(60, 5)", "Decimal(60, 5)", "-12345678901234567890123456789012345678901234567890.50000"},
		{"1::DOUBLE", "Float64", "1.0"},
		{"'inf'::DOUBLE", "Float64", "Infinity"},
		{"'nan'::FLOAT", "Float32", "NaN"},
		{"1e16::DOUBLE", "Float64", "1e+16"},
		{"'a\"b'", "String", `a"b`},
		{"to_binary('ab')", "Binary", "6162"},
		{"'0001-01-01'::DATE", "Date", "0001-01-01"},
		{"'2024-02-29'::DATE", "Date", "2024-02-29"},
		{"'1969-12-31 23:59:59.000001'::TIMESTAMP", "Timestamp", "1969-12-31 23:59:59.000001"},
		{"'2024-01-02 03:04:05+05:30'::TIMESTAMP_TZ", "Timestamp_Tz", "2024-01-02 03:04:05.000000 +0530"},
		{"'1960-01-02 03:04:05.5 -0800'::TIMESTAMP_TZ", "Timestamp_Tz", "1960-01-02 03:04:05.500000 -0800"},
		{"to_interval('14 months -2 days 100 hours')", "Interval", "1 year 2 months -2 days 100:00:00"},
		{"to_interval('1 microsecond')", "Interval", "0:00:00.000001"},
		{"to_bitmap('1,2')", "Bitmap", "<bitmap binary>"},
		{"[1, NULL]", "Array(UInt8 NULL)", "[1,NULL]"},
		{"[]", "Array(Nothing)", "[]"},
		{"{}", "Map(Nothing)", "{}"},
		{"['a\"b', '\\\\']", "Array(String)", `["a\"b","\"]`},
		{"[true, false]", "Array(Boolean)", "[1,0]"},
		{"[to_date('2024-01-02')]", "Array(Date)", `["2024-01-02"]`},
		{"[1.5::DOUBLE, 2]", "Array(Float64)", "[1.5,2.0]"},
		{"[[1], [], NULL]", "Array(Array(UInt8) NULL)", "[[1],[],NULL]"},
		{"{'a': 1, 'b': NULL}", "Map(String, UInt8 NULL)", `{"a":1,"b":NULL}`},
		{"(1, 'x', NULL, to_timestamp(0))", "Tuple(UInt8, String, NULL, Timestamp)", `(1,"x",NULL,"1970-01-01 00:00:00.000000")`},
		{"tuple(1)", "Tuple(UInt8,)", "(1)"},
		{"[(1, ['a']), (2, [])]", "Array(Tuple(UInt8, Array(String)))", `[(1,["a"]),(2,[])]`},
		{"[1.0, 2.5, 0.1]::VECTOR(3)", "Vector(3)", "[1.0,2.5,0.1]"},
		{`parse_json('{"b": [1, 2.50, -3e100, null, true], "a": {"x": "q\\"\\u00e9"}}')`, "Variant", `{"a":{"x":"q\"é"},"b":[1,2.50,-3e+100,null,true]}`},
		{"parse_json('\"a\"')", "Variant", `"a"`},
		{"parse_json('null')", "Variant", "null"},
		{"parse_json('[]')", "Variant", "[]"},
		{"to_variant(to_date('2024-01-02'))", "Variant", `"2024-01-02"`},
		{"to_variant(to_interval('3 hours'))", "Variant", `"03:00:00"`},
		{"[parse_json('{\"a\": 1}')]", "Array(Variant)", `[{"a":1}]`},
		{"to_geometry('SRID=4326;POINT(1 2.5)')", "Geometry", `{"type": "Point", "coordinates": [1,2.5]}`},
		{"to_geometry('POLYGON((0 0,1 0,1 1,0 0))')", "Geometry", `{"type": "Polygon", "coordinates": [[[0,0],[1,0],[1,1],[0,0]]]}`},
		{"[to_geometry('POINT(1 2)')]", "Array(Geometry)", `[{"type": "Point", "coordinates": [1,2]}]`},
		{"st_geographyfromwkt('POINT(1 2)')", "Geography", `{"type": "Point", "coordinates": [1,2]}`},
	} {
		a := c.run("SELECT " + tt.expr)
		if a.Error != nil {
			t.Errorf("%s: %d %s", tt.expr, a.Error.Code, a.Error.Message)
			continue
		}
		if got := a.Schema[0].Type; got != tt.typ {
			t.Errorf("%s has type %s, want %s", tt.expr, got, tt.typ)
		}
		if got := a.cell(); got != tt.text {
			t.Errorf("%s = %s, want %s", tt.expr, got, tt.text)
		}
		if strings.Contains(tt.typ, "Nothing") || tt.typ == "NULL" {
			continue
		}
		// The same beside a null.
		a = c.run(fmt.Sprintf("SELECT if(number = 1, %s, NULL) FROM numbers(2) ORDER BY number", tt.expr))
		if a.Error != nil || len(a.Data) != 2 {
			t.Errorf("%s beside a null: %+v", tt.expr, a.Error)
			continue
		}
		if a.Data[0][0] != nil || a.Data[1][0] == nil || *a.Data[1][0] != tt.text || !strings.HasPrefix(a.Schema[0].Type, "Nullable(") {
			t.Errorf("%s beside a null: %s %s", tt.expr, a.Schema[0].Type, a.cell())
		}
	}
}

// Some of the engine's own tables keep a VARIANT as the text that it is.
func TestVariantKeptAsText(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	name := "f_" + e.Database
	e.SQL(t, "CREATE FUNCTION "+name+" AS (a) -> a + 1")
	t.Cleanup(func() { e.SQL(t, "DROP FUNCTION "+name) })
	rows := e.SQL(t, "SELECT arguments FROM system.user_functions WHERE name = '"+name+"'")
	if diff := cmp.Diff(rows, [][]string{{`{"parameters":["a"]}`}}); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

func TestTextFormsFollowSettings(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	c := connect(t, e)
	point := "to_geometry('SRID=4326;POINT(1 2.5)')"
	c.script(
		[2]string{"SET geometry_output_format = 'WKT'", ""}, [2]string{"SELECT " + point, "POINT(1 2.5)"}, [2]string{"SELECT [" + point + "]", `["POINT(1 2.5)"]`},
		[2]string{"SET geometry_output_format = 'EWKT'", ""}, [2]string{"SELECT " + point, "SRID=4326;POINT(1 2.5)"},
		[2]string{"SELECT st_geographyfromwkt('POINT(1 2)')", "SRID=4326;POINT(1 2)"},
		[2]string{"SET geometry_output_format = 'WKB'", ""}, [2]string{"SELECT " + point, "0101000000000000000000F03F0000000000000440"},
		[2]string{"SET geometry_output_format = 'EWKB'", ""}, [2]string{"SELECT " + point, "0101000020E6100000000000000000F03F0000000000000440"},
		[2]string{"SET binary_output_format = 'BASE64'", ""}, [2]string{"SELECT to_binary('ab')", "YWI="},
		[2]string{"SET timezone = 'America/New_York'", ""}, [2]string{"SELECT '2024-07-01 12:00:00'::TIMESTAMP", "2024-07-01 12:00:00.000000"},
		[2]string{"SELECT to_timestamp(1719849600)", "2024-07-01 12:00:00.000000"}, [2]string{"SELECT to_timestamp(1704067200)", "2023-12-31 19:00:00.000000"},
		[2]string{"SELECT [to_timestamp(1704067200)]", `["2023-12-31 19:00:00.000000"]`},
		[2]string{"SELECT /*+ SET_VAR(timezone = 'UTC') */ to_timestamp(1704067200)", "2024-01-01 00:00:00.000000"},
	)
	if got := c.run("SELECT 1").Settings["geometry_output_format"]; !strings.EqualFold(got, "EWKB") {
		t.Errorf("geometry_output_format of an answer = %q", got)
	}
}

// The engine itself writes text when it unloads CSV; for these types by the very rules of its encoder for answers.
func TestTextIsTheEnginesOwn(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	stage := "text_" + e.Database
	e.SQL(t, e.StageSQL(stage, "", "CSV"))
	t.Cleanup(func() { e.SQL(t, "DROP STAGE "+stage) })
	exprs := map[string]string{
		"float64":      "(rand(number) - 0.5) * pow(10, (number % 640)::DOUBLE - 320)",
		"float64 near": "(number::DOUBLE - 500) / 8",
		"float64 int":  "pow(10, (number % 25)::DOUBLE) * (number % 7)",
		"float32":      "((rand(number) - 0.5) * pow(10, (number % 78)::DOUBLE - 40))::FLOAT",
		"float32 near": "((number::DOUBLE - 500) / 7)::FLOAT",
		"date":         "to_date((number * 3652 - 719162)::INT)",
		"timestamp":    "to_timestamp((rand(number) * 3e17)::BIGINT - 62135596800000000)",
		"interval":     "to_interval(concat((number % 30)::STRING, ' months ', (number % 60)::STRING, ' days ', (number * 777)::STRING, ' seconds ', (number % 1000)::STRING, ' microseconds'))",
		"variant":      "parse_json(concat('{\"k', number, '\":[', (rand(number) - 0.5) * pow(10, (number % 40)::DOUBLE - 20), ',', number::BIGINT * 1234567890123, ',{}]}'))",
		"string":       "concat('é\"\\\\', char(9), number, char(10))",
		"array":        "[number, number + 1]",
	}
	for name, expr := range exprs {
		table := "v_" + strings.ReplaceAll(name, " ", "_")
		e.SQL(t, fmt.Sprintf("CREATE TABLE %s AS SELECT number AS id, %s AS v FROM numbers(1000)", table, expr))
		e.SQL(t, fmt.Sprintf("COPY INTO @%s/%s.csv FROM (SELECT v FROM %s ORDER BY id) FILE_FORMAT = (TYPE = CSV) SINGLE = TRUE USE_RAW_PATH = TRUE", stage, url.PathEscape(table), table))
		content, err := e.S3.Get(t.Context(), e.Bucket, e.Prefix+table+".csv")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows := e.SQL(t, fmt.Sprintf("SELECT v FROM %s ORDER BY id", table))
		if len(rows) != 1000 {
			t.Fatalf("%s: %d rows", name, len(rows))
		}
		if diff := cmp.Diff(rows, lines); diff != "" {
			t.Errorf("%s (-got +engine):\n%s", name, diff)
		}
	}
}
