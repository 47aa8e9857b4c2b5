package savepoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// keepRows copies the rows that others appended above the base into a table of ours, with the base's columns, duplicates and
// all: the rows of the blocks that each of their snapshots added. Its making is atomic; a second one replaces the first. It
// reports false when they cannot be kept: then the table stays as it is.
func (x *restorer) keepRows(w *work) (bool, error) {
	ok, err := x.fits(w)
	if err != nil || !ok {
		return false, err
	}
	rows, _ := w.appended()
	comment := "rows that other sessions appended to " + w.was.Object.String() + " during dbctl run " + x.o.Run
	err = x.exec("CREATE OR REPLACE TABLE %s COMMENT = %s AS %s", w.keep.SQL(), sqltext.Quote(comment), rows)
	if databend.IsAnswered(err) {
		x.hold(w.was.Object, "rows of others came in and cannot be kept beside (%s): the table is left as it is", databend.Message(err))
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("keep rows of others in %s: %w", w.was.Object, err)
	}
	w.kept = true
	return true, nil
}

// fits looks, without writing, whether the rows that others appended fit the columns as they were.
func (x *restorer) fits(w *work) (bool, error) {
	rows, strict := w.appended()
	if rows == "" {
		x.hold(w.was.Object, "rows of others came in, and its columns are not known: the table is left as it is")
		return false, nil
	}
	if strict == "" {
		return true, nil
	}
	bad, err := catalog.Query(x.ctx, x.c, "select count_if("+strict+") from ("+rows+")")
	switch {
	case databend.IsAnswered(err):
		x.hold(w.was.Object, "rows of others came in and do not fit its columns as they were (%s): the table is left as it is",
			databend.Message(err))
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look at rows of others in %s: %w", w.was.Object, err)
	case bad[0].Int(0) != 0:
		x.hold(w.was.Object, "%d rows of others came in with NULL for a column that took none: the table is left as it is", bad[0].Int(0))
		return false, nil
	}
	return true, nil
}

// appended is the query of the rows that others appended, with the base's columns, and the condition by which one does not fit
// them, "" when all do.
func (w *work) appended() (rows, strict string) {
	ch := w.v.Chain
	first := ch.Snapshots[min(ch.Base, len(ch.Snapshots)-1)] // of a table that was never written before: the columns are the same
	columns := columnsOf(w.was, first.Fields)
	if len(columns) == 0 {
		return "", ""
	}
	parts := make([]string, 0, len(w.v.Appended))
	conditions := []string{}
	for _, at := range w.v.Appended {
		s := ch.Snapshots[at]
		items := make([]string, len(columns))
		for i, c := range columns {
			expr, as := c.from(s.Fields)
			items[i] = expr + " AS " + sqltext.Ident(c.Name)
			condition := sqltext.Ident(c.Name) + " IS NULL"
			if c.Nullable { // never true: whether it converts at all
				condition = "length(to_string(" + sqltext.Ident(c.Name) + ")) < 0"
			}
			if as == converted && !slices.Contains(conditions, condition) {
				conditions = append(conditions, condition)
			}
		}
		parts = append(parts, fmt.Sprintf("SELECT %s FROM %s AT (SNAPSHOT => %s) WHERE _block_name IN (%s)",
			strings.Join(items, ", "), w.at.SQL(), sqltext.Quote(s.ID), sqltext.Literals(ch.Added(at))))
	}
	return strings.Join(parts, " UNION ALL "), strings.Join(conditions, " OR ")
}

// baseColumn is a column to keep, with its id in the snapshots: a renamed one is found by it.
type baseColumn struct {
	catalog.Column
	id  int
	typ string
}

// columnsOf pairs the base's fields with what was captured of the columns. A computed column is computed again.
func columnsOf(was catalog.ObjectState, fields []blame.Field) []baseColumn {
	var out []baseColumn
	for _, f := range fields {
		i := slices.IndexFunc(was.Columns, func(c catalog.Column) bool { return c.Name == f.Name })
		if i < 0 || len(f.Computed) > 0 && string(f.Computed) != "null" {
			continue
		}
		out = append(out, baseColumn{Column: was.Columns[i], id: f.ID, typ: string(f.Type)})
	}
	return out
}

// How a column's value comes from a snapshot.
const (
	asIs      = iota
	converted // from another type, or, where the column takes no NULL, from one that did
)

// from is the expression that gives the column in a snapshot with these fields. Where the column takes no NULL and one may have
// come in meanwhile, the row gets the default that it would have had, if there is one.
func (c baseColumn) from(fields []blame.Field) (expr string, as int) {
	i := slices.IndexFunc(fields, func(f blame.Field) bool { return f.ID == c.id })
	missing := "CAST(NULL AS Nullable(" + c.Type + "))"
	if c.Nullable {
		missing = "CAST(NULL AS " + c.Type + ")"
	}
	if c.Default != "" && c.DefaultKind == "DEFAULT" {
		missing = "CAST(" + c.Default + " AS " + c.Type + ")"
	}
	switch {
	case i >= 0 && string(fields[i].Type) == c.typ:
		return sqltext.Ident(fields[i].Name), asIs
	case i >= 0 && c.Nullable:
		return "CAST(" + sqltext.Ident(fields[i].Name) + " AS " + c.Type + ")", converted
	case i >= 0:
		return "coalesce(CAST(" + sqltext.Ident(fields[i].Name) + " AS Nullable(" + c.Type + ")), " + missing + ")", converted
	case c.Nullable:
		return missing, asIs
	}
	return missing, converted
}

// refill puts the kept rows back. The move is atomic: an empty copy says that it is done.
func (x *restorer) refill(w *work) error {
	if !w.kept {
		return nil
	}
	rows, err := catalog.Query(x.ctx, x.c, "select count(*) from "+w.keep.SQL())
	if err != nil {
		return fmt.Errorf("count kept rows: %w", err)
	}
	if n := rows[0].Int(0); n != 0 {
		cat, err := catalog.Read(x.ctx, x.c, []sqltext.Object{w.keep.Object()}, nil)
		if err != nil {
			return err
		}
		var cols []string
		for _, c := range cat.Tables[w.keep].Columns {
			cols = append(cols, sqltext.Ident(c.Name))
		}
		all := strings.Join(cols, ", ")
		if err := x.move(w, all); err != nil {
			x.hold(w.was.Object, "rows of others wait in %s: %s", w.keep, databend.Message(err))
			if databend.IsAnswered(err) {
				return nil
			}
			return err
		}
		x.note(w.was.Object, "%d rows of others kept", n)
	}
	return x.dropKept(w)
}

func (x *restorer) dropKept(w *work) error {
	if err := x.exec("DROP TABLE IF EXISTS %s", w.keep.SQL()); err != nil {
		return fmt.Errorf("drop %s: %w", w.keep, err)
	}
	delete(x.live.Tables, w.keep)
	w.kept = false
	return nil
}

func (x *restorer) move(w *work, columns string) error {
	if err := x.exec("BEGIN"); err != nil {
		return err
	}
	err := x.exec("INSERT INTO %s (%s) SELECT %s FROM %s", w.at.SQL(), columns, columns, w.keep.SQL())
	if err == nil {
		err = x.exec("DELETE FROM %s WHERE true", w.keep.SQL())
	}
	if err != nil {
		if rb := x.exec("ROLLBACK"); rb != nil {
			return errors.Join(err, rb)
		}
		return err
	}
	return x.exec("COMMIT")
}
