package savepoint

import (
	"context"
	"errors"
	"fmt"
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
	c     Conn
	o     Options
	r     *blame.Reach
	live  *catalog.Catalog
	wrote int // statements that wrote

	held      map[sqltext.Object]string   // objects that must stay as they are: why
	notes     map[sqltext.Object][]string // said with an object's outcome
	done      map[sqltext.Object]bool     // objects that were moved
	files     []CopiedFiles
	from      map[string]catalog.Name      // id of a parked table → the name it was parked from, when this restore did it
	away      map[string]bool              // ids that were dropped until now: no writer has found them since
	unblocked map[string]bool              // indexes and constraints that were dropped because they stood in the way of a FLASHBACK
	undone    map[sqltext.Object]string    // objects that are as before again, over what another session did: what
	failed    map[sqltext.Object]string    // objects about which the server refused a statement
	looked    time.Time                    // when live was read
	chains    map[catalog.Name]blame.Chain // of the tables that will be dropped, read after the drain
	drained   bool                         // statements that began before the fence are over
	undrops   map[string]bool              // ids that UNDROP brought up on the way to another: to be dropped again
	raised    map[string]string            // of those that this restore brought up: the head that they had
	changed   map[string]bool              // ids of tables and views of ours that another session changed, told before they were put aside
}

// Restore moves the objects of before (with what the reached statements re-captured) back to what they were. An error means
// that it did not come to its end: call it again. Objects that cannot be restored are outcomes, not errors.
func Restore(ctx context.Context, c Conn, before catalog.State, reached []blame.Reached, o Options) (Report, error) {
	if len(reached) == 0 {
		return Report{}, nil
	}
	x := newRestorer(ctx, c, before, reached, o)
	err := x.steps()
	for try := 1; err == nil && len(x.failed) > 0 && try < tries; try++ {
		again := newRestorer(ctx, c, before, reached, o)
		again.done, again.notes, again.wrote = x.done, x.notes, x.wrote
		again.changed, again.undone = x.changed, x.undone
		x = again
		err = x.steps()
	}
	if err != nil {
		return Report{}, err
	}
	outcomes, err := x.outcomes()
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	return Report{Outcomes: outcomes, Files: x.files}, nil
}

// tries is how often a restore is gone through when the server refuses something of it: that may have been another session's doing, of
// a moment.
const tries = 2

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
		{"look for copied files", x.copied},
		{"restore definitions", x.definitions},
		{"restore owners", x.owners},
		{"restore other objects", x.others},
		{"drop what was made", x.dropParked},
		{"drop databases", x.dropDatabases},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

func newRestorer(ctx context.Context, c Conn, before catalog.State, reached []blame.Reached, o Options) *restorer {
	return &restorer{
		ctx: ctx, c: c, o: o, r: blame.New(before, reached),
		held: map[sqltext.Object]string{}, notes: map[sqltext.Object][]string{}, done: map[sqltext.Object]bool{},
		unblocked: map[string]bool{}, failed: map[sqltext.Object]string{}, undone: map[sqltext.Object]string{},
		undrops: map[string]bool{}, raised: map[string]string{},
		from: map[string]catalog.Name{}, away: map[string]bool{}, changed: map[string]bool{},
	}
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
	if _, ok := x.failed[o]; !ok {
		x.failed[o] = "it cannot be put back: " + catalog.Message(err)
	}
	return nil
}

func (x *restorer) hold(o sqltext.Object, format string, args ...any) {
	if _, ok := x.held[o]; !ok {
		x.held[o] = fmt.Sprintf(format, args...)
	}
}

func (x *restorer) note(o sqltext.Object, format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(x.notes[o], s) {
		x.notes[o] = append(x.notes[o], s)
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
	x.live, x.looked = cat, asked
	if err := x.async(); err != nil {
		return err
	}
	for _, e := range cat.Tables {
		if e.Name == catalog.ChangedName(e.ID) {
			x.changed[e.ID] = true
		}
		if e.Name == catalog.RaisedName(e.ID) {
			x.undrops[e.ID] = true
			if _, known := x.raised[e.ID]; !known {
				x.raised[e.ID] = e.Head // by one that was killed
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

// async tells which indexes are ASYNC: as they were, where no reached statement made one of that name.
func (x *restorer) async() error {
	var made []sqltext.Object
	for _, e := range x.live.Tables {
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
