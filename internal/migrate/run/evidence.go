package run

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Did a statement run? When its answer is lost, or the process that sent it, the catalogue may show it: most changes of what exists and
// how it is defined leave evidence, something that the statement alone changes, whose value before stands in its mark. Consecutive
// statements share a mark, as a group, as long as each leaves evidence and none touches another's: what ran of a group is all up to
// the last one whose evidence is there.
//
// A migration that is one statement with evidence needs no savepoint: a statement is atomic, so either nothing of it is there or the
// migration is finished.

// evidence is where to look for what a statement leaves.
type evidence int

const (
	none    evidence = iota
	made             // under its name is an object that is not older than the mark, nor the one from before
	dropped          // what was under its name is no longer there
	renamed          // and is under the new one
	changed          // the aspects that it writes are others
)

// visible are the aspects of a table that show whether a statement wrote them: each is the statement's alone, as rows are not.
const visible = effect.Columns | effect.ColumnNotes | effect.Cluster | effect.Comment | effect.Options | effect.Indexes | effect.Constraints

// evidenceOf is the evidence that a statement leaves.
func evidenceOf(e effect.Effect) evidence {
	if e.Unknown || e.Script || e.DML || len(e.Writes) == 0 {
		return none
	}
	if e.Plain && len(e.Writes) == 1 {
		return made
	}
	verbs := map[effect.Verb]int{}
	for _, w := range e.Writes {
		if w.Kind != sqltext.Table || w.IsStream {
			return none
		}
		verbs[w.Verb]++
	}
	switch {
	case len(e.Writes) == 2 && verbs[effect.RenameOut] == 1 && verbs[effect.RenameIn] == 1:
		return renamed
	case len(e.Writes) != 1:
		return none
	case verbs[effect.Drop] == 1:
		return dropped
	case verbs[effect.Create]+verbs[effect.CreateNew]+verbs[effect.Replace] == 1:
		return made
	case verbs[effect.Alter] == 1 && shows(e.Writes[0]):
		return changed
	}
	return none
}

// shows reports whether the catalogue shows what a write changes: of columns those that the statement names, whose rows change with them.
func shows(w effect.Write) bool {
	if w.Changes(effect.Columns | effect.ColumnNotes) {
		return len(w.Columns) > 0 && w.Aspects&^(visible|effect.Rows) == 0
	}
	return w.Aspects != 0 && w.Aspects&^visible == 0
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
	switch {
	case !o.Exists:
		return ""
	case ev == changed:
		return aspects(o, e.Writes[0])
	case o.ID == "":
		return something
	}
	return o.ID
}

// something is the evidence before of an object without an id, or of one that this run made itself: it is there.
const something = "there"

// aspects are those that w changes, as an object has them, as a short sum: a comment may hold what is not to be written down.
func aspects(o catalog.ObjectState, w effect.Write) string {
	var parts []string
	add := func(a effect.Aspect, x any) {
		if w.Changes(a) {
			parts = append(parts, fmt.Sprint(x))
		}
	}
	for _, c := range o.Columns {
		if w.Names(c.Name) {
			add(effect.Columns|effect.ColumnNotes, c)
		}
	}
	add(effect.Cluster, o.ClusterBy)
	add(effect.Comment, o.Comment)
	add(effect.Options, o.Options)
	add(effect.Indexes, o.Indexes)
	add(effect.Constraints, o.Constraints)
	text := strings.Join(parts, "\n")
	sum := sha256.Sum256([]byte(text))
	return "#" + hex.EncodeToString(sum[:12])
}

// shows reports whether a statement ran, from its evidence before (was) and what is there now. at is a server's time not after its mark,
// over one at which it had ended if it ran, zero where that is not known. Of a statement that changed nothing it says that it did not
// run: running it once more does no harm.
func (ev evidence) shows(e effect.Effect, was string, now catalog.State, at, over time.Time) bool {
	is, _ := now.Find(ev.object(e))
	// Another object under the name is another session's, which came later.
	still := is.Exists && (was == something || is.ID == was)
	switch ev {
	case made:
		return is.Exists && ev.in(is, e) != was && (is.Created.IsZero() || !is.Created.Before(at) && (over.IsZero() || !is.Created.After(over)))
	case dropped:
		return was != "" && !still
	case renamed:
		arrived := slices.ContainsFunc(e.Writes, func(w effect.Write) bool {
			there, _ := now.Find(w.Object)
			return w.Verb == effect.RenameIn && there.Exists && (was == something || there.ID == was)
		})
		return was != "" && !still && arrived
	case changed:
		return ev.in(is, e) != was
	}
	return false
}

// sole reports whether step i is a migration of one statement with evidence, which needs no savepoint.
func sole(p plan.Plan, i int) bool {
	s := p.Steps[i]
	return !p.Atomic && len(s.Statements) == 1 && evidenceOf(s.Statements[0].Effect) != none
}

// sole is sole for a step of this run: one that has to carry a ledger along afterwards needs its savepoint until then.
func (r *Run) sole(i int) bool { return sole(r.plan, i) && !r.moves.carry(i) }

// groupLimit bounds how many statements share a mark, and with them how long a recovery searches.
const groupLimit = 500

// group finds the last statement of the group that begins at p, and the evidence before each. A user's own transaction is a group
// without evidence, as is a statement that leaves none.
func (r *Run) group(p place) (last place, before []string) {
	steps := r.plan.Steps
	if unit := r.at(p).Unit; unit != 0 {
		for last = p; last.Statement+1 < len(steps[p.Step].Statements) && steps[p.Step].Statements[last.Statement+1].Unit == unit; {
			last.Statement++
		}
		return last, nil
	}
	last = p
	written := map[sqltext.Object]bool{}        // by the group
	taken := map[sqltext.Object]effect.Aspect{} // the evidence of its statements
	for q := p; q.Step < len(steps) && len(steps[q.Step].Statements) > 0 && len(before) < groupLimit; q = after(steps, q) {
		st := r.at(q)
		ev := evidenceOf(st.Effect)
		if ev == none || st.Unit != 0 || q != p && !r.sole(q.Step) && !r.plain(st, written) {
			break
		}
		was, known := r.evidenceBefore(q, ev, written)
		if !known || slices.ContainsFunc(st.Effect.Writes, func(w effect.Write) bool { return taken[w.Object].Has(reach(w)) }) {
			break
		}
		for _, w := range st.Effect.Writes {
			written[w.Object] = true
			taken[w.Object] |= w.Aspects & (visible | effect.Existence)
		}
		last, before = q, append(before, was)
	}
	return last, before
}

// reach are the aspects that a write changes: what makes or moves an object changes all of it.
func reach(w effect.Write) effect.Aspect {
	if w.Changes(effect.Existence) {
		return ^effect.Aspect(0)
	}
	return w.Aspects
}

// plain reports whether a statement only makes an object that is not there: of a migration with a savepoint no other may join a group,
// since what it changes is to be read right before it.
func (r *Run) plain(st plan.Statement, written map[sqltext.Object]bool) bool {
	if !st.Effect.Plain || len(st.Effect.Writes) != 1 {
		return false
	}
	o := st.Effect.Writes[0].Object
	was, known := r.know.now.Find(o)
	return known && !was.Exists && !r.know.written[o] && !written[o]
}

// evidenceBefore is the evidence of the statement at p before it runs, and after the statements of its group, which write these objects;
// known is false when that has to be read first.
func (r *Run) evidenceBefore(p place, ev evidence, group map[sqltext.Object]bool) (was string, known bool) {
	e := r.at(p).Effect
	o := ev.object(e)
	now, read := r.know.now.Find(o)
	if read && !group[o] && !r.know.dirty[o] {
		// Who is under a name may be old news: what came since the mark is told by its age.
		return ev.in(now, e), ev == made || r.know.age(o) < r.lock.TTL()/3
	}
	// Written by this run: what it wrote may tell.
	for n := p.Step; n >= 0; n-- {
		statements := r.plan.Steps[n].Statements
		if n == p.Step {
			statements = statements[:p.Statement]
		}
		for _, st := range slices.Backward(statements) {
			if st.Effect.Unknown {
				return "", false
			}
			for _, w := range st.Effect.Writes {
				if w.Kind == sqltext.Database && w.Name == o.Database {
					return "", false
				}
				if w.Object == o {
					if was, known, found := ev.derived(st.Effect, w, e); found {
						return was, known
					}
				}
			}
		}
	}
	return "", false
}

// derived is the evidence of e as an earlier write of its object left it. Not found: the write before that one tells.
func (ev evidence) derived(by effect.Effect, w effect.Write, e effect.Effect) (was string, known, found bool) {
	there := w.Verb != effect.Drop && w.Verb != effect.RenameOut
	switch ev {
	case dropped, renamed:
		if !there {
			return "", !by.If, true
		}
		return something, true, true
	case changed:
		mine := e.Writes[0]
		if !mine.Changes(effect.Columns) {
			return "", false, true
		}
		named := slices.ContainsFunc(mine.Columns, func(c define.Column) bool { return w.Names(c.Name) || c.NewName != "" && w.Names(c.NewName) })
		switch w.Verb {
		case effect.WriteData: // no column
			return "", false, false
		case effect.Alter:
			return "", false, named
		case effect.Create, effect.Replace:
			return "", !w.Derived && !named, true
		}
	}
	return "", false, true
}
