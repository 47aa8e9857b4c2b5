package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
)

// Secrets returns the values of the named secrets.
type Secrets func(ctx context.Context, names []string) (secret.Set, error)

// Definitions finds dbctl's own earlier definitions of objects: in the texts that the journal has of what ran and was not rolled back.
// They are read once, when the first is asked for.
type Definitions struct {
	p     *project.Project
	store *state.Store
	read  bool
	ran   []Statement                            // in order
	after map[sqltext.Object]catalog.ObjectState // as the last run that wrote it left it
}

// NewDefinitions reads nothing yet.
func NewDefinitions(p *project.Project, store *state.Store) *Definitions {
	return &Definitions{p: p, store: store, after: map[sqltext.Object]catalog.ObjectState{}}
}

func (d *Definitions) load(ctx context.Context) error {
	if d.read {
		return nil
	}
	texts, err := d.store.Texts(ctx)
	if err != nil {
		return err
	}
	for _, t := range texts {
		statements, err := journaled(d.p, t.Version, t.Direction, t.SQL, t.Sum)
		if err != nil {
			return fmt.Errorf("read the journal's text of version %d: %w", t.Version, err)
		}
		d.ran = append(d.ran, read(statements, d.p.Env.Database)...)
		var after catalog.State
		if t.After != "" {
			if err := json.Unmarshal([]byte(t.After), &after); err != nil {
				return fmt.Errorf("read what version %d left: %w", t.Version, err)
			}
		}
		for _, o := range after.Objects {
			d.after[o.Object] = o
		}
	}
	d.read = true
	return nil
}

// of is the statements that make o as it was last: its CREATE as CREATE OR REPLACE, then each ALTER. Empty when there is none. since
// ran after what the journal has.
func (d *Definitions) of(ctx context.Context, o sqltext.Object, since []Statement) ([]Statement, error) {
	if err := d.load(ctx); err != nil {
		return nil, err
	}
	var out []Statement
	for _, st := range slices.Concat(d.ran, since) {
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

// altered reports whether an object, as far as the engine shows it, is another than the last run of ours left.
func (d *Definitions) altered(now catalog.ObjectState) bool {
	after, known := d.after[now.Object]
	return known && after.Exists && after.Definition() != now.Definition()
}

// another is what the definition of o names that is not what it was then, with what became of it; "" for none. since ran after what the
// journal has.
func (d *Definitions) another(ctx context.Context, conn catalog.Conn, o sqltext.Object, since []Statement) (string, error) {
	var named []sqltext.Object
	var changed string
	for _, st := range slices.Concat(d.ran, since) {
		for _, w := range st.Effect.Writes {
			if slices.Contains(named, w.Object) && w.Changes(effect.Existence|effect.Text) {
				changed = w.Object.String() + ", which another migration changed since"
			}
			if w.Object == o && w.Changes(effect.Existence|effect.Text) {
				if w.Verb == effect.Create || w.Verb == effect.Replace {
					named, changed = nil, ""
				}
				for _, n := range st.Effect.Names {
					if n.Kind == sqltext.FileFormat || n.Kind == sqltext.Connection {
						named = append(named, n)
					}
				}
			}
		}
	}
	if len(named) == 0 || changed != "" {
		return changed, nil
	}
	now, err := catalog.Capture(ctx, conn, named)
	if err != nil {
		return "", err
	}
	for _, n := range now.Objects {
		switch {
		case !n.Exists:
			return n.Object.String() + ", which is not there any more", nil
		case d.altered(n):
			return n.Object.String() + ", which was changed since", nil
		}
	}
	return "", nil
}

// Redefine is savepoint.Options.Redefine: the statements of Of with secrets as of now.
func (d *Definitions) Redefine(ctx context.Context, o sqltext.Object, since []Statement, secrets Secrets) ([]databend.Statement, error) {
	statements, err := d.of(ctx, o, since)
	if err != nil {
		return nil, err
	}
	if len(statements) == 0 {
		return nil, savepoint.ErrNoDefinition
	}
	if slices.ContainsFunc(statements, func(st Statement) bool { return sqltext.Masked(st.SQL) }) {
		return nil, errors.New("its keys stood in the text, and the journal keeps none: {{ secret \"NAME\" }} would tell where they are")
	}
	names, err := placeholders(statements)
	if err != nil {
		return nil, err
	}
	var values secret.Set
	if len(names) > 0 {
		if values, err = secrets(ctx, names); err != nil {
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
