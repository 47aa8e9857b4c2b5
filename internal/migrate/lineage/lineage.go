// Package lineage follows the rows of tables through the statements of a run: which table is under a name in the end, and whose rows
// are in it. The ledger of loaded files stands under a table's id, so that it must go along where a migration rebuilds a table from
// its own rows. It knows names only, as effects tell them; it asks nobody.
package lineage

import (
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Catalog is what the warehouse holds as the run begins.
type Catalog interface {
	Exists(table sqltext.Object) bool               // a table or view is under the name
	View(o sqltext.Object) ([]sqltext.Object, bool) // what a view reads; false for a table
}

// Lineage is where the rows of tables are after some statements.
type Lineage struct {
	catalog Catalog
	under   map[sqltext.Object]*table   // by the names of now; nil: nothing is under it
	dropped map[sqltext.Object][]*table // the newest last
	moved   map[string]string           // a database's name of now → its name as the run began; "": made by the run
	buried  map[string]map[sqltext.Object]*table
}

// table is one table or view.
type table struct {
	name sqltext.Object          // under which the run found it; the zero Object: the run made it, or undropped it
	rows map[sqltext.Object]bool // the tables, as the run found them, whose rows are in it
	// forgot says that the run made the engine forget which files were loaded into it.
	forgot bool
	filled bool             // the run put rows into it, of whatever tables
	query  []sqltext.Object // what a view reads
	view   bool
	back   bool // it went back by FLASHBACK
	hidden bool // and has been changed since
}

// New is the lineage before the first statement.
func New(c Catalog) *Lineage {
	return &Lineage{
		catalog: c, under: map[sqltext.Object]*table{}, dropped: map[sqltext.Object][]*table{},
		moved: map[string]string{}, buried: map[string]map[sqltext.Object]*table{},
	}
}

// at is what is under a name, nil for nothing.
func (l *Lineage) at(o sqltext.Object) *table {
	if t, seen := l.under[o]; seen {
		return t
	}
	was := o
	if db, moved := l.moved[o.Database]; moved {
		was.Database = db
	}
	var t *table
	if was.Database != "" && l.catalog.Exists(was) {
		t = &table{name: was, rows: map[sqltext.Object]bool{was: true}}
		if query, ok := l.catalog.View(was); ok {
			t.rows, t.query, t.view = nil, query, true
		}
	}
	l.under[o] = t
	return t
}

// read is whose rows come from a table or view; seen are the views on the way there.
func (l *Lineage) read(o sqltext.Object, seen map[*table]bool) map[sqltext.Object]bool {
	t := l.at(o)
	if t == nil || !t.view {
		if t == nil {
			return nil
		}
		return t.rows
	}
	out := map[sqltext.Object]bool{}
	if seen[t] {
		return out
	}
	seen[t] = true
	for _, source := range t.query {
		maps.Copy(out, l.read(source, seen))
	}
	return out
}

// statement is a statement on its way through its writes.
type statement struct {
	*Lineage
	sources []sqltext.Object
	rows    map[sqltext.Object]bool // whose rows it reads
}

// Apply follows one statement.
func (l *Lineage) Apply(e effect.Effect) {
	s := &statement{Lineage: l, sources: e.Sources, rows: map[sqltext.Object]bool{}}
	for _, o := range e.Sources {
		maps.Copy(s.rows, l.read(o, map[*table]bool{}))
	}
	for _, w := range e.Writes {
		switch {
		case w.Kind == sqltext.Database:
			l.database(w)
		case w.Kind == sqltext.Table && !w.IsStream:
			s.table(w)
		}
	}
}

// table follows what is under a name of a table or view.
func (s *statement) table(w effect.Write) {
	o, t := w.Object, s.at(w.Object)
	switch w.Verb {
	case effect.CreateNew:
		if t == nil {
			s.make(w)
		}
	case effect.Create, effect.Replace:
		if t != nil {
			s.dropped[o] = append(s.dropped[o], t)
		}
		s.make(w)
	case effect.Drop:
		if t == nil {
			return
		}
		if w.Forgets {
			t.rows, t.forgot = map[sqltext.Object]bool{}, true
		}
		s.dropped[o], s.under[o] = append(s.dropped[o], t), nil
	case effect.Undrop:
		if n := len(s.dropped[o]); n > 0 {
			s.under[o], s.dropped[o] = s.dropped[o][n-1], s.dropped[o][:n-1]
			return
		}
		s.under[o] = &table{rows: map[sqltext.Object]bool{}}
	case effect.RenameOut:
		if s.under[o] = nil; t != nil {
			s.under[w.To] = t
		}
	case effect.Swap:
		if w.To != (sqltext.Object{}) {
			s.under[o], s.under[w.To] = s.at(w.To), t
		}
	case effect.Alter, effect.WriteData:
		if t != nil {
			s.change(w, t)
		}
	}
}

// make puts a new table, or view, under a name.
func (s *statement) make(w effect.Write) {
	made := &table{rows: map[sqltext.Object]bool{}}
	switch {
	case w.Changes(effect.Rows):
		maps.Copy(made.rows, s.rows)
		made.filled = true
	case len(s.sources) > 0:
		made.view, made.query = true, s.sources
	}
	s.under[w.Object] = made
}

// change follows what becomes of a table's rows, or of a view's text.
func (s *statement) change(w effect.Write, t *table) {
	t.back, t.hidden = t.back || w.GoesBack, t.back && !w.GoesBack
	switch {
	case w.Verb == effect.Alter:
		if w.Changes(effect.Text) && len(s.sources) > 0 {
			t.query = s.sources
		}
	case !t.view:
		if w.Does.Has(effect.TakesRows) {
			t.rows, t.filled = map[sqltext.Object]bool{}, false
		}
		if t.forgot = t.forgot || w.Forgets; !w.Forgets {
			maps.Copy(t.rows, s.rows)
			t.filled = true
		}
	}
}

// database follows the tables of a database that is renamed, dropped or comes back.
func (l *Lineage) database(w effect.Write) {
	name := w.Name
	was, moved := l.moved[name]
	if !moved {
		was = name
	}
	tables := func() map[sqltext.Object]*table {
		in := map[sqltext.Object]*table{}
		for o, t := range l.under {
			if o.Database == name {
				in[o] = t
				delete(l.under, o)
			}
		}
		return in
	}
	switch w.Verb {
	case effect.RenameOut:
		for o, t := range tables() {
			o.Database = w.To.Name
			l.under[o] = t
		}
		l.moved[name], l.moved[w.To.Name] = "", was
	case effect.Create, effect.Replace, effect.Drop:
		l.buried[name+"\x00"+was] = tables()
		l.moved[name] = ""
	case effect.Undrop:
		for o, t := range l.buried[name+"\x00"+name] {
			l.under[o] = t
		}
		l.moved[name] = name
	}
}

// Find says whose rows are in the table that is under a name now: the names are of the run's beginning. same is whether the run found
// that table under this name (its database may have another name now).
type Find struct {
	There bool
	Same  bool
	// Refilled says that it is the same, that its own rows are in it, and that the engine has forgotten from which files they are.
	Refilled bool
	Filled   bool // with rows of some table, or of none
	Rows     []sqltext.Object
	Was      sqltext.Object // the name under which the run found it; zero: it made it
	// Hidden says that it went back by FLASHBACK and was changed behind that: nothing shows any more which files' rows went.
	Hidden bool
}

// Copies reports whether rows of other tables are in it.
func (f Find) Copies() bool {
	return slices.ContainsFunc(f.Rows, func(r sqltext.Object) bool { return r != f.Was })
}

// Lost reports whether the run found it, and took its rows away.
func (f Find) Lost() bool { return f.Was != (sqltext.Object{}) && !slices.Contains(f.Rows, f.Was) }

// At looks at a name.
func (l *Lineage) At(o sqltext.Object) Find {
	t := l.at(o)
	if t == nil || t.view {
		return Find{}
	}
	same := t.name == l.Former(o)
	return Find{
		There: true, Same: same, Refilled: same && t.forgot && t.rows[t.name], Filled: t.filled, Was: t.name, Rows: sorted(t.rows),
		Hidden: t.hidden && !t.forgot,
	}
}

// Former is a name as it was when the run began: the database may have been renamed.
func (l *Lineage) Former(o sqltext.Object) sqltext.Object {
	if was, moved := l.moved[o.Database]; moved && was != "" {
		o.Database = was
	}
	return o
}

// Tables are the names that the statements have touched.
func (l *Lineage) Tables() []sqltext.Object {
	all := map[sqltext.Object]bool{}
	for o := range l.under {
		all[o] = true
	}
	return sorted(all)
}

func sorted(set map[sqltext.Object]bool) []sqltext.Object {
	return slices.SortedFunc(maps.Keys(set), func(a, b sqltext.Object) int {
		return strings.Compare(a.Database+"\x00"+a.Name, b.Database+"\x00"+b.Name)
	})
}
