package sqltext

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var kindNames = map[Kind]string{
	Space: "space", Comment: "comment", Hint: "hint", Word: "word", Quoted: "quoted", String: "string", Code: "code", At: "at",
	Number: "number", Variable: "variable", Symbol: "symbol", Semicolon: "semicolon", Secret: "secret", Template: "template", Other: "other",
}

func tokenList(t *testing.T, src string) []string {
	t.Helper()
	tokens, err := Scan(src)
	if err != nil {
		t.Fatalf("Scan(%q): %v", src, err)
	}
	var list []string
	for _, k := range tokens {
		if k.Kind != Space {
			list = append(list, kindNames[k.Kind]+" "+src[k.Start:k.End])
		}
	}
	return list
}

func TestScan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		src  string
		want []string
	}{
		{`'a''b\'c' 'd\\'`, []string{`string 'a''b\'c'`, `string 'd\\'`}},
		{"`a;b` \"c\"\"d\\\"e\"", []string{"quoted `a;b`", `quoted "c""d\"e"`}},
		{"-- it's\nx", []string{"comment -- it's", "word x"}},
		{"--a\r\nx --b", []string{"comment --a\r", "word x", "comment --b"}},
		{"/* /* */ x", []string{"comment /* /* */", "word x"}},
		{"SELECT /*+ SET_VAR(a='*/') */ 1", []string{"word SELECT", "hint /*+ SET_VAR(a='*/') */", "number 1"}},
		{"$$ ; $1 ' $$ $x $12 a$b$$c", []string{"code $$ ; $1 ' $$", "variable $x", "variable $12", "word a$b$$c"}},
		{"@s/a--b/*c,@~ @'x' @s/d\\ e\\'f;", []string{"at @s/a--b/*c", "symbol ,", "at @~", "symbol @", "string 'x'", `at @s/d\ e\'f`, "semicolon ;"}},
		{"a @> b @>1", []string{"word a", "symbol @>", "word b", "at @>1"}},
		{"1_000 1.5e-3 .5 0xFFg x'1f' x'zz' 1e5 2e", []string{
			"number 1_000", "number 1.5e-3", "number .5", "number 0xFF", "word g", "number x'1f'", "word x", "string 'zz'", "number 1e5", "number 2", "word e",
		}},
		{"a->>'b'::c#>>d<=>e", []string{"word a", "symbol ->>", "string 'b'", "symbol ::", "word c", "symbol #>>", "word d", "symbol <=>", "word e"}},
		// The engine takes ||/ for the cube root, so that no comment opens here.
		{"a||/* b", []string{"word a", "symbol ||/", "symbol *", "word b"}},
		{"ключ 表1 é_2", []string{"word ключ", "word 表1", "word é_2"}},
		{"’ €", []string{"other ’", "other €"}},
		{`k = {{ secret "A_B" }} '{{ secret "C" }}' {{secret "D"}}`, []string{
			"word k", "symbol =", `secret {{ secret "A_B" }}`, `string '{{ secret "C" }}'`, "symbol {", "symbol {", "word secret", `quoted "D"`, "symbol }", "symbol }",
		}},
		{`{"a;b":1}`, []string{"symbol {", `quoted "a;b"`, "symbol :", "number 1", "symbol }"}},
		{"\ufeffx \ufeff", []string{"word x", "other \ufeff"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(tokenList(t, test.src), test.want); diff != "" {
			t.Errorf("Scan(%q) (-got +want):\n%s", test.src, diff)
		}
	}
}

func TestScanErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		src, msg     string
		line, column int
	}{
		{"SELECT 1;\n  é 'abc", "string is not closed", 2, 5},
		{`'C:\'`, "string is not closed", 1, 1},
		{"x \"abc", "quoted identifier is not closed", 1, 3},
		{"x\n`abc", "quoted identifier is not closed", 2, 1},
		{"x /* a", "comment is not closed", 1, 3},
		{"SELECT /*+ a", "hint is not closed", 1, 8},
		{"AS $$ a $ b", "$$ is not closed", 1, 4},
		{"\ufeffx 'a", "string is not closed", 1, 3},
	}
	for _, test := range tests {
		_, err := Scan(test.src)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Scan(%q): got error %v, want *Error", test.src, err)
			continue
		}
		got := fmt.Sprintf("%d:%d %s", e.Pos.Line, e.Pos.Column, e.Msg)
		if want := fmt.Sprintf("%d:%d %s", test.line, test.column, test.msg); got != want {
			t.Errorf("Scan(%q): got %s, want %s", test.src, got, want)
		}
		if e.Hint == "" {
			t.Errorf("Scan(%q): no hint", test.src)
		}
	}
}

func texts(statements []Statement) []string {
	var list []string
	for _, s := range statements {
		list = append(list, s.Text)
	}
	return list
}

func TestSplit(t *testing.T) {
	t.Parallel()
	const (
		task = "CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE WHEN CAST(x AS INT) > 1 AS BEGIN\n  BEGIN;\n  INSERT INTO a SELECT CASE WHEN b THEN 1 ELSE 2 END;\n  COMMIT;\nEND"
		proc = "CREATE OR REPLACE PROCEDURE p(x INT) RETURNS INT LANGUAGE SQL AS DECLARE a INT DEFAULT 1; BEGIN IF x > 1 THEN RETURN 1; ELSEIF x = 0 THEN BEGIN RETURN 3; END; ELSE RETURN 2; END IF; " +
			"FOR i IN 1 TO 2 DO WHILE a < 3 DO a := a + 1; END WHILE; END FOR l; LOOP BREAK; END LOOP; REPEAT a := 1; UNTIL CASE a WHEN 1 THEN TRUE END END REPEAT; " +
			"CASE a WHEN 1 THEN RETURN 1; ELSE RETURN CASE WHEN a THEN 1 END; END CASE; END"
	)
	tests := []struct {
		src  string
		want []string
	}{
		{"", nil},
		{" ;; -- a\n/* b */;", nil},
		{"SELECT 1", []string{"SELECT 1"}},
		{"-- a\nSELECT 1 -- b\n; /* c; */ SELECT /* d; */ 2 -- e", []string{"SELECT 1", "SELECT /* d; */ 2"}},
		{"/*+ x; */ SELECT /*+ y; */ 1; /*+ only */;", []string{"SELECT /*+ y; */ 1"}},
		{"\ufeffSELECT ';';\r\nSELECT \";\";\r\n", []string{"SELECT ';'", "SELECT \";\""}},
		{"COPY INTO t FROM @s/a FILE_FORMAT = (TYPE = CSV FIELD_DELIMITER = ';'); LIST @~;", []string{
			"COPY INTO t FROM @s/a FILE_FORMAT = (TYPE = CSV FIELD_DELIMITER = ';')", "LIST @~",
		}},
		{`SELECT {"a;b":1}; SELECT '\';'`, []string{`SELECT {"a;b":1}`, `SELECT '\';'`}},
		{"BEGIN; INSERT INTO t VALUES (1); COMMIT; BEGIN TRANSACTION; ROLLBACK", []string{"BEGIN", "INSERT INTO t VALUES (1)", "COMMIT", "BEGIN TRANSACTION", "ROLLBACK"}},
		{"EXECUTE IMMEDIATE $$ BEGIN SELECT 1; END; $$; SELECT 2", []string{"EXECUTE IMMEDIATE $$ BEGIN SELECT 1; END; $$", "SELECT 2"}},
		{task + ";\nSELECT 1;", []string{task, "SELECT 1"}},
		{"ALTER TASK t MODIFY AS BEGIN DELETE FROM a; END; SELECT 1", []string{"ALTER TASK t MODIFY AS BEGIN DELETE FROM a; END", "SELECT 1"}},
		{"CREATE TASK t AS BEGIN INSERT INTO a VALUES (1); CREATE TASK u AS BEGIN SELECT 1; END; END; SELECT 1", []string{
			"CREATE TASK t AS BEGIN INSERT INTO a VALUES (1); CREATE TASK u AS BEGIN SELECT 1; END; END", "SELECT 1",
		}},
		{"CREATE TASK t AS INSERT INTO a VALUES (1); SELECT 1", []string{"CREATE TASK t AS INSERT INTO a VALUES (1)", "SELECT 1"}},
		{proc + ";SELECT 1", []string{proc, "SELECT 1"}},
		{"BEGIN LET x := 1; RETURN x; END; SELECT 1", []string{"BEGIN LET x := 1; RETURN x; END", "SELECT 1"}},
		// Names that look like keywords of a body.
		{"SELECT a AS begin FROM t; SELECT 1 AS \"end\"; SELECT b.begin", []string{"SELECT a AS begin FROM t", "SELECT 1 AS \"end\"", "SELECT b.begin"}},
		{"CREATE TABLE task (a INT); CREATE VIEW v AS SELECT 1; SELECT 2", []string{"CREATE TABLE task (a INT)", "CREATE VIEW v AS SELECT 1", "SELECT 2"}},
	}
	for _, test := range tests {
		got, err := Split(test.src)
		if err != nil {
			t.Errorf("Split(%q): %v", test.src, err)
			continue
		}
		if diff := cmp.Diff(texts(got), test.want); diff != "" {
			t.Errorf("Split(%q) (-got +want):\n%s", test.src, diff)
		}
		for _, s := range got {
			if test.src[s.Start:s.End] != s.Text {
				t.Errorf("Split(%q): span %d:%d is not %q", test.src, s.Start, s.End, s.Text)
			}
		}
	}
}

func TestSplitErrors(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"SELECT 'a; SELECT 1", "CREATE TASK t AS BEGIN INSERT INTO a VALUES (1); SELECT 2;", "BEGIN INSERT INTO t VALUES (1); COMMIT;"} {
		var e *Error
		if _, err := Split(src); !errors.As(err, &e) {
			t.Errorf("Split(%q): got error %v, want *Error", src, err)
		}
	}
}

var splitSeeds = []string{
	"SELECT 1; -- a\nSELECT '\\';'; /*+ h; */ x", "CREATE TASK t AS BEGIN BEGIN; SELECT CASE WHEN 1 THEN 2 END; COMMIT; END; $$;$$ @s/a;b",
	"\ufeff`a` \"b\\\"\" {{ secret \"X\" }} '{{ secret \"Y\" }}' 1.5e3 x'ff' ||/* <@ $1", "BEGIN\nIF a THEN LOOP x; END LOOP; END IF; END;;é’\x80",
	"INSERT /*+ a' */ ' */ INTO t; -- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n",
}

func FuzzSplit(f *testing.F) {
	for _, s := range splitSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		tokens, err := Scan(src)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Pos.Offset > len(src) {
				t.Fatalf("Scan(%q): error %v", src, err)
			}
			return
		}
		at := 0
		for _, k := range tokens {
			if k.Start != at || k.End <= k.Start {
				t.Fatalf("Scan(%q): token %d:%d after offset %d", src, k.Start, k.End, at)
			}
			at = k.End
		}
		if at != len(src) {
			t.Fatalf("Scan(%q): tokens end at %d of %d", src, at, len(src))
		}
		statements, err := Split(src)
		if err != nil {
			return
		}
		for i, s := range statements {
			if src[s.Start:s.End] != s.Text || i > 0 && s.Start <= statements[i-1].End {
				t.Fatalf("Split(%q): statement %+v", src, s)
			}
			again, err := Split(s.Text)
			if err != nil || len(again) != 1 || again[0].Text != s.Text {
				t.Fatalf("Split(%q): got %q, %v, want itself", s.Text, texts(again), err)
			}
			Mask(s.Text)
		}
		_, _ = SplitSection(src)
		_, _ = ParseFile("-- +goose Up\n" + src)
		_, _ = Placeholders(src)
	})
}

// BenchmarkSplit shows that the time is linear: ns/byte is the same for every size.
func BenchmarkSplit(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		src := strings.Repeat("INSERT INTO t VALUES (1, 'a;b', \"c\", {'d': [1, 2]}); -- e\n", n*1000)
		b.Run(fmt.Sprintf("kstatements=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if _, err := Split(src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestCallsBare(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]bool{
		"now()": true, "concat('a', uuid( ))": true, "year(now())": true, "'()'": false, "concat('a', '()')": false, "1 + 1": false, "": false,
	} {
		if words, err := ReadWords(expr); err != nil || words.CallsBare() != want {
			t.Errorf("%s: got %v, %v, want %v", expr, words.CallsBare(), err, want)
		}
	}
}

// What a word processor or a web page made of quotes, dashes and blanks is told where it stands; names may have letters of any script.
func TestCharactersOfNoSQL(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"SELECT\u00a01":                     "1:7 U+00A0 is no character of SQL: write a blank in its place",
		"SELECT 1;\nSELECT ‘x’ AS ü":        "2:8 U+2018 '‘' is no character of SQL: write ' in its place",
		"SELECT “x”":                        "1:8 U+201C '“' is no character of SQL: write ' around a text, and \" around a name",
		"SELECT 1 – 2":                      "1:10 U+2013 '–' is no character of SQL: write - in its place",
		"SELECT 1 \ufeff":                   "1:10 U+FEFF is no character of SQL: write a blank in its place",
		"SELECT 1 → 2":                      "1:10 U+2192 '→' is no character of SQL: it may stand in quotes and in comments",
		"SELECT '‘' AS \"→\" -- “\n/* – */": "",
		"SELECT 日本 AS ä":                    "",
	} {
		_, err := Split(src)
		got := ""
		if e, ok := errors.AsType[*Error](err); ok {
			got = fmt.Sprintf("%d:%d %s: %s", e.Pos.Line, e.Pos.Column, e.Msg, e.Hint)
		}
		if got != want {
			t.Errorf("Split(%q): got %q, want %q", src, got, want)
		}
	}
}
