// Package draft writes a load, and the migration of its table, from the files in a place: their columns are read, a type of a column is
// as wide as all of them need, and what is written loads them.
package draft

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Request is what a load is to be written for. From is required.
type Request struct {
	Name       string
	From       string // @stage/path/ or a URI
	Table      string // [database.]table; "" the name's last word
	Type       string // of the files: PARQUET …; "" what their names say
	Connection string // of a URI: the name of a CONNECTION, or options of one, "REGION=eu-1 …"; keys not among them are secrets
}

// Draft is what was written.
type Draft struct {
	Load      string // the text of loads/NAME.sql
	Table     string // as the load names it
	Migration string // the text of its table's migration; "" where the table is there
	Files     int    // whose columns were read
	Of        int    // files of the place
	Notes     []string
}

// sampled is how many files' columns are read: the first, the last, and others in between, since a schema changes with time.
const sampled = 12

// filenameColumn is what a new table gets for the name of each row's file: with it a changed file's rows can be replaced.
const filenameColumn = "source_file"

// Write reads the files and drafts the load.
func Write(ctx context.Context, p *plan.Planner, r Request) (Draft, error) {
	if err := r.Check(); err != nil {
		return Draft{}, err
	}
	j, err := p.Source(project.Load{Name: r.Name, Path: project.LoadsDir + "/" + r.Name + ".sql"}, r.copyText("t", "", ""))
	if err != nil {
		return Draft{}, err
	}
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
		d.note(event.Number(int64(n), "file there is", "files there are") + " of another type by name, and not read by this load")
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

// copyText is a COPY of the place into a table.
func (r Request) copyText(table, list, format string) string {
	from := r.From
	if !strings.HasPrefix(from, "@") {
		from = sqltext.Quote(from) + r.connection()
	} else if strings.ContainsAny(from, " '\"();,") {
		from = sqltext.Quote(from)
	}
	if list != "" {
		from = list + "  FROM " + from + "\n)"
	}
	if format == "" {
		format = "(TYPE = " + cmp.Or(strings.ToUpper(r.Type), "PARQUET") + ")"
	}
	return "COPY INTO " + table + "\nFROM " + from + "\nFILE_FORMAT = " + format
}

// connection is the CONNECTION of a URI: a name, or the keys of its scheme as secrets.
func (r Request) connection() string {
	scheme, _, _ := strings.Cut(r.From, "://")
	if r.Connection != "" && !strings.Contains(r.Connection, "=") {
		return " CONNECTION = (CONNECTION_NAME = " + sqltext.Quote(r.Connection) + ")"
	}
	keys := map[string][]string{
		"s3":  {"ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"},
		"gcs": {"CREDENTIAL", "GCS_CREDENTIAL"},
		"oss": {"ACCESS_KEY_ID", "OSS_ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "OSS_ACCESS_KEY_SECRET"},
		"obs": {"ACCESS_KEY_ID", "OBS_ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "OBS_SECRET_ACCESS_KEY"},
		"cos": {"SECRET_ID", "COS_SECRET_ID", "SECRET_KEY", "COS_SECRET_KEY"},
	}[scheme]
	var parts []string
	given := map[string]bool{}
	for _, o := range options(r.Connection) {
		parts, given[o.name] = append(parts, o.name+" = "+o.value), true
	}
	for i := 0; i+1 < len(keys) && !given["ROLE_ARN"]; i += 2 {
		if !given[keys[i]] {
			parts = append(parts, fmt.Sprintf("%s = {{ secret %q }}", keys[i], keys[i+1]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " CONNECTION = (" + strings.Join(parts, " ") + ")"
}

// option is one of a connection: its value is a literal or {{ secret "NAME" }}.
type option struct{ name, value string }

// options reads NAME=VALUE, parted by spaces; a value with spaces stands in quotes or in braces.
func options(text string) (out []option) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, value, _ := strings.Cut(text, "=")
		value = strings.TrimSpace(value)
		end := " \t\n"
		switch {
		case strings.HasPrefix(value, "{{"):
			end = "}}"
		case strings.HasPrefix(value, "'"), strings.HasPrefix(value, `"`):
			value, end = value[1:], value[:1]
		}
		n := len(value)
		if end == "}}" {
			if at := strings.Index(value, end); at >= 0 {
				n = at + len(end)
			}
		} else if at := strings.IndexAny(value, end); at >= 0 {
			n = at
		}
		text = strings.TrimLeft(value[n:], `'"`)
		if value = value[:n]; end != "}}" {
			value = sqltext.Quote(value)
		} else if words := strings.Fields(strings.Trim(value, "{}")); len(words) == 2 && words[0] == "secret" {
			value = "{{ secret " + words[1] + " }}"
		}
		out = append(out, option{strings.ToUpper(strings.TrimSpace(name)), value})
	}
	return out
}

// Check refuses keys in clear: what is written goes into a file. It names them, and says none.
func (r Request) Check() error {
	hint := fmt.Sprintf(`dbctl load create %s --from … --connection NAME, of a CONNECTION; or --connection 'NAME={{ secret "NAME" }}', `+
		"with its value in the environment. A key that stood on a command line should be made void", r.Name)
	if from := sqltext.Quote(r.From); sqltext.Mask(from) != from {
		return fault.Errorf(r.Name, exit.Usage, hint, "--from holds a key in clear")
	}
	if !strings.HasPrefix(r.From, "@") && !strings.Contains(r.From, "://") {
		return fault.Errorf(r.Name, exit.Usage, "--from @stage/path/, or a URI such as s3://bucket/path/: dbctl reads no folder of this machine",
			"--from %s is neither a stage nor a URI", r.From)
	}
	if !strings.Contains(r.Connection, "=") {
		return nil
	}
	for _, o := range options(r.Connection) {
		text := "CONNECTION = (" + o.name + " = " + o.value + ")"
		if names, err := sqltext.SecretNames(text); err != nil || strings.Contains(text, "{{") && len(names) == 0 {
			return fault.Errorf(r.Name, exit.Usage, hint, "--connection: the value of %s is no secret's name", o.name)
		}
		if sqltext.Mask(text) != text {
			return fault.Errorf(r.Name, exit.Usage, hint, "--connection holds %s in clear", o.name)
		}
	}
	return nil
}

// atTheFlag is err with a hint that is about the command: there is no file yet to mend.
func (r Request) atTheFlag(err error) error {
	if own, ok := errors.AsType[*fault.Error](err); ok && own.Exit == exit.Failed && !strings.HasPrefix(r.From, "@") {
		own.Advice = fmt.Sprintf("dbctl load create %s --from %s --connection 'REGION=… ENDPOINT_URL=…' (as far as the store needs them), "+
			"or the name of a CONNECTION", r.Name, shell.Quote(r.From))
	}
	return err
}

// list are the files of the place that may be data, by name.
func list(ctx context.Context, p *plan.Planner, j *source.Load) (files []string, err error) {
	_, err = p.Look.Each(ctx, databend.Statement{SQL: "SELECT name FROM " + j.Listing() + " WHERE size > 0 ORDER BY name"},
		func(r databend.Row) error {
			if hidden.MatchString(r[0].String[min(len(r[0].String), len(j.Prefix)):]) {
				return nil
			}
			files = append(files, r[0].String)
			return nil
		})
	if err != nil {
		return nil, fault.Wrap(j.Name, "list", j.Placed(err))
	}
	if len(files) == 0 {
		return nil, fault.Errorf(j.Name, exit.Check, "name a place that holds some: --from", "no file in %s", j.Place())
	}
	return files, nil
}

var hidden = regexp.MustCompile(`(^|/)[_.]`)

// types are the formats by the extensions of their files.
var types = map[string]string{
	".parquet": "PARQUET", ".csv": "CSV", ".tsv": "TSV", ".txt": "TSV", ".ndjson": "NDJSON", ".jsonl": "NDJSON", ".json": "NDJSON",
	".orc":  "ORC",
	".avro": "AVRO",
}

// fileType is the format of most of the files, and those that have it.
func fileType(r Request, j *source.Load, files []string) (string, []string, error) {
	of := func(f string) string {
		f, _ = source.Unpacked(f)
		return types[strings.ToLower(path.Ext(f))]
	}
	if r.Type != "" {
		return strings.ToUpper(r.Type), files, nil
	}
	counts := map[string]int{}
	best := ""
	for _, f := range files {
		if t := of(f); t != "" {
			if counts[t]++; counts[t] > counts[best] {
				best = t
			}
		}
	}
	if best == "" {
		return "", nil, fault.Errorf(j.Name, exit.Usage, "say it: --type parquet (csv, tsv, ndjson, orc, avro)",
			"the names of the files in %s do not say their type: %s", j.Place(), fault.Some(files, 3))
	}
	return best, slices.DeleteFunc(files, func(f string) bool { return of(f) != best }), nil
}

// spread are n of the files: the first, the last, and others evenly in between.
func spread(files []string, n int) []string {
	if len(files) <= n {
		return files
	}
	out := make([]string, n)
	for i := range out {
		out[i] = files[i*(len(files)-1)/(n-1)]
	}
	return out
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
	// readable is how many of the sampled files told their columns.
	readable int
	into     []string // the table's columns, for each field
	make     bool     // the table is not there
	out      Draft
}

// read asks for the columns of each of the sampled files.
func (d *drafter) read(ctx context.Context) error {
	named, options := d.typ, "TYPE = "+d.typ
	d.format = "(" + options + ")"
	if d.packed != "" {
		options += ", COMPRESSION = " + d.packed
		var err error
		if named, err = d.makeFormat(ctx, "("+options+")"); err != nil {
			return err
		}
	}
	if d.typ == "CSV" || d.typ == "TSV" {
		by, err := d.delimiter(ctx, named)
		if err != nil {
			return err
		}
		if by != "" {
			options += ", FIELD_DELIMITER = " + sqltext.Quote(by)
			if named, err = d.makeFormat(ctx, "("+options+")"); err != nil {
				return err
			}
		}
		header, err := d.header(ctx, named)
		if err != nil {
			return err
		}
		if header {
			if named, err = d.makeFormat(ctx, "("+options+", SKIP_HEADER = 1)"); err != nil {
				return err
			}
		}
	}
	for _, f := range d.sample {
		rows, err := d.columns(ctx, f, named)
		if err != nil && databend.IsCode(err, databend.CodeInternal, databend.CodeBadBytes, databend.CodeBadCompression) {
			d.out.Notes = append(d.out.Notes, fmt.Sprintf("%s cannot be read: %s", f, fault.InWords(err)))
			continue
		}
		if err != nil {
			return fault.Wrap(d.r.Name, "read the columns of "+f, err)
		}
		d.readable++
		for i, c := range rows {
			if !d.keyed() && slices.ContainsFunc(rows, func(o column) bool { return o.name != c.name && strings.EqualFold(o.name, c.name) }) {
				d.note(fmt.Sprintf("the column %s is %s, and not read", strings.ToLower(c.name), fault.Twice))
				continue
			}
			if strings.Contains(c.name, "{{") {
				d.note(fmt.Sprintf("the column %s is not read: a load is a template, in which that is no name", c.name))
				continue
			}
			d.add(i, c.name, c.typ, c.nullable)
		}
	}
	if len(d.fields) == 0 {
		return fault.Errorf(d.r.Name, exit.Failed, "write the load by hand: COPY INTO …",
			"no file of %s has columns that can be read: %s", d.j.Place(), fault.Some(d.out.Notes, 3))
	}
	return nil
}

// note says something once.
func (d *drafter) note(text string) {
	if !slices.Contains(d.out.Notes, text) {
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
func (d *drafter) add(at int, name, typ string, nullable bool) {
	from := source.Bare(name)
	switch d.typ {
	case "CSV", "TSV":
		from = fmt.Sprintf("$%d", at+1)
	case "NDJSON", "AVRO":
		from = "$1:" + source.Bare(name)
	}
	typ = writable(typ)
	for i := range d.fields {
		folded := !d.keyed() && source.PlainName.MatchString(strings.ToLower(name))
		if f := &d.fields[i]; f.name == name || folded && strings.EqualFold(f.name, name) {
			if f.name != name { // a name without quotes reads either
				lower := strings.ToLower(name)
				if f.from == source.Bare(f.name) {
					f.from = source.Bare(lower)
				}
				f.name = lower
			}
			if wide := widen(f.typ, typ); wide != f.typ || wide != typ {
				d.out.Notes = append(d.out.Notes, fmt.Sprintf("column %s is %s in some files and %s in others: %s takes both", name, f.typ, typ, wide))
				f.typ = wide
			}
			f.files++
			f.nullable = f.nullable || nullable
			return
		}
	}
	d.fields = append(d.fields, field{name: name, from: from, typ: typ, files: 1, nullable: nullable})
}

// header reports whether the first line of the text files names columns: words, each once, above lines that are otherwise.
func (d *drafter) header(ctx context.Context, format string) (bool, error) {
	res, err := d.p.Look.Query(ctx, databend.Statement{SQL: "SELECT column_name FROM INFER_SCHEMA(location=>" +
		d.j.At(d.sample[0]) + ", file_format=>" + sqltext.Quote(format) + ")"})
	if err != nil || len(res.Rows) == 0 {
		return false, fault.Wrap(d.r.Name, "read the columns of "+d.sample[0], err)
	}
	items := make([]string, len(res.Rows))
	for i := range items {
		items[i] = fmt.Sprintf("$%d", i+1)
	}
	res, err = d.p.Look.Query(ctx, databend.Statement{SQL: "SELECT " + strings.Join(items, ", ") + " FROM " +
		d.j.At(d.sample[0]) + " (FILE_FORMAT=>" + sqltext.Quote(format) + ") LIMIT 1"})
	if err != nil || len(res.Rows) == 0 {
		return false, fault.Wrap(d.r.Name, "read the first line of "+d.sample[0], err)
	}
	seen, words := map[string]bool{}, 0
	for _, c := range res.Rows[0] {
		if columnWord.MatchString(c.String) {
			words++
			seen[strings.ToLower(c.String)] = true
		}
	}
	if columns := len(res.Rows[0]); len(seen) < columns {
		if words > columns/2 {
			d.note(fmt.Sprintf("the first line of %s is read as data; if it names the columns, put SKIP_HEADER = 1 into FILE_FORMAT", d.sample[0]))
		}
		return false, nil
	}
	return true, nil
}

var columnWord = regexp.MustCompile(`^[\pL_][\pL\pN_ .-]*$`)

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
			kept, d.into = append(kept, f), append(d.into, name)
			continue
		}
		at := slices.IndexFunc(columns, func(c plan.Column) bool { return strings.EqualFold(c.Name, f.name) })
		if at < 0 {
			d.out.Notes = append(d.out.Notes, fmt.Sprintf("the table %s has no column for %s of the files: it is not read", name, f.name))
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
