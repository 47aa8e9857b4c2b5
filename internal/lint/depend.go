package lint

import (
	"fmt"
	"slices"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// dependents names what a new table under the name breaks: the streams on the old one, and the loads that fill it, unless it is rebuilt
// from its own rows: then the ledger goes along.
func dependents(p *pass, table sqltext.Object, rebuilt bool) (names []string) {
	for _, o := range p.schema.Of(sqltext.Table) {
		if o.Relation == schema.Stream && o.On == table {
			names = append(names, "stream "+o.Display())
		}
	}
	for i := range p.Loads {
		if !rebuilt && p.target(&p.Loads[i]) == table {
			names = append(names, "load "+p.Loads[i].Name)
		}
	}
	return names
}

var replaceDependency = Rule{
	Name: "replace-dependency", Level: Error,
	Short: "CREATE OR REPLACE of a table that a stream or a load depends on",
	Why: "The new table has another id. A stream on the old one fails from then on; a load has no ledger for the new one and loads every " +
		"file again. A table that is rebuilt from its own rows (AS SELECT … FROM itself) keeps its ledger.",
	statement: func(p *pass, s *statement) {
		for _, w := range s.Writes {
			if w.Verb != effect.Replace || w.Kind != sqltext.Table || w.IsStream || w.IsView || s.down {
				continue
			}
			if on := dependents(p, w.Object, slices.Contains(s.Sources, w.Object)); len(on) > 0 {
				depend := "depends"
				if len(on) > 1 {
					depend = "depend"
				}
				p.atObject(s, w.Object, fmt.Sprintf("replacing %s breaks %s, which %s on it", w.Object, event.And(on), depend),
					"CREATE TABLE for a new one, ALTER TABLE for one that is there; or "+reasonHint(p.rule.Name))
				if p.schema.Find(w.Object) == nil { // as far as the migrations know it replaces nothing
					p.as(Warning)
				}
			}
		}
	},
}

var internalStage = Rule{
	Name: "internal-stage", Level: Error,
	Short: "an internal stage is replaced or dropped",
	Why: "The files of an internal stage lie in it alone. CREATE OR REPLACE STAGE and DROP STAGE delete them at once, and nothing " +
		"brings them back.",
	statement: func(p *pass, s *statement) {
		for _, w := range s.Writes {
			if w.Kind != sqltext.Stage || w.Verb != effect.Replace && w.Verb != effect.Drop || s.down && w.Verb == effect.Drop {
				continue
			}
			was := p.schema.Find(w.Object)
			internal := w.Verb == effect.Replace && w.Internal
			if was != nil {
				internal = was.Stage.Internal
			}
			if internal {
				p.atObject(s, w.Object, fmt.Sprintf("the files in %s are deleted", w.Object),
					"CREATE STAGE IF NOT EXISTS leaves them alone; or "+reasonHint(p.rule.Name))
			}
		}
	},
}
