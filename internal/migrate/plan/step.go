package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// The commands.
const (
	Up   = "up"
	Down = "down"
	Redo = "redo"
)

// Step is one section of one migration as it will run.
type Step struct {
	Version    int64
	Name       string
	Direction  event.Direction
	File       string // relative to the project; empty when only the journal has it
	Statements []Statement
	Secrets    []string
	Sums       state.Sums
	UpText     string // for the journal: expanded, with placeholders, literal keys masked
	DownText   string
	FileText   string // for the journal: the file itself, literal keys masked; "" where its sections make it again
	Consents   Consents
}

// Consents are what the headers of a file allow.
type Consents struct {
	Irreversible, OutOfOrder, Adopt bool
}

// Statement is one statement of a Step, and what it does.
type Statement struct {
	project.Statement
	Effect effect.Effect
	// Unit is the same number for all statements of a user's own BEGIN … COMMIT, 0 outside of one.
	Unit int
}

func consents(headers []sqltext.Header) Consents {
	var c Consents
	for _, h := range headers {
		switch {
		case h.Key == "adopt":
			c.Adopt = true
		case h.Key == "allow" && h.Value == "irreversible":
			c.Irreversible = true
		case h.Key == "allow" && h.Value == "out-of-order":
			c.OutOfOrder = true
		}
	}
	return c
}

// NewStep is a section of a project's migration. It refuses what cannot be run safely at all.
func NewStep(m *project.Migration, direction event.Direction, env project.Environment) (Step, error) {
	s := Step{
		Version: m.Version, Name: m.Name, Direction: direction, File: m.Path, Consents: consents(m.Headers), Sums: SumsOf(m),
		UpText: sqltext.Mask(m.Up.Expanded), DownText: sqltext.Mask(m.Down.Expanded), FileText: fileText(m),
	}
	section := sectionOf(m, direction)
	s.Secrets = section.Secrets
	s.Statements = read(section.Statements, env.Database)
	return s, s.check(env)
}

// Record is a row of the journal that has a migration as its file is now.
func Record(what string, m *project.Migration, reason string) state.Row {
	return state.Row{
		Event: what, Version: m.Version, Name: m.Name, Direction: event.Up, Sums: SumsOf(m),
		UpText: sqltext.Mask(m.Up.Expanded), DownText: sqltext.Mask(m.Down.Expanded), Detail: journal.FileDetail(fileText(m)),
		Statements: int64(len(m.Up.Statements)), Reason: reason,
	}
}

// fileText is a migration's file, keys masked; "" where FileOf makes it of its sections.
func fileText(m *project.Migration) string {
	if text := sqltext.Mask(m.Text); text != FileOf(sqltext.Mask(m.Up.Expanded), sqltext.Mask(m.Down.Expanded), m.HasDown) {
		return text
	}
	return ""
}

// FileOf is a file of these sections.
func FileOf(up, down string, hasDown bool) string {
	text := "-- +goose Up\n" + endLine(up)
	if hasDown {
		text += "-- +goose Down\n" + endLine(down)
	}
	return text
}

func endLine(s string) string {
	if s != "" && s[len(s)-1] != '\n' {
		s += "\n"
	}
	return s
}

func sectionOf(m *project.Migration, direction event.Direction) project.Section {
	if direction == event.Down {
		return m.Down
	}
	return m.Up
}

// SumsOf are a migration's checksums as the journal keeps them.
func SumsOf(m *project.Migration) state.Sums {
	return state.Sums{
		UpSum: m.Up.Checksum, DownSum: m.Down.Checksum,
		UpExpandedSum: m.Up.ExpandedChecksum, DownExpandedSum: m.Down.ExpandedChecksum,
	}
}

// storedStep is a Down section whose file is gone, from the journal's text.
func storedStep(v state.Version, was state.AppliedText, env project.Environment) (Step, error) {
	text := was.Down
	s := Step{Version: v.Version, Name: v.Name, Direction: event.Down, Sums: v.Sums, DownText: text}
	if sqltext.Masked(text) {
		return s, &Error{
			Kind: Missing, Version: v.Version,
			Msg: fmt.Sprintf("what undoes version %d %s as it was applied has keys written by hand, which the journal does not keep",
				v.Version, v.Name),
			hint: "put the file back as it was applied, from version control",
		}
	}
	if parsed, err := sqltext.Headers(cmp.Or(was.File, text)); err == nil {
		s.Consents = consents(parsed)
	}
	statements, err := storedStatements(text)
	if err != nil {
		return s, fmt.Errorf("read the journal's text of version %d: %w", v.Version, err)
	}
	s.Statements = read(statements, env.Database)
	if s.Secrets, err = sqltext.SecretNames(text); err != nil {
		return s, fmt.Errorf("read the journal's text of version %d: %w", v.Version, err)
	}
	return s, s.check(env)
}

// SetsRole reports whether steps make what they make as another role than the run's.
func SetsRole(steps []Step) bool {
	return slices.ContainsFunc(Effects(steps), func(e effect.Effect) bool { return e.Role })
}

// placeholders are the names of the secrets in the statements, sorted.
func placeholders(statements []Statement) ([]string, error) {
	var names []string
	for _, st := range statements {
		some, err := sqltext.SecretNames(st.SQL)
		if err != nil {
			return nil, err
		}
		names = append(names, some...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Journaled is a section as the journal has it. A key that stood in the file as a literal is masked there: the file has it, as long as
// the section is the one that was journaled.
func Journaled(p *project.Project, row state.Row) (Step, error) {
	s := Step{
		Version: row.Version, Name: row.Name, Direction: row.Direction, Sums: row.Sums, UpText: row.UpText, DownText: row.DownText,
		FileText: row.File(),
	}
	if f := p.Migration(row.Version); f != nil {
		s.File = f.Path
	}
	text, sum := row.UpText, row.UpSum
	if row.Direction == event.Down {
		text, sum = row.DownText, row.DownSum
	}
	statements, err := journaled(p, row.Version, row.Direction, text, sum)
	if err != nil {
		return s, fmt.Errorf("read the journal's text of version %d: %w", row.Version, err)
	}
	s.Statements = read(statements, p.Env.Database)
	return s, nil
}

func journaled(p *project.Project, version int64, direction event.Direction, text, sum string) ([]project.Statement, error) {
	if f := p.Migration(version); f != nil {
		if section := sectionOf(f, direction); section.Checksum == sum && sqltext.Mask(section.Expanded) == text {
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
		at := func(offset int) sqltext.Place { return sqltext.PosAt(text, st.Start+offset).In("journal") }
		out = append(out, project.Statement{SQL: st.Text, Place: at(0), At: at})
	}
	return out, nil
}

// read finds what each statement does, when the first finds itself in database.
func read(statements []project.Statement, database string) []Statement {
	out := make([]Statement, 0, len(statements))
	unit, open := 0, false
	var temp effect.Temporary
	for st, e := range project.Effects(statements, database) {
		this := Statement{Statement: st, Effect: temp.Follow(e)}
		if this.Effect.Txn == "BEGIN" && !open {
			unit, open = unit+1, true
		}
		if open {
			this.Unit = unit
		}
		if this.Effect.Txn == "COMMIT" || this.Effect.Txn == "ROLLBACK" {
			open = false
		}
		out = append(out, this)
	}
	return out
}

// check refuses what cannot be run safely, or at all: a script by itself, a setting that dbctl pins, what would take the ground away that
// a run stands on, and a transaction of the user's own that could not be rolled back.
func (s *Step) check(env project.Environment) error {
	open := -1
	for i, st := range s.Statements {
		e := st.Effect
		for _, name := range slices.Concat(e.Settings, e.During) {
			if databend.IsPinned(name) {
				return s.refuse(st, Setting, "SET "+name+": dbctl pins this setting, the rollback relies on it", "leave it out")
			}
		}
		if e.Bare {
			return s.refuse(st, Script, e.Reason, effect.ScriptHint)
		}
		if c, err := copytext.Parse(st.SQL); e.Copy && err == nil && c.Is("RETURN_FAILED_ONLY") {
			return s.refuse(st, Setting, "RETURN_FAILED_ONLY = TRUE hides which files the COPY loaded: neither a rollback nor the ledger would "+
				"know of them", "leave it out")
		}
		for _, w := range e.Writes {
			if msg := ownGround(w, env); msg != "" {
				return s.refuse(st, Own, msg, "leave it out; a person can do it with dbctl sql, while no run is under way")
			}
		}
		switch e.Txn {
		case "BEGIN":
			if open >= 0 {
				return s.refuse(st, Transaction, "BEGIN inside BEGIN: the inner COMMIT would end the outer transaction", "leave one of them out")
			}
			open = i
		case "COMMIT", "ROLLBACK":
			if open < 0 {
				return s.refuse(st, Transaction, e.Txn+" without BEGIN", "leave it out: every statement commits by itself")
			}
			open = -1
		default:
			if open >= 0 && !e.DML && (e.Class != effect.None || e.Unknown || e.DDL) {
				return s.refuse(st, Transaction, e.Kind+" inside BEGIN … COMMIT would commit what went before, and cannot be rolled back with it",
					"put it before BEGIN or after COMMIT: dbctl puts a failed migration back without a transaction")
			}
		}
	}
	if open >= 0 {
		return s.refuse(s.Statements[open], Transaction, "BEGIN without COMMIT", "end the transaction with COMMIT;")
	}
	return nil
}

func (s *Step) refuse(st Statement, kind, msg, hint string) error {
	return &Error{Kind: kind, Version: s.Version, Place: st.Place, Msg: msg, hint: hint}
}

// ownGround says why a write would take away what every run stands on, "" when it does not: the environment's own database, in which
// the next command would not find itself any more, and the state database, without which nothing could be put back.
func ownGround(w effect.Write, env project.Environment) string {
	if w.Kind == sqltext.Database {
		goes := w.Verb == effect.Drop || w.Verb == effect.Replace || w.Verb == effect.RenameOut
		switch {
		case goes && w.Name == env.Database:
			return fmt.Sprintf("%s is the environment's own database: without it the rollback and every later command would find nothing", w.Object)
		case w.Name == env.StateDatabase && w.Verb != effect.CreateNew:
			return fmt.Sprintf("%s is dbctl's state database, with the journal that a rollback is read from", w.Object)
		}
		return ""
	}
	if w.Kind == sqltext.Table && state.Owns(state.Scope{Database: env.Database, StateDatabase: env.StateDatabase}, w.Database, w.Name) {
		return fmt.Sprintf("%s is in dbctl's state database, with the journal that a rollback is read from", w.Object)
	}
	return ""
}

// Effects are what the statements of the steps do, in order.
func Effects(steps []Step) []effect.Effect {
	var out []effect.Effect
	for _, s := range steps {
		for _, st := range s.Statements {
			out = append(out, st.Effect)
		}
	}
	return out
}

// Writes are the objects to capture before the steps run: savepoint.Objects of what they do.
func Writes(steps []Step) []sqltext.Object { return savepoint.Objects(Effects(steps)) }

// Indexed are those of them of which it matters which indexes are ASYNC.
func Indexed(steps []Step) []sqltext.Object { return savepoint.Indexed(Effects(steps)) }

// Reads are the objects to capture before the steps run: what they write, and what may be a stream that they move on.
func Reads(steps []Step) []sqltext.Object {
	out := Writes(steps)
	for _, e := range Effects(steps) {
		out = append(out, consumed(e)...)
	}
	return out
}

// MakesTables reports whether the steps make each table that they write, or may move on, before they do anything else with it: none of
// them is likely to be there.
func MakesTables(steps []Step) bool {
	made := map[sqltext.Object]bool{}
	for _, e := range Effects(steps) {
		if slices.ContainsFunc(consumed(e), func(o sqltext.Object) bool { return !made[o] }) {
			return false
		}
		for _, w := range e.Writes {
			if w.Kind == sqltext.Table && !made[w.Object] && w.Verb != effect.Create {
				return false
			}
			made[w.Object] = true
		}
	}
	return true
}

// consumed are the names that may be streams which a statement moves on: those that a statement which writes rows or files reads
// (databend get_consume_streams), WITH CONSUME or not. Only the state shows which are.
func consumed(e effect.Effect) []sqltext.Object {
	if !e.Consumes {
		return nil
	}
	var out []sqltext.Object
	for _, o := range e.Names {
		if o.Kind == sqltext.Table && !sqltext.EnginesOwn(o.Database) {
			out = append(out, o)
		}
	}
	return out
}

// Consuming are the steps with the streams among before that their statements move on as one more write of each. The steps given are
// left as they are.
func Consuming(steps []Step, before catalog.State) []Step {
	steps = slices.Clone(steps)
	for i := range steps {
		statements := slices.Clone(steps[i].Statements)
		for j := range statements {
			statements[j].Effect = consuming(statements[j].Effect, before)
		}
		steps[i].Statements = statements
	}
	return steps
}

func consuming(e effect.Effect, before catalog.State) effect.Effect {
	for _, o := range consumed(e) {
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
	return e
}

// Events are the step's statements as plan and show list them.
func (s *Step) Events() []event.Statement {
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
		objects = append(objects, event.Object{Kind: w.Word(), Name: w.Display()})
	}
	return event.Statement{
		Index: index, Line: st.Line, SQL: sqltext.Mask(st.SQL), Kind: e.Kind,
		Writes: objects, Class: string(e.Class), Reason: e.Reason, Undo: e.Undo,
	}
}

func (s *Step) String() string { return fmt.Sprintf("%d %s", s.Version, s.Name) }
