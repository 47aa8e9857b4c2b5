package sqltext_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// TestEngineReadsLiterals sends values as literals and reads them back.
func TestEngineReadsLiterals(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	values := []string{"", "a'b\\c\"d\n\r\t\x00\x01\x1f\x7f", `\n\x41\101\u0041\d`, "''", "é漢🎉\u2028", "$$;--/* */{{ }}", "%s?`", `'); DROP TABLE t; --`}
	for i := range 256 {
		values = append(values, string(rune(i)))
	}
	var list []string
	for _, v := range values {
		const sql = `hex({{ secret "V" }}), hex('<{{ secret "V" }}>')`
		edits, err := sqltext.Splice(sql, nil, func(string) (string, error) { return v, nil })
		spliced := sqltext.Apply(sql, edits)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, spliced)
	}
	row := env.SQL(t, "SELECT "+strings.Join(list, ", "))[0]
	for i, v := range values {
		if want := fmt.Sprintf("%X", v); !strings.EqualFold(row[2*i], want) {
			t.Errorf("bare literal of %q: engine reads %s, want %s", v, row[2*i], want)
		}
		if want := fmt.Sprintf("3C%X3E", v); !strings.EqualFold(row[2*i+1], want) {
			t.Errorf("literal of %q inside a string: engine reads %s, want %s", v, row[2*i+1], want)
		}
	}
}

// TestEngineUnquotes compares Unquote with the engine on literals as people write them.
func TestEngineUnquotes(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	literals := []string{`'a''b'`, `'\b\f\n\r\t\'\"\\'`, `'\u00e9\x41\101\0'`, `'\d\%\_'`, `$$a'\n$$`, `'x\7y'`}
	for i, row := range env.SQL(t, "SELECT hex("+strings.Join(literals, "), hex(")+")")[0] {
		value, err := sqltext.Unquote(literals[i])
		if want := fmt.Sprintf("%X", value); err != nil || !strings.EqualFold(row, want) {
			t.Errorf("Unquote(%s): got %s, %v, engine reads %s", literals[i], want, err, row)
		}
	}
}
