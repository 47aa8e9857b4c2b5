package project

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// readLoads reads all .sql files of loads/ and of the folders below it, by name, and says which it could not read. Hidden files and
// folders are none of ours.
func readLoads(r *renderer) ([]Load, []Broken) {
	var files []string
	err := WalkDir(r.dir, LoadsDir, func(p string, e fs.DirEntry, err error) error {
		switch {
		case p == LoadsDir && errors.Is(err, fs.ErrNotExist): // a project may have no loads
		case err != nil:
			return unreadable(p, outside(err))
		case strings.HasPrefix(e.Name(), "."):
			if e.IsDir() {
				return fs.SkipDir
			}
		case !e.IsDir() && strings.EqualFold(path.Ext(p), ".sql"):
			files = append(files, p)
		}
		return nil
	})
	var broken []Broken
	if err != nil {
		broken = append(broken, Broken{Path: LoadsDir, Err: err})
	}
	all := make([]Load, 0, len(files))
	for _, file := range files {
		if l, err := r.readLoad(file); err != nil {
			broken = append(broken, Broken{Load: l.Name, Path: file, Err: err})
		} else {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b Load) int { return strings.Compare(a.Name, b.Name) })
	return all, broken
}

// loadName are the characters of which the names of loads are made: none that a shell or a glob reads.
const loadName = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-"

// BadLoadName is what is wrong with a name that no load has, in words behind it; "" for one that a load may have.
func BadLoadName(name string) string {
	if strings.Trim(name, loadName) != "" || strings.HasPrefix(name, "-") {
		return "is not one of letters, digits and . _ / -"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' {
			return "has a part that is empty or begins with a dot"
		}
	}
	return ""
}

// readLoad reads one file.
func (r *renderer) readLoad(file string) (Load, error) {
	name := strings.TrimPrefix(strings.TrimSuffix(file, ".sql"), LoadsDir+"/")
	l := Load{Name: name, Path: file}
	if path.Ext(file) != ".sql" {
		return l, &Error{Place: sqltext.Place{File: file}, Msg: "the extension is " + path.Ext(file), Advice: "rename it to .sql"}
	}
	if wrong := BadLoadName(name); wrong != "" {
		return l, &Error{
			Place: sqltext.Place{File: file}, Msg: "the file's name " + wrong,
			Advice: "rename it: the name is what `dbctl load NAME` takes, shells complete it, and NAME may be a glob",
		}
	}
	src, err := readSource(r.dir, file)
	if err != nil {
		return l, err
	}
	r.known.read(src.text)
	l.Headers, err = sqltext.Headers(src.text)
	malformed := src.fromSQL(err)
	copied := &l.Copy
	wrong := r.readLoadText(&l, src)
	if wrong != nil {
		copied = nil
	}
	l.LoadHeader, err = readLoadHeaders(src, l.Headers, copied)
	return l, inOrder(malformed, err, wrong)
}

// readLoadText reads the statement of a load.
func (r *renderer) readLoadText(l *Load, src *source) error {
	start := len(src.text) - len(strings.TrimPrefix(src.text, bom))
	e, err := r.expand(src, src.text[start:], start)
	if err != nil {
		return err
	}
	l.Expanded, l.Checksum = e.text, checksum(e.text)
	statements, err := sqltext.Split(e.text)
	if err != nil {
		return e.fail(err)
	}
	const one = "a load is one COPY INTO table FROM a stage or a location, and DML behind it; other statements belong in a migration"
	if len(statements) == 0 {
		return &Error{Place: sqltext.Place{File: src.path, Line: 1, Column: 1}, Msg: "there is no statement", Advice: one}
	}
	st := statements[0]
	l.Statement = e.statement(st)
	if l.Copy, err = copytext.Parse(st.Text); err != nil {
		if se, ok := err.(*sqltext.Error); ok {
			hint := se.Hint
			if hint == "" {
				hint = one
			}
			return e.errorAt(st.Start+se.Pos.Offset, se.Msg, hint)
		}
		return e.errorAt(st.Start, err.Error(), one)
	}
	for i, o := range l.Copy.Options {
		format := copytext.FormatOptions(o.Value)
		twice := slices.ContainsFunc(l.Copy.Options[:i], func(before copytext.Option) bool { return before.Name == o.Name })
		switch {
		case twice:
			return e.errorAt(st.Start+o.Span[0], o.Name+" stands twice, and the engine takes the last", "leave one out")
		case o.Name == "FILE_FORMAT" && format["FORMAT_NAME"] != "" && len(format) > 1:
			return e.errorAt(st.Start+o.Span[0], "the engine passes over the options beside FORMAT_NAME",
				"write FORMAT_NAME alone, or TYPE with all options in its place")
		}
	}
	for _, st := range statements[1:] {
		does := effect.Analyze(st.Text, r.env.Database)
		if !does.DML || does.Copy || does.Script {
			return e.errorAt(st.Start, "behind its COPY a load takes DML only, which runs in the COPY's transaction: this is "+does.Kind,
				"INSERT, MERGE, UPDATE, DELETE or REPLACE; a second COPY is a load of its own, other statements belong in a migration")
		}
		l.After = append(l.After, e.statement(st))
	}
	l.Secrets, err = e.secrets()
	return err
}

// visible matches the names of files below a COPY's path that are data: neither they nor a folder of theirs begins with '_' or
// '.' (_SUCCESS, _temporary, hidden files), which COPY would read as data. A PATTERN is anchored, and relative to the path, which
// is a prefix: without a / at its end it is the beginning of a name, that visibleOn goes on with.
const (
	visible   = `([^_./][^/]*/)*[^_./][^/]*`
	visibleOn = `[^/]*(/[^_./][^/]*)*`
)

// extensions are the names that files of a TYPE have, in upper or lower case, as a regular expression behind the base name.
var extensions = map[string]string{
	"PARQUET": `[.](?i:parquet)`,
	"CSV":     `[.](?i:csv([.](gz|zst|bz2|xz))?)`,
	"TSV":     `[.](?i:(tsv|txt)([.](gz|zst|bz2|xz))?)`,
	"TEXT":    `[.](?i:(tsv|txt|csv)([.](gz|zst|bz2|xz))?)`,
	"NDJSON":  `[.](?i:(ndjson|jsonl|json)([.](gz|zst|bz2|xz))?)`,
	"JSON":    `[.](?i:json([.](gz|zst|bz2|xz))?)`,
	"ORC":     `[.](?i:orc)`,
	"AVRO":    `[.](?i:avro)`,
}

// anyExtension is what files of any of the types have at the end of their names.
const anyExtension = `[.](?i:parquet|orc|avro|(csv|tsv|ndjson|jsonl|json)([.](gz|zst|bz2|xz))?)`

// filePattern is the PATTERN to add to the COPY of this load: that of its pattern= header, or one that keeps it to the visible
// files of its type. It is "" when the COPY has a PATTERN or FILES itself, or names one file.
func (l *Load) filePattern() string {
	last := path.Base(l.Copy.Path)
	switch {
	case option(l.Copy, "PATTERN", "FILES") != "":
		return ""
	case l.Pattern != "":
		return l.Pattern
	case !strings.HasSuffix(l.Copy.Path, "/") && strings.Contains(last, ".") && last != ".":
		return ""
	}
	return l.DefaultPattern()
}

// DefaultPattern is the pattern of a load that names none: the visible files of its type. Without it COPY reads _SUCCESS, hidden
// files and READMEs as data. For a named format it is any visible file; for a stage's that is not known, one of any type.
func (l *Load) DefaultPattern() string {
	names, last := visible, extensions[l.FileType()]
	if l.Copy.Path != "" && !strings.HasSuffix(l.Copy.Path, "/") {
		names = visibleOn
	}
	switch own := l.Copy.Format(); {
	case own != nil && own["TYPE"] == "":
		last = ""
	case l.FileType() == "" && own == nil:
		last = anyExtension
	}
	return names + last
}

// FileType is the TYPE of the COPY's FILE_FORMAT, or of Format, in upper case; "" when neither says.
func (l *Load) FileType() string {
	return strings.ToUpper(l.FormatOptions()["TYPE"])
}

// Statements are the COPY and what follows it.
func (l *Load) Statements() []Statement { return append([]Statement{l.Statement}, l.After...) }

// Unnamed is what a SELECT list has in the place of a column's name where the files have no columns; "" where they have, and of the
// columns that the engine adds to every file (metadata$filename).
func (l *Load) Unnamed(column string) string {
	switch {
	case copytext.IsMetadata(column):
	case l.ByPosition():
		return "$1 for the first field, $2 for the second"
	case slices.Contains([]string{"NDJSON", "AVRO"}, l.FileType()):
		return "$1:" + sqltext.Ident(column)
	}
	return ""
}

// ByPosition reports whether the files are of a type whose fields have no names.
func (l *Load) ByPosition() bool {
	return slices.Contains([]string{"CSV", "TSV", "TEXT"}, l.FileType())
}

// FillsMissing reports whether a plain COPY fills a column that a file lacks: MISSING_FIELD_AS = FIELD_DEFAULT.
func (l *Load) FillsMissing() bool {
	return len(l.Copy.Select) == 0 &&
		strings.EqualFold(strings.ReplaceAll(l.FormatOptions()["MISSING_FIELD_AS"], "_", ""), "FieldDefault")
}

// FormatOptions are the options of the format: those of the COPY, and what Format says besides.
func (l *Load) FormatOptions() map[string]string {
	out := copytext.FormatOptions(l.Format)
	maps.Copy(out, l.Copy.Format())
	return out
}

// taskSQL is the load's COPY for a task's body: its table qualified, since a task has no current database, and with a PATTERN.
func (l *Load) taskSQL(database string) string {
	sql := l.Statement.SQL
	if p := l.filePattern(); p != "" {
		sql += "\nPATTERN = " + sqltext.Quote(p)
	}
	if l.Copy.Database == "" {
		sql = sql[:l.Copy.TableSpan[0]] + sqltext.Ident(database) + "." + sql[l.Copy.TableSpan[0]:]
	}
	return sql
}
