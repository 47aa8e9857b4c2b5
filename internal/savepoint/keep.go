package savepoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
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
	rows, unfit := w.appended()
	if rows == "" {
		x.hold(w.was.Object, "rows of others came in, and its columns are not known: the table is left as it is")
		return false, nil
	}
	if unfit == "" {
		return true, nil
	}
	bad, err := catalog.Query(x.ctx, x.c, unfit)
	switch {
	case databend.IsAnswered(err):
		x.hold(w.was.Object, "rows of others came in and do not fit its columns as they were (%s): the table is left as it is",
			databend.Message(err))
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look at rows of others in %s: %w", w.was.Object, err)
	case bad[0].Int(0) != 0:
		x.hold(w.was.Object, "%s of others came in with values that its columns as they were cannot hold: the table is left as it is",
			event.Plural(bad[0].Int(0), "row"))
		return false, nil
	}
	return true, nil
}

// appended is the query of the rows that others appended, with the base's columns, and the one that counts those of them that lose
// something by it, "" where none can.
func (w *work) appended() (rows, unfit string) {
	ch := w.v.Chain
	first := ch.Snapshots[min(ch.Base, len(ch.Snapshots)-1)] // of a table that was never written before: the columns are the same
	columns := columnsOf(w.was, first.Fields)
	if len(columns) == 0 {
		return "", ""
	}
	parts := make([]string, 0, len(w.v.Appended))
	var counts []string
	for _, at := range w.v.Appended {
		s := ch.Snapshots[at]
		items := make([]string, len(columns))
		var loses []string
		lose := func(condition string) {
			if condition != "" {
				loses = append(loses, condition)
			}
		}
		for i, c := range columns {
			expr, condition := c.from(s.Fields)
			items[i] = expr + " AS " + sqltext.Ident(c.Name)
			lose(condition)
		}
		for _, f := range s.Fields {
			if !slices.ContainsFunc(first.Fields, func(b blame.Field) bool { return b.ID == f.ID }) {
				lose(given(f))
			}
		}
		from := fmt.Sprintf(" FROM %s AT (SNAPSHOT => %s) WHERE _block_name IN (%s)",
			w.at.SQL(), sqltext.Quote(s.ID), sqltext.Literals(ch.Added(at)))
		parts = append(parts, "SELECT "+strings.Join(items, ", ")+from)
		if len(loses) > 0 {
			counts = append(counts, "SELECT count_if("+strings.Join(loses, " OR ")+") AS n"+from)
		}
	}
	if len(counts) > 0 {
		unfit = "SELECT to_int64(sum(n)) FROM (" + strings.Join(counts, " UNION ALL ") + ")"
	}
	return strings.Join(parts, " UNION ALL "), unfit
}

// given is the condition that a row has a value of its own in a column that the base does not have, "" where it has none ever.
func given(f blame.Field) string {
	name := sqltext.Ident(f.Name)
	switch {
	case f.IsComputed(), f.IsNumbered():
		return ""
	case f.Default == nil, f.TakesFromSequence(): // to compare with that would take a value
		return name + " IS NOT NULL"
	}
	return name + " IS DISTINCT FROM " + *f.Default
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
		if i < 0 || f.IsComputed() {
			continue
		}
		out = append(out, baseColumn{Column: was.Columns[i], id: f.ID, typ: string(f.Type)})
	}
	return out
}

// from is the expression that gives the column in a snapshot with these fields, and the condition that a row loses something by it, ""
// where none does. Where the column takes no NULL and one may have come in meanwhile, the row gets the default that it would have had, if
// there is one.
func (c baseColumn) from(fields []blame.Field) (expr, loses string) {
	i := slices.IndexFunc(fields, func(f blame.Field) bool { return f.ID == c.id })
	to := "Nullable(" + c.Type + ")"
	if c.Nullable {
		to = c.Type
	}
	missing := "CAST(NULL AS " + to + ")"
	if c.Default != "" && c.DefaultKind == "DEFAULT" {
		missing = "CAST(" + c.Default + " AS " + c.Type + ")"
	}
	switch {
	case i >= 0 && string(fields[i].Type) == c.typ:
		return sqltext.Ident(fields[i].Name), ""
	case i < 0 && c.Nullable:
		return missing, ""
	case i < 0:
		return missing, missing + " IS NULL"
	}
	name := sqltext.Ident(fields[i].Name)
	expr = "CAST(" + name + " AS " + to + ")"
	loses = "to_string(" + expr + ") IS DISTINCT FROM to_string(" + name + ")"
	if scalar(c.typ) && scalar(string(fields[i].Type)) {
		loses = number(c.typ, expr) + " IS DISTINCT FROM " + number(string(fields[i].Type), name)
	}
	if !c.Nullable {
		expr = "coalesce(" + expr + ", " + missing + ")"
		loses = expr + " IS NULL OR " + name + " IS NOT NULL AND " + loses
	}
	return expr, loses
}

// scalar reports whether a snapshot's type is one of those that the server compares by value.
func scalar(typ string) bool {
	typ = strings.TrimPrefix(typ, `{"Nullable":`)
	return slices.ContainsFunc([]string{`{"Number"`, `{"Decimal"`, `"Date"`, `"Timestamp"`, `"Boolean"`}, func(s string) bool {
		return strings.HasPrefix(typ, s)
	})
}

// number is what to compare of a scalar: beside a number that is no BOOLEAN, to the server every one but 0 is true.
func number(typ, expr string) string {
	if strings.Contains(typ, `"Boolean"`) {
		return "to_int8(" + expr + ")"
	}
	return expr
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
		x.note(w.was.Object, "%s of others kept", event.Plural(n, "row"))
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
