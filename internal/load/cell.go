package load

import (
	"context"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// cell is a column of the files that becomes one of the table: what checks are made of.
type cell struct {
	column string // the file's; "" for an expression
	typ    string // what it is cast to, as written
	target string // the table's; "" unknown
}

// cells are those of the load's select list. A plain COPY of Parquet takes what has the name of a column of the table.
func (r *run) cells(ctx context.Context) ([]cell, error) {
	if r.made != nil || len(r.j.Copy.Select) == 0 && r.j.FileType() != "PARQUET" || r.j.untold() != "" {
		return r.made, nil
	}
	r.made = []cell{}
	for i, it := range r.j.Copy.Select {
		c := cell{column: it.Column, typ: strings.TrimSpace(it.Type)}
		if i < len(r.j.Copy.Columns) {
			c.target = r.j.Copy.Columns[i]
		}
		r.made = append(r.made, c)
	}
	if len(r.j.Copy.Select) > 0 {
		return r.made, nil
	}
	columns, err := r.target(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range columns {
		if len(r.j.Copy.Columns) == 0 || slices.ContainsFunc(r.j.Copy.Columns, func(n string) bool { return strings.EqualFold(n, c.name) }) {
			r.made = append(r.made, cell{c.name, c.typ, c.name})
		}
	}
	return r.made, nil
}

// types are the types of a file's columns that some check looks at. No data is read for it. nil is unknown: a column that is not
// there, which the COPY will tell.
func (r *run) types(ctx context.Context, f File, checks []check) (map[string]string, error) {
	var columns, names []string
	for _, c := range checks {
		if c.from != nil && !slices.Contains(columns, c.column) {
			columns, names = append(columns, c.column), append(names, sqltext.Ident(c.column))
		}
	}
	if len(columns) == 0 {
		return nil, nil
	}
	res, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT " + strings.Join(names, ", ") + " FROM " + r.j.from([]string{f.Path}) + " LIMIT 0"})
	if err != nil {
		if isRefusal(err) {
			err = nil
		}
		return nil, err
	}
	out := make(map[string]string, len(columns))
	for i, t := range res.Types {
		out[columns[i]] = t
	}
	return out, nil
}
