package run

import (
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Savepoint is what a run goes back to: the state of its objects before step From, and what ran since. A run under way makes it, or the
// reader of one that was cut off; a rollback takes it from either.
type Savepoint struct {
	From int
	Base catalog.State // the state to go back to
	trail
	earlier []Ran     // the part of the trail that was moved into the journal
	moved   int       // in so many rows
	wrote   touched   // what ran
	until   time.Time // when nothing of it was under way any more, as the server had it; zero when nobody knows
}

// all are the statements that ran since, in order.
func (s *Savepoint) all() []Ran { return slices.Concat(s.earlier, s.Ran) }

// empty reports whether nothing ran since.
func (s *Savepoint) empty() bool { return len(s.earlier)+len(s.Ran) == 0 }

// move notes that the trail stands in a row of the journal now.
func (s *Savepoint) move() {
	s.earlier = append(s.earlier, s.Ran...)
	s.trail = trail{}
	s.moved++
}

// learn takes what was read after the journal's begin as the state to go back to.
func (s *Savepoint) learn(read catalog.State) {
	if len(read.Objects) == 0 {
		return
	}
	s.Base = s.Base.Merge(read)
	later := read
	if s.Later != nil {
		later = s.Later.Merge(read)
	}
	s.Later = &later
}

// reached are the statements that ran since, as a restore asks what they did.
func (s *Savepoint) reached(steps []plan.Step) []blame.Reached {
	var out []blame.Reached
	touched := map[sqltext.Object]bool{}
	for _, x := range s.all() {
		e := at(steps, x.Place).Effect
		if !s.idle(x, e, touched) {
			st := blame.Reached{Effect: e, Heads: x.Heads, Own: x.Own, At: x.At, Done: x.Done, Until: s.until}
			if x.Left != nil {
				st.Left = *x.Left
			}
			out = append(out, st)
		}
		for _, w := range e.Writes {
			touched[w.Object] = true
		}
	}
	return out
}

// idle reports whether a statement, behind those that touched some objects, has changed nothing: CREATE … IF NOT EXISTS of what was
// there right before it, or a CREATE of that which nobody saw succeed. The first gives what has an owner to the current role; a table or
// database shows by its id who made it.
func (s *Savepoint) idle(x Ran, e effect.Effect, touched map[sqltext.Object]bool) bool {
	return len(e.Writes) > 0 && !slices.ContainsFunc(e.Writes, func(w effect.Write) bool {
		was, _ := s.Base.Find(w.Object)
		creates := w.Verb == effect.CreateNew || w.Verb == effect.Create && x.Done.IsZero()
		gives := w.Verb == effect.CreateNew && was.Owner != ""
		return !creates || !was.Exists || touched[w.Object] || gives || w.Kind == sqltext.Table || w.Kind == sqltext.Database
	})
}

// touched are the objects that statements wrote since, with databases their tables, and with roles and users what they were granted: what
// they are now is not the state to go back to. What is granted on a table goes with it, to another name or out of sight.
type touched struct {
	written   map[sqltext.Object]bool
	databases map[string]bool
	moved     bool // something has another name, or none
	followed  int  // so many statements
}

func (t *touched) has(o sqltext.Object) bool {
	return t.written[o] || o.Kind == sqltext.Table && t.databases[o.Database] ||
		o.Kind == sqltext.Grant && (t.moved || t.written[catalog.GranteeOf(o)])
}

func (t *touched) follow(e effect.Effect) {
	for _, w := range e.Writes {
		t.written[w.Object] = true
		t.moved = t.moved || w.Changes(effect.Existence) && w.Verb != effect.Create && w.Verb != effect.CreateNew
		t.databases[w.Name] = t.databases[w.Name] || w.Kind == sqltext.Database
	}
	t.followed++
}

// touched follows what ran since it was asked last: a migration may have thousands of statements.
func (s *Savepoint) touched(steps []plan.Step) *touched {
	t := &s.wrote
	if t.written == nil {
		t.written, t.databases = map[sqltext.Object]bool{}, map[string]bool{}
	}
	for t.followed < len(s.earlier) {
		t.follow(at(steps, s.earlier[t.followed].Place).Effect)
	}
	for t.followed < len(s.earlier)+len(s.Ran) {
		t.follow(at(steps, s.Ran[t.followed-len(s.earlier)].Place).Effect)
	}
	return t
}

func at(steps []plan.Step, p place) plan.Statement { return steps[p.Step].Statements[p.Statement] }
