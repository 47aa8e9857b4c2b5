package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/rights"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// expected is how long a run is assumed to take at most, when retention is judged.
const expected = time.Hour

// Judge says of each statement what becomes of its class on the objects as they are (before), under whatever name they are by then. It
// returns the plan with these classes, which dry runs list too, and with the secrets that the way back needs; and refuses what
// cannot be put back, unless the file or the command consents, and what replaces an account-wide object that is not ours.
func (p Plan) Judge(ctx context.Context, conn savepoint.Conn, d *Definitions, before catalog.State, o Options) (Plan, error) {
	p.Steps, p.Notes = slices.Clone(p.Steps), slices.Clone(p.Notes)
	j := judge{d: d, conn: conn, now: newNames(before), judged: map[sqltext.Object]bool{}, role: before.Role}
	for i := range p.Steps {
		s := &p.Steps[i]
		s.Consents.Irreversible = s.Consents.Irreversible || o.AllowIrreversible
		s.Statements = slices.Clone(s.Statements)
		if !p.Atomic {
			clear(j.now.made)
			clear(j.now.renamed)
		}
		for k := range s.Statements {
			st := &s.Statements[k]
			followed := p.Atomic || k+1 < len(s.Statements)
			if st.Effect.Retention && followed {
				p.Notes = append(p.Notes, event.Note{
					Level: event.Warn,
					Text:  fmt.Sprintf("%s:%d: a rollback is not certain: it changes how long Databend keeps history", st.File, st.Line),
				})
			}
			if err := j.statement(ctx, *s, st, followed); err != nil {
				return p, err
			}
		}
		if !p.Atomic {
			j.earlier = append(j.earlier, s.Statements...)
		}
	}
	p.WayBack = j.secrets
	if slices.ContainsFunc(before.Objects, func(o catalog.ObjectState) bool {
		return o.Exists && (o.Kind == sqltext.Table || o.Kind == sqltext.Database)
	}) {
		warnings, err := savepoint.Retention(ctx, conn, before, expected)
		if err != nil {
			return p, err
		}
		for _, w := range warnings {
			p.Notes = append(p.Notes, event.Note{Level: event.Warn, Text: "a rollback is not certain: " + w})
		}
	}
	return p, errors.Join(j.refusals...)
}

type judge struct {
	d        *Definitions
	conn     savepoint.Conn
	now      *names
	earlier  []Statement             // of migrations that stay when the one at hand is rolled back
	judged   map[sqltext.Object]bool // whether it can be defined again: said once
	refusals []error
	secrets  []string
	role     string      // whose the run is,
	held     rights.Held // and what it may do, once that was asked
}

// statement judges one statement, and lets the names follow it.
func (j *judge) statement(ctx context.Context, s Step, st *Statement, followed bool) error {
	irreversible := func(why string) {
		st.Effect.Class, st.Effect.Reason, st.Effect.Undo = effect.Irreversible, why, ""
		if !s.Consents.Irreversible {
			j.refusals = append(j.refusals, irreversibleError(s, *st, why))
		}
	}
	for _, w := range st.Effect.Writes {
		was := j.now.state(w.Object)
		why := unheld(*st, w, was, j.now.made[w.Object], followed)
		if why == "" && w.Kind == sqltext.Dictionary && j.now.renamed[w.Database] && followed {
			why = fmt.Sprintf("database %s has its name from this migration, and Databend keeps no history of dictionaries", w.Database)
		}
		if why == "" && j.now.raised[w.Object] && followed && w.Changes(notRewound) {
			why = fmt.Sprintf("%s was dropped before this migration: of what it was then only rows and columns can be had back", w.Object)
		}
		if why == "" && followed && st.Effect.Class != effect.Irreversible && !j.now.made[w.Object] {
			var err error
			if why, err = j.unallowed(ctx, w, was); err != nil {
				return err
			}
		}
		if why != "" {
			irreversible(why)
			continue
		}
		if err := j.definition(ctx, s, st, w, was, irreversible); err != nil {
			return err
		}
	}
	j.now.follow(st.Effect)
	return nil
}

// unallowed says which privileges the role lacks that putting a write back takes, "" when none.
func (j *judge) unallowed(ctx context.Context, w effect.Write, was catalog.ObjectState) (string, error) {
	if j.role == databend.AccountAdmin {
		return "", nil
	}
	missing, lacks := rights.ToUndo(w, was, j.role), "may not put "+w.Object.String()+" back"
	if !was.Exists && w.Verb == effect.Replace {
		if sees := rights.ToSee(w.Kind); len(sees) > 0 {
			missing, lacks = sees, "does not see whether others have a "+w.Object.String()+", which would be lost"
		}
	}
	if len(missing) == 0 {
		return "", nil
	}
	if j.held == nil {
		held, err := rights.Read(ctx, j.conn)
		if err != nil {
			return "", err
		}
		j.held = held
	}
	missing = slices.DeleteFunc(missing, j.held.Has)
	if len(missing) == 0 {
		return "", nil
	}
	grants := rights.Grants(missing, j.role, "")
	return fmt.Sprintf("role %s %s; an administrator allows it: %s", j.role, lacks, grants), nil
}

// notRewound are the aspects of a table that FLASHBACK does not put back.
const notRewound = effect.Comment | effect.ColumnNotes | effect.Options | effect.Indexes | effect.Constraints | effect.Text

// definition judges whether what the engine does not show whole could be defined again, and by which secrets.
func (j *judge) definition(
	ctx context.Context, s Step, st *Statement, w effect.Write, was catalog.ObjectState, irreversible func(string),
) error {
	replaces := w.Verb == effect.Replace && w.AccountWide()
	if !was.Exists || j.judged[w.Object] || st.Effect.Class != effect.Redefine || w.Verb == effect.Create || w.Verb == effect.CreateNew ||
		catalog.Shown(was, w.Aspects) && !replaces {
		return nil
	}
	j.judged[w.Object] = true
	ours, err := j.d.of(ctx, w.Object, nil)
	if err != nil {
		return err
	}
	if len(ours) == 0 && replaces && !s.Consents.Adopt {
		msg := fmt.Sprintf("%s exists and was not made by this project: it would be replaced", w.Object)
		if !catalog.Shown(was, w.Aspects) {
			msg += ", and could not be put back"
		}
		j.refusals = append(j.refusals, &Error{
			Kind: Adopt, Version: s.Version, Place: st.Place, Msg: msg,
			hint: "give yours another name, or say that it may be replaced, in the file: -- dbctl: adopt \"why\"",
		})
		return nil
	}
	if catalog.Shown(was, w.Aspects) {
		return nil
	}
	switch {
	case len(ours) == 0 && replaces: // adopted: the file consents
		st.Effect.Class, st.Effect.Undo = effect.Irreversible, ""
		st.Effect.Reason = fmt.Sprintf("%s was not made by this project, and Databend does not show all of it: the file says that it may be "+
			"replaced", w.Object)
		return nil
	case len(ours) == 0:
		irreversible(fmt.Sprintf("Databend does not show all of %s, and the journal has no earlier definition of it", w.Object))
		return nil
	case slices.ContainsFunc(ours, func(st Statement) bool { return sqltext.Masked(st.SQL) }):
		irreversible(fmt.Sprintf("the keys in the definition of %s stood in its file as they were, which has others now, and the "+
			"journal keeps none", w.Object))
		return nil
	case j.d.altered(was):
		irreversible(fmt.Sprintf("%s was changed since dbctl defined it, and Databend does not show all of it", w.Object))
		return nil
	}
	names, err := j.d.another(ctx, j.conn, w.Object, j.earlier)
	if err != nil {
		return err
	}
	if names != "" {
		irreversible(fmt.Sprintf("Databend does not show all of %s, and its definition in the journal names %s", w.Object, names))
		return nil
	}
	if s.Consents.Irreversible {
		return nil // then a secret that is not there costs no more than the object
	}
	holders, err := placeholders(ours)
	j.secrets = append(j.secrets, holders...)
	return err
}

// unheld says why a change that can be undone as a rule cannot be of an object as it is (was), "" when it can. made says that the
// run made the object itself since its savepoint; followed that a statement comes after this one which may fail.
func unheld(st Statement, w effect.Write, was catalog.ObjectState, made, followed bool) string {
	switch {
	case st.Effect.Class == effect.Irreversible:
		return ""
	case w.Changes(effect.Attachments) && !made:
		return fmt.Sprintf("dbctl does not see the tags and policies of %s", w.Object)
	case st.Effect.Needs(effect.Streams), made && w.Kind == sqltext.Stage: // a stream's table keeps change_tracking: that is said
		return ""
	}
	return catalog.Unheld(was, w, followed)
}

// Unshown reports whether a statement writes an object that is another now, right before it, than the one that was judged, and that
// could not be put back, since Databend does not show all of it.
func (s *Step) Unshown(w effect.Write, judged, now catalog.ObjectState) bool {
	another := now.Definition() != judged.Definition() || !now.SameKeys(judged) || !now.Created.Equal(judged.Created)
	return another && !s.Consents.Irreversible && !(s.Consents.Adopt && w.Verb == effect.Replace) && now.Exists &&
		!catalog.Shown(now, w.Aspects) && w.Verb != effect.Create && w.Verb != effect.CreateNew
}

// Unheld refuses what cannot be undone of an object as it is by now, right before its statement.
func (s *Step) Unheld(st Statement, w effect.Write, now catalog.ObjectState, followed bool) error {
	if why := catalog.Unheld(now, w, followed); why != "" && !s.Consents.Irreversible {
		return irreversibleError(*s, st, why)
	}
	return nil
}

// Overtaken refuses a write of an object that another session made or changed while the run was under way, and that could not be put
// back.
func (s *Step) Overtaken(st Statement, w effect.Write) error {
	return &Error{
		Kind: Irreversible, Version: s.Version, Place: st.Place,
		Msg: fmt.Sprintf("%s was made or changed by another session while this ran, and could not be put back: "+
			"it was left alone", w.Object),
		hint: "look at it, then run it again: dbctl migrate " + string(s.Direction),
	}
}

// names is what stands under each name while the statements run one after the other.
type names struct {
	at   map[sqltext.Object]catalog.ObjectState
	made map[sqltext.Object]bool // by what would be rolled back with the statement at hand
	// dropped are those that the statements dropped, and raised what UNDROP brought up that was dropped before them.
	dropped map[sqltext.Object]catalog.ObjectState
	raised  map[sqltext.Object]bool
	renamed map[string]bool // the names that they gave to databases that were there before
}

func newNames(before catalog.State) *names {
	n := &names{
		at: map[sqltext.Object]catalog.ObjectState{}, made: map[sqltext.Object]bool{},
		dropped: map[sqltext.Object]catalog.ObjectState{}, raised: map[sqltext.Object]bool{},
		renamed: map[string]bool{},
	}
	for _, o := range before.Objects {
		n.at[o.Object] = o
	}
	return n
}

func (n *names) state(o sqltext.Object) catalog.ObjectState { return n.at[o] }

func (n *names) follow(e effect.Effect) {
	for _, w := range e.Writes {
		switch w.Verb {
		case effect.CreateNew:
			if n.at[w.Object].Exists {
				continue
			}
			fallthrough
		case effect.Create, effect.Replace:
			n.put(w.Object, catalog.ObjectState{Object: w.Object}, true)
		case effect.Drop:
			if was := n.at[w.Object]; was.Exists {
				n.dropped[w.Object] = was
			}
			n.put(w.Object, catalog.ObjectState{Object: w.Object}, false)
		case effect.Undrop:
			was, ours := n.dropped[w.Object]
			n.put(w.Object, was, false)
			n.raised[w.Object] = !ours
		case effect.RenameOut, effect.Swap:
			if w.To == (sqltext.Object{}) {
				continue
			}
			n.swap(w.Object, w.To)
			if w.Kind == sqltext.Database {
				n.renamed[w.To.Name] = !n.made[w.To]
				for o := range n.at {
					if to := o; o.Database == w.Name {
						to.Database = w.To.Name
						n.swap(o, to)
					}
				}
			}
		}
	}
}

func (n *names) put(o sqltext.Object, s catalog.ObjectState, made bool) {
	n.at[o], n.made[o], n.raised[o] = s, made, false
}

func (n *names) swap(a, b sqltext.Object) {
	sa, sb := n.at[a], n.at[b]
	ma, mb := n.made[a], n.made[b]
	ra, rb := n.raised[a], n.raised[b]
	n.put(a, sb, mb)
	n.put(b, sa, ma)
	n.raised[a], n.raised[b] = rb, ra
}
