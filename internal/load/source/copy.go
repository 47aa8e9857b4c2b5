// Package source reads what a load's file says: where its files are, which of them are its own, and the pieces that its COPY is put
// together from again. It asks the server for nothing but the formats that a text leaves to it.
package source

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// MaxFiles is how many files one COPY may commit (COPY_MAX_FILES_PER_COMMIT of the engine; 2004 or 1001 above).
const MaxFiles = 15_000

// ours are the options that dbctl decides; the load's own are taken out.
var ours = []string{"FILES", "PATTERN", "MAX_FILES", "FORCE", "RETURN_FAILED_ONLY"}

// Load is one of loads/ made ready: its names, and the pieces of its COPY.
type Load struct {
	project.Load
	Database string // of the target
	Table    string
	Target   string // database.table, for people and as the ledger's key of the lock
	Prefix   string // of the location, below the stage root
	Pattern  string // of what lies behind prefix
	Files    map[string]bool
	head     string            // COPY INTO t (…) FROM (SELECT … FROM
	tail     string            // the alias and ), up to the options
	kept     []copytext.Option // the load's own, without ours
	options  string            // their text
	own      string            // the name of what is made for the load on the server: a stage, a file format
	named    string            // the file format, once it is made
	typed    string            // by HTTP: the URL as it is written
}

// New checks what only dbctl may say and takes the COPY apart.
func New(ld project.Load, project, database string) (*Load, error) {
	c := ld.Copy
	j := &Load{Load: ld, Database: c.Database, Table: c.Table, Prefix: c.Path}
	if j.Database == "" {
		j.Database = database
	}
	j.Target = j.Database + "." + j.Table
	if strings.Contains(j.Database+j.Table, ".") {
		return nil, fault.Errorf(ld.Name, exit.Usage, "give it a name without a dot",
			"a table with a dot in its name or its database's (%s) cannot be loaded: copy_history cannot be asked for it", j.Target).
			Placed(ld.Statement.PlaceOf(c.TableSpan[0]))
	}
	if force, _ := c.Option("FORCE"); c.Is("FORCE") {
		return nil, fault.Errorf(ld.Name, exit.Usage,
			"take FORCE out of "+ld.Path+"; `dbctl load "+ld.Name+" --force --path GLOB` loads files again",
			"FORCE in a load would load every file in every run").Placed(ld.Statement.PlaceOf(force.Span[0]))
	}
	var err error
	if j.Pattern, err = patternOf(ld); err != nil {
		return nil, err
	}
	if paths, given, err := c.Files(); given {
		if err == nil && len(paths) == 0 {
			err = errors.New("it names no file")
		}
		if err != nil {
			files, _ := c.Option("FILES")
			return nil, fault.Errorf(ld.Name, exit.Usage, "write FILES = ('…', …)", "cannot read FILES: %v", err).
				Placed(ld.Statement.PlaceOf(files.Span[0]))
		}
		j.Files = map[string]bool{}
		for _, path := range paths {
			j.Files[path] = true
		}
		if _, ok := c.Option("PATTERN"); !ok && ld.Pattern == "" {
			j.Pattern = `(?s).*`
		}
	}
	if c.Is("PURGE") {
		j.EmptyOK = true // what was loaded is gone from there
	}
	if j.own = ownName(project, database, ld.Name); c.URI != "" {
		j.Copy.Stage = j.madeOf(c.URI)
	}
	if j.Unlisted() {
		if err := j.nameFiles(); err != nil {
			return nil, err
		}
	}
	sql := ld.Statement.SQL
	end := len(sql)
	if len(c.Options) > 0 {
		end = c.Options[0].Span[0]
	}
	j.head, j.tail = sql[:c.LocationSpan[0]], strings.TrimRight(sql[c.LocationSpan[1]:end], " \t\r\n;")
	for _, o := range c.Options {
		if !slices.Contains(ours, o.Name) {
			j.kept = append(j.kept, o)
			j.options += o.Name + " = " + o.Value + " "
		}
	}
	return j, nil
}

// Send is one COPY to be sent.
type Send struct {
	Files   []string // below the stage root; nil: by prefix and pattern
	Max     int      // MAX_FILES; 0 none
	Force   bool
	Missing []string // optional columns that these files lack: NULL
}

// TableSQL is the table's name as it is written in a statement.
func (j *Load) TableSQL() string { return sqltext.Ident(j.Database) + "." + sqltext.Ident(j.Table) }

// SQL is the COPY. By FILES it names them from the stage root, so that a location that is no folder means the same.
func (j *Load) SQL(s Send) string {
	var b strings.Builder
	b.WriteString(j.headFor(s.Missing))
	if s.Files != nil {
		b.WriteString(j.root())
	} else {
		b.WriteString(j.At(j.Prefix))
	}
	b.WriteString(j.tail)
	b.WriteString("\n") // a comment may end what stands before
	if s.Files != nil {
		b.WriteString("FILES = (" + sqltext.Literals(s.Files) + ") ")
	} else {
		b.WriteString("PATTERN = " + sqltext.Quote("(?:"+j.Pattern+")") + " ") // the engine's anchors would bind to the first and last of a|b
	}
	b.WriteString(j.options)
	if s.Max > 0 {
		b.WriteString("MAX_FILES = " + strconv.Itoa(s.Max) + " ")
	}
	if s.Force {
		b.WriteString("FORCE = true")
	}
	return strings.TrimRight(b.String(), " ")
}

// PlaceIn places offsets of a COPY that SQL made in the load's file. What the text does not have in that form is where its location is.
func (j *Load) PlaceIn(sql string) func(offset int) sqltext.Place {
	return func(offset int) sqltext.Place {
		return j.Statement.PlaceOf(j.origin(sql, offset))
	}
}

// origin is the offset in the load's own text.
func (j *Load) origin(sql string, offset int) int {
	start := strings.LastIndex(sql, strings.TrimRight(j.options, " "))
	for _, o := range j.kept {
		value := start + len(o.Name+" = ")
		switch end := value + len(o.Value); {
		case offset < start:
			return min(offset, len(j.head))
		case offset < value:
			return o.Span[0]
		case offset <= end:
			return o.Span[1] - end + offset
		default:
			start = end + 1
		}
	}
	return min(offset, len(j.head))
}

// headFor is the text before the location, with NULL for the columns that the files lack.
func (j *Load) headFor(missing []string) string {
	if len(missing) == 0 || len(j.Copy.Select) == 0 {
		return j.head
	}
	return j.Statement.SQL[:j.Copy.TableSpan[1]] + " " + j.columnList() + "FROM (SELECT " + strings.Join(j.Items(missing), ", ") + " FROM "
}

func (j *Load) columnList() string {
	if len(j.Copy.Columns) == 0 {
		return ""
	}
	names := make([]string, len(j.Copy.Columns))
	for i, c := range j.Copy.Columns {
		names[i] = sqltext.Ident(c)
	}
	return "(" + strings.Join(names, ", ") + ") "
}

// Items is the select list, with NULL for the columns that the files lack.
func (j *Load) Items(missing []string) []string {
	out := make([]string, len(j.Copy.Select))
	for i, it := range j.Copy.Select {
		out[i] = it.Text
		if it.Column != "" && slices.ContainsFunc(missing, func(m string) bool { return strings.EqualFold(m, it.Column) }) {
			out[i] = "NULL"
			if it.Type != "" {
				out[i] = "NULL::" + it.Type
			}
		}
	}
	return out
}

// At is a path below the root of the stage, or of the host, as a quoted literal: unquoted it would break on spaces, quotes, ; and ,.
func (j *Load) At(path string) string {
	if j.Unlisted() {
		return sqltext.Quote(j.URL(path))
	}
	return sqltext.Literal("@" + j.Copy.Stage + "/" + path)
}

// Listing is what there is at the load's location, as a table: name, size and last_modified. By HTTP it is what the text names.
func (j *Load) Listing() string {
	if !j.Unlisted() {
		return "LIST_STAGE(location=>" + j.At(j.Prefix) + ")"
	}
	names := sqltext.Literals(slices.Sorted(maps.Keys(j.Files)))
	return "(SELECT unnest([" + names + "]) AS name, 1 AS size, NULL AS last_modified)"
}

// root is the root of the stage, or of the host, quoted.
func (j *Load) root() string { return j.At("") }

// From is a FROM for a SELECT over files, with the load's format and alias.
func (j *Load) From(files []string) string {
	return j.root() + " (FILES=>(" + sqltext.Literals(files) + ")" + j.format() + ")" + j.alias()
}

// LosesLines is the ON_ERROR of a COPY that passes over bad lines without a count of them in its result (tried on 1.2.895).
func (j *Load) LosesLines() (onError string, so bool) {
	o, _ := j.Copy.Option("ON_ERROR")
	limit, counts := strings.CutPrefix(strings.ToUpper(strings.Trim(o.Value, "'")), "ABORT_")
	n, err := strconv.Atoi(limit)
	return o.Value, counts && err == nil && n > 1
}

// alias is what stands between the location and the closing parenthesis of a transforming COPY.
func (j *Load) alias() string {
	if len(j.Copy.Select) == 0 {
		return ""
	}
	tokens, _ := sqltext.Scan(j.tail) // it was read with the rest
	for i := len(tokens) - 1; i >= 0; i-- {
		if t := tokens[i]; j.tail[t.Start:t.End] == ")" { // one in a comment is part of it
			return j.tail[:t.Start] + "\n"
		}
	}
	return j.tail
}

// Matches is the condition that a path below the stage root is one of the load's.
func (j *Load) Matches(path string) string {
	rest := "substr(" + path + ", " + strconv.Itoa(utf8.RuneCountInString(j.Prefix)+1) + ")"
	cond := "(" + rest + "='' OR regexp_like(" + rest + ", " + sqltext.Quote("^(?:"+j.Pattern+")$") + ", 'c'))"
	if j.Files != nil {
		cond += " AND " + path + " IN (" + sqltext.Literals(slices.Sorted(maps.Keys(j.Files))) + ")"
	}
	return cond
}

// Behind are the statements behind the COPY, a line each, cut.
func (j *Load) Behind() string {
	out := make([]string, len(j.After))
	for i, st := range j.After {
		out[i] = fault.Shorten(strings.Join(strings.Fields(st.SQL), " "), 100)
	}
	return strings.Join(out, "; ")
}
