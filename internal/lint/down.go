package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

var noDown = Rule{
	Name: "no-down", Level: Warning,
	Short: "a migration has no Down section",
	Why:   "`dbctl migrate down` and `redo` refuse it. An empty section says that there is nothing to undo.",
	migration: func(p *pass, m *migration) {
		if !m.HasDown && len(m.up) > 0 {
			p.add(m.Up.Place, nil, "there is no -- +goose Down section",
				"write one; an empty section says that there is nothing to undo")
		}
	},
}

var downIncomplete = Rule{
	Name: "down-incomplete", Level: Warning,
	Short: "a Down section does not undo its Up section",
	Why: "After `dbctl migrate down` the warehouse is not what it was before `up`: what is left over makes the next `up` fail, and " +
		"what is missing breaks what still uses it.",
	migration: func(p *pass, m *migration) {
		if !m.HasDown || m.undone.Opaque() {
			return
		}
		seen := map[sqltext.Object]bool{}
		for _, s := range m.up {
			for _, w := range s.Writes {
				if seen[w.Object] || s.Class == effect.Irreversible || strings.HasPrefix(s.Undo, "nothing") || !compared(w) {
					continue
				}
				seen[w.Object] = true
				if message := p.left(m, w.Object); message != "" {
					p.atObject(s, w.Object, message, undoHint(s, m, w))
				}
			}
		}
	},
}

// compared says whether a fold knows enough of what the write does to tell whether it was undone.
func compared(w effect.Write) bool {
	if w.Verb == effect.CreateNew && w.AccountWide() {
		return false // it may have been there before, and be others' too
	}
	switch w.Kind {
	case sqltext.Grant, sqltext.Setting, sqltext.StageFiles, sqltext.Unknown:
		return false
	}
	return true
}

// undoHint is the statement that Down lacks: what is new is dropped, whatever CREATE OR REPLACE would need where it was there before.
func undoHint(s *statement, m *migration, w effect.Write) string {
	switch {
	case w.Verb.Makes() && m.before.Find(w.Object) == nil:
		return fmt.Sprintf("in the Down section: DROP %s %s;", strings.ToUpper(w.Word()), w.Pasted())
	case s.Undo == "":
		return "undo it in the Down section"
	}
	return "in the Down section: " + s.Undo
}

// left says what Down leaves of Up's change of an object; "" when it is as it was before.
func (p *pass) left(m *migration, o sqltext.Object) string {
	before, after, undone := m.before.Find(o), m.after.Find(o), m.undone.Find(o)
	switch {
	case before != nil && undone != nil:
		return p.differs(m, before, after, undone)
	case before != nil && after == nil:
		return fmt.Sprintf("Down does not bring back %s, which Up takes away", before)
	case before != nil:
		return fmt.Sprintf("Down drops %s, which was there before Up", before)
	case after != nil && undone != nil && after.Made.Version == m.Version:
		return fmt.Sprintf("Down leaves %s, which Up makes", after)
	case after == nil && undone == nil && dropped(m, o) && !inDown(m, o):
		return fmt.Sprintf("Down does not bring back %s, which Up drops", o)
	}
	return ""
}

// dropped says whether Up drops an object that no migration made, Up itself included.
func dropped(m *migration, o sqltext.Object) bool {
	for _, s := range m.up {
		for _, w := range s.Writes {
			switch {
			case w.Object != o:
			case w.Verb == effect.Drop && !s.If:
				return true
			case w.Verb != effect.Drop:
				return false
			}
		}
	}
	return false
}

// columnsOnly says whether all that Up does to a table is to its columns.
func columnsOnly(m *migration, o sqltext.Object) bool {
	return !slices.ContainsFunc(m.up, func(s *statement) bool {
		return (s.Table == nil || s.Table.Action.Beside()) && slices.ContainsFunc(s.Writes, func(w effect.Write) bool { return w.Object == o })
	})
}

// inDown says whether a statement of Down writes the object.
func inDown(m *migration, o sqltext.Object) bool {
	return slices.ContainsFunc(m.down, func(s *statement) bool {
		return s.Unknown || slices.ContainsFunc(s.Writes, func(w effect.Write) bool { return w.Object == o })
	})
}

// differs compares an object that is there before and after.
func (p *pass) differs(m *migration, before, after, undone *schema.Object) string {
	o := before.Object
	if before.Known && undone.Known {
		for _, c := range undone.Columns {
			was, ok := before.Column(c.Name)
			switch {
			case !ok:
				return fmt.Sprintf("Down leaves column %s of %s, which Up adds", c.Name, before)
			case !was.Type.Equal(c.Type):
				return fmt.Sprintf("after Down column %s of %s is %s; before Up it was %s", c.Name, before, c.Type, was.Type)
			case was.NotNull != c.NotNull:
				return fmt.Sprintf("after Down column %s of %s has another NOT NULL than before Up", c.Name, before)
			case was.Default != c.Default:
				return fmt.Sprintf("after Down column %s of %s has another default than before Up", c.Name, before)
			}
		}
		for _, c := range before.Columns {
			if _, ok := undone.Column(c.Name); !ok {
				return fmt.Sprintf("after Down %s has no column %s, which it had before Up", before, c.Name)
			}
		}
	}
	switch {
	case before.Kind == sqltext.Task && (before.Resumed != undone.Resumed || before.Paused != undone.Paused):
		return fmt.Sprintf("Down leaves %s started or suspended as Up made it", before)
	case inDown(m, o):
		return ""
	case after != nil && schema.SameColumns(before, after) && columnsOnly(m, o):
		return ""
	case after == nil || before.Changed != after.Changed:
		return fmt.Sprintf("Down does not touch %s, which Up changes", before)
	case addsRows(m, o):
		return fmt.Sprintf("Down leaves the rows that Up writes into %s", before)
	}
	return ""
}

// addsRows says whether Up inserts rows into a table.
func addsRows(m *migration, o sqltext.Object) bool {
	return slices.ContainsFunc(m.up, func(s *statement) bool {
		return slices.ContainsFunc(s.Writes, func(w effect.Write) bool { return w.Object == o && w.Does == effect.AddsRows })
	})
}

var irreversible = Rule{
	Name: "irreversible", Level: Error,
	Short: "a statement that nothing can undo, without consent",
	Why: "`dbctl migrate up` refuses it: when a later statement fails, this one stays. A header in the file gives consent, with a " +
		"reason.",
	statement: func(p *pass, s *statement) {
		if s.Bare {
			p.at(s, 0, s.Reason, effect.ScriptHint)
			return
		}
		if s.Class != effect.Irreversible && !s.Unknown || consents(s.m.Headers, "irreversible") {
			return
		}
		hint := `-- dbctl: allow=irreversible "why", above -- +goose Up`
		if s.Unknown && !s.Script {
			hint = "check its spelling; or " + hint
		}
		p.at(s, 0, fmt.Sprintf("%s cannot be undone: %s", s.Kind, s.Reason), hint)
	},
}

var dropsDefault = Rule{
	Name: "drops-default", Level: Warning,
	Short: "MODIFY COLUMN without DEFAULT drops the default that the column has",
	Why: "MODIFY COLUMN defines the column anew: a DEFAULT that is not said again is gone, and rows that leave the column out get " +
		"NULL, or are refused.",
	statement: func(p *pass, s *statement) {
		if s.Table == nil || s.Table.Action != define.ModifyColumn || len(s.Writes) == 0 {
			return
		}
		was := p.schema.Find(s.Writes[0].Object)
		if was == nil {
			return
		}
		for _, c := range s.Table.Columns {
			if old, ok := was.Column(c.Name); ok && old.Default != "" && c.Default == "" {
				p.at(s, c.Start, fmt.Sprintf("column %s loses its DEFAULT %s", c.Name, old.Default),
					"say it again: DEFAULT "+old.Default+"; or "+reasonHint(p.rule.Name))
			}
		}
	},
}
