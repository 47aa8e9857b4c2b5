package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// expected is how long a run is assumed to take at most, when retention is judged.
const expected = time.Hour

// verdicts refuses what only the state of the warehouse shows to be wrong: an account-wide object that would be replaced and is
// not ours, and what exists, would be changed, and cannot be defined again. It names retention that is too short.
func (m *Migrator) verdicts(ctx context.Context, p Plan, before savepoint.State) error {
	d := &definitions{m: m}
	var errs []error
	judged := map[sqltext.Object]bool{} // judged already
	for _, s := range p.Steps {
		for _, st := range s.Statements {
			for _, w := range st.Effect.Writes {
				was, known := before.Find(w.Object)
				if !known || !was.Exists || judged[w.Object] || st.Effect.Class != sqltext.Redefine || w.Verb == sqltext.Create || w.Verb == sqltext.CreateNew || shown(was) {
					continue
				}
				judged[w.Object] = true // said once
				ours, err := d.of(ctx, w.Object)
				if err != nil {
					return err
				}
				switch {
				case len(ours) > 0:
				case w.Verb == sqltext.Replace && !s.consent["adopt"]:
					errs = append(errs, &PlanError{
						Kind: Adopt, Version: s.Version, File: s.File, Line: st.Line, Column: st.Column,
						Msg:  fmt.Sprintf("%s exists and was not made by this project: it would be replaced, and could not be put back", w.Object),
						hint: "give yours another name, or say that it may be replaced, in the file: -- dbctl: adopt \"why\"",
					})
				case w.Verb != sqltext.Replace && !m.o.AllowIrreversible && !s.consent["irreversible"]:
					errs = append(errs, irreversibleError(s, st, fmt.Sprintf("Databend does not show all of %s, and the journal has no earlier definition of it", w.Object)))
				}
			}
		}
	}
	if slices.ContainsFunc(before.Objects, func(o savepoint.ObjectState) bool { return o.Exists && o.Kind == sqltext.Table }) {
		warnings, err := savepoint.Retention(ctx, m.store.Conn(), before, expected)
		if err != nil {
			return err
		}
		for _, w := range warnings {
			m.note("warn", "a rollback is not certain: %s", w)
		}
	}
	return errors.Join(errs...)
}

// shown reports whether the engine shows all of an object's definition, so that a savepoint can define it again.
func shown(o savepoint.ObjectState) bool {
	switch o.Kind {
	case sqltext.Table, sqltext.Database, sqltext.Setting, sqltext.Sequence, sqltext.NetworkPolicy, sqltext.PasswdPolicy, sqltext.Tag, sqltext.Role, sqltext.Grant:
		return true
	case sqltext.Function:
		return strings.EqualFold(o.Facts["language"], "SQL")
	case sqltext.FileFormat:
		kind, _, _ := strings.Cut(strings.TrimPrefix(o.Facts["format"], "TYPE = "), " ")
		return slices.Contains([]string{"CSV", "TSV", "TEXT", "JSON", "ORC", "NDJSON"}, strings.Trim(kind, ","))
	}
	return false
}

// definitions finds dbctl's own earlier definitions of objects: in the texts that the journal has of what ran and was not rolled
// back, and before those in what this run finished.
type definitions struct {
	m     *Migrator
	read  bool
	ran   []Statement // of the journal, in order
	since []Statement // of this run's finished steps, in order
}

// of is the statements that make o as it was last: its CREATE as CREATE OR REPLACE, then each ALTER. Empty when there is none.
func (d *definitions) of(ctx context.Context, o sqltext.Object) ([]Statement, error) {
	if !d.read {
		texts, err := d.m.store.Texts(ctx)
		if err != nil {
			return nil, err
		}
		for _, t := range texts {
			s := Step{Version: t.Version}
			statements, err := storedStatements(t.SQL)
			if err != nil {
				return nil, fmt.Errorf("read the journal's text of version %d: %w", t.Version, err)
			}
			// What was refused since then was allowed when it ran.
			_ = s.analyze(statements, d.m.p.Env.Database)
			d.ran = append(d.ran, s.Statements...)
		}
		d.read = true
	}
	var out []Statement
	for _, st := range slices.Concat(d.ran, d.since) {
		for _, w := range st.Effect.Writes {
			if w.Object != o {
				continue
			}
			switch w.Verb {
			case sqltext.Create, sqltext.Replace:
				out = []Statement{st}
			case sqltext.CreateNew:
				if len(out) == 0 {
					out = []Statement{st}
				}
			case sqltext.Drop, sqltext.RenameOut:
				out = nil
			case sqltext.Alter:
				if len(out) > 0 {
					out = append(out, st)
				}
			}
		}
	}
	return out, nil
}

// redefine is savepoint.Options.Redefine: the statements with secrets as of now.
func (d *definitions) redefine(ctx context.Context, o sqltext.Object) ([]databend.Statement, error) {
	statements, err := d.of(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(statements) == 0 {
		return nil, savepoint.ErrNoDefinition
	}
	var names []string
	for i := range statements {
		holders, err := sqltext.Placeholders(statements[i].SQL)
		if err != nil {
			return nil, err
		}
		for _, h := range holders {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	var values secret.Set
	if names = slices.Compact(names); len(names) > 0 {
		if values, err = d.m.secrets(ctx, names); err != nil {
			return nil, err
		}
	}
	out := make([]databend.Statement, len(statements))
	for i, st := range statements {
		text := st.SQL
		if i == 0 {
			text = orReplace(text, o.Kind)
		}
		out[i] = databend.Statement{SQL: text, Secrets: values}
	}
	return out, nil
}

// orReplace makes a CREATE statement replace what is there. A stage is only made where it is missing: replacing an internal one
// deletes its files.
func orReplace(text string, kind sqltext.ObjectKind) string {
	tokens, err := sqltext.Scan(text)
	if err != nil {
		return text
	}
	var words []sqltext.Token
	for _, t := range tokens {
		if s := text[t.Start:t.End]; s != "" && (s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z') {
			words = append(words, t)
		}
		if len(words) == 8 {
			break
		}
	}
	is := func(i int, want ...string) bool {
		for j, w := range want {
			if i+j >= len(words) || !strings.EqualFold(text[words[i+j].Start:words[i+j].End], w) {
				return false
			}
		}
		return true
	}
	if !is(0, "CREATE") {
		return text
	}
	rest := text[words[0].End:]
	if is(1, "OR", "REPLACE") {
		rest = text[words[2].End:]
	}
	ifNotExists := false
	for i := 1; i < len(words); i++ {
		if is(i, "IF", "NOT", "EXISTS") {
			ifNotExists = true
			rest = text[words[0].End:words[i].Start] + text[words[i+2].End:]
			break
		}
	}
	if kind == sqltext.Stage && !strings.Contains(strings.ToUpper(text), "URL") {
		if ifNotExists {
			return text
		}
		stage := slices.IndexFunc(words, func(t sqltext.Token) bool { return strings.EqualFold(text[t.Start:t.End], "STAGE") })
		return "CREATE STAGE IF NOT EXISTS" + text[words[stage].End:]
	}
	return "CREATE OR REPLACE" + rest
}
