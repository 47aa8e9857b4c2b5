package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// cell is a column of the files that becomes one of the table: what checks are made of.
type cell struct {
	column string // the file's; "" for an expression
	typ    string // what it is cast to: as written, else the table's; "" unknown
	target string // the table's; "" unknown
	array  string // of an expression that becomes a vector: the same in SQL, as the array that the vector is made of
	expr   string // what is cast, in SQL, and what to: by the item, else by the table; "" for what is none
	cast   string
}

// cells are those of the load's select list. A plain COPY of Parquet or ORC takes what has the name of a column of the table.
func (r *Inspector) cells(ctx context.Context) ([]cell, error) {
	list, plain := r.Load.Copy.Select, len(r.Load.Copy.Select) == 0
	if r.made != nil || plain && r.Load.FileType() != "PARQUET" && r.Load.FileType() != "ORC" {
		return r.made, nil
	}
	var filled []plan.Column
	var err error
	if plain || slices.ContainsFunc(list, leftToTable) {
		if filled, err = r.filled(ctx); err != nil {
			return nil, err
		}
	}
	r.made = []cell{}
	if plain {
		for _, c := range filled {
			r.made = append(r.made, cell{column: c.Name, typ: c.Typ, target: c.Name, expr: r.inFile(c.Name), cast: c.Typ})
		}
		return r.made, nil
	}
	for i, it := range list {
		var into plan.Column
		switch names := r.Load.Copy.Columns; {
		case i < len(filled):
			into = filled[i]
		case i < len(names):
			into.Name = names[i]
		}
		c := cell{column: it.Column, typ: strings.TrimSpace(it.Type), target: into.Name}
		if !strings.HasSuffix(it.Value, "*") && !copytext.IsMetadata(it.Column) {
			c.expr, c.cast = it.Expr, strings.TrimSuffix(cmp.Or(it.Cast, into.Typ), " NULL")
		}
		if strings.HasPrefix(c.column, "$") { // of no name
			c.column = ""
		}
		open := leftToTable(it)
		array, vector := asArray(it.Value)
		switch vector = cmp.Or(vector, into.Typ); {
		case is(vector, vectors) && (c.column == "" || open && c.typ != ""):
			c = cell{typ: vector, target: into.Name, array: "(" + array + ")::" + anyArray}
		case open && c.column != "" && c.typ == "":
			c.typ = into.Typ
		}
		r.made = append(r.made, c)
	}
	return r.made, nil
}

// filled are the table's columns that the load fills, in the order in which it names them.
func (r *Inspector) filled(ctx context.Context) ([]plan.Column, error) {
	columns, err := plan.Columns(ctx, r.Work, r.Load)
	names := r.Load.Copy.Columns
	if len(names) == 0 {
		return columns, err
	}
	filled := make([]plan.Column, len(names))
	for i, n := range names {
		filled[i].Name = n
		if at := slices.IndexFunc(columns, func(c plan.Column) bool { return strings.EqualFold(c.Name, n) }); at >= 0 {
			filled[i] = columns[at]
		}
	}
	return filled, err
}

// fields are the cells of a plain COPY of a text format: what a query reads in the place of each column.
func (r *Inspector) fields(ctx context.Context) (out []cell, err error) {
	filled, err := r.filled(ctx)
	for i, c := range filled {
		field := "$" + strconv.Itoa(i+1)
		switch r.Load.FileType() {
		case "CSV", "TSV", "TEXT":
		case "NDJSON", "AVRO":
			field = "$1:" + sqltext.Ident(c.Name)
		default:
			continue
		}
		out = append(out, cell{target: c.Name, expr: field, cast: strings.TrimSuffix(c.Typ, " NULL")})
	}
	return out, err
}

// inFile is a column of a Parquet file in SQL. A COPY matches names in whatever case the file has them; of a query only a name without
// quotes does that.
func (r *Inspector) inFile(column string) string {
	if lower := strings.ToLower(column); len(r.Load.Copy.Select) == 0 && source.PlainName.MatchString(lower) {
		column = lower
	}
	return source.Bare(column)
}

// leftToTable reports whether the table says what becomes of an item: it has no cast that tells all.
func leftToTable(it copytext.SelectItem) bool {
	return !copytext.IsMetadata(it.Column) && (it.Type == "" || is(it.Type, []string{"ARRAY"}))
}

// anyArray is what a vector can be cast from, NULLs and all.
const anyArray = "ARRAY(FLOAT NULL)"

// asArray is an expression with arrays in the place of its vectors, and the first of those types; "" when there is none.
func asArray(expr string) (array, vector string) {
	words, _ := sqltext.ReadWords(expr) // it was read with the rest
	var edits []sqltext.Edit
	for i, t := range words.Tokens {
		if !words.Is(i, "VECTOR") || !words.Symbol(i+1, "(") || !words.Symbol(i+3, ")") {
			continue
		}
		end := words.Tokens[i+3].End
		vector = cmp.Or(vector, expr[t.Start:end])
		edits = append(edits, sqltext.Edit{Start: t.Start, End: end, Text: anyArray})
	}
	return sqltext.Apply(expr, edits), vector
}

// types are the types of what checks look at in a file, by its SQL. No data is read for it. What is not in it is unknown: a column that
// is not there, which the COPY will tell, or an expression that does not bind.
func (r *Inspector) types(ctx context.Context, f plan.File, checks []check) (map[string]string, error) {
	var ask []check
	for _, c := range checks {
		if c.from != nil && !slices.ContainsFunc(ask, func(a check) bool { return a.sql == c.sql }) {
			ask = append(ask, c)
		}
	}
	out := make(map[string]string, len(ask))
	read := func(some []check) error {
		if len(some) == 0 {
			return nil
		}
		list := make([]string, len(some))
		for i, c := range some {
			list[i] = c.sql
		}
		res, err := r.Work.Query(ctx, databend.Statement{
			SQL: "SELECT " + strings.Join(list, ", ") + " FROM " + r.Load.From([]string{f.Path}) + " LIMIT 0", Secrets: r.Secrets,
		})
		for i, t := range res.Types {
			out[some[i].sql] = t
		}
		return err
	}
	err := read(ask)
	if !databend.IsAnswered(err) {
		return out, err
	}
	for i, c := range ask { // one that does not bind must not hide the others
		if len(ask) > 1 {
			err = read(ask[i : i+1])
		}
		if err != nil && !databend.IsAnswered(err) {
			return nil, err
		}
		said := databend.Message(err)
		if err != nil && c.loose && !fault.MissingColumn.MatchString(said) && !fault.Unreadable.MatchString(said) {
			r.once(fmt.Sprintf("load %s: column %s of %s is not checked: "+
				"an array in the place of its vectors does not fit into the load's expression", r.Load.Name, c.column, r.Load.Target))
		}
	}
	return out, nil
}

// once warns of something that a batch after the other would warn of.
func (r *Inspector) once(text string) {
	if !r.told(text) {
		r.Sink.Note(event.Warn, "%s", text)
	}
}

// told reports whether something was said before, and takes it for said.
func (r *Inspector) told(text string) bool {
	was := r.warned[text]
	r.warned[text] = true
	return was
}
