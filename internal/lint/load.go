package lint

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
)

// The rules of CheckLoad.
const (
	LoadColumn  = "load-column"
	LoadCast    = "load-cast"
	VectorWidth = "vector-width"
)

// RuleReport takes a finding of CheckLoad.
type RuleReport func(rule string, at int, message, hint string)

// CheckLoad says what is wrong between a load and its table, as a schema has it: what makes the COPY fail or change values. at is an
// offset in the load's statement. lint and plan ask it.
func CheckLoad(l *project.Load, table *schema.Object, report RuleReport) {
	checkNames(l, report)
	if table == nil || !table.Known {
		return
	}
	c := l.Copy
	sql := l.Statement.SQL
	columns := table.Columns
	if len(c.Columns) > 0 {
		columns = nil
		for _, name := range c.Columns {
			column, ok := table.Column(name)
			if !ok {
				report(LoadColumn, define.Find(sql, name, c.TableSpan[1]), fmt.Sprintf("%s has no column %s", table, name),
					project.DidYouMean(name, table.ColumnNames(),
						fmt.Sprintf("the columns of %s are %s", table.Display(), event.And(table.ColumnNames()))))
			}
			columns = append(columns, column)
		}
		for _, column := range table.Columns {
			listed := slices.ContainsFunc(c.Columns, func(name string) bool { return strings.EqualFold(name, column.Name) })
			if !listed && !column.Filled() {
				report(LoadColumn, c.TableSpan[0],
					fmt.Sprintf("column %s of %s is NOT NULL without a default, and the load does not fill it", column.Name, table),
					"add it to the COPY, or give it a DEFAULT in a migration")
			}
		}
	}
	if c.Select == nil || slices.ContainsFunc(c.Select, func(i copytext.SelectItem) bool { return strings.HasSuffix(i.Text, "*") }) {
		return
	}
	if len(c.Select) != len(columns) {
		report(LoadColumn, c.TableSpan[0], fmt.Sprintf("the SELECT has %s for %s of %s", event.Plural(len(c.Select), "item"),
			event.Plural(len(columns), "column"), table),
			"name the columns: COPY INTO "+l.Copy.Table+" (a, b) FROM (SELECT a, b FROM @stage/path/)")
		return
	}
	for i, item := range c.Select {
		cast, ok := define.ParseType(item.Cast)
		if item.Cast == "" || !ok || columns[i].Name == "" || columns[i].Type.Unknown {
			continue
		}
		checkCast(table, columns[i], cast, item.Start, report)
	}
}

// checkNames looks for columns by their names in a SELECT list over files that have none.
func checkNames(l *project.Load, report RuleReport) {
	for _, item := range l.Copy.Select {
		write := l.Unnamed(item.Column)
		if write != "" && item.Column != "" && !slices.Contains(values, item.Column) {
			report(LoadColumn, item.Start, fmt.Sprintf("files of %s have no column %s that a SELECT list could name", l.FileType(), item.Column),
				"write "+write)
		}
	}
}

// values are the words that stand for a value by themselves.
var values = []string{"null", "true", "false", "current_date", "current_time", "current_timestamp"}

func checkCast(table *schema.Object, column define.Column, cast define.Type, at int, report RuleReport) {
	write := fmt.Sprintf("write ::%s", column.Type)
	switch {
	case cast.Unknown:
		report(LoadCast, at, fmt.Sprintf("Databend has no type %s", cast.Name), write)
	case cast.Name == "VECTOR" && column.Type.Name == "VECTOR":
		if cast.Width != column.Type.Width {
			report(VectorWidth, at, fmt.Sprintf("the load makes VECTOR(%d), and column %s of %s is VECTOR(%d)", cast.Width, column.Name,
				table, column.Type.Width),
				`give the width once, as a var of dbctl.yaml, and write VECTOR({{ var "NAME" }}) in both`)
		}
	case !column.Type.Casts(cast):
		report(LoadCast, at, fmt.Sprintf("a %s cannot become the %s of column %s", cast, column.Type, column.Name), write)
	case !column.Type.Holds(cast) && cast.Name != "STRING" && cast.Name != "VARIANT" && cast.Name != "ARRAY" && cast.Name != "BINARY":
		report(LoadCast, at, fmt.Sprintf("%s holds values that the %s of column %s does not", cast, column.Type, column.Name), write)
	}
}

// checkLoad reports the findings of one rule of CheckLoad.
func checkLoad(p *pass, l *project.Load) {
	if p.incomplete {
		return
	}
	CheckLoad(l, p.schema.Find(p.target(l)), func(rule string, at int, message, hint string) {
		if rule == p.rule.Name {
			p.atLoad(l, at, message, hint)
		}
	})
}

var loadColumn = Rule{
	Name: LoadColumn, Level: Error,
	Short: "a load that does not fit the columns of its table",
	Why: "A column that the table lacks, a NOT NULL column that nobody fills, or another number of items than of columns makes " +
		"every COPY fail. The table is the one that the migrations make.",
	load: checkLoad,
}

var loadCast = Rule{
	Name: LoadCast, Level: Warning,
	Short: "a load casts to another type than the column has",
	Why: "The engine casts once more, to the column's type: values that do not fit make the COPY fail, and fractions and times of " +
		"day are lost without a word.",
	load: checkLoad,
}

var vectorWidth = Rule{
	Name: VectorWidth, Level: Error,
	Short: "widths of vectors that differ between table, load and var",
	Why:   "A vector of another width than its column is refused, file by file, and a search with another width fails.",
	load:  checkLoad,
	whole: func(p *pass) {
		var widths []int
		var first *schema.Object
		for _, o := range p.schema.Of(sqltext.Table) {
			for _, c := range o.Columns {
				if c.Type.Name == "VECTOR" {
					if widths = append(widths, c.Type.Width); len(widths) == 1 {
						first = o
					}
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(p.Env.Vars)) {
			n, err := strconv.Atoi(p.Env.Vars[name])
			lower := strings.ToLower(name)
			if err == nil && widthName.MatchString(lower) && len(widths) > 0 && !slices.Contains(widths, n) {
				p.atMade(first, fmt.Sprintf("the var %s is %d, and the vectors of the tables have the width %s", name, n,
					widthList(widths)),
					fmt.Sprintf(`write VECTOR({{ var %q }}), or take the var out of dbctl.yaml`, name))
			}
		}
	},
}

// widthName matches a var that says how wide vectors are: embedding_dim, vector_size.
var widthName = regexp.MustCompile(`dim|width|(vec|emb).*(size|len)`)

func widthList(widths []int) string {
	widths = slices.Clone(widths)
	slices.Sort(widths)
	var texts []string
	for _, n := range slices.Compact(widths) {
		texts = append(texts, strconv.Itoa(n))
	}
	return event.And(texts)
}

var loadTarget = Rule{
	Name: "load-target", Level: Warning,
	Short: "a load whose table or stage no migration makes, or a table that is named behind its COPY",
	Why:   "The COPY fails where nobody else has made it. A project that makes tables usually makes all that it loads.",
	load: func(p *pass, l *project.Load) {
		if p.incomplete || p.schema.Opaque() {
			return
		}
		missing := func(o sqltext.Object, at sqltext.Place) {
			all := p.schema.Of(o.Kind)
			if len(all) == 0 || p.schema.Find(o) != nil || o.Name == "~" {
				return
			}
			var names []string
			for _, other := range all {
				names = append(names, other.Name)
			}
			hint := project.DidYouMean(o.Name, names, "dbctl migrate create "+strings.ReplaceAll(o.Name, " ", "_"))
			if g, ok := p.schema.Gone(o); ok {
				hint = fmt.Sprintf("it was %s in %s:%d", g.How, g.File, g.Line)
			}
			p.add(at, nil, fmt.Sprintf("no migration makes %s", o), hint)
		}
		missing(p.target(l), l.Statement.At(l.Copy.TableSpan[0]))
		if l.Copy.URI == "" {
			missing(l.Copy.Source(), l.Statement.At(l.Copy.LocationSpan[0]))
		}
		for st, e := range project.Effects(l.After, p.Env.Database) {
			for _, o := range schema.Needs(e) {
				if o.Kind == sqltext.Table && !sqltext.EnginesOwn(o.Database) && o != p.target(l) {
					missing(o, st.At(define.Find(st.SQL, o.Name, 0)))
				}
			}
		}
	},
}

var positionalCopy = Rule{
	Name: "positional-copy", Level: Warning,
	Short: "a load by position into a table that got another column later",
	Why: "Fields of CSV and TSV files, and the items of a SELECT, go to the table's columns one after the other when the COPY names " +
		"none. After ADD COLUMN the older files have a field too few, and every file fails.",
	load: func(p *pass, l *project.Load) {
		if message, hint := p.outgrown(p.target(l), l, 0); message != "" {
			p.atLoad(l, l.Copy.TableSpan[0], message, hint)
		}
	},
	whole: func(p *pass) {
		for _, c := range p.copies() {
			if c.Task == nil {
				continue // it ran before the table grew
			}
			if task := p.schema.Find(c.Writes[0].Object); task == nil || task.Changed != c.place() {
				continue // another body runs now
			}
			if message, hint := p.outgrown(c.Target(c.database), &project.Load{Copy: c.Copy}, c.m.Version); message != "" {
				p.at(c.statement, c.offset+c.TableSpan[0], message, hint)
			}
		}
	},
}

// outgrown says that a COPY goes by position into a table that got columns in a later version than since; "" where it does not.
func (p *pass) outgrown(table sqltext.Object, l *project.Load, since int64) (message, hint string) {
	o := p.schema.Find(table)
	if o == nil || len(o.Widened) == 0 || len(l.Copy.Columns) > 0 || !p.byPosition(l) {
		return "", ""
	}
	var added []string
	for _, c := range o.Columns {
		if at, ok := o.Widened[c.Name]; ok && at.Version > since {
			added = append(added, fmt.Sprintf("%s (version %d)", c.Name, at.Version))
		}
	}
	if len(added) == 0 {
		return "", ""
	}
	return fmt.Sprintf("the COPY goes by position, and %s got %s later", o, event.And(added)),
		"name the columns that the files have: COPY INTO " + l.Copy.Table + " (…)"
}

// byPosition says whether the fields of the load's files go to columns by their position. A format that only the server knows does not
// count.
func (p *pass) byPosition(l *project.Load) bool {
	if l.Copy.Select != nil {
		return true
	}
	with := *l
	if with.Format == "" {
		if stage := p.schema.Find(l.Copy.Source()); stage != nil {
			with.Format = stage.Stage.Format
		}
		named := sqltext.Object{Kind: sqltext.FileFormat, Name: l.Copy.Format()["FORMAT_NAME"]}
		if format := p.schema.Find(named); format != nil {
			with.Format = format.Options
		}
	}
	return with.ByPosition()
}

var unfilledTable = Rule{
	Name: "unfilled-table", Level: Warning,
	Short: "a table that nothing fills, in a project that names a bucket",
	Why: "Neither a load nor a task nor a migration writes a row into it: a load was forgotten, or names another table. " +
		"A table that an application fills says so by a lint-ignore.",
	whole: func(p *pass) {
		bucket := p.Env.Vars["bucket"] != "" || slices.ContainsFunc(p.schema.Of(sqltext.Stage),
			func(o *schema.Object) bool { return !o.Stage.Internal })
		if !bucket || p.incomplete || p.schema.Opaque() {
			return
		}
		filled := map[sqltext.Object]bool{}
		for i := range p.Loads {
			filled[p.target(&p.Loads[i])] = true
			for _, e := range project.Effects(p.Loads[i].After, p.Env.Database) {
				for _, w := range e.Writes {
					filled[w.Object] = true
				}
			}
		}
		for _, m := range p.migrations {
			for _, s := range m.up {
				if s.Task != nil || s.isView() { // what a body mentions, and may write
					for _, o := range s.Names {
						filled[o] = filled[o] || s.Task != nil
					}
				}
			}
		}
		for _, o := range p.schema.Of(sqltext.Table) {
			if o.Relation == schema.Base && !o.Filled && !filled[o.Object] {
				p.atMade(o, fmt.Sprintf("nothing fills %s: no load, no task, no migration", o),
					"write loads/"+o.Name+".sql; or "+reasonHint(p.rule.Name))
			}
		}
	},
}

var strayFile = Rule{
	Name: "stray-file", Level: Warning,
	Short: "a .sql file in a folder below migrations/",
	Why:   "The files of migrations/ itself are the migrations, as goose has it: one in a folder below never runs, and nothing says so.",
	whole: func(p *pass) {
		_ = project.WalkDir(p.Dir, project.MigrationsDir, func(file string, e fs.DirEntry, err error) error {
			if err == nil && path.Ext(file) == ".sql" && path.Dir(file) != project.MigrationsDir && !e.IsDir() {
				p.add(sqltext.Place{File: file, Line: 1, Column: 1}, nil,
					"this file never runs: it stands in a folder below "+project.MigrationsDir+"/",
					shell.Join("mv", file, project.MigrationsDir+"/")+"; or out of "+project.MigrationsDir+"/")
			}
			return nil
		})
	},
}

var twoLoads = Rule{
	Name: "two-loads", Level: Warning,
	Short: "two loads of one table",
	Why: "Both write the same rows when the same data lies under both paths. A file that both read is loaded once, by whichever " +
		"comes first, and with its text.",
	whole: func(p *pass) {
		for i := range p.Loads {
			for j := range i {
				a, b := &p.Loads[j], &p.Loads[i]
				if p.target(a) != p.target(b) {
					continue
				}
				message := fmt.Sprintf("%s is filled by the load %s too", p.target(b), a.Name)
				one, other := a.Copy.Place(), b.Copy.Place()
				if strings.HasPrefix(one, other) || strings.HasPrefix(other, one) {
					message += ", from the same files"
				}
				p.atLoad(b, b.Copy.TableSpan[0], message, "make one of them; or "+reasonHint(p.rule.Name))
				break
			}
		}
	},
}

var stageSlash = Rule{
	Name: "stage-slash", Level: Warning,
	Short: "a stage path, or a stage's URL, without a / at its end",
	Why:   "A path is a prefix: @lake/orders also reads orders_old/ and orders2.parquet. A URL with a path must end with / (error 4000).",
	statement: func(p *pass, s *statement) {
		stage := s.Stage
		if stage == nil || stage.URL == "" || strings.HasSuffix(stage.URL, "/") {
			return
		}
		if _, rest, ok := strings.Cut(stage.URL, "://"); ok && strings.Contains(rest, "/") && !strings.Contains(rest, "{{") {
			p.at(s, stage.Start, "the URL of a stage must end with /", "write '"+stage.URL+"/'")
			p.as(Error)
		}
	},
	load: func(p *pass, l *project.Load) {
		if slashless(l.Copy) {
			p.atLoad(l, l.Copy.LocationSpan[0], noSlash(l.Copy), "write "+l.Copy.Place()+"/")
		}
	},
	whole: func(p *pass) {
		for _, c := range p.copies() {
			own := slices.ContainsFunc(p.Loads, func(l project.Load) bool {
				return l.Copy.Place() == c.Place() && l.Copy.Table == c.Table
			})
			if slashless(c.Copy) && !own {
				p.at(c.statement, c.offset+c.LocationSpan[0], noSlash(c.Copy), "write "+c.Place()+"/")
			}
		}
	},
}

func slashless(c copytext.Copy) bool {
	files := slices.ContainsFunc(c.Options, func(o copytext.Option) bool { return o.Name == "FILES" })
	return c.Path != "" && !strings.HasPrefix(c.URI, "http") && !strings.HasSuffix(c.Path, "/") && !fileName.MatchString(c.Path) && !files
}

// fileName matches a path that ends in a file's name: one with an extension, which a folder such as v1.2 has not.
var fileName = regexp.MustCompile(`[.][A-Za-z]\w*$`)

func noSlash(c copytext.Copy) string {
	return fmt.Sprintf("%s is a prefix: it reads %s_old/ and %[2]s2 too", c.Place(), path.Base(c.Path))
}
