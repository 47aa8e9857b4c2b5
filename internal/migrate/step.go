package migrate

import (
	"fmt"
	"slices"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
)

// The directions of a Step.
const (
	Up   = "up"
	Down = "down"
)

// Step is one section of one migration as it will run.
type Step struct {
	Version    int64
	Name       string
	Direction  string
	File       string // relative to the project; empty when only the journal has it
	Statements []Statement
	Secrets    []string
	Sums       state.Sums
	UpText     string // for the journal: expanded, with placeholders, literal keys masked
	DownText   string
	consent    map[string]bool // headers: irreversible, out-of-order, adopt
}

// Statement is one statement of a Step, and what it does.
type Statement struct {
	project.Statement
	Effect effect.Effect
	// Unit is the same number for all statements of a user's own BEGIN … COMMIT, 0 outside of one.
	Unit int
}

func headers(hs []sqltext.Header) map[string]bool {
	consent := map[string]bool{}
	for _, h := range hs {
		switch h.Key {
		case "allow":
			consent[h.Value] = true
		case "adopt":
			consent["adopt"] = true
		}
	}
	return consent
}

// newStep is a section of a project's migration.
func newStep(m *project.Migration, direction, database string) (Step, error) {
	s := Step{
		Version: m.Version, Name: m.Name, Direction: direction, File: m.Path, consent: headers(m.Headers),
		Sums:   sumsOf(m),
		UpText: sqltext.Mask(m.Up.Expanded), DownText: sqltext.Mask(m.Down.Expanded),
	}
	section := m.Up
	if direction == Down {
		section = m.Down
	}
	s.Secrets = section.Secrets
	return s, s.analyze(section.Statements, database)
}

func sumsOf(m *project.Migration) state.Sums {
	return state.Sums{
		UpSum: m.Up.Checksum, DownSum: m.Down.Checksum,
		UpExpandedSum: m.Up.ExpandedChecksum, DownExpandedSum: m.Down.ExpandedChecksum,
	}
}

// storedStep is a Down section whose file is gone, from the journal's text.
func storedStep(v state.Version, text, database string) (Step, error) {
	s := Step{Version: v.Version, Name: v.Name, Direction: Down, Sums: v.Sums, DownText: text, consent: map[string]bool{}}
	if sqltext.Masked(text) {
		return s, &PlanError{
			Kind: Missing, Version: v.Version, Msg: fmt.Sprintf("the file of version %d %s is missing, and its Down section has keys, which the journal does not keep", v.Version, v.Name),
			hint: "restore the file from version control",
		}
	}
	if parsed, err := sqltext.Headers(text); err == nil {
		s.consent = headers(parsed)
	}
	statements, err := storedStatements(text)
	if err != nil {
		return s, fmt.Errorf("read the journal's text of version %d: %w", v.Version, err)
	}
	holders, err := sqltext.Placeholders(text)
	if err != nil {
		return s, fmt.Errorf("read the journal's text of version %d: %w", v.Version, err)
	}
	for _, h := range holders {
		if !slices.Contains(s.Secrets, h.Name) {
			s.Secrets = append(s.Secrets, h.Name)
		}
	}
	return s, s.analyze(statements, database)
}

// journaled are the statements of a text of the journal. A key that stands in a file as a literal is masked there: the file has it, where
// it is still the same.
func (m *Migrator) journaled(version int64, direction, text string) ([]project.Statement, error) {
	if f := m.p.Migration(version); f != nil {
		section := f.Up
		if direction == Down {
			section = f.Down
		}
		if sqltext.Mask(section.Expanded) == text {
			return section.Statements, nil
		}
	}
	return storedStatements(text)
}

// storedStatements splits a text of the journal; lines and columns are its own.
func storedStatements(text string) ([]project.Statement, error) {
	split, err := sqltext.SplitSection(text)
	if err != nil {
		return nil, err
	}
	var out []project.Statement
	for _, st := range split {
		at := sqltext.PosAt(text, st.Start)
		out = append(out, project.Statement{SQL: st.Text, Line: at.Line, Column: at.Column, Pos: func(offset int) (int, int) {
			p := sqltext.PosAt(text, st.Start+offset)
			return p.Line, p.Column
		}})
	}
	return out, nil
}

// analyze finds what each statement does, and refuses what cannot be run safely at all.
func (s *Step) analyze(statements []project.Statement, database string) error {
	unit, open := 0, -1
	refuse := func(st project.Statement, kind, msg, hint string) error {
		return &PlanError{Kind: kind, Version: s.Version, File: s.File, Line: st.Line, Column: st.Column, Msg: msg, hint: hint}
	}
	for i, st := range statements {
		e := effect.Analyze(st.SQL, database)
		this := Statement{Statement: st, Effect: e}
		if e.Use != "" {
			database = e.Use
		}
		for _, name := range slices.Concat(e.Settings, e.During) {
			if databend.IsPinned(name) {
				return refuse(st, Setting, "SET "+name+": dbctl pins this setting, the rollback relies on it", "leave it out")
			}
		}
		switch e.Txn {
		case "BEGIN":
			if open >= 0 {
				return refuse(st, Transaction, "BEGIN inside BEGIN: the inner COMMIT would end the outer transaction", "leave one of them out")
			}
			unit++
			open = i
		case "COMMIT", "ROLLBACK":
			if open < 0 {
				return refuse(st, Transaction, e.Txn+" without BEGIN", "leave it out: every statement commits by itself")
			}
		}
		if open >= 0 {
			this.Unit = unit
			if e.Txn == "" && !e.DML && (e.Class != effect.None || e.Unknown || e.DDL) {
				return refuse(st, Transaction, e.Kind+" inside BEGIN … COMMIT would commit what went before, and cannot be rolled back with it",
					"put it before BEGIN or after COMMIT: dbctl puts a failed migration back without a transaction")
			}
			if e.Txn == "COMMIT" || e.Txn == "ROLLBACK" {
				open = -1
			}
		}
		s.Statements = append(s.Statements, this)
	}
	if open >= 0 {
		return refuse(statements[open], Transaction, "BEGIN without COMMIT", "end the transaction with COMMIT;")
	}
	return nil
}

// writes are the objects to capture before the steps run: savepoint.Objects of what they do.
func writes(steps []Step) []sqltext.Object { return savepoint.Objects(effects(steps)) }

// consumed are the names that may be streams which a statement moves on: those that a statement which writes rows or files reads
// (databend get_consume_streams), WITH CONSUME or not. Only the state shows which are.
func consumed(e effect.Effect) []sqltext.Object {
	if !e.Consumes {
		return nil
	}
	var out []sqltext.Object
	for _, o := range e.Names {
		if o.Kind == sqltext.Table && o.Database != "system" && o.Database != "information_schema" {
			out = append(out, o)
		}
	}
	return out
}

// consume adds to what the statements do the streams among before that they move on.
func consume(steps []Step, before catalog.State) {
	for _, s := range steps {
		for i := range s.Statements {
			e := &s.Statements[i].Effect
			for _, o := range consumed(*e) {
				was, _ := before.Find(o)
				written := slices.ContainsFunc(e.Writes, func(w effect.Write) bool { return w.Object == o })
				if !was.Exists || was.Engine != "STREAM" || written {
					continue
				}
				e.Writes = append(slices.Clone(e.Writes), effect.Write{Object: o, Verb: effect.WriteData, Aspects: effect.Rows, IsStream: true})
				if e.Class == effect.None { // CREATE TEMP TABLE AS
					e.Class, e.Reason, e.Undo = effect.Exact, "it moves a stream's offset, which can be set back", "the stream at its earlier offset"
				}
			}
		}
	}
}

// effects are what the statements of the steps do, in order.
func effects(steps []Step) []effect.Effect {
	var out []effect.Effect
	for _, s := range steps {
		for _, st := range s.Statements {
			out = append(out, st.Effect)
		}
	}
	return out
}

// tables are the names (database.table) that the steps write, for the lock; ["*"] when a statement's effect is unknown.
func tables(steps []Step) []string {
	var out []string
	for _, s := range steps {
		for _, st := range s.Statements {
			if st.Effect.Unknown {
				return []string{"*"}
			}
		}
	}
	for _, o := range writes(steps) {
		switch o.Kind {
		case sqltext.Table:
			out = append(out, o.Database+"."+o.Name)
		case sqltext.Database:
			return []string{"*"}
		}
	}
	const many = 2000 // the claim is a comment, written with every mark
	if len(out) > many {
		return []string{"*"}
	}
	return out
}

// events are the step's statements as plan and show list them.
func (s *Step) events() []event.Statement {
	out := make([]event.Statement, len(s.Statements))
	for i, st := range s.Statements {
		out[i] = StatementEvent(i+1, st.Statement, st.Effect)
		out[i].Version, out[i].Direction = s.Version, s.Direction
	}
	return out
}

// StatementEvent is a statement as plan and show list it, without the migration or load that it is of. index is its number there, from 1.
func StatementEvent(index int, st project.Statement, e effect.Effect) event.Statement {
	objects := []event.Object{}
	for _, w := range e.Writes {
		objects = append(objects, event.Object{Kind: string(w.Kind), Name: w.Display()})
	}
	return event.Statement{
		Index: index, Line: st.Line, SQL: sqltext.Mask(st.SQL), Kind: e.Kind,
		Writes: objects, Class: string(e.Class), Reason: e.Reason, Undo: e.Undo,
	}
}

func (s *Step) String() string { return fmt.Sprintf("%d %s", s.Version, s.Name) }
