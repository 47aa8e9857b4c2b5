package savepoint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// asNow is said of every object that was defined anew from the journal.
const asNow = "defined again from the journal, secrets as of now"

// others puts back the objects that have no history in the engine: what was made is dropped, what was changed or dropped is
// defined again, from what the engine shows of it where that is all, else from dbctl's own earlier definition.
func (x *restorer) others() error {
	scope := x.ageless()
	for _, o := range scope { // while it is still there: the privilege would stay behind it
		was, now := x.r.Before[o], x.live.State(o)
		if o.Kind == sqltext.Grant && was.Exists && now.Exists && x.theirs(now) == "" {
			if err := x.only(o, x.revoke(was)); err != nil {
				return fmt.Errorf("restore %s: %w", o, err)
			}
		}
	}
	for len(scope) > 0 {
		these := scope
		if i := slices.IndexFunc(scope, func(o sqltext.Object) bool { return o.Kind != scope[0].Kind }); i > 0 {
			these = scope[:i]
		}
		if err := x.othersOf(these); err != nil {
			return err
		}
		scope = scope[len(these):]
	}
	return x.regrantRoles(x.ageless())
}

// othersOf puts back objects of one kind. What was made is dropped beside each other, but for those of which one tells about another:
// roles, and who has them.
func (x *restorer) othersOf(these []sqltext.Object) error {
	var made []sqltext.Object
	for _, o := range these {
		switch was := x.r.Before[o].Exists; {
		case was || o.Kind == sqltext.Role || o.Kind == sqltext.User || o.Kind == sqltext.Grant:
			if err := x.putBack(o); err != nil {
				return err
			}
		case o.Kind != sqltext.Sequence: // which go when the tables are gone that use them
			made = append(made, o)
		}
	}
	return abreast(x.c, made, x.putBack)
}

func (x *restorer) putBack(o sqltext.Object) error {
	if err := x.only(o, x.other(o)); err != nil {
		return fmt.Errorf("restore %s: %w", o, err)
	}
	return nil
}

// regrantRoles gives the roles that were made again what they had, when the other roles and objects are there again that this is about.
func (x *restorer) regrantRoles(scope []sqltext.Object) error {
	roles := slices.DeleteFunc(slices.Clone(scope), func(o sqltext.Object) bool {
		return o.Kind != sqltext.Role || !x.r.Before[o].Exists || !x.of(o).done || x.of(o).held != ""
	})
	if len(roles) == 0 {
		return nil
	}
	cat, err := catalog.Read(x.ctx, x.c, roles, nil)
	if err != nil {
		return err
	}
	for _, o := range roles {
		if err := x.only(o, x.regrant(x.r.Before[o], cat.State(o))); err != nil {
			return fmt.Errorf("restore %s: %w", o, err)
		}
	}
	return nil
}

// madeSequences drops the sequences that reached statements made.
func (x *restorer) madeSequences() error {
	return abreast(x.c, slices.DeleteFunc(x.ageless(), func(o sqltext.Object) bool {
		return o.Kind != sqltext.Sequence || x.r.Before[o].Exists
	}), x.putBack)
}

// ageless are the captured objects without history that reached statements wrote, what is used before what uses it.
func (x *restorer) ageless() []sqltext.Object {
	var out []sqltext.Object
	for _, o := range x.r.Order {
		_, known := x.r.Before[o]
		if known && len(x.r.Written[o]) > 0 && o.Kind != sqltext.Table && o.Kind != sqltext.Database && x.of(o).held == "" {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b sqltext.Object) int { return cmp.Compare(catalog.Rank(a.Kind), catalog.Rank(b.Kind)) })
	return out
}

// other puts back an object without history. Right before it is written it is read again: others may have changed it meanwhile.
func (x *restorer) other(o sqltext.Object) error {
	was := x.r.Before[o]
	if x.isBack(was, x.live.State(o)) {
		return x.renamed(o)
	}
	cat, err := catalog.Read(x.ctx, x.c, []sqltext.Object{o}, nil)
	if err != nil {
		return err
	}
	now := cat.State(o)
	switch half := (x.o.Again || x.of(o).done) && was.Exists && catalog.HalfOf(now, was); {
	case cat.Refused[o] != nil:
		return cat.Refused[o]
	case x.isBack(was, now):
		return nil
	case half:
	default:
		hidden := catalog.Opaque(was) && !x.o.Again && !x.of(o).done // what looks as before may have other keys
		if why := x.theirs(now); why != "" && (!x.same(was, now) || x.rewound(was, now) || hidden) {
			x.hold(o, "%s", why)
			return nil
		}
		if x.o.Gave != nil && now.ShowsKeys() && !x.r.SawKeys(o) && x.r.Wrote(o).Has(effect.Existence|effect.Text) {
			if why, err := x.o.Gave(now); why != "" || err != nil {
				x.hold(o, "%s", why)
				return err
			}
		}
		if was.Exists && !now.Exists && !x.removed(o) {
			x.hold(o, "another session dropped it")
			return nil
		}
		if _, dropped := x.r.Dropped(now); was.Exists && dropped {
			x.of(o).undone = "dropped it"
		}
		if err := x.renamed(o); err != nil {
			return err
		}
	}
	if x.rewound(was, now) {
		now.Facts = map[string]string{} // it is as it was made: it may go back to where the earlier one was
	}
	if was.Exists {
		return x.redefine(was, now)
	}
	return x.dropOther(now)
}

// removed reports whether a reached statement dropped an object, replaced it, or may have unset it: else only another session can have
// taken it away.
func (x *restorer) removed(o sqltext.Object) bool {
	if o.Kind == sqltext.Grant {
		o = catalog.GranteeOf(o)
	}
	return o.Kind == sqltext.Setting || x.r.Wrote(o).Has(effect.Existence)
}

// theirs says what another session did with an object after ours, as it is now, right before it is put back. Of a user, and of what it is
// granted, the time of the user's last change tells that. The restore of either moves that time: then each is judged by how it was before
// this restore began, and by all else that it shows now.
func (x *restorer) theirs(now catalog.ObjectState) string {
	var twin sqltext.Object
	switch now.Kind {
	case sqltext.User:
		twin = catalog.GrantTo(now.Object)
	case sqltext.Grant:
		twin = catalog.GranteeOf(now.Object)
	default:
		return x.r.Theirs(now)
	}
	switch {
	case x.o.Again: // an earlier one may have moved it
		return x.r.Theirs(now.Granting())
	case x.of(now.Object).done || x.of(twin).done:
		before := x.live
		if x.second {
			before = x.first
		}
		return cmp.Or(x.r.Theirs(before.State(now.Object)), x.r.Theirs(now.Granting()))
	}
	return x.r.Theirs(now)
}

// renamed tells where another session renamed a dictionary to that reached statements made. No other kind without history is renamed.
func (x *restorer) renamed(o sqltext.Object) error {
	left, dropped := x.r.Dropped(x.live.State(o))
	if o.Kind != sqltext.Dictionary || !dropped {
		return nil
	}
	is, err := catalog.Query(x.ctx, x.c, fmt.Sprintf("select name from system.dictionaries where database = %s and to_int64(created_on) = %d",
		sqltext.Quote(o.Database), left.Created.UnixMicro()))
	if err != nil {
		return err
	}
	if len(is) > 0 && len(x.r.Written[sqltext.Object{Kind: o.Kind, Database: o.Database, Name: is[0][0].String}]) == 0 {
		x.of(o).undone = "renamed what this migration had made there to " + is[0][0].String
	}
	return nil
}

// isBack reports whether nothing is to be done to make now what was.
func (x *restorer) isBack(was, now catalog.ObjectState) bool {
	unseen := was.Exists && catalog.Opaque(was) && x.r.Wrote(was.Object).Has(effect.Existence|effect.Text) // what was written is not shown
	if was.Kind == sqltext.Dictionary && !was.Created.IsZero() && was.Created.Equal(now.Created) {
		unseen = false // no statement changes one: it came back with its database
	}
	return x.same(was, now) && !unseen && !x.rewound(was, now) && !x.disowned(was, now)
}

// disowned reports whether an object without history is another role's than it should be.
func (x *restorer) disowned(was, now catalog.ObjectState) bool {
	owner := x.owner(was, now)
	return now.Exists && owner != "" && now.Owner != "" && now.Owner != owner
}

// rewound reports whether a sequence that reached statements made in the place of another is still where they began it.
func (x *restorer) rewound(was, now catalog.ObjectState) bool {
	return was.Exists && x.untaken(now) && now.Facts["current"] != was.Facts["current"]
}

// itsOwn is now as it was in what the restore of other objects answers for: that of an owned object for what a role owns, and that of its
// Grant for which roles a user has, unless the user was dropped or made.
func (x *restorer) itsOwn(was, now catalog.ObjectState) catalog.ObjectState {
	if was.Kind == sqltext.User && now.Exists && !x.r.Wrote(was.Object).Has(effect.Existence) {
		now = now.WithRolesOf(was)
	}
	now.Grants = slices.DeleteFunc(slices.Clone(now.Grants), func(g string) bool {
		return was.Kind == sqltext.Role && owning(g) && !slices.Contains(was.Grants, g)
	})
	return now
}

// same compares definitions, and for a sequence that it did not go back: values given away are never given again.
func (x *restorer) same(was, now catalog.ObjectState) bool {
	if was.Exists != now.Exists {
		return false
	}
	if was.Kind == sqltext.Sequence && catalog.Behind(now.Facts["current"], was.Facts["current"]) {
		return false
	}
	return was.Definition() == x.itsOwn(was, now).Definition()
}

// untaken reports whether a reached statement made the sequence and no value was taken from it since.
func (x *restorer) untaken(now catalog.ObjectState) bool {
	if now.Kind != sqltext.Sequence || !now.Exists {
		return false
	}
	for _, i := range slices.Backward(x.r.Written[now.Object]) {
		for _, w := range x.r.Statements[i].Effect.Writes {
			if w.Object != now.Object || w.Verb != effect.Create && w.Verb != effect.Replace && w.Verb != effect.CreateNew {
				continue
			}
			return now.Facts["current"] == w.Start
		}
	}
	return false
}

// dropOther drops what a reached statement made, unless others use it by now.
func (x *restorer) dropOther(now catalog.ObjectState) error {
	o := now.Object
	switch o.Kind {
	case sqltext.Grant:
		return nil // of a role or user that was made, and goes with it
	case sqltext.Setting:
		x.of(o).done = true
		return x.exec("UNSET GLOBAL %s", o.Name)
	}
	why, err := x.used(now)
	if err != nil {
		return err
	}
	if why != "" {
		x.hold(o, "the %s is new and %s", o.Kind, why)
		return nil
	}
	drop, ok := catalog.Drop(o)
	if !ok {
		x.hold(o, "a %s cannot be taken back", o.Kind)
		return nil
	}
	x.of(o).done = true
	return x.exec("%s", drop)
}

// redefine defines an object as it was.
func (x *restorer) redefine(was, now catalog.ObjectState) error {
	o := was.Object
	if o.Kind == sqltext.Grant {
		return x.regrant(was, now)
	}
	statements := catalog.Rebuild(was, now, x.r.Wrote(o))
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
			x.hold(o, "it cannot be defined again: %s", databend.Message(err))
			return nil
		}
		if was.IsInternalStage() && now.Exists && now.WithCommentOf(was).Definition() != was.Definition() {
			// It is made where it is missing: replacing it would delete files that were put into it meanwhile.
			if err := x.dropOther(now); err != nil || x.of(o).held != "" {
				return err
			}
		}
		x.of(o).done = true // also where the server says that it failed: what is there then is not another session's
		for _, st := range sts {
			x.wrote++
			if _, err := x.c.Exec(x.ctx, st); err != nil {
				return err
			}
		}
		x.note(o, "%s", note)
	}
	x.of(o).done = true
	for _, sql := range statements {
		if err := x.exec("%s", sql); err != nil {
			return err
		}
	}
	return x.reown(was, now)
}

// owner is the role whose an object without history should be: whose it was, unless another session gave it to another role.
func (x *restorer) owner(was, now catalog.ObjectState) string {
	kept := !x.r.Wrote(was.Object).Has(effect.Existence|effect.Owner) && !x.o.Again // by the statements of the migration
	if now.Exists && (kept || x.r.GivenAway(now)) {
		return now.Owner
	}
	return was.Owner
}

// reown gives an object that was defined again to the role whose it should be: it is the current role's now.
func (x *restorer) reown(was, now catalog.ObjectState) error {
	o, owner := was.Object, x.owner(was, now)
	if owner == "" {
		return nil
	}
	cat, err := catalog.Read(x.ctx, x.c, []sqltext.Object{o}, nil)
	if err != nil {
		return err
	}
	if is := cat.State(o).Owner; is == "" || is == owner {
		return nil
	}
	return x.only(o, x.exec("%s", catalog.GiveTo(o, owner)))
}

// regrant takes back the privileges that reached statements gave, and gives those that they took. A role that was made again has
// none, and gets all. Revoking comes before granting: REVOKE ALL takes also what was there before a GRANT ALL.
func (x *restorer) regrant(was, now catalog.ObjectState) error {
	if err := x.inherit(was, now); err != nil {
		return err
	}
	kind, grantee := catalog.Grantee(was.Object)
	if was.Kind == sqltext.Grant {
		if err := x.revoke(was); err != nil {
			return err
		}
	}
	has, err := catalog.GrantsOf(x.ctx, x.c, kind, grantee)
	if err != nil {
		return err
	}
	for _, g := range was.Grants {
		// Who owns an object is that object's to say: owners. What a role owned that was dropped went to another.
		if slices.Contains(has, g) || was.Kind == sqltext.Grant && (owning(g) || !x.r.Took(was.Object, g)) {
			continue
		}
		x.of(was.Object).done = true
		err := x.exec("%s", g)
		if owning(g) && databend.IsAnswered(err) {
			continue // of what is not there yet: it gets its owner when it is
		}
		if err := x.only(was.Object, err); err != nil {
			return err
		}
	}
	return nil
}

// revoke takes back the privileges that reached statements gave to a role or user.
func (x *restorer) revoke(was catalog.ObjectState) error {
	kind, grantee := catalog.Grantee(was.Object)
	has, err := catalog.GrantsOf(x.ctx, x.c, kind, grantee)
	if err != nil {
		return err
	}
	for _, g := range has {
		if slices.Contains(was.Grants, g) || owning(g) || !x.r.Gave(was.Object, g) {
			continue
		}
		x.of(was.Object).done = true
		if err := x.only(was.Object, x.exec("%s", catalog.Revoke(g))); err != nil {
			return err
		}
	}
	return nil
}

func owning(line string) bool { return slices.Contains(blame.GrantIn(line).Privileges, "OWNERSHIP") }

// inherit gives a role or user the roles that reached statements took from it, and takes those that they gave.
func (x *restorer) inherit(was, now catalog.ObjectState) error {
	kind, name := catalog.Grantee(was.Object)
	to := sqltext.Quote(name)
	if kind == "role" {
		to = "ROLE " + sqltext.Ident(name)
	}
	ours := func(role string) bool {
		return was.Kind != sqltext.Grant || slices.ContainsFunc(x.r.Grants(was.Object), func(g effect.Grant) bool { return g.Role == role })
	}
	had, has := catalog.RoleNames(was.Facts["roles"]), catalog.RoleNames(now.Facts["roles"])
	for _, r := range had {
		if !slices.Contains(has, r) && ours(r) {
			x.of(was.Object).done = true
			if err := x.only(was.Object, x.exec("GRANT ROLE %s TO %s", sqltext.Ident(r), to)); err != nil {
				return err
			}
		}
	}
	for _, r := range has {
		if !slices.Contains(had, r) && ours(r) {
			x.of(was.Object).done = true
			if err := x.only(was.Object, x.exec("REVOKE ROLE %s FROM %s", sqltext.Ident(r), to)); err != nil {
				return err
			}
		}
	}
	return nil
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
	case was.Files() > now.Files() && slices.ContainsFunc(x.r.Written[was.Object],
		func(i int) bool { return x.r.Statements[i].Effect.Changes(effect.Files) }):
		return event.Number(was.Files()-now.Files(), "file that was in it is gone", "files that were in it are gone"), ""
	case was.Kind == sqltext.Database && was.ID != now.ID:
		return fmt.Sprintf("database %s is there instead of %s", now.ID, was.ID), ""
	case (was.Kind == sqltext.Database || x.r.Wrote(was.Object).Has(effect.Owner)) && was.Owner != "" && was.Owner != now.Owner:
		text := fmt.Sprintf("its owner is %s, was %s", now.Owner, was.Owner)
		if x.r.Gives(was.Object, now.Owner) {
			return text, ""
		}
		return "", text
	case was.Kind != sqltext.Database && x.disowned(was, now):
		return fmt.Sprintf("its owner is %s, was %s", now.Owner, was.Owner), ""
	case was.Kind == sqltext.Grant:
		return x.differenceOfGrants(was, now)
	case was.Kind != sqltext.Database && was.Definition() != x.itsOwn(was, now).Definition():
		return "it is " + oneLine(now) + ", was " + oneLine(was), ""
	}
	return "", ""
}

func oneLine(o catalog.ObjectState) string {
	_, rest, _ := strings.Cut(strings.TrimSpace(o.Definition()), "\n")
	return strings.ReplaceAll(rest, "\n", "; ")
}

// differenceOfGrants tells the privileges that reached statements were about from those that another session gave or took.
func (x *restorer) differenceOfGrants(was, now catalog.ObjectState) (mine, theirs string) {
	var own, foreign []string
	look := func(a, b catalog.ObjectState, ours func(sqltext.Object, string) bool, how string) {
		for _, g := range a.Grants {
			switch {
			case slices.Contains(b.Grants, g) || owning(g):
			case ours(was.Object, g):
				own = append(own, how+" "+g)
			default:
				foreign = append(foreign, how+" "+g)
			}
		}
		for _, r := range catalog.RoleNames(a.Facts["roles"]) {
			if slices.Contains(catalog.RoleNames(b.Facts["roles"]), r) {
				continue
			}
			what := how + " role " + r
			if slices.ContainsFunc(x.r.Grants(was.Object), func(g effect.Grant) bool { return g.Role == r }) {
				own = append(own, what)
			} else {
				foreign = append(foreign, what)
			}
		}
	}
	look(was, now, x.r.Took, "it has no more")
	look(now, was, x.r.Gave, "it has")
	return strings.Join(own, "; "), strings.Join(foreign, "; ")
}
