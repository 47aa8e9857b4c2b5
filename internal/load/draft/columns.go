package draft

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// column is one of a file's.
type column struct {
	name, typ string
	nullable  bool
}

// keyed reports whether a row of the files is one value, whose columns are its keys.
func (d *drafter) keyed() bool { return d.typ == "NDJSON" || d.typ == "AVRO" }

// columns asks for a file's columns. INFER_SCHEMA reads neither ORC nor Avro, nor NDJSON of mixed values (tried on 1.2.895): of those the
// first rows show them.
func (d *drafter) columns(ctx context.Context, file, format string) ([]column, error) {
	if d.typ == "ORC" || d.typ == "AVRO" {
		out, err := d.columnsOfRows(ctx, file, format)
		if err != nil {
			return nil, err
		}
		kinds, err := d.kinds(ctx, file, format)
		for i, c := range out {
			out[i].typ = cmp.Or(kinds[c.name], c.typ)
		}
		return out, err
	}
	res, err := d.p.Look.Query(ctx, databend.Statement{SQL: "SELECT column_name, type, nullable FROM INFER_SCHEMA(location=>" +
		d.j.At(file) + ", file_format=>" + sqltext.Quote(format) + ") ORDER BY order_id"})
	if err != nil && d.keyed() && databend.IsCode(err, databend.CodeInternal) { // a key whose values are of several types
		return d.columnsOfRows(ctx, file, format)
	}
	out := make([]column, len(res.Rows))
	for i, r := range res.Rows {
		out[i] = column{r[0].String, r[1].String, r.Bool(2)}
	}
	if err != nil || d.typ != "NDJSON" || !slices.ContainsFunc(out, func(c column) bool { return c.typ == "DOUBLE" }) {
		return out, err
	}
	rows, err := d.columnsOfRows(ctx, file, format) // INFER_SCHEMA knows no whole number of more than 63 bits
	for i, c := range out {
		if slices.Contains(rows, column{c.name, largeNumber, true}) {
			out[i].typ = largeNumber
		}
	}
	return out, err
}

// largeNumber takes the whole numbers that no BIGINT does. A DOUBLE would lose their last digits.
const largeNumber = "DECIMAL(38, 0)"

// rowsRead is how many rows of a file show its columns.
const rowsRead = 1000

func (d *drafter) columnsOfRows(ctx context.Context, file, format string) ([]column, error) {
	types := map[string]string{}
	sql := "SELECT $1 FROM " + d.j.At(file) + " (FILE_FORMAT=>" + sqltext.Quote(format) + ") LIMIT " + strconv.Itoa(rowsRead)
	_, err := d.p.Look.Each(ctx, databend.Statement{SQL: sql}, func(r databend.Row) error {
		var row map[string]json.RawMessage
		if err := json.Unmarshal([]byte(r[0].String), &row); err != nil {
			return fmt.Errorf("a row is no JSON object: %.40s; NDJSON has one object a line, as jq -c '.[]' makes of an array", r[0].String)
		}
		for name, value := range row {
			typ := typeOf(string(value))
			types[name] = widen(types[name], typ)
		}
		return nil
	})
	var out []column
	for name, typ := range types {
		out = append(out, column{name, cmp.Or(typ, "NULL"), true})
	}
	slices.SortFunc(out, func(a, b column) int { return strings.Compare(a.name, b.name) })
	return out, err
}

// kinds are the types of the columns that JSON has as texts, and the file does not: `$1:at::STRING` of a time in Avro is a text with quotes
// in it.
func (d *drafter) kinds(ctx context.Context, file, format string) (map[string]string, error) {
	res, err := d.p.Look.Query(ctx, databend.Statement{SQL: "SELECT f.key, max(json_typeof(f.value)) FROM (SELECT $1 AS line FROM " +
		d.j.At(file) + " (FILE_FORMAT=>" + sqltext.Quote(format) + ") LIMIT " + strconv.Itoa(rowsRead) + ") t, " +
		"LATERAL FLATTEN(INPUT => t.line) f WHERE json_typeof(f.value) <> 'NULL_VALUE' GROUP BY f.key " +
		"HAVING min(json_typeof(f.value)) = max(json_typeof(f.value)) AND max(json_typeof(f.value)) IN ('DATE', 'TIMESTAMP', 'BINARY')"})
	kinds := map[string]string{}
	for _, r := range res.Rows {
		kinds[r[0].String] = r[1].String
	}
	return kinds, err
}

// typeOf is the type of a value as JSON has it; "" for null.
func typeOf(value string) string {
	switch value[0] {
	case 'n':
		return ""
	case 't', 'f':
		return "BOOLEAN"
	case '"':
		return "STRING"
	case '{', '[':
		return "VARIANT"
	}
	if _, err := strconv.ParseInt(value, 10, 64); err == nil {
		return "BIGINT"
	}
	if digits := strings.TrimPrefix(value, "-"); len(digits) <= 38 && strings.Trim(digits, "0123456789") == "" {
		return largeNumber
	}
	return "DOUBLE"
}

// delimiter is what parts the fields of CSV files. Their lines are read as TSV, which takes quotes for letters.
func (d *drafter) delimiter(ctx context.Context) (string, error) {
	if d.typ != "CSV" {
		return ",", nil
	}
	raw := "TSV"
	if d.packed != "" {
		var err error
		if raw, err = d.makeFormat(ctx, "(TYPE = TSV, COMPRESSION = "+d.packed+")"); err != nil {
			return "", err
		}
	}
	sql := "SELECT $1, $2 FROM " + d.j.At(d.sample[0]) + " (FILE_FORMAT=>" + sqltext.Quote(raw) + ") LIMIT 20"
	res, err := d.p.Look.Query(ctx, databend.Statement{SQL: sql})
	if err != nil {
		return "", fault.Wrap(d.r.Name, "read the first lines of "+d.sample[0], err)
	}
	var text strings.Builder
	for _, row := range res.Rows {
		text.WriteString(row[0].String)
		if row[1].Valid {
			text.WriteString("\t")
		}
		text.WriteString("\n")
	}
	return delimiterOf(text.String()), nil
}

// delimiterOf is what parts the fields of a CSV text: what stands outside quotes as often in each line as in the first; else
// what stands most often in the first; else a comma.
func delimiterOf(text string) string {
	best, most, even := ",", 0, false
	for _, by := range []byte(",;\t|") {
		var counts []int
		count, quoted := 0, false
		for i := range len(text) {
			switch c := text[i]; {
			case c == '"':
				quoted = !quoted
			case quoted:
			case c == by:
				count++
			case c == '\n':
				counts, count = append(counts, count), 0
			}
		}
		if len(counts) == 0 {
			continue // a quote that is never closed
		}
		same := !slices.ContainsFunc(counts, func(n int) bool { return n != counts[0] })
		if counts[0] > 0 && (same && !even || same == even && counts[0] > most) {
			best, most, even = string(by), counts[0], same
		}
	}
	return best
}

// header reports whether the first line of the text files names columns: words, each once.
func (d *drafter) header(ctx context.Context, format string) (bool, error) {
	res, err := d.p.Look.Query(ctx, databend.Statement{SQL: "SELECT column_name FROM INFER_SCHEMA(location=>" +
		d.j.At(d.sample[0]) + ", file_format=>" + sqltext.Quote(format) + ")"})
	if err != nil || len(res.Rows) == 0 {
		return false, fault.Wrap(d.r.Name, "read the columns of "+d.sample[0], err)
	}
	items := make([]string, len(res.Rows))
	for i := range items {
		items[i] = fmt.Sprintf("$%d", i+1)
	}
	res, err = d.p.Look.Query(ctx, databend.Statement{SQL: "SELECT " + strings.Join(items, ", ") + " FROM " +
		d.j.At(d.sample[0]) + " (FILE_FORMAT=>" + sqltext.Quote(format) + ") LIMIT 2"})
	if err != nil || len(res.Rows) == 0 {
		return false, fault.Wrap(d.r.Name, "read the first line of "+d.sample[0], err)
	}
	columns := len(res.Rows[0])
	words, names := columnWords(res.Rows[0])
	switch {
	case names < columns && words > columns/2:
		d.note("the first line of %s is read as data; if it names the columns, put SKIP_HEADER = 1 into FILE_FORMAT", d.sample[0])
	case names == columns && len(res.Rows) > 1:
		if below, _ := columnWords(res.Rows[1]); below == columns {
			d.note("the first line of %s is read as the names of the columns; if it is data, take SKIP_HEADER out of FILE_FORMAT", d.sample[0])
		}
	}
	return names == columns, nil
}

// columnWords counts the fields of a line that may be names of columns, and the names without those that stand there again.
func columnWords(line databend.Row) (words, names int) {
	seen := map[string]bool{}
	for _, c := range line {
		if columnWord.MatchString(c.String) {
			words++
			seen[strings.ToLower(c.String)] = true
		}
	}
	return words, len(seen)
}

// columnWord is a short text that begins with a letter, such as "Weight, g" or "price (€)", and is no address, URL or key with a value.
var columnWord = regexp.MustCompile(`^[\pL_][^@:={}<>\\\n]{0,62}$`)

// pattern is the header that the load needs for its files where their names are not those of its type; "" for none.
func (d *drafter) pattern() string {
	written, err := d.p.Source(project.Load{Name: d.r.Name}, d.r.copyText("t", "", d.format))
	if err != nil || written.Files != nil {
		return ""
	}
	own, err := regexp.Compile("^(?:" + written.Pattern + ")$")
	if err != nil {
		return ""
	}
	var endings []string
	for _, f := range d.files {
		rest := strings.TrimPrefix(f, written.Prefix)
		if rest == "" || own.MatchString(rest) {
			continue
		}
		plain, _ := source.Unpacked(f)
		if path.Ext(plain) == "" {
			return ".*"
		}
		endings = append(endings, regexp.QuoteMeta(f[len(plain)-len(path.Ext(plain))+1:]))
	}
	if len(endings) == 0 {
		return ""
	}
	slices.Sort(endings)
	return ".*[.](" + strings.Join(slices.Compact(endings), "|") + ")"
}
