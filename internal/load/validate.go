package load

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Validate checks the files that Run would load and those that failed before (with Options.Path all that it names), at most
// Options.Limit of them, and loads and writes nothing: what COPY's VALIDATION_MODE would do if Databend had it, for transforms too.
// It emits a File, valid or invalid, for each, and fails with exit 3 when one is invalid. It finds files that cannot be read,
// schemas that differ, missing columns, casts that fail, vectors of another width, NULLs where the table takes none, damaged pages,
// and what the rules are about. Files of text formats are loaded for it, in a transaction that is rolled back.
func (l *Loader) Validate(ctx context.Context, ld project.Load, o Options) (err error) {
	j, err := newJob(ld, l.cfg.Scope.Database)
	if err != nil {
		return err
	}
	o.Force, o.RetryFailed = o.Force || o.Path != "", true
	r := &run{l: l, j: j, o: o}
	if r.plan, err = l.plan(ctx, j, want{Options: o}); err != nil {
		return err
	}
	if len(ld.Secrets) > 0 {
		if r.secrets, err = l.cfg.Secrets(ctx, ld.Secrets); err != nil {
			return err
		}
	}
	files := r.plan.Planned()
	if len(files) == 0 && r.plan.listed() == 0 {
		return r.plan.refusal(o)
	}
	columns, err := r.target(ctx)
	if err != nil {
		return err
	}
	must := r.unfilled(columns)
	left, gone := files, []badFile(nil)
	for {
		err := r.look(ctx, left)
		if err == nil && must {
			err = r.fills(ctx, left)
		}
		if err == nil {
			return r.verdict(files)
		}
		if !movedUnder(err, left) || len(gone) == alike {
			return wrap(ld.Name, "validate", err)
		}
		i := slices.IndexFunc(left, func(f File) bool { return f.Path == named(err, left) })
		gone = append(gone, badFile{left[i], notGiven(err)})
		left = slices.Delete(slices.Clone(left), i, i+1)
		r.bad = slices.Clone(gone)
	}
}

// look checks files, each schema by itself.
func (r *run) look(ctx context.Context, files []File) error {
	if r.j.FileType() != "PARQUET" {
		return r.trial(ctx, files)
	}
	groups, err := r.groups(ctx, files)
	if err != nil {
		return err
	}
	var first, extra map[string]string
	for _, g := range groups {
		schema, err := r.schema(ctx, g.files[0])
		if err != nil {
			return err
		}
		if first == nil {
			first, extra = schema, maps.Clone(schema)
		} else {
			r.l.cfg.Sink(event.Note{Level: "info", Text: fmt.Sprintf("load %s: %s of another schema, %s and on: %s", r.j.Name, count(int64(len(g.files)), "file is", "files are"), g.files[0].Path, difference(first, schema))})
		}
		maps.DeleteFunc(extra, func(name, _ string) bool { return schema[name] == "" })
		if err := r.validateGroup(ctx, g, schema); err != nil {
			return err
		}
	}
	return r.unread(ctx, extra)
}

// unread tells of columns of every file that the load does not read.
func (r *run) unread(ctx context.Context, columns map[string]string) error {
	cells, err := r.cells(ctx)
	if err != nil {
		return err
	}
	for _, c := range cells {
		delete(columns, strings.ToLower(c.column))
	}
	for _, it := range r.j.Copy.Select {
		if it.Column == "" && (strings.Contains(it.Text, "$1") || strings.HasSuffix(it.Text, "*")) { // reads them all
			return nil
		}
		maps.DeleteFunc(columns, func(name, _ string) bool { return it.Column == "" && strings.Contains(strings.ToLower(it.Text), name) })
	}
	if len(columns) > 0 {
		r.l.cfg.Sink(event.Note{Level: "info", Text: fmt.Sprintf("load %s: every file has what the load does not read: %s", r.j.Name, strings.Join(slices.Sorted(maps.Keys(columns)), ", "))})
	}
	return nil
}

// column is one of the target table's.
type column struct {
	name, typ      string
	nullable, dflt bool
}

// target asks for the table's columns, which come in their order.
func (r *run) target(ctx context.Context) ([]column, error) {
	s := sqltext.Quote
	res, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT name, data_type, is_nullable, default_kind FROM system.columns WHERE database=" + s(r.j.database) + " AND `table`=" + s(r.j.table)})
	if err != nil {
		return nil, wrap(r.j.Name, "read the columns of "+r.j.target, err)
	}
	out := make([]column, len(res.Rows))
	for i, row := range res.Rows {
		out[i] = column{row[0].String, writable(row[1].String), row[2].String == "YES", row[3].String != ""}
	}
	return out, nil
}

// writable is a type as a cast takes it: system.columns spells two otherwise (tried on 1.2.895).
func writable(typ string) string {
	return unnamed.ReplaceAllString(strings.ReplaceAll(typ, "TIMESTAMPTZ", "TIMESTAMP_TZ"), "$1")
}

// unnamed is a field of TUPLE(1 INT32, 2 STRING).
var unnamed = regexp.MustCompile(`([(,]\s*)\d+ `)

// unfilled tells of columns of the table that the load never fills. must is true when one takes no NULL either.
func (r *run) unfilled(columns []column) (must bool) {
	if len(r.j.Copy.Columns) == 0 {
		return false
	}
	for _, c := range columns {
		if c.dflt || slices.ContainsFunc(r.j.Copy.Columns, func(n string) bool { return strings.EqualFold(n, c.name) }) {
			continue
		}
		if !c.nullable {
			must = true
			continue
		}
		r.l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: column %s of %s is not filled: it stays NULL", r.j.Name, c.name, r.j.target)})
	}
	return must
}

// fills loads the first good file and takes it back: whether a NOT NULL column that the load does not name fills itself (AUTOINCREMENT)
// stands in no system table.
func (r *run) fills(ctx context.Context, files []File) error {
	for _, f := range files {
		if slices.ContainsFunc(r.bad, func(b badFile) bool { return b.Path == f.Path }) {
			continue
		}
		one := []File{f}
		why, err := r.try(ctx, batch{files: one}, one)
		if why == nil || err != nil {
			return err
		}
	}
	return nil
}

// twice is the type of a column that a file has twice.
const twice = "twice there (upper and lower case are one)"

// schema is a Parquet file's columns and their types.
func (r *run) schema(ctx context.Context, f File) (map[string]string, error) {
	res, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT column_name, type FROM INFER_SCHEMA(location=>" + literal("@"+r.j.Copy.Stage+"/"+f.Path) + ", file_format=>'PARQUET')"})
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(res.Rows))
	for _, row := range res.Rows {
		name := strings.ToLower(row[0].String)
		if out[name] != "" {
			row[1].String = twice
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
func (r *run) validateGroup(ctx context.Context, g group, schema map[string]string) error {
	cells, err := r.cells(ctx)
	if err != nil {
		return err
	}
	for _, it := range cells {
		typ, ok := schema[strings.ToLower(it.column)]
		if typ == twice {
			for _, f := range g.files {
				r.condemn(f, finding{reason: "column " + it.column + " is " + twice, column: it.column})
			}
			return nil
		}
		if ok || it.column == "" || strings.HasPrefix(strings.ToLower(it.column), "metadata$") || strings.HasPrefix(it.column, "$") {
			continue
		}
		if r.j.FillsMissing() || slices.ContainsFunc(r.j.Optional, func(c string) bool { return strings.EqualFold(c, it.column) }) {
			g.missing = append(g.missing, it.column)
			continue
		}
		for _, f := range g.files {
			r.condemn(f, finding{reason: "the file has no column " + it.column, column: it.column})
		}
		return nil
	}
	condemned := func(f File) bool { return slices.ContainsFunc(r.bad, func(b badFile) bool { return b.Path == f.Path }) }
	rules := func() ([]check, error) { return r.rules(ctx, "fail", true) }
	readable := func() ([]check, error) {
		all := len(g.files)
		err := r.readable(ctx, g)
		g.files = slices.DeleteFunc(slices.Clone(g.files), condemned)
		if err != nil || len(g.files) == all {
			return nil, err
		}
		return rules() // what an expression fails on in one file hides what they find in others
	}
	for _, pass := range []func() ([]check, error){func() ([]check, error) { return r.casts(ctx) }, rules, readable} {
		checks, err := pass()
		if err != nil {
			return err
		}
		found, err := r.examine(ctx, g.files, g.missing, checks)
		if err != nil {
			if !isRefusal(err) {
				return err
			}
			continue // a page that cannot be read: below
		}
		g.files = slices.DeleteFunc(slices.Clone(g.files), func(f File) bool {
			if why := found[f.Path]; len(why) > 0 {
				r.condemn(f, why[0])
				return true
			}
			return false
		})
	}
	warnings, err := r.rules(ctx, "warn", true)
	if err != nil {
		return err
	}
	found, err := r.examine(ctx, g.files, g.missing, warnings)
	if err != nil && !isRefusal(err) {
		return err
	}
	r.warn(g.files, found)
	return nil
}

// trial loads files of a format without a schema, and takes it back: a query is told neither a format's options nor the table's types.
func (r *run) trial(ctx context.Context, files []File) error {
	for len(files) > 0 {
		b := batch{files: files, send: send{files: paths(files), force: true}}
		why, err := r.try(ctx, b, files)
		if why == nil || err != nil {
			return err
		}
		bad, err := r.culprits(ctx, b, &copyError{error: why})
		if err != nil {
			return err
		}
		files = r.without(files, bad)
	}
	return nil
}

// readable evaluates the whole select list over the files, so that every page is read, and finds those that cannot be, half by half.
func (r *run) readable(ctx context.Context, g group) error {
	if len(g.files) == 0 {
		return nil
	}
	items := r.j.items(g.missing)
	cells, err := r.cells(ctx)
	if err != nil {
		return err
	}
	for _, c := range cells {
		if len(r.j.Copy.Select) == 0 && !slices.Contains(g.missing, c.column) {
			items = append(items, "CAST("+sqltext.Ident(c.column)+" AS "+c.typ+")")
		}
	}
	if len(items) == 0 {
		return nil
	}
	_, err = r.l.work.Query(ctx, databend.Statement{SQL: "SELECT " + strings.Join(items, ", ") + " FROM " + r.j.from(paths(g.files)) + " IGNORE_RESULT", Secrets: r.secrets})
	if err == nil || !isRefusal(err) {
		return err
	}
	if len(g.files) == 1 {
		r.condemn(g.files[0], r.refused(err))
		return nil
	}
	half := len(g.files) / 2
	if err := r.readable(ctx, group{g.files[:half], g.missing}); err != nil {
		return err
	}
	return r.readable(ctx, group{g.files[half:], g.missing})
}

// verdict tells of each file and fails when one is invalid.
func (r *run) verdict(files []File) error {
	bad := map[string]badFile{}
	for _, b := range r.bad {
		bad[b.Path] = b
	}
	var names []string
	for _, f := range files {
		e := event.File{Load: r.j.Name, Table: r.j.target, Path: f.Path, Before: string(f.State), Outcome: "valid", Bytes: f.Bytes}
		if b, ok := bad[f.Path]; ok {
			e.Outcome, e.Reason, e.Column, e.Row, e.Value = "invalid", b.reason, b.column, b.row, b.value
			names = append(names, f.Path+" ("+b.reason+")")
		}
		r.l.cfg.Sink(e)
	}
	r.plan.left(r.l.cfg.Sink)
	r.l.cfg.Sink(event.Summary{
		Command: "load", Text: fmt.Sprintf("%s: %s checked, %d invalid", r.j.Name, count(int64(len(files)), "file", "files"), len(names)),
		Counts: map[string]int64{"valid": int64(len(files) - len(names)), "invalid": int64(len(names))},
	})
	if len(names) > 0 {
		return errorf(r.j.Name, exitStopped, "mend the files; `dbctl load "+r.j.Name+"` loads the others", "%s: %s", count(int64(len(names)), "invalid file", "invalid files"), some(names, 3))
	}
	return nil
}
