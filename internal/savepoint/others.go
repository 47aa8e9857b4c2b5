package savepoint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// asNow is said of every object that was defined anew from the journal.
const asNow = "defined again from the journal, secrets as of now"

// others puts back the objects that have no history in the engine: what was made is dropped, what was changed or dropped is
// defined again, from what the engine shows of it where that is all, else from dbctl's own earlier definition.
func (x *restorer) others() error {
	var scope []sqltext.Object
	for _, o := range x.r.order {
		_, known := x.r.before[o]
		if known && len(x.r.written[o]) > 0 && o.Kind != sqltext.Table && o.Kind != sqltext.Database {
			scope = append(scope, o)
		}
	}
	slices.SortStableFunc(scope, func(a, b sqltext.Object) int { return cmp.Compare(catalog.Rank(a.Kind), catalog.Rank(b.Kind)) })
	for _, o := range scope {
		was, now := x.r.before[o], x.live.State(o)
		if x.untaken(now) && now.Facts["current"] != was.Facts["current"] {
			now.Facts = map[string]string{} // it is as it was made: it may go back to where the earlier one was
		} else if now.Exists == was.Exists && (!was.Exists || same(was, now) && !x.opaque(o)) {
			continue
		}
		var err error
		if was.Exists {
			err = x.redefine(was, now)
		} else {
			err = x.dropOther(now)
		}
		if catalog.Refused(err) {
			x.note(o, "it cannot be put back: %s", catalog.Message(err))
			continue
		}
		if err != nil {
			return fmt.Errorf("restore %s: %w", o, err)
		}
	}
	return nil
}

// opaque reports whether equal looks say nothing: a connection's values, and those of a stage made with keys, are not shown.
// Such an object is defined again whenever a reached statement wrote it.
func (x *restorer) opaque(o sqltext.Object) bool {
	switch o.Kind {
	case sqltext.Connection, sqltext.User, sqltext.Notification, sqltext.Warehouse, sqltext.MaskingPolicy, sqltext.RowPolicy, sqltext.Dictionary:
		return true
	case sqltext.Stage:
		return x.r.before[o].Facts["type"] == "External"
	}
	return false
}

// same compares definitions, and for a sequence that it did not go back: values given away are never given again.
func same(was, now catalog.ObjectState) bool {
	if was.Kind == sqltext.Sequence && catalog.Behind(now.Facts["current"], was.Facts["current"]) {
		return false
	}
	return was.Definition() == now.Definition()
}

// untaken reports whether a reached statement made the sequence and no value was taken from it since.
func (x *restorer) untaken(now catalog.ObjectState) bool {
	if now.Kind != sqltext.Sequence || !now.Exists {
		return false
	}
	for _, i := range slices.Backward(x.r.written[now.Object]) {
		for _, w := range x.r.reached[i].Effect.Writes {
			if w.Object != now.Object || w.Verb != effect.Create && w.Verb != effect.Replace {
				continue
			}
			return now.Facts["current"] == w.Start
		}
	}
	return false
}

// dropOther drops what a reached statement made. An internal stage with files in it stays: DROP STAGE deletes them.
func (x *restorer) dropOther(now catalog.ObjectState) error {
	o := now.Object
	switch o.Kind {
	case sqltext.Grant:
		return nil // of a role or user that was made, and goes with it
	case sqltext.Setting:
		x.done[o] = true
		return x.exec("UNSET GLOBAL %s", o.Name)
	case sqltext.Stage:
		if n := now.Files(); n > 0 {
			x.hold(o, "the stage is new and %d files are in it", n)
			return nil
		}
	}
	word, ok := catalog.DropWords[o.Kind]
	if !ok {
		x.hold(o, "a %s cannot be taken back", o.Kind)
		return nil
	}
	x.done[o] = true
	return x.exec("DROP %s IF EXISTS %s", word, o.SQL())
}

// redefine defines an object as it was.
func (x *restorer) redefine(was, now catalog.ObjectState) error {
	o := was.Object
	if o.Kind == sqltext.Grant {
		return x.regrant(was, now)
	}
	statements := catalog.Rebuild(was, now)
	if statements == nil {
		if x.o.Redefine == nil {
			x.hold(o, "Databend does not show all of its definition, and dbctl has no earlier one")
			return nil
		}
		sts, err := x.o.Redefine(o)
		note := asNow
		if errors.Is(err, ErrNoDefinition) && was.IsInternalStage() {
			// The files of a stage that was dropped are gone; its name and defaults can be had back.
			sts, err, note = []databend.Statement{{SQL: "CREATE STAGE IF NOT EXISTS " + o.SQL()}}, nil, "made again with the defaults of a stage"
			if was.Facts["comment"] != now.Facts["comment"] {
				sts = append(sts, databend.Statement{SQL: "ALTER STAGE " + o.SQL() + " SET COMMENT = " + sqltext.Quote(was.Facts["comment"])})
			}
		}
		if err != nil {
			x.hold(o, "it cannot be defined again: %s", catalog.Message(err))
			return nil
		}
		for _, st := range sts {
			x.wrote++
			if _, err := x.c.Exec(x.ctx, st); err != nil {
				return err
			}
		}
		x.note(o, "%s", note)
	}
	for _, sql := range statements {
		if err := x.exec("%s", sql); err != nil {
			return err
		}
	}
	if o.Kind == sqltext.Role {
		if err := x.regrant(was, now); err != nil {
			return err
		}
	}
	x.done[o] = true
	return nil
}

// regrant grants what was granted and is not now, and revokes what was not. Roles come first: what Databend shows as granted to a
// role or user has what it inherits in it.
func (x *restorer) regrant(was, now catalog.ObjectState) error {
	changed, err := x.inherit(was, now)
	if err != nil {
		return err
	}
	kind, grantee := catalog.Grantee(was.Object)
	if changed {
		if now.Grants, err = catalog.GrantsOf(x.ctx, x.c, kind, grantee); err != nil {
			return err
		}
	}
	for _, g := range was.Grants {
		if !slices.Contains(now.Grants, g) && !strings.HasPrefix(g, "GRANT OWNERSHIP") { // that is the object's: owners
			x.done[was.Object] = true
			if err := x.exec("%s", g); err != nil {
				return err
			}
		}
	}
	for _, g := range now.Grants {
		if !slices.Contains(was.Grants, g) && was.Kind == sqltext.Grant && !strings.HasPrefix(g, "GRANT OWNERSHIP") {
			x.done[was.Object] = true
			r := strings.Replace(strings.Replace(g, "GRANT ", "REVOKE ", 1), " TO ", " FROM ", 1)
			if err := x.exec("%s", r); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherit gives a role or user the roles that it had, and reports whether there was something to do.
func (x *restorer) inherit(was, now catalog.ObjectState) (bool, error) {
	kind, name := catalog.Grantee(was.Object)
	to := sqltext.Quote(name)
	if kind == "role" {
		to = "ROLE " + sqltext.Ident(name)
	}
	had, has := catalog.RoleNames(was.Facts["roles"]), catalog.RoleNames(now.Facts["roles"])
	for _, r := range had {
		if !slices.Contains(has, r) {
			if err := x.exec("GRANT ROLE %s TO %s", sqltext.Ident(r), to); err != nil {
				return false, err
			}
		}
	}
	for _, r := range has {
		if !slices.Contains(had, r) {
			if err := x.exec("REVOKE ROLE %s FROM %s", sqltext.Ident(r), to); err != nil {
				return false, err
			}
		}
	}
	changed := !slices.Equal(had, has)
	if changed {
		x.done[was.Object] = true
	}
	return changed, nil
}

// differenceOther is difference for kinds other than tables.
func (x *restorer) differenceOther(was, now catalog.ObjectState) (mine, theirs string) {
	switch {
	case was.Kind == sqltext.StageFiles:
		return "files that were removed or written cannot be put back", ""
	case was.Exists != now.Exists && was.Exists:
		return "it is not there", ""
	case was.Exists != now.Exists:
		return "it is there", ""
	case was.Files() > now.Files() && slices.ContainsFunc(x.r.written[was.Object], func(i int) bool { return x.r.reached[i].Effect.Changes(effect.Files) }):
		return fmt.Sprintf("%d files that were in it are gone", was.Files()-now.Files()), ""
	case was.Kind == sqltext.Database && was.ID != now.ID:
		return fmt.Sprintf("database %s is there instead of %s", now.ID, was.ID), ""
	case was.Kind != sqltext.Database && was.Definition() != now.Definition():
		return "it is " + oneLine(now) + ", was " + oneLine(was), ""
	}
	return "", ""
}

func oneLine(o catalog.ObjectState) string {
	_, rest, _ := strings.Cut(strings.TrimSpace(o.Definition()), "\n")
	return strings.ReplaceAll(rest, "\n", "; ")
}
