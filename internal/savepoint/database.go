package savepoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// databases does for databases what names and place do for tables: park, UNDROP, rename.
func (x *restorer) databases() error {
	var scope []sqltext.Object
	for _, o := range x.r.Order {
		if _, known := x.r.Before[o]; known && o.Kind == sqltext.Database && x.r.MovedDatabases[o.Name] {
			scope = append(scope, o)
		}
	}
	if len(scope) == 0 {
		return nil
	}
	began := x.wrote
	for _, o := range scope {
		if what := x.databaseTakenAway(o); what != "" {
			x.of(o).undone = what
		}
		e := x.live.Databases[o.Name]
		if e == nil || e.ID == x.r.Before[o].ID {
			continue
		}
		if x.hadGone(e.ID) && !x.r.Before[o].Exists { // UNDROP finds it under no other name
			switch why, err := x.strangersIn(e); {
			case err != nil:
				if err := x.only(o, err); err != nil {
					return err
				}
				continue
			case why != "":
				x.hold(o, "UNDROP brought it up, and %s", why)
				continue
			}
			if err := x.only(o, x.exec("DROP DATABASE %s", sqltext.Ident(e.Name))); err != nil {
				return fmt.Errorf("drop database %s: %w", e.Name, err)
			}
			delete(x.live.Databases, e.Name)
			continue
		}
		if !x.mayMoveDatabase(o, e) {
			x.hold(o, "another session made database %s under this name", e.ID)
			continue
		}
		if err := x.only(o, x.renameDatabase(e, parkedDatabase(e))); err != nil {
			return err
		}
	}
	for _, o := range scope {
		was := x.r.Before[o]
		if !was.Exists || x.of(o).held != "" {
			continue
		}
		if x.databaseByID(was.ID) == nil {
			if err := x.only(o, x.undropDatabase(was, scope)); err != nil {
				return err
			}
		}
	}
	for _, o := range scope {
		was := x.r.Before[o]
		e := x.databaseByID(was.ID)
		if !was.Exists || e == nil || e.Name == o.Name || x.of(o).held != "" {
			continue
		}
		if err := x.only(o, x.renameDatabase(e, o.Name)); err != nil {
			return err
		}
		x.of(o).done = true
	}
	if x.wrote == began {
		return nil
	}
	if err := x.read(); err != nil {
		return err
	}
	return x.giveDatabasesBack(scope)
}

// giveDatabasesBack is giveBack of databases: what is under the name of another's id was renamed in its place.
func (x *restorer) giveDatabasesBack(scope []sqltext.Object) error {
	for _, o := range scope {
		for n, e := range maps.Clone(x.live.Databases) {
			if !strings.HasPrefix(n, catalog.ParkedPrefix) || !strings.HasSuffix(n, "_"+o.Name) || n == catalog.ParkedName(e.ID)+"_"+o.Name {
				continue
			}
			x.hold(o, "another session made database %s under this name", e.ID)
			if err := x.only(o, x.renameDatabase(e, o.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// databaseTakenAway is takenAway of a database.
func (x *restorer) databaseTakenAway(o sqltext.Object) string {
	was := x.r.Before[o]
	newer := func(e *catalog.Entry) bool { return catalog.Behind(was.Newest, e.ID) }
	var dropped []*catalog.Entry // by an earlier restore too
	for n, es := range x.live.GoneDatabases {
		if n == o.Name || strings.HasSuffix(n, "_"+o.Name) {
			dropped = append(dropped, es...)
		}
	}
	there := x.live.Databases[o.Name]
	back := there != nil && there.ID == was.ID && !x.o.Again
	made, up := x.r.Stands(o)
	isDropped := func(id string) bool {
		return slices.ContainsFunc(dropped, func(e *catalog.Entry) bool { return e.ID == id })
	}
	switch {
	case !made && !up, there != nil && !back:
	case slices.ContainsFunc(x.parkedDatabases(), func(e *catalog.Entry) bool { return e.Name == catalog.ParkedName(e.ID)+"_"+o.Name }):
	case made && !slices.ContainsFunc(dropped, newer),
		up && slices.ContainsFunc(was.Gone, func(g catalog.Gone) bool { return !isDropped(g.ID) }):
		return "renamed what this migration had put there"
	case made && !back && was.Exists && slices.ContainsFunc(x.live.GoneDatabases[o.Name], newer):
		return "dropped what this migration had put in its place"
	}
	return ""
}

func (x *restorer) mayMoveDatabase(o sqltext.Object, e *catalog.Entry) bool {
	for _, s := range x.r.Before {
		if s.Kind == sqltext.Database && s.Exists && s.ID == e.ID {
			return x.r.MovedDatabases[s.Name]
		}
	}
	if x.hadGone(e.ID) || x.id("db "+e.ID).undropped {
		return true
	}
	return x.r.MadeDatabases[o.Name] && x.r.Theirs(e.ObjectState) == "" && x.mayBeNew(o, e)
}

// mayBeNew reports whether a database was made since the capture and is not another one than reached statements made: theirs an earlier
// restore has put aside.
func (x *restorer) mayBeNew(o sqltext.Object, e *catalog.Entry) bool {
	newest, aside := x.r.Before[o].Newest, false
	look := func(a *catalog.Entry) {
		aside = aside || a.ID != e.ID && a.Name == catalog.ParkedName(a.ID)+"_"+o.Name && catalog.Behind(newest, a.ID)
	}
	for _, a := range x.live.Databases {
		look(a)
	}
	for _, gone := range x.live.GoneDatabases {
		for _, a := range gone {
			look(a)
		}
	}
	return catalog.Behind(newest, e.ID) && !aside
}

// parkedDatabase is the name of a database that is put aside. It says from where, so that another run's is left alone.
func parkedDatabase(e *catalog.Entry) string { return catalog.ParkedName(e.ID) + "_" + e.Name }

// hadGone reports whether a database was already dropped when the run began.
func (x *restorer) hadGone(id string) bool {
	for _, s := range x.r.Before {
		if s.Kind == sqltext.Database && slices.ContainsFunc(s.Gone, func(g catalog.Gone) bool { return g.ID == id }) {
			return true
		}
	}
	return false
}

func (x *restorer) databaseByID(id string) *catalog.Entry {
	for _, e := range x.live.Databases {
		if e.ID == id {
			return e
		}
	}
	return nil
}

func (x *restorer) renameDatabase(e *catalog.Entry, to string) error {
	if err := x.exec("ALTER DATABASE %s RENAME TO %s", sqltext.Ident(e.Name), sqltext.Ident(to)); err != nil {
		return fmt.Errorf("rename database %s to %s: %w", e.Name, to, err)
	}
	delete(x.live.Databases, e.Name)
	e.Name = to
	x.live.Databases[to] = e
	return nil
}

func (x *restorer) undropDatabase(was catalog.ObjectState, scope []sqltext.Object) error {
	is, err := catalog.Query(x.ctx, x.c, "select name from system.databases where to_string(database_id) = "+sqltext.Quote(was.ID))
	switch {
	case err != nil:
		return err
	case len(is) > 0:
		x.hold(was.Object, "another session renamed it to %s", is[0][0].String)
		return nil
	case !x.r.LostDatabases[was.Name]:
		x.hold(was.Object, "another session dropped it")
		return nil
	}
	names := []string{was.Name}
	for n, es := range x.live.GoneDatabases {
		if slices.ContainsFunc(es, func(e *catalog.Entry) bool { return e.ID == was.ID }) {
			names = append([]string{n}, names...)
		}
	}
	for _, o := range scope {
		names = append(names, o.Name)
	}
	tried := map[string]bool{}
	for _, n := range names {
		if tried[n] {
			continue
		}
		tried[n] = true
		if e := x.live.Databases[n]; e != nil { // its rightful holder goes aside for a moment
			if x.of(sqltext.Object{Kind: sqltext.Database, Name: n}).held != "" {
				continue
			}
			if err := x.renameDatabase(e, parkedDatabase(e)); err != nil {
				return err
			}
		}
		for {
			err := x.exec("UNDROP DATABASE %s", sqltext.Ident(n))
			if databend.IsCode(err, databend.CodeUndropNoDatabase, databend.CodeUnknownDatabase) {
				break // nothing (more) under this name
			}
			if err != nil {
				return fmt.Errorf("undrop database %s: %w", n, err)
			}
			cat, err := catalog.Read(x.ctx, x.c, []sqltext.Object{{Kind: sqltext.Database, Name: n}}, nil)
			if err != nil {
				return err
			}
			e := cat.Databases[n]
			if e == nil {
				break
			}
			x.live.Databases[n] = e
			if e.ID == was.ID {
				x.of(was.Object).done = true
				return nil
			}
			if x.hadGone(e.ID) {
				if err := x.exec("DROP DATABASE IF EXISTS %s", sqltext.Ident(n)); err != nil {
					return fmt.Errorf("drop database %s: %w", n, err)
				}
				delete(x.live.Databases, n)
				break
			}
			x.id("db " + e.ID).undropped = true
			if err := x.renameDatabase(e, parkedDatabase(e)); err != nil {
				return err
			}
		}
	}
	x.hold(was.Object, "database %s was dropped and cannot be brought back: its history is gone", was.ID)
	return nil
}

// parkedDatabases are those that reached statements made, and that were put aside.
func (x *restorer) parkedDatabases() []*catalog.Entry {
	var out []*catalog.Entry
	for _, o := range x.r.Order {
		was, known := x.r.Before[o]
		if !known || o.Kind != sqltext.Database || !x.r.MovedDatabases[o.Name] {
			continue
		}
		for n, e := range x.live.Databases {
			if n != catalog.ParkedName(e.ID)+"_"+o.Name {
				continue
			}
			if x.hadGone(e.ID) || x.id("db "+e.ID).undropped || catalog.Behind(was.Newest, e.ID) {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b *catalog.Entry) int { return strings.Compare(a.ID, b.ID) })
	return out
}
