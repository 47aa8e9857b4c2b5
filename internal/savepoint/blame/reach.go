// Package blame tells what a migration did from what others did: which objects its statements can have made, moved or changed (Reach),
// and whose each snapshot above a table's base is (Attribute). It bounds what a restore may touch.
package blame

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Reach is what the reached statements can have done: it bounds what a restore may touch. It follows the statements over the
// names of before, so that it knows which object each of them wrote under which name, and which name may hold what now.
//
// Objects are tokens: the id of one that was there at the capture, or NewTable for one that a statement made.
// Names are those at the capture: when a database was renamed or replaced since, databases says which it was.
type Reach struct {
	Before     map[sqltext.Object]catalog.ObjectState
	Order      []sqltext.Object // of before, and of what only reached statements name
	Statements []Reached
	at         time.Time                 // no object of ours is older
	role       string                    // whose is what reached statements made, "" where they may have made it as another
	Touched    map[string][]Touch        // token → what statements wrote of its rows, columns or definition
	Makers     map[catalog.Name][]int    // name → statements that made an object which may be under it now
	Moved      map[catalog.Name]bool     // names that a statement gave to another object, or emptied
	Lost       map[string][]catalog.Name // token → names under which a statement dropped or replaced it
	Written    map[sqltext.Object][]int  // object → statements that wrote it
	Owned      map[sqltext.Object]bool   // its owner may have been changed

	MovedDatabases map[string]bool // names that a statement gave to another database, or emptied
	MadeDatabases  map[string]bool // names of databases that statements made
	LostDatabases  map[string]bool // names under which a statement dropped or replaced a database, and those that it had at the capture

	current         map[catalog.Name]string                // the token of what is under a name now
	hidden          map[catalog.Name][]string              // the tokens of what was dropped under it, the last one last
	databases       map[string]string                      // current name of a database → name at the capture, or newDatabase + a name
	hiddenDatabases map[string][]string                    // as hidden, by the names at the capture
	grants          map[sqltext.Object][]effect.Grant      // what they gave to grantees, and took
	gives           map[sqltext.Object]string              // the role to which they gave an object last, or anyRole
	left            map[sqltext.Object]catalog.ObjectState // what reached statements made of objects, as it was read behind the last one
	dropped         map[sqltext.Object]bool                // another session dropped what they had made of it, and they made it again
}

// New follows the reached statements over the state before them.
func New(before catalog.State, reached []Reached) *Reach {
	r := &Reach{
		Before: map[sqltext.Object]catalog.ObjectState{}, Statements: reached, at: before.At, role: before.Role,
		Touched: map[string][]Touch{}, Makers: map[catalog.Name][]int{}, Moved: map[catalog.Name]bool{}, Lost: map[string][]catalog.Name{},
		Written: map[sqltext.Object][]int{}, Owned: map[sqltext.Object]bool{},
		MovedDatabases: map[string]bool{}, MadeDatabases: map[string]bool{}, LostDatabases: map[string]bool{},
		current: map[catalog.Name]string{}, hidden: map[catalog.Name][]string{},
		databases: map[string]string{}, hiddenDatabases: map[string][]string{}, left: map[sqltext.Object]catalog.ObjectState{},
		grants: map[sqltext.Object][]effect.Grant{}, gives: map[sqltext.Object]string{},
		dropped: map[sqltext.Object]bool{},
	}
	for _, o := range before.Objects {
		r.learn(o)
	}
	for i, st := range reached {
		r.follow(i, st.Effect)
		for _, o := range st.Left.Objects {
			r.left[o.Object] = o
		}
	}
	for _, o := range r.Order {
		if was := r.Before[o]; o.Kind == sqltext.Role && was.Exists {
			r.Before[o] = r.beforeGrants(was)
		}
	}
	return r
}

// beforeGrants is a role without what reached statements gave it, and with what they took, before they wrote the role itself: it was read
// right before that.
func (r *Reach) beforeGrants(was catalog.ObjectState) catalog.ObjectState {
	grantee := sqltext.Object{Kind: sqltext.Grant, Name: "ROLE " + was.Name}
	had, known := r.Before[grantee]
	if !known || !had.Exists {
		return was
	}
	undo := func(had, now []string, gave, took func(string) bool) []string {
		out := slices.DeleteFunc(slices.Clone(now), func(s string) bool { return gave(s) && !slices.Contains(had, s) })
		for _, s := range had {
			if took(s) && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		slices.Sort(out)
		return out
	}
	was.Grants = undo(had.Grants, was.Grants, func(line string) bool { return r.Gave(grantee, line) },
		func(line string) bool { return r.Took(grantee, line) })
	ours := func(role string) bool {
		return slices.ContainsFunc(r.Grants(grantee), func(g effect.Grant) bool { return g.Role == role })
	}
	was.Facts = maps.Clone(was.Facts)
	was.Facts["roles"] = strings.Join(undo(catalog.RoleNames(had.Facts["roles"]), catalog.RoleNames(was.Facts["roles"]), ours, ours), ", ")
	return was
}

// learn takes o as the state to go back to.
func (r *Reach) learn(o catalog.ObjectState) {
	if _, known := r.Before[o.Object]; !known {
		r.Order = append(r.Order, o.Object)
	}
	r.Before[o.Object] = o
	if o.Kind != sqltext.Table {
		return
	}
	n := catalog.NameOf(o.Object)
	delete(r.current, n)
	if o.Exists {
		r.current[n] = o.ID
	}
	r.hidden[n] = nil
	for _, g := range o.Gone {
		r.hidden[n] = append(r.hidden[n], g.ID)
	}
}

// name is the table's name at the capture.
func (r *Reach) name(o sqltext.Object) catalog.Name {
	db := o.Database
	if was, ok := r.databases[db]; ok {
		db = was
	}
	return catalog.Name{DB: db, Table: o.Name}
}

// NewTable is the token of every table that a reached statement made.
const NewTable = "new"

const newDatabase = "\x00new" // stands for a database that a statement made, in names

func (r *Reach) follow(i int, e effect.Effect) {
	for _, w := range e.Writes {
		r.Written[w.Object] = append(r.Written[w.Object], i)
		r.followCreate(i, w)
		r.followLeft(w)
		if _, known := r.Before[w.Object]; !known && !slices.Contains(r.Order, w.Object) {
			r.Order = append(r.Order, w.Object)
		}
		if w.Grant != nil {
			r.followGrant(w.Object, *w.Grant)
		}
		r.followOwner(e, w)
		switch w.Kind {
		case sqltext.Database:
			r.followDatabase(w)
		case sqltext.Table:
			r.followTable(i, w)
		}
	}
}

// followCreate takes what a plain CREATE made for absent before it: another session dropped what the capture had, also where reached
// statements had changed that. Where they had put something in its place, it is that which was dropped. What is in a database, and an
// index, may have gone with a database or a table that statements dropped.
func (r *Reach) followCreate(i int, w effect.Write) {
	lost := w.Kind == sqltext.Index && len(r.Lost)+len(r.LostDatabases) > 0
	if r.Statements[i].Done.IsZero() || lost || w.Verb != effect.Create || w.Kind == sqltext.Database || !w.AccountWide() {
		return
	}
	earlier := r.Written[w.Object]
	earlier = earlier[:len(earlier)-1]
	if len(earlier) > 0 && r.drops(earlier[len(earlier)-1], w.Object) {
		return
	}
	if r.wrote(w.Object, earlier).Has(effect.Existence) {
		r.dropped[w.Object] = true
		return
	}
	r.Before[w.Object] = catalog.ObjectState{Object: w.Object}
	for o := range r.Before {
		if o.Kind == sqltext.Grant && catalog.GranteeOf(o) == w.Object {
			r.Before[o] = catalog.ObjectState{Object: o}
		}
	}
}

// followLeft follows what is known to be left of an object: a table takes it along to another name.
func (r *Reach) followLeft(w effect.Write) {
	if w.Kind == sqltext.Grant {
		if left, seen := r.left[catalog.GranteeOf(w.Object)]; seen {
			r.left[left.Object] = left.Granting()
		}
		return
	}
	left, seen := r.left[w.Object]
	parts := w.Changes(effect.Text | effect.Indexes | effect.Constraints)
	kept := w.Verb == effect.Alter && !parts || w.Verb == effect.Swap || w.Verb == effect.RenameIn
	if !seen || w.Kind == sqltext.Table && kept {
		return
	}
	delete(r.left, w.Object)
	switch {
	case w.Kind != sqltext.Table:
	case w.Verb == effect.RenameOut:
		left.Object = w.To
		r.left[w.To] = left
	case w.Verb == effect.WriteData: // its rows are others
		left.Facts = nil
		r.left[w.Object] = left
	}
}

// swapLeft follows two tables that change their names with each other.
func (r *Reach) swapLeft(a, b sqltext.Object) {
	one, hadOne := r.left[a]
	other, hadOther := r.left[b]
	delete(r.left, a)
	delete(r.left, b)
	if one.Object = b; hadOne {
		r.left[b] = one
	}
	if other.Object = a; hadOther {
		r.left[a] = other
	}
}

func (r *Reach) followTable(i int, w effect.Write) {
	n := r.name(w.Object)
	token := r.current[n]
	made := func() {
		r.current[n] = NewTable
		r.Moved[n] = true
		r.Makers[n] = append(r.Makers[n], i)
		r.touch(NewTable, i, w)
	}
	hide := func() {
		if token != "" {
			r.hidden[n] = append(r.hidden[n], token)
			r.Lost[token] = append(r.Lost[token], n)
		}
	}
	switch w.Verb {
	case effect.Create:
		if token == NewTable && !r.Statements[i].Done.IsZero() {
			r.dropped[w.Object] = true
		}
		made()
	case effect.CreateNew:
		if token == "" {
			made()
		} else {
			r.Owned[w.Object] = true
		}
	case effect.Replace:
		hide()
		made()
	case effect.Drop:
		if w.Changes(effect.Rows) {
			r.touch(token, i, w) // DROP TABLE … ALL empties it too
		}
		hide()
		delete(r.current, n)
		r.Moved[n] = true
	case effect.Undrop:
		if h := r.hidden[n]; token == "" && len(h) > 0 {
			r.current[n], r.hidden[n] = h[len(h)-1], h[:len(h)-1]
		}
		r.Moved[n] = true
	case effect.RenameOut:
		t := r.name(w.To)
		r.Moved[n], r.Moved[t] = true, true
		delete(r.current, n)
		if token != "" {
			r.current[t] = token
		}
		r.Makers[t] = append(r.Makers[t], r.Makers[n]...)
	case effect.Swap:
		if w.To == (sqltext.Object{}) {
			return
		}
		t := r.name(w.To)
		r.Moved[n], r.Moved[t] = true, true
		r.current[n], r.current[t] = r.current[t], token
		r.swapLeft(w.Object, w.To)
		both := append(slices.Clone(r.Makers[n]), r.Makers[t]...)
		r.Makers[n], r.Makers[t] = both, slices.Clone(both)
	case effect.Alter, effect.WriteData:
		if w.Aspects != effect.Owner {
			r.touch(token, i, w)
		}
	}
}

// Touch is what one statement wrote of an object.
type Touch struct {
	Statement int
	Write     effect.Write
}

func (r *Reach) touch(token string, i int, w effect.Write) {
	if token != "" {
		r.Touched[token] = append(r.Touched[token], Touch{i, w})
	}
}

func (r *Reach) followDatabase(w effect.Write) {
	was, aliased := r.databases[w.Name]
	if !aliased {
		was = w.Name
	}
	switch w.Verb {
	case effect.Create, effect.Replace, effect.CreateNew:
		there := r.Before[w.Object].Exists
		if aliased {
			there = was != newDatabase+w.Name || r.MadeDatabases[w.Name]
		}
		if w.Verb == effect.CreateNew && !r.LostDatabases[w.Name] && there {
			return
		}
		if w.Verb == effect.Replace {
			r.LostDatabases[w.Name], r.LostDatabases[was] = true, true
			r.hiddenDatabases[w.Name] = append(r.hiddenDatabases[w.Name], was)
		}
		r.MovedDatabases[w.Name], r.MadeDatabases[w.Name] = true, true
		r.databases[w.Name] = newDatabase + w.Name
	case effect.Drop:
		r.MovedDatabases[w.Name], r.LostDatabases[w.Name], r.LostDatabases[was] = true, true, true
		r.hiddenDatabases[w.Name] = append(r.hiddenDatabases[w.Name], was)
		r.databases[w.Name] = newDatabase + w.Name
	case effect.Undrop:
		r.MovedDatabases[w.Name] = true
		if h := r.hiddenDatabases[w.Name]; len(h) > 0 {
			r.databases[w.Name], r.hiddenDatabases[w.Name] = h[len(h)-1], h[:len(h)-1]
		}
	case effect.RenameOut:
		r.MovedDatabases[w.Name], r.MovedDatabases[w.To.Name] = true, true
		r.databases[w.To.Name] = was
		r.databases[w.Name] = newDatabase + w.Name
		if r.MadeDatabases[w.Name] {
			r.MadeDatabases[w.To.Name] = true
		}
	}
}

// Stands reports whether the last reached statement that wrote a database made it, or brought it up, and is over.
func (r *Reach) Stands(o sqltext.Object) (made, up bool) {
	written := r.Written[o]
	if len(written) == 0 || r.Statements[written[len(written)-1]].Done.IsZero() {
		return false, false
	}
	for _, w := range r.Statements[written[len(written)-1]].Effect.Writes {
		if w.Object == o {
			made = made || w.Verb == effect.Create || w.Verb == effect.Replace || w.Verb == effect.CreateNew && r.MadeDatabases[o.Name]
			up = up || w.Verb == effect.Undrop
		}
	}
	return made, up
}

// Made reports whether what is at n, and was not there at the capture, can have been made by a reached statement: one of those
// whose objects come to this name, not older than its mark and not younger than its end.
func (r *Reach) Made(makers []int, created time.Time) bool {
	return slices.ContainsFunc(makers, func(i int) bool { return !created.Before(r.Since(i)) && !r.over(i, created) })
}

// over reports whether statement i was over at a server's time.
func (r *Reach) over(i int, at time.Time) bool {
	done := r.Statements[i].Done
	if done.IsZero() {
		done = r.Statements[i].Until
	}
	return !done.IsZero() && at.After(done)
}

// Since is the server's time before which statement i cannot have made anything.
func (r *Reach) Since(i int) time.Time {
	if at := r.Statements[i].At; at.After(r.at) {
		return at
	}
	return r.at
}

// AllMakers are the statements that made a table of the database, under whatever name.
func (r *Reach) AllMakers(db string) []int {
	var out []int
	for n, is := range r.Makers {
		if n.DB == db {
			out = append(out, is...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Filled reports whether reached statements can have written rows into a table that one of these made, under whatever name it had.
func (r *Reach) Filled(makers []int) bool {
	return slices.ContainsFunc(r.Touched[NewTable], func(t Touch) bool {
		return t.Write.Changes(effect.Rows) && slices.ContainsFunc(r.Makers[r.name(t.Write.Object)], func(i int) bool {
			return slices.Contains(makers, i)
		})
	})
}

// Wanted is the table that was at n, "" for none.
func (r *Reach) Wanted(n catalog.Name) string {
	if o := r.Before[n.Object()]; o.Exists {
		return o.ID
	}
	return ""
}

// Captured finds a captured table by id.
func (r *Reach) Captured(id string) (catalog.ObjectState, bool) {
	if id == "" {
		return catalog.ObjectState{}, false
	}
	for _, o := range r.Order {
		if s := r.Before[o]; o.Kind == sqltext.Table && s.Exists && s.ID == id {
			return s, true
		}
	}
	return catalog.ObjectState{}, false
}

// WasGone finds a table that had been dropped already at the capture, and the name under which it is.
func (r *Reach) WasGone(id string) (catalog.Gone, catalog.Name, bool) {
	for o, s := range r.Before {
		for _, g := range s.Gone {
			if o.Kind == sqltext.Table && g.ID == id {
				return g, catalog.NameOf(o), true
			}
		}
	}
	return catalog.Gone{}, catalog.Name{}, false
}

// Base is the snapshot of a captured table to go back to: what others committed between the capture and the first reached
// statement on it stays.
func (r *Reach) Base(o catalog.ObjectState) string {
	if ts := r.Touched[o.ID]; len(ts) > 0 {
		if h := r.Statements[ts[0].Statement].Heads[o.ID]; h != "" {
			return h
		}
	}
	return o.Head
}

// Scope are the objects to look at: those that reached statements wrote, and those captured together with them under other
// names by which they may be found.
func (r *Reach) Scope() []sqltext.Object {
	var out []sqltext.Object
	add := func(o sqltext.Object) {
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	for _, o := range r.Order {
		if len(r.Written[o]) > 0 || r.Owned[o] {
			add(o)
		}
	}
	for n := range r.Moved {
		if _, known := r.Before[n.Object()]; known {
			add(n.Object())
		}
	}
	for _, o := range r.Order {
		if s := r.Before[o]; o.Kind == sqltext.Table && s.Exists && (len(r.Touched[s.ID]) > 0 || len(r.Lost[s.ID]) > 0) {
			add(o)
		}
	}
	return out
}

// Movable are the names that reached statements moved and whose state before is known, in order.
func (r *Reach) Movable() []catalog.Name {
	var out []catalog.Name
	for n := range r.Moved {
		if _, known := r.Before[n.Object()]; known {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b catalog.Name) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// granted reports whether a reached GRANT or REVOKE was about what the line of a state's Grants says.
func (r *Reach) granted(o sqltext.Object, line string) bool {
	g := GrantIn(line)
	return slices.ContainsFunc(r.Grants(o), func(ours effect.Grant) bool { return ours.Covers(g) })
}

// Gave reports whether what a line says can be granted by the doing of reached statements: the last of them that was about it gave it.
func (r *Reach) Gave(o sqltext.Object, line string) bool {
	last, ours := r.lastAbout(o, line)
	return ours && !last.Revoke
}

// Took reports whether what a line says can be gone by the doing of reached statements: the last of them that was about it took it, or
// one gave ALL, which takes the place of what was there.
func (r *Reach) Took(o sqltext.Object, line string) bool {
	last, ours := r.lastAbout(o, line)
	g := GrantIn(line)
	return ours && (last.Revoke || slices.ContainsFunc(r.Grants(o), func(all effect.Grant) bool {
		return all.Covers(g) && slices.Contains(all.Privileges, "ALL")
	}))
}

func (r *Reach) lastAbout(o sqltext.Object, line string) (last effect.Grant, ours bool) {
	g := GrantIn(line)
	for _, x := range r.Grants(o) {
		if x.Covers(g) {
			last, ours = x, true
		}
	}
	return last, ours
}

// Grants are what reached statements gave to the object, a grantee, and took from it: on a table or in a database that was renamed before,
// under its earlier name too, under which it is again once it is put back.
func (r *Reach) Grants(o sqltext.Object) []effect.Grant { return r.grants[o] }

// followGrant notes what a statement gives or takes.
func (r *Reach) followGrant(grantee sqltext.Object, g effect.Grant) {
	r.grants[grantee] = append(r.grants[grantee], g)
	if was, there := r.former(g.Of); there && was != g.Of {
		g.Of, g.On = was, grantedOn(was)
		r.grants[grantee] = append(r.grants[grantee], g)
	}
}

// anyRole is whichever role a session has: CREATE … IF NOT EXISTS gives it what has no owner.
const anyRole = "\x00any"

// followOwner notes to whom a statement gives an object.
func (r *Reach) followOwner(e effect.Effect, w effect.Write) {
	role := anyRole
	switch {
	case w.Changes(effect.Owner):
		for _, to := range e.Writes {
			if to.Grant != nil {
				role = strings.TrimPrefix(to.Name, "ROLE ")
			}
		}
	case w.Verb != effect.CreateNew:
		return
	}
	was, _ := r.former(w.Object)
	for _, o := range []sqltext.Object{w.Object, was} {
		r.gives[o] = role
		r.Owned[o] = r.Owned[o] || w.Changes(effect.Owner)
	}
}

// grantedOn is how a Grant names a table or database.
func grantedOn(o sqltext.Object) string {
	if o.Kind == sqltext.Database {
		return o.Name + ".*"
	}
	return o.Database + "." + o.Name
}

// former is what a table or database of a name, as it is now, was called at the capture: false where it was not there then.
func (r *Reach) former(o sqltext.Object) (was sqltext.Object, there bool) {
	if o.Kind == sqltext.Database {
		if db, aliased := r.databases[o.Name]; aliased {
			o.Name = db
		}
		return o, !strings.HasPrefix(o.Name, newDatabase)
	}
	if o.Kind != sqltext.Table {
		return o, true
	}
	n := r.name(o)
	switch token := r.current[n]; token {
	case "":
		return n.Object(), !r.Moved[n] && !strings.HasPrefix(n.DB, newDatabase)
	case NewTable:
		return n.Object(), false
	default:
		s, captured := r.Captured(token)
		return s.Object, captured
	}
}

// hides reports whether a table or database of the capture is out of sight by now: what is granted on it shows nowhere.
func (r *Reach) hides(o sqltext.Object) bool {
	db := o.Database
	if o.Kind == sqltext.Database {
		db = o.Name
	}
	_, aliased := r.databases[db]
	if aliased && !slices.Contains(slices.Collect(maps.Values(r.databases)), db) {
		return true
	}
	was := r.Before[o]
	return o.Kind == sqltext.Table && was.Exists && !slices.Contains(slices.Collect(maps.Values(r.current)), was.ID)
}

// GrantIn is what a line of a state's Grants says.
func GrantIn(line string) effect.Grant {
	for _, w := range effect.Analyze(line, "").Writes {
		if w.Grant != nil {
			return *w.Grant
		}
	}
	return effect.Grant{}
}
