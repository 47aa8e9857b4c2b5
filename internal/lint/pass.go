package lint

import (
	"slices"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// statement is one statement of a migration's section, as a rule sees it.
type statement struct {
	project.Statement
	effect.Effect
	m        *project.Migration
	down     bool
	database string // the current one when it runs
	used     bool   // a USE stands before it in its section
	end      int    // the line that it ends on
}

// isView says whether the statement makes a view.
func (s *statement) isView() bool {
	return slices.ContainsFunc(s.Writes, func(w effect.Write) bool { return w.IsView && w.Verb != effect.Drop })
}

// migration is one file, and the objects around its sections.
type migration struct {
	*project.Migration
	up, down      []*statement
	before, after *schema.Schema // of Up
	undone        *schema.Schema // after Down; nil without one
}

// pass is one run of the rules over one project.
type pass struct {
	*project.Project
	base   *Base
	schema *schema.Schema // the objects right before the statement that is looked at; in whole and load, after all Up sections

	migrations []*migration
	places     map[schema.Place]*statement // those of Up sections
	rule       *Rule
	found      []found
	incomplete bool            // files could not be read: what they make is not known
	said       map[string]bool // sections of which unqualified-after-use spoke
}

// found is a finding and the statement that it is about, if it is about one.
type found struct {
	event.Finding
	about *statement
}

func newPass(p *project.Project, o Options) *pass {
	ps := &pass{Project: p, base: o.Base, places: map[schema.Place]*statement{}, said: map[string]bool{}, incomplete: len(p.Broken) > 0}
	for i := range p.Migrations {
		m := &migration{Migration: &p.Migrations[i]}
		m.up = statements(m.Migration, m.Up, false, p.Env.Database)
		m.down = statements(m.Migration, m.Down, true, p.Env.Database)
		for _, s := range m.up {
			ps.places[s.place()] = s
		}
		ps.migrations = append(ps.migrations, m)
	}
	return ps
}

func statements(m *project.Migration, s project.Section, down bool, database string) []*statement {
	var all []*statement
	used := false
	for st, e := range project.Effects(s.Statements, database) {
		all = append(all, &statement{
			Statement: st, Effect: e, m: m, down: down, database: database, used: used, end: st.At(len(st.SQL)).Line,
		})
		if e.Use != "" {
			database, used = e.Use, true
		}
	}
	return all
}

// run lets each rule see everything, in order.
func (p *pass) run(rules []Rule) {
	each := func(f func(*Rule)) {
		for i := range rules {
			p.rule = &rules[i]
			f(p.rule)
		}
	}
	fold := func(s *schema.Schema, statements []*statement) {
		p.schema = s
		for _, st := range statements {
			all := st.Effect
			st.Effect = s.Lasting(all)
			each(func(r *Rule) {
				if r.statement != nil {
					r.statement(p, st)
				}
				if r.text != nil {
					r.text(st.SQL, p.in(st))
				}
			})
			s.Apply(st.SQL, all, st.place())
		}
		s.EndSession()
	}
	now := schema.New()
	for _, m := range p.migrations {
		m.before = now.Clone()
		fold(now, m.up)
		m.after = now.Clone()
		if m.HasDown {
			m.undone = now.Clone()
			fold(m.undone, m.down)
		}
		each(func(r *Rule) {
			if r.migration != nil {
				r.migration(p, m)
			}
		})
	}
	p.schema = now
	for i := range p.Loads {
		each(func(r *Rule) {
			if r.load != nil {
				r.load(p, &p.Loads[i])
			}
			if r.text != nil {
				for _, st := range p.Loads[i].Statements() {
					r.text(st.SQL, p.inLoad(st))
				}
			}
		})
	}
	each(func(r *Rule) {
		if r.whole != nil {
			r.whole(p)
		}
	})
}

// place is where the statement stands.
func (s *statement) place() schema.Place { return schema.Place{Version: s.m.Version, Place: s.Place} }

// ownWork says whether the statement's migration made the object: nobody else has put anything into it.
func (p *pass) ownWork(s *statement, o sqltext.Object) bool {
	was := p.schema.Find(o)
	return was != nil && was.Made.Version == s.m.Version
}

// at reports a finding at an offset of a statement.
func (p *pass) at(s *statement, offset int, message, hint string) {
	p.add(s.At(offset), s, message, hint)
}

// in reports the findings about a statement of a migration.
func (p *pass) in(s *statement) Report {
	return func(at int, message, hint string) { p.at(s, at, message, hint) }
}

// inLoad reports the findings about a statement of a load.
func (p *pass) inLoad(st project.Statement) Report {
	return func(at int, message, hint string) { p.add(st.At(at), nil, message, hint) }
}

// atObject reports a finding where the statement names an object.
func (p *pass) atObject(s *statement, o sqltext.Object, message, hint string) {
	p.at(s, define.Find(s.SQL, o.Name, 0), message, hint)
}

// atMade reports a finding at the statement that made an object.
func (p *pass) atMade(o *schema.Object, message, hint string) {
	if s := p.places[o.Made]; s != nil {
		p.atObject(s, o.Object, message, hint)
	} else {
		p.add(o.Made.Place, nil, message, hint)
	}
}

// atLoad reports a finding at an offset of a load's COPY.
func (p *pass) atLoad(l *project.Load, offset int, message, hint string) {
	p.add(l.Statement.At(offset), nil, message, hint)
}

func (p *pass) add(at sqltext.Place, about *statement, message, hint string) {
	p.found = append(p.found, found{event.Finding{
		Rule: p.rule.Name, Level: string(p.rule.Level), Place: at, Message: message, Hint: hint,
	}, about})
}

// as gives the last finding another level than its rule has.
func (p *pass) as(l Level) { p.found[len(p.found)-1].Level = string(l) }

// target is the table that a load fills.
func (p *pass) target(l *project.Load) sqltext.Object { return l.Copy.Target(p.Env.Database) }

// text is how the text of a file is read: only what the project itself leaves out, such as comments.
func (p *pass) text(path string) string {
	text, err := project.ReadFile(p.Dir, path, maxFile)
	if err != nil {
		return ""
	}
	return string(text)
}

// aCopy is a COPY INTO a table that stands in a migration, or in the body of a task.
type aCopy struct {
	copytext.Copy
	*statement
	offset int // of the COPY in the statement
}

// copies are the COPYs of the Up sections.
func (p *pass) copies() []aCopy {
	var all []aCopy
	for _, m := range p.migrations {
		for _, s := range m.up {
			texts := []sqltext.Statement{{Text: s.SQL}}
			if s.Task != nil {
				texts = s.Task.Body
			}
			for _, t := range texts {
				if c, err := copytext.Parse(t.Text); err == nil {
					all = append(all, aCopy{c, s, t.Start})
				}
			}
		}
	}
	return all
}
