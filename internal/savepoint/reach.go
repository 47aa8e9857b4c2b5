package savepoint

import (
	"cmp"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// reach is what the reached statements can have done: it bounds what a restore may touch. It follows the statements over the
// names of before, so that it knows which object each of them wrote under which name, and which name may hold what now.
//
// Objects are tokens: the id of one that was there at the capture, or "new:<statement>" for one that a statement made.
// Names are those at the capture: when a database was renamed or replaced since, alias says which it was.
type reach struct {
	before    map[sqltext.Object]catalog.ObjectState // with what was captured again
	order     []sqltext.Object                       // of before, and of what only reached statements name
	reached   []Reached
	at        time.Time                 // no object of ours is older
	touched   map[string][]touch        // token → what statements wrote of its rows, columns or definition
	makers    map[catalog.Name][]int    // name → statements that made an object which may be under it now
	moved     map[catalog.Name]bool     // names that a statement gave to another object, or emptied
	lost      map[string][]catalog.Name // token → names under which a statement dropped or replaced it
	movedDB   map[string]bool
	madeDB    map[string]bool
	lostDB    map[string]bool // by database name
	written   map[sqltext.Object][]int
	owned     map[sqltext.Object]bool // its owner may have been changed
	cur       map[catalog.Name]string
	hidden    map[catalog.Name][]string
	dbs       map[string]string // current name of a database → name at the capture, or "new:<n>"
	hiddenDBs map[string][]string
}

func newReach(before catalog.State, reached []Reached) *reach {
	r := &reach{
		before: map[sqltext.Object]catalog.ObjectState{}, reached: reached, at: before.At,
		touched: map[string][]touch{}, makers: map[catalog.Name][]int{}, moved: map[catalog.Name]bool{}, lost: map[string][]catalog.Name{},
		movedDB: map[string]bool{}, madeDB: map[string]bool{}, lostDB: map[string]bool{}, written: map[sqltext.Object][]int{},
		owned: map[sqltext.Object]bool{}, cur: map[catalog.Name]string{}, hidden: map[catalog.Name][]string{}, dbs: map[string]string{}, hiddenDBs: map[string][]string{},
	}
	for _, o := range before.Objects {
		r.learn(o)
	}
	for i, st := range reached {
		// What was captured right before the statement counts where no earlier one had its hands in it.
		for _, o := range st.Recaptured.Objects {
			if len(r.written[o.Object]) == 0 && !r.touchedName(o.Object) {
				r.learn(o)
			}
		}
		r.follow(i, st.Effect)
	}
	return r
}

// learn takes o as the state to go back to.
func (r *reach) learn(o catalog.ObjectState) {
	if _, known := r.before[o.Object]; !known {
		r.order = append(r.order, o.Object)
	}
	r.before[o.Object] = o
	if o.Kind != sqltext.Table {
		return
	}
	n := catalog.NameOf(o.Object)
	delete(r.cur, n)
	if o.Exists {
		r.cur[n] = o.ID
	}
	r.hidden[n] = nil
	for _, g := range o.Gone {
		r.hidden[n] = append(r.hidden[n], g.ID)
	}
}

// touchedName reports whether an earlier statement changed what a table's name stands for.
func (r *reach) touchedName(o sqltext.Object) bool {
	if o.Kind != sqltext.Table {
		return false
	}
	n := r.name(o)
	return r.moved[n] || n.DB != o.Database || len(r.touched[r.cur[n]]) > 0
}

// name is the table's name at the capture.
func (r *reach) name(o sqltext.Object) catalog.Name {
	db := o.Database
	if was, ok := r.dbs[db]; ok {
		db = was
	}
	return catalog.Name{DB: db, Table: o.Name}
}

const newDatabase = "\x00new" // stands for a database that a statement made, in names

func (r *reach) follow(i int, e effect.Effect) {
	for k := 0; k < len(e.Writes); k++ {
		w := e.Writes[k]
		r.written[w.Object] = append(r.written[w.Object], i)
		if _, known := r.before[w.Object]; !known && !slices.Contains(r.order, w.Object) {
			r.order = append(r.order, w.Object)
		}
		if w.Changes(effect.Owner) {
			r.owned[w.Object] = true
		}
		switch w.Kind {
		case sqltext.Database:
			r.followDatabase(w, e.Writes[k+1:])
		case sqltext.Table:
			r.followTable(i, w, e.Writes[k+1:])
		}
	}
}

func (r *reach) followTable(i int, w effect.Write, rest []effect.Write) {
	n := r.name(w.Object)
	token := r.cur[n]
	made := func() {
		r.cur[n] = "new"
		r.moved[n] = true
		r.makers[n] = append(r.makers[n], i)
		r.touch("new", i, w)
	}
	hide := func() {
		if token != "" {
			r.hidden[n] = append(r.hidden[n], token)
			r.lost[token] = append(r.lost[token], n)
		}
	}
	switch w.Verb {
	case effect.Create:
		made()
	case effect.CreateNew:
		if token == "" {
			made()
		} else {
			r.owned[w.Object] = true // the engine gives it to the current role
		}
	case effect.Replace:
		hide()
		made()
	case effect.Drop:
		if w.Changes(effect.Rows) {
			r.touch(token, i, w) // DROP TABLE … ALL empties it too
		}
		hide()
		delete(r.cur, n)
		r.moved[n] = true
	case effect.Undrop:
		if h := r.hidden[n]; token == "" && len(h) > 0 {
			r.cur[n], r.hidden[n] = h[len(h)-1], h[:len(h)-1]
		}
		r.moved[n] = true
	case effect.RenameOut:
		for _, to := range rest {
			if to.Kind == sqltext.Table && to.Verb == effect.RenameIn {
				t := r.name(to.Object)
				r.moved[n], r.moved[t] = true, true
				delete(r.cur, n)
				if token != "" {
					r.cur[t] = token
				}
				r.makers[t] = append(r.makers[t], r.makers[n]...)
				break
			}
		}
	case effect.Swap:
		for _, to := range rest {
			if to.Kind == sqltext.Table && to.Verb == effect.Swap {
				t := r.name(to.Object)
				r.moved[n], r.moved[t] = true, true
				r.cur[n], r.cur[t] = r.cur[t], token
				both := append(slices.Clone(r.makers[n]), r.makers[t]...)
				r.makers[n], r.makers[t] = both, slices.Clone(both)
				break
			}
		}
	case effect.Alter, effect.WriteData:
		if w.Aspects != effect.Owner {
			r.touch(token, i, w)
		}
	}
}

// touch is what one statement wrote of an object.
type touch struct {
	statement int
	write     effect.Write
}

func (r *reach) touch(token string, i int, w effect.Write) {
	if token != "" {
		r.touched[token] = append(r.touched[token], touch{i, w})
	}
}

// changes reports whether a reached statement can have changed one of the aspects of the token.
func (r *reach) changes(token string, any effect.Aspect) bool {
	return slices.ContainsFunc(r.touched[token], func(t touch) bool { return t.write.Changes(any) })
}

// copied reports whether a reached COPY wrote the token.
func (r *reach) copied(token string) bool {
	return slices.ContainsFunc(r.touched[token], func(t touch) bool { return r.reached[t.statement].Effect.Copy })
}

func (r *reach) followDatabase(w effect.Write, rest []effect.Write) {
	was, aliased := r.dbs[w.Name]
	if !aliased {
		was = w.Name
	}
	switch w.Verb {
	case effect.Create, effect.Replace, effect.CreateNew:
		b, known := r.before[w.Object]
		if w.Verb == effect.CreateNew && !r.lostDB[w.Name] && (aliased || known && b.Exists) {
			return
		}
		if w.Verb == effect.Replace {
			r.lostDB[w.Name] = true
			r.hiddenDBs[w.Name] = append(r.hiddenDBs[w.Name], was)
		}
		r.movedDB[w.Name], r.madeDB[w.Name] = true, true
		r.dbs[w.Name] = newDatabase + w.Name
	case effect.Drop:
		r.movedDB[w.Name], r.lostDB[w.Name] = true, true
		r.hiddenDBs[w.Name] = append(r.hiddenDBs[w.Name], was)
		r.dbs[w.Name] = newDatabase + w.Name
	case effect.Undrop:
		r.movedDB[w.Name] = true
		if h := r.hiddenDBs[w.Name]; len(h) > 0 {
			r.dbs[w.Name], r.hiddenDBs[w.Name] = h[len(h)-1], h[:len(h)-1]
		}
	case effect.RenameOut:
		for _, to := range rest {
			if to.Kind == sqltext.Database && to.Verb == effect.RenameIn {
				r.movedDB[w.Name], r.movedDB[to.Name] = true, true
				r.dbs[to.Name] = was
				r.dbs[w.Name] = newDatabase + w.Name
				if r.madeDB[w.Name] {
					r.madeDB[to.Name] = true
				}
				break
			}
		}
	}
}

// made reports whether what is at n, and was not there at the capture, can have been made by a reached statement: one of those
// whose objects come to this name, and not older than its mark.
func (r *reach) made(makers []int, created time.Time) bool {
	return slices.ContainsFunc(makers, func(i int) bool { return !created.Before(r.since(i)) })
}

// since is the server's time before which statement i cannot have made anything.
func (r *reach) since(i int) time.Time {
	if at := r.reached[i].At; at.After(r.at) {
		return at
	}
	return r.at
}

// allMakers are the statements that made a table of the database, under whatever name.
func (r *reach) allMakers(db string) []int {
	var out []int
	for n, is := range r.makers {
		if n.DB == db {
			out = append(out, is...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// wanted is the table that was at n, "" for none.
func (r *reach) wanted(n catalog.Name) string {
	if o := r.before[n.Object()]; o.Exists {
		return o.ID
	}
	return ""
}

// captured finds a captured table by id.
func (r *reach) captured(id string) (catalog.ObjectState, bool) {
	if id == "" {
		return catalog.ObjectState{}, false
	}
	for _, o := range r.order {
		if s := r.before[o]; o.Kind == sqltext.Table && s.Exists && s.ID == id {
			return s, true
		}
	}
	return catalog.ObjectState{}, false
}

// wasGone finds a table that had been dropped already at the capture, and the name under which it is.
func (r *reach) wasGone(id string) (catalog.Gone, catalog.Name, bool) {
	for o, s := range r.before {
		for _, g := range s.Gone {
			if o.Kind == sqltext.Table && g.ID == id {
				return g, catalog.NameOf(o), true
			}
		}
	}
	return catalog.Gone{}, catalog.Name{}, false
}

// base is the snapshot of a captured table to go back to: what others committed between the capture and the first reached
// statement on it stays.
func (r *reach) base(o catalog.ObjectState) string {
	if ts := r.touched[o.ID]; len(ts) > 0 {
		if h := r.reached[ts[0].statement].Heads[o.ID]; h != "" {
			return h
		}
	}
	return o.Head
}

// altered reports whether a reached statement that is not plain DML wrote the token.
func (r *reach) altered(token string) bool {
	return slices.ContainsFunc(r.touched[token], func(t touch) bool { return !r.reached[t.statement].Effect.DML })
}

// Objects are the objects to capture before statements with these effects run, in order: what they write, under the names that
// databases have at the capture.
func Objects(effects []effect.Effect) []sqltext.Object {
	var out []sqltext.Object
	seen := map[sqltext.Object]bool{}
	renamed := map[string]string{} // a database's name after a statement → at the capture
	add := func(o sqltext.Object) {
		if !seen[o] {
			seen[o] = true
			out = append(out, o)
		}
		if was, ok := renamed[o.Database]; ok && o.Kind == sqltext.Table && was != o.Database {
			o.Database = was
			if !seen[o] {
				seen[o] = true
				out = append(out, o)
			}
		}
	}
	for _, e := range effects {
		from := ""
		for _, w := range e.Writes {
			if w.Kind == sqltext.Unknown {
				continue
			}
			add(w.Object)
			switch {
			case w.Kind != sqltext.Database:
			case w.Verb == effect.RenameOut:
				from = cmp.Or(renamed[w.Name], w.Name)
			case w.Verb == effect.RenameIn:
				renamed[w.Name] = from
			}
		}
	}
	return out
}

// Changed are the captured tables whose rows or columns statements with these effects change, in the order in which they run, and
// those of them that a COPY writes: by the names of the capture, whatever their names are by then.
func Changed(captured catalog.State, effects []effect.Effect) (all, copies []sqltext.Object) {
	reached := make([]Reached, len(effects))
	for i, e := range effects {
		reached[i].Effect = e
	}
	r := newReach(captured, reached)
	for _, o := range r.order {
		s := r.before[o]
		if o.Kind != sqltext.Table || !s.Exists {
			continue
		}
		changed, copied := false, false
		for _, t := range r.touched[s.ID] {
			copied = copied || effects[t.statement].Copy
			changed = changed || (t.write.Verb == effect.Alter || t.write.Verb == effect.WriteData) && t.write.Changes(effect.Rows|effect.Columns)
		}
		if changed {
			all = append(all, o)
		}
		if changed && copied {
			copies = append(copies, o)
		}
	}
	return all, copies
}
