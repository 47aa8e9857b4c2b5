package load

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// maxFiles is how many files one COPY may commit (COPY_MAX_FILES_PER_COMMIT of the engine; 2004 or 1001 above).
const maxFiles = 15_000

// ours are the options that dbctl decides; the load's own are taken out.
var ours = []string{"FILES", "PATTERN", "MAX_FILES", "FORCE", "RETURN_FAILED_ONLY"}

// job is a load made ready: its names, and the pieces of its COPY.
type job struct {
	project.Load
	database string // of the target
	table    string
	target   string // database.table, for people and as the ledger's key of the lock
	prefix   string // of the location, below the stage root
	pattern  string // of what lies behind prefix
	files    map[string]bool
	head     string // COPY INTO t (…) FROM (SELECT … FROM
	tail     string // the alias and ), up to the options
	options  string // the load's own, without ours
}

// newJob checks what only dbctl may say and takes the COPY apart.
func newJob(ld project.Load, database string) (*job, error) {
	c := ld.Copy
	j := &job{Load: ld, database: c.Database, table: c.Table, prefix: c.Path}
	if j.database == "" {
		j.database = database
	}
	j.target = j.database + "." + j.table
	if strings.Contains(j.database+j.table, ".") {
		return nil, errorf(ld.Name, exitUsage, "rename the table", "a table with a dot in its name (%s) cannot be loaded: copy_history cannot be asked for it", j.target)
	}
	if o, ok := c.Option("FORCE"); ok && !strings.EqualFold(o.Value, "false") {
		return nil, errorf(ld.Name, exitUsage, "take FORCE out of "+ld.Path+"; `dbctl load "+ld.Name+" --force --path GLOB` loads files again",
			"FORCE in a load would load every file in every run")
	}
	var err error
	if j.pattern, err = patternOf(ld); err != nil {
		return nil, err
	}
	if o, ok := c.Option("FILES"); ok {
		j.files = map[string]bool{}
		names, err := literals(o.Value)
		if err != nil {
			return nil, errorf(ld.Name, exitUsage, "write FILES = ('…', …)", "cannot read FILES: %v", err)
		}
		for _, n := range names {
			j.files[join(c.Path, n)] = true
		}
		if _, ok := c.Option("PATTERN"); !ok && ld.Pattern == "" {
			j.pattern = `(?s).*`
		}
	}
	sql := ld.Statement.SQL
	end := len(sql)
	if len(c.Options) > 0 {
		end = c.Options[0].Span[0]
	}
	j.head, j.tail = sql[:c.LocationSpan[0]], strings.TrimRight(sql[c.LocationSpan[1]:end], " \t\r\n;")
	var kept []string
	for _, o := range c.Options {
		if !slices.Contains(ours, o.Name) {
			kept = append(kept, o.Name+" = "+o.Value)
		}
	}
	j.options = strings.Join(kept, " ")
	return j, nil
}

// join is how COPY finds a name of FILES below a location.
func join(path, name string) string {
	if path == "" || strings.HasSuffix(path, "/") {
		return path + name
	}
	return path + "/" + name
}

// literals reads ('a', 'b').
func literals(list string) ([]string, error) {
	tokens, err := sqltext.Scan(list)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range tokens {
		if text := list[t.Start:t.End]; strings.HasPrefix(text, "'") {
			s, err := sqltext.Unquote(text)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// send is one COPY to be sent.
type send struct {
	files   []string // below the stage root; nil: by prefix and pattern
	max     int      // MAX_FILES; 0 none
	force   bool
	missing []string // optional columns that these files lack: NULL
}

// sql is the COPY. By FILES it names them from the stage root, so that a location that is no folder means the same.
func (j *job) sql(s send) string {
	var b strings.Builder
	b.WriteString(j.headFor(s.missing))
	if s.files != nil {
		b.WriteString(j.root())
	} else {
		b.WriteString(j.location())
	}
	b.WriteString(j.tail)
	b.WriteString("\n") // a comment may end what stands before
	if s.files != nil {
		b.WriteString("FILES = (" + quoted(s.files) + ") ")
	} else {
		b.WriteString("PATTERN = " + sqltext.Quote("(?:"+j.pattern+")") + " ") // the engine's anchors would bind to the first and last of a|b
	}
	if j.options != "" {
		b.WriteString(j.options + " ")
	}
	if s.max > 0 {
		b.WriteString("MAX_FILES = " + strconv.Itoa(s.max) + " ")
	}
	if s.force {
		b.WriteString("FORCE = true")
	}
	return strings.TrimRight(b.String(), " ")
}

// pos maps an offset of sql to the load's file, as long as it lies before the location.
func (j *job) pos(offset int) (line, column int) {
	if j.Statement.Pos == nil {
		return j.Statement.Line, j.Statement.Column
	}
	return j.Statement.Pos(min(offset, len(j.head)))
}

// headFor is the text before the location, with NULL for the columns that the files lack.
func (j *job) headFor(missing []string) string {
	if len(missing) == 0 || len(j.Copy.Select) == 0 {
		return j.head
	}
	return j.Statement.SQL[:j.Copy.TableSpan[1]] + " " + j.columnList() + "FROM (SELECT " + strings.Join(j.items(missing), ", ") + " FROM "
}

func (j *job) columnList() string {
	if len(j.Copy.Columns) == 0 {
		return ""
	}
	names := make([]string, len(j.Copy.Columns))
	for i, c := range j.Copy.Columns {
		names[i] = sqltext.Ident(c)
	}
	return "(" + strings.Join(names, ", ") + ") "
}

// items is the select list, with NULL for the columns that the files lack.
func (j *job) items(missing []string) []string {
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

// location is the load's location as a quoted literal: unquoted it would break on spaces, quotes, ; and ,.
func (j *job) location() string { return sqltext.Quote("@" + j.Copy.Stage + "/" + j.prefix) }

// root is the stage's root, quoted.
func (j *job) root() string { return sqltext.Quote("@" + j.Copy.Stage + "/") }

// from is a FROM for a SELECT over files, with the load's format and alias.
func (j *job) from(files []string) string {
	return j.root() + " (FILES=>(" + quoted(files) + ")" + j.format() + ")" + j.alias()
}

// format is the FILE_FORMAT parameter of a SELECT over a stage: a name only, options of a format cannot be given there.
func (j *job) format() string {
	o, ok := j.Copy.Option("FILE_FORMAT")
	if !ok {
		return ""
	}
	if m := formatName.FindStringSubmatch(o.Value); m != nil {
		return ", FILE_FORMAT=>" + sqltext.Quote(m[1])
	}
	return ", FILE_FORMAT=>" + sqltext.Quote(j.FileType())
}

// inline are a text format's options in the COPY but for its TYPE.
var inline = regexp.MustCompile(`(?i)\b([A-Z_]+)\s*=`)

// untold names an option without which a query reads the files of a text format otherwise than the COPY does; "" when there is none.
func (j *job) untold() string {
	o, ok := j.Copy.Option("FILE_FORMAT")
	if slices.Contains(selfNamed, j.FileType()) {
		return ""
	}
	for _, m := range inline.FindAllStringSubmatch(o.Value, -1) {
		if name := strings.ToUpper(m[1]); ok && name != "TYPE" && name != "FORMAT_NAME" {
			return name
		}
	}
	return ""
}

// alias is what stands between the location and the closing parenthesis of a transforming COPY.
func (j *job) alias() string {
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

// literal quotes what somebody else has named: a name that looks like a secret's placeholder is sent as it is.
func literal(s string) string { return strings.ReplaceAll(sqltext.Quote(s), "{{", `{\x7b`) }

func quoted(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = literal(n)
	}
	return strings.Join(q, ",")
}
