package run

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// fresh is how old a reading may be before what a statement writes is read again right before it.
const fresh = 2 * time.Second

// objects is what a run knows of the objects that its plan writes: each as it was read last, and what our own statements did since.
type objects struct {
	judged  catalog.State // as the plan was judged by
	now     catalog.State
	read    map[sqltext.Object]reading
	written map[sqltext.Object]bool // by this run
	dirty   map[sqltext.Object]bool // and not read since
	unseen  []sqltext.Object        // of these, those without history
	turn    int                     // counts the statements of the migrations that were sent
}

// reading is when an object was read last.
type reading struct {
	at    time.Time
	turn  int
	later bool // and was another in the journal's begin
}

func newObjects(before Reading) *objects {
	o := &objects{
		judged: before.State, now: before.State, read: map[sqltext.Object]reading{}, written: map[sqltext.Object]bool{},
		dirty: map[sqltext.Object]bool{},
	}
	for _, s := range before.Objects {
		o.read[s.Object] = reading{at: before.At}
	}
	return o
}

// age is how old what is known of an object is.
func (o *objects) age(x sqltext.Object) time.Duration { return time.Since(o.read[x].at) }

// stale reports whether an object may have changed since it was read: that was too long ago, or a statement of ours came between.
func (o *objects) stale(x sqltext.Object) bool {
	return o.dirty[x] || o.age(x) > fresh || o.read[x].turn != o.turn
}

// learn takes what was read of objects as what is there now.
func (o *objects) learn(s catalog.State, of []sqltext.Object) {
	part := catalog.State{Server: s.Server, At: s.At}
	for _, x := range of {
		now, ok := s.Find(x)
		if !ok {
			continue
		}
		was, known := o.now.Find(x)
		now = keepLoaded(now, was)
		part.Objects = append(part.Objects, now)
		o.read[x] = reading{at: time.Now(), turn: o.turn, later: o.read[x].later || !known || !same(was, now)}
		delete(o.dirty, x)
	}
	o.now = o.now.Merge(part)
}

// later is what is known of objects since the journal's begin: a recovery has to be told.
func (o *objects) later(of []sqltext.Object) catalog.State {
	part := catalog.State{Server: o.now.Server}
	for _, x := range of {
		if now, ok := o.now.Find(x); ok && o.read[x].later {
			part.Objects = append(part.Objects, now)
		}
	}
	return part
}

// keepLoaded gives a new reading of a table what was asked for once: the files that COPY takes for loaded.
func keepLoaded(now, was catalog.ObjectState) catalog.ObjectState {
	if !now.Known && now.ID == was.ID {
		now.Loaded, now.Known, now.Asked = was.Loaded, was.Known, was.Asked
	}
	return now
}

// same reports whether two readings of an object are the same.
func same(a, b catalog.ObjectState) bool { return reflect.DeepEqual(a, b) }

// ran notes what a statement of ours wrote: all that is known, when its effect is unknown; with a database its tables.
func (o *objects) ran(st plan.Statement) {
	o.turn++
	stale := func(x sqltext.Object) { o.written[x], o.dirty[x] = true, true }
	databases := map[string]bool{}
	for _, w := range st.Effect.Writes {
		stale(w.Object)
		if (ageless(w) || o.unrewound(w)) && !slices.Contains(o.unseen, w.Object) {
			o.unseen = append(o.unseen, w.Object)
		}
		if s, known := o.now.Find(catalog.GranteeOf(w.Object)); w.Kind == sqltext.Grant && known && s.Kind == sqltext.User {
			if o.written[s.Object] && !slices.Contains(o.unseen, s.Object) {
				o.unseen = append(o.unseen, s.Object)
			}
			stale(s.Object) // a user changes with what it is granted
		}
		databases[w.Name] = databases[w.Name] || w.Kind == sqltext.Database
	}
	for _, s := range o.now.Objects {
		if st.Effect.Unknown || s.Kind == sqltext.Table && databases[s.Database] {
			stale(s.Object)
		}
	}
}

// ageless reports whether only a reading right behind a statement tells what it made from what others make of it later. A table or
// database has an id, but not its indexes and CHECKs, the text of a view or the rows of a MEMORY table, and of a dropped one nothing tells
// what it was; privileges are told one by one.
func ageless(w effect.Write) bool {
	switch w.Kind {
	case sqltext.Table:
		return w.Verb == effect.Undrop || w.Verb == effect.Alter && w.Changes(effect.Text|effect.Indexes|effect.Constraints) ||
			(w.IsView || w.Engine == effect.Memory) && w.Verb != effect.Drop && w.Verb != effect.Undrop
	case sqltext.Database:
		return w.Verb != effect.Alter // its id
	case sqltext.Grant, sqltext.StageFiles, sqltext.Unknown:
		return false
	}
	return true
}

// unrewound reports whether a write changes the rows of a table that keeps no earlier ones.
func (o *objects) unrewound(w effect.Write) bool {
	s, known := o.now.Find(w.Object)
	return w.Verb == effect.WriteData && known && s.Engine == effect.Memory
}

// tableOf is what is known of a table that a statement alters, where it has a snapshot that the statement may move.
func (o *objects) tableOf(w effect.Write) (catalog.ObjectState, bool) {
	s, known := o.now.Find(w.Object)
	return s, known && s.Exists && s.Head != "" && w.Kind == sqltext.Table && (w.Verb == effect.Alter || w.Verb == effect.WriteData)
}

// fuse are the tables whose rows statements change and that have snapshots.
func (o *objects) fuse(steps []plan.Step, statements []plan.Statement) []sqltext.Object {
	var out []sqltext.Object
	for _, st := range statements {
		for _, w := range st.Effect.Writes {
			if w.Kind != sqltext.Table || w.Verb != effect.WriteData || slices.Contains(out, w.Object) {
				continue
			}
			engine := engineMade(steps, w.Object)
			if was, known := o.now.Find(w.Object); known && was.Exists && !o.written[w.Object] {
				engine = was.Engine
			}
			if strings.EqualFold(engine, "FUSE") {
				out = append(out, w.Object)
			}
		}
	}
	return out
}

// engineMade is the engine of a table that the steps make.
func engineMade(steps []plan.Step, o sqltext.Object) string {
	engine := "FUSE"
	for _, e := range plan.Effects(steps) {
		for _, w := range e.Writes {
			if w.Object == o && w.Verb.Makes() {
				engine = cmp.Or(w.Engine, "FUSE")
			}
		}
	}
	return engine
}
