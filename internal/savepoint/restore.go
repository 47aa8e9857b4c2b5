package savepoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// restorer is one Restore. Every step is chosen from what is live; the model of it in memory follows our own writes.
type restorer struct {
	ctx   context.Context
	c     *turns
	o     Options
	r     *blame.Reach
	live  *catalog.Catalog
	first *catalog.Catalog // the first look, before anything was written
	wrote int              // statements that wrote
	seen  int              // of them, when live was read

	fates    map[sqltext.Object]*fate
	ids      map[string]*moved            // by the id of a table or database
	uncopied []string                     // see Report
	second   bool                         // a later try: what the one before it took away may be missing
	looked   time.Time                    // when live was read
	chains   map[catalog.Name]blame.Chain // of the tables that will be dropped, read after the drain
	drained  bool                         // statements that began before the fence are over
}

// fate is what became of an object.
type fate struct {
	held   string // it must stay as it is: why
	failed string // the server refused a statement about it
	undone string // it is as before again, over what another session did: what
	done   bool   // it was moved
	notes  []string
}

// moved is what a restore knows of a table or database that it found under any name.
type moved struct {
	from      catalog.Name    // where this restore parked it from
	away      bool            // it was dropped until now: no writer has found it since
	undropped bool            // by an UNDROP on the way to another: to be dropped again
	head      string          // that it had then
	changed   bool            // made by ours and changed by another session, told before it was put aside
	unblocked map[string]bool // its indexes and constraints that were dropped because they stood in the way of a FLASHBACK
}

func (x *restorer) of(o sqltext.Object) *fate {
	if x.fates[o] == nil {
		x.fates[o] = &fate{}
	}
	return x.fates[o]
}

func (x *restorer) id(id string) *moved {
	if x.ids[id] == nil {
		x.ids[id] = &moved{unblocked: map[string]bool{}}
	}
	return x.ids[id]
}

// Restore moves the objects of before (with what the reached statements re-captured) back to what they were. An error means
// that it did not come to its end: call it again. Objects that cannot be restored are outcomes, not errors.
func Restore(ctx context.Context, c Conn, before catalog.State, reached []blame.Reached, o Options) (Report, error) {
	if len(reached) == 0 {
		return Report{}, nil
	}
	x := newRestorer(ctx, c, o)
	x.r = blame.New(before, reached)
	err := x.steps()
	for before := math.MaxInt; err == nil && x.failures() > 0 && x.failures() < before; {
		before = x.failures()
		x = x.renewed()
		err = x.steps()
	}
	if err != nil {
		return Report{}, err
	}
	outcomes, err := x.outcomes()
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	return Report{Outcomes: outcomes, Uncopied: x.uncopied}, nil
}

// failures is how many objects the server refused a statement about. That may have been another session's doing, of a moment, or another
// object was in the way: a restore is gone through once more, and again as long as fewer are left.
func (x *restorer) failures() (n int) {
	for _, f := range x.fates {
		if f.failed != "" {
			n++
		}
	}
	return n
}

// renewed is the restorer of another try: it decides everything anew, and knows what was done.
func (x *restorer) renewed() *restorer {
	again := newRestorer(x.ctx, x.c.first, x.o)
	again.r, again.wrote, again.first, again.second = x.r, x.wrote, x.first, true
	for o, f := range x.fates {
		*again.of(o) = fate{done: f.done, undone: f.undone, notes: f.notes}
	}
	for id, a := range x.ids {
		again.id(id).changed = a.changed
	}
	return again
}

func (x *restorer) steps() error {
	steps := []struct {
		what string
		do   func() error
	}{
		{"read what is there", x.read},
		{"restore databases", x.databases},
		{"restore names", x.names},
		{"restore content", x.content},
		{"drop what had been dropped", x.bury},
		{"restore names", x.place},
		{"read what is there again", x.again},
		{"look for COPYs", x.copied},
		{"restore definitions", x.definitions},
		{"restore owners", x.owners},
		{"restore other objects", x.others},
		{"restore owners", x.ownersOfRoles},
		{"drop what was made", x.dropParked},
		{"drop databases", x.dropDatabases},
		{"drop sequences", x.madeSequences},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

func newRestorer(ctx context.Context, c Conn, o Options) *restorer {
	return &restorer{ctx: ctx, c: newTurns(c, o.More), o: o, fates: map[sqltext.Object]*fate{}, ids: map[string]*moved{}}
}

// exec writes.
func (x *restorer) exec(format string, args ...any) error {
	x.wrote++
	_, err := x.c.Exec(x.ctx, databend.Statement{SQL: fmt.Sprintf(format, args...)})
	return err
}

// only keeps the server's refusal of a statement to the object that it is about: it is that object's outcome, and the others are
// restored. Every other error ends the restore, which may be called again.
func (x *restorer) only(o sqltext.Object, err error) error {
	e, ok := errors.AsType[*databend.Error](err)
	if !ok || e.Code == 0 || e.Kind == databend.KindCanceled || e.Kind == databend.KindTimeout || e.Kind == databend.KindAuth ||
		e.Kind == databend.KindUnreachable {
		return err
	}
	if x.of(o).failed == "" {
		x.of(o).failed = "it cannot be put back: " + databend.Message(err)
	}
	return nil
}

func (x *restorer) hold(o sqltext.Object, format string, args ...any) {
	if x.of(o).held == "" {
		x.of(o).held = fmt.Sprintf(format, args...)
	}
}

func (x *restorer) note(o sqltext.Object, format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(x.of(o).notes, s) {
		x.of(o).notes = append(x.of(o).notes, s)
	}
}

// databasesOf are the databases of the tables among objects.
func databasesOf(objects []sqltext.Object) []string {
	var out []string
	for _, o := range objects {
		if o.Kind == sqltext.Table && !slices.Contains(out, o.Database) {
			out = append(out, o.Database)
		}
	}
	return out
}

// read looks at the live catalogue: everything in scope, by name, and every table of its databases, by id.
func (x *restorer) read() error {
	objects := x.r.Scope()
	asked := time.Now()
	cat, err := catalog.Read(x.ctx, x.c, x.withAside(objects), databasesOf(objects))
	if err != nil {
		return err
	}
	x.live, x.looked, x.seen = cat, asked, x.wrote
	if x.first == nil {
		x.first = cat
	}
	if err := x.async(slices.Collect(maps.Values(cat.Tables))...); err != nil {
		return err
	}
	for o, err := range cat.Refused {
		x.hold(o, "what it is cannot be seen: %s", databend.Message(err))
	}
	for _, e := range cat.Tables {
		if e.Name == catalog.ChangedName(e.ID) {
			x.id(e.ID).changed = true
		}
		if e.Name == catalog.RaisedName(e.ID) {
			if a := x.id(e.ID); !a.undropped {
				a.undropped, a.head = true, e.Head // by one that was killed
			}
		}
	}
	return nil
}

// again reads once more what others may have changed while the moves and the wait for writers took their time, FLASHBACK with them: what
// has no history is judged by how it is now.
func (x *restorer) again() error {
	const fresh = 500 * time.Millisecond
	if !x.drained && time.Since(x.looked) < fresh {
		return nil
	}
	return x.read()
}

// async tells which indexes of tables are ASYNC: as they were, where no reached statement made one of that name.
func (x *restorer) async(tables ...*catalog.Entry) error {
	var made []sqltext.Object
	for _, e := range tables {
		was, ok := x.r.Captured(e.ID)
		for i := range e.Indexes {
			k := slices.IndexFunc(was.Indexes, func(w catalog.Index) bool { return w.Name == e.Indexes[i].Name })
			switch {
			case !ok || k < 0:
			case x.r.Index(was.ID, was.Indexes[k].Name).Made:
				made = append(made, e.Place().Object())
			default:
				e.Indexes[i].Async = was.Indexes[k].Async
			}
		}
	}
	return x.live.ReadAsync(x.ctx, x.c, made)
}

// withAside adds the names under which an earlier restore may have put captured tables: their columns are wanted too.
func (x *restorer) withAside(objects []sqltext.Object) []sqltext.Object {
	out := slices.Clone(objects)
	for _, o := range objects {
		if s := x.r.Before[o]; o.Kind == sqltext.Table && s.Exists {
			n := catalog.NameOf(o)
			out = append(out, n.Sibling(catalog.ParkedName(s.ID)).Object(), n.Sibling(catalog.FencedName(s.ID)).Object())
		}
	}
	return out
}

// rename moves a table, view or stream within its database.
func (x *restorer) rename(from catalog.Name, to string) error {
	if err := x.exec("ALTER TABLE %s RENAME TO %s", from.SQL(), sqltext.Ident(to)); err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, err)
	}
	e := x.live.Tables[from]
	delete(x.live.Tables, from)
	if e != nil {
		e.Name = to
		x.live.Tables[from.Sibling(to)] = e
	}
	return nil
}

// dropTable drops what is at n, softly.
func (x *restorer) dropTable(e *catalog.Entry) error {
	n := e.Place()
	if err := x.exec("DROP %s IF EXISTS %s", e.DropWord(), n.SQL()); err != nil {
		return fmt.Errorf("drop %s: %w", n, err)
	}
	delete(x.live.Tables, n)
	return nil
}
