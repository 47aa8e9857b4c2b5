package lint

import (
	"fmt"
	"slices"

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
	Bad:   `CREATE TABLE orders (id STRNG);`,
	Good:  `CREATE TABLE orders (id STRING);`,
	statement: func(p *pass, s *statement) {
		table, ok := define.ParseTable(s.SQL)
		if !ok {
			return
		}
		for _, c := range table.Columns {
			c.Type.Each(func(t define.Type) {
				if t.Unknown {
					hint := "https://docs.databend.com/sql/sql-reference/data-types lists the types"
					if near := project.Nearest(t.Name, define.TypeNames()); near != "" {
						hint = "did you mean " + near + "?"
					}
					p.at(s, t.Start, fmt.Sprintf("column %s has the type %s, which Databend does not have", c.Name, t.Name), hint)
				}
			})
		}
	},
}

var unknownColumn = Rule{
	Name: "unknown-column", Level: Error,
	Short: "a column that the table does not have",
	Why:   "The statement fails. Only where the migrations make the whole table is that certain, and found.",
	Bad: `CREATE TABLE orders (id INT);
INSERT INTO orders (ident) VALUES (1);`,
	Good: `CREATE TABLE orders (id INT);
INSERT INTO orders (id) VALUES (1);`,
	statement: func(p *pass, s *statement) {
		if len(s.Writes) == 0 {
			return
		}
		o := p.schema.Find(s.Writes[0].Object)
		if o == nil || !o.Known || o.Relation != schema.Base {
			return
		}
		missing := func(name string, at int) {
			if _, ok := o.Column(name); ok {
				return
			}
			hint := "its columns are " + list(o.ColumnNames())
			if near := project.Nearest(name, o.ColumnNames()); near != "" {
				hint = "did you mean " + near + "?"
			}
			p.at(s, at, fmt.Sprintf("%s has no column %s here", o, name), hint)
		}
		for _, n := range define.InsertColumns(s.SQL) {
			missing(n.Name, n.Start)
		}
		table, ok := define.ParseTable(s.SQL)
		if !ok || s.If {
			return
		}
		switch table.Action {
		case define.DropColumn, define.RenameColumn:
			missing(table.Column, define.Find(s.SQL, table.Column, 0))
		case define.ModifyColumn:
			for _, c := range table.Columns {
				missing(c.Name, c.Start)
			}
		case define.AddColumn:
			if c := table.Columns[0]; hasColumn(o, c.Name) {
				p.at(s, c.Start, fmt.Sprintf("%s has a column %s already", o, c.Name), "ADD COLUMN IF NOT EXISTS, or MODIFY COLUMN")
			}
			if table.After != "" {
				missing(table.After, define.Find(s.SQL, table.After, table.Columns[0].End))
			}
		case define.Create, define.Rewind, define.Other:
		}
	},
}

func hasColumn(o *schema.Object, name string) bool {
	_, ok := o.Column(name)
	return ok
}

var goneName = Rule{
	Name: "gone-name", Level: Error,
	Short: "a name that an earlier statement dropped or renamed",
	Why:   "The statement fails: nothing has this name any more.",
	Bad: `-- migrations/00001_orders.sql
CREATE TABLE orders (id INT);
-- migrations/00002_rename.sql
ALTER TABLE orders RENAME TO sales;
-- migrations/00003_insert.sql
INSERT INTO orders VALUES (1);`,
	Good: `-- migrations/00001_orders.sql
CREATE TABLE orders (id INT);
-- migrations/00002_rename.sql
ALTER TABLE orders RENAME TO sales;
-- migrations/00003_insert.sql
INSERT INTO sales VALUES (1);`,
	statement: func(p *pass, s *statement) {
		for _, o := range needs(s.Effect) {
			if g, ok := p.schema.Gone(o); ok {
				p.atObject(s, o, fmt.Sprintf("%s was %s in %s:%d", o, g.How, g.File, g.Line), "use its new name, or make it again first")
			}
		}
	},
}

// needs are the objects that must be there for a statement to run.
func needs(e effect.Effect) []sqltext.Object {
	if e.Unknown {
		return nil
	}
	all := slices.Clone(e.Names)
	for _, w := range e.Writes {
		switch w.Verb {
		case effect.Alter, effect.Swap, effect.WriteData, effect.RenameOut:
			all = append(all, w.Object)
		case effect.Drop:
			if !e.If {
				all = append(all, w.Object)
			}
		case effect.Create, effect.Replace, effect.CreateNew, effect.Undrop, effect.RenameIn:
		}
	}
	if e.If {
		return e.Names
	}
	return all
}
