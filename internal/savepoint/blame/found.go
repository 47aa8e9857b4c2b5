package blame

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Found is the state to go back to of an object of which reached statements wrote something, when a statement is about to write w of it
// and now was read right before: what w writes and they did not write, or what another session made of it after them, goes back to what
// it is now. ok is false where nothing of that is another than it was.
func (r *Reach) Found(w effect.Write, now catalog.ObjectState) (was catalog.ObjectState, ok bool) {
	switch {
	case !now.Exists:
		return was, false
	case w.Kind == sqltext.Grant && w.Grant != nil:
		return r.foundGrant(*w.Grant, now)
	case w.Kind == sqltext.Role:
		return r.foundRole(now)
	case w.Kind != sqltext.Table:
		return was, false
	}
	was, ok = r.Captured(now.ID)
	if !ok || was.Engine != now.Engine {
		return was, false
	}
	id, old := now.ID, was
	if w.Changes(effect.Comment) && !r.Noted(id, now.Comment) {
		was.Comment = now.Comment
	}
	if w.Changes(effect.Text) && was.Engine == "VIEW" && !r.Worded(id, now.Query) {
		was.Query, was.List = now.Query, now.List
	}
	if w.Changes(effect.Owner) && !r.Owned[w.Object] && !r.Owned[was.Object] && len(r.Lost[id]) == 0 {
		was.Owner = now.Owner
	}
	was.Columns = slices.Clone(was.Columns)
	for i, c := range was.Columns {
		name := r.columnNow(id, c.Name)
		k := slices.IndexFunc(now.Columns, func(n catalog.Column) bool { return n.Name == name })
		if k >= 0 && w.Names(name) && !r.ColumnNoted(id, c.Name, now.Columns[k].Comment) {
			was.Columns[i].Comment = now.Columns[k].Comment
		}
	}
	was.Options = maps.Clone(was.Options)
	ours := r.Options(old)
	for _, o := range w.Options {
		left, written := ours[o.Name]
		switch v, set := now.Options[o.Name]; {
		case written && HoldsOption(now, left):
		case !set:
			delete(was.Options, o.Name)
		case was.Options == nil:
			was.Options = map[string]string{o.Name: v}
		default:
			was.Options[o.Name] = v
		}
	}
	for _, n := range w.Indexes {
		named := func(i catalog.Index) bool { return strings.EqualFold(i.Name, n.Name) && i.Type != "AGGREGATING" }
		if k := slices.IndexFunc(was.Indexes, named); k >= 0 { // of columns that were renamed
			is := was.Indexes[k].Renamed(was.Columns, func(column string) string { return r.columnNow(id, column) })
			if slices.Contains(now.Indexes, is) {
				continue
			}
		}
		was.Indexes = foundPart(was.Indexes, now.Indexes, r.Index(id, n.Name), named)
	}
	for _, n := range w.Checks {
		named := func(c catalog.Constraint) bool { return strings.EqualFold(c.Name, n.Name) }
		if n.Name != "" && !was.Unread && !now.Unread {
			was.Constraints = foundPart(was.Constraints, now.Constraints, r.Check(id, n.Name), named)
		}
	}
	was.SortParts()
	return was, !reflect.DeepEqual(old, was)
}

// foundPart is was with the named part as it is now, unless that is as reached statements left it.
func foundPart[P comparable](was, now []P, ours Part, named func(P) bool) []P {
	i := slices.IndexFunc(now, named)
	if ours.Made || ours.Dropped && i < 0 || i >= 0 && slices.Contains(was, now[i]) {
		return was
	}
	was = slices.DeleteFunc(slices.Clone(was), named)
	if i >= 0 {
		was = append(was, now[i])
	}
	return was
}

// foundGrant is Found of a grantee: what a GRANT or REVOKE is about. Of an object that reached statements made, dropped or renamed, what
// was granted on it is not told by its name.
func (r *Reach) foundGrant(g effect.Grant, now catalog.ObjectState) (was catalog.ObjectState, ok bool) {
	was, ok = r.Before[now.Object]
	ok = ok && !r.Wrote(catalog.GranteeOf(now.Object)).Has(effect.Existence)
	for o := range r.Written {
		on := o.Name
		if o.Kind == sqltext.Table {
			on = o.Database + "." + o.Name
		}
		ok = ok && g.On != on && !strings.HasSuffix(g.On, " "+on) && !(o.Kind == sqltext.Database && strings.HasPrefix(g.On, on+"."))
	}
	if !ok || !was.Exists {
		return was, false
	}
	old := was
	find := func(was, now []string, about func(string) bool) []string {
		out := slices.DeleteFunc(slices.Clone(was), about)
		for _, line := range now {
			if about(line) {
				out = append(out, line)
			}
		}
		slices.Sort(out)
		return out
	}
	if g.Role == "" {
		was.Grants = find(was.Grants, now.Grants, func(line string) bool { return g.Covers(GrantIn(line)) && !r.granted(was.Object, line) })
	} else {
		ours := slices.ContainsFunc(r.Grants(was.Object), func(o effect.Grant) bool { return o.Role == g.Role })
		roles := find(catalog.RoleNames(was.Facts["roles"]), catalog.RoleNames(now.Facts["roles"]),
			func(role string) bool { return role == g.Role && !ours })
		was.Facts = maps.Clone(was.Facts)
		was.Facts["roles"] = strings.Join(roles, ", ")
	}
	return was, !slices.Equal(old.Grants, was.Grants) || old.Facts["roles"] != was.Facts["roles"]
}

// foundRole is Found of a role: what it was granted, by the names of before. What was granted on a table or database that
// reached statements dropped does not show: it is as it was.
func (r *Reach) foundRole(now catalog.ObjectState) (was catalog.ObjectState, ok bool) {
	old, ok := r.Before[now.Object]
	if !ok || len(r.Written[now.Object]) > 0 {
		return was, false
	}
	was = now
	was.Grants = slices.DeleteFunc(slices.Clone(old.Grants), func(line string) bool { return !r.hides(GrantIn(line).Of) })
	for _, line := range now.Grants {
		on := GrantIn(line).Of
		if is, there := r.former(on); there && is != on {
			was.Grants = append(was.Grants, catalog.GrantOn(line, is))
		} else if there {
			was.Grants = append(was.Grants, line)
		}
	}
	slices.Sort(was.Grants)
	was.Grants = slices.Compact(was.Grants)
	return was, !reflect.DeepEqual(old, was)
}
