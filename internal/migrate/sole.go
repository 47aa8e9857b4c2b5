package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// A migration that is one statement needs no savepoint: the statement is atomic, so either nothing of it is there or the migration is
// finished. When its answer is lost, or its process, the only question is whether it ran. For changes of a table's or view's
// existence and definition that can be seen: each leaves evidence, something that it alone changes, whose value before is kept in the
// mark. Consecutive ones share a mark, as long as none of them touches another's evidence.

// evidence is what shows that a statement ran.
type evidence string

const (
	made      evidence = "made"    // under its name is an object that is not older than the mark, nor the one from before
	dropped   evidence = "dropped" // nothing is under its name, where something was
	renamed   evidence = "renamed" // and something is under the new one
	column    evidence = "column"  // the column is there, or not there, or is another
	commented evidence = "comment"
	clustered evidence = "cluster key"
)

// evidenceOf is what a statement leaves, "" when nothing shows whether it ran.
func evidenceOf(e effect.Effect) evidence {
	if e.Unknown || e.DML || e.Class != effect.Exact && e.Class != effect.Flashback {
		return ""
	}
	verbs := map[effect.Verb]int{}
	for _, w := range e.Writes {
		if w.Kind != sqltext.Table || w.IsStream {
			return ""
		}
		verbs[w.Verb]++
	}
	switch {
	case len(e.Writes) == 2 && verbs[effect.RenameOut] == 1 && verbs[effect.RenameIn] == 1:
		return renamed
	case len(e.Writes) != 1:
		return ""
	case verbs[effect.Drop] == 1:
		return dropped
	case verbs[effect.Create]+verbs[effect.CreateNew]+verbs[effect.Replace] == 1:
		return made
	case verbs[effect.Alter] == 0:
		return ""
	case len(e.Writes[0].Columns) > 0:
		return column
	case e.Writes[0].Aspects == effect.Comment:
		return commented
	case e.Writes[0].Aspects == effect.Cluster:
		return clustered
	}
	return ""
}

// object is the one that the evidence is of: of a rename the one that leaves its name.
func (ev evidence) object(e effect.Effect) sqltext.Object {
	for _, w := range e.Writes {
		if w.Verb != effect.RenameIn {
			return w.Object
		}
	}
	return sqltext.Object{}
}

// in is the evidence as an object has it, "" for nothing.
func (ev evidence) in(o catalog.ObjectState, e effect.Effect) string {
	if !o.Exists {
		return ""
	}
	switch ev {
	case column:
		for _, c := range o.Columns {
			if strings.EqualFold(c.Name, e.Writes[0].Columns[0].Name) {
				return c.String()
			}
		}
		return ""
	case commented:
		return o.Comment
	case clustered:
		return o.ClusterBy
	}
	return o.ID
}

// shows reports whether a statement ran, from its evidence before (was) and what is there now. at is a server's time not after its
// mark. Unclear is a statement that may have changed nothing: running it once more does no harm.
func (ev evidence) shows(e effect.Effect, was string, now catalog.State, at time.Time) answer {
	is, _ := now.Find(ev.object(e))
	maybe := func(unchanged bool) answer {
		if unchanged {
			return unclear
		}
		return no
	}
	switch ev {
	case made:
		if is.Exists && is.ID != was && !is.Created.Before(at) {
			return yes
		}
		return maybe(e.If)
	case dropped, renamed:
		arrived := !slices.ContainsFunc(e.Writes, func(w effect.Write) bool {
			there, _ := now.Find(w.Object)
			return w.Verb == effect.RenameIn && !there.Exists
		})
		if was != "" && !is.Exists && arrived {
			return yes
		}
		return maybe(was == "" && e.If)
	}
	if ev.in(is, e) != was {
		return yes
	}
	return maybe(e.If || ev != column || e.Writes[0].Columns[0].Change == effect.ModifyColumn || e.Writes[0].Columns[0].Change == effect.CommentColumn)
}

// something is the evidence before of an object that this run made itself: it is there.
const something = "there"

// sole reports whether step i is such a migration.
func (r *run) sole(i int) bool {
	s := r.plan.Steps[i]
	if r.plan.atomic || len(s.Statements) != 1 || r.carries(i) || i == r.start.Step && len(r.ran) > 0 {
		return false
	}
	return evidenceOf(s.Statements[0].Effect) != ""
}

// runSole runs step i, which is sole.
func (r *run) runSole(ctx context.Context, i int) error {
	s := &r.plan.Steps[i]
	st := s.Statements[0]
	if r.marked.Sole == nil || !r.covered(place{i, 0}) {
		if err := r.markSole(ctx, i); err != nil {
			return err
		}
	}
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	res, err := r.send(ctx, s, st)
	if err != nil && refused(err) {
		return err
	}
	if err != nil {
		ran, unknown := r.soleRan(context.WithoutCancel(ctx), res.ID, st, r.marked.Sole[i-r.marked.Next.Step])
		if unknown != nil {
			r.undecided = fmt.Errorf("whether the statement ran is not known: %w", unknown)
			return err
		}
		if !ran {
			return err
		}
		r.m.note("info", "%s:%d: its answer was lost, but it ran", s.File, st.Line)
	}
	r.wrote(st)
	return nil
}

// markSole marks step i, and with it those behind it that are sole, whose evidence before is known, and that touch no evidence of
// those before them in the group.
func (r *run) markSole(ctx context.Context, i int) error {
	group := map[sqltext.Object]bool{} // what the group writes
	if _, known := r.evidenceBefore(i, group); !known {
		if err := r.captureAgain(ctx, i, nil); err != nil {
			return err
		}
	}
	k := r.mark()
	k.Next, k.Last = place{i, 0}, place{i, 0}
	type aspect struct {
		object sqltext.Object
		of     evidence
	}
	taken := map[aspect]bool{}
	for j := i; j < len(r.plan.Steps) && j-i < groupLimit && r.sole(j); j++ {
		e := r.plan.Steps[j].Statements[0].Effect
		was, known := r.evidenceBefore(j, group)
		ev := evidenceOf(e)
		var changes, leaves []aspect
		for _, w := range e.Writes {
			if w.Verb == effect.Alter {
				changes = append(changes, aspect{w.Object, ev})
				leaves = changes
				continue
			}
			leaves = append(leaves, aspect{w.Object, made})
			for _, any := range []evidence{made, column, commented, clustered} {
				changes = append(changes, aspect{w.Object, any})
			}
		}
		if !known || slices.ContainsFunc(changes, func(a aspect) bool { return taken[a] }) {
			break
		}
		for _, a := range leaves {
			taken[a] = true
		}
		for _, w := range e.Writes {
			group[w.Object] = true
		}
		k.Last.Step = j
		k.Sole = append(k.Sole, was)
	}
	if k.Sole == nil {
		return fmt.Errorf("look at what step %s writes: it was not captured", r.plan.Steps[i].String())
	}
	return r.write(ctx, k)
}

// evidenceBefore is the evidence of step j before it runs, and after the steps of its group, which write these objects; known is
// false when that has to be captured first.
func (r *run) evidenceBefore(j int, group map[sqltext.Object]bool) (was string, known bool) {
	e := r.plan.Steps[j].Statements[0].Effect
	ev := evidenceOf(e)
	o := ev.object(e)
	now, captured := r.latest.Find(o)
	if captured && !group[o] && !r.dirty[o] {
		// Who is under a name may be old news: what came since the mark is told by its age.
		recent := time.Since(r.seen[o].read) < r.lock.TTL()/3
		return ev.in(now, e), ev == made || recent
	}
	// Written by this run: what it wrote may tell.
	for n := j - 1; n >= 0; n-- {
		for _, st := range slices.Backward(r.plan.Steps[n].Statements) {
			if st.Effect.Unknown {
				return "", false
			}
			for _, w := range st.Effect.Writes {
				if w.Kind == sqltext.Database && w.Name == o.Database {
					return "", false
				}
				if w.Object != o {
					continue
				}
				there := w.Verb != effect.Drop && w.Verb != effect.RenameOut
				switch {
				case ev == dropped || ev == renamed:
					if !there {
						return "", !st.Effect.If
					}
					return something, true
				case ev == column && (w.Verb == effect.WriteData || w.Verb == effect.Alter && !names(w, e)): // another column, or none
				case ev == column && (w.Verb == effect.Create || w.Verb == effect.Replace):
					return "", !w.Derived && !names(w, e)
				default:
					return "", false
				}
			}
		}
	}
	return "", false
}

// names reports whether a write names the column that e changes.
func names(w effect.Write, e effect.Effect) bool {
	name := e.Writes[0].Columns[0].Name
	return slices.ContainsFunc(w.Columns, func(c effect.Column) bool {
		return strings.EqualFold(c.Name, name) || strings.EqualFold(c.To, name)
	})
}

// soleRan waits until the statement is over and looks whether it ran. It tries as long as the server is not heard.
func (r *run) soleRan(ctx context.Context, queryID string, st Statement, was string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := r.m.srv.Settle(ctx, queryID)
		var now catalog.State
		if err == nil {
			now, err = catalog.Capture(ctx, r.m.store.Conn(), written(st))
		}
		if err == nil {
			return evidenceOf(st.Effect).shows(st.Effect, was, now, r.marked.At) == yes, nil
		}
		if !passing(err) {
			return false, err
		}
		if s := sleep(ctx, time.Second); s != nil {
			return false, err
		}
	}
}

// written are the objects that statements write.
func written(statements ...Statement) []sqltext.Object {
	var out []sqltext.Object
	for _, st := range statements {
		for _, w := range st.Effect.Writes {
			out = append(out, w.Object)
		}
	}
	return out
}

// soleReached works out which of the steps that a mark covers ran: one after the other, up to the first that did not.
func (c *cutOff) soleReached(ctx context.Context) error {
	var statements []Statement
	for i := c.k.Next.Step; i <= c.k.Last.Step; i++ {
		statements = append(statements, c.plan.Steps[i].Statements[0])
	}
	if len(statements) != len(c.k.Sole) {
		return fmt.Errorf("read the mark of run %s: it covers %d steps and describes %d", c.left.ID, len(statements), len(c.k.Sole))
	}
	now, err := catalog.Capture(ctx, c.m.store.Conn(), written(statements...))
	if err != nil {
		return fmt.Errorf("look what run %s did: %w", c.left.ID, err)
	}
	next := c.k.Next.Step
	for i, st := range statements {
		did := evidenceOf(st.Effect).shows(st.Effect, c.k.Sole[i], now, c.k.At)
		if did == no {
			break
		}
		if did == yes {
			next = c.k.Next.Step + i + 1
		}
	}
	c.ran, c.again, c.from, c.current = nil, catalog.State{}, next, next
	for i := range next {
		c.finished = append(c.finished, finished{step: i})
	}
	return nil
}
