package lint

import (
	"fmt"
	"slices"

	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// What loses rows that were there before the migration. In a Down section that is what a Down is for; what the same migration made
// holds nothing of others.

var dropTable = Rule{
	Name: "drop-table", Level: Error,
	Short: "an Up section drops a table or a database",
	Why: "Its rows are gone for good when retention ends (a day, by default), and what still reads or loads it fails. " +
		"A failing migration brings a dropped table back; one that succeeds does not.",
	statement: func(p *pass, s *statement) {
		if s.down {
			return
		}
		for _, w := range s.Writes {
			if w.Verb != effect.Drop || w.IsView || w.IsStream || w.Kind != sqltext.Table &&
				w.Kind != sqltext.Database || p.ownWork(s, w.Object) {
				continue
			}
			if o := p.schema.Find(w.Object); o != nil && w.Kind == sqltext.Table && o.Relation != schema.Base {
				continue
			}
			p.atObject(s, w.Object, fmt.Sprintf("%s and its rows are dropped", w.Object), reasonHint(p.rule.Name))
		}
	},
}

var dropColumn = Rule{
	Name: "drop-column", Level: Error,
	Short: "an Up section drops a column",
	Why:   "The values of the column are gone for good when retention ends, and queries, views and loads that name it fail.",
	statement: func(p *pass, s *statement) {
		if s.down || s.Table == nil || s.Table.Action != define.DropColumn || len(s.Writes) == 0 {
			return
		}
		o, c := s.Writes[0].Object, s.Table.Columns[0]
		if was := p.schema.Find(o); was != nil {
			added, ok := was.Widened[c.Name]
			if ok && added.Version == s.m.Version || was.Made.Version == s.m.Version || was.Known && !hasColumn(was, c.Name) {
				return // nobody else has put a value into it; or it is not there
			}
		}
		p.at(s, c.Start, fmt.Sprintf("column %s of %s is dropped, and its values", c.Name, o), reasonHint(p.rule.Name))
	},
}

var emptyTable = Rule{
	Name: "empty-table", Level: Error,
	Short: "an Up section empties a table: TRUNCATE, INSERT OVERWRITE, DELETE without WHERE or with one that is always true",
	Why:   "All rows are gone for good when retention ends. TRUNCATE also makes the engine forget which files were loaded.",
	statement: func(p *pass, s *statement) {
		for _, w := range s.Writes {
			if !s.down && w.Does.Has(effect.TakesRows) && !p.ownWork(s, w.Object) {
				p.atObject(s, w.Object, fmt.Sprintf("%s takes all rows of %s", s.Kind, w.Object), reasonHint(p.rule.Name))
			}
		}
	},
}

var narrowColumn = Rule{
	Name: "narrow-column", Level: Error,
	Short: "MODIFY COLUMN gives a column a type that does not hold all of its values, or NOT NULL",
	Why: "Values that do not fit make the statement fail on the data of production, or lose digits, fractions or the time of day " +
		"without a word. So do NULLs in a column that becomes NOT NULL.",
	statement: func(p *pass, s *statement) {
		if s.down || s.Table == nil || s.Table.Action != define.ModifyColumn || len(s.Writes) == 0 {
			return
		}
		was := p.schema.Find(s.Writes[0].Object)
		if was == nil {
			return
		}
		for _, c := range s.Table.Columns {
			old, ok := was.Column(c.Name)
			switch {
			case !ok || c.Type.Unknown:
			case !c.Type.Holds(old.Type):
				p.at(s, c.Type.Start, fmt.Sprintf("%s does not hold all values of %s, the type of %s until now", c.Type, old.Type, c.Name),
					"add a column of the new type, fill it, and rename both; or "+reasonHint(p.rule.Name))
			case c.NotNull && !old.NotNull:
				p.at(s, c.Start, fmt.Sprintf("column %s may hold NULLs, which NOT NULL refuses", c.Name),
					fmt.Sprintf("UPDATE the NULLs first, and say so: %s", reasonHint(p.rule.Name)))
			}
		}
	},
}

var vacuum = Rule{
	Name: "vacuum", Level: Error,
	Short: "VACUUM, OPTIMIZE … PURGE, or a retention of less than a day",
	Why: "Old snapshots and dropped tables are what a failed migration is put back from, and what UNDROP and FLASHBACK need. " +
		"After a VACUUM they are gone, and nothing that went wrong before can be undone.",
	statement: func(p *pass, s *statement) {
		shortens := s.Prunes || s.Retention && define.ShortRetention(s.SQL)
		if shortens && !consents(s.m.Headers, "irreversible") {
			p.at(s, 0, s.Kind+" takes away what UNDROP and FLASHBACK need",
				"say why in the file: -- dbctl: allow=irreversible \"why\"; or "+reasonHint(p.rule.Name))
		}
	},
}

var replaceTable = Rule{
	Name: "replace-table", Level: Error,
	Short: "CREATE OR REPLACE of a table, or of a database with tables, that an earlier migration made",
	Why:   "The rows of what is replaced are gone for good when retention ends. A table that is rebuilt from its own rows keeps them.",
	statement: func(p *pass, s *statement) {
		for _, w := range s.Writes {
			if s.down || w.Verb != effect.Replace || p.ownWork(s, w.Object) || slices.Contains(s.Sources, w.Object) {
				continue // a table that is rebuilt from its own rows keeps them
			}
			switch was := p.schema.Find(w.Object); {
			case w.Kind == sqltext.Table && was != nil && was.Relation == schema.Base:
				p.atObject(s, w.Object, fmt.Sprintf("%s, which version %d made, is replaced: its rows go", w.Object, was.Made.Version),
					"ALTER TABLE keeps them; or "+reasonHint(p.rule.Name))
			case w.Kind == sqltext.Database && (was != nil || len(p.tablesIn(w.Name)) > 0):
				p.atObject(s, w.Object, fmt.Sprintf("%s is replaced: its tables and their rows go", w.Object),
					"CREATE DATABASE IF NOT EXISTS keeps them; or "+reasonHint(p.rule.Name))
			}
		}
	},
}

// tablesIn are the tables that the migrations so far made in a database.
func (p *pass) tablesIn(database string) []*schema.Object {
	return slices.DeleteFunc(p.schema.Of(sqltext.Table), func(o *schema.Object) bool {
		return o.Database != database || o.Relation != schema.Base
	})
}

// reasonHint is how a rule is silenced.
func reasonHint(rule string) string {
	return fmt.Sprintf(`-- dbctl: lint-ignore=%s "why"`, rule)
}

func consents(headers []sqltext.Header, value string) bool {
	return slices.ContainsFunc(headers, func(h sqltext.Header) bool { return h.Key == "allow" && h.Value == value })
}
