package inspect

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/sqltext/define"
)

// check is a condition on a row of a file that makes it bad.
type check struct {
	column string
	sql    string         // the column, or what stands in its place
	loose  bool           // sql is made of an expression, and may not bind
	unsure bool           // see finding
	bad    string         // SQL; true for a bad row
	value  string         // SQL of the value shown
	detail string         // SQL of what stands for {} in reason; may be empty
	reason string         // in words, behind "column = value"
	from   *regexp.Regexp // the file's types that it is about; nil all
	warns  bool           // see finding
}

// examine runs checks over files of one schema in one query, or, where one of them does not bind, check by check; then it asks for
// the first bad row of each file. It returns for each file all that is worth a warning, or the first that is worse.
func (r *Inspector) examine(ctx context.Context, files []plan.File, missing []string, checks []check) (map[string][]Finding, error) {
	checks = slices.DeleteFunc(slices.Clone(checks), func(c check) bool { return slices.Contains(missing, c.column) })
	if len(checks) == 0 || len(files) == 0 {
		return nil, nil
	}
	if err := r.format(ctx); err != nil || r.Load.Untold() != "" {
		return nil, err
	}
	types, err := r.types(ctx, files[0], checks)
	if err != nil {
		return nil, err
	}
	checks = slices.DeleteFunc(checks, func(c check) bool { return c.from != nil && !c.from.MatchString(types[c.sql]) })
	if len(checks) == 0 {
		return nil, nil
	}
	hits, err := r.count(ctx, files, checks)
	if err != nil && fault.IsRefusal(err) {
		hits = make([][]string, len(checks))
		for i, c := range checks {
			if hits[i], err = r.countEach(ctx, files, c); err != nil {
				return nil, err
			}
		}
	}
	if err != nil {
		return nil, err
	}
	out := map[string][]Finding{}
	for i, c := range checks {
		bad := slices.DeleteFunc(hits[i], func(path string) bool {
			f := out[path]
			return len(f) > 0 && !f[len(f)-1].warns
		})
		if len(bad) == 0 {
			continue
		}
		found, err := r.firstBad(ctx, bad, c)
		if err != nil {
			return nil, err
		}
		for path, f := range found {
			if !c.warns {
				out[path] = nil
			}
			out[path] = append(out[path], f)
		}
	}
	return out, nil
}

// count returns for each check the files with rows that it finds bad.
func (r *Inspector) count(ctx context.Context, files []plan.File, checks []check) ([][]string, error) {
	var list, any []string
	for i, c := range checks {
		list = append(list, fmt.Sprintf("count_if(%s) AS bad%d", c.bad, i))
		any = append(any, fmt.Sprintf("bad%d>0", i))
	}
	out := make([][]string, len(checks))
	listed, asked := asListed(plan.Paths(files)), strings.Join(list, ", ")
	_, err := r.Work.Each(ctx, databend.Statement{SQL: "SELECT metadata$filename, " + asked + r.Load.Besides(asked) + " FROM " +
		r.Load.From(plan.Paths(files)) +
		" GROUP BY 1 HAVING " + strings.Join(any, " OR "), Secrets: r.Secrets}, func(row databend.Row) error {
		path := listed(row[0].String)
		for i := range checks {
			if path != "" && row[i+1].String != "0" {
				out[i] = append(out[i], path)
			}
		}
		return nil
	})
	return out, err
}

// asListed returns what finds among files the one that metadata$filename names: of a text file that is its key in the bucket, or holds
// a folder that only the server knows (tried on 1.2.895). "" is none of them.
func asListed(files []string) func(name string) string {
	known := make(map[string]bool, len(files))
	for _, f := range files {
		known[f] = true
	}
	return func(name string) string {
		for more := true; more; _, name, more = strings.Cut(name, "/") {
			if known[name] {
				return name
			}
		}
		return ""
	}
}

// countEach is count for one check that may not bind, which finds nothing, over files of which some may be damaged, which must not
// hide the others.
func (r *Inspector) countEach(ctx context.Context, files []plan.File, c check) ([]string, error) {
	one, err := r.count(ctx, files, []check{c})
	switch {
	case err == nil:
		return one[0], nil
	case !fault.IsRefusal(err):
		return nil, err
	case len(files) == 1 || !databend.IsCode(err, databend.CodeInternal):
		return nil, nil
	}
	half := len(files) / 2
	left, err := r.countEach(ctx, files[:half], c)
	if err != nil {
		return nil, err
	}
	right, err := r.countEach(ctx, files[half:], c)
	return append(left, right...), err
}

// firstBad asks for the first bad row of each file. Bytes that are no text are shown as digits.
func (r *Inspector) firstBad(ctx context.Context, files []string, c check) (map[string]Finding, error) {
	const rowNumber = "metadata$file_row_number"
	detail := cmp.Or(c.detail, "''")
	out := make(map[string]Finding, len(files))
	listed := asListed(files)
	ask := func(value string) error {
		st := databend.Statement{SQL: "SELECT metadata$filename, min(" + rowNumber + "), arg_min(coalesce(" + value +
			", 'NULL'), " + rowNumber + "), arg_min(" + detail + ", " + rowNumber + ")" + r.Load.Besides(c.bad) + " FROM " +
			r.Load.From(files) + " WHERE " + c.bad + " GROUP BY 1", Secrets: r.Secrets}
		clean := r.Work.CleanResult(st)
		_, err := r.Work.Each(ctx, st, func(row databend.Row) error {
			n := row.Int(1) + 1
			f := Finding{Column: c.column, Row: &n, Value: fault.Shorten(clean(row[2].String), shown), warns: c.warns, unsure: c.unsure}
			value := "'" + f.Value + "'"
			if c.value == null {
				value = f.Value
			}
			f.Why = fmt.Sprintf("row %d: %s = %s %s", n, c.column, value, strings.ReplaceAll(c.reason, "{}", clean(row[3].String)))
			out[listed(row[0].String)] = f
			return nil
		})
		return err
	}
	err := ask(c.value)
	if err != nil && fault.IsRefusal(err) {
		if err = ask("hex(" + c.sql + ")"); err != nil && fault.IsRefusal(err) {
			err = ask("'?'")
		}
	}
	return out, err
}

// null is the value of a check for NULLs; a text NULL stands in quotes.
const null = "'NULL'"

// shown is how much of a value is.
const shown = 80

// casts are the checks that find what a cast fails on, and NULLs where the table takes none.
func (r *Inspector) casts(ctx context.Context) ([]check, error) {
	cells, err := r.cells(ctx)
	if err != nil {
		return nil, err
	}
	columns, err := plan.Columns(ctx, r.Work, r.Load)
	if err != nil {
		return nil, err
	}
	var out []check
	for i, it := range cells {
		if it.target == "" && len(r.Load.Copy.Columns) == 0 && i < len(columns) {
			it.target = columns[i].Name
		}
		never := slices.ContainsFunc(columns, func(t plan.Column) bool { return !t.Nullable && strings.EqualFold(t.Name, it.target) })
		col := r.inFile(it.column)
		unsure := it.column == ""
		if unsure { // an expression: told by what it fills
			if it.expr == "" {
				continue
			}
			it.column, it.typ, col = cmp.Or(it.target, it.expr), it.cast, "("+it.expr+")"
		}
		there := col + " IS NOT NULL"
		if unsure {
			there = "to_string(" + col + ") IS NOT NULL" // the null of JSON is a NULL once it is cast
		}
		c := check{
			column: it.column, sql: col, value: "to_string(" + col + ")", reason: "is no " + strings.TrimSuffix(it.typ, " NULL"), unsure: unsure,
		}
		switch typ, _ := define.ParseType(it.typ); {
		case it.typ == "":
		case is(it.typ, vectors):
			width := strconv.Itoa(typ.Width)
			out = append(out,
				check{column: it.column, sql: col, bad: col + " IS NULL", value: null, reason: "where the vector should be", unsure: unsure},
				check{
					unsure: unsure,
					column: it.column, sql: col, bad: col + " IS NOT NULL AND array_length(" + col + ")<>" + width, value: "to_string(" +
						col + "::VARIANT)", from: lists,
					detail: "to_string(array_length(" + col + "))", reason: "has {} values, not " + width,
				})
		case is(it.typ, geometries):
			c.bad = col + " IS NOT NULL AND TRY_TO_GEOMETRY(" + col + ") IS NULL"
		case is(it.typ, variants):
			c.bad, c.reason = col+" IS NOT NULL AND TRY_PARSE_JSON("+col+") IS NULL", "is no JSON"
		default:
			c.bad = there + " AND TRY_CAST(" + col + " AS " + it.typ + ") IS NULL"
		}
		if c.bad != "" {
			out = append(out, c)
		}
		if never {
			out = append(out, check{column: it.column, sql: col, bad: col + " IS NULL", value: null, unsure: unsure, reason: "but column " +
				it.target + " of the table is NOT NULL"})
		}
	}
	if _, ok := r.Load.Copy.Format()["NULL_IF"]; ok { // a COPY reads NULL where a query reads a text
		for i := range out {
			out[i].unsure = true
		}
	}
	return out, nil
}
