package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// expected is how long a run is assumed to take at most, when retention is judged.
const expected = time.Hour

// verdicts refuses what only the state of the warehouse shows to be wrong: an account-wide object that would be replaced and is
// not ours, and what exists, would be changed, and cannot be defined again. It names retention that is too short.
func (m *Migrator) verdicts(ctx context.Context, p Plan, before catalog.State) error {
	d := &definitions{m: m}
	var errs []error
	judged := map[sqltext.Object]bool{} // judged already
	made := map[sqltext.Object]bool{}   // by what would be rolled back with this statement
	subjects := savepoint.Subjects(before, effects(p.Steps))
	n := -1 // the statement's number among all
	for _, s := range p.Steps {
		if !p.atomic {
			clear(made)
		}
		for i, st := range s.Statements {
			n++
			if st.Effect.Retention && (p.atomic || i+1 < len(s.Statements)) {
				m.note("warn", "%s:%d: a rollback is not certain: it changes how long Databend keeps history", s.File, st.Line)
			}
			for k, w := range st.Effect.Writes {
				why := ""
				if st.Effect.Class != effect.Irreversible && !st.Effect.Stream { // a stream's table keeps change_tracking: that is said
					why = catalog.Unheld(subjects[n][k], w, p.atomic || i+1 < len(s.Statements))
				}
				if w.Changes(effect.Attachments) && !made[w.Object] {
					why = fmt.Sprintf("dbctl does not see the tags and policies of %s", w.Object)
					st.Effect.Class = effect.Irreversible // and no definition of ours would help
				}
				if why != "" {
					e := &s.Statements[i].Effect // as plan lists it, and a rollback reports it
					e.Class, e.Reason, e.Undo = effect.Irreversible, why, ""
					if !m.o.AllowIrreversible && !s.consent["irreversible"] {
						errs = append(errs, irreversibleError(s, st, why))
					}
				}
				was, known := before.Find(w.Object)
				made[w.Object] = w.Verb == effect.Create || w.Verb == effect.Replace || w.Verb == effect.CreateNew && !was.Exists || w.Verb == effect.Alter && made[w.Object] || w.Verb == effect.WriteData && made[w.Object]
				replaces := w.Verb == effect.Replace && w.AccountWide()
				if !known || !was.Exists || judged[w.Object] || st.Effect.Class != effect.Redefine || w.Verb == effect.Create || w.Verb == effect.CreateNew || catalog.Shown(was, w.Aspects) && !replaces {
					continue
				}
				judged[w.Object] = true // said once
				ours, err := d.of(ctx, w.Object)
				if err != nil {
					return err
				}
				switch {
				case len(ours) > 0:
				case replaces && !s.consent["adopt"]:
					msg := fmt.Sprintf("%s exists and was not made by this project: it would be replaced", w.Object)
					if !catalog.Shown(was, w.Aspects) {
						msg += ", and could not be put back"
					}
					errs = append(errs, &PlanError{
						Kind: Adopt, Version: s.Version, File: s.File, Line: st.Line, Column: st.Column, Msg: msg,
						hint: "give yours another name, or say that it may be replaced, in the file: -- dbctl: adopt \"why\"",
					})
				case !replaces && !m.o.AllowIrreversible && !s.consent["irreversible"]:
					errs = append(errs, irreversibleError(s, st, fmt.Sprintf("Databend does not show all of %s, and the journal has no earlier definition of it", w.Object)))
				}
			}
		}
	}
	if slices.ContainsFunc(before.Objects, func(o catalog.ObjectState) bool {
		return o.Exists && (o.Kind == sqltext.Table || o.Kind == sqltext.Database)
	}) {
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
			statements, err := d.m.journaled(t.Version, t.Direction, t.SQL)
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
			case effect.Create, effect.Replace:
				out = []Statement{st}
			case effect.CreateNew:
				if len(out) == 0 {
					out = []Statement{st}
				}
			case effect.Drop, effect.RenameOut:
				out = nil
			case effect.Alter:
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
		if sqltext.Masked(statements[i].SQL) {
			return nil, errors.New("its keys stood in the text, and the journal keeps none: {{ secret \"NAME\" }} would tell where they are")
		}
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
			text = effect.Again(text)
		}
		out[i] = databend.Statement{SQL: text, Secrets: values}
	}
	return out, nil
}
