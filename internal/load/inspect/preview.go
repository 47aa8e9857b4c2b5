package inspect

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Preview emits the first n rows that the load would write, with its own select list, from as many files as that takes. It needs
// no table and no ledger. A GEOMETRY comes as EWKT, a VARIANT and a VECTOR as JSON, whole.
func (r *Inspector) Preview(ctx context.Context, n int) error {
	j := r.Load
	files, err := r.previewFiles(ctx)
	if err != nil {
		return err
	}
	columns, err := r.columns(ctx)
	if err != nil {
		return err
	}
	if err := r.format(ctx); err != nil {
		return fault.Wrap(j.Name, "preview", err)
	}
	if o := j.Untold(); o != "" {
		r.Sink.Note(event.Warn, "load %s: shown without %s, which a query cannot be told; it can be told a "+
			"format's name: CREATE FILE FORMAT", j.Name, o)
	}
	out := event.Preview{Load: j.Name}
	for i, f := range files {
		if len(out.Rows) >= n {
			break
		}
		sql := "SELECT " + strings.Join(r.previewItems(columns), ", ") + " FROM " + j.From([]string{f}) + " LIMIT " +
			strconv.Itoa(n-len(out.Rows))
		st := databend.Statement{SQL: sql, Secrets: r.Secrets, Place: j.Statement.Place}
		clean := r.Work.CleanResult(st)
		res, err := r.Work.Query(ctx, st)
		if err != nil && r.Load.IsRefusal(err) && (i < len(files)-1 || len(out.Rows) > 0) { // others are better
			r.Sink.Note(event.Warn, "load %s: %s cannot be shown: %s", j.Name, f, fault.InWords(err))
			continue
		}
		if err != nil {
			return fault.Wrap(j.Name, "preview "+f, j.Misread(err))
		}
		if out.Columns == nil {
			out.Columns, out.Types = res.Columns, res.Types
			if len(columns) == len(res.Columns) {
				out.Columns = columns
			}
		}
		for _, row := range res.Rows {
			out.Rows = append(out.Rows, row.Texts(clean))
		}
	}
	r.Sink(out)
	return nil
}

// columns are those that the COPY fills: the table's, where it names none and the files do not either.
func (r *Inspector) columns(ctx context.Context) ([]string, error) {
	j := r.Load
	if len(j.Copy.Columns) > 0 || len(j.Copy.Select) > 0 || j.FileType() == "PARQUET" {
		return j.Copy.Columns, nil
	}
	res, err := r.Work.Query(ctx, databend.Statement{SQL: "SELECT * FROM " + j.TableSQL() + " LIMIT 0"})
	if databend.IsCode(err, databend.CodeUnknownDatabase, databend.CodeUnknownTable) {
		err = nil
	}
	return res.Columns, fault.Wrap(j.Name, "read the columns of "+j.Target, err)
}

// previewItems is the load's select list; of a plain COPY all columns, by position where the format has no names.
func (r *Inspector) previewItems(columns []string) []string {
	j := r.Load
	if len(j.Copy.Select) > 0 {
		return j.Items(nil)
	}
	if j.FileType() == "PARQUET" {
		return []string{"*"}
	}
	if len(columns) == 0 {
		return []string{"$1"}
	}
	items := make([]string, len(columns))
	for i, c := range columns {
		switch j.FileType() {
		case "ORC":
			items[i] = sqltext.Ident(c)
		case "NDJSON", "AVRO":
			items[i] = "$1[" + sqltext.Quote(c) + "]"
		default:
			items[i] = "$" + strconv.Itoa(i+1)
		}
	}
	return items
}

// previewFiles are the load's files in the order of Options, those of 0 bytes left out.
func (r *Inspector) previewFiles(ctx context.Context) ([]string, error) {
	j, o := r.Load, r.Options
	list := "SELECT name FROM " + j.Listing() + " WHERE size>0 AND " + j.Matches("name")
	if o.Path != "" {
		glob, err := source.Glob(o.Path)
		if err != nil {
			return nil, fault.Errorf(j.Name, exit.Usage, "write \\[ for a bracket that begins no class", "--path: %v", err)
		}
		list += " AND regexp_like(name, " + sqltext.Literal(glob.String()) + ", 'c')"
	}
	order := map[string]string{"": "name", "oldest": "last_modified, name", "newest": "last_modified DESC, name"}[o.Order]
	limit := cmp.Or(o.Limit, 20)
	res, err := r.Work.Query(ctx, databend.Statement{SQL: list + " ORDER BY " + order + " LIMIT " + strconv.Itoa(limit)})
	if err != nil {
		return nil, fault.Wrap(j.Name, "list", j.Placed(err))
	}
	if len(res.Rows) == 0 && !j.EmptyOK {
		return nil, fault.Errorf(j.Name, exit.Check, "dbctl load "+j.Name+" --plan -v names what is there, and why it is left out",
			"no file in %s", j.Place())
	}
	out := make([]string, len(res.Rows))
	for i, r := range res.Rows {
		out[i] = r[0].String
	}
	return out, nil
}
