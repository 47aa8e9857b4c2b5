package sqltext

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFile(t *testing.T) {
	t.Parallel()
	src := "\ufeff-- a migration\r\n-- dbctl: allow=irreversible \"drops a stage\"\r\n--+goose up\r\n-- +goose no transaction\r\nSELECT 1;\r\n" +
		"-- +goose StatementBegin\r\nSELECT 2; SELECT 3;\r\n-- +goose StatementEnd\r\n--   +goose   DOWN  \r\nSELECT '{{ var \"it's\" }}'\r\n"
	f, err := ParseFile(src)
	if err != nil {
		t.Fatal(err)
	}
	up := "-- +goose no transaction\r\nSELECT 1;\r\n-- +goose StatementBegin\r\nSELECT 2; SELECT 3;\r\n-- +goose StatementEnd\r\n"
	down := "SELECT '{{ var \"it's\" }}'\r\n"
	want := File{
		Up:      Part{Text: up, Start: strings.Index(src, up)},
		Down:    Part{Text: down, Start: strings.Index(src, down)},
		HasDown: true,
		Headers: []Header{{Key: "allow", Value: "irreversible", Why: "drops a stage", Pos: PosAt(src, strings.Index(src, "-- dbctl"))}},
	}
	if diff := cmp.Diff(f, want); diff != "" {
		t.Errorf("ParseFile (-got +want):\n%s", diff)
	}
	statements, err := SplitSection(f.Up.Text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(texts(statements), []string{"SELECT 1", "SELECT 2; SELECT 3"}); diff != "" {
		t.Errorf("SplitSection (-got +want):\n%s", diff)
	}
	for _, s := range statements {
		if f.Up.Text[s.Start:s.End] != s.Text {
			t.Errorf("span %d:%d is not %q", s.Start, s.End, s.Text)
		}
	}
}

func TestParseFileErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		src, msg string
		line     int
	}{
		{"", "no -- +goose Up", 1},
		{"SELECT 1;", "no -- +goose Up", 1},
		{"-- a\n-- +goose Down\n", "-- +goose Down before -- +goose Up", 2},
		{"-- +goose Up\n-- +goose Up\n", "second -- +goose Up", 2},
		{"-- +goose Up\n-- +goose Down\n-- +goose Down\n", "second -- +goose Down", 3},
		{"-- +goose Up\n-- +goose Down\n-- +goose Up\n", "second -- +goose Up", 3},
		{"SELECT 1;\n-- +goose Up\n", "text before -- +goose Up", 1},
		{"-- +goose Up\n -- +goose Down\n", "-- +goose does not start in column 1", 2},
		{"-- +goose Up\n-- +goose Sideways\n", "unknown annotation “-- +goose Sideways”", 2},
		{"-- +goose Up\n-- see +goose docs\n", "unknown annotation “-- see +goose docs”", 2},
		{"-- +goose Up\n-- +GOOSE Down\n", "annotation is not written +goose in lower case, so that goose takes it for a comment", 2},
		{"-- +goose Up\rSELECT 1;\r-- +goose Down\r", "lines end in CR alone", 1},
		{"-- +goose Up\n-- +goose\n", "unknown annotation “-- +goose”", 2},
		{"-- +goose Up\n-- +goose ENVSUB ON\n", "-- +goose ENVSUB ON is not supported", 2},
		{"-- +goose StatementBegin\n-- +goose Up\n", "-- +goose StatementBegin before -- +goose Up", 1},
		{"-- +goose Up\n-- +goose StatementEnd\n", "-- +goose StatementEnd without StatementBegin", 2},
		{"-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementBegin\n", "nested -- +goose StatementBegin", 3},
		{"-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose Down\n", "-- +goose StatementBegin without StatementEnd", 2},
		{"-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n", "-- +goose StatementBegin without StatementEnd", 2},
		{"-- +goose Up\nSELECT '\n-- +goose Down\n';\n", "goose takes this line for an annotation, but it stands inside a string, where Databend takes it for text", 3},
		{"-- +goose Up\n/*\n-- +goose Down\n*/\n", "goose takes this line for an annotation, but it stands inside a block comment, where Databend takes it for text", 3},
		{"-- +goose Up\nAS $$\n  -- +goose Down\n$$\n", "goose takes this line for an annotation, but it stands inside $$…$$, where Databend takes it for text", 3},
		{"-- +goose Up\nSELECT 'a\n", "string is not closed", 2},
		{"-- +goose Up\n  -- dbctl: adopt\n", "-- dbctl: does not start in column 1", 2},
	}
	for _, test := range tests {
		_, err := ParseFile(test.src)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("ParseFile(%q): got error %v, want *Error", test.src, err)
			continue
		}
		if e.Msg != test.msg || e.Pos.Line != test.line {
			t.Errorf("ParseFile(%q): got line %d: %s, want line %d: %s", test.src, e.Pos.Line, e.Msg, test.line, test.msg)
		}
		if e.Hint == "" {
			t.Errorf("ParseFile(%q): no hint", test.src)
		}
	}
}

func TestParseFileAccepts(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"-- +goose Up",
		"-- +goose NO TRANSACTION\n-- +goose ENVSUB OFF\n-- +goose Up\n",
		"{{- /* it's about ''' */ -}}\n-- +goose Up\n",
		"-- +goose Up\nSELECT 1; -- +goose Down\n",
		"-- +goose Up\nSELECT 'a +goose Down';\n",
		"-- +goose Up\nLIST @{{ var \"stage\" }}/*.csv;\nSELECT {{ quote \"it's\" }};\n",
	} {
		if f, err := ParseFile(src); err != nil || f.HasDown {
			t.Errorf("ParseFile(%q): got down %v, error %v", src, f.HasDown, err)
		}
	}
}

func TestSplitSectionErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ src, msg string }{
		{"SELECT 1\n-- +goose StatementBegin\nSELECT 2;\n-- +goose StatementEnd\n", "statement before -- +goose StatementBegin is not finished"},
		{"SELECT 1;\n-- +goose Down\n", "-- +goose Down inside a section"},
		{"-- +goose StatementBegin\n", "-- +goose StatementBegin without StatementEnd"},
		{"-- +goose NO TRANSACTION\n-- +goose StatementEnd\n", "-- +goose StatementEnd without StatementBegin"},
	}
	for _, test := range tests {
		_, err := SplitSection(test.src)
		if err == nil || err.Error() != test.msg {
			t.Errorf("SplitSection(%q): got error %v, want %s", test.src, err, test.msg)
		}
	}
	got, err := SplitSection("-- +goose StatementBegin\n-- c\n\n-- +goose StatementEnd\nSELECT 1 -- no semicolon\n")
	if diff := cmp.Diff(texts(got), []string{"SELECT 1"}); err != nil || diff != "" {
		t.Errorf("SplitSection: error %v (-got +want):\n%s", err, diff)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	type header struct{ Key, Value, Why string }
	tests := []struct {
		line string
		want header
	}{
		{`-- dbctl: allow=irreversible "why"`, header{"allow", "irreversible", "why"}},
		{`--dbctl:allow=out-of-order   "a \"quoted\" reason"  `, header{"allow", "out-of-order", `a "quoted" reason`}},
		{`-- dbctl: adopt "it is ours"`, header{"adopt", "", "it is ours"}},
		{`-- dbctl: adopt`, header{"adopt", "", ""}},
		{`-- dbctl: optional=a,b, c`, header{"optional", "a,b, c", ""}},
		{`-- dbctl: rule=no-select-star:warn "legacy"`, header{"rule", "no-select-star:warn", "legacy"}},
		{`-- dbctl: window=capture_date=%Y-%m-%d 7d`, header{"window", "capture_date=%Y-%m-%d 7d", ""}},
		{`-- dbctl: pattern=.*[.]parquet$ "only parquet"`, header{"pattern", ".*[.]parquet$", "only parquet"}},
		{"-- dbctl: empty=ok\r", header{"empty", "ok", ""}},
	}
	for _, test := range tests {
		got, err := Headers("SELECT 1;\n" + test.line + "\nSELECT '\n-- dbctl: not=one\n';")
		if err != nil || len(got) != 1 {
			t.Errorf("Headers(%q): got %v, error %v", test.line, got, err)
			continue
		}
		if diff := cmp.Diff(header{got[0].Key, got[0].Value, got[0].Why}, test.want); diff != "" {
			t.Errorf("Headers(%q) (-got +want):\n%s", test.line, diff)
		}
		if got[0].Pos.Line != 2 || got[0].Pos.Column != 1 {
			t.Errorf("Headers(%q): got place %v", test.line, got[0].Pos)
		}
	}
	for _, line := range []string{
		"-- DBCTL: adopt", "-- dbctl : adopt", "-- dbctl empty=ok", "/* dbctl: adopt */",
		"-- dbctl:", "-- dbctl: =x", "-- dbctl: allow=", `-- dbctl: allow= "why"`, "-- dbctl: allow=irreversible because", "-- dbctl: adopt it",
		`-- dbctl: adopt "why`, `-- dbctl: adopt why"`, `-- dbctl: adopt ""`, `-- dbctl: adopt "a" "b"`, `-- dbctl: adopt "a" b`, " -- dbctl: adopt", "SELECT 1; -- dbctl: adopt", "-- dbctl: allow =irreversible",
	} {
		var e *Error
		if got, err := Headers(line); !errors.As(err, &e) {
			t.Errorf("Headers(%q): got %+v, %v, want *Error", line, got, err)
		}
	}
}
