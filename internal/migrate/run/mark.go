package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// mark is what a run writes ahead of a statement, or of a group of them: enough, with the journal's begin, to put the run back or
// to finish it after a kill at any moment. It is written once for each statement of a long migration: what came before those at hand
// moves on to the trail.
type mark struct {
	From   int               `json:"from"`             // step at which the savepoint began: earlier ones are finished
	Next   place             `json:"next"`             // the statement that comes next
	Last   place             `json:"last"`             // the last one that this mark covers
	At     time.Time         `json:"at"`               // server's clock, not after the mark
	Prefix string            `json:"ids"`              // of the query ids of everything that this run sends
	Heads  map[string]string `json:"heads,omitempty"`  // of the tables that the next statement writes: id → head snapshot
	Before []string          `json:"before,omitempty"` // the evidence before each that it covers; none: nothing shows whether it ran
	// Carries says that the migration of Next has to carry a ledger along behind its statements.
	Carries bool `json:"carries,omitempty"`
	trail
	// Trail is how many parts of the savepoint stand in rows of the journal instead: those of this savepoint with a smaller number.
	Trail int `json:"trail,omitempty"`
	// Back says that a rollback to the savepoint has begun: the trail is all that ran or may have, and what is there tells no more of it.
	Back bool `json:"back,omitempty"`
}

// trail is what happened since the savepoint began, or a part of it.
type trail struct {
	Ran []Ran `json:"ran,omitempty"` // the statements, in order
	// Later is what was read of objects before their first statement, where that was after the journal's begin.
	Later *catalog.State `json:"later,omitempty"`
}

// trailRow is a part of a trail that was moved into a row of the journal.
type trailRow struct {
	From   int `json:"from"`   // step at which its savepoint began
	Number int `json:"number"` // of the row within the savepoint
	trail
}

// longTrail is the size from which a trail goes into the journal instead of every further mark.
const longTrail = 8 << 10

// place is a statement: step and statement in it, both from 0.
type place struct {
	Step, Statement int
}

// MarshalJSON keeps marks short.
func (p place) MarshalJSON() ([]byte, error) { return json.Marshal([2]int{p.Step, p.Statement}) }

func (p *place) UnmarshalJSON(b []byte) error {
	var a [2]int
	err := json.Unmarshal(b, &a)
	p.Step, p.Statement = a[0], a[1]
	return err
}

func (p place) before(q place) bool {
	return p.Step < q.Step || p.Step == q.Step && p.Statement < q.Statement
}

// after is the statement behind p; behind the last one it is the one of a step that is not there.
func after(steps []plan.Step, p place) place {
	if p.Statement++; p.Statement >= len(steps[p.Step].Statements) {
		return place{p.Step + 1, 0}
	}
	return p
}

// Ran is a statement that ran, or may have.
type Ran struct {
	Place place             `json:"p"`
	At    time.Time         `json:"at"`             // of its mark
	Done  time.Time         `json:"done,omitzero"`  // not before its end
	Left  *catalog.State    `json:"left,omitempty"` // what it made of objects without history
	Heads map[string]string `json:"heads,omitempty"`
	Own   []string          `json:"own,omitempty"` // the snapshots and blocks that are its own, read from the journal when needed
	Maybe bool              `json:"maybe,omitempty"`
	id    string            // query id
}

// evidence is that before the statement at p, which the mark covers.
func (k mark) evidence(steps []plan.Step, p place) string {
	i := 0
	for q := k.Next; q.before(p); q = after(steps, q) {
		i++
	}
	if i >= len(k.Before) {
		return ""
	}
	return k.Before[i]
}

// covered reports whether the last mark still holds, and covers the statement at p.
func (r *Run) covered(p place) bool {
	k := r.marked
	return k.Prefix != "" && !p.before(k.Next) && !k.Last.before(p) && time.Since(r.markedAt) < r.lock.TTL()/3
}

// mark writes the mark of the group that begins with the statement at p: what was finished before it is certain then.
func (r *Run) mark(ctx context.Context, p place, heads map[string]string) error {
	if r.save.Later != nil {
		if err := r.keepable(*r.save.Later); err != nil {
			return err
		}
	}
	if err := r.shorten(ctx); err != nil {
		return err
	}
	k := mark{
		From: r.save.From, Next: p, At: r.clock(), Prefix: r.prefix, Heads: heads, Carries: r.moves.carry(p.Step),
		trail: r.save.trail, Trail: r.save.moved,
	}
	k.Last, k.Before = r.group(p)
	if err := r.lock.Mark(ctx, k); err != nil {
		return err
	}
	r.marked, r.markedAt = k, time.Now()
	r.flush()
	return nil
}

// shorten moves a long trail into the journal.
func (r *Run) shorten(ctx context.Context) error {
	if len(r.save.Ran) == 0 && r.save.Later == nil {
		return nil
	}
	b, err := json.Marshal(trailRow{From: r.save.From, Number: r.save.moved, trail: r.save.trail})
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	if len(b) < longTrail {
		return nil
	}
	if err := r.lock.Append(ctx, state.Row{Event: journal.EventRecapture, Detail: string(b)}); err != nil {
		return err
	}
	r.save.move()
	return nil
}
