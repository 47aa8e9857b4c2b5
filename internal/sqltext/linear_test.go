package sqltext_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// TestTimeGrowsWithLength: a text of megabytes, whatever it repeats, is read at once. Read in a time that grows with the square of its
// length it would take longer than this waits, on any machine.
func TestTimeGrowsWithLength(t *testing.T) {
	t.Parallel()
	readers := map[string]func(string){
		"ParseFile": func(s string) { _, _ = sqltext.ParseFile("-- +goose Up\n" + s) }, "Headers": func(s string) { _, _ = sqltext.Headers(s) },
		"SplitSection": func(s string) { _, _ = sqltext.SplitSection(s) }, "Split": func(s string) { _, _ = sqltext.Split(s) },
		"Placeholders": func(s string) { _, _ = sqltext.Placeholders(s) }, "Mask": func(s string) { sqltext.Mask(s) },
		"Store": func(s string) { sqltext.Store{Endpoint: "http://x"}.Edits(s) }, "Analyze": func(s string) { effect.Analyze(s, "d") },
		"Again": func(s string) { effect.Again(s) }, "Buckets": func(s string) { sqltext.Buckets(s) },
		"COPY": func(s string) { _, _ = copytext.Parse(s) }, "ValueRows": func(s string) { sqltext.ValueRows("INSERT INTO t VALUES " + s) },
	}
	starts := []string{
		"", "SELECT ", "WITH a AS (", "CREATE TABLE t (", "CREATE VIEW v AS SELECT ", "COPY INTO t FROM (SELECT ", "INSERT INTO t VALUES ", "MERGE INTO t USING ",
		"ALTER TABLE t ", "CREATE TASK x AS ", "CREATE STAGE s ", "GRANT ", "-- dbctl: ", "INSERT ALL ", "EXPLAIN ", "'", "/*", "$$",
	}
	units := []string{
		"SETTINGS (", "SETTINGS (a=1", "SETTINGS (a=1) ", "(", "[", "{", "()", "(a,", "WITH a AS (", "WITH a AS (SELECT 1) ", "CASE WHEN ", "END ", "BEGIN ", "SELECT * FROM (", "FROM a AT (",
		"'a' ", "''", "\\", "\"a\" ", "$$a$$ ", "$$'", "/* */", "/*+ ", "/*+ SET_VAR(a=1) */ ", "--\n", ";", "a,", "a.", "a INT,", "@a ", "x'", "1e",
		"{{", "{{ secret \"A\" }} ", "{{ secret \"", "'{{ secret \"A\" }}' ", "{{/*", "{{/*\n", "-- dbctl: a\n", "-- dbctl: lint-ignore=a \"b\"\n", "-- +goose StatementBegin\n",
		"a='x' ", "password=", "password='", "IDENTIFIED BY ", "http://", "a://b", "https://a/webhooks/", "&sig=", "HEADERS = (", "ARRAY(TUPLE(", "x -> (", "ADD COLUMN a# INT,",
		"FROM t#, ", "t#,", "INTO t# ", "JOIN t# ", "@s#/ ", "'s3://b#/' ", "nextval(s#) ", "WITH c# AS (SELECT 1), ", "a# INT,", "EXPLAIN ANALYZE ", "p#,",
	}
	ends := func(name, start, unit string, size int) {
		text := start + repeated(unit, size)
		done := make(chan struct{})
		go func() { defer close(done); readers[name](text) }()
		select {
		case <-done:
		case <-time.After(2 * time.Minute):
			t.Fatalf("%s: %q and then %q for %d MB: it does not end", name, start, unit, size>>20)
		}
	}
	for _, found := range [][3]string{ // those that did not end
		{"Analyze", "", "SETTINGS ("},
		{"Analyze", "SELECT ", "WITH a AS ("},
		{"Analyze", "GRANT ", "SETTINGS (a=1) "},
		{"Analyze", "SELECT ", "FROM t#, "},
		{"Again", "CREATE TABLE t (", "SETTINGS ("},
		{"Headers", "", "{{"},
		{"ParseFile", "", "{{ secret \""},
		{"ParseFile", "", "{{/*\n"},
		{"ParseFile", "'", "{{ "},
		{"Buckets", "LIST ", "'s3://b#/' "},
	} {
		ends(found[0], found[1], found[2], 4<<20)
	}
	if !databendtest.Full() {
		return
	}
	for _, unit := range units {
		for _, start := range starts {
			for name := range readers {
				ends(name, start, unit, 1<<20)
			}
		}
	}
}

// repeated is a unit again and again, its # each time another number.
func repeated(unit string, size int) string {
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		b.WriteString(strings.ReplaceAll(unit, "#", strconv.Itoa(n)))
	}
	return b.String()
}
