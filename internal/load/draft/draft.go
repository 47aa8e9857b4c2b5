// Package draft writes a load, and the migration of its table, from the files in a place: their columns are read, a type of a column is
// as wide as all of them need, and what is written loads them.
package draft

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Draft is what was written.
type Draft struct {
	Load      string // the text of loads/NAME.sql
	Table     string // as the load names it
	Migration string // the text of its table's migration; "" where the table is there
	Files     int    // whose columns were read
	Of        int    // files of the place
	Notes     []string
}

// filenameColumn is what a new table gets for the name of each row's file: with it a changed file's rows can be replaced.
const filenameColumn = "source_file"

// Write reads the files and drafts the load, and again where another command took away what was made for it.
func Write(ctx context.Context, p *plan.Planner, r Request) (Draft, error) {
	if err := r.Check(); err != nil {
		return Draft{}, err
	}
	j, err := p.Source(project.Load{Name: r.Name, Path: project.LoadsDir + "/" + r.Name + ".sql"}, r.copyText("t", "", ""))
	if err != nil {
		return Draft{}, err
	}
	j.Statement.Place = sqltext.Place{} // the file is not written yet
	for try := 0; ; try++ {
		d, err := write(ctx, p, r, j)
		if try >= plan.Remakes || !j.Dropped(err) {
			return d, err
		}
	}
}

func write(ctx context.Context, p *plan.Planner, r Request, j *source.Load) (Draft, error) {
	if j.Own() {
		if err := p.MakeStage(ctx, j); err != nil {
			return Draft{}, r.atTheFlag(err)
		}
	}
	files, err := list(ctx, p, j)
	if err != nil {
		return Draft{}, r.atTheFlag(err)
	}
	all := len(files)
	typ, files, err := fileType(r, j, files)
	if err != nil {
		return Draft{}, err
	}
	d := &drafter{p: p, r: r, j: j, typ: typ, files: files, sample: spread(files, sampled)}
	if n := all - len(files); n > 0 {
		d.note("%s of another type by name, and not read by this load", event.Number(n, "file there is", "files there are"))
	}
	for _, f := range files {
		if _, how := source.Unpacked(f); how != "" && d.packed != "" && how != d.packed {
			return Draft{}, fault.Errorf(r.Name, exit.Check, "give them endings in lower case, and load create writes COMPRESSION = AUTO",
				"its files are compressed in several ways, and the endings of some are not in lower case: %s", f)
		} else if how != "" {
			d.packed = how
		}
	}
	if err := d.read(ctx); err != nil {
		return Draft{}, err
	}
	d.out.Files, d.out.Of = d.readable, len(files)
	if err := d.intoTable(ctx); err != nil {
		return Draft{}, err
	}
	d.write()
	return d.out, nil
}

// field is a column of the files.
type field struct {
	name     string // as the files have it
	from     string // the expression that reads it
	typ      string
	files    int // that have it
	nullable bool
}

type drafter struct {
	p      *plan.Planner
	r      Request
	j      *source.Load
	typ    string
	files  []string
	sample []string
	packed string // the COMPRESSION of files, by their names
	format string // FILE_FORMAT of the load
	fields []field
	moved  bool // the headers of some text files differ
	// readable is how many of the sampled files told their columns.
	readable int
	into     []string // the table's columns, for each field
	make     bool     // the table is not there
	out      Draft
}

// read asks for the columns of each of the sampled files.
func (d *drafter) read(ctx context.Context) error {
	named, err := d.shape(ctx)
	for unreadable(err) {
		d.note("%s cannot be read: %s", d.sample[0], fault.InWords(err))
		if d.sample = d.sample[1:]; len(d.sample) == 0 {
			return d.nothing()
		}
		named, err = d.shape(ctx)
	}
	if err != nil {
		return err
	}
	for _, f := range d.sample {
		rows, err := d.columns(ctx, f, named)
		if unreadable(err) {
			d.note("%s cannot be read: %s", f, fault.InWords(err))
			continue
		}
		if err != nil {
			return fault.Wrap(d.r.Name, "read the columns of "+f, err)
		}
		d.readable++
		for i, c := range rows {
			if !d.keyed() && slices.ContainsFunc(rows, func(o column) bool { return o.name != c.name && strings.EqualFold(o.name, c.name) }) {
				d.note("the column %s is %s, and not read", strings.ToLower(c.name), fault.Twice)
				continue
			}
			if strings.Contains(c.name, "{{") {
				d.note("the column %s is not read: a load is a template, in which that is no name", c.name)
				continue
			}
			d.add(f, i, c)
		}
	}
	if len(d.fields) == 0 {
		return d.nothing()
	}
	return nil
}

// unreadable says whether an error is of a file, and not of the question.
func unreadable(err error) bool {
	return databend.IsCode(err, databend.CodeInternal, databend.CodeBadBytes, databend.CodeBadCompression)
}

// nothing is the error of files none of which can be read.
func (d *drafter) nothing() error {
	return fault.Errorf(d.r.Name, exit.Failed, "write the files in another way, or name others: --from",
		"no file of %s has columns that can be read: %s", d.j.Place(), event.Some(d.out.Notes, 3))
}

// shape finds the format of the files, by the first of them, and what the server is to be asked with.
func (d *drafter) shape(ctx context.Context) (named string, err error) {
	named, options := d.typ, "TYPE = "+d.typ
	if d.packed != "" {
		options += ", COMPRESSION = " + d.packed
	}
	by, err := d.delimiter(ctx)
	if err != nil {
		return "", err
	}
	if by != "," {
		options += ", FIELD_DELIMITER = " + sqltext.Quote(by)
	}
	d.format = "(" + options + ")"
	if d.packed != "" || by != "," {
		if named, err = d.makeFormat(ctx, d.format); err != nil {
			return "", err
		}
	}
	if d.typ == "CSV" || d.typ == "TSV" {
		header, err := d.header(ctx, named)
		if err != nil {
			return "", err
		}
		if header {
			if named, err = d.makeFormat(ctx, "("+options+", SKIP_HEADER = 1)"); err != nil {
				return "", err
			}
		}
	}
	return named, nil
}

// note says something once.
func (d *drafter) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(d.out.Notes, text) {
		d.out.Notes = append(d.out.Notes, text)
	}
}

// makeFormat makes the load's format, by whose name alone some of the server's questions can be asked.
func (d *drafter) makeFormat(ctx context.Context, format string) (name string, err error) {
	d.format = format
	with, err := d.p.Source(project.Load{Name: d.r.Name}, d.r.copyText("t", "", format))
	if err != nil {
		return "", err
	}
	sql, drop := with.MakeFormat()
	d.p.Made(drop)
	if _, err := d.p.Work.Exec(ctx, databend.Statement{SQL: sql}); err != nil {
		return "", fault.Wrap(d.r.Name, "read the header", err)
	}
	return with.FormatMade(), nil
}

// add notes that a file has a column.
func (d *drafter) add(file string, at int, c column) {
	name, typ, nullable, from := c.name, writable(c.typ), c.nullable, source.Bare(c.name)
	switch d.typ {
	case "CSV", "TSV":
		from = fmt.Sprintf("$%d", at+1)
	case "NDJSON", "AVRO":
		from = "$1:" + source.Bare(name)
	}
	folded := !d.keyed() && source.PlainName.MatchString(strings.ToLower(name))
	same := func(f field) bool { return f.name == name || folded && strings.EqualFold(f.name, name) }
	if strings.HasPrefix(from, "$") && !d.keyed() && slices.ContainsFunc(d.fields, func(f field) bool { return same(f) != (f.from == from) }) {
		d.note("the header of %s names other columns than that of %s, or in other places, and the load goes by the places of that: "+
			"such files need a load of their own", file, d.sample[0])
		d.moved = true
		return
	}
	for i := range d.fields {
		if f := &d.fields[i]; same(*f) {
			if f.name != name { // a name without quotes reads either
				lower := strings.ToLower(name)
				if f.from == source.Bare(f.name) {
					f.from = source.Bare(lower)
				}
				f.name = lower
			}
			wide := widen(f.typ, typ)
			if f.typ != "" && typ != "" && (wide != f.typ || wide != typ) {
				takes := "takes both"
				if wide == "VARIANT" && !d.keyed() && (f.typ == "STRING" || typ == "STRING") {
					takes = "takes a text where that is JSON, and no other"
				}
				d.note("column %s is %s in some files and %s in others: %s %s", name, f.typ, typ, wide, takes)
			}
			f.typ = wide
			f.files++
			f.nullable = f.nullable || nullable
			return
		}
	}
	d.fields = append(d.fields, field{name: name, from: from, typ: typ, files: 1, nullable: nullable})
}

// intoTable finds the table's columns for the fields; where there is no table, it is to be made.
func (d *drafter) intoTable(ctx context.Context) error {
	name := cmp.Or(d.r.Table, source.Bare(columnName(path.Base(d.r.Name))))
	d.out.Table = name
	target, err := d.p.Source(project.Load{Name: d.r.Name}, d.r.copyText(name, "", d.format))
	if err != nil {
		return fault.Errorf(d.r.Name, exit.Usage, "--table [DATABASE.]TABLE", "--table %s: %v", name, err)
	}
	columns, err := plan.Columns(ctx, d.p.Look, target)
	if err != nil {
		return err
	}
	d.make = len(columns) == 0
	var kept []field
	for _, f := range d.fields {
		if d.make {
			name := columnName(f.name)
			for n := 2; slices.Contains(d.into, name); n++ {
				name = fmt.Sprintf("%s_%d", columnName(f.name), n)
			}
			if f.typ == "" {
				f.typ = "STRING"
				d.note("no file that was read has a value of column %s: its type is a guess", f.name)
			}
			kept, d.into = append(kept, f), append(d.into, name)
			continue
		}
		at := slices.IndexFunc(columns, func(c plan.Column) bool { return strings.EqualFold(c.Name, f.name) })
		if at < 0 {
			d.note("the table %s has no column for %s of the files: it is not read", name, f.name)
			continue
		}
		f.typ = strings.TrimSuffix(columns[at].Typ, " NULL")
		kept, d.into = append(kept, f), append(d.into, columns[at].Name)
	}
	if d.fields = kept; len(kept) == 0 {
		return fault.Errorf(d.r.Name, exit.Failed, "name another: --table", "the table %s has no column of the files", name)
	}
	return nil
}

// columnName is the table's name for a column of the files.
func columnName(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r > 127 {
			return r
		}
		return '_'
	}, strings.ToLower(name)), " ")
}

// write makes the texts.
func (d *drafter) write() {
	var columns, items, optional, made []string
	for i, f := range d.fields {
		into, item := source.Bare(d.into[i]), f.from+"::"+f.typ
		switch {
		case d.keyed() || d.typ == "CSV" || d.typ == "TSV": // they lack nothing: what is not there is NULL, or an error
		case f.files < d.readable:
			optional = append(optional, headerName(f.name))
		}
		columns, items = append(columns, into), append(items, item)
		made = append(made, "  "+into+" "+f.typ+" NULL")
	}
	var head []string
	if d.make {
		columns, items = append(columns, filenameColumn), append(items, "METADATA$FILENAME")
		made = append(made, "  "+filenameColumn+" STRING NULL")
		head = append(head, "-- dbctl: filename-column="+filenameColumn)
	}
	if pattern := d.pattern(); pattern != "" {
		head = append(head, "-- dbctl: pattern='"+strings.ReplaceAll(pattern, "'", "''")+"'")
	}
	if d.moved {
		head = append(head, `-- dbctl: rule=header:fail "some files have their columns in other places"`)
	}
	if len(optional) > 0 {
		head = append(head, "-- dbctl: optional="+strings.Join(optional, ","))
	}
	list := "(\n  SELECT\n    " + strings.Join(items, ",\n    ") + "\n"
	d.out.Load = strings.Join(append(head, d.r.copyText(d.out.Table+" ("+strings.Join(columns, ", ")+")", list, d.format)),
		"\n") + ";\n"
	if d.make {
		d.out.Migration = fmt.Sprintf("-- +goose Up\nCREATE TABLE %[1]s (\n%[2]s\n);\n\n-- +goose Down\nDROP TABLE %[1]s;\n",
			d.out.Table, strings.Join(made, ",\n"))
	}
}

// headerName is a name as a header has it.
func headerName(name string) string {
	if strings.ContainsAny(name, " \t,") {
		return "`" + name + "`"
	}
	return name
}
