package run

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// alone runs the only statement of a migration, which leaves evidence: there is no savepoint.
func (r *Run) alone(ctx context.Context, p place) error {
	s, st := &r.plan.Steps[p.Step], r.at(p)
	if !r.covered(p) {
		if _, known := r.evidenceBefore(p, evidenceOf(st.Effect), nil); !known {
			if err := r.readAhead(ctx, p.Step); err != nil {
				return err
			}
		}
		if err := r.mark(ctx, p, nil); err != nil {
			return err
		}
		if len(r.marked.Before) == 0 {
			return fmt.Errorf("look at what step %s writes: it was not read", s)
		}
	}
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	res, err := r.sendNext(ctx, s, st)
	if err != nil && refused(err) {
		return err
	}
	if err != nil {
		ran, unknown := r.didRun(context.WithoutCancel(ctx), res.ID, p)
		if unknown != nil {
			r.undecided = fmt.Errorf("whether the statement ran is not known: %w", unknown)
			return err
		}
		if !ran {
			return err
		}
		r.Note(event.Info, "%s:%d: its answer was lost, but it ran", st.File, st.Line)
	}
	r.know.ran(st)
	return nil
}

// readAhead reads what step i writes, and at no more requests what those after it write: they may join its group.
func (r *Run) readAhead(ctx context.Context, i int) error {
	// A few names are looked up; from about twenty on the whole catalogue is read, which costs more than it saves here.
	const few, ahead = 8, 20
	objects := plan.Writes(r.plan.Steps[i : i+1])
	for j := i + 1; j < len(r.plan.Steps) && j < i+ahead && len(objects) < few && r.sole(j); j++ {
		for _, o := range plan.Writes(r.plan.Steps[j : j+1]) {
			if !slices.Contains(objects, o) {
				objects = append(objects, o)
			}
		}
	}
	return r.read(ctx, objects)
}

// didRun waits until the statement at p is over and looks at its evidence. It tries as long as the server is not heard.
func (r *Run) didRun(ctx context.Context, queryID string, p place) (ran bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	st, was := r.at(p), r.marked.evidence(r.plan.Steps, p)
	err = r.patiently(ctx, "looking whether it ran", func() error {
		if err := r.Server.Settle(ctx, queryID); err != nil {
			return err
		}
		now, err := catalog.Capture(ctx, r.Store.Conn(), written(st))
		ran = err == nil && evidenceOf(st.Effect).shows(st.Effect, was, now, r.marked.At, time.Time{})
		return err
	})
	return ran, err
}

// written are the objects that statements write.
func written(statements ...plan.Statement) []sqltext.Object {
	var out []sqltext.Object
	for _, st := range statements {
		for _, w := range st.Effect.Writes {
			out = append(out, w.Object)
		}
	}
	return out
}

// sendNext sends a statement of the step at hand.
func (r *Run) sendNext(ctx context.Context, s *plan.Step, st plan.Statement) (databend.Result, error) {
	res, err := r.send(ctx, st, r.secrets)
	r.ids = append(r.ids, res.ID)
	return res, err
}

// statement marks, and runs one statement outside of a user's transaction.
func (r *Run) statement(ctx context.Context, p place) error {
	s, st := &r.plan.Steps[p.Step], r.at(p)
	if st.Effect.Class == effect.None && !st.Effect.Unknown {
		// It writes nothing: nothing to put back.
		if err := r.lock.Fresh(ctx); err != nil {
			return err
		}
		_, err := r.sendNext(ctx, s, st)
		r.know.turn++
		return err
	}
	if st.Effect.DML {
		if ts := r.know.fuse(r.plan.Steps, []plan.Statement{st}); len(ts) > 0 {
			return r.transaction(ctx, p, p, ts)
		}
	}
	this, err := r.ahead(ctx, p)
	if err != nil {
		return err
	}
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	res, err := r.sendNext(ctx, s, st)
	return r.after(this, st, res.ID, err)
}

// see reads, ahead of the statement at p, what those before it left of objects without history: what another session makes of them
// from then on is told from what they made.
func (r *Run) see(ctx context.Context, p place) error {
	objects, ran := r.know.unseen, r.save.Ran
	if len(objects) == 0 || r.covered(p) {
		return nil
	}
	r.know.unseen = nil
	if len(ran) == 0 { // they are of a migration that is finished
		return nil
	}
	now, err := r.Capture(ctx, objects, r.indexed...)
	if err != nil {
		return err
	}
	r.saw(now)
	r.know.learn(now.State, objects)
	// What a secret of ours stands in, the mark would keep in part only, as something else.
	now.Objects = slices.DeleteFunc(now.Objects, func(o catalog.ObjectState) bool {
		return r.keepable(catalog.State{Objects: []catalog.ObjectState{o}}) != nil
	})
	ran[len(ran)-1].Left = &now.State
	return nil
}

// after notes what ran. A statement that the server refused did not: every single one is atomic, but not a script, and not one that
// changes several settings.
func (r *Run) after(this Ran, st plan.Statement, queryID string, err error) error {
	if err != nil && !st.Effect.Script && refused(err) {
		r.know.turn++
		return err
	}
	this.Maybe, this.id = err != nil, queryID
	if err == nil {
		this.Done = r.atLatest()
	}
	r.save.Ran = append(r.save.Ran, this)
	r.know.ran(st)
	return err
}

// ahead sees to it that what the statement at p writes is known as it is right before it, and that a mark says so.
//
// What a statement drops or replaces, changes so that no snapshot keeps it, or makes only where it is not there, is read again: somebody
// else may have made or changed it meanwhile, which is theirs. Whatever else it changes is read again only where that was last done some
// seconds ago, or a statement of ours came between. A plain CREATE needs no reading: it fails where something is there. The reading and the
// mark are sent beside each other; when the reading shows something new, the mark is written once more.
func (r *Run) ahead(ctx context.Context, p place) (Ran, error) {
	st := r.at(p)
	if r.covered(p) {
		return Ran{Place: p, At: r.marked.At}, nil
	}
	objects, heads := r.toRead(st)
	if len(objects) == 0 {
		err := r.overtaken(p)
		if err == nil {
			err = r.mark(ctx, p, heads)
		}
		return Ran{Place: p, At: r.marked.At, Heads: heads}, err
	}
	guess := !slices.ContainsFunc(objects, func(o sqltext.Object) bool { return r.know.dirty[o] })
	type read struct {
		Reading
		err error
	}
	came := make(chan read, 1)
	go crash.Caught(func() {
		now, err := r.Capture(ctx, objects, r.indexed...)
		came <- read{now, err}
	})()
	var err error
	if guess { // what is there is as it was: mostly so
		err = r.mark(ctx, p, heads)
	}
	now := <-came
	if err != nil || now.err != nil {
		return Ran{}, cmp.Or(err, now.err)
	}
	r.saw(now.Reading)
	later := r.save.Later
	touched := r.save.touched(r.plan.Steps)
	r.learn(now.State, without(objects, func(o sqltext.Object) bool {
		is, _ := now.Find(o)
		return touched.has(o) || o.Kind == sqltext.Role && is.Exists // it is found: by the names of then
	}))
	r.know.learn(now.State, objects)
	r.find(st)
	if err := cmp.Or(r.overtaken(p), r.between(p)); err != nil {
		return Ran{}, err
	}
	_, is := r.toRead(st)
	if !guess || r.save.Later != later || !maps.Equal(heads, is) {
		if err := r.mark(ctx, p, is); err != nil {
			return Ran{}, err
		}
	}
	return Ran{Place: p, At: r.marked.At, Heads: is}, nil
}

// overtaken refuses the statement at p when it would destroy what another session made or gave, and nothing could bring back: an object,
// files in a stage, privileges on a procedure, tags; or the text of a view that an earlier migration, or another session, has made
// unreadable. One that reads what a rollback brings back is not lost.
func (r *Run) overtaken(p place) error {
	st, s := r.at(p), &r.plan.Steps[p.Step]
	touched := r.save.touched(r.plan.Steps)
	followed := r.plan.Atomic || p.Statement+1 < len(s.Statements)
	for _, w := range st.Effect.Writes {
		judged, _ := r.know.judged.Find(w.Object)
		now, known := r.know.now.Find(w.Object)
		if !known || r.know.dirty[w.Object] {
			continue
		}
		others := !touched.has(w.Object) && !r.know.written[w.Object]
		if others && s.Unshown(w, judged, now) {
			return s.Overtaken(st, w)
		}
		dead := others && now.Dead && !r.readsTouched(now.Query)
		was, _ := r.save.Base.Find(w.Object)
		tagged := now.Tagged() && w.Verb == effect.Drop && followed
		if tagged && touched.has(w.Object) {
			tagged = !r.reach().Wrote(w.Object).Has(effect.Attachments)
		}
		now.Lost = slices.DeleteFunc(slices.Clone(now.Lost), touched.has) // a rollback brings back what we dropped
		if dead || tagged || was.Exists && (now.Files() > 0 || now.Granted() || len(now.Lost) > 0) {
			if err := s.Unheld(st, w, now, followed); err != nil {
				return err
			}
		}
	}
	return nil
}

// readsTouched reports whether a view's text names, or may, a table that statements wrote since the savepoint.
func (r *Run) readsTouched(query string) bool {
	words, err := sqltext.ReadWords(query)
	touched := r.save.touched(r.plan.Steps)
	return err != nil || slices.ContainsFunc(r.save.Base.Objects, func(o catalog.ObjectState) bool {
		return o.Kind == sqltext.Table && touched.has(o.Object) && words.Mentions(o.Name)
	})
}

// reach is what the statements since the savepoint did.
func (r *Run) reach() *blame.Reach { return blame.New(r.save.Base, r.save.reached(r.plan.Steps)) }

// find takes what the statement is about to write of tables and grantees, that statements of ours wrote in other parts already, and of
// roles, as what a rollback goes back to: another session may have changed that since the savepoint began.
func (r *Run) find(st plan.Statement) {
	touched := r.save.touched(r.plan.Steps)
	for _, w := range st.Effect.Writes {
		now, known := r.know.now.Find(w.Object)
		part := touched.has(w.Object) && w.Verb == effect.Alter && overwrites(w)
		if !known || r.know.dirty[w.Object] || !part && (w.Kind != sqltext.Role || w.Verb == effect.Create) {
			continue
		}
		if was, ok := r.reach().Found(w, now); ok {
			r.save.learn(catalog.State{Server: r.know.now.Server, Objects: []catalog.ObjectState{was}})
		}
	}
}

// between refuses the statement at p when it would drop or replace what another session made under a name, after statements of ours
// had dropped or made another object there, or would change what another session changed after ours: a rollback could not tell theirs
// from ours any more.
func (r *Run) between(p place) error {
	st, touched := r.at(p), r.save.touched(r.plan.Steps)
	var reach *blame.Reach
	for _, w := range st.Effect.Writes {
		now, known := r.know.now.Find(w.Object)
		if !overwrites(w) && !r.know.unrewound(w) || !touched.has(w.Object) || !known || r.know.dirty[w.Object] {
			continue
		}
		if reach == nil {
			reach = r.reach()
		}
		refilled, _ := reach.Refilled(now.ID, now.Rows())
		if refilled || reach.Reworded(now) || reach.Theirs(now) != "" && (w.Kind != sqltext.Table || w.Verb != effect.Alter) {
			return r.plan.Steps[p.Step].Overtaken(st, w)
		}
	}
	return nil
}

// overwrites reports whether a statement takes away something that it finds, and that no snapshot keeps.
func overwrites(w effect.Write) bool {
	return w.Verb == effect.Drop || w.Verb == effect.Replace || w.Verb == effect.Alter && w.Aspects&^effect.Rewound != 0
}

// toRead are the objects of a statement that are to be read right before it, and the heads of the tables that it alters, as they are
// known. What the savepoint's statements touched already is not, since the state to go back to is older, unless this one would take
// something of it away. Of tables that they touched the head is, which tells our next change from others'.
func (r *Run) toRead(st plan.Statement) (objects []sqltext.Object, heads map[string]string) {
	touched := r.save.touched(r.plan.Steps)
	finds := found(st)
	for _, w := range st.Effect.Writes {
		table, altered := r.know.tableOf(w)
		if altered {
			if heads == nil {
				heads = map[string]string{}
			}
			heads[table.ID] = table.Head
		}
		_, known := r.know.now.Find(w.Object)
		takes := !touched.has(w.Object) || r.know.unrewound(w)
		always := overwrites(w) || w.Verb == effect.CreateNew && takes
		if known && (always || r.know.stale(w.Object) && (altered || slices.Contains(finds, w.Object) && takes)) {
			objects = append(objects, w.Object)
		}
	}
	return objects, heads
}
