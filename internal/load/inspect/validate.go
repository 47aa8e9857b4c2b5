package inspect

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// Validate checks the files that Run would load and those that failed before (with Options.Path all that it names), at most
// Options.Limit of them, and loads and writes nothing: what COPY's VALIDATION_MODE would do if Databend had it, for transforms too.
// It emits a File, valid or invalid, for each, and fails with exit 3 when one is invalid. It finds files that cannot be read,
// schemas that differ, missing columns, casts that fail, vectors of another width, NULLs where the table takes none, damaged pages,
// and what the rules are about. Files of text formats are loaded for it, in a transaction that is rolled back.
func (r *Inspector) Validate(ctx context.Context, planned *plan.Plan) error {
	files := planned.Planned()
	if len(files) == 0 && planned.Listed() == 0 {
		return planned.Refusal(r.Options)
	}
	columns, err := plan.Columns(ctx, r.Work, r.Load)
	if err != nil {
		return err
	}
	must := r.unfilled(columns)
	left := r.asked(files)
	gone := slices.Clone(r.Bad)
	for {
		err := r.binds(ctx, left)
		if err == nil {
			err = r.lookAt(ctx, left)
		}
		if err == nil && must {
			err = r.fills(ctx, left)
		}
		if err == nil {
			return r.verdict(files, planned)
		}
		if !fault.MovedUnder(err, plan.Paths(left)) || len(gone) == Alike {
			return fault.Wrap(r.Load.Name, "validate", err)
		}
		i := slices.IndexFunc(left, func(f plan.File) bool { return f.Path == fault.Named(err, plan.Paths(left)) })
		gone = append(gone, BadFile{left[i], NotGiven(err)})
		left = slices.Delete(slices.Clone(left), i, i+1)
		r.Bad = slices.Clone(gone)
	}
}

// binds finds mistakes of the load's text, which the server tells without reading data.
func (r *Inspector) binds(ctx context.Context, files []plan.File) error {
	if len(files) == 0 {
		return nil
	}
	const explain = "EXPLAIN "
	sql := r.Load.SQL(source.Send{Files: plan.Paths(files[:1]), Force: true})
	_, err := r.Work.Query(ctx, databend.Statement{
		SQL: explain + sql, Secrets: r.Secrets, Place: r.Load.Statement.Place,
		At: func(offset int) sqltext.Place { return r.Load.PlaceIn(sql)(max(0, offset-len(explain))) },
	})
	if err != nil && r.Load.IsRefusal(err) { // of the file
		return nil
	}
	return r.Load.Misread(err)
}

// lookAt checks files, each schema by itself.
func (r *Inspector) lookAt(ctx context.Context, files []plan.File) error {
	if r.Load.FileType() != "PARQUET" {
		files = r.unpacked(files)
		if err := r.trial(ctx, Group{Files: files}); err != nil {
			return err
		}
		files, err := r.objects(ctx, slices.DeleteFunc(slices.Clone(files), r.condemned), true)
		return cmp.Or(err, r.empty(ctx, files))
	}
	groups, err := r.Groups(ctx, files)
	if err != nil {
		return err
	}
	var first, extra map[string]string
	for _, g := range groups {
		schema, err := r.schema(ctx, g.Files[0])
		if err != nil {
			return err
		}
		if first == nil {
			first, extra = schema, maps.Clone(schema)
		} else {
			r.Sink.Note(event.Info, "load %s: %s of another schema, %s and on: %s", r.Load.Name,
				event.Number(len(g.Files), "file is", "files are"), g.Files[0].Path, difference(first, schema))
		}
		maps.DeleteFunc(extra, func(name, _ string) bool { return schema[name] == "" })
		if err := r.validateGroup(ctx, g, schema); err != nil {
			return err
		}
	}
	return r.unread(ctx, extra)
}

// unread tells of columns of every file that the load does not read.
func (r *Inspector) unread(ctx context.Context, columns map[string]string) error {
	cells, err := r.cells(ctx)
	if err != nil {
		return err
	}
	for _, c := range cells {
		delete(columns, strings.ToLower(c.column))
	}
	for _, it := range r.Load.Copy.Select {
		if it.Column == "" && (strings.Contains(it.Text, "$1") || strings.HasSuffix(it.Text, "*")) { // reads them all
			return nil
		}
		words, _ := sqltext.ReadWords(it.Text) // it was read with the rest
		maps.DeleteFunc(columns, func(name, _ string) bool { return it.Column == "" && words.Mentions(name) })
	}
	if len(columns) > 0 {
		r.Sink.Note(event.Info, "load %s: every file has what the load does not read: %s", r.Load.Name,
			strings.Join(slices.Sorted(maps.Keys(columns)), ", "))
	}
	return nil
}

// empty tells of keys and fields that no row of the text files has: the load's text may spell them otherwise.
func (r *Inspector) empty(ctx context.Context, files []plan.File) error {
	cells, err := r.cells(ctx)
	asked, fields := []string{"count(*)"}, []string{}
	for _, c := range cells {
		if r.Load.FieldType(c.expr) != "" && c.expr != "$1" {
			asked, fields = append(asked, "count("+c.expr+")"), append(fields, c.expr)
		}
	}
	if err != nil || len(files) == 0 || len(fields) == 0 {
		return err
	}
	if err := r.format(ctx); err != nil || r.Load.Untold() != "" {
		return err
	}
	list := strings.Join(asked, ", ")
	res, err := r.Work.Query(ctx, databend.Statement{
		SQL: "SELECT " + list + r.Load.Besides(list) + " FROM " + r.Load.From(plan.Paths(files)), Secrets: r.Secrets,
	})
	if err != nil || len(res.Rows) == 0 || res.Rows[0].Int(0) == 0 {
		if fault.IsRefusal(err) { // the COPY says more of it
			return nil
		}
		return err
	}
	for i, field := range fields {
		if res.Rows[0].Int(i+1) == 0 {
			r.once(fmt.Sprintf("load %s: %s is NULL in every row of %s: is it spelled as it is there?", r.Load.Name, field,
				event.Plural(int64(len(files)), "file")))
		}
	}
	return nil
}

// unfilled tells of columns of the table that the load never fills. must is true when one takes no NULL either.
func (r *Inspector) unfilled(columns []plan.Column) (must bool) {
	if len(r.Load.Copy.Columns) == 0 {
		return false
	}
	for _, c := range columns {
		if c.Dflt || slices.ContainsFunc(r.Load.Copy.Columns, func(n string) bool { return strings.EqualFold(n, c.Name) }) {
			continue
		}
		if !c.Nullable {
			must = true
			continue
		}
		r.Sink.Note(event.Warn, "load %s: column %s of %s is not filled: it stays NULL", r.Load.Name, c.Name, r.Load.Target)
	}
	return must
}

// fills loads the first good file and takes it back: whether a NOT NULL column that the load does not name fills itself (AUTOINCREMENT)
// stands in no system table.
func (r *Inspector) fills(ctx context.Context, files []plan.File) error {
	for _, f := range files {
		if r.condemned(f) {
			continue
		}
		one := []plan.File{f}
		why, err := r.try(ctx, one, nil)
		if why == nil || err != nil {
			return err
		}
	}
	return nil
}

// schema is a Parquet file's columns and their types.
func (r *Inspector) schema(ctx context.Context, f plan.File) (map[string]string, error) {
	sql := "SELECT column_name, type FROM INFER_SCHEMA(location=>" + r.Load.At(f.Path) + ", file_format=>'PARQUET')"
	res, err := r.Work.Query(ctx, databend.Statement{SQL: sql})
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(res.Rows))
	for _, row := range res.Rows {
		name := strings.ToLower(row[0].String)
		if out[name] != "" {
			row[1].String = fault.Twice
		}
		out[name] = row[1].String
	}
	return out, nil
}

// difference is how a schema differs from the first one, in words. Two that differ in nothing named here differ in what Parquet
// knows and Databend's types do not: order, nullability, field ids.
func difference(a, b map[string]string) string {
	var out []string
	for name, typ := range b {
		switch was, ok := a[name]; {
		case !ok:
			out = append(out, name+" is new")
		case was != typ:
			out = append(out, name+" is "+typ+", not "+was)
		}
	}
	for name := range a {
		if _, ok := b[name]; !ok {
			out = append(out, name+" is missing")
		}
	}
	if out == nil {
		return "the same columns in another order, or of another nullability, letter case or unit"
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// validateGroup runs every check over files of one schema.
func (r *Inspector) validateGroup(ctx context.Context, g Group, schema map[string]string) error {
	cells, err := r.cells(ctx)
	if err != nil {
		return err
	}
	for _, it := range cells {
		typ, ok := schema[strings.ToLower(it.column)]
		if typ == fault.Twice {
			for _, f := range g.Files {
				r.Condemn(f, Finding{Why: "column " + it.column + " is " + fault.Twice, Column: it.column})
			}
			return nil
		}
		if ok || it.column == "" || copytext.IsMetadata(it.column) || strings.HasPrefix(it.column, "$") {
			continue
		}
		if r.Load.FillsMissing() || r.Load.MayLack(it.column) {
			g.Missing = append(g.Missing, it.column)
			continue
		}
		for _, f := range g.Files {
			r.Condemn(f, Finding{Why: "the file has no column " + it.column, Column: it.column})
		}
		return nil
	}
	rules := func() ([]check, error) { return r.rules(ctx, "fail", true) }
	readable := func() ([]check, error) {
		all := len(g.Files)
		err := r.readable(ctx, g)
		g.Files = slices.DeleteFunc(slices.Clone(g.Files), r.condemned)
		if err != nil || len(g.Files) == all {
			return nil, err
		}
		return rules() // what an expression fails on in one file hides what they find in others
	}
	for _, pass := range []func() ([]check, error){func() ([]check, error) { return r.casts(ctx) }, rules, readable} {
		checks, err := pass()
		if err != nil {
			return err
		}
		found, err := r.examine(ctx, g.Files, g.Missing, checks)
		if err != nil {
			if !fault.IsRefusal(err) {
				return err
			}
			continue // a page that cannot be read: below
		}
		for _, f := range g.Files {
			if why := found[f.Path]; len(why) > 0 {
				if so, err := r.proved(ctx, f, g.Missing, why[0]); err != nil {
					return err
				} else if so {
					r.Condemn(f, why[0])
				}
			}
		}
		g.Files = slices.DeleteFunc(slices.Clone(g.Files), r.condemned)
	}
	warnings, err := r.rules(ctx, "warn", true)
	if err != nil {
		return err
	}
	found, err := r.examine(ctx, g.Files, g.Missing, warnings)
	if err != nil && !fault.IsRefusal(err) {
		return err
	}
	r.warn(g.Files, found)
	return nil
}

// trial loads files of a format without a schema, and takes it back: a query is told neither a format's options nor the table's types.
func (r *Inspector) trial(ctx context.Context, g Group) error {
	for len(g.Files) > 0 {
		why, err := r.try(ctx, g.Files, g.Missing)
		if why == nil && err == nil {
			_, err = r.obey(ctx, g.Files, g.Missing, true)
		}
		if why == nil || err != nil {
			return err
		}
		if m := fault.MissingColumn.FindStringSubmatch(why.Error()); m != nil && r.Load.MayLack(m[1]) && !slices.Contains(g.Missing, m[1]) {
			lack, have, err := r.Lacking(ctx, g.Files, m[1])
			if err == nil {
				err = r.trial(ctx, Group{lack, append(slices.Clone(g.Missing), m[1])})
			}
			if err != nil {
				return err
			}
			g.Files = have
			continue
		}
		groups, err := r.Apart(ctx, g, why)
		for _, part := range groups {
			if err := r.trial(ctx, part); err != nil {
				return err
			}
		}
		if err != nil || groups != nil {
			return err
		}
		bad, err := r.Culprits(ctx, g.Files, g.Missing, why)
		if err != nil {
			return err
		}
		g.Files = r.Without(g.Files, bad)
	}
	return nil
}

// readable evaluates the whole select list over the files, so that every page is read, and finds those that cannot be, half by half.
func (r *Inspector) readable(ctx context.Context, g Group) error {
	if len(g.Files) == 0 {
		return nil
	}
	items := r.Load.Items(g.Missing)
	cells, err := r.cells(ctx)
	if err != nil {
		return err
	}
	for _, c := range cells {
		if len(r.Load.Copy.Select) == 0 && !slices.Contains(g.Missing, c.column) {
			items = append(items, "CAST("+r.inFile(c.column)+" AS "+c.typ+")")
		}
	}
	if len(items) == 0 {
		return nil
	}
	_, err = r.Work.Query(ctx, databend.Statement{SQL: "SELECT " + strings.Join(items, ", ") + " FROM " + r.Load.From(plan.Paths(g.Files)) +
		" IGNORE_RESULT", Secrets: r.Secrets})
	if err == nil || !fault.IsRefusal(err) {
		return err
	}
	if len(g.Files) == 1 { // a COPY may take what a query does not: only it tells
		why, failed := r.try(ctx, g.Files, g.Missing)
		if why != nil {
			r.Condemn(g.Files[0], r.refused(err))
		}
		return failed
	}
	half := len(g.Files) / 2
	if err := r.readable(ctx, Group{g.Files[:half], g.Missing}); err != nil {
		return err
	}
	return r.readable(ctx, Group{g.Files[half:], g.Missing})
}

// verdict tells of each file and fails when one is invalid.
func (r *Inspector) verdict(files []plan.File, planned *plan.Plan) error {
	bad := map[string]BadFile{}
	for _, b := range r.Bad {
		bad[b.Path] = b
	}
	var names, paths []string
	for _, f := range files {
		e := event.File{Load: r.Load.Name, Table: r.Load.Target, Path: f.Path, Before: f.State, Outcome: event.FileValid, Bytes: f.Bytes}
		if b, ok := bad[f.Path]; ok {
			e.Outcome, e.Reason, e.Column, e.Row, e.Value = event.FileInvalid, b.Why, b.Column, b.Row, b.Value
			names = append(names, f.Path+" ("+b.Why+")")
			paths = append(paths, f.Path)
		}
		r.Sink(e)
	}
	planned.Left(r.Sink)
	r.Sink(event.Summary{
		Command: "load", Load: r.Load.Name,
		Text: fmt.Sprintf("%s: %s checked, %s invalid", r.Load.Name, event.Plural(len(files), "file"),
			event.Count(len(names))),
		Counts: map[string]int64{"valid": int64(len(files) - len(names)), "invalid": int64(len(names))},
	})
	if len(names) > 0 {
		said, mend := event.Plural(len(names), "invalid file")+": ", "mend the files"
		if len(names) == len(files) && r.Headed() {
			mend = PassHeader + "; or mend them"
		}
		return &fault.Error{
			Load: r.Load.Name, Exit: exit.Check, Msg: said + event.Some(names, 3), Short: said + event.Some(paths, 3),
			Advice: mend + "; `" + shell.Join("dbctl", "load", r.Load.Name) + "` loads the others",
		}
	}
	return nil
}
