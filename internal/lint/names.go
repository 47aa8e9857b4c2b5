package lint

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

var unknownType = Rule{
	Name: "unknown-type", Level: Error,
	Short: "a column of a type that Databend does not have",
	Why:   "The statement is refused.",
	statement: func(p *pass, s *statement) {
		CheckTypes(s.Table, p.in(s))
	},
}

// CheckTypes reports the types of a table's columns that Databend does not have. table may be nil.
func CheckTypes(table *define.Table, report Report) {
	if table == nil {
		return
	}
	for _, c := range table.Columns {
		c.Type.Each(func(t define.Type) {
			if t.Unknown {
				report(t.Start, fmt.Sprintf("column %s has the type %s, which Databend does not have", c.Name, t.Name),
					project.DidYouMean(t.Name, define.TypeNames(), "https://docs.databend.com/sql/sql-reference/data-types lists the types"))
			}
		})
	}
}

var unknownColumn = Rule{
	Name: "unknown-column", Level: Error,
	Short: "a column that the table does not have, or a row of VALUES that does not fit its columns",
	Why:   "The statement fails. Only where the migrations make the whole table is that certain, and found.",
	statement: func(p *pass, s *statement) {
		if p.incomplete {
			return
		}
		CheckColumns(p.schema, s.SQL, s.Effect, p.in(s))
	},
	load: func(p *pass, l *project.Load) {
		if p.incomplete {
			return
		}
		for st, e := range project.Effects(l.After, p.Env.Database) {
			CheckColumns(p.schema, st.SQL, e, p.inLoad(st))
		}
	},
}

// CheckColumns says which columns a statement names that its table, as a schema has it, does not have, or has already. lint and
// plan ask it.
func CheckColumns(in *schema.Schema, sql string, e effect.Effect, report Report) {
	if len(e.Writes) == 0 {
		return
	}
	o := in.Find(e.Writes[0].Object)
	if o == nil || !o.Known || o.Relation != schema.Base {
		return
	}
	missing := func(name string, at int) {
		if hasColumn(o, name) {
			return
		}
		report(at, fmt.Sprintf("%s has no column %s here", o, name),
			project.DidYouMean(name, o.ColumnNames(), "its columns are "+event.And(o.ColumnNames())))
	}
	listed := define.InsertColumns(sql)
	for _, n := range slices.Concat(listed, define.SetColumns(sql), define.MergeColumns(sql)) {
		missing(n.Name, n.Start)
	}
	wanted := len(listed)
	generated := slices.ContainsFunc(o.Columns, func(c define.Column) bool { return c.Generated }) // which may be left out
	if listed == nil {
		wanted = len(o.Columns)
	}
	for _, row := range sqltext.ValueRows(sql) {
		if n := len(row.Values); n != wanted && (listed != nil || !generated) {
			report(row.Start, fmt.Sprintf("the row has %s for %s of %s", event.Plural(n, "value"),
				event.Plural(wanted, "column"), o), "its columns are "+event.And(o.ColumnNames()))
			break
		}
	}
	table := e.Table
	if table == nil || e.If {
		return
	}
	switch table.Action {
	case define.DropColumn, define.RenameColumn, define.ModifyColumn, define.CommentColumn:
		for _, c := range table.Columns {
			missing(c.Name, c.Start)
		}
	case define.AddColumn:
		if c := table.Columns[0]; hasColumn(o, c.Name) {
			report(c.Start, fmt.Sprintf("%s has a column %s already", o, c.Name), "ADD COLUMN IF NOT EXISTS, or MODIFY COLUMN")
		}
		if table.After != "" {
			missing(table.After, define.Find(sql, table.After, table.Columns[0].End))
		}
	case define.Create, define.Rewind, define.Other:
	}
}

var ignoredCheck = Rule{
	Name: "ignored-check", Level: Warning,
	Short: "a CHECK of ADD COLUMN, of which the engine makes no constraint",
	Why:   "The statement succeeds, and rows that break the CHECK are taken.",
	statement: func(p *pass, s *statement) {
		if s.Table == nil || s.Table.Action != define.AddColumn {
			return
		}
		if c := s.Table.Columns[0]; c.Checked {
			p.at(s, c.Start, fmt.Sprintf("the CHECK of column %s is ignored: ADD COLUMN makes no constraint", c.Name),
				"leave it out, and add it behind: ALTER TABLE … ADD CONSTRAINT … CHECK (…)")
		}
	},
}

func hasColumn(o *schema.Object, name string) bool {
	_, ok := o.Column(name)
	return ok
}

var takenName = Rule{
	Name: "taken-name", Level: Error,
	Short: "CREATE of a name that an earlier statement gave",
	Why:   "The statement fails: there is something of this name already.",
	statement: func(p *pass, s *statement) {
		for _, w := range s.Writes {
			if was := p.schema.Find(w.Object); w.Verb == effect.Create && was != nil && !p.incomplete && !p.schema.Opaque() {
				p.atObject(s, w.Object, fmt.Sprintf("%s is there already: %s:%d makes it", was, was.Made.File, was.Made.Line),
					"give it another name, or change the one that is there with ALTER")
			}
		}
	},
}

var goneName = Rule{
	Name: "gone-name", Level: Error,
	Short: "a name that an earlier statement dropped or renamed",
	Why:   "The statement fails: nothing has this name any more.",
	statement: func(p *pass, s *statement) {
		for _, o := range schema.Needs(s.Effect) {
			if g, ok := p.schema.Gone(o); ok && !p.incomplete {
				p.atObject(s, o, fmt.Sprintf("%s was %s in %s:%d", o, g.How, g.File, g.Line), "use its new name, or make it again first")
			}
		}
	},
}

var unqualifiedAfterUse = Rule{
	Name: "unqualified-after-use", Level: Warning,
	Short: "names without a database behind a USE",
	Why: "Which table is meant depends on a USE further up, and on whether that line stays there. dbctl sends each migration on a " +
		"session of its own, but a person who runs the statement again has another database.",
	statement: func(p *pass, s *statement) {
		if !s.used || p.said[s.m.Path+strconv.FormatBool(s.down)] {
			return
		}
		for _, w := range s.Writes {
			if w.Kind == sqltext.Table && w.Database == s.database && !qualified(s.SQL, w.Object) {
				p.atObject(s, w.Object, fmt.Sprintf("%s is meant by a USE further up", w.Object), "write "+w.Object.Display()+", and leave out USE")
				p.said[s.m.Path+strconv.FormatBool(s.down)] = true // once a section
				return
			}
		}
	},
}

// qualified says whether the statement names the object with its database.
func qualified(sql string, o sqltext.Object) bool {
	words, err := sqltext.ReadWords(sql)
	if err != nil {
		return true
	}
	for i := 2; i < len(words.Tokens); i++ {
		if words.Symbol(i-1, ".") && sqltext.FoldIdent(words.Text(i)) == o.Name && sqltext.FoldIdent(words.Text(i-2)) == o.Database {
			return true
		}
	}
	return false
}
