package load

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Preview emits the first n rows that the load would write, with its own select list, from as many files as that takes. It needs
// no table and no ledger. A GEOMETRY comes as EWKT, a VARIANT and a VECTOR as JSON, whole.
func (l *Loader) Preview(ctx context.Context, ld project.Load, o Options, n int) error {
	j, err := newJob(ld, l.cfg.Scope.Database)
	if err != nil {
		return err
	}
	files, err := l.previewFiles(ctx, j, o)
	if err != nil {
		return err
	}
	var secrets secret.Set
	if len(ld.Secrets) > 0 {
		if secrets, err = l.cfg.Secrets(ctx, ld.Secrets); err != nil {
			return err
		}
	}
	columns, err := l.columns(ctx, j)
	if err != nil {
		return err
	}
	if o := j.untold(); o != "" {
		l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: shown without %s, which a query cannot be told; it can be told a format's name: CREATE FILE FORMAT", ld.Name, o)})
	}
	out := event.Preview{Load: ld.Name}
	for i, f := range files {
		if len(out.Rows) >= n {
			break
		}
		sql := "SELECT " + strings.Join(j.previewItems(columns), ", ") + " FROM " + j.from([]string{f}) + " LIMIT " + strconv.Itoa(n-len(out.Rows))
		res, err := l.work.Query(ctx, databend.Statement{SQL: sql, Secrets: secrets, File: ld.Path, Line: ld.Statement.Line, Column: ld.Statement.Column})
		if err != nil && isRefusal(err) && (i < len(files)-1 || len(out.Rows) > 0) { // others are better
			l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: %s cannot be shown: %s", ld.Name, f, inWords(err))})
			continue
		}
		if err != nil {
			return wrap(ld.Name, "preview "+f, err)
		}
		if out.Columns == nil {
			out.Columns, out.Types = res.Columns, res.Types
			if len(columns) == len(res.Columns) {
				out.Columns = columns
			}
		}
		for _, row := range res.Rows {
			cells := make([]*string, len(row))
			for i, c := range row {
				if c.Valid {
					cells[i] = &c.String
				}
			}
			out.Rows = append(out.Rows, cells)
		}
	}
	l.cfg.Sink(out)
	return nil
}

// columns are those that the COPY fills: the table's, where it names none and the files do not either.
func (l *Loader) columns(ctx context.Context, j *job) ([]string, error) {
	if len(j.Copy.Columns) > 0 || len(j.Copy.Select) > 0 || slices.Contains(selfNamed, j.FileType()) {
		return j.Copy.Columns, nil
	}
	res, err := l.work.Query(ctx, databend.Statement{SQL: "SELECT * FROM " + sqltext.Ident(j.database) + "." + sqltext.Ident(j.table) + " LIMIT 0"})
	if databend.IsCode(err, 1003, 1025) {
		err = nil
	}
	return res.Columns, wrap(j.Name, "read the columns of "+j.target, err)
}

// selfNamed are the types of files that name their columns, and that a query takes them from.
var selfNamed = []string{"PARQUET", "ORC", "AVRO"}

// previewItems is the load's select list; of a plain COPY all columns, by position where the format has no names.
func (j *job) previewItems(columns []string) []string {
	if len(j.Copy.Select) > 0 {
		return j.items(nil)
	}
	if slices.Contains(selfNamed, j.FileType()) {
		return []string{"*"}
	}
	if len(columns) == 0 {
		return []string{"$1"}
	}
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = "$" + strconv.Itoa(i+1)
		if j.FileType() == "NDJSON" {
			items[i] = "$1[" + sqltext.Quote(c) + "]"
		}
	}
	return items
}

// previewFiles are the load's files in the order of Options, those of 0 bytes left out.
func (l *Loader) previewFiles(ctx context.Context, j *job, o Options) ([]string, error) {
	list := "SELECT name FROM LIST_STAGE(location=>" + j.location() + ") WHERE size>0 AND " + j.matches("name")
	if o.Path != "" {
		glob, err := globRegexp(o.Path)
		if err != nil {
			return nil, errorf(j.Name, exitUsage, "write \\[ for a bracket that begins no class", "--path: %v", err)
		}
		list += " AND regexp_like(name, " + literal(glob.String()) + ", 'c')"
	}
	order := map[string]string{"": "name", "oldest": "last_modified, name", "newest": "last_modified DESC, name"}[o.Order]
	limit := 20
	if o.Limit > 0 {
		limit = o.Limit
	}
	res, err := l.work.Query(ctx, databend.Statement{SQL: list + " ORDER BY " + order + " LIMIT " + strconv.Itoa(limit)})
	if err != nil {
		return nil, wrap(j.Name, "list", l.placed(err, j))
	}
	if len(res.Rows) == 0 && !j.EmptyOK {
		return nil, errorf(j.Name, exitStopped, "dbctl load "+j.Name+" --plan -v names what is there, and why it is left out", "no file in @%s/%s", j.Copy.Stage, j.prefix)
	}
	out := make([]string, len(res.Rows))
	for i, r := range res.Rows {
		out[i] = r[0].String
	}
	return out, nil
}
