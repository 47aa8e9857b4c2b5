package databend

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

func TestReadMessage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		raw, message string
		at           *excerpt
	}{
		"plain":     {"Unknown table default.t .", "Unknown table default.t", nil},
		"backtrace": {"it failed.\n\n   0: std::backtrace\n   1: x", "it failed", nil},
		"disabled":  {"it failed\n\n<Backtrace disabled by default. Please use RUST_BACKTRACE=1>", "it failed", nil},
		"one label": {"error: \n  --> SQL:1:15\n  |\n1 | SELECT a FROM nowhere\n  |               ^^^^^^^ Unknown table 'nowhere'\n\n", "Unknown table 'nowhere'", &excerpt{line: 1, column: 15}},
		"two labels on a line": {
			"error: \n  --> SQL:1:10\n  |\n1 | SELECT * FROMM t\n  | ------   ^^^^^ unexpected `FROMM`\n  | |         \n  | while parsing `SELECT ...`\n",
			"unexpected `FROMM`", &excerpt{line: 1, column: 10},
		},
		"a grammar of several lines": {
			"error: \n  --> SQL:3:23\n  |\n1 | COPY INTO t\n  | ---- while parsing `COPY\n                INTO { [<database_name>.]<table_name> }\n" +
				"                FROM { @<stage_name>[/<path>]\n                    | '<uri>' }`\n2 | FROM @s/p/\n3 | FILE_FORMAT = (TYPE = XML)\n" +
				"  |                       ^^^ unexpected `XML`\n", "unexpected `XML`", &excerpt{line: 3, column: 23},
		},
		"a label below its carets": {
			"error: \n  --> SQL:1:16\n  |\n1 | EXPLAIN SYNTAX COPY INTO t\n  | -------        ^^^^\n  | |              |\n" +
				"  | |              OnError must one of {{ CONTINUE | ABORT }}\n  | |              while parsing `COPY\n" +
				"                INTO { t }\n                [ copyOptions ]`\n  | while parsing `EXPLAIN <statement>`\n",
			"OnError must one of {{ CONTINUE | ABORT }}", &excerpt{line: 1, column: 16},
		},
		"long label": {
			"error: \n  --> SQL:12:3\n   |\n11 | SELECT\n12 |   a b\n   |     ^ first\n   |       second\n\n", "first second", &excerpt{line: 12, column: 3},
		},
		"several lines": {
			"error: \n  --> SQL:1:1\n  |\n1 | / SELECT a\n2 | | FROM t\n  | |______^ no such thing\n", "no such thing", &excerpt{line: 1, column: 1},
		},
		"source with a pipe and a caret": {
			"error: \n  --> SQL:1:8\n  |\n1 | SELECT 'secret | ^^^ secret' x y\n  |        ^^^ bad\n", "bad", &excerpt{line: 1, column: 8},
		},
		"words around it": {"error: cannot do this\n  --> SQL:1:1\n  |\n1 | x\n  | ^ here\n\nsee the docs.", "cannot do this here see the docs", &excerpt{line: 1, column: 1}},
		"no words":        {"error: \n  --> SQL:1:1\n  |\n1 | x\n  | ^\n", "the statement is wrong here", &excerpt{line: 1, column: 1}},
	} {
		message, at := readMessage(tt.raw)
		if at != nil {
			at.source = "" // TestExcerptOfValues
		}
		if message != tt.message || !cmp.Equal(at, tt.at, cmp.AllowUnexported(excerpt{})) {
			t.Errorf("%s: got %q at %v, want %q at %v", name, message, at, tt.message, tt.at)
		}
	}
}

func TestCulprit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code         int
		message, sql string
		want         string // what stands at the place; "" for none
	}{
		{1025, `Unknown table "default"."db".nowhere`, "SELECT 1 FROM db.nowhere", "nowhere"},
		{1025, "Unknown table 'NoWhere'", "SELECT 1 FROM nowhere", "nowhere"},
		{1025, "Unknown table `a`.`b`", "SELECT 1 FROM a.b", "b"},
		{1025, "Unknown table t", "SELECT t.a FROM t", ""}, // twice: it might be the other
		{1003, "Unknown database 'db'", "USE db", "db"},
		{1065, "column x doesn't exist, do you mean 'y'?", "SELECT x FROM t", "x"},
		{2501, "Stage 'st' does not exist", "LIST @st/a", "st/a"},
		{2510, "Connection 'con' does not exist", "DROP CONNECTION con", "con"},
		{2508, `Unsupported options for Parquet:  {"skip_header": "1"}`, "COPY INTO t FROM @s FILE_FORMAT = (TYPE = PARQUET, SKIP_HEADER = 1)", "SKIP_HEADER"},
		{4000, "invalid input parameter (connection params invalid: expected [region,token], got [regin])", "CREATE STAGE s URL = 's3://b/' CONNECTION = (REGIN = 'x')", "REGIN"},
		{1006, "Invalid CSV option value: ESCAPE is currently set to 'xx'. The valid values are", "COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV, ESCAPE = 'xx')", "ESCAPE"},
		{2508, "Unknown file format type 'EXCEL', must be one of ( CSV )", "COPY INTO t FROM @s FILE_FORMAT = (TYPE = 'EXCEL')", "EXCEL"},
		{2204, "Role 'nobody' does not exist", "GRANT ROLE nobody TO ROLE r", "nobody"},
		{2204, "Unknown RoleInfo 'nobody'(seq >= 0): update_role_with (while set role privileges)", "GRANT SELECT ON *.* TO ROLE nobody", "nobody"},
		{1008, "no function matches the given name: no_such", "CREATE VIEW v AS SELECT no_such(1)", "no_such(1)"},
		{1006, "Unknown table t", "SELECT 1 FROM t", ""},
		{1303, "Table columns count is not match, expect 2, input: 1", "INSERT INTO t (a, b) VALUES (f(1, 2), '('), -- c\n ('b'), (3)", "('b')"},
		{1303, "Table columns count is not match, expect 2, input: 3", "INSERT INTO t SELECT 1, 2, 3", ""},
		{1006, "invalid digit found in string while evaluating function `to_int32('c')` in expr `CAST('c' AS Int32 NULL)`", "INSERT INTO t VALUES ('a', 1), ('b', 'c')", "'c')"},
		{1006, "invalid digit found in string while evaluating function `to_int32('c')` in expr `CAST('c' AS Int32 NULL)`", "INSERT INTO t VALUES ('c', 1), ('b', 'c')", ""},
		{1025, "Unknown table 'gone'", "CALL p()", ""},
	} {
		offset, ok := culprit(tt.code, tt.message, tt.sql)
		if ok != (tt.want != "") || ok && !strings.HasPrefix(tt.sql[offset:], tt.want) {
			t.Errorf("%s in %s: got %d, %v; want %q", tt.message, tt.sql, offset, ok, tt.want)
		}
	}
}

// TestAdopted: the hint to adopt names the version of the file, which is not a migration's for an argument.
func TestAdopted(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"migrations/00012_a_b.sql": "`dbctl migrate baseline 12 --reason why`", "argument": "", "loads/t.sql": ""} {
		if got := hintAbout("{exists}", "", file); !strings.Contains(got, want) || want == "" && strings.Contains(got, "baseline") {
			t.Errorf("%s: got %q, want %q in it", file, got, want)
		}
	}
}

// TestExcerptOfValues: an excerpt of a row of VALUES counts from that row's start; where several rows are alike none is pointed at.
func TestExcerptOfValues(t *testing.T) {
	t.Parallel()
	const sql = "INSERT INTO t (a, b)\nVALUES (1, 'é'),\n       ('x', 2 +), (1, 1+), (1, 1+)"
	for raw, want := range map[string]string{
		"error: \n  --> SQL:1:9\n  |\n1 | ('x', 2 +)\n  |         ^ expecting an operand\n": "+), (1, 1+)",
		"error: \n  --> SQL:1:6\n  |\n1 | (1, 1+)\n  |      ^ expecting an operand\n":       "",
		"error: \n  --> SQL:2:8\n  |\n2 | VALUES (1, 'é'),\n  |        ^ something\n":       "(1, 'é')",
		"error: \n  --> SQL:1:1\n  |\n1 | / INSERT INTO t (a, b)\n2 | | x\n  | |_^ whole\n": "INSERT",
		"error: \n  --> SQL:0:3\n  |\n0 | x\n  | ^ whole\n":                                 "",
	} {
		_, at := readMessage(raw)
		out, ok := at.offset(sql)
		if ok != (want != "") || ok && !strings.HasPrefix(sql[out:], want) {
			t.Errorf("%s: got %q, %v, want %q", raw, sql[out:], ok, want)
		}
	}
}

// TestMissingSemicolon: two statements without a semicolon between them are the commonest mistake in a file of SQL.
func TestMissingSemicolon(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"CREATE TABLE x (a INT)\n  insert INTO x VALUES (1)": true, "CREATE TABLE x (\n  a INTO\n)": false, "INSERT INTO x INTO": false,
	} {
		at := strings.LastIndex(sql, "INTO")
		line := 1 + strings.Count(sql[:at], "\n")
		column := at - strings.LastIndexByte(sql[:at], '\n')
		raw := fmt.Sprintf("error: \n  --> SQL:%d:%d\n  |\n%d | x\n  | ^ unexpected `INTO`\n", line, column, line)
		s, st := &Server{}, Statement{SQL: sql, Place: sqltext.Place{Line: 7, Column: 1}}
		e, _ := errors.AsType[*Error](s.describe(s.coded(serverError{Code: CodeSyntax, Message: raw}), st, &spliced{sql: sql}))
		if got := strings.Contains(e.Advice, "if line 8 begins another statement"); got != want {
			t.Errorf("%s: got %q, want a word of a semicolon: %v", sql, e.Advice, want)
		}
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	const sql = `A {{ secret "X" }} B 'p{{ secret "Y" }}q' C`
	text, err := splice(Statement{SQL: sql, Secrets: secret.Set{"X": secret.New("a'much longer value than the placeholder"), "Y": secret.New("")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"A", "B", "'p", "q'", "C"} {
		if got, want := text.origin(strings.Index(text.sql, word)), strings.Index(sql, word); got != want {
			t.Errorf("%s: got %d, want %d", word, got, want)
		}
	}
	const copied = `COPY INTO t FROM 's3://b/' FILE_FORMAT = (TYPE = {{ secret "X" }}) BAD`
	led, err := splice(Statement{SQL: copied, Secrets: secret.Set{"X": secret.New("CSV")}}, &Store{Endpoint: "http://h", Secret: secret.New("s")})
	if err != nil || !strings.Contains(led.sql, "ENDPOINT_URL = 'http://h'") {
		t.Fatalf("led to the store: got %s, %v", led.sql, err)
	}
	for _, word := range []string{"COPY", "FILE", "BAD"} {
		if got, want := led.origin(strings.Index(led.sql, word)), strings.Index(copied, word); got != want {
			t.Errorf("%s behind an option of the store: got %d, want %d", word, got, want)
		}
	}
	if got, want := text.origin(strings.Index(text.sql, "much")), strings.Index(sql, "{{"); got != want {
		t.Errorf("inside the secret: got %d, want %d, the placeholder", got, want)
	}
}

// A key that is written by hand is in no Scrubber; the line that shows it is left out rather than shown with a wrong caret.
func TestCaretNeverShowsAKey(t *testing.T) {
	t.Parallel()
	s := &Server{}
	const sql = "CREATE CONNECTION c STORAGE_TYPE = 's3' SECRET_ACCESS_KEY = 'by-hand' BAD\n  ALSO BAD"
	for line, caret := range map[int]string{1: "", 2: "  ALSO BAD\n ^"} {
		at := "error: \n  --> SQL:" + map[int]string{1: "1:72", 2: "2:2"}[line] + "\n  |\n1 | x\n  | ^ near 'by-hand'\n"
		e, _ := errors.AsType[*Error](s.describe(s.coded(serverError{Code: 1005, Message: at}), Statement{SQL: sql, Place: sqltext.Place{Line: 1, Column: 1}}, &spliced{sql: sql}))
		if e.Line != line || e.Caret != caret || strings.Contains(e.Message+e.SQL, "by-hand") {
			t.Errorf("got %+v, want line %d and caret %q", e, line, caret)
		}
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{1005: "SyntaxException", 1025: "UnknownTable", 1402: "LicenseKeyInvalid", 2801: "UnknownVariable", 5100: "AuthenticateFailure", 7: ""} {
		if got := codes()[code].name; got != want {
			t.Errorf("%d: got %q, want %q", code, got, want)
		}
	}
	// Of what remains a statement meets none, or its message says all there is to say.
	none := []int{
		1000, 1004, 1016, 1020, 1030, 1035, 1036, 1037, 1038, 1042, 1044, 1045, 1047, 1052, 1057, 1064, 1067, 1068, 1072, 1076, 1082, 1101, 1102, 1103, 1107,
		1112, 1115, 1116, 1120, 1121, 1123, 1125, 1127, 1128, 1129, 1130, 1201, 1202, 1401, 1503, 1701, 1703, 1810, 1901, 1902, 1903, 1910, 2001, 2002, 2003,
		2005, 2011, 2016, 2209, 2213, 2303, 2307, 2310, 2313, 2314, 2315, 2316, 2317, 2318, 2322, 2323, 2325, 2328, 2401, 2402, 2404, 2405, 2407, 2408, 2409,
		2410, 2411, 2513, 2605, 2607, 2616, 2719, 2720, 2723, 2724, 2731, 2734, 2745, 2748, 2754, 2802, 2901, 2902, 2903, 3102, 3132, 3140, 3141, 3142, 3143,
		3144, 4012, 5002, 5102, 5103, 5104, 5112,
	}
	for _, code := range slices.Sorted(maps.Keys(codes())) {
		if c := codes()[code]; c.name == "" || (c.hint == "") != slices.Contains(none, code) {
			t.Errorf("%d %s: the hint is %q", code, c.name, c.hint)
		}
	}
	if got := hintFor(4000, "invalid input parameter (connection params invalid: expected [region], got [regin])"); !strings.Contains(got, "the option") {
		t.Errorf("got %q", got)
	}
	if got := hintFor(4000, "fail to get connection: UnknownConnection. Code: 2510, Text = x"); got != codes()[2510].hint {
		t.Errorf("got %q, want the hint of the error inside", got)
	}
	if at, ok := culprit(1006, `Table "d.t" does not have a column with name "price"`, "COPY INTO t (id, price) FROM @s"); !ok || at != 17 {
		t.Errorf("the column is at %d, %t", at, ok)
	}
	if got := hintFor(1006, `Table "d.t" does not have a column with name "price"`); got != codes()[1058].hint {
		t.Errorf("got %q, want the hint of an unknown column", got)
	}
	err := error(&Error{Kind: "UnknownTable", Code: 1025, Name: "UnknownTable", Message: "no t", Place: sqltext.Place{File: "f.sql", Line: 3, Column: 4}})
	if got, want := err.Error(), "f.sql:3:4: no t (1025 UnknownTable)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !IsCode(err, 1003, 1025) || IsCode(err, 1003) || IsCode(nil, 0) || IsUnknownOutcome(err) || IsUnknownOutcome(nil) {
		t.Error("IsCode or IsUnknownOutcome is wrong")
	}
	if a, b := NewID(), NewID(); !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(a) || a == b {
		t.Errorf("got ids %s and %s", a, b)
	}
}

// TestHintsNameTheTable: a hint shows how to look at the table that the statement is about, in a command that a shell reads.
func TestHintsNameTheTable(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"CREATE VIEW v AS SELECT total FROM orders":    "`dbctl sql 'DESC default.orders'` lists the columns",
		"ALTER TABLE orders ADD COLUMN a INT":          "`dbctl sql 'DESC default.orders'` lists the columns",
		"INSERT INTO shop.\"Or ders\" VALUES (1, 'x')": "`dbctl sql 'DESC `shop`.`Or ders`'` lists the columns",
		"SELECT nope()": "`dbctl sql 'SHOW TABLES'` lists the tables",
	} {
		if got := hintAbout("{columns}", tableOf(sql, "default"), ""); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
	for code, c := range codes() {
		if got := hintAbout(c.hint, "t", ""); strings.ContainsAny(got, "{}") {
			t.Errorf("%d: %s", code, got)
		}
	}
}

// TestHintOfDrop: nothing has to be made so that it can be dropped.
func TestHintOfDrop(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"DROP STAGE s": true, "DROP TABLE t": true, "drop role r": true,
		"ALTER TABLE t DROP COLUMN a": false, "CREATE TABLE t (a INT)": false, "SELECT 1": false, "REVOKE ROLE r FROM u": false,
	} {
		if got := drops(sql); got != want {
			t.Errorf("drops(%s): got %v, want %v", sql, got, want)
		}
	}
	for code, c := range codes() {
		if got := hintOfDrop(c.hint); strings.HasPrefix(c.name, "Unknown") && strings.Contains(got, "create the") {
			t.Errorf("%d: %s", code, got)
		}
	}
	want := "it is not there: say IF EXISTS, or check its name: `dbctl sql 'SHOW STAGES'` lists them"
	if got := hintOfDrop(codes()[2501].hint); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
