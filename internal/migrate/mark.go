package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// mark is what a run writes ahead of a statement, or of a group of them: enough, with the journal's begin, to put the run back or
// to finish it after a kill at any moment.
type mark struct {
	From   int               `json:"from"`            // step at which the savepoint began: earlier ones are finished
	Next   place             `json:"next"`            // the statement that comes next
	Last   place             `json:"last"`            // the last one that this mark covers: plain CREATEs share one
	At     time.Time         `json:"at,omitzero"`     // server's clock, not after the mark
	Prefix string            `json:"ids"`             // of the query ids of everything that this run sends
	Heads  map[string]string `json:"heads,omitempty"` // of the tables that the next statement writes: id → head snapshot
	// Sole is set for migrations of one statement: for each from Next to Last its evidence before (sole.go).
	Sole []string `json:"sole,omitempty"`
	// Ran are the statements since the savepoint, those of this mark not among them.
	Ran []ran `json:"ran,omitempty"`
	// Again is what was captured again since the run began, for this savepoint; when it is too large for a comment it is the detail
	// of the journal's row with event id AgainRow.
	Again    *catalog.State `json:"again,omitempty"`
	AgainRow string         `json:"again_row,omitempty"`
}

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

// ran is a statement that ran, or may have.
type ran struct {
	Place place             `json:"p"`
	At    time.Time         `json:"at,omitzero"`
	Heads map[string]string `json:"heads,omitempty"`
	own   []string          // read from the journal when needed
	id    string            // query id
	maybe bool
}

// largeMark is the size from which what was captured again goes into the journal instead of the mark.
const largeMark = 100 << 10

// groupLimit bounds how many statements share a mark, and with them how long a recovery searches.
const groupLimit = 500

// clock is the server's clock, as far as it is certain: it is not earlier than that. Of several looks at it the one counts whose answer
// came the quickest: a table that was made right before a mark must not seem to be younger than the mark.
func (r *run) clock() time.Time {
	now := r.m.srv.Now()
	look := func(at, read time.Time) {
		if at := at.Add(time.Since(read)).UTC(); !read.IsZero() && at.After(now) {
			now = at
		}
	}
	if !r.h.Now.IsZero() {
		look(r.h.Now, r.h.Read)
	}
	if !r.before.At.IsZero() {
		look(r.before.At, r.before.read)
	}
	return now.Truncate(time.Microsecond) // as the server's own times
}

// ahead writes the mark for the statement at p, unless one that still holds covers it.
func (r *run) ahead(ctx context.Context, p place, heads map[string]string) (ran, error) {
	if r.covered(p) {
		return ran{Place: p, At: r.marked.At, Heads: heads}, nil
	}
	k := r.mark()
	k.Next, k.Last, k.Heads = p, r.groupEnd(p), heads
	return ran{Place: p, At: k.At, Heads: heads}, r.write(ctx, k)
}

// covered reports whether the last mark still holds, and covers the statement at p.
func (r *run) covered(p place) bool {
	k := r.marked
	return k.Prefix != "" && !p.before(k.Next) && !k.Last.before(p) && time.Since(r.markedAt) < r.lock.TTL()/3
}

// write writes a mark: what was finished before it is certain then.
func (r *run) write(ctx context.Context, k mark) error {
	if err := r.lock.Mark(ctx, k); err != nil {
		return err
	}
	r.marked, r.markedAt = k, time.Now()
	r.flush()
	return nil
}

// mark is the run as it stands.
func (r *run) mark() mark {
	k := mark{From: r.from, At: r.clock(), Prefix: r.prefix, Ran: r.ran, AgainRow: r.againRow}
	if r.againRow == "" && len(r.again.Objects) > 0 {
		k.Again = &r.again
	}
	return k
}

// groupEnd is the last statement that the mark of p covers: the end of a user's own transaction, or of a row of plain CREATEs of
// names that are not there. Whether each of those happened, the catalogue shows.
func (r *run) groupEnd(p place) place {
	steps := r.plan.Steps
	st := steps[p.Step].Statements[p.Statement]
	if st.Unit != 0 {
		for p.Statement+1 < len(steps[p.Step].Statements) && steps[p.Step].Statements[p.Statement+1].Unit == st.Unit {
			p.Statement++
		}
		return p
	}
	seen := map[sqltext.Object]bool{}
	if !r.plain(st, seen) {
		return p
	}
	last := p
	for n := 1; n < groupLimit; n++ {
		if p.Statement++; p.Statement >= len(steps[p.Step].Statements) {
			if p = (place{p.Step + 1, 0}); p.Step >= len(steps) || len(steps[p.Step].Statements) == 0 || r.sole(p.Step) {
				break
			}
		}
		if !r.plain(steps[p.Step].Statements[p.Statement], seen) {
			break
		}
		last = p
	}
	return last
}

// plain reports whether a statement only makes objects that are not there, and adds them to seen.
func (r *run) plain(st Statement, seen map[sqltext.Object]bool) bool {
	if !st.Effect.Plain || st.Unit != 0 || len(st.Effect.Writes) == 0 {
		return false
	}
	for _, w := range st.Effect.Writes {
		was, known := r.before.Find(w.Object)
		if !known || was.Exists || r.written[w.Object] || seen[w.Object] {
			return false
		}
		seen[w.Object] = true
	}
	return true
}

// rememberAgain keeps what was captured after the begin, of objects that a step writes, where a recovery finds it: in the marks, or,
// when it is too large for a comment, in a journal row of its own.
func (r *run) rememberAgain(ctx context.Context, objects []sqltext.Object) error {
	part := catalog.State{Server: r.latest.Server}
	for _, o := range objects {
		if now, ok := r.latest.Find(o); ok && r.seen[o].later {
			part.Objects = append(part.Objects, now)
		}
	}
	if len(part.Objects) == 0 {
		return nil
	}
	r.again = r.again.Merge(part)
	b, err := json.Marshal(r.again)
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	r.againRow = ""
	if len(b) < largeMark {
		return nil
	}
	r.againRow = databend.NewID()
	return r.lock.Append(ctx, state.Row{EventID: r.againRow, Event: state.EventRecapture, Detail: string(b)})
}
